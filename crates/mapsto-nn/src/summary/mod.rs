//! A network at a glance: shapes, parameters, multiply-adds, receptive fields and memory, from the record of one forward
//! pass.

mod fields;
mod origin;
mod places;
mod scope;
mod table;

pub use origin::{NotFiniteOrigin, NotFiniteTrace};
pub(crate) use scope::log_read;
pub use scope::{Scope, scope};

use crate::layers::Layer;
use crate::module::Module;
use crate::optim::Optimizer;
use fields::seen;
use mapsto_tensor::{Error, Memory, Origin, Record, Result, Tensor, ValueId};
use places::{Kind, Placed, Tree};
use scope::logged;
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};
use std::panic::Location;

/// What a network is and takes: of each module in its tree the shapes, parameters, multiply-adds and receptive field, and
/// of the whole the memory of a training step.
///
/// Everything is read off the record of one forward pass, so it holds for any network, however its `forward` is written.
/// Where modules say so by [`scope`], as all layers of this crate do, and where operations read a module's parameters,
/// these are its operations; others belong to the module that holds the layers before and after them.
///
/// ```
/// use mapsto_nn::{Adam, Conv2d, Flatten, Linear, MaxPool2d, Module, Optimizer, Relu, Summary, sequential};
/// use mapsto_tensor::{DType, Tensor};
///
/// let net = sequential![Conv2d::new(1, 8, 3)?, Relu, MaxPool2d::new(2)?, Flatten::default(), Linear::new(8 * 13 * 13, 10)?];
/// let net = net.init(0)?;
/// let summary = Summary::of(&net, &Tensor::zeros([1, 1, 28, 28], DType::F32)?)?;
/// assert_eq!(summary.parameters, (9 + 1) * 8 + (8 * 13 * 13 + 1) * 10);
/// assert_eq!(summary.multiply_adds, 9 * 8 * 26 * 26 + 8 * 13 * 13 * 10);
/// let pool = summary.layer("2").unwrap();
/// assert_eq!((pool.receptive_field[0].size, pool.receptive_field[0].stride), (4, 2.0));
///
/// let adam = Optimizer::new(&net, Adam::default())?;
/// println!("{}", summary.with_optimizer(&adam)?);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The network, then all modules in its tree, each before those in it.
    pub layers: Vec<LayerSummary>,
    /// Shapes of the inputs.
    pub inputs: Vec<Vec<usize>>,
    /// Elements of all parameters, shared ones counted once.
    pub parameters: u64,
    /// Those of which gradients are asked.
    pub trainable: u64,
    /// Multiply-adds of the forward pass: those of sums of products (products of matrices, convolutions, attention,
    /// recurrence, interpolation, transforms). What is done to each element by itself, sums and maxima do not count.
    pub multiply_adds: u64,
    /// Memory that a training step takes.
    pub memory: StepMemory,
}

/// A module in a [`Summary`]. Numbers are its own: those of the modules in it are theirs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSummary {
    /// Its name in the tree; empty for the network itself.
    pub path: String,
    /// Its type.
    pub kind: String,
    /// How many modules hold it.
    pub depth: usize,
    /// Shapes of what it gives to others, each once; none if it did not run or computes nothing.
    pub outputs: Vec<Vec<usize>>,
    /// Elements of its parameters of which gradients are asked.
    pub trainable: u64,
    /// Elements of its other parameters.
    pub frozen: u64,
    /// Elements of parameters that it shares with a module before it, where they are counted.
    pub shared: u64,
    /// Multiply-adds, of all of its runs.
    pub multiply_adds: u64,
    /// What an element of its output sees of the inputs, along each spatial axis (all but the first two); of several
    /// branches or runs the most. Empty where no window slides, or where an element sees all, as behind a fully connected
    /// layer.
    pub receptive_field: Vec<ReceptiveField>,
    /// Bytes that its operations hold for the backward pass.
    pub activations: u64,
}

/// What an element of an output sees of the inputs along one axis, padding counted as if it were a part of them
/// (Araujo, Norris and Sim, *Computing Receptive Fields of Convolutional Neural Networks*, 2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReceptiveField {
    /// Number of places.
    pub size: u64,
    /// How far it moves from one element to the next; less than one behind upsampling.
    pub stride: f64,
}

/// Bytes that a training step takes when its forward pass is done. Kernels' scratch, the gradients of activations and what
/// the pool rounds up (an eighth at most) come on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StepMemory {
    /// Parameters.
    pub parameters: u64,
    /// Buffers, such as running statistics.
    pub buffers: u64,
    /// The network's inputs.
    pub inputs: u64,
    /// Outputs, and what the forward pass holds for the backward pass.
    pub activations: u64,
    /// Gradients of parameters.
    pub gradients: u64,
    /// What the optimiser remembers, if one was given.
    pub optimizer: u64,
    /// All of these.
    pub total: u64,
}

impl Summary {
    /// The summary of a layer's forward pass on `x`: see [`Summary::of_forward`].
    ///
    /// # Errors
    /// Those of `forward`, with the path of the layer where it failed.
    #[track_caller]
    pub fn of(network: &(impl Layer + ?Sized), x: &Tensor) -> Result<Summary> {
        let at = Location::caller();
        let forward = |inputs: &[Tensor]| Ok(vec![network.forward(&inputs[0])?]);
        Summary::read(network, &[x], forward).map_err(|e| theirs(e, at))
    }

    /// The summary of a network by its forward pass, which `forward` runs once on the inputs, as in training (a batch of one
    /// does, where the network takes it). The pass runs in the mode that the network is in; its buffers and random streams
    /// are as before afterwards.
    ///
    /// ```
    /// use mapsto_nn::{Lstm, Module, Summary};
    /// use mapsto_tensor::{DType, Tensor};
    ///
    /// let lstm = Lstm::new(3, 5)?.init(0)?;
    /// let steps = Tensor::zeros([7, 2, 3], DType::F32)?;
    /// let summary = Summary::of_forward(&lstm, &[&steps], |x| {
    ///     let (y, (h, c)) = lstm.forward(&x[0], None)?;
    ///     Ok(vec![y, h, c])
    /// })?;
    /// assert_eq!(summary.multiply_adds, 7 * 2 * 4 * 5 * (3 + 5));
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `forward`, with the path of the layer where it failed.
    #[track_caller]
    pub fn of_forward(
        network: &(impl Module + ?Sized),
        inputs: &[&Tensor],
        forward: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<Summary> {
        let at = Location::caller();
        Summary::read(network, inputs, forward).map_err(|e| theirs(e, at))
    }

    fn read(
        network: &(impl Module + ?Sized),
        inputs: &[&Tensor],
        forward: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<Summary> {
        let tree = Tree::of(network);
        let buffers: Vec<_> =
            network.named_buffers().into_iter().filter_map(|(_, b)| Some((b.get().ok()?, b))).collect();
        let random = network.random_state();
        let mut outputs = Vec::new();
        let (record, log, end) = logged(|| {
            Record::trace_for_gradients(inputs, |inputs| {
                outputs = forward(inputs)?;
                Ok(outputs.clone())
            })
        });
        buffers.iter().try_for_each(|(value, buffer)| buffer.set(value))?;
        network.set_random_state(&random)?;
        let record = record.map_err(|e| {
            let place = &tree.places[tree.failed(&log, end)];
            let path = if place.path.is_empty() { "the network" } else { &place.path };
            e.within(format!("{path}: {}", place.kind))
        })?;

        let placed = tree.place(&record, &log);
        let given = shapes(&record, (0..record.num_inputs()).collect());
        let mut summary = Summary {
            layers: layers(&tree, &record, &placed),
            inputs: given,
            parameters: 0,
            trainable: 0,
            multiply_adds: record.multiply_adds(),
            memory: StepMemory::default(),
        };
        summary.count_parameters(&tree, network);
        let size = |value: &Tensor| (value.numel() * value.dtype().size()) as u64;
        summary.memory.buffers = buffers.iter().map(|(value, _)| size(value)).sum();
        summary.memory.inputs = inputs.iter().map(|input| size(input)).sum();
        let there = inputs.iter().map(|input| input.memory()).chain(buffers.iter().map(|(value, _)| value.memory()));
        let mut held: HashSet<Memory> = there.collect();
        for param in network.parameters() {
            held.insert(param.get()?.memory());
        }
        let mut hold = |memory: &Memory| if held.insert(*memory) { memory.bytes as u64 } else { 0 };
        for (step, &place) in record.steps().iter().zip(&placed.steps) {
            summary.layers[place].activations += step.kept.iter().map(&mut hold).sum::<u64>();
        }
        for (&value, output) in record.outputs().iter().zip(&outputs) {
            if let Origin::Step { step, .. } = record.origins()[value] {
                summary.layers[placed.steps[step]].activations += hold(&output.memory());
            }
        }
        summary.memory.activations = summary.layers.iter().map(|layer| layer.activations).sum();
        summary.memory.add_up();
        Ok(summary)
    }

    /// With the memory of what an optimiser remembers, or will after its first step.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn with_optimizer(mut self, optimizer: &Optimizer) -> Result<Summary> {
        self.memory.optimizer = optimizer.state_bytes()?;
        self.memory.add_up();
        Ok(self)
    }

    /// The module of this name.
    pub fn layer(&self, path: &str) -> Option<&LayerSummary> {
        self.layers.iter().find(|layer| layer.path == path)
    }

    fn count_parameters(&mut self, tree: &Tree, network: &(impl Module + ?Sized)) {
        let mut seen = HashSet::new();
        for (name, param) in network.named_parameters() {
            let (layer, count) = (&mut self.layers[tree.holder(&name)], param.shape().numel() as u64);
            if !seen.insert(param.id()) {
                layer.shared += count;
                continue;
            }
            let bytes = count * param.dtype().size() as u64;
            self.parameters += count;
            self.memory.parameters += bytes;
            if param.is_trainable() {
                layer.trainable += count;
                self.trainable += count;
                self.memory.gradients += bytes;
            } else {
                layer.frozen += count;
            }
        }
    }
}

/// With the caller's line for one of this file; a line in a network's own `forward` says more and stays.
fn theirs(error: Error, at: &'static Location<'static>) -> Error {
    match error.location() {
        Some(place) if place.file() != file!() => error,
        _ => {
            let op = error.operation().unwrap_or("Summary");
            error.as_of(op, at)
        }
    }
}

impl StepMemory {
    fn add_up(&mut self) {
        self.total = self.parameters + self.buffers + self.inputs + self.activations + self.gradients + self.optimizer;
    }
}

/// The shapes of values, each once.
fn shapes(record: &Record, values: Vec<ValueId>) -> Vec<Vec<usize>> {
    let mut shapes: Vec<Vec<usize>> = Vec::new();
    for value in values {
        let shape = record.specs()[value].shape.to_vec();
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

/// What the record says of each module.
fn layers(tree: &Tree, record: &Record, placed: &Placed) -> Vec<LayerSummary> {
    let mut gives: Vec<BTreeSet<ValueId>> = vec![BTreeSet::new(); tree.places.len()];
    let mut leave = |value: ValueId, to: Option<usize>| {
        let Origin::Step { step, .. } = record.origins()[value] else { return };
        if let Kind::Own(_) = placed.values[value] {
            return;
        }
        let mut place = placed.steps[step];
        let stays = to.map(|to| tree.common(place, to));
        while stays != Some(place) {
            gives[place].insert(value);
            if place == 0 {
                break;
            }
            place = tree.places[place].parent;
        }
    };
    for (number, step) in record.steps().iter().enumerate() {
        step.inputs.iter().for_each(|&value| leave(value, Some(placed.steps[number])));
    }
    record.outputs().iter().for_each(|&value| leave(value, None));
    let seen = seen(record, placed);
    let mut multiply_adds = vec![0u64; tree.places.len()];
    for (number, step) in record.steps().iter().enumerate() {
        let specs = |values: &[ValueId]| values.iter().map(|&value| record.specs()[value]).collect::<Vec<_>>();
        let sum = &mut multiply_adds[placed.steps[number]];
        *sum = sum.saturating_add(step.op.multiply_adds(&specs(&step.inputs), &specs(&step.outputs)));
    }
    let layer = |(number, place): (usize, &places::Place)| LayerSummary {
        path: place.path.clone(),
        kind: place.kind.to_string(),
        depth: tree.depth(number),
        outputs: shapes(record, gives[number].iter().copied().collect()),
        trainable: 0,
        frozen: 0,
        shared: 0,
        multiply_adds: multiply_adds[number],
        receptive_field: fields::shown(gives[number].iter().map(|&value| &seen[value])),
        activations: 0,
    };
    tree.places.iter().enumerate().map(layer).collect()
}
