//! Triangles of matrices.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// Matrices (the last two axes) with zeros on one side of a diagonal.
#[derive(Clone, Copy, Debug)]
pub struct Triangle {
    /// Whether the elements on and above the diagonal stay; otherwise those on and below it.
    pub upper: bool,
    /// Which diagonal: 0 the main one, positive ones above it.
    pub diagonal: i64,
}

impl Op for Triangle {
    fn name(&self) -> &'static str {
        "triangle"
    }

    fn attributes(&self) -> Attributes {
        vec![("upper", self.upper.into()), ("diagonal", self.diagonal.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        if inputs[0].shape.rank() < 2 {
            return Err(Error::shape(format!("takes matrices, not shape {}", inputs[0].shape)));
        }
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().triangle(inputs[0], self.upper, self.diagonal)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(apply_one(*self, &[&cx.grad(0)?])?)])
    }
}

impl Registered for Triangle {
    fn cases() -> Vec<Case> {
        let sizes: [&[usize]; 6] = [&[3, 5], &[5, 3], &[1, 1], &[2, 4, 4], &[0, 2], &[2, 0]];
        let case = |(i, sizes): (usize, &[usize])| {
            let op = Triangle { upper: i % 2 == 0, diagonal: [-1, 0, 2, 1, 9, -9][i] };
            Case::new(op, [Gen::new(i as u64).tensor(sizes, -3.0, 3.0)])
        };
        sizes.into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![Array::from_fn(&inputs[0].sizes, |index| {
            let [.., row, column] = *index else { return f64::NAN };
            let above = column as i64 - row as i64 - self.diagonal;
            let stays = if self.upper { above >= 0 } else { above <= 0 };
            if stays { inputs[0].at(index) } else { 0.0 }
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Triangle { upper: g.bool(), diagonal: g.pick(&[0, -2, 3, i64::MIN, i64::MAX]) }
    }
}

impl Tensor {
    /// Matrices (the last two axes) with zeros above a diagonal: 0 the main one, positive ones above it.
    ///
    /// # Errors
    /// Fewer than two axes.
    #[track_caller]
    pub fn tril(&self, diagonal: i64) -> Result<Tensor> {
        apply_one(Triangle { upper: false, diagonal }, &[self])
    }

    /// Matrices (the last two axes) with zeros below a diagonal: 0 the main one, positive ones above it.
    ///
    /// # Errors
    /// Fewer than two axes.
    #[track_caller]
    pub fn triu(&self, diagonal: i64) -> Result<Tensor> {
        apply_one(Triangle { upper: true, diagonal }, &[self])
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Triangle>()]
}
