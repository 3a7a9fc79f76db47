//! Products of matrices.

use crate::error::{Error, Result};
use crate::op::{
    Backward, Cotangents, Forward, Op, Outputs, Specs, apply_one, expect_float, expect_inputs, expect_same_dtype,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// The product of matrices `[..., m, k] x [..., k, n]` to `[..., m, n]`; the leading axes broadcast.
#[derive(Clone, Copy, Debug)]
pub struct MatMul;

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_float(inputs)?;
        let dtype = expect_same_dtype(inputs)?;
        let (a, b) = (inputs[0].shape, inputs[1].shape);
        if a.rank() < 2 || b.rank() < 2 {
            return Err(Error::shape(format!("needs matrices: {a} x {b}")).mend("add an axis with unsqueeze"));
        }
        let (m, k) = (a[a.rank() - 2], a[a.rank() - 1]);
        let (k2, n) = (b[b.rank() - 2], b[b.rank() - 1]);
        if k != k2 {
            let error = Error::shape(format!("inner sizes differ: {a} x {b} ({k} != {k2})"));
            return Err(match () {
                () if k == n => error.mend("did you mean to transpose the second?"),
                () if m == k2 => error.mend("did you mean to transpose the first?"),
                () => error.mend("the last size of the first must be the last but one of the second"),
            });
        }
        let lead = |shape: &Shape| Shape::new(&shape[..shape.rank() - 2]);
        let mut sizes = lead(&a)?.broadcast(&lead(&b)?)?.to_vec();
        sizes.extend([m, n]);
        Ok(smallvec![Spec::new(Shape::new(&sizes)?, dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let shape = self.infer(&[inputs[0].spec(), inputs[1].spec()])?[0].shape;
        Ok(smallvec![inputs[0].backend().matmul(inputs[0], inputs[1], shape)?])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let g = cx.grad(0)?;
        Ok(smallvec![
            if cx.needs(0) { Some(g.matmul(&cx.input(1)?.t()?)?) } else { None },
            if cx.needs(1) { Some(cx.input(0)?.t()?.matmul(&g)?) } else { None },
        ])
    }

    fn multiply_adds(&self, inputs: &[Spec], outputs: &[Spec]) -> u64 {
        inputs[0].shape.last().map_or(0, |&k| (k as u64).saturating_mul(outputs[0].shape.numel() as u64))
    }
}

impl Registered for MatMul {
    fn cases() -> Vec<Case> {
        let shapes: [(&[usize], &[usize]); 8] = [
            (&[1, 1], &[1, 1]),
            (&[3, 4], &[4, 5]),
            (&[2, 3, 4], &[4, 5]),
            (&[3, 4], &[2, 4, 5]),
            (&[2, 1, 3, 4], &[5, 4, 2]),
            (&[0, 3], &[3, 2]),
            (&[3, 0], &[0, 2]),
            (&[17, 33], &[33, 9]),
        ];
        let case = |(i, (a, b)): (usize, &(&[usize], &[usize]))| {
            let mut g = Gen::new(i as u64);
            Case::new(MatMul, [g.tensor(a, -1.0, 1.0), g.tensor(b, -1.0, 1.0)])
        };
        shapes.iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let (ra, rb) = (a.sizes.len(), b.sizes.len());
        let lead = Array::broadcast_sizes(&a.sizes[..ra - 2], &b.sizes[..rb - 2]);
        let k = a.sizes[ra - 1];
        let mut sizes = lead.clone();
        sizes.extend([a.sizes[ra - 2], b.sizes[rb - 1]]);
        vec![Array::from_fn(&sizes, |index| {
            let (lead, ij) = index.split_at(index.len() - 2);
            let element = |x: &Array, row: usize, column: usize| x.broadcast_at(&[lead, &[row, column]].concat());
            (0..k).map(|p| element(a, ij[0], p) * element(b, p, ij[1])).sum()
        })]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        MatMul
    }
}

impl Tensor {
    /// The product of matrices, NumPy's `matmul`: leading axes broadcast, a vector on the left is a row, on the right a
    /// column, and its axis is gone from the result. Types are promoted; integers are multiplied as `f32`.
    ///
    /// # Errors
    /// A scalar; inner sizes that differ; leading axes that do not broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        let dtype = self.dtype().promote(other.dtype()).to_float();
        let (a, b) = (self.to_dtype(dtype)?, other.to_dtype(dtype)?);
        match (a.rank(), b.rank()) {
            (1, 1) => apply_one(MatMul, &[&a.unsqueeze(0)?, &b.unsqueeze(1)?])?.squeeze(&[0, 1]),
            (1, 2..) => apply_one(MatMul, &[&a.unsqueeze(0)?, &b])?.squeeze(&[-2]),
            (2.., 1) => apply_one(MatMul, &[&a, &b.unsqueeze(1)?])?.squeeze(&[-1]),
            _ => apply_one(MatMul, &[&a, &b]),
        }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<MatMul>()]
}
