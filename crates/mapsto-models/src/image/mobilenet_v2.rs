//! MobileNetV2 (Sandler et al., *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, 2018).

use super::Stem;
use crate::parts::{block, check_multiplier, near_zero, same};
use mapsto_nn::{AdaptiveAvgPool2d, BatchNorm2d, Dropout, Layer, Module, Relu6, Sequential, scope, sequential};
use mapsto_tensor::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// Expansion, channels, number and first stride of each run of blocks (table 2 of the paper).
const BLOCKS: [(usize, usize, usize, usize); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

/// Settings of [`MobileNetV2`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MobileNetV2Config {
    /// The paper's width multiplier: each layer has so many times the channels of the paper's table, rounded to a multiple
    /// of 8; the last convolution never fewer than the table's.
    pub width_multiplier: f64,
    /// How the network begins.
    pub stem: Stem,
    /// Share of the features that is dropped before the last layer.
    pub dropout: f64,
}

impl Default for MobileNetV2Config {
    fn default() -> MobileNetV2Config {
        MobileNetV2Config { width_multiplier: 1.0, stem: Stem::Imagenet, dropout: 0.2 }
    }
}

/// The multiple of 8 that is nearest, but not less than nine tenths of the size.
fn to_eights(size: f64) -> usize {
    let near = ((size + 4.0) as usize / 8 * 8).max(8);
    if (near as f64) < 0.9 * size { near + 8 } else { near }
}

/// Blocks that widen to six times their channels, convolve each channel by itself, and narrow again without activation,
/// with a way around those that keep their sizes. Names of parameters and first values are those of torchvision: He's rule
/// for convolutions, a deviation of 0.01 for the last layer.
#[derive(Module)]
pub struct MobileNetV2 {
    features: Sequential,
    avgpool: AdaptiveAvgPool2d,
    classifier: Sequential,
}

impl MobileNetV2 {
    /// By its settings, for pictures of these channels and any size.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &MobileNetV2Config, channels: usize, classes: usize) -> Result<MobileNetV2> {
        let &MobileNetV2Config { width_multiplier, stem, dropout } = config;
        check_multiplier(width_multiplier)?;
        let mut i = to_eights(32.0 * width_multiplier);
        let mut features = Sequential::new().push(block([channels, i], 3, stem.stride(), 1, Relu6)?);
        for (expansion, o, count, stride) in BLOCKS {
            let o = to_eights(o as f64 * width_multiplier);
            for place in 0..count {
                features =
                    features.push(InvertedResidual::new([i, o], expansion, if place == 0 { stride } else { 1 })?);
                i = o;
            }
        }
        let last = to_eights(1280.0 * width_multiplier.max(1.0));
        let features = features.push(block([i, last], 1, 1, 1, Relu6)?);
        let classifier = sequential![Dropout::new(dropout)?, near_zero(last, classes)?];
        Ok(MobileNetV2 { features, avgpool: AdaptiveAvgPool2d::new(1)?, classifier })
    }
}

impl Layer for MobileNetV2 {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let x = self.avgpool.forward(&self.features.forward(x)?)?;
        self.classifier.forward(&x.flatten(1, -1)?)
    }
}

/// A block, and whether there is a way around it.
#[derive(Module)]
struct InvertedResidual {
    conv: Sequential,
    around: bool,
}

impl InvertedResidual {
    fn new([i, o]: [usize; 2], expansion: usize, stride: usize) -> Result<InvertedResidual> {
        let wide = i * expansion;
        let mut conv = Sequential::new();
        if expansion > 1 {
            conv = conv.push(block([i, wide], 1, 1, 1, Relu6)?);
        }
        conv = conv.push(block([wide, wide], 3, stride, wide, Relu6)?);
        conv = conv.push(same(wide, o, 1, 1, 1)?).push(BatchNorm2d::new(o)?);
        Ok(InvertedResidual { conv, around: stride == 1 && i == o })
    }
}

impl Layer for InvertedResidual {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let y = self.conv.forward(x)?;
        if self.around { y.add(x) } else { Ok(y) }
    }
}
