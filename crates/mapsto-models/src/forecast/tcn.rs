//! A temporal convolutional network (Bai, Kolter and Koltun, *An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
//! Sequence Modeling*, 2018), without weight normalisation.

use super::ForecastShape;
use super::head::Head;
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Conv1d, ConvConfig, Dropout, Layer, Module, scope};
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The most levels: beyond them, windows would be wider than any series.
const MOST_LEVELS: usize = 24;

/// Settings of [`ForecastTcn`]; what is left out has the value of [`ForecastTcnConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastTcnConfig {
    /// Channels of each convolution.
    pub channels: usize,
    /// Steps that a convolution sees at a time.
    pub kernel: usize,
    /// Blocks of two convolutions; in each the steps that they see lie twice as far apart as before.
    pub levels: usize,
    /// Share of the features that is dropped.
    pub dropout: f64,
}

impl Default for ForecastTcnConfig {
    fn default() -> ForecastTcnConfig {
        ForecastTcnConfig { channels: 32, kernel: 3, levels: 4, dropout: 0.1 }
    }
}

/// Blocks of convolutions that see the past alone, with ReLU, dropout and a connection around them; the features of the last step go to the
/// head of all these networks.
#[derive(Module)]
pub struct ForecastTcn {
    blocks: Vec<Block>,
    dropout: Dropout,
    head: Head,
    #[module(skip)]
    shape: ForecastShape,
}

#[derive(Module)]
struct Block {
    conv1: Conv1d,
    conv2: Conv1d,
    /// Where the channels differ.
    downsample: Option<Conv1d>,
}

impl ForecastTcn {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &ForecastTcnConfig, shape: ForecastShape) -> Result<ForecastTcn> {
        let ForecastTcnConfig { channels, kernel, levels, dropout } = *config;
        check_size("channels", channels)?;
        check_size("kernel", kernel)?;
        check_size("levels", levels)?;
        check_layers("levels", levels)?;
        if levels > MOST_LEVELS {
            return Err(Error::argument(format!("levels is {levels}, not in 1..={MOST_LEVELS}")));
        }
        let (mut blocks, mut i) = (Vec::new(), shape.inputs());
        for level in 0..levels {
            let dilation = 1 << level;
            check_size("the reach of a convolution", (kernel - 1).saturating_mul(dilation).max(1))?;
            let causal = |i| {
                let config = ConvConfig::new(i, channels, kernel).dilation(dilation);
                Conv1d::from_config(&config.padding((kernel - 1) * dilation))
            };
            let downsample = (i != channels).then(|| Conv1d::new(i, channels, 1)).transpose()?;
            blocks.push(Block { conv1: causal(i)?, conv2: causal(channels)?, downsample });
            i = channels;
        }
        Ok(ForecastTcn { blocks, dropout: Dropout::new(dropout)?, head: Head::new(channels, shape)?, shape })
    }

    /// The quantiles: see [`ForecastNet::forward`](super::ForecastNet::forward).
    ///
    /// # Errors
    /// Those of [`ForecastNet::forward`](super::ForecastNet::forward).
    #[track_caller]
    pub fn forward(&self, past: &Tensor, future: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("ForecastTcn", || {
            self.shape.expect(past, future)?;
            let context = self.shape.context;
            let mut x = past.transpose(1, 2)?;
            for block in &self.blocks {
                let around = block.downsample.as_ref().map_or_else(|| Ok(x.clone()), |layer| layer.forward(&x))?;
                for convolution in [&block.conv1, &block.conv2] {
                    // What the padding behind the end gives would see the future.
                    let seen = convolution.forward(&x)?.narrow(2, 0, context)?;
                    x = self.dropout.forward(&seen.relu()?)?;
                }
                x = x.add(&around)?.relu()?;
            }
            let last = x.narrow(2, context - 1, 1)?.squeeze(&[2])?;
            self.head.forward(&last, past, future)
        })
    }
}
