//! Normalisation: fused forward and backward, composed for gradients of gradients.

mod batch;
mod rows;

pub use batch::{BatchNorm, BatchNormInference};
pub use rows::{GroupNorm, LayerNorm, RmsNorm};

use crate::error::{Error, Result};
use crate::op::{composed, expect_float, expect_same_dtype};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Entry};

/// Fails unless the inputs are a float tensor and perhaps a weight and a bias of one shape and its type; at most `most`.
fn check_inputs(inputs: &[Spec], affine: &Shape, most: usize) -> Result<()> {
    if inputs.is_empty() || inputs.len() > most {
        return Err(Error::argument(format!("takes one to {most} inputs, got {}", inputs.len())));
    }
    expect_float(inputs)?;
    expect_same_dtype(inputs)?;
    match inputs[1..].iter().find(|spec| spec.shape != *affine) {
        None => Ok(()),
        Some(spec) => {
            let x = inputs[0].shape;
            Err(Error::shape(format!("weight or bias {} does not fit {x}: it must be {affine}", spec.shape)))
        }
    }
}

/// Fails unless `eps` is a number that can be added under a root: finite and not negative.
fn check_eps(eps: f64) -> Result<()> {
    if eps >= 0.0 && eps.is_finite() {
        return Ok(());
    }
    Err(Error::argument(format!("eps {eps} is not a number from zero up")))
}

/// The inputs of an operation with optional weight and bias; a bias alone comes with a weight of ones.
#[track_caller]
fn with_affine(
    op: &'static str,
    x: &Tensor,
    shape: impl FnOnce() -> Result<Shape>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<Vec<Tensor>> {
    let weight = match (weight, bias) {
        (None, Some(_)) => Some(composed(op, || Tensor::ones(shape()?, x.dtype()))?),
        (weight, _) => weight.cloned(),
    };
    Ok([Some(x.clone()), weight, bias.cloned()].into_iter().flatten().collect())
}

/// The mean and the biased variance of some numbers, plainly.
fn plain_moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64)
}

/// A weight or bias of a reference's inputs.
fn plain_affine(inputs: &[Array], input: usize, index: &[usize], neutral: f64) -> f64 {
    inputs.get(input).map_or(neutral, |array| array.at(index))
}

pub(super) fn entries() -> Vec<Entry> {
    batch::entries().into_iter().chain(rows::entries()).collect()
}
