//! DLinear (Zeng et al., *Are Transformers Effective for Time Series Forecasting?*, 2023), with other variables besides.

use super::head::{own, quantiles};
use super::{ForecastShape, QUANTILES};
use crate::parts::check_size;
use mapsto_nn::{AvgPool1d, Layer, Linear, Module, PoolConfig, scope};
use mapsto_tensor::ops::PadMode;
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`ForecastLinear`]; what is left out has the value of [`ForecastLinearConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastLinearConfig {
    /// Steps of the running mean that is taken for the trend.
    pub smoothing: usize,
}

impl Default for ForecastLinearConfig {
    fn default() -> ForecastLinearConfig {
        ForecastLinearConfig { smoothing: 25 }
    }
}

/// The past of each target is parted into its running mean and what is left; a linear layer of each, the same for all targets, gives the
/// forecast. Linear layers of the other variables' last numbers, and of what is known of each step of the future, are added.
#[derive(Module)]
pub struct ForecastLinear {
    trend: Linear,
    seasonal: Linear,
    past: Option<Linear>,
    future: Option<Linear>,
    #[module(skip)]
    mean: AvgPool1d,
    #[module(skip)]
    smoothing: usize,
    #[module(skip)]
    shape: ForecastShape,
}

impl ForecastLinear {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &ForecastLinearConfig, shape: ForecastShape) -> Result<ForecastLinear> {
        let smoothing = config.smoothing;
        check_size("smoothing", smoothing)?;
        let ForecastShape { context, horizon, targets, past, known } = shape;
        let own = || Linear::new(context, horizon * QUANTILES);
        Ok(ForecastLinear {
            trend: own()?,
            seasonal: own()?,
            past: (past > 0).then(|| Linear::new(past, shape.outputs())).transpose()?,
            future: (known > 0).then(|| Linear::new(known, targets * QUANTILES)).transpose()?,
            mean: AvgPool1d::from_config(&PoolConfig::new(smoothing).stride(1))?,
            smoothing,
            shape,
        })
    }

    /// The quantiles: see [`ForecastNet::forward`](super::ForecastNet::forward).
    ///
    /// # Errors
    /// Those of [`ForecastNet::forward`](super::ForecastNet::forward).
    #[track_caller]
    pub fn forward(&self, past: &Tensor, future: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("ForecastLinear", || {
            self.shape.expect(past, future)?;
            let ForecastShape { context, horizon, targets, past: others, .. } = self.shape;
            let batch = past.shape()[0];
            let x = own(past, self.shape)?;
            // The first and the last number stand beyond the ends.
            let (before, after) = ((self.smoothing - 1) / 2, self.smoothing / 2);
            let trend = self.mean.forward(&x.pad(&[(before as isize, after as isize)], PadMode::Replicate)?)?;
            let outputs = self.trend.forward(&trend)?.add(self.seasonal.forward(&x.sub(&trend)?)?)?;
            let outputs = outputs.reshape([batch, targets, horizon, QUANTILES])?;
            let mut outputs = outputs.transpose(1, 2)?;
            if let Some(layer) = &self.past {
                let last = past.narrow(2, targets, others)?.narrow(1, context - 1, 1)?.squeeze(&[1])?;
                outputs = outputs.add(layer.forward(&last)?.reshape([batch, horizon, targets, QUANTILES])?)?;
            }
            if let Some(layer) = &self.future {
                outputs = outputs.add(layer.forward(future)?.reshape([batch, horizon, targets, QUANTILES])?)?;
            }
            quantiles(&outputs, None)
        })
    }
}
