//! What all networks that forecast end with.

use super::{ForecastShape, QUANTILES};
use mapsto_nn::{Layer, Linear, Module};
use mapsto_tensor::{Result, Tensor};

/// A linear layer of features and of what is known of the future, and beside it one of each target's past by itself, which is added to the
/// medians (Lai et al., *Modeling Long- and Short-Term Temporal Patterns with Deep Neural Networks*, 2018).
#[derive(Module)]
pub(super) struct Head {
    linear: Linear,
    skip: Linear,
    #[module(skip)]
    shape: ForecastShape,
}

impl Head {
    /// For so many features.
    pub fn new(features: usize, shape: ForecastShape) -> Result<Head> {
        let linear = Linear::new(features.saturating_add(shape.horizon * shape.known), shape.outputs())?;
        Ok(Head { linear, skip: Linear::new(shape.context, shape.horizon)?, shape })
    }

    /// Quantiles of features `[N, F]`, the past and the future.
    pub fn forward(&self, features: &Tensor, past: &Tensor, future: &Tensor) -> Result<Tensor> {
        let ForecastShape { horizon, targets, .. } = self.shape;
        let batch = features.shape()[0];
        let outputs = self.linear.forward(&with_future(features, future)?)?;
        let outputs = outputs.reshape([batch, horizon, targets, QUANTILES])?;
        let skip = self.skip.forward(&own(past, self.shape)?)?.transpose(1, 2)?.unsqueeze(3)?;
        quantiles(&outputs, Some(&skip))
    }
}

/// Features `[N, F]` with what is known of the future behind them.
pub(super) fn with_future(features: &Tensor, future: &Tensor) -> Result<Tensor> {
    if future.numel() == 0 {
        return Ok(features.clone());
    }
    let batch = features.shape()[0];
    Tensor::concat(&[features, &future.reshape([batch, future.numel() / batch])?], 1)
}

/// The targets' past, `[N, targets, context]`.
pub(super) fn own(past: &Tensor, shape: ForecastShape) -> Result<Tensor> {
    past.narrow(2, 0, shape.targets)?.transpose(1, 2)
}

/// Quantiles in ascending order `[..., 3]` of medians, to which `more` `[..., 1]` is added, and of what makes distances below and above them.
pub(super) fn quantiles(outputs: &Tensor, more: Option<&Tensor>) -> Result<Tensor> {
    let part = |place| outputs.narrow(-1, place, 1);
    let distance = |place| part(place)?.softplus(1.0, 20.0);
    let median = match more {
        Some(more) => part(1)?.add(more)?,
        None => part(1)?,
    };
    let (lower, upper) = (median.sub(distance(0)?)?, median.add(distance(2)?)?);
    Tensor::concat(&[&lower, &median, &upper], -1)
}
