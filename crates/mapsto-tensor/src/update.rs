//! Updates of parameters in place: one optimiser step over a whole list of tensors is one pass over memory.
//!
//! A step is a [`Rule`] for each parameter, with its numbers and the count of steps. The list is cut into pieces by its
//! sizes alone, so that many small parameters share a task and results do not depend on the number of threads.
//! Parameters of half precision are widened, stepped and narrowed; their states are `f32`.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use std::panic::Location;

/// How a parameter `p` moves by its gradient `g`; `t` is the number of this step, counted from 1.
///
/// Common to all: `maximize` climbs (`g` changes its sign); weight decay adds `weight_decay * p` to `g`, or where it is
/// decoupled first shrinks `p` by `1 - lr * weight_decay` (Loshchilov and Hutter, *Decoupled Weight Decay
/// Regularization*, 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `p += weight * (g - p)`, for running averages: `g` is the new value.
    Average {
        /// The weight of the new value.
        weight: f64,
    },
    /// Stochastic gradient descent with momentum (Sutskever et al., *On the Importance of Initialization and Momentum in
    /// Deep Learning*, 2013). State, with momentum only: its buffer.
    Sgd {
        /// Learning rate.
        lr: f64,
        /// Share of the buffer that stays; with zero there is no buffer.
        momentum: f64,
        /// Share of the gradient kept out of the buffer; the first step takes it whole.
        dampening: f64,
        /// Steps by what the buffer will be.
        nesterov: bool,
        /// Coupled weight decay.
        weight_decay: f64,
        /// Climb.
        maximize: bool,
        /// Number of this step.
        t: u64,
    },
    /// Adam (Kingma and Ba, 2015) and AdamW. States: means of `g` and `g²`, and with `amsgrad` (Reddi et al., 2018) the
    /// greatest mean of `g²` so far.
    Adam {
        /// Learning rate.
        lr: f64,
        /// Decay of the two means.
        betas: [f64; 2],
        /// Added to the denominator.
        eps: f64,
        /// Weight decay.
        weight_decay: f64,
        /// AdamW.
        decoupled: bool,
        /// Divide by the greatest mean of `g²` so far.
        amsgrad: bool,
        /// Climb.
        maximize: bool,
        /// Number of this step.
        t: u64,
    },
    /// Adam with the infinity norm (Kingma and Ba, 2015, section 7). States: mean of `g`, decayed greatest `|g|`.
    Adamax {
        /// Learning rate.
        lr: f64,
        /// Decay of the mean and of the norm.
        betas: [f64; 2],
        /// Added to `|g|`.
        eps: f64,
        /// Coupled weight decay.
        weight_decay: f64,
        /// Climb.
        maximize: bool,
        /// Number of this step.
        t: u64,
    },
    /// Adam with Nesterov momentum (Dozat, *Incorporating Nesterov Momentum into Adam*, 2016). States: as Adam's.
    NAdam {
        /// Learning rate.
        lr: f64,
        /// Decay of the two means.
        betas: [f64; 2],
        /// Added to the denominator.
        eps: f64,
        /// Weight decay.
        weight_decay: f64,
        /// Decoupled weight decay.
        decoupled: bool,
        /// Momentum coefficients of this step and the next.
        mu: [f64; 2],
        /// Product of the coefficients up to this step.
        mu_product: f64,
        /// Climb.
        maximize: bool,
        /// Number of this step.
        t: u64,
    },
    /// Rectified Adam (Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, 2020). States: as Adam's.
    RAdam {
        /// Learning rate.
        lr: f64,
        /// Decay of the two means.
        betas: [f64; 2],
        /// Added to the denominator.
        eps: f64,
        /// Weight decay.
        weight_decay: f64,
        /// Decoupled weight decay.
        decoupled: bool,
        /// Climb.
        maximize: bool,
        /// Number of this step.
        t: u64,
    },
    /// Adagrad (Duchi, Hazan and Singer, 2011). State: sum of `g²`.
    Adagrad {
        /// Learning rate.
        lr: f64,
        /// The rate is divided by `1 + (t - 1) * lr_decay`.
        lr_decay: f64,
        /// Added to the denominator.
        eps: f64,
        /// Coupled weight decay.
        weight_decay: f64,
        /// Climb.
        maximize: bool,
        /// Number of this step.
        t: u64,
    },
    /// Adadelta (Zeiler, 2012). States: means of `g²` and of the squared steps.
    Adadelta {
        /// Learning rate.
        lr: f64,
        /// Decay of the means.
        rho: f64,
        /// Added under the roots.
        eps: f64,
        /// Coupled weight decay.
        weight_decay: f64,
        /// Climb.
        maximize: bool,
    },
    /// RMSprop (Hinton, Coursera lecture 6e, 2012; centred: Graves, 2013). States: mean of `g²`, where centred mean of
    /// `g`, with momentum its buffer.
    RmsProp {
        /// Learning rate.
        lr: f64,
        /// Decay of the means.
        alpha: f64,
        /// Added to the denominator.
        eps: f64,
        /// Coupled weight decay.
        weight_decay: f64,
        /// Share of the buffer that stays; with zero there is no buffer.
        momentum: f64,
        /// Divide by the estimated deviation, not the second moment.
        centered: bool,
        /// Climb.
        maximize: bool,
    },
    /// Resilient propagation (Riedmiller and Braun, 1993): the gradient's sign alone counts. States: the last gradient
    /// and the step sizes, which begin at the learning rate.
    Rprop {
        /// Factors of a step size where the sign changed and where it stayed.
        etas: [f64; 2],
        /// Least and greatest step size.
        step_sizes: [f64; 2],
        /// Climb.
        maximize: bool,
    },
    /// Lion (Chen et al., *Symbolic Discovery of Optimization Algorithms*, 2023). State: mean of `g`.
    Lion {
        /// Learning rate.
        lr: f64,
        /// Decay of the mean within the step, and after it.
        betas: [f64; 2],
        /// Decoupled weight decay.
        weight_decay: f64,
        /// Climb.
        maximize: bool,
    },
    /// LAMB (You et al., *Large Batch Optimization for Deep Learning*, 2020): Adam's step, scaled for each tensor to the
    /// norm of the parameter. States: as Adam's.
    Lamb {
        /// Learning rate.
        lr: f64,
        /// Decay of the two means.
        betas: [f64; 2],
        /// Added to the denominator.
        eps: f64,
        /// Weight decay, a part of the step.
        weight_decay: f64,
        /// Climb.
        maximize: bool,
        /// Number of this step.
        t: u64,
    },
    /// Averaged descent (Polyak and Juditsky, 1992; Bottou, 2010). State: the average.
    Asgd {
        /// Learning rate of this step.
        eta: f64,
        /// Decay of the parameter, times the rate.
        lambd: f64,
        /// Weight of the new value in the average.
        mu: f64,
        /// Coupled weight decay.
        weight_decay: f64,
        /// Climb.
        maximize: bool,
    },
}

impl Rule {
    /// How many state tensors the rule reads and writes.
    pub fn states(&self) -> usize {
        match *self {
            Rule::Average { .. } => 0,
            Rule::Sgd { momentum, .. } => (momentum != 0.0) as usize,
            Rule::Adam { amsgrad, .. } => 2 + amsgrad as usize,
            Rule::RmsProp { momentum, centered, .. } => 1 + centered as usize + (momentum != 0.0) as usize,
            Rule::Adagrad { .. } | Rule::Lion { .. } | Rule::Asgd { .. } => 1,
            Rule::Adamax { .. } | Rule::NAdam { .. } | Rule::RAdam { .. } => 2,
            Rule::Adadelta { .. } | Rule::Rprop { .. } | Rule::Lamb { .. } => 2,
        }
    }
}

/// One parameter and what its step needs. All tensors have the parameter's shape; the gradient has its type, the states
/// have [`state_dtype`] of it.
pub struct Slot<'a> {
    /// How it moves.
    pub rule: Rule,
    /// What moves. Where it has no other handle, in place; a variable stays one, under a new identity.
    pub param: &'a mut Tensor,
    /// Its gradient.
    pub grad: &'a Tensor,
    /// The rule's states, in its order.
    pub state: &'a mut [Tensor],
}

/// The type of an optimiser's states for a parameter of this type: `f32` for halves.
pub fn state_dtype(param: DType) -> DType {
    param.to_wide()
}

/// Moves all parameters by their rules.
///
/// # Errors
/// A parameter that is not of floats, or a gradient or state that does not fit it; then nothing has moved.
#[track_caller]
pub fn update(slots: &mut [Slot<'_>]) -> Result<()> {
    let at = Location::caller();
    let run = |slots: &mut [Slot<'_>]| {
        slots.iter().try_for_each(check)?;
        match slots.first() {
            Some(slot) => slot.param.backend().update(slots),
            None => Ok(()),
        }
    };
    run(slots).map_err(|e| e.op("update").at(at))
}

fn check(slot: &Slot<'_>) -> Result<()> {
    let (param, grad) = (slot.param.spec(), slot.grad.spec());
    if !param.dtype.is_float() {
        return Err(Error::dtype(format!("a parameter of {} cannot move by gradients", param.dtype)));
    }
    if grad != param {
        return Err(Error::shape(format!("a gradient {grad} does not fit its parameter {param}")));
    }
    if slot.state.len() != slot.rule.states() {
        let (has, wants) = (slot.state.len(), slot.rule.states());
        return Err(Error::argument(format!("the rule has {wants} states, got {has}")));
    }
    let state = param.with_dtype(state_dtype(param.dtype));
    match slot.state.iter().find(|tensor| tensor.spec() != state) {
        Some(tensor) => {
            Err(Error::shape(format!("a state {} does not fit its parameter, it must be {state}", tensor.spec())))
        }
        None => Ok(()),
    }
}

/// Which norm [`norms`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Sum of magnitudes.
    One,
    /// Root of the sum of squares.
    Two,
    /// Greatest magnitude.
    Infinity,
}

impl Norm {
    /// The norm of a list, from the norms of its members.
    pub fn total(self, norms: &[f64]) -> f64 {
        match self {
            Norm::One => norms.iter().sum(),
            Norm::Two => norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt(),
            Norm::Infinity => norms.iter().fold(0.0, |a, &b| if a > b || a.is_nan() { a } else { b }),
        }
    }
}

/// The norm of each tensor, summed in double precision by a fixed tree, in one pass over all of them.
///
/// # Errors
/// A tensor that is not of floats.
#[track_caller]
pub fn norms(tensors: &[&Tensor], norm: Norm) -> Result<Vec<f64>> {
    let at = Location::caller();
    let run = || {
        if let Some(tensor) = tensors.iter().find(|tensor| !tensor.dtype().is_float()) {
            return Err(Error::dtype(format!("a tensor of {} has no norm", tensor.dtype())));
        }
        tensors.first().map_or(Ok(Vec::new()), |tensor| tensor.backend().norms(tensors, norm))
    };
    run().map_err(|e: Error| e.op("norms").at(at))
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
