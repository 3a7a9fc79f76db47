//! The networks of the workloads.

use crate::layers::{Layers, kernel};
use candle_core::{D, Device, IndexOp, Module, Result, Tensor};
use candle_nn::{
    self as nn, Conv2d, ConvTranspose2d, ConvTranspose2dConfig, Embedding, GRU, Init, LSTM, LayerNorm, Linear, RNN,
    Sequential, VarBuilder, ops,
};

pub fn mlp(parameters: VarBuilder) -> Result<Sequential> {
    let hidden = Layers::new(parameters).linear(784, 512)?.relu().linear(512, 256)?.relu();
    Ok(hidden.linear(256, 10)?.done())
}

pub fn tiny_policy(parameters: VarBuilder) -> Result<Sequential> {
    let hidden = Layers::new(parameters).linear(4, 64)?.apply(Tensor::tanh).linear(64, 64)?.apply(Tensor::tanh);
    Ok(hidden.linear(64, 2)?.done())
}

pub fn cnn(parameters: VarBuilder) -> Result<Sequential> {
    let mut layers = Layers::new(parameters);
    for [i, o] in [[3, 32], [32, 64], [64, 64]] {
        layers = layers.conv(i, o, kernel(3, 1, 1))?.norm(o)?.relu().apply(|x| x.max_pool2d(2));
    }
    Ok(layers.apply(|x| x.flatten_from(1)).linear(1024, 10)?.done())
}

/// What follows the last convolution of a classifier.
fn head(layers: Layers, features: usize) -> Result<Sequential> {
    Ok(layers.apply(|x| x.mean((2, 3))).linear(features, 10)?.done())
}

pub fn mobilenet(parameters: VarBuilder) -> Result<Sequential> {
    let mut layers = Layers::new(parameters).conv_norm(3, 16, kernel(3, 2, 1), 1)?.relu();
    let mut i = 16;
    for [o, stride] in [[32, 1], [64, 2], [64, 1], [128, 2], [128, 1], [256, 2], [256, 1], [256, 1]] {
        layers = layers.conv_norm(i, i, kernel(3, stride, 1), i)?.relu();
        layers = layers.conv_norm(i, o, kernel(1, 1, 0), 1)?.relu();
        i = o;
    }
    head(layers, 256)
}

/// Two convolutions and a way around them.
struct BasicBlock {
    convolutions: Sequential,
    around: Option<Sequential>,
}

impl BasicBlock {
    fn new(i: usize, o: usize, stride: usize, parameters: VarBuilder) -> Result<BasicBlock> {
        let first = Layers::new(parameters.pp("convolutions")).conv_norm(i, o, kernel(3, stride, 1), 1)?.relu();
        let around = if stride == 1 && i == o {
            None
        } else {
            Some(Layers::new(parameters.pp("around")).conv_norm(i, o, kernel(1, stride, 0), 1)?.done())
        };
        Ok(BasicBlock { convolutions: first.conv_norm(o, o, kernel(3, 1, 1), 1)?.done(), around })
    }
}

impl Module for BasicBlock {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.convolutions.forward(x)?;
        match &self.around {
            Some(around) => (y + around.forward(x)?)?.relu(),
            None => (y + x)?.relu(),
        }
    }
}

pub fn resnet18(parameters: VarBuilder) -> Result<Sequential> {
    let mut layers = Layers::new(parameters).conv_norm(3, 64, kernel(3, 1, 1), 1)?.relu();
    let mut i = 64;
    for [o, stride] in [[64, 1], [128, 2], [256, 2], [512, 2]] {
        layers = layers.then(|name| BasicBlock::new(i, o, stride, name))?;
        layers = layers.then(|name| BasicBlock::new(o, o, 1, name))?;
        i = o;
    }
    head(layers, 512)
}

/// A U-Net of two levels.
pub struct UNet {
    down: [Sequential; 2],
    middle: Sequential,
    widen: [ConvTranspose2d; 2],
    up: [Sequential; 2],
    out: Conv2d,
}

impl UNet {
    pub fn new(base: usize, parameters: VarBuilder) -> Result<UNet> {
        let block = |name, i, o| -> Result<Sequential> {
            let first = Layers::new(parameters.pp(name)).conv(i, o, kernel(3, 1, 1))?.norm(o)?.relu();
            Ok(first.conv(o, o, kernel(3, 1, 1))?.norm(o)?.relu().done())
        };
        let widen = |name, i, o| {
            let config = ConvTranspose2dConfig { stride: 2, ..Default::default() };
            nn::conv_transpose2d(i, o, 2, config, parameters.pp(name))
        };
        Ok(UNet {
            down: [block("down0", 1, base)?, block("down1", base, 2 * base)?],
            middle: block("middle", 2 * base, 4 * base)?,
            widen: [widen("widen0", 4 * base, 2 * base)?, widen("widen1", 2 * base, base)?],
            up: [block("up0", 4 * base, 2 * base)?, block("up1", 2 * base, base)?],
            out: nn::conv2d(base, 1, 1, Default::default(), parameters.pp("out"))?,
        })
    }
}

impl Module for UNet {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let fine = self.down[0].forward(x)?;
        let coarse = self.down[1].forward(&fine.max_pool2d(2)?)?;
        let mut x = self.middle.forward(&coarse.max_pool2d(2)?)?;
        for (i, skip) in [coarse, fine].iter().enumerate() {
            x = self.up[i].forward(&Tensor::cat(&[&self.widen[i].forward(&x)?, skip], 1)?)?;
        }
        self.out.forward(&x)
    }
}

/// A model of characters.
pub struct LstmLm {
    embedding: Embedding,
    lstm: LSTM,
    out: Linear,
}

impl LstmLm {
    pub fn new(parameters: VarBuilder) -> Result<LstmLm> {
        Ok(LstmLm {
            embedding: nn::embedding(64, 64, parameters.pp("embedding"))?,
            lstm: nn::lstm(64, 128, Default::default(), parameters.pp("lstm"))?,
            out: nn::linear(128, 64, parameters.pp("out"))?,
        })
    }
}

impl Module for LstmLm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let states = self.lstm.seq(&self.embedding.forward(x)?)?;
        self.out.forward(&self.lstm.states_to_tensor(&states)?)?.flatten(0, 1)
    }
}

/// A layer that reads a sequence in both directions: Candle's `GRU` reads in one.
struct BiGru {
    forward: GRU,
    backward: GRU,
}

impl BiGru {
    fn new(input: usize, hidden: usize, parameters: VarBuilder) -> Result<BiGru> {
        let gru = |name| nn::gru(input, hidden, Default::default(), parameters.pp(name));
        Ok(BiGru { forward: gru("forward")?, backward: gru("backward")? })
    }
}

impl Module for BiGru {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let stack = |states: &[nn::rnn::GRUState]| {
            let states: Vec<&Tensor> = states.iter().map(|state| state.h()).collect();
            Tensor::stack(&states, 1)
        };
        let forward = stack(&self.forward.seq(x)?)?;
        let mut backward = self.backward.seq(&x.flip(&[1])?)?;
        backward.reverse();
        Tensor::cat(&[forward, stack(&backward)?], 2)
    }
}

/// A classifier of texts.
pub struct GruClassifier {
    embedding: Embedding,
    layers: [BiGru; 2],
    out: Linear,
}

impl GruClassifier {
    pub fn new(parameters: VarBuilder) -> Result<GruClassifier> {
        Ok(GruClassifier {
            embedding: nn::embedding(2000, 64, parameters.pp("embedding"))?,
            layers: [BiGru::new(64, 64, parameters.pp("layer0"))?, BiGru::new(128, 64, parameters.pp("layer1"))?],
            out: nn::linear(128, 4, parameters.pp("out"))?,
        })
    }
}

impl Module for GruClassifier {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.embedding.forward(x)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        self.out.forward(&x.mean(1)?)
    }
}

/// Normalisation by the formula for training: the fused kernel behind `LayerNorm::forward` has no gradient.
struct Norm(LayerNorm);

impl Norm {
    fn new(width: usize, parameters: VarBuilder) -> Result<Norm> {
        Ok(Norm(nn::layer_norm(width, 1e-5, parameters)?))
    }
}

impl Module for Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = self.0.bias().expect("layer_norm makes a bias");
        ops::layer_norm_slow(x, self.0.weight(), bias, self.0.eps() as f32)
    }
}

/// A pre-norm block of a Transformer, queries, keys and values from one product.
struct Block {
    heads: usize,
    norm: [Norm; 2],
    qkv: Linear,
    out: Linear,
    feed: [Linear; 2],
    /// Minus infinity where a token would see a later one.
    mask: Tensor,
}

impl Block {
    fn new(width: usize, heads: usize, inner: usize, mask: &Tensor, parameters: VarBuilder) -> Result<Block> {
        let linear = |name, i, o| nn::linear(i, o, parameters.pp(name));
        Ok(Block {
            heads,
            norm: [Norm::new(width, parameters.pp("norm0"))?, Norm::new(width, parameters.pp("norm1"))?],
            qkv: linear("qkv", width, 3 * width)?,
            out: linear("out", width, width)?,
            feed: [linear("feed0", width, inner)?, linear("feed1", inner, width)?],
            mask: mask.clone(),
        })
    }

    /// Attention from products: Candle's fused kernels for it have no gradient on the CPU.
    fn attention(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<Tensor> {
        let scores = (query.matmul(&key.t()?)? / (query.dim(D::Minus1)? as f64).sqrt())?;
        ops::softmax(&scores.broadcast_add(&self.mask)?, D::Minus1)?.matmul(value)
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, t, width) = x.dims3()?;
        let qkv = self.qkv.forward(&self.norm[0].forward(x)?)?.reshape((n, t, 3, self.heads, width / self.heads))?;
        let part = |i: usize| qkv.i((.., .., i))?.transpose(1, 2)?.contiguous();
        let seen = self.attention(&part(0)?, &part(1)?, &part(2)?)?;
        let x = (x + self.out.forward(&seen.transpose(1, 2)?.reshape((n, t, width))?)?)?;
        let inner = self.feed[0].forward(&self.norm[1].forward(&x)?)?.gelu_erf()?;
        &x + self.feed[1].forward(&inner)?
    }
}

/// A causal Transformer.
pub struct Gpt {
    embedding: Embedding,
    places: Tensor,
    blocks: [Block; 2],
    norm: Norm,
    out: Linear,
}

impl Gpt {
    pub fn new(parameters: VarBuilder) -> Result<Gpt> {
        let (symbols, width, heads, tokens) = (64, 128, 4, 64);
        let later = |i| move |j| if j > i { f32::NEG_INFINITY } else { 0.0 };
        let mask: Vec<f32> = (0..tokens).flat_map(|i| (0..tokens).map(later(i))).collect();
        let mask = Tensor::from_vec(mask, (tokens, tokens), &Device::Cpu)?;
        let block = |name| Block::new(width, heads, 4 * width, &mask, parameters.pp(name));
        Ok(Gpt {
            embedding: nn::embedding(symbols, width, parameters.pp("embedding"))?,
            places: parameters.get_with_hints((tokens, width), "places", Init::Const(0.0))?,
            blocks: [block("block0")?, block("block1")?],
            norm: Norm::new(width, parameters.pp("norm"))?,
            out: nn::linear(width, symbols, parameters.pp("out"))?,
        })
    }
}

impl Module for Gpt {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.embedding.forward(x)?.broadcast_add(&self.places)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        self.out.forward(&self.norm.forward(&x)?)?.flatten(0, 1)
    }
}

/// A variational autoencoder.
pub struct Vae {
    encoder: Linear,
    mean: Linear,
    log_variance: Linear,
    decoder: Sequential,
}

impl Vae {
    pub fn new(parameters: VarBuilder) -> Result<Vae> {
        let linear = |name, i, o| nn::linear(i, o, parameters.pp(name));
        Ok(Vae {
            encoder: linear("encoder", 784, 400)?,
            mean: linear("mean", 400, 20)?,
            log_variance: linear("log_variance", 400, 20)?,
            decoder: Layers::new(parameters.pp("decoder")).linear(20, 400)?.relu().linear(400, 784)?.done(),
        })
    }

    /// The logits of the reconstruction, and mean and logarithm of the variance of the code.
    pub fn forward(&self, x: &Tensor) -> Result<[Tensor; 3]> {
        let hidden = self.encoder.forward(x)?.relu()?;
        let (mean, log_variance) = (self.mean.forward(&hidden)?, self.log_variance.forward(&hidden)?);
        let code = (&mean + (mean.randn_like(0.0, 1.0)? * (&log_variance * 0.5)?.exp()?)?)?;
        Ok([self.decoder.forward(&code)?, mean, log_variance])
    }
}

pub fn generator(base: usize, parameters: VarBuilder) -> Result<Sequential> {
    let mut layers = Layers::new(parameters);
    for (i, o, kernel) in
        [(64, 4 * base, kernel(4, 1, 0)), (4 * base, 2 * base, kernel(4, 2, 1)), (2 * base, base, kernel(4, 2, 1))]
    {
        layers = layers.conv_transpose(i, o, kernel, false)?.norm(o)?.relu();
    }
    Ok(layers.conv_transpose(base, 1, kernel(4, 2, 1), true)?.apply(Tensor::tanh).done())
}

pub fn discriminator(base: usize, parameters: VarBuilder) -> Result<Sequential> {
    let leaky = |x: &Tensor| ops::leaky_relu(x, 0.2);
    let mut layers = Layers::new(parameters).conv(1, base, kernel(4, 2, 1))?.apply(leaky);
    for i in [base, 2 * base] {
        layers = layers.conv_norm(i, 2 * i, kernel(4, 2, 1), 1)?.apply(leaky);
    }
    Ok(layers.conv(4 * base, 1, kernel(4, 1, 0))?.done())
}
