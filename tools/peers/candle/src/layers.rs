//! Layers one after the other, each with parameters under a name of its own.

use candle_core::{Module, Result, Tensor};
use candle_nn::{self as nn, BatchNormConfig, Conv2dConfig, ConvTranspose2dConfig, Sequential, VarBuilder};

/// The sizes of a square convolution.
#[derive(Clone, Copy)]
pub struct Kernel {
    pub size: usize,
    pub stride: usize,
    pub padding: usize,
}

/// A kernel of this size, stride and padding.
pub const fn kernel(size: usize, stride: usize, padding: usize) -> Kernel {
    Kernel { size, stride, padding }
}

pub struct Layers<'a> {
    layers: Sequential,
    parameters: VarBuilder<'a>,
}

impl<'a> Layers<'a> {
    pub fn new(parameters: VarBuilder<'a>) -> Layers<'a> {
        Layers { layers: nn::seq(), parameters }
    }

    pub fn done(self) -> Sequential {
        self.layers
    }

    /// Another layer, from the parameters under its name.
    pub fn then<M: Module + 'static>(mut self, make: impl FnOnce(VarBuilder<'a>) -> Result<M>) -> Result<Layers<'a>> {
        let layer = make(self.parameters.pp(self.layers.len()))?;
        self.layers = self.layers.add(layer);
        Ok(self)
    }

    pub fn apply(mut self, f: fn(&Tensor) -> Result<Tensor>) -> Layers<'a> {
        self.layers = self.layers.add_fn(f);
        self
    }

    pub fn relu(self) -> Layers<'a> {
        self.apply(Tensor::relu)
    }

    pub fn linear(self, i: usize, o: usize) -> Result<Layers<'a>> {
        self.then(|name| nn::linear(i, o, name))
    }

    pub fn conv(self, i: usize, o: usize, kernel: Kernel) -> Result<Layers<'a>> {
        let config = Conv2dConfig { stride: kernel.stride, padding: kernel.padding, ..Default::default() };
        self.then(|name| nn::conv2d(i, o, kernel.size, config, name))
    }

    /// A convolution without bias, in groups, and its normalisation.
    pub fn conv_norm(self, i: usize, o: usize, kernel: Kernel, groups: usize) -> Result<Layers<'a>> {
        let config = Conv2dConfig { stride: kernel.stride, padding: kernel.padding, groups, ..Default::default() };
        self.then(|name| nn::conv2d_no_bias(i, o, kernel.size, config, name))?.norm(o)
    }

    pub fn conv_transpose(self, i: usize, o: usize, kernel: Kernel, bias: bool) -> Result<Layers<'a>> {
        let config = ConvTranspose2dConfig { stride: kernel.stride, padding: kernel.padding, ..Default::default() };
        let make = if bias { nn::conv_transpose2d } else { nn::conv_transpose2d_no_bias };
        self.then(|name| make(i, o, kernel.size, config, name))
    }

    pub fn norm(self, channels: usize) -> Result<Layers<'a>> {
        self.then(|name| {
            let layer = nn::batch_norm(channels, BatchNormConfig::default(), name)?;
            Ok(nn::func(move |x| layer.forward_train(x)))
        })
    }
}
