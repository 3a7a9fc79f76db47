//! Layers for images, one after the other: Burn has no container for layers of several types.

use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, MaxPool2d};
use burn::nn::{BatchNorm, BatchNormConfig, LeakyRelu, LeakyReluConfig, PaddingConfig2d, Relu, Tanh};
use burn::prelude::*;

/// A square convolution.
pub fn conv(i: usize, o: usize, size: usize, stride: usize, padding: usize) -> Conv2dConfig {
    Conv2dConfig::new([i, o], [size, size])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
}

/// A square transposed convolution.
pub fn conv_transpose(i: usize, o: usize, size: usize, stride: usize, padding: usize) -> ConvTranspose2dConfig {
    ConvTranspose2dConfig::new([i, o], [size, size]).with_stride([stride, stride]).with_padding([padding, padding])
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Layer {
    Conv(Conv2d),
    ConvTranspose(ConvTranspose2d),
    Norm(BatchNorm),
    Relu(Relu),
    LeakyRelu(LeakyRelu),
    Tanh(Tanh),
    MaxPool(MaxPool2d),
    AvgPool(AdaptiveAvgPool2d),
}

#[derive(Module, Debug)]
pub struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    pub fn new() -> Layers {
        Layers { layers: Vec::new() }
    }

    pub fn push(mut self, layer: Layer) -> Layers {
        self.layers.push(layer);
        self
    }

    pub fn conv(self, config: Conv2dConfig, device: &Device) -> Layers {
        self.push(Layer::Conv(config.init(device)))
    }

    pub fn conv_transpose(self, config: ConvTranspose2dConfig, device: &Device) -> Layers {
        self.push(Layer::ConvTranspose(config.init(device)))
    }

    pub fn norm(self, channels: usize, device: &Device) -> Layers {
        self.push(Layer::Norm(BatchNormConfig::new(channels).init(device)))
    }

    /// A convolution without bias and its normalisation.
    pub fn conv_norm(self, config: Conv2dConfig, device: &Device) -> Layers {
        let channels = config.channels[1];
        self.conv(config.with_bias(false), device).norm(channels, device)
    }

    pub fn relu(self) -> Layers {
        self.push(Layer::Relu(Relu))
    }

    pub fn leaky_relu(self) -> Layers {
        self.push(Layer::LeakyRelu(LeakyReluConfig::new().with_negative_slope(0.2).init()))
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.layers.iter().fold(x, |x, layer| match layer {
            Layer::Conv(layer) => layer.forward(x),
            Layer::ConvTranspose(layer) => layer.forward(x),
            Layer::Norm(layer) => layer.forward(x),
            Layer::Relu(layer) => layer.forward(x),
            Layer::LeakyRelu(layer) => layer.forward(x),
            Layer::Tanh(layer) => layer.forward(x),
            Layer::MaxPool(layer) => layer.forward(x),
            Layer::AvgPool(layer) => layer.forward(x),
        })
    }
}
