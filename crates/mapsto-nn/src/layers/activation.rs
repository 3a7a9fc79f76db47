//! Activations as layers. Each has PyTorch's settings and defaults.

use super::Layer;
use crate::Module;
use crate::init::Init;
use crate::param::{Mode, Param, Stream};
use mapsto_tensor::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::panic::Location;

/// Declares a layer that is one method of a tensor.
macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $ty:ty = $default:expr,)*
    } |$this:ident, $x:ident| $forward:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Module)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                let $this = self;
                $forward
            }
        }
    )*};
}

/// Declares a layer that is one method of a tensor, without settings.
macro_rules! plain_activations {
    ($($(#[$doc:meta])* $name:ident |$x:ident| $forward:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Module)]
        pub struct $name;

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                $forward
            }
        }
    )*};
}

/// See [`Tensor::relu`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Module)]
pub struct Relu;

impl Layer for Relu {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        x.relu()
    }

    fn is_relu(&self) -> bool {
        true
    }
}

plain_activations! {
    /// See [`Tensor::relu6`].
    Relu6 |x| x.relu6();
    /// See [`Tensor::selu`].
    Selu |x| x.selu();
    /// See [`Tensor::silu`].
    Silu |x| x.silu();
    /// See [`Tensor::mish`].
    Mish |x| x.mish();
    /// See [`Tensor::sigmoid`].
    Sigmoid |x| x.sigmoid();
    /// See [`Tensor::log_sigmoid`].
    LogSigmoid |x| x.log_sigmoid();
    /// See [`Tensor::tanh`].
    Tanh |x| x.tanh();
    /// See [`Tensor::tanhshrink`].
    Tanhshrink |x| x.tanhshrink();
    /// See [`Tensor::softsign`].
    Softsign |x| x.softsign();
    /// See [`Tensor::hardsigmoid`].
    Hardsigmoid |x| x.hardsigmoid();
    /// See [`Tensor::hardswish`].
    Hardswish |x| x.hardswish();
    /// [`Tensor::softmax`] over the channels of images `[..., channels, height, width]`.
    Softmax2d |x| x.softmax(-3);
}

activations! {
    /// See [`Tensor::leaky_relu`].
    LeakyRelu {
        /// The slope below zero.
        negative_slope: f64 = 0.01,
    } |this, x| x.leaky_relu(this.negative_slope);

    /// See [`Tensor::elu`].
    Elu {
        /// How far it goes below zero.
        alpha: f64 = 1.0,
    } |this, x| x.elu(this.alpha);

    /// See [`Tensor::celu`].
    Celu {
        /// How far it goes below zero.
        alpha: f64 = 1.0,
    } |this, x| x.celu(this.alpha);

    /// See [`Tensor::gelu`] and [`Tensor::gelu_tanh`].
    Gelu {
        /// Whether it is exact or an approximation.
        approximate: Approximation = Approximation::None,
    } |this, x| if this.approximate == Approximation::Tanh { x.gelu_tanh() } else { x.gelu() };

    /// See [`Tensor::softplus`].
    Softplus {
        /// How sharp the bend is.
        beta: f64 = 1.0,
        /// Where it is a straight line.
        threshold: f64 = 20.0,
    } |this, x| x.softplus(this.beta, this.threshold);

    /// See [`Tensor::softshrink`].
    Softshrink {
        /// How far values move toward zero.
        lambd: f64 = 0.5,
    } |this, x| x.softshrink(this.lambd);

    /// See [`Tensor::hardshrink`].
    Hardshrink {
        /// The least magnitude that is kept.
        lambd: f64 = 0.5,
    } |this, x| x.hardshrink(this.lambd);

    /// See [`Tensor::hardtanh`].
    Hardtanh {
        /// The least value.
        min_val: f64 = -1.0,
        /// The greatest value.
        max_val: f64 = 1.0,
    } |this, x| x.hardtanh(this.min_val, this.max_val);

    /// See [`Tensor::threshold`].
    Threshold {
        /// What values must exceed.
        threshold: f64 = 0.0,
        /// What the others are replaced by.
        value: f64 = 0.0,
    } |this, x| x.threshold(this.threshold, this.value);

    /// See [`Tensor::glu`].
    Glu {
        /// The axis that is halved.
        dim: isize = -1,
    } |this, x| x.glu(this.dim);

    /// See [`Tensor::softmax`].
    Softmax {
        /// The axis that sums to one.
        dim: isize = -1,
    } |this, x| x.softmax(this.dim);

    /// [`Tensor::softmax`] of the negative.
    Softmin {
        /// The axis that sums to one.
        dim: isize = -1,
    } |this, x| x.neg()?.softmax(this.dim);

    /// See [`Tensor::log_softmax`].
    LogSoftmax {
        /// The axis whose exponentials sum to one.
        dim: isize = -1,
    } |this, x| x.log_softmax(this.dim);
}

/// How [`Gelu`] is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approximation {
    /// Exactly.
    None,
    /// By a hyperbolic tangent.
    Tanh,
}

impl crate::module::Field for Approximation {
    fn show(&self, _: &mut crate::module::Visitor<'_>) {}
}

/// See [`Tensor::prelu`].
#[derive(Clone, Debug, Module)]
pub struct Prelu {
    /// One slope, or one for each channel.
    pub weight: Param,
}

impl Prelu {
    /// With `num_parameters` slopes that begin at `init`; PyTorch has 1 and 0.25.
    ///
    /// # Errors
    /// None but a number of slopes beyond memory.
    #[track_caller]
    pub fn new(num_parameters: usize, init: f64) -> Result<Prelu> {
        Ok(Prelu { weight: Param::new(num_parameters, Init::Constant(init))? })
    }
}

impl Layer for Prelu {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        x.prelu(&self.weight.get()?)
    }
}

/// [`LeakyRelu`] whose slope is drawn anew for every element below zero while training, and is the mean one while
/// evaluating (Xu et al., *Empirical Evaluation of Rectified Activations in Convolutional Network*, 2015).
#[derive(Clone, Debug, Module)]
pub struct Rrelu {
    /// The least slope.
    pub lower: f64,
    /// The greatest slope.
    pub upper: f64,
    mode: Mode,
    stream: Stream,
}

impl Rrelu {
    /// PyTorch has 1/8 and 1/3.
    ///
    /// # Errors
    /// Bounds that are not in order.
    #[track_caller]
    pub fn new(lower: f64, upper: f64) -> Result<Rrelu> {
        if !(lower <= upper) {
            let message = format!("the least slope {lower} must not be above the greatest {upper}");
            return Err(Error::argument(message).op("Rrelu").at(Location::caller()));
        }
        Ok(Rrelu { lower, upper, mode: Mode::default(), stream: Stream::default() })
    }
}

impl Layer for Rrelu {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        if !self.mode.is_training() {
            return x.leaky_relu((self.lower + self.upper) / 2.0);
        }
        let slopes = Tensor::rand(*x.shape(), x.dtype(), &mut self.stream.next_rng()?)?;
        let slopes = slopes.mul(self.upper - self.lower)?.add(self.lower)?;
        x.gt(0)?.where_(x, x.mul(slopes)?)
    }
}
