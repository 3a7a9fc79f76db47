//! Floats of either precision, so that a kernel is written once; and kernels that apply a function of one float.

use crate::cpu::gemm::GemmElement;
use crate::cpu::isa::simd;
use crate::cpu::strided::GRAIN;
use crate::cpu::threads::parallel_chunks_mut;
use crate::cpu::{math, power};
use crate::dtype::Element;
use crate::error::Result;
use crate::tensor::{Tensor, Writing};
use pulp::Simd;
use std::ops::{Div, Mul, Neg, Sub};

/// A constant in either precision.
#[inline(always)]
pub(crate) fn c<T: Real>(x: f64) -> T {
    T::from_f64(x)
}

/// Declares [`Real`]: a function in single precision, generic over the instruction set `S`, and in double.
macro_rules! reals {
    ($($name:ident: |$x:ident| $single:expr, |$y:ident| $double:expr;)*) => {
        /// A float and its elementary functions.
        pub(crate) trait Real:
            Element + GemmElement + Neg<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
        {
            const ZERO: Self;
            const ONE: Self;
            const INFINITY: Self;
            $(fn $name<S: Simd>(self) -> Self;)*
            /// The magnitude of this with the sign of another.
            fn signed<S: Simd>(self, sign: Self) -> Self;
            /// The sine, the cosine and the tangent of every element.
            const TRIGONOMETRIC: [fn(&[Self], &mut [Self]); 3];
        }

        impl Real for f32 {
            const ZERO: f32 = 0.0;
            const ONE: f32 = 1.0;
            const INFINITY: f32 = f32::INFINITY;
            $(#[inline(always)]
            fn $name<S: Simd>(self) -> f32 {
                let $x = self;
                $single
            })*
            #[inline(always)]
            fn signed<S: Simd>(self, sign: f32) -> f32 {
                self.copysign(sign)
            }
            const TRIGONOMETRIC: [fn(&[f32], &mut [f32]); 3] = [math::sin_slice, math::cos_slice, math::tan_slice];
        }

        impl Real for f64 {
            const ZERO: f64 = 0.0;
            const ONE: f64 = 1.0;
            const INFINITY: f64 = f64::INFINITY;
            $(#[inline(always)]
            fn $name<S: Simd>(self) -> f64 {
                let $y = self;
                $double
            })*
            #[inline(always)]
            fn signed<S: Simd>(self, sign: f64) -> f64 {
                self.copysign(sign)
            }
            const TRIGONOMETRIC: [fn(&[f64], &mut [f64]); 3] = [
                |x, y| x.iter().zip(y).for_each(|(x, y)| *y = x.sin()),
                |x, y| x.iter().zip(y).for_each(|(x, y)| *y = x.cos()),
                |x, y| x.iter().zip(y).for_each(|(x, y)| *y = x.tan()),
            ];
        }
    };
}

reals! {
    abs: |x| f32::abs(x), |x| f64::abs(x);
    sqrt: |x| f32::sqrt(x), |x| f64::sqrt(x);
    floor: |x| f32::floor(x), |x| f64::floor(x);
    ceil: |x| f32::ceil(x), |x| f64::ceil(x);
    round: |x| f32::round_ties_even(x), |x| f64::round_ties_even(x);
    trunc: |x| f32::trunc(x), |x| f64::trunc(x);
    exp: |x| math::exp::<S>(x), |x| f64::exp(x);
    exp_m1: |x| math::exp_m1::<S>(x), |x| f64::exp_m1(x);
    exp2: |x| power::exp2::<S>(x), |x| f64::exp2(x);
    ln: |x| math::ln::<S>(x), |x| f64::ln(x);
    ln_1p: |x| math::ln_1p::<S>(x), |x| f64::ln_1p(x);
    log2: |x| math::log2::<S>(x), |x| f64::log2(x);
    log10: |x| math::log10::<S>(x), |x| f64::log10(x);
    asin: |x| power::asin::<S>(x), |x| f64::asin(x);
    acos: |x| power::acos::<S>(x), |x| f64::acos(x);
    atan: |x| power::atan::<S>(x), |x| f64::atan(x);
    sinh: |x| power::sinh::<S>(x), |x| f64::sinh(x);
    cosh: |x| power::cosh::<S>(x), |x| f64::cosh(x);
    asinh: |x| power::asinh::<S>(x), |x| f64::asinh(x);
    acosh: |x| power::acosh::<S>(x), |x| f64::acosh(x);
    atanh: |x| power::atanh::<S>(x), |x| f64::atanh(x);
    tanh: |x| math::tanh::<S>(x), |x| f64::tanh(x);
    sigmoid: |x| math::sigmoid::<S>(x), |x| math::sigmoid64(x);
    softplus: |x| math::softplus::<S>(x), |x| math::softplus64(x);
    silu: |x| math::silu::<S>(x), |x| math::silu64(x);
    silu_grad: |x| math::silu_grad::<S>(x), |x| math::silu_grad64(x);
    gelu: |x| math::gelu::<S>(x), |x| math::gelu64(x);
    gelu_grad: |x| math::gelu_grad::<S>(x), |x| math::gelu_grad64(x);
    gelu_tanh: |x| math::gelu_tanh::<S>(x), |x| math::gelu_tanh64(x);
    gelu_tanh_grad: |x| math::gelu_tanh_grad::<S>(x), |x| math::gelu_tanh_grad64(x);
    erf: |x| math::erf::<S>(x), |x| math::erf64(x);
    erfc: |x| math::erfc::<S>(x), |x| math::erfc64(x);
}

/// A function of one float.
pub(crate) trait Function: Copy + Sync {
    /// Its value at `x`.
    fn value<S: Simd, T: Real>(self, x: T) -> T;
}

/// A function of one float with its gradient.
pub(crate) trait Curve: Function {
    /// The gradient `g f'(x)`, from what the operation keeps: `x`, or for some functions `f(x)`.
    fn gradient<S: Simd, T: Real>(self, kept: T, g: T) -> T;
}

simd! {
    fn values<S, T: Real, F: Function>(simd: S, f: F, x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = f.value::<S, T>(x);
        }
    }
}

simd! {
    fn gradients<S, T: Real, F: Curve>(simd: S, f: F, kept: &[T], g: &[T], out: &mut [T]) {
        for ((out, &kept), &g) in out.iter_mut().zip(kept).zip(g) {
            *out = f.gradient::<S, T>(kept, g);
        }
    }
}

/// A new tensor of `f` of every element of a row-major one.
pub(crate) fn map<T: Real, F: Function>(f: F, x: &Tensor) -> Result<Tensor> {
    map_slices::<T>(x, |x, y| values::<T, F>(f, x, y))
}

/// A new tensor of `f` of slices of a row-major one.
pub(crate) fn map_slices<T: Real>(x: &Tensor, f: impl Fn(&[T], &mut [T]) + Sync) -> Result<Tensor> {
    let mut out = Writing::<T>::new(*x.shape())?;
    let x = x.as_slice::<T>().unwrap_or_default();
    chunks(out.as_mut(), |start, y| f(&x[start..start + y.len()], y));
    Ok(out.finish())
}

/// A new tensor of gradients of a curve, both tensors row-major and of one shape.
pub(crate) fn map_gradients<T: Real, F: Curve>(f: F, kept: &Tensor, g: &Tensor) -> Result<Tensor> {
    let mut out = Writing::<T>::new(*kept.shape())?;
    let (kept, g) = (kept.as_slice::<T>().unwrap_or_default(), g.as_slice::<T>().unwrap_or_default());
    chunks(out.as_mut(), |start, out| {
        let range = start..start + out.len();
        gradients::<T, F>(f, &kept[range.clone()], &g[range], out);
    });
    Ok(out.finish())
}

/// Calls `f` with the start of each of `out`'s chunks and the chunk, on all threads.
pub(crate) fn chunks<T: Send>(out: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    parallel_chunks_mut(out, GRAIN, |index, chunk| f(index * GRAIN, chunk));
}
