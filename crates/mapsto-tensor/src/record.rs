//! The record of a computation as data: walked, printed, and run again.

use crate::error::{Error, Result};
use crate::grad::{enable_grad, no_grad, tracing};
use crate::memory::Memory;
use crate::op::{Node, Op, Specs, apply_shared};
use crate::shape::Spec;
use crate::tensor::{Source, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
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
    /// The caller's line, `file:line`.
    pub at: String,
    /// The identity of its first output ([`Tensor::id`]): greater than that of every value that was there before.
    pub id: u64,
    /// The memory that it holds until a backward pass is done with it; none where no gradient was asked.
    pub kept: Vec<Memory>,
}

/// A computation: operations in the order in which they ran.
#[derive(Clone)]
pub struct Record {
    /// Where each value comes from.
    pub origins: Vec<Origin>,
    /// Shape and type of each value.
    pub specs: Vec<Spec>,
    /// The operations.
    pub steps: Vec<Step>,
    /// The values that the computation gave.
    pub outputs: Vec<ValueId>,
    /// How many inputs it takes.
    pub num_inputs: usize,
}

impl Record {
    /// Runs `f` on the inputs and records every operation between them and what it gives. Gradients are not kept.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn trace(inputs: &[&Tensor], f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Record> {
        // Handles of their own, so that an input is told from the same tensor read as a constant.
        let inputs: Vec<Tensor> = inputs.iter().map(|input| input.view(*input.layout())).collect();
        let outputs = no_grad(|| tracing(|| f(&inputs)))?;
        Record::between(&inputs, &outputs)
    }

    /// [`Record::trace`] of a forward pass that a backward pass could follow: [`Step::kept`] tells what it holds.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn trace_for_gradients(inputs: &[&Tensor], f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Record> {
        let inputs: Vec<Tensor> = inputs.iter().map(|input| input.view(*input.layout())).collect();
        let outputs = enable_grad(|| tracing(|| f(&inputs)))?;
        Record::between(&inputs, &outputs)
    }

    /// The multiply-adds of all operations.
    pub fn multiply_adds(&self) -> u64 {
        let specs = |values: &[ValueId]| values.iter().map(|&value| self.specs[value]).collect::<Vec<_>>();
        let of = |step: &Step| step.op.multiply_adds(&specs(&step.inputs), &specs(&step.outputs));
        self.steps.iter().map(of).fold(0, u64::saturating_add)
    }

    /// The record of values that were computed from variables: what a backward pass would walk. Leaves whose values were
    /// not kept for gradients can be seen but not run again.
    ///
    /// # Errors
    /// None today; a record that is too deep for memory would be one.
    pub fn of(outputs: &[&Tensor]) -> Result<Record> {
        let outputs: Vec<Tensor> = outputs.iter().map(|&output| output.clone()).collect();
        Record::between(&[], &outputs)
    }

    fn between(inputs: &[Tensor], outputs: &[Tensor]) -> Result<Record> {
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
        let mut record = Record {
            origins: Vec::new(),
            specs: Vec::new(),
            steps: Vec::new(),
            outputs: Vec::new(),
            num_inputs: inputs.len(),
        };
        let mut numbers: HashMap<u64, ValueId> = HashMap::new();
        for (i, input) in inputs.iter().enumerate() {
            let number = record.value(Origin::Input(i), input.spec());
            numbers.insert(input.id(), number);
        }
        for node in nodes.values() {
            let edges = node.state().edges.clone();
            let mut read = Vec::with_capacity(edges.len());
            for (edge, spec) in edges.iter().zip(&node.input_specs) {
                let number = match numbers.get(&edge.id) {
                    Some(&number) => number,
                    None => {
                        let leaf = edge.value.clone().ok_or_else(|| {
                            Error::gradient(format!("a value {spec} that {} read was not kept", node.op.name()))
                                .op("record")
                                .mend("record with Record::trace")
                        })?;
                        let number = record.value(Origin::Leaf(leaf), *spec);
                        numbers.insert(edge.id, number);
                        number
                    }
                };
                read.push(number);
            }
            let step = record.steps.len();
            let give = |(output, spec): (usize, &Spec)| {
                let number = record.value(Origin::Step { step, output }, *spec);
                numbers.insert(node.id + output as u64, number);
                number
            };
            let outputs: Vec<ValueId> = node.outputs.iter().enumerate().map(give).collect();
            let at = format!("{}:{}", node.at.file(), node.at.line());
            let (op, id, kept) = (node.op.clone(), node.id, node.kept());
            record.steps.push(Step { op, inputs: read, outputs, at, id, kept });
        }
        for output in outputs {
            let number = match numbers.get(&output.id()) {
                Some(&number) => number,
                None => record.value(Origin::Leaf(output.clone()), output.spec()),
            };
            record.outputs.push(number);
        }
        Ok(record)
    }

    fn value(&mut self, origin: Origin, spec: Spec) -> ValueId {
        self.origins.push(origin);
        self.specs.push(spec);
        self.origins.len() - 1
    }

    /// Runs the computation again on other inputs; leaves keep their values. Recorded for gradients as any computation.
    ///
    /// # Errors
    /// Another number of inputs; inputs that an operation does not take.
    #[track_caller]
    pub fn replay(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        if inputs.len() != self.num_inputs {
            let at = std::panic::Location::caller();
            let message = format!("the record takes {} inputs, got {}", self.num_inputs, inputs.len());
            return Err(Error::argument(message).op("replay").at(at));
        }
        let given = |origin: &Origin| match origin {
            Origin::Input(i) => Some(inputs[*i].clone()),
            Origin::Leaf(leaf) => Some(leaf.clone()),
            Origin::Step { .. } => None,
        };
        let mut values: Vec<Option<Tensor>> = self.origins.iter().map(given).collect();
        let last_use = self.last_uses();
        for (number, step) in self.steps.iter().enumerate() {
            let read: Vec<Tensor> = step.inputs.iter().filter_map(|&value| values[value].clone()).collect();
            let outputs = apply_shared(&step.op, &read.iter().collect::<Vec<_>>())?;
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
