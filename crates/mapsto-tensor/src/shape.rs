//! Shapes, strided layouts, broadcasting and axes.

use crate::dtype::DType;
use crate::error::{Error, Result};
use std::fmt;
use std::ops::Deref;

/// The most axes that a tensor can have.
pub const MAX_RANK: usize = 8;

/// The sizes of a tensor's axes, outermost first; no axes for a scalar.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    rank: u8,
    sizes: [usize; MAX_RANK],
}

impl Shape {
    /// The shape of a scalar.
    pub const SCALAR: Shape = Shape { rank: 0, sizes: [0; MAX_RANK] };

    /// A shape of the given sizes.
    ///
    /// # Errors
    /// More than [`MAX_RANK`] axes, or more elements than an address space holds.
    pub fn new(sizes: &[usize]) -> Result<Shape> {
        if sizes.len() > MAX_RANK {
            return Err(Error::shape(format!("{sizes:?} has {} axes; a tensor has at most {MAX_RANK}", sizes.len()))
                .mend("merge axes with reshape"));
        }
        // Zero sizes do not hide an overflow in the others: strides are computed from all of them.
        let count = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size.max(1)));
        if count.is_none_or(|n| n > isize::MAX as usize / 8) {
            return Err(Error::memory(format!("{sizes:?} has more elements than memory can address")));
        }
        let mut shape = Shape { rank: sizes.len() as u8, sizes: [0; MAX_RANK] };
        shape.sizes[..sizes.len()].copy_from_slice(sizes);
        Ok(shape)
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The number of elements: the product of the sizes, one for a scalar.
    pub fn numel(&self) -> usize {
        self.iter().product()
    }

    /// The sizes, to change within their rank.
    pub(crate) fn sizes_mut(&mut self) -> &mut [usize] {
        &mut self.sizes[..self.rank as usize]
    }

    /// The index of the element at a place of the row-major order.
    pub(crate) fn unravel(&self, mut place: usize) -> Vec<usize> {
        let mut index = vec![0; self.rank()];
        for (i, &size) in index.iter_mut().zip(self.iter()).rev() {
            *i = place % size;
            place /= size;
        }
        index
    }

    /// Fails unless there is this axis.
    pub(crate) fn expect_axis(&self, axis: usize) -> Result<()> {
        if axis < self.rank() {
            return Ok(());
        }
        Err(Error::index(format!("axis {axis} is outside a tensor of shape {self}")))
    }

    /// The axis that `axis` names, counted from the end if negative.
    ///
    /// # Errors
    /// An axis outside `-rank..rank`.
    pub fn axis(&self, axis: isize) -> Result<usize> {
        let rank = self.rank() as isize;
        if (-rank..rank).contains(&axis) {
            return Ok(if axis < 0 { axis + rank } else { axis } as usize);
        }
        let range =
            if rank == 0 { "a scalar has none".to_string() } else { format!("axes are {}..={}", -rank, rank - 1) };
        Err(Error::index(format!("axis {axis} is outside a tensor of shape {self}: {range}")))
    }

    /// The axes that `axes` name, sorted; all of them if none are named.
    ///
    /// # Errors
    /// An axis outside the range, or named twice.
    pub fn axes(&self, axes: &[isize]) -> Result<Axes> {
        if axes.is_empty() {
            return Ok((0..self.rank()).collect());
        }
        let mut found = axes.iter().map(|&axis| self.axis(axis)).collect::<Result<Axes>>()?;
        found.sort_unstable();
        if let Some(pair) = found.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::index(format!("axis {} is named twice in {axes:?} for shape {self}", pair[0])));
        }
        Ok(found)
    }

    /// The shape that both broadcast to, by NumPy's rule: aligned at the last axis, sizes equal or one.
    ///
    /// # Errors
    /// Two sizes that differ and are not one.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape> {
        let rank = self.rank().max(other.rank());
        let mut sizes = [1; MAX_RANK];
        for i in 1..=rank {
            let size = |shape: &Shape| if i <= shape.rank() { shape[shape.rank() - i] } else { 1 };
            sizes[rank - i] = match (size(self), size(other)) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                (a, b) => {
                    return Err(Error::shape(format!(
                        "shapes do not broadcast: {self} and {other} ({a} != {b} at axis {} of {rank})",
                        rank - i
                    ))
                    .mend("sizes must be equal or 1, aligned at the last axis"));
                }
            };
        }
        Shape::new(&sizes[..rank])
    }

    /// The shape with `axes` (sorted) removed, or kept with size one.
    pub(crate) fn reduced(&self, axes: &[usize], keep: bool) -> Shape {
        let mut out = Shape::SCALAR;
        for (axis, &size) in self.iter().enumerate() {
            let gone = axes.contains(&axis);
            if !gone || keep {
                out.sizes[out.rank as usize] = if gone { 1 } else { size };
                out.rank += 1;
            }
        }
        out
    }

    /// Strides of the row-major layout, in elements.
    pub(crate) fn row_major(&self) -> Strides {
        let mut strides = [0; MAX_RANK];
        let mut step = 1isize;
        for axis in (0..self.rank()).rev() {
            strides[axis] = step;
            step *= self[axis].max(1) as isize;
        }
        strides
    }
}

/// A list of axes.
pub type Axes = smallvec::SmallVec<[usize; MAX_RANK]>;

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.sizes[..self.rank as usize]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What can stand for a shape: `()`, a size, an array, a slice, a vector.
pub trait IntoShape {
    /// The shape.
    ///
    /// # Errors
    /// Those of [`Shape::new`].
    fn into_shape(self) -> Result<Shape>;
}

impl IntoShape for Shape {
    fn into_shape(self) -> Result<Shape> {
        Ok(self)
    }
}
impl IntoShape for &Shape {
    fn into_shape(self) -> Result<Shape> {
        Ok(*self)
    }
}
impl IntoShape for () {
    fn into_shape(self) -> Result<Shape> {
        Ok(Shape::SCALAR)
    }
}
impl IntoShape for usize {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&[self])
    }
}
impl IntoShape for &[usize] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}
impl IntoShape for Vec<usize> {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&self)
    }
}
impl IntoShape for &Vec<usize> {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}
impl<const N: usize> IntoShape for [usize; N] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(&self)
    }
}
impl<const N: usize> IntoShape for &[usize; N] {
    fn into_shape(self) -> Result<Shape> {
        Shape::new(self)
    }
}

/// Steps between neighbours along each axis, in elements; negative where an axis runs backwards, zero where it repeats.
pub(crate) type Strides = [isize; MAX_RANK];

/// Where a tensor's elements lie in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub shape: Shape,
    pub strides: Strides,
    pub offset: usize,
}

impl Layout {
    /// Row-major from the buffer's start.
    pub fn contiguous(shape: Shape) -> Layout {
        Layout { shape, strides: shape.row_major(), offset: 0 }
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1isize;
        for axis in (0..self.shape.rank()).rev() {
            match self.shape[axis] {
                0 => return true,
                1 => {}
                size if self.strides[axis] == step => step *= size as isize,
                _ => return false,
            }
        }
        true
    }

    /// The layout that repeats size-one axes to fill `shape`, which this shape must broadcast to.
    pub fn broadcast_to(&self, shape: Shape) -> Layout {
        let mut strides = [0; MAX_RANK];
        let lead = shape.rank() - self.shape.rank();
        for axis in 0..self.shape.rank() {
            if self.shape[axis] == shape[lead + axis] && shape[lead + axis] != 1 {
                strides[lead + axis] = self.strides[axis];
            }
        }
        Layout { shape, strides, offset: self.offset }
    }

    /// The strides of the same elements in the same order under another shape, where one exists.
    pub fn reshape(&self, shape: Shape) -> Option<Layout> {
        if self.is_contiguous() {
            return Some(Layout { shape, strides: shape.row_major(), offset: self.offset });
        }
        // Match runs of old axes that are contiguous among themselves with runs of new axes of the same product.
        let mut strides = [0isize; MAX_RANK];
        let old: Vec<(usize, isize)> =
            (0..self.shape.rank()).filter(|&i| self.shape[i] != 1).map(|i| (self.shape[i], self.strides[i])).collect();
        let (mut i, mut axis) = (0, 0);
        while i < old.len() {
            let start = axis;
            let (mut have, mut want) = (old[i].0, 1);
            while axis < shape.rank() && want < have {
                want *= shape[axis];
                axis += 1;
            }
            while have != want {
                if have < want {
                    i += 1;
                    let &(size, stride) = old.get(i)?;
                    if old[i - 1].1 != stride * size as isize {
                        return None;
                    }
                    have *= size;
                } else {
                    want *= *shape.get(axis)?;
                    axis += 1;
                }
            }
            let mut step = old[i].1;
            for new in (start..axis).rev() {
                strides[new] = step;
                step *= shape[new] as isize;
            }
            i += 1;
        }
        Some(Layout { shape, strides, offset: self.offset })
    }
}

/// The shape and element type of a value: all that a shape rule sees.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Sizes of the axes.
    pub shape: Shape,
    /// Type of the elements.
    pub dtype: DType,
}

impl Spec {
    /// A spec of this shape and type.
    pub fn new(shape: Shape, dtype: DType) -> Spec {
        Spec { shape, dtype }
    }

    /// This type with another shape.
    pub fn with_shape(self, shape: Shape) -> Spec {
        Spec { shape, ..self }
    }

    /// This shape with another type.
    pub fn with_dtype(self, dtype: DType) -> Spec {
        Spec { dtype, ..self }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sizes: &[usize]) -> Shape {
        Shape::new(sizes).unwrap()
    }

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(shape(&[3, 1, 5]).broadcast(&shape(&[4, 1])).unwrap(), shape(&[3, 4, 5]));
        assert_eq!(shape(&[]).broadcast(&shape(&[0, 2])).unwrap(), shape(&[0, 2]));
        assert_eq!(shape(&[1]).broadcast(&shape(&[0])).unwrap(), shape(&[0]));
        let error = shape(&[3, 2]).broadcast(&shape(&[4, 2])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "shapes do not broadcast: [3, 2] and [4, 2] (3 != 4 at axis 0 of 2); sizes must be equal or 1, aligned at the last axis"
        );
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        assert!(Shape::new(&[usize::MAX, 2]).is_err());
        assert!(Shape::new(&[0, usize::MAX, usize::MAX]).is_err());
        assert!(Shape::new(&[1; 9]).is_err());
    }

    #[test]
    fn strided_reshape_keeps_order_or_refuses() {
        // Rows of a 4x6 buffer, first five columns: rows cannot merge, columns cannot either, but each can split.
        let view = Layout {
            shape: shape(&[4, 4]),
            strides: {
                let mut s = [0; MAX_RANK];
                s[0] = 6;
                s[1] = 1;
                s
            },
            offset: 1,
        };
        assert!(view.reshape(shape(&[16])).is_none());
        let split = view.reshape(shape(&[2, 2, 1, 2, 2])).unwrap();
        assert_eq!(&split.strides[..5], &[12, 6, 4, 2, 1][..]);
        assert!(view.reshape(shape(&[8, 2])).is_none());
    }
}
