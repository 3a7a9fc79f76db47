//! The networks of the workloads.

use mapsto_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvConfig, ConvTranspose2d, ConvTransposeConfig, Embedding, Flatten, Gru,
    Init, Layer, LayerNorm, LeakyRelu, Linear, Lstm, MaxPool2d, Module, Param, RecurrentConfig, Relu, Sequential, Tanh,
    sequential,
};
use mapsto_tensor::ops::AttentionOptions;
use mapsto_tensor::{Result, Rng, Tensor};

pub fn mlp() -> Result<Sequential> {
    Ok(sequential![Linear::new(784, 512)?, Relu, Linear::new(512, 256)?, Relu, Linear::new(256, 10)?])
}

pub fn tiny_policy() -> Result<Sequential> {
    Ok(sequential![Linear::new(4, 64)?, Tanh, Linear::new(64, 64)?, Tanh, Linear::new(64, 2)?])
}

pub fn cnn() -> Result<Sequential> {
    let mut layers = Sequential::new();
    for [i, o] in [[3, 32], [32, 64], [64, 64]] {
        layers = layers
            .push(Conv2d::from_config(&ConvConfig::new(i, o, 3).padding(1))?)
            .push(BatchNorm2d::new(o)?)
            .push(Relu)
            .push(MaxPool2d::new(2)?);
    }
    Ok(layers.push(Flatten::default()).push(Linear::new(1024, 10)?))
}

/// A convolution without bias and its normalisation, at the end of `layers`.
fn normalised(layers: Sequential, convolution: ConvConfig) -> Result<Sequential> {
    let channels = convolution.out_channels;
    Ok(layers.push(Conv2d::from_config(&convolution.no_bias())?).push(BatchNorm2d::new(channels)?))
}

/// What follows the last convolution of a classifier.
fn head(layers: Sequential, features: usize) -> Result<Sequential> {
    Ok(layers.push(AdaptiveAvgPool2d::new(1)?).push(Flatten::default()).push(Linear::new(features, 10)?))
}

/// Two convolutions and a way around them (He et al. 2016).
#[derive(Module)]
struct BasicBlock {
    convolutions: Sequential,
    around: Option<Sequential>,
}

impl BasicBlock {
    fn new(i: usize, o: usize, stride: usize) -> Result<BasicBlock> {
        let first = normalised(Sequential::new(), ConvConfig::new(i, o, 3).stride(stride).padding(1))?;
        let convolutions = normalised(first.push(Relu), ConvConfig::new(o, o, 3).padding(1))?;
        let around = if stride == 1 && i == o {
            None
        } else {
            Some(normalised(Sequential::new(), ConvConfig::new(i, o, 1).stride(stride))?)
        };
        Ok(BasicBlock { convolutions, around })
    }
}

impl Layer for BasicBlock {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.convolutions.forward(x)?;
        match &self.around {
            Some(around) => y.add(around.forward(x)?)?.relu(),
            None => y.add(x)?.relu(),
        }
    }
}

pub fn resnet18() -> Result<Sequential> {
    let mut layers = normalised(Sequential::new(), ConvConfig::new(3, 64, 3).padding(1))?.push(Relu);
    let mut i = 64;
    for (o, stride) in [(64, 1), (128, 2), (256, 2), (512, 2)] {
        layers = layers.push(BasicBlock::new(i, o, stride)?).push(BasicBlock::new(o, o, 1)?);
        i = o;
    }
    head(layers, 512)
}

pub fn mobilenet() -> Result<Sequential> {
    let mut layers = normalised(Sequential::new(), ConvConfig::new(3, 16, 3).stride(2).padding(1))?.push(Relu);
    let mut i = 16;
    for (o, s) in [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (256, 1)] {
        layers = normalised(layers, ConvConfig::new(i, i, 3).stride(s).padding(1).groups(i))?.push(Relu);
        layers = normalised(layers, ConvConfig::new(i, o, 1))?.push(Relu);
        i = o;
    }
    head(layers, 256)
}

/// A U-Net of two levels (Ronneberger et al. 2015).
#[derive(Module)]
pub struct UNet {
    down: [Sequential; 2],
    middle: Sequential,
    widen: [ConvTranspose2d; 2],
    up: [Sequential; 2],
    out: Conv2d,
}

impl UNet {
    pub fn new(base: usize) -> Result<UNet> {
        let block = |i, o| {
            let mut layers = Sequential::new();
            for i in [i, o] {
                layers = layers
                    .push(Conv2d::from_config(&ConvConfig::new(i, o, 3).padding(1))?)
                    .push(BatchNorm2d::new(o)?)
                    .push(Relu);
            }
            Ok(layers)
        };
        let widen = |i, o| ConvTranspose2d::from_config(&ConvTransposeConfig::new(i, o, 2).stride(2));
        Ok(UNet {
            down: [block(1, base)?, block(base, 2 * base)?],
            middle: block(2 * base, 4 * base)?,
            widen: [widen(4 * base, 2 * base)?, widen(2 * base, base)?],
            up: [block(4 * base, 2 * base)?, block(2 * base, base)?],
            out: Conv2d::new(base, 1, 1)?,
        })
    }
}

impl Layer for UNet {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let halve = MaxPool2d::new(2)?;
        let fine = self.down[0].forward(x)?;
        let coarse = self.down[1].forward(&halve.forward(&fine)?)?;
        let mut x = self.middle.forward(&halve.forward(&coarse)?)?;
        for (i, skip) in [coarse, fine].iter().enumerate() {
            x = self.up[i].forward(&Tensor::concat(&[&self.widen[i].forward(&x)?, skip], 1)?)?;
        }
        self.out.forward(&x)
    }
}

/// A model of characters.
#[derive(Module)]
pub struct LstmLm {
    embedding: Embedding,
    lstm: Lstm,
    out: Linear,
}

impl LstmLm {
    pub fn new() -> Result<LstmLm> {
        let lstm = Lstm::from_config(&RecurrentConfig::new(64, 128).batch_first())?;
        Ok(LstmLm { embedding: Embedding::new(64, 64)?, lstm, out: Linear::new(128, 64)? })
    }
}

impl Layer for LstmLm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (hidden, _) = self.lstm.forward(&self.embedding.forward(x)?, None)?;
        self.out.forward(&hidden)?.flatten(0, 1)
    }
}

/// A classifier of texts.
#[derive(Module)]
pub struct GruClassifier {
    embedding: Embedding,
    gru: Gru,
    out: Linear,
}

impl GruClassifier {
    pub fn new() -> Result<GruClassifier> {
        let gru = Gru::from_config(&RecurrentConfig::new(64, 64).num_layers(2).bidirectional().batch_first())?;
        Ok(GruClassifier { embedding: Embedding::new(2000, 64)?, gru, out: Linear::new(128, 4)? })
    }
}

impl Layer for GruClassifier {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (hidden, _) = self.gru.forward(&self.embedding.forward(x)?, None)?;
        self.out.forward(&hidden.mean_axes(&[1], false)?)
    }
}

/// A pre-norm block of a Transformer, queries, keys and values from one product.
#[derive(Module)]
pub struct Block {
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    causal: bool,
    norm: [LayerNorm; 2],
    qkv: Linear,
    out: Linear,
    feed: [Linear; 2],
}

impl Block {
    pub fn new(width: usize, heads: usize, inner: usize, causal: bool) -> Result<Block> {
        Ok(Block {
            heads,
            causal,
            norm: [LayerNorm::new(width)?, LayerNorm::new(width)?],
            qkv: Linear::new(width, 3 * width)?,
            out: Linear::new(width, width)?,
            feed: [Linear::new(width, inner)?, Linear::new(inner, width)?],
        })
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let &[n, t, width] = &x.shape()[..] else { unreachable!("tokens are [n, t, width]") };
        let split = |part: &Tensor| part.reshape([n, t, self.heads, width / self.heads])?.transpose(1, 2);
        let qkv = self.qkv.forward(&self.norm[0].forward(x)?)?.chunk(3, -1)?;
        let options = AttentionOptions { causal: self.causal, ..AttentionOptions::default() };
        let seen = split(&qkv[0])?.attention(&split(&qkv[1])?, &split(&qkv[2])?, &options)?;
        let x = x.add(self.out.forward(&seen.transpose(1, 2)?.reshape([n, t, width])?)?)?;
        let inner = self.feed[0].forward(&self.norm[1].forward(&x)?)?.gelu()?;
        x.add(self.feed[1].forward(&inner)?)
    }
}

/// A causal Transformer.
#[derive(Module)]
pub struct Gpt {
    embedding: Embedding,
    places: Param,
    blocks: Sequential,
    norm: LayerNorm,
    out: Linear,
}

impl Gpt {
    pub fn new() -> Result<Gpt> {
        let (symbols, width, heads, tokens) = (64, 128, 4, 64);
        let block = || Block::new(width, heads, 4 * width, true);
        Ok(Gpt {
            embedding: Embedding::new(symbols, width)?,
            places: Param::new([tokens, width], Init::Zeros)?,
            blocks: sequential![block()?, block()?],
            norm: LayerNorm::new(width)?,
            out: Linear::new(width, symbols)?,
        })
    }
}

impl Layer for Gpt {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.embedding.forward(x)?.add(self.places.get()?)?;
        self.out.forward(&self.norm.forward(&self.blocks.forward(&x)?)?)?.flatten(0, 1)
    }
}

/// A variational autoencoder (Kingma and Welling 2014).
#[derive(Module)]
pub struct Vae {
    encoder: Linear,
    mean: Linear,
    log_variance: Linear,
    decoder: Sequential,
}

impl Vae {
    pub fn new() -> Result<Vae> {
        Ok(Vae {
            encoder: Linear::new(784, 400)?,
            mean: Linear::new(400, 20)?,
            log_variance: Linear::new(400, 20)?,
            decoder: sequential![Linear::new(20, 400)?, Relu, Linear::new(400, 784)?],
        })
    }

    /// The logits of the reconstruction, and mean and logarithm of the variance of the code.
    pub fn forward(&self, x: &Tensor, rng: &mut Rng) -> Result<[Tensor; 3]> {
        let hidden = self.encoder.forward(x)?.relu()?;
        let (mean, log_variance) = (self.mean.forward(&hidden)?, self.log_variance.forward(&hidden)?);
        let noise = Tensor::randn(*mean.shape(), mean.dtype(), rng)?;
        let code = mean.add(noise.mul(log_variance.mul(0.5)?.exp()?)?)?;
        Ok([self.decoder.forward(&code)?, mean, log_variance])
    }
}

/// A generator and a discriminator of 32 x 32 images (Radford et al. 2016).
pub fn dcgan(base: usize) -> Result<[Sequential; 2]> {
    let step = |i, o| ConvTransposeConfig::new(i, o, 4).stride(2).padding(1);
    let mut generator = Sequential::new();
    let first = ConvTransposeConfig::new(64, 4 * base, 4);
    for config in [first, step(4 * base, 2 * base), step(2 * base, base)] {
        let channels = config.out_channels;
        let layer = ConvTranspose2d::from_config(&config.no_bias())?;
        generator = generator.push(layer).push(BatchNorm2d::new(channels)?).push(Relu);
    }
    let generator = generator.push(ConvTranspose2d::from_config(&step(base, 1))?).push(Tanh);
    let step = |i, o| ConvConfig::new(i, o, 4).stride(2).padding(1);
    let leaky = LeakyRelu { negative_slope: 0.2 };
    let mut discriminator = sequential![Conv2d::from_config(&step(1, base))?, leaky.clone()];
    for width in [base, 2 * base] {
        discriminator = normalised(discriminator, step(width, 2 * width))?.push(leaky.clone());
    }
    Ok([generator, discriminator.push(Conv2d::new(4 * base, 1, 4)?)])
}
