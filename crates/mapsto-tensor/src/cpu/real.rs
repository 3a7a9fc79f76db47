//! The two float types that kernels compute in, with the functions that their inner loops need.

use crate::cpu::gemm::GemmElement;
use crate::cpu::math;
use crate::dtype::Element;
use pulp::Simd;
use std::ops::{Div, Mul, Neg, Sub};

/// `f32` or `f64`. Call the functions inside [`simd!`](crate::cpu::isa::simd) loops.
pub(crate) trait Real:
    Element + GemmElement + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    const ZERO: Self;
    const ONE: Self;
    const INFINITY: Self;
    fn exp<S: Simd>(self) -> Self;
    fn ln<S: Simd>(self) -> Self;
    fn tanh<S: Simd>(self) -> Self;
    /// `1 / (1 + e^-x)`.
    fn sigmoid<S: Simd>(self) -> Self;
}

macro_rules! real {
    ($ty:ty, $simd:ident: $($name:ident => $f:expr),*) => {
        impl Real for $ty {
            const ZERO: $ty = 0.0;
            const ONE: $ty = 1.0;
            const INFINITY: $ty = <$ty>::INFINITY;
            $(#[inline(always)]
            fn $name<$simd: Simd>(self) -> $ty {
                $f(self)
            })*
        }
    };
}

real!(f32, S: exp => math::exp::<S>, ln => math::ln::<S>, tanh => math::tanh::<S>, sigmoid => math::sigmoid::<S>);
real!(f64, S: exp => f64::exp, ln => f64::ln, tanh => f64::tanh, sigmoid => math::sigmoid64);
