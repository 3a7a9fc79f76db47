//! What is done to gradients between the backward pass and the step.

use crate::module::Module;
use crate::param::Param;
use mapsto_tensor::update::{Norm, norms};
use mapsto_tensor::{Error, Gradients, Result, Tensor, no_grad};
use std::panic::Location;

/// The gradients of these parameters, in their order, taken out.
fn take(gradients: &mut Gradients, params: &[Param]) -> Result<Vec<(Tensor, Tensor)>> {
    let mut found = Vec::with_capacity(params.len());
    for param in params {
        let value = param.get()?;
        if let Some(gradient) = gradients.take(&value) {
            found.push((value, gradient));
        }
    }
    Ok(found)
}

/// Changes every gradient of these parameters.
fn map(gradients: &mut Gradients, params: &[Param], f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<()> {
    no_grad(|| {
        for (value, gradient) in take(gradients, params)? {
            gradients.insert(&value, f(&gradient)?);
        }
        Ok(())
    })
}

/// Scales the gradients of these parameters so that their norm, all taken together, is at most `max_norm`; gives the norm
/// before (Pascanu, Mikolov and Bengio, *On the Difficulty of Training Recurrent Neural Networks*, 2013).
///
/// # Errors
/// A bound that is not positive; a norm that is not finite, for which the gradients stay.
#[track_caller]
pub fn clip_grad_norm(gradients: &mut Gradients, params: &[Param], max_norm: f64, norm: Norm) -> Result<f64> {
    let at = Location::caller();
    let mut clip = || {
        if !(max_norm > 0.0) {
            return Err(Error::argument(format!("the greatest norm must be positive, got {max_norm}")));
        }
        let found = take(gradients, params)?;
        let list: Vec<&Tensor> = found.iter().map(|(_, gradient)| gradient).collect();
        let total = norms(&list, norm).map(|norms| norm.total(&norms));
        // PyTorch's guard against a norm of zero.
        let factor = match total {
            Ok(total) if total.is_finite() => max_norm / (total + 1e-6),
            _ => 1.0,
        };
        for (value, gradient) in found {
            let clipped = if factor < 1.0 { no_grad(|| gradient.mul(factor))? } else { gradient };
            gradients.insert(&value, clipped);
        }
        match total {
            Ok(total) if !total.is_finite() => Err(Error::gradient(format!("the gradients' norm is {total}"))
                .mend("look at gradient_norms, lower the learning rate, or leave this step out")),
            total => total,
        }
    };
    clip().map_err(|e: Error| e.op("clip_grad_norm").at(at))
}

/// Holds every number of these parameters' gradients between `-clip_value` and `clip_value`.
///
/// # Errors
/// A bound that is negative or NaN.
#[track_caller]
pub fn clip_grad_value(gradients: &mut Gradients, params: &[Param], clip_value: f64) -> Result<()> {
    let at = Location::caller();
    if !(clip_value >= 0.0) {
        return Err(Error::argument(format!("the bound must not be negative, got {clip_value}"))
            .op("clip_grad_value")
            .at(at));
    }
    map(gradients, params, |gradient| gradient.maximum(-clip_value)?.minimum(clip_value))
        .map_err(|e| e.op("clip_grad_value").at(at))
}

/// Multiplies these parameters' gradients.
///
/// # Errors
/// A parameter without a value.
#[track_caller]
pub fn scale_gradients(gradients: &mut Gradients, params: &[Param], factor: f64) -> Result<()> {
    let at = Location::caller();
    map(gradients, params, |gradient| gradient.mul(factor)).map_err(|e| e.op("scale_gradients").at(at))
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
        let value = param.get().map_err(|e| e.op("gradient_norms").at(at).within(name.as_str()))?;
        if let Some(gradient) = gradients.get(&value) {
            named.push((name, gradient));
        }
    }
    let list: Vec<&Tensor> = named.iter().map(|(_, gradient)| *gradient).collect();
    let found = norms(&list, Norm::Two)?;
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
        self.sum.accumulate(gradients).map_err(|e| e.op("accumulate").at(at))?;
        self.count += 1;
        Ok(())
    }

    /// Number of batches added.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean of the gradients added, and begins anew.
    ///
    /// # Errors
    /// Nothing was added.
    #[track_caller]
    pub fn mean(&mut self, params: &[Param]) -> Result<Gradients> {
        let at = Location::caller();
        let Accumulator { mut sum, count } = std::mem::take(self);
        if count == 0 {
            return Err(Error::argument("no gradients were added").op("accumulate").at(at));
        }
        if count > 1 {
            scale_gradients(&mut sum, params, 1.0 / count as f64).map_err(|e| e.at(at))?;
        }
        Ok(sum)
    }
}
