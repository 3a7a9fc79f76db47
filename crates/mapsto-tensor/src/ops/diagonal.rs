//! Diagonals, and tensors with a given one.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs};
use crate::shape::{Layout, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// Where a diagonal lies: elements `(i, i + offset)` of two axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The axis of rows.
    pub rows: usize,
    /// The axis of columns.
    pub columns: usize,
    /// How far right of the main diagonal; negative: below it.
    pub offset: isize,
}

impl Place {
    /// The layout of the diagonal in a tensor of this layout: without the two axes, the diagonal last.
    fn within(&self, whole: &Layout) -> Result<Layout> {
        let (rank, Place { rows, columns, offset }) = (whole.shape.rank(), *self);
        if rows >= rank || columns >= rank || rows == columns {
            let message = format!("axes {rows} and {columns} do not make matrices of {}", whole.shape);
            return Err(Error::index(message));
        }
        // Rows above the first element, and columns left of it.
        let (down, right) = (offset.min(0).unsigned_abs(), offset.max(0) as usize);
        let (height, width) = (whole.shape[rows].saturating_sub(down), whole.shape[columns].saturating_sub(right));
        let len = height.min(width);
        let kept = || (0..rank).filter(|&axis| axis != rows && axis != columns);
        let mut sizes: Vec<usize> = kept().map(|axis| whole.shape[axis]).collect();
        sizes.push(len);
        let mut part = Layout { shape: Shape::new(&sizes)?, ..*whole };
        kept().enumerate().for_each(|(axis, from)| part.strides[axis] = whole.strides[from]);
        part.strides[rank - 2] = whole.strides[rows] + whole.strides[columns];
        if part.shape.numel() > 0 {
            let start = down as isize * whole.strides[rows] + right as isize * whole.strides[columns];
            part.offset = (whole.offset as isize + start) as usize;
        }
        Ok(part)
    }

    fn attributes(&self) -> Attributes {
        vec![("offset", self.offset.into()), ("rows", self.rows.into()), ("columns", self.columns.into())]
    }

    /// The index in the whole of an index into the diagonal.
    fn index(&self, of: &[usize]) -> Vec<usize> {
        let (last, lead) = of.split_last().map_or((0, of), |(&last, lead)| (last, lead));
        let mut lead = lead.iter().copied();
        let mut next = |axis: usize| match axis {
            axis if axis == self.rows => last + self.offset.min(0).unsigned_abs(),
            axis if axis == self.columns => last + self.offset.max(0) as usize,
            _ => lead.next().unwrap_or(0),
        };
        (0..of.len() + 1).map(&mut next).collect()
    }

    fn arbitrary(g: &mut Gen) -> Place {
        Place { rows: g.below(4), columns: g.below(4), offset: g.axis() }
    }
}

/// The diagonal of two axes, as the last axis. Shares memory.
#[derive(Clone, Copy, Debug)]
pub struct Diagonal {
    /// Where it lies.
    pub place: Place,
}

/// Zeros of a shape with the input on a diagonal: the transpose of [`Diagonal`].
#[derive(Clone, Copy, Debug)]
pub struct DiagonalEmbed {
    /// The shape of the result.
    pub shape: Shape,
    /// Where the diagonal lies in it.
    pub place: Place,
}

impl Op for Diagonal {
    fn name(&self) -> &'static str {
        "diagonal"
    }

    fn attributes(&self) -> Attributes {
        self.place.attributes()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        Ok(smallvec![inputs[0].with_shape(self.place.within(&Layout::contiguous(inputs[0].shape))?.shape)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].view(self.place.within(inputs[0].layout())?)])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let transpose = DiagonalEmbed { shape: cx.spec(0).shape, place: self.place };
        Ok(smallvec![Some(apply_one(transpose, &[&cx.grad(0)?])?)])
    }
}

impl Op for DiagonalEmbed {
    fn name(&self) -> &'static str {
        "diagonal_embed"
    }

    fn attributes(&self) -> Attributes {
        let mut all = self.place.attributes();
        all.push(("shape", (&*self.shape).into()));
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        let part = self.place.within(&Layout::contiguous(self.shape))?.shape;
        if part != inputs[0].shape {
            return Err(Error::shape(format!("{} does not fill a diagonal of {part}", inputs[0].shape)));
        }
        Ok(smallvec![inputs[0].with_shape(self.shape)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let part = self.place.within(&Layout::contiguous(self.shape))?;
        Ok(smallvec![inputs[0].backend().embed(inputs[0], self.shape, &part, 0.into())?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(apply_one(Diagonal { place: self.place }, &[&cx.grad(0)?])?)])
    }
}

/// Shapes with diagonals: square, wide and tall, off the main one, outside the matrix.
fn samples() -> Vec<(Vec<usize>, Place)> {
    let place = |rows, columns, offset| Place { rows, columns, offset };
    vec![
        (vec![3, 3], place(0, 1, 0)),
        (vec![3, 5], place(0, 1, 1)),
        (vec![5, 3], place(1, 0, 2)),
        (vec![2, 4, 3], place(2, 0, -1)),
        (vec![2, 3], place(0, 1, 7)),
        (vec![0, 3, 1], place(1, 2, 0)),
    ]
}

impl Registered for Diagonal {
    fn cases() -> Vec<Case> {
        let case = |(sizes, place): (Vec<usize>, Place)| {
            Case::new(Diagonal { place }, [Gen::new(8).tensor(&sizes, -3.0, 3.0)])
        };
        samples().into_iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let Place { rows, columns, .. } = self.place;
        let sizes = &inputs[0].sizes;
        let mut kept: Vec<usize> = (0..sizes.len()).filter(|&a| a != rows && a != columns).map(|a| sizes[a]).collect();
        let inside = |i: usize| {
            let index = self.place.index(&[vec![0; kept.len()], vec![i]].concat());
            index[rows] < sizes[rows] && index[columns] < sizes[columns]
        };
        kept.push((0..).take_while(|&i| inside(i)).count());
        vec![Array::from_fn(&kept, |index| inputs[0].at(&self.place.index(index)))]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Diagonal { place: Place::arbitrary(g) }
    }
}

impl Registered for DiagonalEmbed {
    fn cases() -> Vec<Case> {
        let case = |(sizes, place): (Vec<usize>, Place)| {
            let shape = Shape::new(&sizes)?;
            let part = place.within(&Layout::contiguous(shape))?.shape;
            Ok(Case::new(DiagonalEmbed { shape, place }, [Gen::new(9).tensor(&part, -3.0, 3.0)]))
        };
        samples().into_iter().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let mut out = Array::from_fn(&self.shape, |_| 0.0);
        Array::from_fn(&inputs[0].sizes, |index| {
            let place = self.place.index(index).iter().zip(&*self.shape).fold(0, |place, (&i, &size)| place * size + i);
            out.data[place] = inputs[0].at(index);
            0.0
        });
        vec![out]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        DiagonalEmbed { shape: g.shape(), place: Place::arbitrary(g) }
    }
}

impl Tensor {
    /// The elements `(i, i + offset)` of two axes, as the last axis of the result; the two are gone.
    ///
    /// # Errors
    /// Axes outside the shape, or twice the same.
    #[track_caller]
    pub fn diagonal(&self, offset: isize, rows: isize, columns: isize) -> Result<Tensor> {
        let at = Location::caller();
        let axis = |axis| self.shape().axis(axis).map_err(|e| e.op("diagonal").at(at));
        apply_one(Diagonal { place: Place { rows: axis(rows)?, columns: axis(columns)?, offset } }, &[self])
    }

    /// Square matrices of zeros with the last axis of this tensor on a diagonal: `[..., n]` to `[..., m, m]` with
    /// `m = n + |offset|`.
    ///
    /// # Errors
    /// A scalar; matrices that are too large.
    #[track_caller]
    pub fn diagonal_embed(&self, offset: isize) -> Result<Tensor> {
        let at = Location::caller();
        let shape = || {
            let last = self.shape().axis(-1)?;
            let size = self.shape()[last].checked_add(offset.unsigned_abs());
            let size = size.ok_or_else(|| Error::memory(format!("no matrix has a diagonal {offset} off its own")))?;
            let mut sizes = self.shape()[..last].to_vec();
            sizes.extend([size, size]);
            Shape::new(&sizes)
        };
        let shape = shape().map_err(|e: Error| e.op("diagonal_embed").at(at))?;
        let place = Place { rows: self.rank() - 1, columns: self.rank(), offset };
        apply_one(DiagonalEmbed { shape, place }, &[self])
    }

    /// The sum of the main diagonal of each matrix `[..., m, n]`.
    ///
    /// # Errors
    /// Fewer than two axes.
    #[track_caller]
    pub fn trace(&self) -> Result<Tensor> {
        self.diagonal(0, -2, -1)?.sum_axes(&[-1], false)
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Diagonal>(), Entry::of::<DiagonalEmbed>()]
}
