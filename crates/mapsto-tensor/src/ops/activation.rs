//! Activations: functions of one number with settings, one pass forward and one pass backward.

use crate::backend::Activation;
use crate::error::{Error, Result};
use crate::grad::is_recording;
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_float,
    expect_inputs,
};
use crate::ops::unary::{erf_by_series, unary_cases};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};
use std::panic::Location;

/// The setting of [`Selu`] that makes activations keep mean zero and variance one (Klambauer et al. 2017).
const SELU_ALPHA: f64 = 1.673_263_242_354_377_3;
/// See [`SELU_ALPHA`].
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// Declares an activation: its struct with settings, its method, what settings must fulfil, its kernel (which gives the
/// gradient too), how it is differentiated twice, samples and a reference.
///
/// Twice either through `composed` operations on the input, or through a `recorded` gradient from what is kept and `g`.
macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident { $($(#[$setting_doc:meta])* $setting:ident),* }, $method:ident, keeps $keeps:ident,
       $(needs $needs:expr, $complaint:literal,)?
       kernel $kernel:expr, $second:ident |$($given:ident),*| $formula:expr,
       samples [$($sample:expr),*], reference |$x:ident| $reference:expr;)*) => {
        $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            $($(#[$setting_doc])* pub $setting: f64,)*
        }

        impl $name {
            fn kernel(&self) -> Activation {
                let $name { $($setting),* } = *self;
                $kernel
            }
        }

        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn attributes(&self) -> Attributes {
                vec![$((stringify!($setting), self.$setting.into())),*]
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                expect_inputs(inputs, 1)?;
                expect_float(inputs)?;
                $(if self.$setting.is_nan() {
                    return Err(Error::argument(concat!(stringify!($setting), " is NaN")));
                })*
                activations!(@needs self, $name { $($setting),* } $(, $needs, $complaint)?);
                Ok(smallvec![inputs[0]])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                Ok(smallvec![inputs[0].backend().activation(self.kernel(), inputs[0])?])
            }

            fn keeps(&self) -> Keeps {
                Keeps::$keeps
            }

            fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
                let kept = activations!(@kept $keeps, cx);
                let g = cx.grad(0)?;
                activations!(@vjp $second, self, $name { $($setting),* }, kept, g, |$($given),*| $formula);
                Ok(smallvec![Some(g.backend().activation_gradient(self.kernel(), &kept, &g)?)])
            }

            activations!(@composed $second, $name { $($setting),* }, |$($given),*| $formula);
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                [$($sample),*].into_iter().flat_map(|op| unary_cases(op, (-4.0, 4.0))).collect()
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                let $name { $($setting),* } = *self;
                vec![inputs[0].map(|$x| $reference)]
            }

            fn arbitrary(_g: &mut Gen) -> Self {
                $name { $($setting: _g.pick(&[0.0, 1.0, -1.5, 0.3, f64::NAN, f64::INFINITY])),* }
            }
        }

        impl Tensor {
            $(#[$doc])*
            ///
            /// # Errors
            /// A setting outside its domain. Integers are taken as `f32`, unless it says otherwise above.
            #[track_caller]
            pub fn $method(&self, $($setting: f64),*) -> Result<Tensor> {
                activations!(@integers $name, self, $($setting),*);
                apply_one($name { $($setting),* }, &[&self.to_dtype(self.dtype().to_float())?])
            }
        }
        )*

        /// These operations, for the registry.
        pub(super) fn entries() -> Vec<Entry> {
            vec![$(Entry::of::<$name>()),*]
        }
    };
    (@integers Clamp, $x:ident, $min:ident, $max:ident) => {
        if $x.dtype().is_integer() && !$min.is_nan() && !$max.is_nan() {
            return clamp_integers($x, $min, $max);
        }
    };
    (@integers $name:ident, $x:ident, $($setting:ident),*) => {};
    (@needs $self:ident, $settings:pat) => {};
    (@needs $self:ident, $settings:pat, $needs:expr, $complaint:literal) => {
        #[allow(unused_variables)]
        let $settings = *$self;
        if !$needs {
            return Err(Error::argument(format!("{:?}: {}", $self, $complaint)));
        }
    };
    (@kept INPUTS, $cx:ident) => { $cx.input(0)? };
    (@kept OUTPUTS, $cx:ident) => { $cx.output(0)? };
    (@vjp recorded, $self:ident, $settings:pat, $kept:ident, $g:ident, |$y:ident, $h:ident| $formula:expr) => {
        if is_recording() {
            let ($settings, $y, $h) = (*$self, &$kept, &$g);
            return Ok(smallvec![Some($formula)]);
        }
    };
    (@vjp composed, $self:ident, $settings:pat, $kept:ident, $g:ident, |$x:ident| $formula:expr) => {};
    (@composed recorded, $settings:pat, |$y:ident, $h:ident| $formula:expr) => {};
    (@composed composed, $settings:pat, |$x:ident| $formula:expr) => {
        fn composed(&self, inputs: &[Tensor]) -> Result<Option<Outputs>> {
            let ($settings, $x) = (*self, &inputs[0]);
            Ok(Some(smallvec![$formula]))
        }
    };
}

/// `g` where `y` lies between bounds; an infinite bound is none.
fn between(y: &Tensor, min: f64, max: f64, g: &Tensor) -> Result<Tensor> {
    let above = if min > f64::NEG_INFINITY { y.le(min)?.where_(0, g)? } else { g.clone() };
    if max < f64::INFINITY { y.ge(max)?.where_(0, above) } else { Ok(above) }
}

/// Integers held between the whole numbers within the bounds, which may be beyond their type.
#[track_caller]
fn clamp_integers(x: &Tensor, min: f64, max: f64) -> Result<Tensor> {
    let (least, greatest) = x.dtype().integer_range().unwrap_or((i64::MIN, i64::MAX));
    let [min, max] = [min.ceil(), max.floor()].map(|bound| (bound as i64).clamp(least, greatest));
    x.maximum(min)?.minimum(max)
}

activations! {
    /// The rectifier: `x` above zero, zero elsewhere. The gradient at zero is zero.
    Relu {}, relu, keeps OUTPUTS, kernel Activation::Relu, recorded |y, g| y.gt(0)?.where_(g, 0)?,
    samples [Relu {}], reference |x| x.max(0.0);

    /// `x` above zero, `slope · x` elsewhere.
    LeakyRelu {
        /// The slope below zero.
        slope
    }, leaky_relu, keeps INPUTS, kernel Activation::LeakyRelu { slope },
    composed |x| x.gt(0)?.where_(x, x.mul(slope)?)?,
    samples [LeakyRelu { slope: 0.01 }, LeakyRelu { slope: -0.5 }], reference |x| if x > 0.0 { x } else { slope * x };

    /// The exponential linear unit: `x` above zero, `alpha · (eˣ - 1)` elsewhere (Clevert et al. 2016).
    Elu {
        /// How far it goes below zero.
        alpha
    }, elu, keeps INPUTS, kernel Activation::Elu { alpha, scale: 1.0, rate: 1.0 },
    composed |x| x.gt(0)?.where_(x, x.minimum(0)?.exp_m1()?.mul(alpha)?)?,
    samples [Elu { alpha: 1.0 }, Elu { alpha: 0.4 }], reference |x| if x > 0.0 { x } else { alpha * (x.exp() - 1.0) };

    /// As [`Elu`] with a continuous derivative: `alpha · (e^(x / alpha) - 1)` below zero (Barron 2017).
    Celu {
        /// How far it goes below zero, not zero.
        alpha
    }, celu, keeps INPUTS, needs alpha != 0.0, "alpha must not be zero",
    kernel Activation::Elu { alpha, scale: 1.0, rate: 1.0 / alpha },
    composed |x| x.gt(0)?.where_(x, x.minimum(0)?.div(alpha)?.exp_m1()?.mul(alpha)?)?,
    samples [Celu { alpha: 1.0 }, Celu { alpha: 0.4 }],
    reference |x| if x > 0.0 { x } else { alpha * ((x / alpha).exp() - 1.0) };

    /// [`Elu`] scaled so that activations keep mean zero and variance one (Klambauer et al. 2017).
    Selu {}, selu, keeps INPUTS, kernel Activation::Elu { alpha: SELU_ALPHA, scale: SELU_SCALE, rate: 1.0 },
    composed |x| x.gt(0)?.where_(x, x.minimum(0)?.exp_m1()?.mul(SELU_ALPHA)?)?.mul(SELU_SCALE)?,
    samples [Selu {}], reference |x| SELU_SCALE * if x > 0.0 { x } else { SELU_ALPHA * (x.exp() - 1.0) };

    /// `x · Φ(x)`, with the distribution function of the standard normal (Hendrycks and Gimpel 2016).
    Gelu {}, gelu, keeps INPUTS, kernel Activation::Gelu,
    composed |x| x.mul(x.mul(-FRAC_1_SQRT_2)?.erfc()?)?.mul(0.5)?,
    samples [Gelu {}], reference |x| 0.5 * x * (1.0 + erf_by_series(x / SQRT_2));

    /// [`Gelu`] approximated by a hyperbolic tangent: `x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh {}, gelu_tanh, keeps INPUTS, kernel Activation::GeluTanh,
    composed |x| {
        let cubic = x.pow(3)?.mul(0.044715)?.add(x)?;
        x.mul(0.5)?.mul(cubic.mul(FRAC_2_SQRT_PI * FRAC_1_SQRT_2)?.tanh()?.add(1)?)?
    },
    samples [GeluTanh {}],
    reference |x| 0.5 * x * (1.0 + (FRAC_2_SQRT_PI / SQRT_2 * (x + 0.044715 * x * x * x)).tanh());

    /// `x · sigmoid(x)`, also known as swish (Ramachandran et al. 2017).
    Silu {}, silu, keeps INPUTS, kernel Activation::Silu, composed |x| x.mul(x.sigmoid()?)?,
    samples [Silu {}], reference |x| x / (1.0 + (-x).exp());

    /// `x · tanh(ln(1 + eˣ))` (Misra 2019).
    Mish {}, mish, keeps INPUTS, kernel Activation::Mish, composed |x| x.mul(x.softplus(1.0, 20.0)?.tanh()?)?,
    samples [Mish {}], reference |x| x * x.exp().ln_1p().tanh();

    /// `x / (1 + |x|)`.
    Softsign {}, softsign, keeps INPUTS, kernel Activation::Softsign, composed |x| x.div(x.abs()?.add(1)?)?,
    samples [Softsign {}], reference |x| x / (1.0 + x.abs());

    /// `x` moved toward zero by `lambda`, zero where it would cross.
    Softshrink {
        /// How far, not negative.
        lambda
    }, softshrink, keeps INPUTS, needs lambda >= 0.0, "lambda must not be negative",
    kernel Activation::Softshrink { lambda },
    composed |x| x.gt(lambda)?.where_(x.sub(lambda)?, x.lt(-lambda)?.where_(x.add(lambda)?, 0)?)?,
    samples [Softshrink { lambda: 0.5 }, Softshrink { lambda: 1.75 }],
    reference |x| x.signum() * (x.abs() - lambda).max(0.0);

    /// `x` where it is farther than `lambda` from zero, zero elsewhere.
    Hardshrink {
        /// The least magnitude that is kept.
        lambda
    }, hardshrink, keeps INPUTS, kernel Activation::Hardshrink { lambda },
    composed |x| x.gt(lambda)?.logical_or(x.lt(-lambda)?)?.where_(x, 0)?,
    samples [Hardshrink { lambda: 0.5 }, Hardshrink { lambda: 1.75 }],
    reference |x| if x > lambda || x < -lambda { x } else { 0.0 };

    /// `x` held between `min` and `max`. The gradient at the bounds is zero.
    Hardtanh {
        /// The least value.
        min,
        /// The greatest value.
        max
    }, hardtanh, keeps OUTPUTS, needs min <= max, "min must not be above max", kernel Activation::Hardtanh { min, max },
    recorded |y, g| between(y, min, max, g)?,
    samples [Hardtanh { min: -1.0, max: 1.0 }, Hardtanh { min: 0.0, max: 6.0 }], reference |x| x.clamp(min, max);

    /// `x` held between `min` and `max`, either of which may be infinite; `max` where they cross. The gradient at the bounds
    /// is zero; an infinite bound is none. Integers stay what they are, between the whole numbers within the bounds.
    Clamp {
        /// The least value.
        min,
        /// The greatest value.
        max
    }, clamp, keeps OUTPUTS, kernel Activation::Hardtanh { min, max },
    recorded |y, g| between(y, min, max, g)?,
    samples [Clamp { min: -1.0, max: 2.0 }, Clamp { min: f64::NEG_INFINITY, max: 0.5 }, Clamp { min: 1.0, max: -1.0 }],
    reference |x| x.max(min).min(max);

    /// Zero below -3, one above 3, a straight line between.
    Hardsigmoid {}, hardsigmoid, keeps INPUTS, kernel Activation::Hardsigmoid,
    composed |x| x.add(3)?.hardtanh(0.0, 6.0)?.div(6)?,
    samples [Hardsigmoid {}], reference |x| (x / 6.0 + 0.5).clamp(0.0, 1.0);

    /// `x · hardsigmoid(x)` (Howard et al. 2019).
    Hardswish {}, hardswish, keeps INPUTS, kernel Activation::Hardswish, composed |x| x.mul(x.hardsigmoid()?)?,
    samples [Hardswish {}], reference |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0);

    /// `x` above `threshold`, `value` elsewhere.
    Threshold {
        /// What `x` must exceed.
        threshold,
        /// What it is replaced by.
        value
    }, threshold, keeps INPUTS, kernel Activation::Threshold { threshold, value },
    composed |x| x.gt(threshold)?.where_(x, value)?,
    samples [Threshold { threshold: 0.25, value: -2.0 }], reference |x| if x > threshold { x } else { value };

    /// `x - tanh(x)`.
    Tanhshrink {}, tanhshrink, keeps INPUTS, kernel Activation::Tanhshrink, composed |x| x.sub(x.tanh()?)?,
    samples [Tanhshrink {}], reference |x| x - x.tanh();

    /// `ln(1 + e^(beta · x)) / beta`, and `x` itself where `beta · x` is above `threshold`.
    Softplus {
        /// How sharp the bend is, not zero.
        beta,
        /// Where it is a straight line.
        threshold
    }, softplus, keeps INPUTS, needs beta != 0.0, "beta must not be zero", kernel Activation::Softplus { beta, threshold },
    recorded |x, g| {
        let scaled = x.mul(beta)?;
        scaled.gt(threshold)?.where_(g, g.mul(scaled.sigmoid()?)?)?
    },
    samples [Softplus { beta: 1.0, threshold: 20.0 }, Softplus { beta: 2.5, threshold: 4.0 }],
    reference |x| if beta * x > threshold { x } else { (beta * x).exp().ln_1p() / beta };

    /// The logistic function `1 / (1 + e⁻ˣ)`.
    Sigmoid {}, sigmoid, keeps OUTPUTS, kernel Activation::Sigmoid, recorded |y, g| g.mul(y.sub(y.square()?)?)?,
    samples [Sigmoid {}], reference |x| 1.0 / (1.0 + (-x).exp());

    /// The logarithm of the logistic function, `-ln(1 + e⁻ˣ)`.
    LogSigmoid {}, log_sigmoid, keeps INPUTS, kernel Activation::LogSigmoid,
    recorded |x, g| g.mul(x.neg()?.sigmoid()?)?,
    samples [LogSigmoid {}], reference |x| -(-x).exp().ln_1p();

    /// The hyperbolic tangent.
    Tanh {}, tanh, keeps OUTPUTS, kernel Activation::Tanh, recorded |y, g| g.mul(y.square()?.neg()?.add(1)?)?,
    samples [Tanh {}], reference |x| x.tanh();
}

impl Tensor {
    /// [`Hardtanh`] between 0 and 6.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn relu6(&self) -> Result<Tensor> {
        self.hardtanh(0.0, 6.0)
    }

    /// [`Clamp`] from below.
    ///
    /// # Errors
    /// A bound that is NaN.
    #[track_caller]
    pub fn clamp_min(&self, min: f64) -> Result<Tensor> {
        self.clamp(min, f64::INFINITY)
    }

    /// [`Clamp`] from above.
    ///
    /// # Errors
    /// A bound that is NaN.
    #[track_caller]
    pub fn clamp_max(&self, max: f64) -> Result<Tensor> {
        self.clamp(f64::NEG_INFINITY, max)
    }

    /// `x` above zero, `weight · x` elsewhere, with one weight for all or one for each channel (axis 1, or the only axis)
    /// (He et al. 2015).
    ///
    /// # Errors
    /// A weight that is neither a single number nor as long as the channels.
    #[track_caller]
    pub fn prelu(&self, weight: &Tensor) -> Result<Tensor> {
        let at = Location::caller();
        let channels = if self.rank() > 1 { self.shape()[1] } else { self.shape().first().copied().unwrap_or(1) };
        if weight.rank() > 1 || ![1, channels].contains(&weight.numel()) {
            let (weight, shape) = (weight.shape(), self.shape());
            let message = format!("the weight {weight} is neither one number nor one for each channel of {shape}");
            return Err(Error::shape(message).op("prelu").at(at));
        }
        let mut sizes = [1].repeat(self.rank().saturating_sub(1).max(1));
        sizes[0] = weight.numel();
        let weight = if self.rank() == 0 { weight.reshape(Shape::SCALAR)? } else { weight.reshape(sizes)? };
        self.gt(0)?.where_(self, self.mul(weight)?)
    }

    /// The gated linear unit: the first half of the axis times the logistic function of the second (Dauphin et al. 2017).
    ///
    /// # Errors
    /// An axis of odd size.
    #[track_caller]
    pub fn glu(&self, axis: isize) -> Result<Tensor> {
        composed("glu", || {
            let size = self.size(axis)?;
            if size % 2 == 1 {
                let message = format!("axis {axis} of {} has the odd size {size}: it cannot be halved", self.shape());
                return Err(Error::shape(message));
            }
            self.narrow(axis, 0, size / 2)?.mul(self.narrow(axis, size / 2, size / 2)?.sigmoid()?)
        })
    }
}
