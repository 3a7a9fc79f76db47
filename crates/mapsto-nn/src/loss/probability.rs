//! Losses of distributions.

use super::{LossReduction, expect_broadcast, expect_pair, expect_some, reduce};
use mapsto_tensor::{Error, Result, Tensor};
use std::f64::consts::PI;
use std::panic::Location;

/// How the terms of [`KlDivLoss`] become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KlReduction {
    /// Not at all.
    None,
    /// Their mean over all elements.
    #[default]
    Mean,
    /// Their sum over the size of axis 0: the divergence.
    BatchMean,
    /// Their sum.
    Sum,
}

/// The terms `y (ln y - x)` of the Kullback–Leibler divergence of log-probabilities `x` from `y`; zero where `y` is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KlDivLoss {
    /// Whether targets are log-probabilities, too.
    pub log_target: bool,
    /// How terms become one.
    pub reduction: KlReduction,
}

impl KlDivLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("KlDivLoss", input, target)?;
        let terms = if self.log_target {
            target.exp()?.mul(target.sub(input)?)?
        } else {
            let entropy = target.mul(target.eq(0)?.where_(1, target)?.ln()?)?;
            entropy.sub(target.mul(input)?)?
        };
        match self.reduction {
            KlReduction::None => Ok(terms),
            KlReduction::Mean => reduce("KlDivLoss", terms, LossReduction::Mean),
            KlReduction::Sum => terms.sum(),
            KlReduction::BatchMean => {
                expect_some("KlDivLoss", &terms)?;
                terms.sum()?.div(input.shape().first().copied().unwrap_or(1) as f64)
            }
        }
    }
}

/// The negative log-likelihood of normal distributions, up to a constant unless `full`.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianNllLoss {
    /// Whether the constant is added.
    pub full: bool,
    /// The least variance.
    pub eps: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for GaussianNllLoss {
    fn default() -> GaussianNllLoss {
        GaussianNllLoss { full: false, eps: 1e-6, reduction: LossReduction::Mean }
    }
}

impl GaussianNllLoss {
    /// The loss of means and targets of equal shapes; the variances broadcast to them.
    ///
    /// # Errors
    /// Shapes that do not fit; a negative variance.
    #[track_caller]
    pub fn forward(&self, mean: &Tensor, target: &Tensor, variance: &Tensor) -> Result<Tensor> {
        expect_pair("GaussianNllLoss", mean, target)?;
        expect_broadcast("GaussianNllLoss", "variance", variance, mean)?;
        if variance.lt(0)?.any()?.item::<bool>()? {
            return Err(Error::argument("a variance is negative").op("GaussianNllLoss").at(Location::caller()));
        }
        // The gradient passes the bound, as PyTorch's does.
        let held = variance.detach().maximum(self.eps)?.sub(variance.detach())?;
        let variance = variance.add(held)?;
        let losses = variance.ln()?.add(mean.sub(target)?.square()?.div(&variance)?)?.mul(0.5)?;
        let losses = if self.full { losses.add(0.5 * (2.0 * PI).ln())? } else { losses };
        reduce("GaussianNllLoss", losses, self.reduction)
    }
}

/// The negative log-likelihood of Poisson distributions, up to a constant unless `full`.
#[derive(Clone, Debug, PartialEq)]
pub struct PoissonNllLoss {
    /// Whether inputs are logarithms of rates.
    pub log_input: bool,
    /// Whether Stirling's approximation of `ln y!` is added for counts above one.
    pub full: bool,
    /// Added to a rate before its logarithm is taken.
    pub eps: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for PoissonNllLoss {
    fn default() -> PoissonNllLoss {
        PoissonNllLoss { log_input: true, full: false, eps: 1e-8, reduction: LossReduction::Mean }
    }
}

impl PoissonNllLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("PoissonNllLoss", input, target)?;
        let losses = if self.log_input {
            input.exp()?.sub(target.mul(input)?)?
        } else {
            input.sub(target.mul(input.add(self.eps)?.ln()?)?)?
        };
        if !self.full {
            return reduce("PoissonNllLoss", losses, self.reduction);
        }
        let many = target.gt(1)?;
        let counts = many.where_(target, 2)?;
        let stirling = counts.mul(counts.ln()?)?.sub(&counts)?.add(counts.mul(2.0 * PI)?.ln()?.mul(0.5)?)?;
        reduce("PoissonNllLoss", losses.add(many.where_(stirling, 0)?)?, self.reduction)
    }
}
