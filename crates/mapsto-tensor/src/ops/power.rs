//! Powers.

use crate::backend::{Binary, Unary};
use crate::dtype::Scalar;
use crate::error::Result;
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
    expect_same_dtype,
};
use crate::ops::binary::{Either, Operand, binary_cases, promoted};
use crate::ops::unary::unary_cases;
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// `aᵇ`, element by element, shapes broadcast.
///
/// `x⁰ = 1`, also for zero and NaN; a negative number to a power that is not whole is NaN. Integers wrap, and a negative
/// exponent gives zero unless the base is 1 or -1. Where `a = 0`, the gradient with respect to `b` is zero for `b >= 0`.
#[derive(Clone, Copy, Debug)]
pub struct Pow;

/// `xᵖ` for one exponent `p`; as [`Pow`], but `x^½` is the square root also of -0 and -inf.
#[derive(Clone, Copy, Debug)]
pub struct PowScalar {
    /// The exponent.
    pub exponent: f64,
}

impl Op for Pow {
    fn name(&self) -> &'static str {
        "pow"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        let dtype = expect_same_dtype(inputs)?;
        super::expect_numbers(inputs)?;
        Ok(smallvec![Spec::new(inputs[0].shape.broadcast(&inputs[1].shape)?, dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().binary(Binary::Pow, inputs[0], inputs[1])?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::ALL
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (a, b, g) = (cx.input(0)?, cx.input(1)?, cx.grad(0)?);
        let is_zero = a.eq(0)?;
        let by_base = || {
            // 0 · 0⁻¹ is zero here.
            let safe = is_zero.logical_and(b.eq(0)?)?.where_(1, &a)?;
            g.mul(&b)?.mul(safe.pow(b.sub(1)?)?)
        };
        let by_exponent = || {
            // 0ᵇ ln 0 is zero here.
            let safe = is_zero.logical_and(b.ge(0)?)?.where_(1, &a)?;
            g.mul(cx.output(0)?)?.mul(safe.ln()?)
        };
        Ok(smallvec![
            if cx.needs(0) { Some(by_base()?) } else { None },
            if cx.needs(1) { Some(by_exponent()?) } else { None },
        ])
    }
}

impl Op for PowScalar {
    fn name(&self) -> &'static str {
        "pow_scalar"
    }

    fn attributes(&self) -> Attributes {
        vec![("exponent", self.exponent.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let (x, backend) = (inputs[0], inputs[0].backend());
        let fast = [
            (2.0, Unary::Square),
            (3.0, Unary::Cube),
            (-1.0, Unary::Reciprocal),
            (0.5, Unary::Sqrt),
            (-0.5, Unary::Rsqrt),
        ];
        Ok(smallvec![match fast.iter().find(|(exponent, _)| *exponent == self.exponent) {
            Some((_, f)) => backend.unary(*f, x)?,
            None if self.exponent == 1.0 => backend.copy(x)?,
            None => backend.binary(Binary::Pow, x, &Tensor::scalar(Scalar::Float(self.exponent), x.dtype())?)?,
        }])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let g = cx.grad(0)?;
        Ok(smallvec![Some(match self.exponent {
            0.0 => g.zeros_like()?,
            1.0 => g,
            2.0 => g.mul(cx.input(0)?.mul(2)?)?,
            p => g.mul(cx.input(0)?.pow(p - 1.0)?.mul(p)?)?,
        })])
    }
}

impl Registered for Pow {
    fn cases() -> Vec<Case> {
        let mut cases = binary_cases(Pow, (0.4, 2.5));
        // Negative bases to whole powers, which cannot be varied.
        let (base, exponent) = (Gen::new(1).tensor(&[9], -2.0, 2.0), Gen::new(2).integers(&[9], 5));
        cases.extend(base.to_dtype(crate::DType::I64).map(|base| Case::new(Pow, [base, exponent])));
        cases
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].zip(&inputs[1], |x, y| {
            if inputs[0].data.iter().all(|x| x.fract() == 0.0) { x.powf(y).trunc() } else { x.powf(y) }
        })]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Pow
    }
}

impl Registered for PowScalar {
    fn cases() -> Vec<Case> {
        let positive = [0.5, -0.5, 1.5, -2.5].map(|exponent| unary_cases(PowScalar { exponent }, (0.4, 2.0)));
        let any = [0.0, 1.0, 2.0, 3.0, 4.0].map(|exponent| unary_cases(PowScalar { exponent }, (-2.0, 2.0)));
        let below = [-1.0, -2.0].map(|exponent| unary_cases(PowScalar { exponent }, (-2.0, -0.5)));
        positive.into_iter().chain(any).chain(below).flatten().collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| x.powf(self.exponent))]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        PowScalar { exponent: g.pick(&[0.0, 1.0, -1.0, 2.0, 0.5, f64::NAN, f64::INFINITY, -7.3]) }
    }
}

impl Tensor {
    /// This to the power of a tensor or a number. See [`Pow`].
    ///
    /// Shapes broadcast; types are promoted ([`DType::promote`](crate::DType::promote)).
    ///
    /// # Errors
    /// Shapes that do not broadcast; truth values.
    #[track_caller]
    pub fn pow(&self, exponent: impl Operand) -> Result<Tensor> {
        if let Either::Scalar(exponent) = exponent.as_operand()
            && exponent.promote(self.dtype()).is_float()
        {
            return apply_one(PowScalar { exponent: exponent.to() }, &[&self.to_dtype(self.dtype().to_float())?]);
        }
        let (a, b) = promoted(self, &exponent).map_err(|e| e.op("pow"))?;
        apply_one(Pow, &[&a, &b])
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Pow>(), Entry::of::<PowScalar>()]
}
