//! A residual network (Wang, Yan and Oates, *Time Series Classification from Scratch with Deep Neural Networks: A Strong Baseline*, 2017).

use super::mask::Steps;
use super::{SeriesShape, normalised};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{BatchNorm1d, Dropout, Layer, Linear, Module, Sequential, scope, sequential};
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`SeriesResNet`]; what is left out has the value of [`SeriesResNetConfig::default`], with half the paper's channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesResNetConfig {
    /// Channels of each block.
    pub channels: Vec<usize>,
    /// Steps that the convolutions of a block see at a time.
    pub kernels: Vec<usize>,
    /// Share of the features that is dropped before the last layer.
    pub dropout: f64,
}

impl Default for SeriesResNetConfig {
    fn default() -> SeriesResNetConfig {
        SeriesResNetConfig { channels: vec![32, 64, 64], kernels: vec![8, 5, 3], dropout: 0.0 }
    }
}

/// Blocks of convolutions that keep the number of steps, each with batch normalisation and ReLU, and a connection around them; the mean
/// over the steps; a linear layer.
#[derive(Module)]
pub struct SeriesResNet {
    blocks: Vec<Block>,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    input: SeriesShape,
}

#[derive(Module)]
struct Block {
    convolutions: Vec<Sequential>,
    /// Normalisation, behind a convolution of one step where the channels differ.
    shortcut: Sequential,
}

impl SeriesResNet {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &SeriesResNetConfig, input: SeriesShape, classes: usize) -> Result<SeriesResNet> {
        let SeriesResNetConfig { channels, kernels, dropout } = config;
        check_layers("channels and kernels", channels.len().saturating_mul(kernels.len()))?;
        if channels.is_empty() || kernels.is_empty() {
            return Err(Error::argument("channels and kernels have one number at least"));
        }
        let (mut blocks, mut i) = (Vec::new(), input.channels);
        for &o in channels {
            check_size("channels", o)?;
            let shortcut = if i == o { sequential![BatchNorm1d::new(o)?] } else { normalised(i, o, 1)? };
            let mut convolutions = Vec::new();
            for &kernel in kernels {
                check_size("a kernel", kernel)?;
                convolutions.push(normalised(i, o, kernel)?);
                i = o;
            }
            blocks.push(Block { convolutions, shortcut });
        }
        Ok(SeriesResNet { blocks, dropout: Dropout::new(*dropout)?, head: Linear::new(i, classes)?, input })
    }

    /// The logits: see [`SeriesNet::forward`](super::SeriesNet::forward).
    ///
    /// # Errors
    /// Those of [`SeriesNet::forward`](super::SeriesNet::forward).
    #[track_caller]
    pub fn forward(&self, series: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("SeriesResNet", || {
            let steps = Steps::new(series, lengths, self.input)?;
            let mut x = steps.mask(series)?;
            for block in &self.blocks {
                let around = block.shortcut.forward(&x)?;
                for (place, convolution) in (1..).zip(&block.convolutions) {
                    x = convolution.forward(&x)?;
                    if place == block.convolutions.len() {
                        x = x.add(&around)?;
                    }
                    x = steps.mask(&x.relu()?)?;
                }
            }
            self.head.forward(&self.dropout.forward(&steps.mean(&x)?)?)
        })
    }
}
