//! Values without their origin, in a record.

use crate::error::Result;
use crate::grad::no_grad;
use crate::op::{Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_computed, expect_inputs};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// The same values, through which no gradient flows. A trace records it where [`Tensor::detach`] is called.
#[derive(Clone, Copy, Debug)]
pub struct Detach;

impl Detach {
    #[track_caller]
    pub(crate) fn traced(x: &Tensor) -> Tensor {
        let (at, value) = (Location::caller(), x.view(*x.layout()));
        // Run again, it must cut again: as any operation in `no_grad`.
        no_grad(|| apply_computed(Detach, &[x], smallvec![value], at)).remove(0)
    }
}

impl Op for Detach {
    fn name(&self) -> &'static str {
        "detach"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].view(*inputs[0].layout())])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp(&self, _cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![None])
    }
}

impl Registered for Detach {
    fn cases() -> Vec<Case> {
        let samples: [&[usize]; 3] = [&[], &[2, 3], &[0]];
        samples.iter().map(|sizes| Case::new(Detach, [Gen::new(1).tensor(sizes, -1.0, 1.0)])).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].clone()]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Detach
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Detach>()]
}
