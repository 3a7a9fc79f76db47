//! Losses of a number against a number.

use super::{LossReduction, expect_pair, reduce};
use mapsto_tensor::{Error, Result, Tensor};
use std::panic::Location;

/// The mean squared error `(x - y)²`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MseLoss {
    /// How losses become one.
    pub reduction: LossReduction,
}

impl MseLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("MseLoss", input, target)?;
        reduce("MseLoss", input.sub(target)?.square()?, self.reduction)
    }
}

/// The mean absolute error `|x - y|`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct L1Loss {
    /// How losses become one.
    pub reduction: LossReduction,
}

impl L1Loss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("L1Loss", input, target)?;
        reduce("L1Loss", input.sub(target)?.abs()?, self.reduction)
    }
}

/// A parabola up to a distance `bend`, a line of slope `bend` beyond.
#[track_caller]
fn bent(input: &Tensor, target: &Tensor, bend: f64) -> Result<Tensor> {
    let distance = input.sub(target)?.abs()?;
    let near = distance.minimum(bend)?;
    near.mul(distance.sub(near.mul(0.5)?)?)
}

/// The squared error over `2 beta` near zero, the absolute error less `beta / 2` from a distance of `beta` on (Girshick,
/// *Fast R-CNN*, 2015).
#[derive(Clone, Debug, PartialEq)]
pub struct SmoothL1Loss {
    /// The distance at which the parabola ends.
    pub beta: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for SmoothL1Loss {
    fn default() -> SmoothL1Loss {
        SmoothL1Loss { beta: 1.0, reduction: LossReduction::Mean }
    }
}

impl SmoothL1Loss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ; a negative `beta`.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("SmoothL1Loss", input, target)?;
        if !(self.beta >= 0.0) {
            let message = format!("beta must not be negative, got {}", self.beta);
            return Err(Error::argument(message).op("SmoothL1Loss").at(Location::caller()));
        }
        if self.beta == 0.0 {
            return reduce("SmoothL1Loss", input.sub(target)?.abs()?, self.reduction);
        }
        reduce("SmoothL1Loss", bent(input, target, self.beta)?.div(self.beta)?, self.reduction)
    }
}

/// Half the squared error near zero, `delta` times the absolute error less `delta / 2` from a distance of `delta` on
/// (Huber, *Robust Estimation of a Location Parameter*, 1964).
#[derive(Clone, Debug, PartialEq)]
pub struct HuberLoss {
    /// The distance at which the parabola ends.
    pub delta: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for HuberLoss {
    fn default() -> HuberLoss {
        HuberLoss { delta: 1.0, reduction: LossReduction::Mean }
    }
}

impl HuberLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ; a `delta` that is not positive.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("HuberLoss", input, target)?;
        if !(self.delta > 0.0) {
            let message = format!("delta must be positive, got {}", self.delta);
            return Err(Error::argument(message).op("HuberLoss").at(Location::caller()));
        }
        reduce("HuberLoss", bent(input, target, self.delta)?, self.reduction)
    }
}

/// The pinball loss of quantiles (Koenker and Bassett, *Regression Quantiles*, 1978): of a quantile `q`, `q` times what it lies below the target,
/// `1 - q` times what it lies above.
#[derive(Clone, Debug, PartialEq)]
pub struct PinballLoss {
    /// The quantiles that the last axis of the input holds, each from 0 to 1.
    pub quantiles: Vec<f64>,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl PinballLoss {
    /// The loss of inputs `[..., Q]` for targets `[...]`.
    ///
    /// # Errors
    /// Shapes that do not fit; a quantile outside 0 to 1.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let at = Location::caller();
        if let Some(quantile) = self.quantiles.iter().find(|quantile| !(0.0..=1.0).contains(*quantile)) {
            let message = format!("a quantile lies in [0, 1], got {quantile}");
            return Err(Error::argument(message).op("PinballLoss").at(at));
        }
        let (wanted, count) = (input.shape().to_vec(), self.quantiles.len());
        if wanted.split_last() != Some((&count, &target.shape()[..])) {
            let message =
                format!("input {} is not target {} with {count} quantiles each", input.shape(), target.shape());
            return Err(Error::shape(message).op("PinballLoss").at(at));
        }
        if !input.dtype().is_float() {
            return Err(Error::dtype(format!("the input holds {}, not floats", input.dtype()))
                .op("PinballLoss")
                .at(at)
                .mend("convert with to_dtype(DType::F32) first"));
        }
        let below = target.unsqueeze(-1)?.sub(input)?;
        let quantiles = Tensor::from_vec(self.quantiles.clone(), [count])?.to_dtype(input.dtype())?;
        // What lies above counts `q - 1` times what it lies below.
        reduce("PinballLoss", below.mul(&quantiles)?.add(below.neg()?.relu()?)?, self.reduction)
    }
}
