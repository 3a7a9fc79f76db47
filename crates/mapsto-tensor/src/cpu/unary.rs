//! Functions of one float without settings.

use crate::backend::Unary;
use crate::cpu::real::{Function, Real, c, map, map_slices};
use crate::error::Result;
use crate::tensor::Tensor;
use pulp::Simd;

/// Declares the functions, once for both precisions, and chooses among them.
macro_rules! functions {
    ($($name:ident: |$x:ident| $f:expr;)*) => {
        $(#[derive(Clone, Copy)]
        struct $name;
        impl Function for $name {
            #[inline(always)]
            fn value<S: Simd, T: Real>(self, $x: T) -> T {
                $f
            }
        })*

        /// `f` of every element of a row-major tensor of `T`.
        pub(super) fn unary<T: Real>(f: Unary, x: &Tensor) -> Result<Tensor> {
            let [sin, cos, tan] = T::TRIGONOMETRIC;
            match f {
                $(Unary::$name => map::<T, _>($name, x),)*
                Unary::Sin => map_slices(x, sin),
                Unary::Cos => map_slices(x, cos),
                Unary::Tan => map_slices(x, tan),
            }
        }
    };
}

functions! {
    Neg: |x| -x;
    Abs: |x| x.abs::<S>();
    Sign: |x| if x > c(0.0) || x < c(0.0) { c::<T>(1.0).signed::<S>(x) } else { x };
    Square: |x| x * x;
    Cube: |x| x * x * x;
    Exp: |x| x.exp::<S>();
    ExpM1: |x| x.exp_m1::<S>();
    Exp2: |x| x.exp2::<S>();
    Ln: |x| x.ln::<S>();
    Ln1p: |x| x.ln_1p::<S>();
    Log2: |x| x.log2::<S>();
    Log10: |x| x.log10::<S>();
    Sqrt: |x| x.sqrt::<S>();
    Rsqrt: |x| c::<T>(1.0) / x.sqrt::<S>();
    Reciprocal: |x| c::<T>(1.0) / x;
    Asin: |x| x.asin::<S>();
    Acos: |x| x.acos::<S>();
    Atan: |x| x.atan::<S>();
    Sinh: |x| x.sinh::<S>();
    Cosh: |x| x.cosh::<S>();
    Asinh: |x| x.asinh::<S>();
    Acosh: |x| x.acosh::<S>();
    Atanh: |x| x.atanh::<S>();
    Erf: |x| x.erf::<S>();
    Erfc: |x| x.erfc::<S>();
    Floor: |x| x.floor::<S>();
    Ceil: |x| x.ceil::<S>();
    Round: |x| x.round::<S>();
    Trunc: |x| x.trunc::<S>();
}
