//! Functions of one number, element by element.

use crate::backend::Unary;
use crate::error::Result;
use crate::op::{
    Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_float, expect_inputs,
};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};

/// Declares an operation of one number: its struct, its method, its gradient from `g` (the output's gradient) and `cx`,
/// the interval its samples come from, and a reference. `floats` take integers as `f32`; `numbers` keep them; `whole` gives
/// them back.
macro_rules! unary_ops {
    ($($(#[$doc:meta])* $name:ident, $method:ident, $takes:ident, keeps $keeps:ident,
       vjp |$cx:ident, $g:ident| $vjp:expr, on $domain:expr, reference |$x:ident| $reference:expr;)*) => {
        $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                expect_inputs(inputs, 1)?;
                unary_ops!(@check $takes, inputs);
                Ok(smallvec![inputs[0]])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                Ok(smallvec![inputs[0].backend().unary(Unary::$name, inputs[0])?])
            }

            fn keeps(&self) -> Keeps {
                Keeps::$keeps
            }

            fn vjp(&self, $cx: &Backward<'_>) -> Result<Cotangents> {
                let $g = $cx.grad(0)?;
                Ok(smallvec![Some($vjp)])
            }
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                unary_cases($name, $domain)
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                vec![inputs[0].map(|$x| $reference)]
            }

            fn arbitrary(_: &mut Gen) -> Self {
                $name
            }
        }

        impl Tensor {
            $(#[$doc])*
            ///
            /// # Errors
            /// A type that the operation does not take; a refusal of memory.
            #[track_caller]
            pub fn $method(&self) -> Result<Tensor> {
                unary_ops!(@apply $takes, self, $name)
            }
        }
        )*

        /// These operations, for the registry.
        pub(super) fn entries() -> Vec<Entry> {
            vec![$(Entry::of::<$name>()),*]
        }
    };
    (@check floats, $inputs:ident) => { expect_float($inputs)? };
    (@check whole, $inputs:ident) => { expect_float($inputs)? };
    (@check numbers, $inputs:ident) => { super::expect_numbers($inputs)? };
    (@apply floats, $x:ident, $name:ident) => {
        if $x.dtype().is_float() { apply_one($name, &[$x]) } else { apply_one($name, &[&$x.to_dtype($x.dtype().to_float())?]) }
    };
    (@apply whole, $x:ident, $name:ident) => { if $x.dtype().is_float() { apply_one($name, &[$x]) } else { Ok($x.clone()) } };
    (@apply numbers, $x:ident, $name:ident) => { apply_one($name, &[$x]) };
}

/// Awkward shapes filled from `(low, high)`.
pub(super) fn unary_cases<O: Registered + Copy>(op: O, (low, high): (f64, f64)) -> Vec<Case> {
    let shapes: [&[usize]; 6] = [&[], &[1], &[7], &[3, 1, 5], &[0, 4], &[2, 3, 37]];
    shapes.iter().enumerate().map(|(i, sizes)| Case::new(op, [Gen::new(i as u64).tensor(sizes, low, high)])).collect()
}

unary_ops! {
    /// `-x`. Integers wrap. Any shape.
    Neg, neg, numbers, keeps NOTHING, vjp |cx, g| g.neg()?, on (-3.0, 3.0), reference |x| -x;

    /// `|x|`. The gradient at zero is zero.
    Abs, abs, numbers, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.sign()?)?, on (0.2, 3.0), reference |x| x.abs();

    /// The sign: -1, 0 or 1; NaN of NaN. Its gradient is zero.
    Sign, sign, numbers, keeps NOTHING, vjp |cx, g| g.zeros_like()?, on (0.2, 3.0),
    reference |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x };

    /// `x²`. Integers wrap.
    Square, square, numbers, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.mul(2)?)?, on (-3.0, 3.0), reference |x| x * x;

    /// `eˣ`.
    Exp, exp, floats, keeps OUTPUTS, vjp |cx, g| g.mul(cx.output(0)?)?, on (-3.0, 3.0), reference |x| x.exp();

    /// The natural logarithm; -inf of zero, NaN of negative numbers.
    Ln, ln, floats, keeps INPUTS, vjp |cx, g| g.div(cx.input(0)?)?, on (0.2, 4.0), reference |x| x.ln();

    /// The square root; NaN of negative numbers.
    Sqrt, sqrt, floats, keeps OUTPUTS, vjp |cx, g| g.div(cx.output(0)?.mul(2)?)?, on (0.2, 4.0), reference |x| x.sqrt();

    /// `1 / √x`; +inf of zero, NaN of negative numbers.
    Rsqrt, rsqrt, floats, keeps OUTPUTS,
    vjp |cx, g| {
        let y = cx.output(0)?;
        g.mul(y.square()?.mul(&y)?.mul(-0.5)?)?
    },
    on (0.2, 4.0), reference |x| 1.0 / x.sqrt();

    /// `1 / x`.
    Reciprocal, reciprocal, floats, keeps OUTPUTS, vjp |cx, g| g.mul(cx.output(0)?.square()?.neg()?)?,
    on (0.3, 3.0), reference |x| 1.0 / x;

    /// `eˣ - 1`, exact for small `x` too.
    ExpM1, exp_m1, floats, keeps OUTPUTS, vjp |cx, g| g.mul(cx.output(0)?.add(1)?)?,
    on (-3.0, 3.0), reference |x| x.exp_m1();

    /// `2ˣ`.
    Exp2, exp2, floats, keeps OUTPUTS, vjp |cx, g| g.mul(cx.output(0)?.mul(LN_2)?)?,
    on (-3.0, 3.0), reference |x| x.exp2();

    /// `ln(1 + x)`, exact for small `x` too; -inf of -1, NaN below.
    Ln1p, ln_1p, floats, keeps INPUTS, vjp |cx, g| g.div(cx.input(0)?.add(1)?)?,
    on (-0.8, 4.0), reference |x| x.ln_1p();

    /// The logarithm to base 2; -inf of zero, NaN of negative numbers.
    Log2, log2, floats, keeps INPUTS, vjp |cx, g| g.div(cx.input(0)?.mul(LN_2)?)?,
    on (0.2, 4.0), reference |x| x.log2();

    /// The logarithm to base 10; -inf of zero, NaN of negative numbers.
    Log10, log10, floats, keeps INPUTS, vjp |cx, g| g.div(cx.input(0)?.mul(LN_10)?)?,
    on (0.2, 4.0), reference |x| x.log10();

    /// The sine of an angle in radians, accurate however great; NaN of infinities.
    Sin, sin, floats, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.cos()?)?, on (-9.0, 9.0), reference |x| x.sin();

    /// The cosine of an angle in radians, accurate however great; NaN of infinities.
    Cos, cos, floats, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.sin()?.neg()?)?,
    on (-9.0, 9.0), reference |x| x.cos();

    /// The tangent of an angle in radians, accurate however great; NaN of infinities.
    Tan, tan, floats, keeps OUTPUTS, vjp |cx, g| g.mul(cx.output(0)?.square()?.add(1)?)?,
    on (-1.1, 1.1), reference |x| x.tan();

    /// The arc sine, between -π/2 and π/2; NaN outside [-1, 1].
    Asin, asin, floats, keeps INPUTS, vjp |cx, g| g.mul(one_minus_square(&cx.input(0)?)?.rsqrt()?)?,
    on (-0.9, 0.9), reference |x| x.asin();

    /// The arc cosine, between 0 and π; NaN outside [-1, 1].
    Acos, acos, floats, keeps INPUTS, vjp |cx, g| g.mul(one_minus_square(&cx.input(0)?)?.rsqrt()?.neg()?)?,
    on (-0.9, 0.9), reference |x| x.acos();

    /// The arc tangent, between -π/2 and π/2.
    Atan, atan, floats, keeps INPUTS, vjp |cx, g| g.div(cx.input(0)?.square()?.add(1)?)?,
    on (-4.0, 4.0), reference |x| x.atan();

    /// The hyperbolic sine.
    Sinh, sinh, floats, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.cosh()?)?, on (-3.0, 3.0), reference |x| x.sinh();

    /// The hyperbolic cosine.
    Cosh, cosh, floats, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.sinh()?)?, on (-3.0, 3.0), reference |x| x.cosh();

    /// The inverse of the hyperbolic sine.
    Asinh, asinh, floats, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.square()?.add(1)?.rsqrt()?)?,
    on (-4.0, 4.0), reference |x| x.asinh();

    /// The inverse of the hyperbolic cosine; NaN below 1.
    Acosh, acosh, floats, keeps INPUTS, vjp |cx, g| g.mul(one_minus_square(&cx.input(0)?)?.neg()?.rsqrt()?)?,
    on (1.3, 5.0), reference |x| x.acosh();

    /// The inverse of the hyperbolic tangent; infinite at -1 and 1, NaN beyond.
    Atanh, atanh, floats, keeps INPUTS, vjp |cx, g| g.div(one_minus_square(&cx.input(0)?)?)?,
    on (-0.8, 0.8), reference |x| x.atanh();

    /// The error function `2/√π ∫₀ˣ e^(-t²) dt`.
    Erf, erf, floats, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.square()?.neg()?.exp()?.mul(FRAC_2_SQRT_PI)?)?,
    on (-3.0, 3.0), reference |x| erf_by_series(x);

    /// The complementary error function `1 - erf(x)`, exact in its tail too.
    Erfc, erfc, floats, keeps INPUTS, vjp |cx, g| g.mul(cx.input(0)?.square()?.neg()?.exp()?.mul(-FRAC_2_SQRT_PI)?)?,
    on (-3.0, 3.0), reference |x| 1.0 - erf_by_series(x);

    /// The greatest integer that is not above `x`. Integers stay as they are. The gradient is zero.
    Floor, floor, whole, keeps NOTHING, vjp |cx, g| g.zeros_like()?, on (-3.0, 3.0), reference |x| x.floor();

    /// The least integer that is not below `x`. Integers stay as they are. The gradient is zero.
    Ceil, ceil, whole, keeps NOTHING, vjp |cx, g| g.zeros_like()?, on (-3.0, 3.0), reference |x| x.ceil();

    /// The nearest integer, halves to the even one. Integers stay as they are. The gradient is zero.
    Round, round, whole, keeps NOTHING, vjp |cx, g| g.zeros_like()?, on (-3.0, 3.0), reference |x| x.round();

    /// The integer part. Integers stay as they are. The gradient is zero.
    Trunc, trunc, whole, keeps NOTHING, vjp |cx, g| g.zeros_like()?, on (-3.0, 3.0), reference |x| x.trunc();
}

impl Tensor {
    /// What [`trunc`](Tensor::trunc) leaves, with the sign of `x`.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn fract(&self) -> Result<Tensor> {
        composed("fract", || self.sub(self.trunc()?))
    }
}

/// `1 - x²`.
fn one_minus_square(x: &Tensor) -> Result<Tensor> {
    x.square()?.neg()?.add(1)
}

/// The error function by a series of positive terms (Abramowitz and Stegun, 7.1.6), for references.
pub(super) fn erf_by_series(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..400 {
        term *= 2.0 * x * x / (2 * n + 1) as f64;
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}
