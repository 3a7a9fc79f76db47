//! Repetition without copying.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs};
use crate::shape::{IntoShape, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// The same elements repeated along new axes and axes of size one, to fill a shape. Shares memory.
#[derive(Clone, Copy, Debug)]
pub struct BroadcastTo {
    /// The shape to fill.
    pub shape: Shape,
}

impl Op for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn attributes(&self) -> Attributes {
        vec![("shape", (&*self.shape).into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        let from = inputs[0].shape;
        if from.broadcast(&self.shape)? != self.shape {
            return Err(Error::shape(format!("{from} does not broadcast to {}", self.shape))
                .mend("only new axes and axes of size 1 can be repeated"));
        }
        Ok(smallvec![inputs[0].with_shape(self.shape)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].view(inputs[0].layout().broadcast_to(self.shape))])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(cx.grad(0)?)]) // the engine sums it down
    }
}

impl Registered for BroadcastTo {
    fn cases() -> Vec<Case> {
        let pairs: [(&[usize], &[usize]); 5] =
            [(&[], &[3]), (&[1, 4], &[3, 4]), (&[2, 1, 3], &[4, 2, 5, 3]), (&[1], &[0]), (&[2, 2], &[2, 2])];
        let case = |&(from, to): &(&[usize], &[usize])| {
            Ok(Case::new(BroadcastTo { shape: Shape::new(to)? }, [Gen::new(3).tensor(from, -3.0, 3.0)]))
        };
        pairs.iter().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![Array::from_fn(&self.shape, |index| inputs[0].broadcast_at(index))]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        BroadcastTo { shape: g.shape() }
    }
}

impl Tensor {
    /// The same elements repeated to fill `shape`. See [`BroadcastTo`].
    ///
    /// # Errors
    /// A shape that this one does not broadcast to.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl IntoShape) -> Result<Tensor> {
        let at = Location::caller();
        let shape = shape.into_shape().map_err(|e| e.op("broadcast_to").at(at))?;
        if shape == *self.shape() { Ok(self.clone()) } else { apply_one(BroadcastTo { shape }, &[self]) }
    }

    /// Zeros of this shape and type.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn zeros_like(&self) -> Result<Tensor> {
        Tensor::zeros(*self.shape(), self.dtype())
    }

    /// Ones of this shape and type.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn ones_like(&self) -> Result<Tensor> {
        Tensor::ones(*self.shape(), self.dtype())
    }

    /// The sum over the axes along which `shape` broadcasts to this shape: the transpose of [`Tensor::broadcast_to`].
    ///
    /// # Errors
    /// A shape that does not broadcast to this one.
    #[track_caller]
    pub fn sum_to(&self, shape: impl IntoShape) -> Result<Tensor> {
        let at = Location::caller();
        let shape = shape.into_shape().map_err(|e| e.op("sum_to").at(at))?;
        if shape.broadcast(self.shape()).is_ok_and(|both| both == *self.shape()) {
            let lead = self.rank() - shape.rank();
            let repeated = |axis: &usize| *axis < lead || (shape[axis - lead] == 1 && self.shape()[*axis] != 1);
            let axes: Vec<isize> = (0..self.rank()).filter(repeated).map(|axis| axis as isize).collect();
            let sum = if axes.is_empty() { self.clone() } else { self.sum_axes(&axes, true)? };
            return sum.reshape(shape);
        }
        Err(Error::shape(format!("{shape} does not broadcast to {}", self.shape())).op("sum_to").at(at))
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<BroadcastTo>()]
}
