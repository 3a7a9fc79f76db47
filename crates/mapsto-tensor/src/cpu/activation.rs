//! Activations and their gradients, one pass each.

use crate::backend::{Activation, ActivationKernels, ElementwiseKernels};
use crate::cpu::Cpu;
use crate::cpu::real::{Curve, Function, Real, c, map, map_gradients};
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;
use pulp::Simd;

impl ActivationKernels for Cpu {
    fn activation(&self, f: Activation, x: &Tensor) -> Result<Tensor> {
        match x.dtype() {
            DType::F32 => activation::<f32>(f, &self.contiguous(x)?),
            DType::F64 => activation::<f64>(f, &self.contiguous(x)?),
            dtype => self.cast(&self.activation(f, &self.cast(x, DType::F32)?)?, dtype),
        }
    }

    fn activation_gradient(&self, f: Activation, kept: &Tensor, g: &Tensor) -> Result<Tensor> {
        let row_major = |t: &Tensor| self.contiguous(t);
        match kept.dtype() {
            DType::F32 => gradient::<f32>(f, &row_major(kept)?, &row_major(g)?),
            DType::F64 => gradient::<f64>(f, &row_major(kept)?, &row_major(g)?),
            dtype => {
                let wide = |t: &Tensor| self.cast(t, DType::F32);
                self.cast(&self.activation_gradient(f, &wide(kept)?, &wide(g)?)?, dtype)
            }
        }
    }
}

/// Declares the curves: from their settings the value at `x`, and the gradient from what is kept and `g`.
macro_rules! curves {
    ($($name:ident { $($setting:ident),* }: |$x:ident| $value:expr, |$kept:ident, $g:ident| $gradient:expr;)*) => {
        $(#[derive(Clone, Copy)]
        struct $name {
            $($setting: f64,)*
        }
        impl Function for $name {
            #[inline(always)]
            #[allow(unused_variables)]
            fn value<S: Simd, T: Real>(self, $x: T) -> T {
                $(let $setting = T::from_f64(self.$setting);)*
                $value
            }
        }
        impl Curve for $name {
            #[inline(always)]
            #[allow(unused_variables)]
            fn gradient<S: Simd, T: Real>(self, $kept: T, $g: T) -> T {
                $(let $setting = T::from_f64(self.$setting);)*
                $gradient
            }
        })*

        fn activation<T: Real>(f: Activation, x: &Tensor) -> Result<Tensor> {
            match f {
                $(Activation::$name { $($setting),* } => map::<T, _>($name { $($setting),* }, x),)*
            }
        }

        fn gradient<T: Real>(f: Activation, kept: &Tensor, g: &Tensor) -> Result<Tensor> {
            match f {
                $(Activation::$name { $($setting),* } => map_gradients::<T, _>($name { $($setting),* }, kept, g),)*
            }
        }
    };
}

curves! {
    Relu {}: |x| if x <= c(0.0) { c(0.0) } else { x }, |y, g| if y <= c(0.0) { c(0.0) } else { g };

    LeakyRelu { slope }: |x| if x > c(0.0) { x } else { x * slope }, |x, g| if x > c(0.0) { g } else { g * slope };

    Elu { alpha, scale, rate }:
    |x| if x > c(0.0) { scale * x } else { scale * alpha * (rate * x).exp_m1::<S>() },
    |x, g| if x > c(0.0) { scale * g } else { g * (scale * alpha * rate) * (rate * x).exp::<S>() };

    Gelu {}: |x| x.gelu::<S>(), |x, g| g * x.gelu_grad::<S>();

    GeluTanh {}: |x| x.gelu_tanh::<S>(), |x, g| g * x.gelu_tanh_grad::<S>();

    Silu {}: |x| x.silu::<S>(), |x, g| g * x.silu_grad::<S>();

    Mish {}: |x| at_least::<T>(x, -800.0) * tanh_softplus::<S, T>(x),
    |x, g| {
        let t = tanh_softplus::<S, T>(x);
        g * (t + at_least::<T>(x, -800.0) * x.sigmoid::<S>() * (c::<T>(1.0) - t) * (c::<T>(1.0) + t))
    };

    Softsign {}: |x| x / (c::<T>(1.0) + x.abs::<S>()),
    |x, g| {
        let below = c::<T>(1.0) + x.abs::<S>();
        g / (below * below)
    };

    Softshrink { lambda }: |x| if x > lambda { x - lambda } else if x < -lambda { x + lambda } else { x * c(0.0) },
    |x, g| if x >= -lambda && x <= lambda { c(0.0) } else { g };

    Hardshrink { lambda }: |x| if x >= -lambda && x <= lambda { c(0.0) } else { x },
    |x, g| if x >= -lambda && x <= lambda { c(0.0) } else { g };

    Hardtanh { min, max }: |x| bounded(x, min, max),
    |y, g| {
        // An infinite bound is none: nothing is beyond NaN.
        let low = if min > -T::INFINITY { min } else { c(f64::NAN) };
        let high = if max < T::INFINITY { max } else { c(f64::NAN) };
        if y <= low || y >= high { c(0.0) } else { g }
    };

    Hardsigmoid {}: |x| bounded(x + c(3.0), c(0.0), c(6.0)) / c(6.0),
    |x, g| if x > c(-3.0) && x < c(3.0) { g / c(6.0) } else { c(0.0) };

    Hardswish {}: |x| x * bounded(x + c(3.0), c(0.0), c(6.0)) / c(6.0),
    |x, g| {
        let slope = if x >= c(3.0) { c(1.0) } else { x / c(3.0) + c(0.5) };
        g * if x <= c(-3.0) { c(0.0) } else { slope }
    };

    Threshold { threshold, value }: |x| if x <= threshold { value } else { x },
    |x, g| if x <= threshold { c(0.0) } else { g };

    Tanhshrink {}: |x| x - x.tanh::<S>(),
    |x, g| {
        let t = x.tanh::<S>();
        g * t * t
    };

    Softplus { beta, threshold }: |x| if beta * x > threshold { x } else { (beta * x).softplus::<S>() / beta },
    |x, g| if beta * x > threshold { g } else { g * (beta * x).sigmoid::<S>() };

    Sigmoid {}: |x| x.sigmoid::<S>(), |y, g| g * (c::<T>(1.0) - y) * y;

    LogSigmoid {}: |x| -(-x).softplus::<S>(), |x, g| g * (-x).sigmoid::<S>();

    Tanh {}: |x| x.tanh::<S>(), |y, g| g * (c::<T>(1.0) - y * y);
}

/// `x`, or the bound that it is beyond.
#[inline(always)]
fn bounded<T: Real>(x: T, min: T, max: T) -> T {
    let x = if x < min { min } else { x };
    if x > max { max } else { x }
}

/// `x`, or the bound that it is below: where the other factor is zero it must not meet infinity.
#[inline(always)]
fn at_least<T: Real>(x: T, min: f64) -> T {
    if x < c(min) { c(min) } else { x }
}

/// `tanh(ln(1 + e^x))` as a quotient of polynomials in `e^x`.
#[inline(always)]
fn tanh_softplus<S: Simd, T: Real>(x: T) -> T {
    // Beyond the bound it is one.
    let e = (if x > c(20.0) { c(20.0) } else { x }).exp::<S>();
    let n = e * (e + c(2.0));
    n / (n + c(2.0))
}
