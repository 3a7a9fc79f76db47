//! Gradient checkpointing: less memory for a second forward pass.
//!
//! Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.

use crate::error::Result;
use crate::grad::{GradOptions, enable_grad, grad, is_recording};
use crate::op::{Backward, Cotangents, Forward, Op, Outputs, Specs, apply_computed};
use crate::record::{Record, Tracing};
use crate::shape::Spec;
use crate::tensor::Tensor;
use std::fmt;
use std::panic::Location;

/// Runs `f` once and keeps a record in place of the values inside: the backward pass runs the record again, operation by
/// operation. So it drops, draws and counts but once, and gradients are those without the checkpoint, to the bit; also of
/// what `f` reads from outside. Tensors that do not come from recorded operations (random ones, say) are kept.
///
/// # Errors
/// Those of `f`.
#[track_caller]
pub fn checkpoint(f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let at = Location::caller();
    if !is_recording() {
        let inputs: Vec<Tensor> = inputs.iter().map(|&input| input.clone()).collect();
        return f(&inputs);
    }
    let (mut record, values) = Record::trace_values(Tracing::Light, inputs, f)?;
    let leaves = record.take_leaves();
    let all: Vec<&Tensor> = inputs.iter().copied().chain(&leaves).collect();
    let values = values.iter().map(|value| value.view(*value.layout())).collect();
    Ok(apply_computed(Checkpoint { record }, &all, values, at).into_vec())
}

/// A recorded function that runs again for its gradient. Its inputs are the function's, then what it read from outside.
struct Checkpoint {
    record: Record,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({} steps)", self.record.steps().len())
    }
}

impl Op for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        self.record.infer(inputs)
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let inputs: Vec<Tensor> = inputs.iter().map(|input| input.view(*input.layout())).collect();
        let outputs = self.record.run(&inputs.iter().collect::<Vec<_>>())?;
        Ok(outputs.iter().map(|output| output.view(*output.layout())).collect())
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        // Cut from what came before, so that the walk below stays inside the function.
        let cut = |i| if cx.needs(i) { cx.input(i)?.variable() } else { Ok(cx.input(i)?.detach()) };
        let inputs: Vec<Tensor> = (0..cx.num_inputs()).map(cut).collect::<Result<_>>()?;
        let outputs = enable_grad(|| self.record.run(&inputs.iter().collect::<Vec<_>>()))?;
        let reached = |(i, output)| Some((output, cx.grad_if_any(i)?));
        let (outputs, grads): (Vec<&Tensor>, Vec<&Tensor>) =
            outputs.iter().enumerate().filter_map(reached).filter(|(output, _)| output.is_tracked()).unzip();
        let wanted: Vec<&Tensor> = inputs.iter().filter(|input| input.is_tracked()).collect();
        let mut found = grad(&outputs, Some(&grads), &wanted, GradOptions::default())?.into_iter();
        Ok(inputs.iter().map(|input| if input.is_tracked() { found.next().flatten() } else { None }).collect())
    }

    fn multiply_adds(&self, _inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        self.record.multiply_adds()
    }

    fn composed(&self, inputs: &[Tensor]) -> Result<Option<Outputs>> {
        Ok(Some(self.record.run(&inputs.iter().collect::<Vec<_>>())?.into()))
    }
}
