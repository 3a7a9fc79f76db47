//! Functions of one number, element by element.

use crate::backend::Unary;
use crate::error::Result;
use crate::op::{Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// Declares an operation of one number: its struct, its method, its gradient from `g` (the output's gradient) and `cx`,
/// the interval its samples come from, and a reference. `floats` take integers as `f32`; `numbers` keep them.
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
    (@check numbers, $inputs:ident) => { super::expect_numbers($inputs)? };
    (@apply floats, $x:ident, $name:ident) => {
        if $x.dtype().is_float() { apply_one($name, &[$x]) } else { apply_one($name, &[&$x.to_dtype($x.dtype().to_float())?]) }
    };
    (@apply numbers, $x:ident, $name:ident) => { apply_one($name, &[$x]) };
}

/// Awkward shapes filled from `(low, high)`.
fn unary_cases<O: Registered + Copy>(op: O, (low, high): (f64, f64)) -> Vec<Case> {
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

    /// The hyperbolic tangent.
    Tanh, tanh, floats, keeps OUTPUTS,
    vjp |cx, g| g.mul(cx.output(0)?.square()?.neg()?.add(1)?)?, on (-3.0, 3.0), reference |x| x.tanh();
}
