//! A copy with a part replaced.

use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs, expect_same_dtype,
};
use crate::ops::slice::{Slice, Steps, arbitrary_steps, attributes, check, part, samples};
use crate::shape::{Layout, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// A copy of `x` with `value` (broadcast) at evenly spaced places of each axis: what [`Slice`] would read.
#[derive(Clone, Debug)]
pub struct Assign {
    /// The places along each axis.
    pub steps: Vec<Steps>,
}

impl Op for Assign {
    fn name(&self) -> &'static str {
        "assign"
    }

    fn attributes(&self) -> Attributes {
        attributes(&self.steps)
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_same_dtype(inputs)?;
        let part = check(&self.steps, &inputs[0].shape)?;
        if !inputs[1].shape.broadcast(&part).is_ok_and(|shape| shape == part) {
            return Err(Error::shape(format!("a value of shape {} does not fill a part of {part}", inputs[1].shape)));
        }
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let part = part(&self.steps, &Layout::contiguous(*inputs[0].shape()));
        Ok(smallvec![inputs[0].backend().assign(inputs[0], &part, inputs[1])?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let g = cx.grad(0)?;
        let zero = || Tensor::zeros((), g.dtype());
        let x = if cx.needs(0) { Some(apply_one(self.clone(), &[&g, &zero()?])?) } else { None };
        let value = if cx.needs(1) { Some(apply_one(Slice { steps: self.steps.clone() }, &[&g])?) } else { None };
        Ok(smallvec![x, value])
    }
}

impl Registered for Assign {
    fn cases() -> Vec<Case> {
        let case = |(i, (sizes, steps)): (usize, (Vec<usize>, Vec<Steps>))| {
            let mut part: Vec<usize> = steps.iter().map(|steps| steps.len).collect();
            // Every second value broadcasts.
            if i % 2 == 1 {
                part.remove(0);
            }
            let mut g = Gen::new(8);
            Case::new(Assign { steps }, [g.tensor(&sizes, -3.0, 3.0), g.tensor(&part, -3.0, 3.0)])
        };
        samples().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let part: Vec<usize> = self.steps.iter().map(|steps| steps.len).collect();
        let value = Array::from_fn(&part, |index| inputs[1].broadcast_at(index));
        vec![Array::from_fn(&inputs[0].sizes, |index| {
            let find = |(steps, &place): (&Steps, &usize)| (0..steps.len).find(|&i| steps.at(i) == place);
            let from: Option<Vec<usize>> = self.steps.iter().zip(index).map(find).collect();
            from.map_or(inputs[0].at(index), |from| value.at(&from))
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Assign { steps: arbitrary_steps(g) }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Assign>()]
}
