//! What an operation is, and what happens when one runs.

use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::finite;
use crate::grad::is_recording;
use crate::memory::Memory;
use crate::record::{self, Tracing};
use crate::shape::Spec;
use crate::tensor::{Source, Tensor, fresh_ids};
use smallvec::SmallVec;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard};

/// The values that an operation gives.
pub type Outputs = SmallVec<[Tensor; 1]>;
/// The shapes and types of an operation's outputs.
pub type Specs = SmallVec<[Spec; 1]>;
/// A gradient for each input of an operation; `None` where it is zero or was not asked.
pub type Cotangents = SmallVec<[Option<Tensor>; 3]>;
/// The named settings of an operation: what an exporter, a pruner or a printed record needs to know of it.
pub type Attributes = Vec<(&'static str, Attribute)>;

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attribute::Bool(x) => write!(f, "{x}"),
            Attribute::Int(x) => write!(f, "{x}"),
            Attribute::Ints(x) => write!(f, "{x:?}"),
            Attribute::Float(x) => write!(f, "{x:?}"),
            Attribute::Text(x) => f.write_str(x),
            Attribute::DType(x) => write!(f, "{x}"),
        }
    }
}

/// One setting of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Integers, such as axes or strides.
    Ints(Vec<i64>),
    /// A number.
    Float(f64),
    /// A word.
    Text(String),
    /// An element type.
    DType(DType),
}

macro_rules! attribute_from {
    ($($ty:ty => |$x:ident| $make:expr),* $(,)?) => {$(
        impl From<$ty> for Attribute {
            fn from($x: $ty) -> Attribute {
                $make
            }
        }
    )*};
}
attribute_from!(
    bool => |x| Attribute::Bool(x),
    usize => |x| Attribute::Int(x as i64),
    isize => |x| Attribute::Int(x as i64),
    i64 => |x| Attribute::Int(x),
    u64 => |x| Attribute::Int(x as i64),
    f64 => |x| Attribute::Float(x),
    &str => |x| Attribute::Text(x.to_string()),
    DType => |x| Attribute::DType(x),
    &[usize] => |x| Attribute::Ints(x.iter().map(|&x| x as i64).collect()),
    &[isize] => |x| Attribute::Ints(x.iter().map(|&x| x as i64).collect()),
    Scalar => |x| match x {
        Scalar::Bool(x) => Attribute::Bool(x),
        Scalar::Int(x) => Attribute::Int(x),
        Scalar::Float(x) => Attribute::Float(x),
    },
);

/// An operation: a mapping from tensors to tensors, with everything that the engine and its tools know about it.
///
/// The engine calls [`infer`](Op::infer) first, then [`forward`](Op::forward). It records the operation if an input is
/// tracked, and calls [`vjp`](Op::vjp) when gradients are asked. It checks the number and shapes of gradients, undoes
/// broadcasting and adds gradients up, so that `vjp` is the formula and nothing else.
pub trait Op: fmt::Debug + Send + Sync + 'static {
    /// The name, as users, errors and records show it: `snake_case`.
    fn name(&self) -> &'static str;

    /// The settings of this operation.
    fn attributes(&self) -> Attributes {
        Vec::new()
    }

    /// The shape rule: the outputs' shapes and types, from the inputs' alone. Pure; allocates nothing large.
    ///
    /// # Errors
    /// Inputs that do not fit. The engine adds the operation's name and the caller's line.
    fn infer(&self, inputs: &[Spec]) -> Result<Specs>;

    /// The outputs' values, exactly as [`infer`](Op::infer) said. The inputs fit: `infer` ran before. What
    /// [`vjp`](Op::vjp) needs beyond inputs and outputs goes to [`Forward::save`]. A record may run it again: the same inputs
    /// give the same outputs.
    ///
    /// # Errors
    /// Values that do not fit (an index outside its range), or a refusal of memory.
    fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs>;

    /// Which values [`vjp`](Op::vjp) reads; the others are freed as soon as nothing else holds them.
    fn keeps(&self) -> Keeps {
        Keeps::INPUTS
    }

    /// Whether the outputs have gradients with respect to some input. Where they do not, a gradient that would pass
    /// through is an error, never a silent cut.
    fn differentiable(&self) -> bool {
        true
    }

    /// The vector-Jacobian product: from a gradient for each output, one for each input. Written in tensor operations,
    /// so that it can be recorded and differentiated in turn. A gradient may have the shape to which its input was
    /// broadcast: the engine sums it down.
    ///
    /// # Errors
    /// Those of the operations in it. Never called where [`differentiable`](Op::differentiable) is false.
    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents>;

    /// How many multiply-adds a forward run takes: what a summary counts. Those of sums of products alone: what is done
    /// to each element by itself, sums and maxima count nothing.
    fn multiply_adds(&self, _inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        0
    }

    /// For an operation that slides along the last axes of its first input, or moves or cuts them: what an output reads
    /// along each, for receptive fields. Empty where nothing is known.
    fn spans(&self, _inputs: &[Spec]) -> Vec<Span> {
        Vec::new()
    }

    /// For a fused operation whose [`vjp`](Op::vjp) cannot itself be differentiated: the same mapping out of simpler
    /// operations, through which gradients of gradients are taken.
    ///
    /// # Errors
    /// Those of the operations in it.
    fn composed(&self, _inputs: &[Tensor]) -> Result<Option<Outputs>> {
        Ok(None)
    }
}

/// What each output of an operation reads along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// How many places, at most.
    pub size: usize,
    /// How far they lie apart.
    pub dilation: usize,
    /// How far they move from one output to the next; less than one where there are more outputs than inputs.
    pub stride: f64,
}

impl Span {
    /// The same place.
    pub const SAME: Span = Span { size: 1, dilation: 1, stride: 1.0 };
}

/// Which values an operation keeps for its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// A bit for each input; the last one is for all that follow, too.
    pub inputs: u32,
    /// All outputs, or none.
    pub outputs: bool,
}

impl Keeps {
    /// All inputs.
    pub const INPUTS: Keeps = Keeps { inputs: u32::MAX, outputs: false };
    /// The outputs.
    pub const OUTPUTS: Keeps = Keeps { inputs: 0, outputs: true };
    /// Inputs and outputs.
    pub const ALL: Keeps = Keeps { inputs: u32::MAX, outputs: true };
    /// Neither: the gradient needs the outputs' gradients alone.
    pub const NOTHING: Keeps = Keeps { inputs: 0, outputs: false };

    fn input(self, index: usize) -> bool {
        self.inputs >> index.min(31) & 1 == 1
    }
}

/// What an operation is told while it runs forward.
pub struct Forward {
    recording: bool,
    saved: SmallVec<[Tensor; 2]>,
}

impl Forward {
    /// Whether a gradient may be asked: if not, nothing need be saved.
    pub fn is_recording(&self) -> bool {
        self.recording
    }

    /// Keeps an intermediate value for [`Backward::saved`].
    pub fn save(&mut self, value: Tensor) {
        if self.recording {
            self.saved.push(value);
        }
    }
}

/// What an operation is told when its gradient is asked.
pub struct Backward<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) inputs: SmallVec<[Option<Tensor>; 3]>,
    pub(crate) needs: SmallVec<[bool; 8]>,
    pub(crate) outputs: SmallVec<[Tensor; 1]>,
    pub(crate) saved: SmallVec<[Tensor; 2]>,
    pub(crate) grads: &'a [Option<Tensor>],
}

impl Backward<'_> {
    /// The value of an input that the operation [`keeps`](Op::keeps).
    ///
    /// # Errors
    /// An input that it does not keep.
    pub fn input(&self, index: usize) -> Result<Tensor> {
        self.inputs.get(index).cloned().flatten().ok_or_else(|| self.not_kept("input", index))
    }

    /// The value of an output, if the operation [`keeps`](Op::keeps) outputs.
    ///
    /// # Errors
    /// Outputs are not kept.
    pub fn output(&self, index: usize) -> Result<Tensor> {
        self.outputs.get(index).cloned().ok_or_else(|| self.not_kept("output", index))
    }

    /// What [`Forward::save`] kept, in the order of the calls.
    ///
    /// # Errors
    /// Fewer values were saved.
    pub fn saved(&self, index: usize) -> Result<Tensor> {
        self.saved.get(index).cloned().ok_or_else(|| self.not_kept("saved value", index))
    }

    /// The gradient of an output; zeros if nothing depends on it.
    ///
    /// # Errors
    /// An output that the operation does not have.
    pub fn grad(&self, output: usize) -> Result<Tensor> {
        match (self.grad_if_any(output), self.node.outputs.get(output)) {
            (Some(grad), _) => Ok(grad.clone()),
            (None, Some(spec)) => Tensor::zeros(spec.shape, spec.dtype),
            (None, None) => Err(Error::gradient(format!("the operation has no output {output}"))),
        }
    }

    /// The gradient of an output, if something depends on it.
    pub fn grad_if_any(&self, output: usize) -> Option<&Tensor> {
        self.grads.get(output).and_then(Option::as_ref)
    }

    /// Whether a gradient of this input is asked.
    pub fn needs(&self, input: usize) -> bool {
        self.needs.get(input).copied().unwrap_or(false)
    }

    /// Shape and type of an input.
    pub fn spec(&self, input: usize) -> Spec {
        self.node.input_specs[input]
    }

    /// Number of inputs.
    pub fn num_inputs(&self) -> usize {
        self.node.input_specs.len()
    }

    fn not_kept(&self, what: &str, index: usize) -> Error {
        Error::gradient(format!("the operation does not keep {what} {index}")).mend("name it in Op::keeps")
    }
}

/// One operation in the record: what ran, on which values.
pub struct Node {
    pub(crate) id: u64,
    pub(crate) op: Arc<dyn Op>,
    pub(crate) at: &'static Location<'static>,
    pub(crate) input_specs: SmallVec<[Spec; 3]>,
    pub(crate) outputs: Specs,
    tracks: bool,
    /// Whether it ran outside `no_grad`.
    pub(crate) recorded: bool,
    state: Mutex<State>,
}

/// What a node holds of other values, until a backward pass frees it.
#[derive(Default)]
pub(crate) struct State {
    pub edges: SmallVec<[Edge; 3]>,
    pub outputs: SmallVec<[Tensor; 1]>,
    pub saved: SmallVec<[Tensor; 2]>,
    pub freed: bool,
}

/// An input of a node.
#[derive(Clone)]
pub(crate) struct Edge {
    pub id: u64,
    pub source: Source,
    pub value: Option<Tensor>,
}

impl Node {
    /// Whether gradients flow to this output.
    pub(crate) fn tracks(&self, output: usize) -> bool {
        self.tracks && self.outputs[output].dtype.is_float()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The memory of what is kept for the gradient.
    pub(crate) fn kept(&self) -> Vec<Memory> {
        let (keeps, state) = (self.op.keeps(), self.state());
        let is_kept = |&(index, _): &(usize, &Edge)| self.tracks && keeps.input(index);
        let inputs = state.edges.iter().enumerate().filter(is_kept).filter_map(|(_, edge)| edge.value.as_ref());
        inputs.chain(&state.outputs).chain(&state.saved).map(Tensor::memory).collect()
    }

    /// Drops the values that were kept for the gradient; the structure stays.
    pub(crate) fn free(&self) {
        let mut state = self.state();
        state.freed = true;
        state.edges.iter_mut().for_each(|edge| edge.value = None);
        state.outputs.clear();
        state.saved.clear();
    }
}

impl Drop for Node {
    /// Iterative: a chain of a million operations must not overflow the stack.
    fn drop(&mut self) {
        let mut chain = std::mem::take(&mut self.state.get_mut().unwrap_or_else(|e| e.into_inner()).edges);
        while let Some(edge) = chain.pop() {
            drop(edge.value); // never the last owner of its node: `source` holds it too
            if let Source::Node(node, _) = edge.source
                && let Some(mut node) = Arc::into_inner(node)
            {
                chain.append(&mut node.state.get_mut().unwrap_or_else(|e| e.into_inner()).edges);
            }
        }
    }
}

thread_local! {
    /// Whose line operations take for their caller's, inside one that is made of others.
    static CALLER: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// The line that called, or the one that called the outermost [`composed`] operation.
#[track_caller]
fn caller() -> &'static Location<'static> {
    match CALLER.get() {
        Some(outermost) => outermost,
        None => Location::caller(),
    }
}

/// Lets operations take this line for their caller's while it lives, also through a panic.
pub(crate) struct CalledAt {
    before: Option<&'static Location<'static>>,
}

impl CalledAt {
    pub(crate) fn new(at: &'static Location<'static>) -> CalledAt {
        CalledAt { before: CALLER.replace(Some(at)) }
    }
}

impl Drop for CalledAt {
    fn drop(&mut self) {
        CALLER.set(self.before);
    }
}

/// Runs an operation that is made of others: its errors, those of its gradient, too, name its caller's line, as do the
/// steps of a record. `f` must call nothing of the user's: what goes wrong in that has lines of its own.
///
/// # Errors
/// Those of `f`, under this operation's name.
#[track_caller]
pub fn composed<T>(op: &'static str, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let at = caller();
    let _called = CalledAt::new(at);
    f().map_err(|e| e.as_of(op, at))
}

/// Runs an operation and gives its outputs, recorded if an input is tracked. This is the one way in: our own operations
/// and those that other crates define come through here.
///
/// # Errors
/// Those of the operation's shape rule and kernels, with its name and the caller's line added.
#[track_caller]
pub fn apply<O: Op>(op: O, inputs: &[&Tensor]) -> Result<Outputs> {
    let at = caller();
    match run(&op, inputs, at)? {
        Ran::Plain(values) => Ok(values),
        Ran::Recorded(parts) => Ok(attach(Arc::new(op), inputs, parts, at)),
    }
}

/// [`apply`] of an operation that the record shares.
///
/// # Errors
/// Those of [`apply`].
#[track_caller]
pub fn apply_shared(op: &Arc<dyn Op>, inputs: &[&Tensor]) -> Result<Outputs> {
    apply_at(op, inputs, caller())
}

/// [`apply_shared`] for the caller at this line.
pub(crate) fn apply_at(op: &Arc<dyn Op>, inputs: &[&Tensor], at: &'static Location<'static>) -> Result<Outputs> {
    match run(&**op, inputs, at)? {
        Ran::Plain(values) => Ok(values),
        Ran::Recorded(parts) => Ok(attach(op.clone(), inputs, parts, at)),
    }
}

/// [`apply`] of an operation whose values, of which nothing else knows the origin, are there already.
pub(crate) fn apply_computed<O: Op>(
    op: O,
    inputs: &[&Tensor],
    values: Outputs,
    at: &'static Location<'static>,
) -> Outputs {
    let parts = Parts {
        input_specs: inputs.iter().map(|input| input.spec()).collect(),
        outputs: values.iter().map(Tensor::spec).collect(),
        values,
        saved: SmallVec::new(),
        tracks: is_tracked(inputs),
    };
    attach(Arc::new(op), inputs, parts, at)
}

/// Whether gradients flow from what is computed now of these.
fn is_tracked(inputs: &[&Tensor]) -> bool {
    is_recording() && record::tracing() != Tracing::Light && inputs.iter().any(|input| input.is_tracked())
}

/// What came out of an operation.
#[allow(clippy::large_enum_variant)] // it lives for a moment, on the stack
enum Ran {
    Plain(Outputs),
    Recorded(Parts),
}

/// What a node is made of.
struct Parts {
    input_specs: SmallVec<[Spec; 3]>,
    values: Outputs,
    outputs: Specs,
    saved: SmallVec<[Tensor; 2]>,
    tracks: bool,
}

fn run(op: &dyn Op, inputs: &[&Tensor], at: &'static Location<'static>) -> Result<Ran> {
    let run = || {
        let tracks = is_tracked(inputs);
        let input_specs: SmallVec<[Spec; 3]> = inputs.iter().map(|input| input.spec()).collect();
        let outputs = op.infer(&input_specs)?;
        let mut cx = Forward { recording: tracks, saved: SmallVec::new() };
        let values = op.forward(inputs, &mut cx)?;
        if !values.iter().map(Tensor::spec).eq(outputs.iter().copied()) {
            let gave: Vec<Spec> = values.iter().map(Tensor::spec).collect();
            let promised = outputs.to_vec();
            return Err(Error::argument(format!("Op::forward gave {gave:?}, where Op::infer promised {promised:?}"))
                .mend("let both agree"));
        }
        if finite::is_watching() {
            finite::check(op, at, None, inputs, &values.iter().collect::<Vec<_>>())?;
        }
        if tracks || record::tracing() != Tracing::Off {
            Ok(Ran::Recorded(Parts { input_specs, values, outputs, saved: cx.saved, tracks }))
        } else {
            Ok(Ran::Plain(values))
        }
    };
    run().map_err(|e: Error| e.as_of(op.name(), at))
}

/// [`apply`] for operations of one output.
///
/// # Errors
/// Those of [`apply`]; an operation without outputs.
#[track_caller]
pub fn apply_one<O: Op>(op: O, inputs: &[&Tensor]) -> Result<Tensor> {
    let (name, at) = (op.name(), caller());
    let first = apply(op, inputs)?.into_iter().next();
    first.ok_or_else(|| Error::argument("the operation gives no output").op(name).at(at))
}

/// Makes the node and points the outputs at it.
fn attach(op: Arc<dyn Op>, inputs: &[&Tensor], parts: Parts, at: &'static Location<'static>) -> Outputs {
    let Parts { input_specs, values, outputs, saved, tracks } = parts;
    let keeps = op.keeps();
    let tracing = record::tracing() != Tracing::Off;
    let edge = |(index, input): (usize, &&Tensor)| {
        let keep = (tracks && keeps.input(index)) || (tracing && !record::is_on_tape(input.id()));
        Edge { id: input.id(), source: input.source().clone(), value: keep.then(|| (*input).clone()) }
    };
    let state = State {
        edges: inputs.iter().enumerate().map(edge).collect(),
        outputs: if tracks && keeps.outputs { values.clone() } else { SmallVec::new() },
        saved,
        freed: false,
    };
    let (id, recorded) = (fresh_ids(values.len()), is_recording());
    let node = Arc::new(Node { id, op, at, input_specs, outputs, tracks, recorded, state: Mutex::new(state) });
    if tracing {
        record::put_on_tape(node.clone());
    }
    // What is traced alone is found by its identity: a value that outlives the trace holds nothing of it.
    let source = |i: usize| if tracks { Source::Node(node.clone(), i) } else { Source::Constant };
    let attached = |(i, value): (usize, Tensor)| value.with_source(id + i as u64, source(i));
    values.into_iter().enumerate().map(attached).collect()
}

/// Fails unless the operation got `count` inputs.
///
/// # Errors
/// Another number of inputs.
pub fn expect_inputs(inputs: &[Spec], count: usize) -> Result<()> {
    if inputs.len() == count {
        return Ok(());
    }
    Err(Error::argument(format!("takes {count} inputs, got {}", inputs.len())))
}

/// Fails unless every input has float elements.
///
/// # Errors
/// An input of integers or truth values.
pub fn expect_float(inputs: &[Spec]) -> Result<()> {
    match inputs.iter().find(|spec| !spec.dtype.is_float()) {
        None => Ok(()),
        Some(spec) => Err(Error::dtype(format!("is not defined for {} elements", spec.dtype))
            .mend("convert with to_dtype(DType::F32) first")),
    }
}

/// Fails unless the inputs have one element type; gives it.
///
/// # Errors
/// Two types.
pub fn expect_same_dtype(inputs: &[Spec]) -> Result<DType> {
    let first = inputs.first().map_or(DType::F32, |spec| spec.dtype);
    match inputs.iter().find(|spec| spec.dtype != first) {
        None => Ok(first),
        Some(other) => Err(Error::dtype(format!("element types differ: {first} and {}", other.dtype))
            .mend("convert one with to_dtype first")),
    }
}
