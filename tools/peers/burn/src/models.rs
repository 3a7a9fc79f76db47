//! The networks of the workloads.

use crate::layers::{Layer, Layers, conv, conv_transpose};
use burn::module::{Initializer, Param};
use burn::nn::activation::Activation;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::nn::pool::{AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{
    BiGru, BiGruConfig, Embedding, EmbeddingConfig, Gelu, LayerNorm, LayerNormConfig, Linear, LinearConfig, Lstm,
    LstmConfig, Relu, Tanh,
};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

/// Linear layers and an activation between them.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    activation: Activation,
}

impl Mlp {
    fn new(widths: &[usize], activation: Activation, device: &Device) -> Mlp {
        let layers = widths.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(device)).collect();
        Mlp { layers, activation }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, hidden) = self.layers.split_last().expect("an Mlp has layers");
        last.forward(hidden.iter().fold(x, |x, layer| self.activation.forward(layer.forward(x))))
    }
}

pub fn mlp(device: &Device) -> Mlp {
    Mlp::new(&[784, 512, 256, 10], Activation::Relu(Relu), device)
}

pub fn tiny_policy(device: &Device) -> Mlp {
    Mlp::new(&[4, 64, 64, 2], Activation::Tanh(Tanh), device)
}

/// What finds features in images, and the linear layer that tells ten classes by them.
#[derive(Module, Debug)]
pub struct Classifier {
    features: Layers,
    out: Linear,
}

impl Classifier {
    fn new(features: Layers, width: usize, device: &Device) -> Classifier {
        Classifier { features, out: LinearConfig::new(width, 10).init(device) }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.out.forward(self.features.forward(x).flatten(1, 3))
    }
}

pub fn cnn(device: &Device) -> Classifier {
    let mut layers = Layers::new();
    for [i, o] in [[3, 32], [32, 64], [64, 64]] {
        let pool = MaxPool2dConfig::new([2, 2]).init();
        layers = layers.conv(conv(i, o, 3, 1, 1), device).norm(o, device).relu().push(Layer::MaxPool(pool));
    }
    Classifier::new(layers, 1024, device)
}

fn mean_over_image(layers: Layers) -> Layers {
    layers.push(Layer::AvgPool(AdaptiveAvgPool2dConfig::new([1, 1]).init()))
}

pub fn mobilenet(device: &Device) -> Classifier {
    let mut layers = Layers::new().conv_norm(conv(3, 16, 3, 2, 1), device).relu();
    let mut i = 16;
    for [o, stride] in [[32, 1], [64, 2], [64, 1], [128, 2], [128, 1], [256, 2], [256, 1], [256, 1]] {
        layers = layers.conv_norm(conv(i, i, 3, stride, 1).with_groups(i), device).relu();
        layers = layers.conv_norm(conv(i, o, 1, 1, 0), device).relu();
        i = o;
    }
    Classifier::new(mean_over_image(layers), 256, device)
}

/// Two convolutions and a way around them.
#[derive(Module, Debug)]
struct BasicBlock {
    convolutions: Layers,
    around: Option<Layers>,
}

impl BasicBlock {
    fn new(i: usize, o: usize, stride: usize, device: &Device) -> BasicBlock {
        let first = Layers::new().conv_norm(conv(i, o, 3, stride, 1), device).relu();
        let around = (stride != 1 || i != o).then(|| Layers::new().conv_norm(conv(i, o, 1, stride, 0), device));
        BasicBlock { convolutions: first.conv_norm(conv(o, o, 3, 1, 1), device), around }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.convolutions.forward(x.clone());
        let x = match &self.around {
            Some(around) => around.forward(x),
            None => x,
        };
        Relu.forward(y + x)
    }
}

#[derive(Module, Debug)]
pub struct ResNet {
    stem: Layers,
    blocks: Vec<BasicBlock>,
    head: Classifier,
}

impl ResNet {
    pub fn new(device: &Device) -> ResNet {
        let (mut blocks, mut i) = (Vec::new(), 64);
        for [o, stride] in [[64, 1], [128, 2], [256, 2], [512, 2]] {
            blocks.push(BasicBlock::new(i, o, stride, device));
            blocks.push(BasicBlock::new(o, o, 1, device));
            i = o;
        }
        ResNet {
            stem: Layers::new().conv_norm(conv(3, 64, 3, 1, 1), device).relu(),
            blocks,
            head: Classifier::new(mean_over_image(Layers::new()), 512, device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.blocks.iter().fold(self.stem.forward(x), |x, block| block.forward(x)))
    }
}

/// A U-Net of two levels.
#[derive(Module, Debug)]
pub struct UNet {
    down: [Layers; 2],
    middle: Layers,
    widen: [ConvTranspose2d; 2],
    up: [Layers; 2],
    out: Conv2d,
    halve: MaxPool2d,
}

impl UNet {
    pub fn new(base: usize, device: &Device) -> UNet {
        let block = |i, o| {
            let first = Layers::new().conv(conv(i, o, 3, 1, 1), device).norm(o, device).relu();
            first.conv(conv(o, o, 3, 1, 1), device).norm(o, device).relu()
        };
        let widen = |i, o| conv_transpose(i, o, 2, 2, 0).init(device);
        UNet {
            down: [block(1, base), block(base, 2 * base)],
            middle: block(2 * base, 4 * base),
            widen: [widen(4 * base, 2 * base), widen(2 * base, base)],
            up: [block(4 * base, 2 * base), block(2 * base, base)],
            out: conv(base, 1, 1, 1, 0).init(device),
            halve: MaxPool2dConfig::new([2, 2]).init(),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let fine = self.down[0].forward(x);
        let coarse = self.down[1].forward(self.halve.forward(fine.clone()));
        let mut x = self.middle.forward(self.halve.forward(coarse.clone()));
        for (i, skip) in [coarse, fine].into_iter().enumerate() {
            x = self.up[i].forward(Tensor::cat(vec![self.widen[i].forward(x), skip], 1));
        }
        self.out.forward(x)
    }
}

/// A model of characters.
#[derive(Module, Debug)]
pub struct LstmLm {
    embedding: Embedding,
    lstm: Lstm,
    out: Linear,
}

impl LstmLm {
    pub fn new(device: &Device) -> LstmLm {
        LstmLm {
            embedding: EmbeddingConfig::new(64, 64).init(device),
            lstm: LstmConfig::new(64, 128, true).init(device),
            out: LinearConfig::new(128, 64).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let (hidden, _) = self.lstm.forward(self.embedding.forward(x), None);
        self.out.forward(hidden).flatten(0, 1)
    }
}

/// A classifier of texts.
#[derive(Module, Debug)]
pub struct GruClassifier {
    embedding: Embedding,
    layers: [BiGru; 2],
    out: Linear,
}

impl GruClassifier {
    pub fn new(device: &Device) -> GruClassifier {
        GruClassifier {
            embedding: EmbeddingConfig::new(2000, 64).init(device),
            layers: [64, 128].map(|input| BiGruConfig::new(input, 64, true).init(device)),
            out: LinearConfig::new(128, 4).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let hidden = self.layers.iter().fold(self.embedding.forward(x), |x, layer| layer.forward(x, None).0);
        self.out.forward(hidden.mean_dim(1).squeeze_dim(1))
    }
}

/// A pre-norm block of a Transformer, queries, keys and values from one product.
#[derive(Module, Debug)]
struct Block {
    heads: usize,
    norm: [LayerNorm; 2],
    qkv: Linear,
    out: Linear,
    feed: [Linear; 2],
}

impl Block {
    fn new(width: usize, heads: usize, inner: usize, device: &Device) -> Block {
        let linear = |i, o| LinearConfig::new(i, o).init(device);
        Block {
            heads,
            norm: [width, width].map(|width| LayerNormConfig::new(width).init(device)),
            qkv: linear(width, 3 * width),
            out: linear(width, width),
            feed: [linear(width, inner), linear(inner, width)],
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, t, width] = x.dims();
        let qkv = self.qkv.forward(self.norm[0].forward(x.clone())).chunk(3, 2);
        let split = |i: usize| qkv[i].clone().reshape([n, t, self.heads, width / self.heads]).swap_dims(1, 2);
        let causal = AttentionModuleOptions { is_causal: true, ..Default::default() };
        let seen = attention(split(0), split(1), split(2), None, None, causal);
        let x = x + self.out.forward(seen.swap_dims(1, 2).reshape([n, t, width]));
        let inner = Gelu::new().forward(self.feed[0].forward(self.norm[1].forward(x.clone())));
        x + self.feed[1].forward(inner)
    }
}

/// A causal Transformer.
#[derive(Module, Debug)]
pub struct Gpt {
    embedding: Embedding,
    places: Param<Tensor<2>>,
    blocks: [Block; 2],
    norm: LayerNorm,
    out: Linear,
}

impl Gpt {
    pub fn new(device: &Device) -> Gpt {
        let (symbols, width, heads, tokens) = (64, 128, 4, 64);
        let block = || Block::new(width, heads, 4 * width, device);
        Gpt {
            embedding: EmbeddingConfig::new(symbols, width).init(device),
            places: Initializer::Zeros.init([tokens, width], device),
            blocks: [block(), block()],
            norm: LayerNormConfig::new(width).init(device),
            out: LinearConfig::new(width, symbols).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let x = self.embedding.forward(x) + self.places.val().unsqueeze();
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.out.forward(self.norm.forward(x)).flatten(0, 1)
    }
}

/// A variational autoencoder.
#[derive(Module, Debug)]
pub struct Vae {
    encoder: Linear,
    mean: Linear,
    log_variance: Linear,
    decoder: Mlp,
}

impl Vae {
    pub fn new(device: &Device) -> Vae {
        let linear = |i, o| LinearConfig::new(i, o).init(device);
        Vae {
            encoder: linear(784, 400),
            mean: linear(400, 20),
            log_variance: linear(400, 20),
            decoder: Mlp::new(&[20, 400, 784], Activation::Relu(Relu), device),
        }
    }

    /// The logits of the reconstruction, and mean and logarithm of the variance of the code.
    pub fn forward(&self, x: Tensor<2>) -> [Tensor<2>; 3] {
        let hidden = Relu.forward(self.encoder.forward(x));
        let (mean, log_variance) = (self.mean.forward(hidden.clone()), self.log_variance.forward(hidden));
        let noise = mean.random_like(Distribution::Normal(0.0, 1.0));
        let code = mean.clone() + noise * (log_variance.clone() * 0.5).exp();
        [self.decoder.forward(code), mean, log_variance]
    }
}

/// A generator and a discriminator of 32 x 32 images.
pub fn dcgan(base: usize, device: &Device) -> [Layers; 2] {
    let mut generator = Layers::new();
    for (i, o, stride, padding) in [(64, 4 * base, 1, 0), (4 * base, 2 * base, 2, 1), (2 * base, base, 2, 1)] {
        let config = conv_transpose(i, o, 4, stride, padding).with_bias(false);
        generator = generator.conv_transpose(config, device).norm(o, device).relu();
    }
    let generator = generator.conv_transpose(conv_transpose(base, 1, 4, 2, 1), device).push(Layer::Tanh(Tanh));
    let mut discriminator = Layers::new().conv(conv(1, base, 4, 2, 1), device).leaky_relu();
    for i in [base, 2 * base] {
        discriminator = discriminator.conv_norm(conv(i, 2 * i, 4, 2, 1), device).leaky_relu();
    }
    [generator, discriminator.conv(conv(4 * base, 1, 4, 1, 0), device)]
}
