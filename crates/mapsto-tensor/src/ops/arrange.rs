//! Tensors joined, parted, repeated and aligned: methods composed of the other operations.

use crate::error::{Error, Result};
use crate::memory::room;
use crate::op::{Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply, apply_one, composed, expect_inputs};
use crate::ops::split::Split;
use crate::shape::{Axes, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// The same values, row-major in memory of their own.
#[derive(Clone, Copy, Debug)]
pub struct Contiguous;

impl Op for Contiguous {
    fn name(&self) -> &'static str {
        "contiguous"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().copy(inputs[0])?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(cx.grad(0)?)])
    }
}

impl Registered for Contiguous {
    fn cases() -> Vec<Case> {
        let sizes: [&[usize]; 4] = [&[], &[3], &[2, 3, 4], &[0, 2]];
        sizes.iter().map(|sizes| Case::new(Contiguous, [Gen::new(1).tensor(sizes, -3.0, 3.0)])).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].clone()]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        Contiguous
    }
}

/// How [`Tensor::split`] parts an axis: one size for all parts, or the size of each.
pub trait IntoSizes {
    /// The size of each part of an axis of `size` places.
    ///
    /// # Errors
    /// Parts that do not make up the axis.
    fn into_sizes(self, size: usize) -> Result<Vec<usize>>;
}

impl IntoSizes for usize {
    /// Parts of this size; the last may be smaller.
    fn into_sizes(self, size: usize) -> Result<Vec<usize>> {
        if self == 0 {
            return Err(Error::argument("parts of size 0 never make up an axis"));
        }
        let parts = size.div_ceil(self).max(1);
        let mut sizes = room(parts)?;
        sizes.extend((0..parts).map(|part| self.min(size - part * self)));
        Ok(sizes)
    }
}

impl IntoSizes for &[usize] {
    fn into_sizes(self, size: usize) -> Result<Vec<usize>> {
        let total = self.iter().try_fold(0usize, |sum, &part| sum.checked_add(part));
        if total != Some(size) {
            let total = total.map_or("more than fits".to_string(), |total| total.to_string());
            return Err(Error::shape(format!("parts {self:?} add up to {total}, the axis has {size}")));
        }
        Ok(self.to_vec())
    }
}

impl<const N: usize> IntoSizes for [usize; N] {
    fn into_sizes(self, size: usize) -> Result<Vec<usize>> {
        self.as_slice().into_sizes(size)
    }
}

impl IntoSizes for &Vec<usize> {
    fn into_sizes(self, size: usize) -> Result<Vec<usize>> {
        self.as_slice().into_sizes(size)
    }
}

/// Joining and parting.
impl Tensor {
    /// Tensors of one shape side by side along a new axis before `axis` (-1: after the last); their types are promoted.
    ///
    /// # Errors
    /// No tensors; shapes that differ; an axis outside `-rank-1..=rank`.
    #[track_caller]
    pub fn stack(tensors: &[&Tensor], axis: isize) -> Result<Tensor> {
        composed("stack", || {
            let Some(first) = tensors.first() else {
                return Err(Error::argument("no tensors to stack"));
            };
            if let Some(other) = tensors.iter().find(|t| t.shape() != first.shape()) {
                let message = format!("shapes differ: {} and {}", first.shape(), other.shape());
                return Err(Error::shape(message).mend("concat joins tensors that differ in one axis"));
            }
            let raised = tensors.iter().map(|t| t.unsqueeze(axis)).collect::<Result<Vec<_>>>()?;
            let axis = if axis < 0 { axis + first.rank() as isize + 1 } else { axis };
            Tensor::concat(&raised.iter().collect::<Vec<_>>(), axis)
        })
    }

    /// The parts of an axis, in order: `sizes` is one size for all (the last part may be smaller) or a list of them.
    ///
    /// # Errors
    /// Sizes that do not make up the axis; parts of size zero; an axis outside the shape.
    #[track_caller]
    pub fn split(&self, sizes: impl IntoSizes, axis: isize) -> Result<Vec<Tensor>> {
        composed("split", || {
            let axis = self.shape().axis(axis)?;
            let sizes = sizes.into_sizes(self.shape()[axis])?;
            if sizes.is_empty() {
                return Ok(Vec::new());
            }
            Ok(apply(Split { axis, sizes }, &[self])?.into_iter().collect())
        })
    }

    /// At most `count` parts of an axis, all of one size but perhaps the last.
    ///
    /// # Errors
    /// No parts asked; an axis outside the shape.
    #[track_caller]
    pub fn chunk(&self, count: usize, axis: isize) -> Result<Vec<Tensor>> {
        composed("chunk", || {
            let size = self.size(axis)?;
            if count == 0 {
                return Err(Error::argument("an axis cannot be parted into 0 chunks"));
            }
            self.split(size.div_ceil(count).max(1), axis)
        })
    }
}

/// Repeating and aligning.
impl Tensor {
    /// The tensor `counts[axis]` times along each axis, NumPy's `tile`: counts and axes are aligned at the last, and
    /// what is missing counts as one.
    ///
    /// # Errors
    /// A result that is too large.
    #[track_caller]
    pub fn repeat(&self, counts: &[usize]) -> Result<Tensor> {
        let rank = self.rank().max(counts.len());
        composed("repeat", || {
            let mut sizes = vec![1; rank - self.rank()];
            sizes.extend(self.shape().iter());
            let mut x = self.reshape(Shape::new(&sizes)?)?;
            for (axis, &count) in (rank - counts.len()..rank).zip(counts).rev().filter(|(_, count)| **count != 1) {
                let (outer, inner): (usize, usize) = (sizes[..axis].iter().product(), sizes[axis..].iter().product());
                let copies = x.reshape([outer, 1, inner])?.broadcast_to([outer, count, inner])?;
                sizes[axis] = sizes[axis].checked_mul(count).ok_or_else(|| Error::memory("too many repetitions"))?;
                x = copies.reshape(Shape::new(&sizes)?)?;
            }
            Ok(x)
        })
    }

    /// [`Tensor::broadcast_to`] with signed sizes: -1 keeps the size of an axis.
    ///
    /// # Errors
    /// Fewer sizes than axes; -1 for a new axis; a shape that this one does not broadcast to.
    #[track_caller]
    pub fn expand(&self, sizes: &[isize]) -> Result<Tensor> {
        composed("expand", || {
            let Some(lead) = sizes.len().checked_sub(self.rank()) else {
                return Err(Error::shape(format!("{sizes:?} has fewer sizes than {} has axes", self.shape())));
            };
            let size = |(i, &size): (usize, &isize)| match usize::try_from(size) {
                Ok(size) => Ok(size),
                Err(_) if size == -1 && i >= lead => Ok(self.shape()[i - lead]),
                Err(_) if size == -1 => Err(Error::argument(format!("-1 in {sizes:?} stands for a new axis"))
                    .mend("only the sizes of axes that exist can be kept")),
                Err(_) => Err(Error::argument(format!("size {size} in {sizes:?} is negative"))),
            };
            self.broadcast_to(sizes.iter().enumerate().map(size).collect::<Result<Vec<_>>>()?)
        })
    }

    /// The axes `from` moved to the places `to`; the others keep their order (NumPy's `moveaxis`).
    ///
    /// # Errors
    /// Lists of different lengths; an axis outside the shape or named twice.
    #[track_caller]
    pub fn move_axes(&self, from: &[isize], to: &[isize]) -> Result<Tensor> {
        composed("move_axes", || {
            if from.len() != to.len() {
                return Err(Error::argument(format!("{} axes to move to {} places", from.len(), to.len())));
            }
            let named = |axes: &[isize]| -> Result<Axes> {
                if !axes.is_empty() {
                    self.shape().axes(axes)?; // distinct
                }
                axes.iter().map(|&axis| self.shape().axis(axis)).collect()
            };
            let (from, to) = (named(from)?, named(to)?);
            let mut rest = (0..self.rank()).filter(|axis| !from.contains(axis));
            let source = |place: usize| match to.iter().position(|&target| target == place) {
                Some(i) => from[i],
                None => rest.next().unwrap_or(place),
            };
            self.permute(&(0..self.rank()).map(source).map(|axis| axis as isize).collect::<Vec<_>>())
        })
    }

    /// The tensors, each broadcast to the shape that all of them broadcast to.
    ///
    /// # Errors
    /// Shapes that do not broadcast.
    #[track_caller]
    pub fn broadcast_tensors(tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
        composed("broadcast_tensors", || {
            let shape = tensors.iter().try_fold(Shape::SCALAR, |shape, t| shape.broadcast(t.shape()))?;
            tensors.iter().map(|t| t.broadcast_to(shape)).collect()
        })
    }

    /// The coordinates of a grid from those along each axis: vectors of `n0, n1, ...` numbers (scalars are vectors of
    /// one) to as many tensors `[n0, n1, ...]`, the i-th varying along axis i (NumPy's `indexing="ij"`).
    ///
    /// # Errors
    /// A tensor of more than one axis; more tensors than a tensor has axes.
    #[track_caller]
    pub fn meshgrid(tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
        composed("meshgrid", || {
            if let Some(t) = tensors.iter().find(|t| t.rank() > 1) {
                let message = format!("coordinates along an axis are a vector, not of shape {}", t.shape());
                return Err(Error::shape(message));
            }
            let shape = Shape::new(&tensors.iter().map(|t| t.numel()).collect::<Vec<_>>())?;
            let along = |(axis, t): (usize, &&Tensor)| {
                let mut sizes = vec![1; tensors.len()];
                sizes[axis] = t.numel();
                t.reshape(sizes)?.broadcast_to(shape)
            };
            tensors.iter().enumerate().map(along).collect()
        })
    }

    /// The tensor itself if its elements lie row-major in memory without gaps, otherwise a copy that does.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn contiguous(&self) -> Result<Tensor> {
        if self.is_contiguous() { Ok(self.clone()) } else { apply_one(Contiguous, &[self]) }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Contiguous>()]
}
