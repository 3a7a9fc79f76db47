//! Truth values: logic, choice by a condition, kinds of numbers.

use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::op::{
    Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_inputs, expect_same_dtype,
};
use crate::ops::binary::{Either, Operand};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// `a` where the condition holds, `b` elsewhere: inputs condition (truth values), `a`, `b`; shapes broadcast.
#[derive(Clone, Copy, Debug)]
pub struct Where;

impl Op for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 3)?;
        if inputs[0].dtype != DType::Bool {
            return Err(Error::dtype(format!("the condition has {} elements, not truth values", inputs[0].dtype))
                .mend("compare it (ne(0), gt(0)) first"));
        }
        let dtype = expect_same_dtype(&inputs[1..])?;
        let shape = inputs[0].shape.broadcast(&inputs[1].shape)?.broadcast(&inputs[2].shape)?;
        Ok(smallvec![Spec::new(shape, dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[1].backend().select(inputs[0], inputs[1], inputs[2])?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 1, outputs: false }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (condition, g) = (cx.input(0)?, cx.grad(0)?);
        Ok(smallvec![
            None,
            if cx.needs(1) { Some(condition.where_(&g, 0)?) } else { None },
            if cx.needs(2) { Some(condition.where_(0, &g)?) } else { None },
        ])
    }
}

impl Registered for Where {
    fn cases() -> Vec<Case> {
        let shapes: [[&[usize]; 3]; 7] = [
            [&[], &[], &[]],
            [&[37], &[37], &[37]],
            [&[3, 4], &[4], &[]],
            [&[3, 1], &[], &[1, 4]],
            [&[], &[2, 3], &[3]],
            [&[2, 1, 5], &[3, 1], &[2, 3, 5]],
            [&[0, 3], &[3], &[1, 3]],
        ];
        let case = |(i, sizes): (usize, &[&[usize]; 3])| {
            let mut g = Gen::new(i as u64);
            let condition = g.integers(sizes[0], 2).to_dtype(DType::Bool).expect("integers are truth values");
            Case::new(Where, [condition, g.tensor(sizes[1], -3.0, 3.0), g.tensor(sizes[2], -3.0, 3.0)])
        };
        shapes.iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let sizes = Array::broadcast_sizes(&inputs[0].sizes, &inputs[1].sizes);
        let sizes = Array::broadcast_sizes(&sizes, &inputs[2].sizes);
        vec![Array::from_fn(&sizes, |index| {
            let chosen = if inputs[0].broadcast_at(index) != 0.0 { 1 } else { 2 };
            inputs[chosen].broadcast_at(index)
        })]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Where
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Where>()]
}

/// Declares operations on truth values by a method of them; numbers are true where they are not zero.
macro_rules! logical {
    ($($(#[$doc:meta])* $method:ident, $of:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            /// Numbers are true where they are not zero. Shapes broadcast.
            ///
            /// # Errors
            /// Shapes that do not broadcast.
            #[track_caller]
            pub fn $method(&self, other: impl Operand) -> Result<Tensor> {
                composed(stringify!($method), || {
                    let other = match other.as_operand() {
                        Either::Tensor(other) => other.to_dtype(DType::Bool)?,
                        Either::Scalar(other) => Tensor::scalar(other, DType::Bool)?,
                    };
                    self.to_dtype(DType::Bool)?.$of(other)
                })
            })*
        }
    };
}

logical! {
    /// Whether both hold.
    logical_and, mul;
    /// Whether one or both hold.
    logical_or, add;
    /// Whether exactly one holds.
    logical_xor, ne;
}

impl Tensor {
    /// Whether this does not hold: numbers are true where they are not zero.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn logical_not(&self) -> Result<Tensor> {
        self.eq(0)
    }

    /// Whether elements are NaN.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn is_nan(&self) -> Result<Tensor> {
        self.ne(self)
    }

    /// Whether elements are infinite.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn is_inf(&self) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Tensor::zeros(*self.shape(), DType::Bool);
        }
        self.detach().abs()?.eq(f64::INFINITY)
    }

    /// Whether elements are neither infinite nor NaN.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn is_finite(&self) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Tensor::ones(*self.shape(), DType::Bool);
        }
        self.detach().abs()?.lt(f64::INFINITY)
    }

    /// `a` where this condition holds, `b` elsewhere; tensors or numbers, `condition.where_(&x, 0)`.
    ///
    /// Shapes broadcast; types are promoted ([`DType::promote`]). Gradients flow to what was chosen.
    ///
    /// # Errors
    /// A condition that is not truth values; shapes that do not broadcast.
    #[track_caller]
    pub fn where_(&self, a: impl Operand, b: impl Operand) -> Result<Tensor> {
        let at = Location::caller();
        let convert = || -> Result<[Tensor; 2]> {
            let (a, b) = (a.as_operand(), b.as_operand());
            let dtype = match (a, b) {
                (Either::Tensor(a), Either::Tensor(b)) => a.dtype().promote(b.dtype()),
                (Either::Tensor(x), Either::Scalar(s)) | (Either::Scalar(s), Either::Tensor(x)) => s.promote(x.dtype()),
                (Either::Scalar(a), Either::Scalar(b)) => b.promote(a.promote(DType::Bool)),
            };
            let as_tensor = |x: Either<'_>| match x {
                Either::Tensor(x) => x.to_dtype(dtype),
                Either::Scalar(s) => Tensor::scalar(s, dtype),
            };
            Ok([as_tensor(a)?, as_tensor(b)?])
        };
        let [a, b] = convert().map_err(|e| e.op("where").at(at))?;
        apply_one(Where, &[self, &a, &b])
    }

    /// This tensor with `value` where `mask` (truth values) holds.
    ///
    /// # Errors
    /// Those of [`Tensor::where_`], and a mask that would enlarge the tensor.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl Operand) -> Result<Tensor> {
        composed("masked_fill", || {
            let filled = mask.where_(value, self)?;
            if filled.shape() == self.shape() {
                return Ok(filled);
            }
            let (mask, shape) = (mask.shape(), self.shape());
            Err(Error::shape(format!("the mask {mask} does not broadcast to {shape}")))
        })
    }

    /// `self + weight · (end - self)`: from this tensor at weight 0 to `end` at weight 1, exactly both.
    ///
    /// # Errors
    /// Shapes that do not broadcast.
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: impl Operand) -> Result<Tensor> {
        composed("lerp", || {
            // From the nearer end, so that rounding vanishes at both.
            let way = end.sub(self)?;
            match weight.as_operand() {
                Either::Tensor(weight) => {
                    let near = weight.lt(0.5)?;
                    near.where_(self, end)?.add(way.mul(near.where_(weight, weight.sub(1)?)?)?)
                }
                Either::Scalar(Scalar::Float(far)) if far >= 0.5 => end.add(way.mul(far - 1.0)?),
                Either::Scalar(Scalar::Int(far)) if far >= 1 => end.add(way.mul(far - 1)?),
                Either::Scalar(_) => self.add(way.mul(weight)?),
            }
        })
    }
}
