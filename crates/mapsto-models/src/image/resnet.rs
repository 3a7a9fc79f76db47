//! Residual networks (He, Zhang, Ren and Sun, *Deep Residual Learning for Image Recognition*, 2016).

use super::Stem;
use crate::parts::{check_size, check_stages, same};
use mapsto_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d, Module, PoolConfig, Sequential, Visitor, scope,
    sequential,
};
use mapsto_tensor::ops::PadMode;
use mapsto_tensor::{Result, Stride, Tensor};
use serde::{Deserialize, Serialize};

/// Settings of [`ResNet`]; what is left out is that of ResNet-18.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNetConfig {
    /// Blocks of each stage.
    pub blocks: Vec<usize>,
    /// What a block is.
    pub block: ResNetBlock,
    /// What goes around a block that changes the sizes.
    pub shortcut: Shortcut,
    /// How the network begins.
    pub stem: Stem,
    /// Channels of the first stage; each other has twice as many as the one before.
    pub width: usize,
}

/// The kinds of residual blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResNetBlock {
    /// Two convolutions of 3 x 3.
    #[default]
    Basic,
    /// Convolutions of 1 x 1, 3 x 3 and 1 x 1, the last with four times the channels. The stride is that of the second, as
    /// in torchvision, not of the first, as in the paper.
    Bottleneck,
}

impl ResNetBlock {
    /// How many times the stage's width the output's channels are.
    fn expansion(self) -> usize {
        match self {
            ResNetBlock::Basic => 1,
            ResNetBlock::Bottleneck => 4,
        }
    }
}

/// What goes around a block whose output has another size than its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortcut {
    /// A convolution of 1 x 1 and batch normalisation: the paper's option B.
    #[default]
    Projection,
    /// Every second pixel, zeros in the channels that are new: the paper's option A.
    Padding,
}

impl ResNetConfig {
    /// Basic blocks, as in ResNet-18 and 34.
    pub fn basic(blocks: impl Into<Vec<usize>>) -> ResNetConfig {
        ResNetConfig {
            blocks: blocks.into(),
            block: ResNetBlock::Basic,
            shortcut: Shortcut::Projection,
            stem: Stem::Imagenet,
            width: 64,
        }
    }

    /// Bottlenecks, as in ResNet-50, 101 and 152.
    pub fn bottleneck(blocks: impl Into<Vec<usize>>) -> ResNetConfig {
        ResNetConfig { block: ResNetBlock::Bottleneck, ..ResNetConfig::basic(blocks) }
    }

    /// The networks for CIFAR-10 of the paper's section 4.2, of `6n + 2` layers: three stages of `n` blocks, 16 channels
    /// at first, shortcuts without parameters.
    pub fn cifar(n: usize) -> ResNetConfig {
        ResNetConfig { shortcut: Shortcut::Padding, stem: Stem::Small, width: 16, ..ResNetConfig::basic([n, n, n]) }
    }
}

impl Default for ResNetConfig {
    fn default() -> ResNetConfig {
        ResNetConfig::basic([2, 2, 2, 2])
    }
}

/// Stages of residual blocks; each stage but the first halves the picture. Names of parameters and first values are those
/// of torchvision: He's rule for convolutions, normalisations that begin as the identity, in all blocks.
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    maxpool: Option<MaxPool2d>,
    stages: Vec<Sequential>,
    avgpool: AdaptiveAvgPool2d,
    fc: Linear,
}

impl ResNet {
    /// By its settings, for pictures of these channels and any size.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &ResNetConfig, channels: usize, classes: usize) -> Result<ResNet> {
        let &ResNetConfig { ref blocks, block, shortcut, stem, width } = config;
        check_stages("blocks", blocks)?;
        check_size("width", width)?;
        let (conv1, maxpool) = match stem {
            Stem::Imagenet => {
                let pool = MaxPool2d::from_config(&PoolConfig::new(3).stride(2).padding(1))?;
                (same(channels, width, 7, 2, 1)?, Some(pool))
            }
            Stem::Small => (same(channels, width, 3, 1, 1)?, None),
        };
        let (mut stages, mut i) = (Vec::new(), width);
        for (stage, &count) in blocks.iter().enumerate() {
            let mut layers = Sequential::new();
            for place in 0..count {
                let stride = if stage > 0 && place == 0 { 2 } else { 1 };
                let next = Block::new(block, shortcut, i, width << stage, stride)?;
                i = (width << stage) * block.expansion();
                layers = layers.push(next);
            }
            stages.push(layers);
        }
        let bn1 = BatchNorm2d::new(width)?;
        Ok(ResNet { conv1, bn1, maxpool, stages, avgpool: AdaptiveAvgPool2d::new(1)?, fc: Linear::new(i, classes)? })
    }
}

impl Module for ResNet {
    fn kind(&self) -> &'static str {
        "ResNet"
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.field("conv1", &self.conv1);
        visitor.field("bn1", &self.bn1);
        visitor.field("maxpool", &self.maxpool);
        for (stage, layers) in self.stages.iter().enumerate() {
            visitor.field(&format!("layer{}", stage + 1), layers);
        }
        visitor.field("avgpool", &self.avgpool);
        visitor.field("fc", &self.fc);
    }
}

impl Layer for ResNet {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let mut x = self.bn1.forward_relu(&self.conv1.forward(x)?)?;
        if let Some(pool) = &self.maxpool {
            x = pool.forward(&x)?;
        }
        for stage in &self.stages {
            x = stage.forward(&x)?;
        }
        self.fc.forward(&self.avgpool.forward(&x)?.flatten(1, -1)?)
    }
}

/// Convolutions and a way around them.
#[derive(Module)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm2d>,
    downsample: Option<Box<dyn Layer>>,
}

impl Block {
    fn new(kind: ResNetBlock, shortcut: Shortcut, i: usize, width: usize, stride: usize) -> Result<Block> {
        let o = width * kind.expansion();
        let downsample: Option<Box<dyn Layer>> = match shortcut {
            _ if stride == 1 && i == o => None,
            Shortcut::Projection => {
                let conv = same(i, o, 1, stride, 1)?;
                Some(Box::new(sequential![conv, BatchNorm2d::new(o)?]))
            }
            Shortcut::Padding => Some(Box::new(Padded { stride, more: o - i })),
        };
        let wide = |n: usize| -> Result<_> { Ok((same(width, n, 1, 1, 1)?, BatchNorm2d::new(n)?)) };
        let (conv1, conv2, last) = match kind {
            ResNetBlock::Basic => (same(i, o, 3, stride, 1)?, same(o, o, 3, 1, 1)?, None),
            ResNetBlock::Bottleneck => (same(i, width, 1, 1, 1)?, same(width, width, 3, stride, 1)?, Some(wide(o)?)),
        };
        let (conv3, bn3) = last.unzip();
        let (bn1, bn2) = (BatchNorm2d::new(width)?, BatchNorm2d::new(width)?);
        Ok(Block { conv1, bn1, conv2, bn2, conv3, bn3, downsample })
    }
}

impl Layer for Block {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let y = self.bn1.forward_relu(&self.conv1.forward(x)?)?;
        let y = self.conv2.forward(&y)?;
        let y = match (&self.conv3, &self.bn3) {
            (Some(conv), Some(norm)) => norm.forward(&conv.forward(&self.bn2.forward_relu(&y)?)?)?,
            _ => self.bn2.forward(&y)?,
        };
        match &self.downsample {
            Some(around) => y.add(around.forward(x)?)?.relu(),
            None => y.add(x)?.relu(),
        }
    }
}

/// Pixels `stride` apart, and channels of zeros after the others.
#[derive(Module)]
struct Padded {
    stride: usize,
    more: usize,
}

impl Layer for Padded {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let step = || Stride::by(.., self.stride as isize);
        x.index((.., .., step(), step()))?.pad(&[(0, self.more as isize), (0, 0), (0, 0)], PadMode::ZEROS)
    }
}
