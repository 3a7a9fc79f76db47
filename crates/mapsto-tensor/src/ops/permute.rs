//! Axes in another order.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs};
use crate::shape::{Axes, Layout, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// Axes in another order: axis `i` of the output is axis `axes[i]` of the input. Shares memory.
#[derive(Clone, Debug)]
pub struct Permute {
    /// The input's axis for each of the output's.
    pub axes: Axes,
}

impl Permute {
    fn inverse(&self) -> Permute {
        let mut axes = self.axes.clone();
        self.axes.iter().enumerate().for_each(|(to, &from)| axes[from] = to);
        Permute { axes }
    }

    fn shape(&self, from: &Shape) -> Shape {
        let mut shape = *from;
        self.axes.iter().enumerate().for_each(|(to, &axis)| shape.sizes_mut()[to] = from[axis]);
        shape
    }
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn attributes(&self) -> Attributes {
        vec![("axes", (&self.axes[..]).into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        let shape = inputs[0].shape;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..shape.rank()) {
            return Err(Error::index(format!(
                "{:?} is not an order of the {} axes of {shape}",
                &self.axes[..],
                shape.rank()
            )));
        }
        Ok(smallvec![inputs[0].with_shape(self.shape(&shape))])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let from = inputs[0].layout();
        let mut to = Layout { shape: self.shape(&from.shape), ..*from };
        self.axes.iter().enumerate().for_each(|(axis, &source)| to.strides[axis] = from.strides[source]);
        Ok(smallvec![inputs[0].view(to)])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(apply_one(self.inverse(), &[&cx.grad(0)?])?)])
    }
}

impl Registered for Permute {
    fn cases() -> Vec<Case> {
        let samples: [(&[usize], &[usize]); 5] =
            [(&[], &[]), (&[4], &[0]), (&[2, 5], &[1, 0]), (&[2, 3, 4], &[2, 0, 1]), (&[2, 0, 3, 1], &[3, 1, 0, 2])];
        let case = |sizes: &[usize], axes: &[usize]| {
            Case::new(Permute { axes: axes.iter().copied().collect() }, [Gen::new(4).tensor(sizes, -3.0, 3.0)])
        };
        samples.into_iter().map(|(sizes, axes)| case(sizes, axes)).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let sizes: Vec<usize> = self.axes.iter().map(|&axis| inputs[0].sizes[axis]).collect();
        vec![Array::from_fn(&sizes, |index| {
            let mut source = vec![0; index.len()];
            self.axes.iter().zip(index).for_each(|(&axis, &i)| source[axis] = i);
            inputs[0].at(&source)
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let rank = g.below(5);
        Permute { axes: (0..rank).map(|_| g.below(rank.max(1))).collect() }
    }
}

/// Axes in the order of a list that names each once; the tensor itself if that is its own order.
pub(crate) fn permuted(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    if axes.iter().copied().eq(0..x.rank()) {
        return Ok(x.clone());
    }
    apply_one(Permute { axes: axes.iter().copied().collect() }, &[x])
}

impl Tensor {
    /// Axes in another order: axis `i` of the result is axis `axes[i]` of this tensor; negative ones count from the end.
    ///
    /// # Errors
    /// Axes that are not each named once.
    #[track_caller]
    pub fn permute(&self, axes: &[isize]) -> Result<Tensor> {
        let at = Location::caller();
        let axes: Result<Axes> = axes.iter().map(|&axis| self.shape().axis(axis)).collect();
        apply_one(Permute { axes: axes.map_err(|e| e.op("permute").at(at))? }, &[self])
    }

    /// Two axes exchanged; negative ones count from the end.
    ///
    /// # Errors
    /// An axis outside the shape.
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Result<Tensor> {
        let at = Location::caller();
        let axis = |axis| self.shape().axis(axis).map_err(|e| e.op("transpose").at(at));
        let (a, b) = (axis(a)?, axis(b)?);
        if a == b {
            return Ok(self.clone());
        }
        let mut axes: Axes = (0..self.rank()).collect();
        axes.swap(a, b);
        apply_one(Permute { axes }, &[self])
    }

    /// The last two axes exchanged: the transpose of each matrix.
    ///
    /// # Errors
    /// Fewer than two axes.
    #[track_caller]
    pub fn t(&self) -> Result<Tensor> {
        self.transpose(-2, -1)
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Permute>()]
}
