//! What is done to gradients between the backward pass and the step.

use crate::module::Module;
use crate::param::Param;
use mapsto_tensor::update::{Norm, norms};
use mapsto_tensor::{Error, Gradients, Result, Tensor, no_grad};
use std::collections::HashSet;
use std::panic::Location;

/// The values of these parameters that have gradients, a shared one once.
fn values(gradients: &Gradients, params: &[Param]) -> Result<Vec<Tensor>> {
    let mut seen = HashSet::new();
    let values = params.iter().filter(|param| seen.insert(param.id())).map(Param::get).collect::<Result<Vec<_>>>()?;
    Ok(values.into_iter().filter(|value| gradients.get(value).is_some()).collect())
}

/// Changes the gradients of these values.
fn map(gradients: &mut Gradients, values: &[Tensor], f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<()> {
    for value in values {
        if let Some(gradient) = gradients.get(value) {
            let changed = no_grad(|| f(gradient))?;
            gradients.insert(value, changed);
        }
    }
    Ok(())
}

/// Scales the gradients of these parameters so that their norm, all taken together, is at most `max_norm`; gives the norm
/// before (Pascanu, Mikolov and Bengio, *On the Difficulty of Training Recurrent Neural Networks*, 2013).
///
/// # Errors
/// A bound that is not positive; a parameter without a value; a norm that is not finite. The gradients stay as they are.
#[track_caller]
pub fn clip_grad_norm(gradients: &mut Gradients, params: &[Param], max_norm: f64, norm: Norm) -> Result<f64> {
    let at = Location::caller();
    let mut clip = || {
        if !(max_norm > 0.0) {
            return Err(Error::argument(format!("the greatest norm must be positive, got {max_norm}")));
        }
        let values = values(gradients, params)?;
        let list: Vec<&Tensor> = values.iter().filter_map(|value| gradients.get(value)).collect();
        let total = norm.total(&norms(&list, norm)?);
        if !total.is_finite() {
            return Err(Error::gradient(format!("the gradients' norm is {total}"))
                .mend("look at gradient_norms, lower the learning rate, or leave this step out"));
        }
        // PyTorch's guard against a norm of zero.
        let factor = max_norm / (total + 1e-6);
        if factor < 1.0 {
            map(gradients, &values, |gradient| gradient.mul(factor))?;
        }
        Ok(total)
    };
    clip().map_err(|e: Error| e.as_of("clip_grad_norm", at))
}

/// Holds every number of these parameters' gradients between `-clip_value` and `clip_value`.
///
/// # Errors
/// A bound that is negative or NaN; a parameter without a value.
#[track_caller]
pub fn clip_grad_value(gradients: &mut Gradients, params: &[Param], clip_value: f64) -> Result<()> {
    let at = Location::caller();
    if !(clip_value >= 0.0) {
        return Err(Error::argument(format!("the bound must not be negative, got {clip_value}"))
            .op("clip_grad_value")
            .at(at));
    }
    values(gradients, params)
        .and_then(|values| map(gradients, &values, |gradient| gradient.maximum(-clip_value)?.minimum(clip_value)))
        .map_err(|e| e.as_of("clip_grad_value", at))
}

/// Multiplies these parameters' gradients.
///
/// # Errors
/// A parameter without a value.
#[track_caller]
pub fn scale_gradients(gradients: &mut Gradients, params: &[Param], factor: f64) -> Result<()> {
    let at = Location::caller();
    values(gradients, params)
        .and_then(|values| map(gradients, &values, |gradient| gradient.mul(factor)))
        .map_err(|e| e.as_of("scale_gradients", at))
}

/// The norm of every parameter's gradient by name; parameters without one are left out. Shows where gradients vanish or
/// explode.
///
/// # Errors
/// A parameter without a value.
#[track_caller]
pub fn gradient_norms(gradients: &Gradients, module: &(impl Module + ?Sized)) -> Result<Vec<(String, f64)>> {
    let at = Location::caller();
    let mut named = Vec::new();
    for (name, param) in module.named_parameters() {
        let value = param.get().map_err(|e| e.as_of("gradient_norms", at).within(name.as_str()))?;
        if let Some(gradient) = gradients.get(&value) {
            named.push((name, gradient));
        }
    }
    let list: Vec<&Tensor> = named.iter().map(|(_, gradient)| *gradient).collect();
    let found = norms(&list, Norm::Two).map_err(|e| e.as_of("gradient_norms", at))?;
    Ok(named.into_iter().zip(found).map(|((name, _), norm)| (name, norm)).collect())
}

/// Gathers the gradients of several small batches into those of one large batch.
#[derive(Default)]
pub struct Accumulator {
    sum: Gradients,
    count: usize,
}

impl Accumulator {
    /// Adds a batch's gradients.
    ///
    /// # Errors
    /// Gradients of another network.
    #[track_caller]
    pub fn add(&mut self, gradients: Gradients) -> Result<()> {
        let at = Location::caller();
        self.sum.accumulate(gradients).map_err(|e| e.as_of("accumulate", at))?;
        self.count += 1;
        Ok(())
    }

    /// Number of batches added.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The means of these parameters' gradients, and begins anew. The gradients of all others are left out.
    ///
    /// # Errors
    /// Nothing was added; a parameter without a value.
    #[track_caller]
    pub fn mean(&mut self, params: &[Param]) -> Result<Gradients> {
        let at = Location::caller();
        if self.count == 0 {
            return Err(Error::argument("no gradients were added").op("accumulate").at(at));
        }
        let values = values(&self.sum, params).map_err(|e| e.as_of("accumulate", at))?;
        let Accumulator { mut sum, count } = std::mem::take(self);
        let mut means = Gradients::default();
        for value in values {
            if let Some(gradient) = sum.take(&value) {
                let mean = no_grad(|| gradient.mul(1.0 / count as f64)).map_err(|e| e.as_of("accumulate", at))?;
                means.insert(&value, mean);
            }
        }
        Ok(means)
    }
}
