//! DS-CNN (Zhang, Suda, Lai and Chandra, *Hello Edge: Keyword Spotting on Microcontrollers*, 2017).

use super::AudioShape;
use super::mask::Frames;
use crate::parts::{block, check_layers, check_size, convolution};
use mapsto_nn::{BatchNorm2d, ConvConfig, Dropout, Layer, Linear, Module, Relu, Sequential, scope, sequential};
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`KeywordCnn`]; the defaults are the paper's small network, DS-CNN-S.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeywordCnnConfig {
    /// Channels of every layer.
    pub channels: usize,
    /// Depthwise-separable convolutions behind the first one.
    pub blocks: usize,
    /// Share of the features that is dropped before the last layer.
    pub dropout: f64,
}

impl Default for KeywordCnnConfig {
    fn default() -> KeywordCnnConfig {
        KeywordCnnConfig { channels: 64, blocks: 4, dropout: 0.0 }
    }
}

/// A convolution over 4 rows and 10 frames that moves by 2, then blocks of a convolution of 3 x 3 of each channel by itself and one of
/// 1 x 1, each followed by batch normalisation and ReLU; the mean of each channel; a linear layer.
#[derive(Module)]
pub struct KeywordCnn {
    stem: Sequential,
    blocks: Vec<Sequential>,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    input: AudioShape,
}

impl KeywordCnn {
    /// By its settings.
    ///
    /// # Errors
    /// Features of one row; settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &KeywordCnnConfig, input: AudioShape, classes: usize) -> Result<KeywordCnn> {
        let &KeywordCnnConfig { channels, blocks, dropout } = config;
        if input.rows < 2 {
            return Err(Error::shape("features of 1 row are too few: 2 are the least").mend("use more bands"));
        }
        check_size("channels", channels)?;
        check_layers("blocks", blocks)?;
        let first = ConvConfig::new(1, channels, [4, 10]).stride(2).padding([1, 5]).no_bias();
        let stem = sequential![convolution(first)?, BatchNorm2d::new(channels)?, Relu];
        let separable = || {
            let each = block([channels; 2], 3, 1, channels, Relu)?;
            Ok(sequential![each, block([channels; 2], 1, 1, 1, Relu)?])
        };
        let blocks = (0..blocks).map(|_| separable()).collect::<Result<_>>()?;
        let (dropout, head) = (Dropout::new(dropout)?, Linear::new(channels, classes)?);
        Ok(KeywordCnn { stem, blocks, dropout, head, input })
    }

    /// The logits: see [`AudioNet::forward`](super::AudioNet::forward).
    ///
    /// # Errors
    /// Those of [`AudioNet::forward`](super::AudioNet::forward).
    #[track_caller]
    pub fn forward(&self, features: &Tensor, frames: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("KeywordCnn", || {
            let frames = Frames::new(features, frames, self.input)?;
            let x = self.stem.forward(&frames.mask(features, 1)?)?;
            // Of n frames padded by 5 at both ends, windows of 10 begin at 0, 2, ..., the greatest even number up to n.
            let frames = frames.plus(1)?;
            let mut x = frames.mask(&x, 2)?;
            for block in &self.blocks {
                x = frames.mask(&block.forward(&x)?, 2)?;
            }
            self.head.forward(&self.dropout.forward(&frames.mean(&x, 2)?)?)
        })
    }
}
