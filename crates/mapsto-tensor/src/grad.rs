//! Reverse-mode differentiation of the record, to any order.

use crate::error::{Error, Result};
use crate::finite;
use crate::op::{Backward, CalledAt, Node};
use crate::shape::Spec;
use crate::tensor::{Source, Tensor};
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::Location;
use std::sync::Arc;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
    /// Whether this is inside [`no_grad`]: a backward pass, which does not record either, need not be.
    static INFERRING: Cell<bool> = const { Cell::new(false) };
}

/// Whether operations on tracked tensors are recorded on this thread.
pub fn is_recording() -> bool {
    RECORDING.get()
}

/// Whether this thread is inside [`no_grad`].
pub(crate) fn is_inferring() -> bool {
    INFERRING.get()
}

/// Sets a flag of this thread while it lives, also through a panic.
struct Flag {
    cell: &'static std::thread::LocalKey<Cell<bool>>,
    before: bool,
}

impl Flag {
    fn set(cell: &'static std::thread::LocalKey<Cell<bool>>, value: bool) -> Flag {
        Flag { cell, before: cell.replace(value) }
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        self.cell.set(self.before);
    }
}

/// Runs `f` without recording: what it computes has no gradients, and nothing is kept for them.
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    let _flags = [Flag::set(&RECORDING, false), Flag::set(&INFERRING, true)];
    f()
}

/// Runs `f` with recording on, inside a [`no_grad`].
pub fn enable_grad<R>(f: impl FnOnce() -> R) -> R {
    let _flags = [Flag::set(&RECORDING, true), Flag::set(&INFERRING, false)];
    f()
}

/// Gradients of the variables that a value was computed from.
#[derive(Clone, Default)]
pub struct Gradients {
    by_id: HashMap<u64, Tensor, IdHash>,
}

impl Gradients {
    /// The gradient with respect to this variable, if the value depends on it.
    pub fn get(&self, variable: &Tensor) -> Option<&Tensor> {
        self.by_id.get(&variable.id())
    }

    /// Takes the gradient with respect to this variable out.
    pub fn take(&mut self, variable: &Tensor) -> Option<Tensor> {
        self.by_id.remove(&variable.id())
    }

    /// Sets the gradient with respect to a variable.
    pub fn insert(&mut self, variable: &Tensor, gradient: Tensor) {
        self.by_id.insert(variable.id(), gradient);
    }

    /// Number of variables with a gradient.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no variable has a gradient.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Adds another step's gradients to these: gradient accumulation.
    ///
    /// # Errors
    /// Shapes that differ, where the two are not of the same variables.
    #[track_caller]
    pub fn accumulate(&mut self, other: Gradients) -> Result<()> {
        let at = Location::caller();
        no_grad(|| other.by_id.into_iter().try_for_each(|(id, gradient)| add_to(&mut self.by_id, id, gradient)))
            .map_err(|e| e.as_of("accumulate", at))
    }
}

/// Identities are distinct already: the hash is a multiplication.
#[derive(Clone, Copy, Default)]
struct IdHash(u64);

impl std::hash::BuildHasher for IdHash {
    type Hasher = IdHash;
    fn build_hasher(&self) -> IdHash {
        IdHash(0)
    }
}

impl std::hash::Hasher for IdHash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte as u64));
    }
    fn write_u64(&mut self, x: u64) {
        self.0 = (self.0 ^ x).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

/// What a backward pass keeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct GradOptions {
    /// Record the backward pass itself, so that its results can be differentiated. Implies `retain`.
    pub create_graph: bool,
    /// Keep the values that the forward pass saved, so that another backward pass can follow.
    pub retain: bool,
}

impl Tensor {
    /// Gradients of this scalar with respect to every variable that it was computed from. Frees what the forward pass
    /// kept.
    ///
    /// # Errors
    /// Not a scalar; not computed from a variable while recording; an operation without a gradient on the way; a graph
    /// that an earlier backward pass freed.
    #[track_caller]
    pub fn backward(&self) -> Result<Gradients> {
        self.backward_with(GradOptions::default())
    }

    /// [`Tensor::backward`], keeping what `options` say.
    ///
    /// # Errors
    /// Those of [`Tensor::backward`].
    #[track_caller]
    pub fn backward_with(&self, options: GradOptions) -> Result<Gradients> {
        let at = Location::caller();
        let run = || {
            let seed = seed_of(self)?;
            let found = walk(&[(self, seed)], Wanted::Variables, options)?;
            Ok(Gradients { by_id: found })
        };
        run().map_err(|e: Error| e.op("backward").at(at))
    }
}

/// Gradients of the sum of scalars, or with `cotangents` of any values, with respect to the given inputs: variables or
/// values on the way. `None` for an input on which no output depends.
///
/// # Errors
/// Those of [`Tensor::backward`], and cotangents that do not fit their outputs.
#[track_caller]
pub fn grad(
    outputs: &[&Tensor],
    cotangents: Option<&[&Tensor]>,
    inputs: &[&Tensor],
    options: GradOptions,
) -> Result<Vec<Option<Tensor>>> {
    let at = Location::caller();
    let run = || {
        if let Some(cotangents) = cotangents {
            let fits = |(output, cotangent): (&&Tensor, &&Tensor)| output.spec() == cotangent.spec();
            if cotangents.len() != outputs.len() || !outputs.iter().zip(cotangents).all(fits) {
                let specs = |list: &[&Tensor]| list.iter().map(|t| t.spec()).collect::<Vec<_>>();
                let (has, wants) = (specs(cotangents), specs(outputs));
                return Err(Error::shape(format!("cotangents {has:?} do not fit the outputs {wants:?}")));
            }
        }
        if let Some(input) = inputs.iter().find(|input| !input.is_tracked()) {
            return Err(not_recorded(input));
        }
        let seeds = outputs
            .iter()
            .enumerate()
            .map(|(i, &output)| match cotangents {
                Some(cotangents) if output.is_tracked() => Ok((output, cotangents[i].clone())),
                Some(_) => Err(not_recorded(output)),
                None => Ok((output, seed_of(output)?)),
            })
            .collect::<Result<Vec<_>>>()?;
        let found = walk(&seeds, Wanted::These(inputs), options)?;
        Ok(inputs.iter().map(|input| found.get(&input.id()).cloned()).collect())
    };
    run().map_err(|e: Error| e.op("grad").at(at))
}

/// The gradient of a scalar with respect to itself.
fn seed_of(output: &Tensor) -> Result<Tensor> {
    if !output.is_tracked() {
        return Err(not_recorded(output));
    }
    if output.numel() != 1 {
        return Err(Error::gradient(format!("a gradient starts from one number, not from shape {}", output.shape()))
            .mend("reduce it first (sum, mean), or pass cotangents to grad"));
    }
    Tensor::ones(*output.shape(), output.dtype())
}

fn not_recorded(tensor: &Tensor) -> Error {
    if !tensor.dtype().is_float() {
        return Error::gradient(format!("gradients are not defined for {} elements", tensor.dtype()));
    }
    Error::gradient(format!("this tensor of shape {} was not computed from a variable while recording", tensor.shape()))
        .mend("make its inputs variables with variable(), and compute it outside no_grad")
}

type ById = HashMap<u64, Tensor, IdHash>;

/// Of which values a backward pass gives the gradients.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// All variables.
    Variables,
    /// These values.
    These(&'a [&'a Tensor]),
    /// These values, where the walk ends: what they were computed from is none of its business.
    Within(&'a [&'a Tensor]),
}

/// The backward pass: from the latest operation to the earliest (a node's identity is greater than those of the values
/// it was computed from), each once, when all that depends on it is done.
fn walk(seeds: &[(&Tensor, Tensor)], wanted: Wanted<'_>, options: GradOptions) -> Result<ById> {
    let (ids, within) = match wanted {
        Wanted::Variables => (None, false),
        Wanted::These(list) => (Some(list), false),
        Wanted::Within(list) => (Some(list), true),
    };
    let ids = ids.map(|list| list.iter().map(|t| t.id()).collect::<SmallVec<[u64; 8]>>());
    let leading = ids.as_ref().map(|ids| leading(seeds, ids));
    let is_wanted = |id: u64, source: &Source| match &ids {
        Some(ids) => ids.contains(&id),
        None => matches!(source, Source::Variable),
    };
    let leads = |source: &Source| match (source, &leading) {
        (Source::Node(node, _), Some(leading)) => leading.contains(&node.id),
        (source, None) => source.is_tracked(),
        _ => false,
    };
    let _recording = Flag::set(&RECORDING, options.create_graph);
    let mut grads = ById::default();
    let mut found = ById::default();
    let mut pending: BTreeMap<u64, Arc<Node>> = BTreeMap::new();
    let mut reach = |id: u64, source: &Source, grad: Tensor, pending: &mut BTreeMap<_, _>, grads: &mut ById| {
        let is_wanted = is_wanted(id, source);
        if is_wanted {
            add_to(&mut found, id, grad.clone())?;
        }
        match source {
            Source::Node(node, _) if leads(source) && !(is_wanted && within) => {
                pending.entry(node.id).or_insert_with(|| node.clone());
                add_to(grads, id, grad)
            }
            _ => Ok(()),
        }
    };
    for (output, seed) in seeds {
        reach(output.id(), output.source(), seed.clone(), &mut pending, &mut grads)?;
    }
    while let Some((_, node)) = pending.pop_last() {
        let incoming: SmallVec<[Option<Tensor>; 1]> =
            (0..node.outputs.len()).map(|i| grads.remove(&(node.id + i as u64))).collect();
        let edges: SmallVec<[(u64, Source); 3]> =
            node.state().edges.iter().map(|edge| (edge.id, edge.source.clone())).collect();
        let fails = |e: Error| e.as_of(node.op.name(), node.at).within(format!("the gradient of {}", node.op.name()));
        let _called = CalledAt::new(node.at);
        let needs = edges.iter().map(|(id, source)| is_wanted(*id, source) || leads(source)).collect();
        let outgoing = if finite::is_watching() {
            watched_vjp(&node, &incoming, needs, options)
        } else {
            node_vjp(&node, &incoming, needs, options)
        }
        .map_err(fails)?;
        if !(options.retain || options.create_graph) {
            node.free();
        }
        for (((id, source), outgoing), spec) in edges.iter().zip(outgoing).zip(&node.input_specs) {
            if let Some(gradient) = outgoing
                && source.is_tracked()
            {
                fit(gradient, spec)
                    .and_then(|gradient| reach(*id, source, gradient, &mut pending, &mut grads))
                    .map_err(fails)?;
            }
        }
    }
    Ok(found)
}

/// The operations between these outputs and the values of these identities: no others need run backward.
fn leading(seeds: &[(&Tensor, Tensor)], ids: &[u64]) -> HashSet<u64, IdHash> {
    let earliest = ids.iter().copied().min().unwrap_or(u64::MAX);
    let mut nodes: BTreeMap<u64, Arc<Node>> = BTreeMap::new();
    let mut open: Vec<Source> = seeds.iter().map(|(output, _)| output.source().clone()).collect();
    while let Some(source) = open.pop() {
        // Operations before the earliest of the values lead to none.
        if let Source::Node(node, _) = source
            && node.id > earliest
            && nodes.insert(node.id, node.clone()).is_none()
        {
            open.extend(node.state().edges.iter().map(|edge| edge.source.clone()));
        }
    }
    let mut leading = HashSet::with_hasher(IdHash::default());
    for (id, node) in nodes {
        let leads = |source: &Source| matches!(source, Source::Node(node, _) if leading.contains(&node.id));
        if node.state().edges.iter().any(|edge| ids.contains(&edge.id) || leads(&edge.source)) {
            leading.insert(id);
        }
    }
    leading
}

/// [`node_vjp`], and a look at what it gives; what it is made of is not looked at.
fn watched_vjp(
    node: &Arc<Node>,
    grads: &[Option<Tensor>],
    needs: SmallVec<[bool; 8]>,
    options: GradOptions,
) -> Result<crate::op::Cotangents> {
    let outgoing = finite::unwatched(|| node_vjp(node, grads, needs, options))?;
    let given: Vec<&Tensor> = grads.iter().flatten().collect();
    let gave: Vec<&Tensor> = outgoing.iter().flatten().collect();
    finite::check(&*node.op, node.at, Some(node.id), &given, &gave)?;
    Ok(outgoing)
}

/// One operation's vector-Jacobian product.
fn node_vjp(
    node: &Arc<Node>,
    grads: &[Option<Tensor>],
    needs: SmallVec<[bool; 8]>,
    options: GradOptions,
) -> Result<crate::op::Cotangents> {
    if !node.op.differentiable() {
        return Err(Error::gradient("the operation has no gradient")
            .mend("detach() its input if no gradient should flow through it"));
    }
    let cx = {
        let state = node.state();
        if state.freed {
            return Err(Error::gradient("the values this gradient needs were freed by an earlier backward pass")
                .mend("run the forward pass again, or use retain in the first pass's GradOptions"));
        }
        let attach =
            |(i, value): (usize, &Tensor)| value.clone().with_source(node.id + i as u64, Source::Node(node.clone(), i));
        Backward {
            node,
            inputs: state.edges.iter().map(|edge| edge.value.clone()).collect(),
            needs,
            outputs: state.outputs.iter().enumerate().map(attach).collect(),
            saved: state.saved.clone(),
            grads,
        }
    };
    if options.create_graph {
        let inputs: Option<Vec<Tensor>> = cx.inputs.iter().cloned().collect();
        if let Some(inputs) = inputs
            && let Some(outputs) = node.op.composed(&inputs)?
        {
            return through_composed(&inputs, &outputs, grads, options);
        }
    }
    let cotangents = node.op.vjp(&cx)?;
    if cotangents.len() != node.input_specs.len() {
        return Err(Error::gradient(format!(
            "gives {} gradients for {} inputs",
            cotangents.len(),
            node.input_specs.len()
        )));
    }
    Ok(cotangents)
}

/// The gradients of a fused operation through the simpler operations that it stands for.
fn through_composed(
    inputs: &[Tensor],
    outputs: &[Tensor],
    grads: &[Option<Tensor>],
    options: GradOptions,
) -> Result<crate::op::Cotangents> {
    let seeds: Vec<(&Tensor, Tensor)> = outputs
        .iter()
        .zip(grads)
        .filter(|(output, _)| output.is_tracked())
        .filter_map(|(output, grad)| Some((output, grad.clone()?)))
        .collect();
    let wanted: Vec<&Tensor> = inputs.iter().filter(|input| input.is_tracked()).collect();
    let mut found = walk(&seeds, Wanted::Within(&wanted), options)?;
    Ok(inputs.iter().map(|input| found.remove(&input.id())).collect())
}

/// Checks a gradient against its input and sums it over the axes that were broadcast.
fn fit(gradient: Tensor, input: &Spec) -> Result<Tensor> {
    if gradient.spec() == *input {
        return Ok(gradient);
    }
    let reaches = input.shape.broadcast(gradient.shape()).is_ok_and(|shape| shape == *gradient.shape());
    if gradient.dtype() != input.dtype || !reaches {
        return Err(Error::gradient(format!("a gradient {} does not fit its input {input}", gradient.spec())));
    }
    gradient.sum_to(input.shape)
}

/// Adds a gradient to what is there for this value.
fn add_to(map: &mut ById, id: u64, gradient: Tensor) -> Result<()> {
    match map.entry(id) {
        std::collections::hash_map::Entry::Vacant(slot) => {
            slot.insert(gradient);
        }
        std::collections::hash_map::Entry::Occupied(mut slot) => {
            let sum = slot.get().add(&gradient)?;
            slot.insert(sum);
        }
    }
    Ok(())
}
