//! Gradient checkpointing: less memory for a second forward pass.
//!
//! Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.

use crate::error::{Error, Result};
use crate::grad::{GradOptions, enable_grad, grad};
use crate::op::{Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply};
use crate::record::{Origin, Record};
use crate::shape::Spec;
use crate::tensor::Tensor;
use std::fmt;
use std::sync::Arc;

type Function = dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync;

/// Runs `f` without keeping what happens inside: the backward pass runs it again. `f` must give the same each time;
/// variables that it reads from outside get their gradients, too.
///
/// # Errors
/// Those of `f`.
#[track_caller]
pub fn checkpoint(
    f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
    inputs: &[&Tensor],
) -> Result<Vec<Tensor>> {
    // What the function gives, and which variables it reads from outside: those become inputs.
    let mut values = Vec::new();
    let record = Record::trace(inputs, |inputs| {
        values = f(inputs)?;
        Ok(values.clone())
    })?;
    let captured: Vec<Tensor> = record
        .origins
        .iter()
        .filter_map(|origin| match origin {
            Origin::Leaf(leaf) if leaf.is_tracked() => Some(leaf.clone()),
            _ => None,
        })
        .collect();
    let specs = values.iter().map(Tensor::spec).collect();
    let values = values.iter().map(Tensor::detach).collect();
    let op = Checkpoint {
        f: Arc::new(f),
        count: inputs.len(),
        specs,
        multiply_adds: record.multiply_adds(),
        values: std::sync::Mutex::new(Some(values)),
    };
    let all: Vec<&Tensor> = inputs.iter().copied().chain(&captured).collect();
    Ok(apply(op, &all)?.into_vec())
}

/// A function that is run again for its gradient. Its inputs are the function's, then the variables that it captured.
struct Checkpoint {
    f: Arc<Function>,
    count: usize,
    specs: Specs,
    /// Those of the function.
    multiply_adds: u64,
    /// The outputs, computed before the captured variables were known; taken by the one forward call.
    values: std::sync::Mutex<Option<Outputs>>,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({} inputs)", self.count)
    }
}

impl Op for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn infer(&self, _inputs: &[Spec]) -> Result<Specs> {
        Ok(self.specs.clone())
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        if let Some(values) = self.values.lock().unwrap_or_else(|e| e.into_inner()).take() {
            return Ok(values);
        }
        let inputs: Vec<Tensor> = inputs[..self.count].iter().map(|&input| input.clone()).collect();
        Ok((self.f)(&inputs)?.iter().map(Tensor::detach).collect())
    }

    fn keeps(&self) -> Keeps {
        Keeps::INPUTS
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let all: Vec<Tensor> = (0..cx.num_inputs()).map(|i| cx.input(i)).collect::<Result<_>>()?;
        // Cut from what came before, so that the walk below stays inside the function.
        let cut = |(i, input): (usize, &Tensor)| if cx.needs(i) { input.variable() } else { Ok(input.clone()) };
        let inputs: Vec<Tensor> = all[..self.count].iter().enumerate().map(cut).collect::<Result<_>>()?;
        let outputs = enable_grad(|| (self.f)(&inputs))?;
        let tracked: Vec<(&Tensor, &Tensor)> = outputs
            .iter()
            .enumerate()
            .filter(|(_, output)| output.is_tracked())
            .filter_map(|(i, output)| Some((output, cx.grad_if_any(i)?)))
            .collect();
        let (outputs, grads): (Vec<&Tensor>, Vec<&Tensor>) = tracked.into_iter().unzip();
        let wanted: Vec<&Tensor> = inputs.iter().chain(&all[self.count..]).collect();
        let asked: Vec<&Tensor> = wanted.iter().copied().filter(|t| t.is_tracked()).collect();
        let mut found = grad(&outputs, Some(&grads), &asked, GradOptions::default())?.into_iter();
        Ok(wanted.iter().map(|t| if t.is_tracked() { found.next().flatten() } else { None }).collect())
    }

    fn multiply_adds(&self, _inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        self.multiply_adds
    }

    fn composed(&self, inputs: &[Tensor]) -> Result<Option<Outputs>> {
        let outputs: Outputs = (self.f)(&inputs[..self.count])?.into();
        if outputs.len() != self.specs.len() {
            return Err(Error::argument("the function gave another number of values than the first time"));
        }
        Ok(Some(outputs))
    }
}
