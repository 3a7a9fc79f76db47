//! Convolutions of a mel spectrogram, as of a picture (Kong et al., *PANNs: Large-Scale Pretrained Audio Neural Networks*, 2020, with one
//! convolution a block).

use super::AudioShape;
use super::mask::Frames;
use crate::parts::{block, check_size, check_stages};
use mapsto_nn::{Dropout, Layer, Linear, MaxPool2d, Module, PoolConfig, Relu, Sequential, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`MelCnn`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MelCnnConfig {
    /// Channels of each block.
    pub channels: Vec<usize>,
    /// Share of the features that is dropped before the last layer.
    pub dropout: f64,
}

impl Default for MelCnnConfig {
    fn default() -> MelCnnConfig {
        MelCnnConfig { channels: vec![16, 32, 64, 128], dropout: 0.2 }
    }
}

/// Blocks of a convolution of 3 x 3, batch normalisation, ReLU and max-pooling by 2, which halves rows and frames and keeps an odd last
/// one; the mean of each channel; a linear layer.
#[derive(Module)]
pub struct MelCnn {
    blocks: Vec<Sequential>,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    halve: MaxPool2d,
    #[module(skip)]
    input: AudioShape,
}

impl MelCnn {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &MelCnnConfig, input: AudioShape, classes: usize) -> Result<MelCnn> {
        check_stages("channels", &config.channels)?;
        let (mut blocks, mut i) = (Vec::new(), 1);
        for &o in &config.channels {
            check_size("channels", o)?;
            blocks.push(block([i, o], 3, 1, 1, Relu)?);
            i = o;
        }
        let halve = MaxPool2d::from_config(&PoolConfig { ceil_mode: true, ..PoolConfig::new(2) })?;
        let (dropout, head) = (Dropout::new(config.dropout)?, Linear::new(i, classes)?);
        Ok(MelCnn { blocks, dropout, head, halve, input })
    }

    /// The logits: see [`AudioNet::forward`](super::AudioNet::forward).
    ///
    /// # Errors
    /// Those of [`AudioNet::forward`](super::AudioNet::forward).
    #[track_caller]
    pub fn forward(&self, features: &Tensor, frames: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("MelCnn", || {
            let frames = Frames::new(features, frames, self.input)?;
            let (mut x, mut step) = (frames.mask(features, 1)?, 1);
            for block in &self.blocks {
                // Behind ReLU, zeros leave maxima as they are.
                x = self.halve.forward(&frames.mask(&block.forward(&x)?, step)?)?;
                step *= 2;
            }
            self.head.forward(&self.dropout.forward(&frames.mean(&x, step)?)?)
        })
    }
}
