//! Comparisons of two numbers, element by element, with broadcasting.

use crate::backend::Comparison;
use crate::dtype::DType;
use crate::error::Result;
use crate::op::{
    Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs, expect_same_dtype,
};
use crate::ops::binary::{Either, Operand, promoted};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// Declares a comparison: its struct, its method and its reference. The result is truth values, which have no gradient.
macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident, $kernel:ident, $method:ident, reference |$x:ident, $y:ident| $reference:expr;)*) => {
        $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                expect_inputs(inputs, 2)?;
                expect_same_dtype(inputs)?;
                Ok(smallvec![Spec::new(inputs[0].shape.broadcast(&inputs[1].shape)?, DType::Bool)])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                Ok(smallvec![inputs[0].backend().compare(Comparison::$kernel, inputs[0], inputs[1])?])
            }

            fn keeps(&self) -> Keeps {
                Keeps::NOTHING
            }

            fn vjp(&self, _cx: &Backward<'_>) -> Result<Cotangents> {
                Ok(smallvec![None, None])
            }
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                let shapes: [(&[usize], &[usize]); 4] = [(&[], &[]), (&[3, 1], &[4]), (&[0], &[1]), (&[2, 37], &[2, 37])];
                let case = |(i, (a, b)): (usize, &(&[usize], &[usize]))| {
                    let mut g = Gen::new(i as u64);
                    // Whole numbers, so that some are equal.
                    Case::new($name, [g.integers(a, 3), g.integers(b, 3)])
                };
                shapes.iter().enumerate().map(case).collect()
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                vec![inputs[0].zip(&inputs[1], |$x, $y| ($reference) as u8 as f64)]
            }

            fn arbitrary(_: &mut Gen) -> Self {
                $name
            }
        }

        impl Tensor {
            $(#[$doc])*
            ///
            /// Shapes broadcast; types are promoted ([`DType::promote`]); the result is truth values. Numbers beyond the
            /// tensor's integer type are compared as they are.
            ///
            /// # Errors
            /// Shapes that do not broadcast.
            #[track_caller]
            pub fn $method(&self, other: impl Operand) -> Result<Tensor> {
                let (a, b) = compared(self, &other).map_err(|e| e.op(stringify!($method)))?;
                apply_one($name, &[&a, &b])
            }
        }
        )*

        /// These operations, for the registry.
        pub(super) fn entries() -> Vec<Entry> {
            vec![$(Entry::of::<$name>()),*]
        }
    };
}

/// As [`promoted`]; beside a number that its integer type does not have, a tensor is widened.
#[track_caller]
fn compared(a: &Tensor, b: &impl Operand) -> Result<(Tensor, Tensor)> {
    match b.as_operand() {
        Either::Scalar(number) if number.check_fits(number.promote(a.dtype())).is_err() => {
            promoted(&a.to_dtype(DType::I64)?, b)
        }
        _ => promoted(a, b),
    }
}

comparisons! {
    /// Whether `a = b`; never for NaN.
    Equal, Eq, eq, reference |x, y| x == y;
    /// Whether `a ≠ b`; always for NaN.
    NotEqual, Ne, ne, reference |x, y| x != y;
    /// Whether `a < b`; never for NaN.
    Less, Lt, lt, reference |x, y| x < y;
    /// Whether `a ≤ b`; never for NaN.
    LessEqual, Le, le, reference |x, y| x <= y;
    /// Whether `a > b`; never for NaN.
    Greater, Gt, gt, reference |x, y| x > y;
    /// Whether `a ≥ b`; never for NaN.
    GreaterEqual, Ge, ge, reference |x, y| x >= y;
}
