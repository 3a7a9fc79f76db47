//! A transformer's encoder (Vaswani et al., *Attention Is All You Need*, 2017) that reads the window, with normalised inputs of its parts.

use super::ForecastShape;
use super::head::Head;
use crate::parts::{check_positions, transformer_stack};
use mapsto_nn::{
    AttentionMasks, Dropout, Layer, Linear, Module, PositionConfig, SinusoidalEncoding, TransformerEncoder, scope,
};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`ForecastTransformer`]; what is left out has the value of [`ForecastTransformerConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastTransformerConfig {
    /// Numbers of a step.
    pub width: usize,
    /// Heads of attention, which share these evenly.
    pub heads: usize,
    /// Layers one upon the other.
    pub layers: usize,
    /// Features between the two linear layers of a layer.
    pub feedforward: usize,
    /// Share of features and of weights of attention that is dropped.
    pub dropout: f64,
}

impl Default for ForecastTransformerConfig {
    fn default() -> ForecastTransformerConfig {
        ForecastTransformerConfig { width: 32, heads: 4, layers: 2, feedforward: 64, dropout: 0.1 }
    }
}

/// A linear layer of each step and positions, layers with GELU between their linear layers; the features of the last step go to the head of
/// all these networks.
#[derive(Module)]
pub struct ForecastTransformer {
    input: Linear,
    positions: SinusoidalEncoding,
    encoder: TransformerEncoder,
    dropout: Dropout,
    head: Head,
    #[module(skip)]
    shape: ForecastShape,
}

impl ForecastTransformer {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &ForecastTransformerConfig, shape: ForecastShape) -> Result<ForecastTransformer> {
        let ForecastTransformerConfig { width, heads, layers, feedforward, dropout } = *config;
        let stack = transformer_stack([width, heads, feedforward], layers, dropout)?;
        check_positions(shape.context, width)?;
        Ok(ForecastTransformer {
            input: Linear::new(shape.inputs(), width)?,
            positions: SinusoidalEncoding::from_config(&PositionConfig::new(width, shape.context).batch_first())?,
            encoder: TransformerEncoder::from_config(&stack)?,
            dropout: Dropout::new(dropout)?,
            head: Head::new(width, shape)?,
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
        composed("ForecastTransformer", || {
            self.shape.expect(past, future)?;
            let x = self.positions.forward(&self.input.forward(past)?)?;
            let x = self.encoder.forward_masked(&self.dropout.forward(&x)?, &AttentionMasks::default())?;
            let last = x.narrow(1, self.shape.context - 1, 1)?.squeeze(&[1])?;
            self.head.forward(&last, past, future)
        })
    }
}
