//! A multi-layer perceptron of the whole window.

use super::ForecastShape;
use super::head::{Head, with_future};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Dropout, Layer, Linear, Module, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`ForecastMlp`]; what is left out has the value of [`ForecastMlpConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastMlpConfig {
    /// Features of a layer.
    pub hidden: usize,
    /// Layers one upon the other.
    pub layers: usize,
    /// Share of the features that is dropped.
    pub dropout: f64,
}

impl Default for ForecastMlpConfig {
    fn default() -> ForecastMlpConfig {
        ForecastMlpConfig { hidden: 64, layers: 2, dropout: 0.1 }
    }
}

/// Linear layers with ReLU and dropout of all that is known, and the head of all these networks.
#[derive(Module)]
pub struct ForecastMlp {
    layers: Vec<Linear>,
    dropout: Dropout,
    head: Head,
    #[module(skip)]
    shape: ForecastShape,
}

impl ForecastMlp {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &ForecastMlpConfig, shape: ForecastShape) -> Result<ForecastMlp> {
        let ForecastMlpConfig { hidden, layers: count, dropout } = *config;
        check_size("hidden", hidden)?;
        check_size("layers", count)?;
        check_layers("layers", count)?;
        let (mut layers, mut i) = (Vec::new(), shape.context * shape.inputs() + shape.horizon * shape.known);
        for _ in 0..count {
            layers.push(Linear::new(i, hidden)?);
            i = hidden;
        }
        Ok(ForecastMlp { layers, dropout: Dropout::new(dropout)?, head: Head::new(hidden, shape)?, shape })
    }

    /// The quantiles: see [`ForecastNet::forward`](super::ForecastNet::forward).
    ///
    /// # Errors
    /// Those of [`ForecastNet::forward`](super::ForecastNet::forward).
    #[track_caller]
    pub fn forward(&self, past: &Tensor, future: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("ForecastMlp", || {
            self.shape.expect(past, future)?;
            let all = past.reshape([past.shape()[0], self.shape.context * self.shape.inputs()])?;
            let mut x = with_future(&all, future)?;
            for layer in &self.layers {
                x = self.dropout.forward(&layer.forward(&x)?.relu()?)?;
            }
            self.head.forward(&x, past, future)
        })
    }
}
