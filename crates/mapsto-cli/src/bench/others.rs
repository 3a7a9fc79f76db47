//! Networks of other kinds, which no kernel was made for.

use super::models::Block;
use mapsto_nn::{
    AdaptiveAvgPool1d, BatchNorm1d, Conv1d, Conv2d, ConvConfig, ConvTranspose2d, ConvTransposeConfig, Flatten, Gelu,
    Init, Layer, LayerNorm, Linear, Lstm, Module, Param, RecurrentConfig, Relu, Sequential, Unflatten, sequential,
};
use mapsto_tensor::{Result, Tensor};

/// A vision Transformer (Dosovitskiy et al. 2021).
#[derive(Module)]
pub struct Vit {
    patches: Conv2d,
    class: Param,
    places: Param,
    blocks: Sequential,
    norm: LayerNorm,
    out: Linear,
}

impl Vit {
    pub fn new() -> Result<Vit> {
        let (size, patch, width) = (32, 4, 96);
        let block = || Block::new(width, 3, 4 * width, false);
        Ok(Vit {
            patches: Conv2d::from_config(&ConvConfig::new(3, width, patch).stride(patch))?,
            class: Param::new([1, 1, width], Init::Zeros)?,
            places: Param::new([(size / patch) * (size / patch) + 1, width], Init::Zeros)?,
            blocks: sequential![block()?, block()?, block()?],
            norm: LayerNorm::new(width)?,
            out: Linear::new(width, 10)?,
        })
    }
}

impl Layer for Vit {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let patches = self.patches.forward(x)?.flatten(2, -1)?.transpose(1, 2)?;
        let class = self.class.get()?.expand(&[patches.shape()[0] as isize, -1, -1])?;
        let x = Tensor::concat(&[&class, &patches], 1)?.add(self.places.get()?)?;
        self.out.forward(&self.norm.forward(&self.blocks.forward(&x)?.index((.., 0))?)?)
    }
}

/// A forecast from the last step of two recurrent layers.
#[derive(Module)]
pub struct Series {
    lstm: Lstm,
    out: Linear,
}

impl Series {
    pub fn new() -> Result<Series> {
        let lstm = Lstm::from_config(&RecurrentConfig::new(7, 80).num_layers(2).batch_first())?;
        Ok(Series { lstm, out: Linear::new(80, 1)? })
    }
}

impl Layer for Series {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (hidden, _) = self.lstm.forward(x, None)?;
        self.out.forward(&hidden.index((.., -1))?)
    }
}

/// Convolutions that halve the image, a code, and transposed ones that double it.
pub fn autoencoder() -> Result<Sequential> {
    let halve = |i, o, kernel| Conv2d::from_config(&ConvConfig::new(i, o, kernel).stride(2).padding(kernel / 2));
    let double = |i, o| ConvTranspose2d::from_config(&ConvTransposeConfig::new(i, o, 4).stride(2).padding(1));
    let images = Unflatten { dim: 1, unflattened_size: vec![24, 7, 7] };
    let encoder = sequential![halve(1, 12, 3)?, Relu, halve(12, 24, 5)?, Relu, Flatten::default()];
    let coded = encoder.push(Linear::new(1176, 48)?).push(Linear::new(48, 1176)?).push(Relu).push(images);
    Ok(coded.push(double(24, 12)?).push(Relu).push(double(12, 1)?))
}

/// What the layers give is added to what they got.
#[derive(Module)]
struct Residual {
    layers: Sequential,
}

impl Layer for Residual {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.add(self.layers.forward(x)?)
    }
}

/// Dilated convolutions over time (Bai et al. 2018).
pub fn tcn() -> Result<Sequential> {
    let mut layers = sequential![Conv1d::from_config(&ConvConfig::new(2, 40, 7).padding(3))?];
    for dilation in [1, 2, 4, 8] {
        let wide = Conv1d::from_config(&ConvConfig::new(40, 40, 5).padding(2 * dilation).dilation(dilation))?;
        let block = sequential![wide, BatchNorm1d::new(40)?, Relu, Conv1d::new(40, 40, 1)?];
        layers = layers.push(Residual { layers: block });
    }
    Ok(layers.push(AdaptiveAvgPool1d::new(1)?).push(Flatten::default()).push(Linear::new(40, 6)?))
}

/// Blocks of normalisation, two products and GELU, each added to what it got.
pub fn gelu_stack() -> Result<Sequential> {
    let mut layers = sequential![Linear::new(54, 200)?];
    for _ in 0..4 {
        let block = sequential![LayerNorm::new(200)?, Linear::new(200, 600)?, Gelu::default(), Linear::new(600, 200)?];
        layers = layers.push(Residual { layers: block });
    }
    Ok(layers.push(LayerNorm::new(200)?).push(Linear::new(200, 7)?))
}
