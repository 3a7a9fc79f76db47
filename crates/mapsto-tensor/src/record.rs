//! The record of a computation as data: walked, printed, and run again.

use crate::error::{Error, Result};
use crate::grad::{enable_grad, no_grad};
use crate::memory::Memory;
use crate::op::{Node, Op, Specs, apply_at};
use crate::shape::Spec;
use crate::tensor::{Source, Tensor};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// A value in a [`Record`], numbered in the order of computation.
pub type ValueId = usize;

/// Where a value of a record comes from.
#[derive(Clone)]
pub enum Origin {
    /// The record's n-th input.
    Input(usize),
    /// A tensor that the computation read: a parameter (a variable) or a constant.
    Leaf(Tensor),
    /// A tensor that the computation read and did not keep: it can be seen, not run again.
    NotKept,
    /// An output of a step.
    Step {
        /// The step's place in [`Record::steps`].
        step: usize,
        /// Which of its outputs.
        output: usize,
    },
}

/// One operation that ran.
#[derive(Clone)]
pub struct Step {
    /// The operation with its settings.
    pub op: Arc<dyn Op>,
    /// The values it read.
    pub inputs: Vec<ValueId>,
    /// The values it gave.
    pub outputs: Vec<ValueId>,
    /// The caller's line.
    pub at: &'static Location<'static>,
    /// Whether gradients flow through it when it runs again: it did not run in `no_grad`.
    pub recorded: bool,
    /// The identity of its first output ([`Tensor::id`]): greater than that of every value that was there before.
    pub id: u64,
    /// The memory that it holds until a backward pass is done with it; none where no gradient was asked.
    pub kept: Vec<Memory>,
}

/// What is traced on a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracing {
    /// Nothing.
    Off,
    /// Every operation; nothing is kept for gradients.
    Light,
    /// Every operation, and gradients as without a trace.
    Full,
}

/// What ran since a trace began.
#[derive(Default)]
struct Tape {
    nodes: Vec<Arc<Node>>,
    /// The identities of the inputs and of what the operations gave.
    known: HashSet<u64>,
}

thread_local! {
    static TRACING: Cell<Tracing> = const { Cell::new(Tracing::Off) };
    /// The tapes of the traces that run, innermost last.
    static TAPES: RefCell<Vec<Tape>> = const { RefCell::new(Vec::new()) };
}

/// What is traced on this thread.
pub(crate) fn tracing() -> Tracing {
    TRACING.get()
}

/// Whether the innermost trace knows where this value comes from.
pub(crate) fn is_on_tape(id: u64) -> bool {
    TAPES.with_borrow(|tapes| tapes.last().is_some_and(|tape| tape.known.contains(&id)))
}

/// Adds an operation that ran to the innermost trace.
pub(crate) fn put_on_tape(node: Arc<Node>) {
    TAPES.with_borrow_mut(|tapes| {
        if let Some(tape) = tapes.last_mut() {
            tape.known.extend((0..node.outputs.len()).map(|i| node.id + i as u64));
            tape.nodes.push(node);
        }
    });
}

/// The innermost trace of a thread while it lives, also through a panic.
struct Trace {
    before: Tracing,
}

impl Trace {
    fn begin(mode: Tracing, inputs: &[Tensor]) -> Trace {
        let known = inputs.iter().map(Tensor::id).collect();
        TAPES.with_borrow_mut(|tapes| tapes.push(Tape { nodes: Vec::new(), known }));
        Trace { before: TRACING.replace(mode) }
    }

    /// The operations since it began.
    fn take(&self) -> Vec<Arc<Node>> {
        TAPES.with_borrow_mut(|tapes| tapes.last_mut().map(|tape| std::mem::take(&mut tape.nodes)).unwrap_or_default())
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        TRACING.set(self.before);
        drop(TAPES.with_borrow_mut(Vec::pop));
    }
}

/// A computation: operations in the order in which they ran.
#[derive(Clone)]
pub struct Record {
    origins: Vec<Origin>,
    specs: Vec<Spec>,
    steps: Vec<Step>,
    outputs: Vec<ValueId>,
    num_inputs: usize,
}

impl Record {
    /// Runs `f` on the inputs and records every operation between them and what it gives. Gradients are not kept.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn trace(inputs: &[&Tensor], f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Record> {
        Ok(Record::trace_values(Tracing::Light, inputs, f)?.0)
    }

    /// [`Record::trace`] of a forward pass that a backward pass could follow: [`Step::kept`] tells what it holds.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn trace_for_gradients(inputs: &[&Tensor], f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Record> {
        Ok(Record::trace_values(Tracing::Full, inputs, f)?.0)
    }

    /// A trace, and what `f` gave.
    pub(crate) fn trace_values(
        mode: Tracing,
        inputs: &[&Tensor],
        f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<(Record, Vec<Tensor>)> {
        // Handles of their own, so that an input is told from the same tensor read as a constant.
        let inputs: Vec<Tensor> = inputs.iter().map(|input| input.view(*input.layout())).collect();
        let trace = Trace::begin(mode, &inputs);
        let outputs = enable_grad(|| f(&inputs))?;
        Ok((Record::of_nodes(&inputs, trace.take(), &outputs), outputs))
    }

    /// The record of values that were computed from variables: what a backward pass would walk. What that does not read was
    /// not kept ([`Origin::NotKept`]): such a record can be seen but not run again.
    pub fn of(outputs: &[&Tensor]) -> Record {
        let outputs: Vec<Tensor> = outputs.iter().map(|&output| output.clone()).collect();
        let mut nodes: BTreeMap<u64, Arc<Node>> = BTreeMap::new();
        let mut open: Vec<Arc<Node>> = Vec::new();
        let mut reach = |source: &Source, open: &mut Vec<Arc<Node>>| {
            if let Source::Node(node, _) = source
                && nodes.insert(node.id, node.clone()).is_none()
            {
                open.push(node.clone());
            }
        };
        outputs.iter().for_each(|output| reach(output.source(), &mut open));
        while let Some(node) = open.pop() {
            node.state().edges.iter().for_each(|edge| reach(&edge.source, &mut open));
        }
        Record::of_nodes(&[], nodes.into_values().collect(), &outputs)
    }

    /// The record of what the outputs were computed by, from operations in the order in which they ran.
    fn of_nodes(inputs: &[Tensor], mut nodes: Vec<Arc<Node>>, outputs: &[Tensor]) -> Record {
        let mut needed: HashSet<u64> = outputs.iter().map(Tensor::id).collect();
        nodes.reverse();
        nodes.retain(|node| {
            let is_needed = (0..node.outputs.len()).any(|i| needed.contains(&(node.id + i as u64)));
            if is_needed {
                needed.extend(node.state().edges.iter().map(|edge| edge.id));
            }
            is_needed
        });
        let mut record = Record {
            origins: Vec::new(),
            specs: Vec::new(),
            steps: Vec::new(),
            outputs: Vec::new(),
            num_inputs: inputs.len(),
        };
        let mut numbers: HashMap<u64, ValueId> = HashMap::new();
        for (i, input) in inputs.iter().enumerate() {
            numbers.insert(input.id(), record.value(Origin::Input(i), input.spec()));
        }
        for node in nodes.iter().rev() {
            let edges = node.state().edges.clone();
            let mut read = Vec::with_capacity(edges.len());
            for (edge, spec) in edges.iter().zip(&node.input_specs) {
                let leaf = || edge.value.clone().map_or(Origin::NotKept, Origin::Leaf);
                read.push(*numbers.entry(edge.id).or_insert_with(|| record.value(leaf(), *spec)));
            }
            let step = record.steps.len();
            let give = |(output, spec): (usize, &Spec)| {
                let number = record.value(Origin::Step { step, output }, *spec);
                numbers.insert(node.id + output as u64, number);
                number
            };
            let outputs: Vec<ValueId> = node.outputs.iter().enumerate().map(give).collect();
            record.steps.push(Step {
                op: node.op.clone(),
                inputs: read,
                outputs,
                at: node.at,
                recorded: node.recorded,
                id: node.id,
                kept: node.kept(),
            });
        }
        for output in outputs {
            let leaf = || record.value(Origin::Leaf(output.clone()), output.spec());
            let number = *numbers.entry(output.id()).or_insert_with(leaf);
            record.outputs.push(number);
        }
        record
    }

    /// Where each value comes from.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// Shape and type of each value.
    pub fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// The operations.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The values that the computation gave.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// How many inputs it takes.
    pub fn num_inputs(&self) -> usize {
        self.num_inputs
    }

    /// The multiply-adds of all operations.
    pub fn multiply_adds(&self) -> u64 {
        let specs = |values: &[ValueId]| values.iter().map(|&value| self.specs[value]).collect::<Vec<_>>();
        let of = |step: &Step| step.op.multiply_adds(&specs(&step.inputs), &specs(&step.outputs));
        self.steps.iter().map(of).fold(0, u64::saturating_add)
    }

    /// Makes the leaves inputs, after those that it has; gives their values in order.
    pub(crate) fn take_leaves(&mut self) -> Vec<Tensor> {
        let mut leaves = Vec::new();
        for origin in &mut self.origins {
            if let Origin::Leaf(leaf) = origin {
                leaves.push(leaf.clone());
                *origin = Origin::Input(self.num_inputs);
                self.num_inputs += 1;
            }
        }
        leaves
    }

    /// Shapes and types of what it gives, from those of its inputs.
    pub(crate) fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        self.check_inputs(inputs.len())?;
        let mut specs = self.specs.clone();
        for (spec, origin) in specs.iter_mut().zip(&self.origins) {
            if let Origin::Input(i) = origin {
                *spec = inputs[*i];
            }
        }
        for step in &self.steps {
            let read: Vec<Spec> = step.inputs.iter().map(|&value| specs[value]).collect();
            let given = step.op.infer(&read).map_err(|e| e.op(step.op.name()).at(step.at))?;
            step.outputs.iter().zip(given).for_each(|(&value, spec)| specs[value] = spec);
        }
        Ok(self.outputs.iter().map(|&value| specs[value]).collect())
    }

    fn check_inputs(&self, count: usize) -> Result<()> {
        if count == self.num_inputs {
            return Ok(());
        }
        Err(Error::argument(format!("the record takes {} inputs, got {count}", self.num_inputs)))
    }

    fn value(&mut self, origin: Origin, spec: Spec) -> ValueId {
        self.origins.push(origin);
        self.specs.push(spec);
        self.origins.len() - 1
    }

    /// Runs the computation again on other inputs; leaves keep their values. Recorded for gradients as any computation.
    ///
    /// # Errors
    /// Another number of inputs; a record of values that were not kept; inputs that an operation does not take.
    #[track_caller]
    pub fn replay(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let at = Location::caller();
        let check = || {
            self.check_inputs(inputs.len())?;
            match self.origins.iter().position(|origin| matches!(origin, Origin::NotKept)) {
                None => Ok(()),
                Some(value) => {
                    let what =
                        format!("a value {} (%{value}), which the computation read, was not kept", self.specs[value]);
                    Err(Error::argument(what).mend("record with Record::trace"))
                }
            }
        };
        check().map_err(|e: Error| e.op("replay").at(at))?;
        self.run(inputs).map_err(|e| e.within(format!("replay at {}:{}", at.file(), at.line())))
    }

    /// [`Record::replay`] of as many inputs as it takes. Errors name the line that the record names.
    pub(crate) fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let given = |origin: &Origin| match origin {
            Origin::Input(i) => Some(inputs[*i].clone()),
            Origin::Leaf(leaf) => Some(leaf.clone()),
            Origin::NotKept | Origin::Step { .. } => None,
        };
        let mut values: Vec<Option<Tensor>> = self.origins.iter().map(given).collect();
        let last_use = self.last_uses();
        for (number, step) in self.steps.iter().enumerate() {
            let read: Vec<&Tensor> = step.inputs.iter().filter_map(|&value| values[value].as_ref()).collect();
            let apply = || apply_at(&step.op, &read, step.at);
            let outputs = if step.recorded { apply() } else { no_grad(apply) }?;
            for (&value, output) in step.outputs.iter().zip(outputs) {
                values[value] = Some(output);
            }
            for &value in step.inputs.iter().chain(&step.outputs).filter(|&&value| last_use[value] <= number) {
                values[value] = None;
            }
        }
        Ok(self.outputs.iter().filter_map(|&value| values[value].clone()).collect())
    }

    /// The last step that reads each value; none is past the end for what the record gives.
    fn last_uses(&self) -> Vec<usize> {
        let mut last = vec![0; self.origins.len()];
        for (number, step) in self.steps.iter().enumerate() {
            step.outputs.iter().chain(&step.inputs).for_each(|&value| last[value] = number);
        }
        self.outputs.iter().for_each(|&value| last[value] = usize::MAX);
        last
    }
}

impl fmt::Display for Record {
    /// A line a step: `%3 f32[8, 10] = matmul(%1, %2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |values: &[ValueId]| values.iter().map(|v| format!("%{v}")).collect::<Vec<_>>().join(", ");
        for (value, (origin, spec)) in self.origins.iter().zip(&self.specs).enumerate() {
            match origin {
                Origin::Input(i) => writeln!(f, "%{value} {spec} = input {i}")?,
                Origin::Leaf(leaf) => {
                    let kind = if leaf.is_tracked() { "variable" } else { "constant" };
                    writeln!(f, "%{value} {spec} = {kind}")?;
                }
                Origin::NotKept => writeln!(f, "%{value} {spec} = not kept")?,
                Origin::Step { step, output: 0 } => {
                    let step = &self.steps[*step];
                    let specs: Specs = step.outputs.iter().map(|&value| self.specs[value]).collect();
                    let specs = specs.iter().map(|spec| spec.to_string()).collect::<Vec<_>>().join(", ");
                    write!(f, "{} {specs} = {}({})", names(&step.outputs), step.op.name(), names(&step.inputs))?;
                    for (name, value) in step.op.attributes() {
                        write!(f, " {name}={value}")?;
                    }
                    writeln!(f)?;
                }
                Origin::Step { .. } => {}
            }
        }
        writeln!(f, "return {}", names(&self.outputs))
    }
}
