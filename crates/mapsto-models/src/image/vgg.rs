//! VGG (Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition*, 2015).

use super::ImageShape;
use crate::parts::{check_size, check_stages, convolution, near_zero};
use mapsto_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, ConvConfig, Dropout, Layer, MaxPool2d, Module, Relu, Sequential, scope, sequential,
};
use mapsto_tensor::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};

/// Settings of [`Vgg`]; what is left out is that of VGG-16.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VggConfig {
    /// Convolutions of each stage.
    pub convolutions: Vec<usize>,
    /// Whether each convolution is followed by batch normalisation.
    pub batch_norm: bool,
    /// Channels of the first stage; each other has twice as many as the one before, up to eight times the first.
    pub width: usize,
    /// Rows and columns that the last stage's output is averaged to.
    pub pooled: usize,
    /// Width of the two hidden fully connected layers.
    pub hidden: usize,
    /// Share of the hidden features that is dropped.
    pub dropout: f64,
}

impl VggConfig {
    /// The paper's sizes with so many convolutions in each stage.
    pub fn new(convolutions: impl Into<Vec<usize>>, batch_norm: bool) -> VggConfig {
        VggConfig { convolutions: convolutions.into(), batch_norm, width: 64, pooled: 7, hidden: 4096, dropout: 0.5 }
    }
}

impl Default for VggConfig {
    fn default() -> VggConfig {
        VggConfig::new([2, 2, 3, 3, 3], false)
    }
}

/// Stages of convolutions of 3 x 3, each halving the picture by max-pooling, and three fully connected layers. Names of
/// parameters and first values are those of torchvision: He's rule for convolutions, a deviation of 0.01 for the others.
#[derive(Module)]
pub struct Vgg {
    features: Sequential,
    avgpool: AdaptiveAvgPool2d,
    classifier: Sequential,
}

impl Vgg {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; a picture that is too small to be halved so often; sizes whose product is too large.
    pub(super) fn new(config: &VggConfig, input: ImageShape, classes: usize) -> Result<Vgg> {
        let &VggConfig { ref convolutions, batch_norm, width, pooled, hidden, dropout } = config;
        check_stages("convolutions", convolutions)?;
        check_size("width", width)?;
        check_size("pooled", pooled)?;
        check_size("hidden", hidden)?;
        let least = 1 << convolutions.len();
        if input.height.min(input.width) < least {
            let problem = format!("a picture of {} x {} is too small", input.height, input.width);
            return Err(Error::shape(format!("{problem} to be halved {} times", convolutions.len()))
                .mend(format!("enlarge the pictures to {least} x {least}, or choose fewer stages")));
        }
        let (mut features, mut i) = (Sequential::new(), input.channels);
        for (stage, &count) in convolutions.iter().enumerate() {
            let o = width << stage.min(3);
            for _ in 0..count {
                features = features.push(convolution(ConvConfig::new(i, o, 3).padding(1))?);
                if batch_norm {
                    features = features.push(BatchNorm2d::new(o)?);
                }
                features = features.push(Relu);
                i = o;
            }
            features = features.push(MaxPool2d::new(2)?);
        }
        let classifier = sequential![
            near_zero(i.saturating_mul(pooled).saturating_mul(pooled), hidden)?,
            Relu,
            Dropout::new(dropout)?,
            near_zero(hidden, hidden)?,
            Relu,
            Dropout::new(dropout)?,
            near_zero(hidden, classes)?,
        ];
        Ok(Vgg { features, avgpool: AdaptiveAvgPool2d::new(pooled)?, classifier })
    }
}

impl Layer for Vgg {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let x = self.avgpool.forward(&self.features.forward(x)?)?;
        self.classifier.forward(&x.flatten(1, -1)?)
    }
}
