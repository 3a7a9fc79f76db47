//! MobileNet (Howard et al., *MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications*, 2017).

use super::Stem;
use crate::parts::{block, check_multiplier, near_zero};
use mapsto_nn::{AdaptiveAvgPool2d, Dropout, Layer, Module, Relu, Sequential, scope, sequential};
use mapsto_tensor::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// Channels and stride of each block (table 1 of the paper).
const BLOCKS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// Settings of [`MobileNetV1`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MobileNetV1Config {
    /// The paper's width multiplier α: each layer has so many times the channels of the paper's table, 8 at least.
    pub width_multiplier: f64,
    /// How the network begins.
    pub stem: Stem,
    /// Share of the features that is dropped before the last layer.
    pub dropout: f64,
}

impl Default for MobileNetV1Config {
    fn default() -> MobileNetV1Config {
        MobileNetV1Config { width_multiplier: 1.0, stem: Stem::Imagenet, dropout: 0.001 }
    }
}

/// A convolution of 3 x 3, then blocks of a convolution of each channel by itself and one of 1 x 1, each followed by batch
/// normalisation and ReLU. First values are those of [`MobileNetV2`](super::MobileNetV2).
#[derive(Module)]
pub struct MobileNetV1 {
    features: Sequential,
    avgpool: AdaptiveAvgPool2d,
    classifier: Sequential,
}

impl MobileNetV1 {
    /// By its settings, for pictures of these channels and any size.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &MobileNetV1Config, channels: usize, classes: usize) -> Result<MobileNetV1> {
        let &MobileNetV1Config { width_multiplier, stem, dropout } = config;
        check_multiplier(width_multiplier)?;
        let scaled = |channels: usize| ((channels as f64 * width_multiplier) as usize).max(8);
        let mut i = scaled(32);
        let mut features = Sequential::new().push(block([channels, i], 3, stem.stride(), 1, Relu)?);
        for (o, stride) in BLOCKS {
            let o = scaled(o);
            let each = block([i, i], 3, stride, i, Relu)?;
            features = features.push(sequential![each, block([i, o], 1, 1, 1, Relu)?]);
            i = o;
        }
        let classifier = sequential![Dropout::new(dropout)?, near_zero(i, classes)?];
        Ok(MobileNetV1 { features, avgpool: AdaptiveAvgPool2d::new(1)?, classifier })
    }
}

impl Layer for MobileNetV1 {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let x = self.avgpool.forward(&self.features.forward(x)?)?;
        self.classifier.forward(&x.flatten(1, -1)?)
    }
}
