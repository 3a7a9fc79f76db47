//! The two float types that kernels compute in, as one.

use crate::cpu::isa::{fma32, fma64};
use crate::dtype::Element;
use pulp::Simd;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// `f32` or `f64`.
pub(crate) trait Real:
    Element + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + AddAssign
{
    /// Zero.
    const ZERO: Self;
    /// Less than every other number.
    const LEAST: Self;
    /// `self * b + c`, fused where the instruction set fuses it in one instruction.
    fn fma<S: Simd>(self, b: Self, c: Self) -> Self;
}

macro_rules! real {
    ($($ty:ident by $fma:ident),*) => {$(
        impl Real for $ty {
            const ZERO: $ty = 0.0;
            const LEAST: $ty = $ty::NEG_INFINITY;
            #[inline(always)]
            fn fma<S: Simd>(self, b: $ty, c: $ty) -> $ty {
                $fma::<S>(self, b, c)
            }
        }
    )*};
}
real!(f32 by fma32, f64 by fma64);

/// Independent accumulators of a sum along a row.
pub(crate) const LANES: usize = 32;

/// Accumulators side by side.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<T>(pub [T; LANES]);

impl<T: Real> Lanes<T> {
    /// Nothing yet.
    pub const ZERO: Lanes<T> = Lanes([T::ZERO; LANES]);

    /// Their sum, pairwise.
    #[inline(always)]
    pub fn sum(mut self) -> T {
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                self.0[i] = self.0[i] + self.0[i + width];
            }
            width /= 2;
        }
        self.0[0]
    }
}
