//! Tensors joined along an axis.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_same_dtype};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// Tensors of equal shapes but for one axis, joined along it in order.
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let Some(first) = inputs.first() else { return Err(Error::argument("no tensors to join")) };
        expect_same_dtype(inputs)?;
        let rank = first.shape.rank();
        first.shape.expect_axis(self.axis)?;
        let mut shape = first.shape;
        for other in &inputs[1..] {
            let fits = other.shape.rank() == rank
                && (0..rank).all(|axis| axis == self.axis || other.shape[axis] == first.shape[axis]);
            if !fits {
                let (a, b) = (first.shape, other.shape);
                return Err(Error::shape(format!("{a} and {b} differ in more than axis {}", self.axis)));
            }
            let total = shape[self.axis].checked_add(other.shape[self.axis]);
            shape.sizes_mut()[self.axis] = total.ok_or_else(|| Error::memory("the sizes add up to more than fits"))?;
        }
        Ok(smallvec![first.with_shape(Shape::new(&shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().concat(inputs, self.axis)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let g = cx.grad(0)?;
        let mut start = 0;
        let mut part = |input: usize| {
            let len = cx.spec(input).shape[self.axis];
            start += len;
            Ok(Some(g.narrow(self.axis as isize, start - len, len)?))
        };
        (0..cx.num_inputs()).map(&mut part).collect()
    }
}

impl Registered for Concat {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(7);
        let mut t = |sizes: &[usize]| g.tensor(sizes, -3.0, 3.0);
        vec![
            Case::new(Concat { axis: 0 }, [t(&[3])]),
            Case::new(Concat { axis: 0 }, [t(&[3]), t(&[0]), t(&[2])]),
            Case::new(Concat { axis: 1 }, [t(&[2, 3]), t(&[2, 1])]),
            Case::new(Concat { axis: 1 }, [t(&[2, 3, 5]), t(&[2, 1, 5]), t(&[2, 2, 5])]),
        ]
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let mut sizes = inputs[0].sizes.clone();
        sizes[self.axis] = inputs.iter().map(|input| input.sizes[self.axis]).sum();
        vec![Array::from_fn(&sizes, |index| {
            let mut index = index.to_vec();
            for input in inputs {
                if index[self.axis] < input.sizes[self.axis] {
                    return input.at(&index);
                }
                index[self.axis] -= input.sizes[self.axis];
            }
            f64::NAN
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Concat { axis: g.below(5) }
    }
}

impl Tensor {
    /// Tensors joined along an axis; their types are promoted.
    ///
    /// # Errors
    /// No tensors; shapes that differ in another axis; an axis outside them.
    #[track_caller]
    pub fn concat(tensors: &[&Tensor], axis: isize) -> Result<Tensor> {
        let at = Location::caller();
        let Some(first) = tensors.first() else {
            return Err(Error::argument("no tensors to join").op("concat").at(at));
        };
        let axis = first.shape().axis(axis).map_err(|e| e.op("concat").at(at))?;
        let dtype = tensors.iter().fold(first.dtype(), |dtype, t| dtype.promote(t.dtype()));
        let same = tensors.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        apply_one(Concat { axis }, &same.iter().collect::<Vec<_>>())
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Concat>()]
}
