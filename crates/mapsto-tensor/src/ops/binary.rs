//! Functions of two numbers, element by element, with broadcasting.

use crate::backend::Binary;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::op::{
    Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs, expect_same_dtype,
};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// What can stand beside a tensor: another tensor, or a number.
pub trait Operand {
    /// The tensor, or the number.
    fn as_operand(&self) -> Either<'_>;
}

/// A tensor or a number.
#[derive(Clone, Copy)]
pub enum Either<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// A number, which takes the other's type where it can.
    Scalar(Scalar),
}

impl Operand for Tensor {
    fn as_operand(&self) -> Either<'_> {
        Either::Tensor(self)
    }
}

impl Operand for &Tensor {
    fn as_operand(&self) -> Either<'_> {
        Either::Tensor(self)
    }
}

macro_rules! scalar_operand {
    ($($ty:ty),*) => {$(
        impl Operand for $ty {
            fn as_operand(&self) -> Either<'_> {
                Either::Scalar((*self).into())
            }
        }
    )*};
}
scalar_operand!(bool, i32, i64, u8, i8, f32, f64);

/// Both operands as tensors of the type that holds the values of both.
#[track_caller]
pub(crate) fn promoted(a: &Tensor, b: &impl Operand) -> Result<(Tensor, Tensor)> {
    let at = std::panic::Location::caller();
    match b.as_operand() {
        Either::Tensor(b) => {
            let dtype = a.dtype().promote(b.dtype());
            Ok((a.to_dtype(dtype)?, b.to_dtype(dtype)?))
        }
        Either::Scalar(b) => {
            let dtype = b.promote(a.dtype());
            Ok((a.to_dtype(dtype)?, Tensor::scalar(b, dtype).map_err(|e| e.at(at))?))
        }
    }
}

/// Declares an operation of two numbers, as `unary_ops` does of one; `cx` gives inputs, `g` is the output's gradient, and
/// the two expressions are the gradients of the two inputs.
macro_rules! binary_ops {
    ($($(#[$doc:meta])* $name:ident, $kernel:ident, $method:ident, $takes:ident, keeps $keeps:ident,
       vjp |$cx:ident, $g:ident| $da:expr, $db:expr; on $domain:expr, reference |$x:ident, $y:ident| $reference:expr;)*) => {
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
                let dtype = expect_same_dtype(inputs)?;
                binary_ops!(@check $takes, inputs);
                Ok(smallvec![Spec::new(inputs[0].shape.broadcast(&inputs[1].shape)?, dtype)])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                Ok(smallvec![inputs[0].backend().binary(Binary::$kernel, inputs[0], inputs[1])?])
            }

            fn keeps(&self) -> Keeps {
                Keeps::$keeps
            }

            fn vjp(&self, $cx: &Backward<'_>) -> Result<Cotangents> {
                let $g = $cx.grad(0)?;
                Ok(smallvec![
                    if $cx.needs(0) { Some($da) } else { None },
                    if $cx.needs(1) { Some($db) } else { None },
                ])
            }
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                binary_cases($name, $domain)
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                vec![inputs[0].zip(&inputs[1], |$x, $y| $reference)]
            }

            fn arbitrary(_: &mut Gen) -> Self {
                $name
            }
        }

        impl Tensor {
            $(#[$doc])*
            ///
            /// Shapes broadcast; types are promoted ([`DType::promote`]).
            ///
            /// # Errors
            /// Shapes that do not broadcast; a type that the operation does not take.
            #[track_caller]
            pub fn $method(&self, other: impl Operand) -> Result<Tensor> {
                let (a, b) = promoted(self, &other).map_err(|e| e.op(stringify!($method)))?;
                binary_ops!(@apply $takes, a, b, $name)
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
    (@check any, $inputs:ident) => {};
    (@apply floats, $a:ident, $b:ident, $name:ident) => {{
        let dtype = $a.dtype().to_float();
        apply_one($name, &[&$a.to_dtype(dtype)?, &$b.to_dtype(dtype)?])
    }};
    (@apply $takes:ident, $a:ident, $b:ident, $name:ident) => { apply_one($name, &[&$a, &$b]) };
}

/// Broadcasting pairs of awkward shapes filled from `(low, high)`.
pub(super) fn binary_cases<O: Registered + Copy>(op: O, (low, high): (f64, f64)) -> Vec<Case> {
    let shapes: [(&[usize], &[usize]); 8] = [
        (&[], &[]),
        (&[5], &[5]),
        (&[3, 4], &[4]),
        (&[3, 1], &[1, 4]),
        (&[2, 3, 17], &[]),
        (&[], &[2, 3]),
        (&[0, 3], &[1, 3]),
        (&[2, 1, 3, 1], &[5, 1, 9]),
    ];
    let case = |(i, (a, b)): (usize, &(&[usize], &[usize]))| {
        let mut gen_ = Gen::new(i as u64);
        Case::new(op, [gen_.tensor(a, low, high), gen_.tensor(b, low, high)])
    };
    shapes.iter().enumerate().map(case).collect()
}

binary_ops! {
    /// `a + b`. Integers wrap; of truth values: or.
    Add, Add, add, any, keeps NOTHING, vjp |cx, g| g.clone(), g.clone(); on (-3.0, 3.0), reference |x, y| x + y;

    /// `a - b`. Integers wrap; not for truth values.
    Sub, Sub, sub, numbers, keeps NOTHING, vjp |cx, g| g.clone(), g.neg()?; on (-3.0, 3.0), reference |x, y| x - y;

    /// `a · b`. Integers wrap; of truth values: and.
    Mul, Mul, mul, any, keeps INPUTS, vjp |cx, g| g.mul(cx.input(1)?)?, g.mul(cx.input(0)?)?;
    on (-3.0, 3.0), reference |x, y| x * y;

    /// `a / b`, the true quotient: integers are divided as floats.
    Div, Div, div, floats, keeps INPUTS,
    vjp |cx, g| g.div(cx.input(1)?)?, {
        // Not by b², which over- and underflows where the quotient does not.
        let b = cx.input(1)?;
        g.mul(cx.input(0)?.div(&b)?)?.div(b)?.neg()?
    };
    on (0.5, 3.0), reference |x, y| x / y;

    /// The greater of `a` and `b`; NaN if either is. Where they are equal each gets half of the gradient.
    Maximum, Max, maximum, any, keeps INPUTS,
    vjp |cx, g| share(&g, &cx.input(0)?, &cx.input(1)?)?, share(&g, &cx.input(1)?, &cx.input(0)?)?;
    on (-3.0, 3.0), reference |x, y| if x.is_nan() || x > y { x } else { y };

    /// The lesser of `a` and `b`; NaN if either is. Where they are equal each gets half of the gradient.
    Minimum, Min, minimum, any, keeps INPUTS,
    vjp |cx, g| share(&g, &cx.input(1)?, &cx.input(0)?)?, share(&g, &cx.input(0)?, &cx.input(1)?)?;
    on (-3.0, 3.0), reference |x, y| if x.is_nan() || x < y { x } else { y };

    /// The angle in radians of the point `(b, a)`, between -π and π: `y.atan2(x)`.
    Atan2, Atan2, atan2, floats, keeps INPUTS,
    vjp |cx, g| g.mul(over_square_sum(cx, 1)?)?, g.mul(over_square_sum(cx, 0)?)?.neg()?;
    on (0.4, 3.0), reference |y, x| y.atan2(x);

    /// `√(a² + b²)` without overflow.
    Hypot, Hypot, hypot, floats, keeps ALL,
    vjp |cx, g| g.mul(cx.input(0)?)?.div(cx.output(0)?)?, g.mul(cx.input(1)?)?.div(cx.output(0)?)?;
    on (0.4, 3.0), reference |x, y| x.hypot(y);

    /// What remains of `a` after division by `b` rounded down: it has the sign of `b`, as in NumPy and Python. By zero:
    /// NaN, or zero for integers.
    Remainder, Remainder, remainder, numbers, keeps INPUTS,
    vjp |cx, g| g.clone(), g.mul(cx.input(0)?.floor_divide(cx.input(1)?)?)?.neg()?;
    on (1.0, 4.0), reference |x, y| x - y * (x / y).floor();

    /// `a / b` rounded down, in the type of the operands, as in NumPy and Python. By zero: infinite or NaN, or zero for
    /// integers. The gradient is zero.
    FloorDivide, FloorDivide, floor_divide, numbers, keeps NOTHING, vjp |cx, g| g.zeros_like()?, g.zeros_like()?;
    on (1.0, 4.0), reference |x, y| (x / y).floor();
}

/// An input over `a² + b²`, without overflow.
fn over_square_sum(cx: &Backward<'_>, input: usize) -> Result<Tensor> {
    let root = cx.input(0)?.hypot(cx.input(1)?)?;
    cx.input(input)?.div(&root)?.div(&root)
}

/// `a`'s share of the gradient `g` of the maximum of `a` and `b`: half of it where they are equal, none where `a` is less.
fn share(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.lt(b)?.where_(0, a.eq(b)?.where_(g.mul(0.5)?, g)?)
}

/// Arithmetic operators on tensors and numbers: `(&a + &b)?`.
macro_rules! operators {
    ($($trait:ident, $fn:ident, $method:ident;)*) => {$(
        impl<R: Operand> std::ops::$trait<R> for &Tensor {
            type Output = Result<Tensor>;
            #[track_caller]
            fn $fn(self, other: R) -> Result<Tensor> {
                self.$method(other)
            }
        }
        impl<R: Operand> std::ops::$trait<R> for Tensor {
            type Output = Result<Tensor>;
            #[track_caller]
            fn $fn(self, other: R) -> Result<Tensor> {
                Tensor::$method(&self, other)
            }
        }
    )*};
}
operators! {
    Add, add, add;
    Sub, sub, sub;
    Mul, mul, mul;
    Div, div, div;
}

/// Fails if an input holds truth values.
pub(super) fn expect_numbers(inputs: &[Spec]) -> Result<()> {
    if inputs.iter().all(|spec| spec.dtype != DType::Bool) {
        return Ok(());
    }
    Err(Error::dtype("is not defined for bool elements")
        .mend("convert with to_dtype(DType::I64), or use the logical operations"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradients of the sum of `f(a, b)`.
    fn slopes(f: fn(&Tensor, &Tensor) -> Result<Tensor>, a: &[f32], b: &[f32]) -> Result<[Vec<f32>; 2]> {
        let leaf = |x: &[f32]| Tensor::from_slice(x, [x.len()])?.variable();
        let (a, b) = (leaf(a)?, leaf(b)?);
        let mut gradients = f(&a, &b)?.sum()?.backward()?;
        let mut of = |x: &Tensor| gradients.take(x).map_or(Ok(Vec::new()), |g| g.to_vec());
        Ok([of(&a)?, of(&b)?])
    }

    /// PyTorch's results.
    #[test]
    fn equal_infinities_share_the_gradient() -> Result<()> {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let (a, b) = ([inf, -inf, inf, -inf, 1.0, nan], [inf, -inf, 1.0, 1.0, 1.0, 1.0]);
        let [da, db] = slopes(|a, b| a.maximum(b), &a, &b)?;
        assert_eq!((da, db), (vec![0.5, 0.5, 1.0, 0.0, 0.5, 1.0], vec![0.5, 0.5, 0.0, 1.0, 0.5, 1.0]));
        let [da, db] = slopes(|a, b| a.minimum(b), &a, &b)?;
        assert_eq!((da, db), (vec![0.5, 0.5, 0.0, 1.0, 0.5, 1.0], vec![0.5, 0.5, 1.0, 0.0, 0.5, 1.0]));
        Ok(())
    }

    #[test]
    fn gradients_of_quotients_overflow_only_where_they_must() -> Result<()> {
        let [da, db] = slopes(|a, b| a.div(b), &[1e-25, 1e25], &[1e-25, 1e25])?;
        for (has, wants) in [da[0], da[1], -db[0], -db[1]].into_iter().zip([1e25, 1e-25, 1e25, 1e-25]) {
            assert!((has / wants - 1.0).abs() < 1e-6, "{has} {wants}");
        }
        let [da, db] = slopes(|a, b| a.atan2(b), &[1e-25, 1e25], &[1e-25, 1e25])?;
        for (has, wants) in [da[0], da[1], -db[0], -db[1]].into_iter().zip([5e24, 5e-26, 5e24, 5e-26]) {
            assert!((has / wants - 1.0).abs() < 1e-6, "{has} {wants}");
        }
        Ok(())
    }

    /// Python's and NumPy's results.
    #[test]
    fn division_rounds_down() -> Result<()> {
        let (a, b) = (Tensor::new([7i64, -7, 7, -7, 6, 5, i64::MIN])?, Tensor::new([3i64, 3, -3, -3, -3, 0, -1])?);
        assert_eq!(a.floor_divide(&b)?.to_vec::<i64>()?, [2, -3, -3, 2, -2, 0, i64::MIN]);
        assert_eq!(a.remainder(&b)?.to_vec::<i64>()?, [1, 2, -2, -1, 0, 0, 0]);
        let (a, b) = (Tensor::new([7.5f32, -7.5, 7.5, -7.5, -6.0])?, Tensor::new([2.0f32, 2.0, -2.0, -2.0, 3.0])?);
        assert_eq!(a.floor_divide(&b)?.to_vec::<f32>()?, [3.0, -4.0, -4.0, 3.0, -2.0]);
        assert_eq!(a.remainder(&b)?.to_vec::<f32>()?, [1.5, 0.5, -0.5, -1.5, 0.0]);
        let inf = f32::INFINITY;
        let (c, d) = (Tensor::new([-5.0f32, -5.0, 5.0, 5.0, inf])?, Tensor::new([inf, -inf, inf, -inf, 3.0])?);
        assert_eq!(c.floor_divide(&d)?.to_vec::<f32>()?[..4], [-1.0, 0.0, 0.0, -1.0]);
        assert_eq!(c.remainder(&d)?.to_vec::<f32>()?[..4], [inf, -5.0, 5.0, -inf]);
        assert!(c.floor_divide(&d)?.to_vec::<f32>()?[4].is_nan() && c.remainder(&d)?.to_vec::<f32>()?[4].is_nan());
        assert!(a.remainder(0)?.to_vec::<f32>()?.iter().all(|x| x.is_nan()));
        assert_eq!(a.floor_divide(0)?.abs()?.to_vec::<f32>()?, [f32::INFINITY; 5]);
        Ok(())
    }
}
