//! Parts of a tensor by steps along its axes, and their transpose.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Span, Specs, apply_one, expect_inputs};
use crate::shape::{Layout, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// Evenly spaced places along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first place.
    pub start: usize,
    /// How far to the next; negative runs backwards, never zero.
    pub step: isize,
    /// How many.
    pub len: usize,
}

impl Steps {
    /// Every place of an axis.
    pub fn all(size: usize) -> Steps {
        Steps { start: 0, step: 1, len: size }
    }

    /// The place of the `i`-th.
    pub fn at(&self, i: usize) -> usize {
        (self.start as isize + i as isize * self.step) as usize
    }

    fn check(&self, axis: usize, size: usize) -> Result<()> {
        let last = (self.len.saturating_sub(1) as isize)
            .checked_mul(self.step)
            .and_then(|d| d.checked_add_unsigned(self.start));
        let inside = |place: isize| (0..size as isize).contains(&place);
        if self.step != 0 && (self.len == 0 || (self.start < size && last.is_some_and(inside))) {
            return Ok(());
        }
        Err(Error::index(format!("{self:?} leaves axis {axis} of size {size}")))
    }
}

/// Evenly spaced parts of every axis. Shares memory.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The places along each axis.
    pub steps: Vec<Steps>,
}

/// Zeros of a shape with the input written at evenly spaced places: the transpose of [`Slice`].
#[derive(Clone, Debug)]
pub struct Embed {
    /// The shape of the result.
    pub shape: Shape,
    /// The places along each axis.
    pub steps: Vec<Steps>,
}

/// The shape of the parts at these places of `shape`.
pub(super) fn check(steps: &[Steps], shape: &Shape) -> Result<Shape> {
    if steps.len() != shape.rank() {
        return Err(Error::shape(format!("{} slices for the {} axes of {shape}", steps.len(), shape.rank())));
    }
    steps.iter().zip(shape.iter()).enumerate().try_for_each(|(axis, (steps, &size))| steps.check(axis, size))?;
    Shape::new(&steps.iter().map(|steps| steps.len).collect::<Vec<_>>())
}

/// The layout of the places in a tensor of this layout.
pub(super) fn part(steps: &[Steps], whole: &Layout) -> Layout {
    let mut layout = *whole;
    let empty = steps.iter().any(|steps| steps.len == 0);
    for (axis, steps) in steps.iter().enumerate() {
        if !empty {
            layout.offset = (layout.offset as isize + steps.start as isize * layout.strides[axis]) as usize;
        }
        layout.strides[axis] *= steps.step;
        layout.shape.sizes_mut()[axis] = steps.len;
    }
    layout
}

pub(super) fn attributes(steps: &[Steps]) -> Attributes {
    let list = |f: fn(&Steps) -> isize| (&steps.iter().map(f).collect::<Vec<_>>()[..]).into();
    vec![("starts", list(|s| s.start as isize)), ("steps", list(|s| s.step)), ("lengths", list(|s| s.len as isize))]
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn attributes(&self) -> Attributes {
        attributes(&self.steps)
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        Ok(smallvec![inputs[0].with_shape(check(&self.steps, &inputs[0].shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].view(part(&self.steps, inputs[0].layout()))])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let transpose = Embed { shape: cx.spec(0).shape, steps: self.steps.clone() };
        Ok(smallvec![Some(apply_one(transpose, &[&cx.grad(0)?])?)])
    }

    fn spans(&self, _inputs: &[Spec]) -> Vec<Span> {
        self.steps.iter().map(|steps| Span { stride: steps.step.unsigned_abs() as f64, ..Span::SAME }).collect()
    }
}

impl Op for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn attributes(&self) -> Attributes {
        let mut all = attributes(&self.steps);
        all.push(("shape", (&*self.shape).into()));
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        let part = check(&self.steps, &self.shape)?;
        if part != inputs[0].shape {
            return Err(Error::shape(format!("{} does not fill the places of {part}", inputs[0].shape)));
        }
        Ok(smallvec![inputs[0].with_shape(self.shape)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let part = part(&self.steps, &Layout::contiguous(self.shape));
        Ok(smallvec![inputs[0].backend().embed(inputs[0], self.shape, &part, 0.into())?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(apply_one(Slice { steps: self.steps.clone() }, &[&cx.grad(0)?])?)])
    }
}

/// Shapes with places along each axis.
pub(super) fn samples() -> Vec<(Vec<usize>, Vec<Steps>)> {
    let s = |start, step, len| Steps { start, step, len };
    vec![
        (vec![], vec![]),
        (vec![5], vec![s(1, 2, 2)]),
        (vec![5], vec![s(4, -1, 5)]),
        (vec![4, 6], vec![s(3, -2, 2), s(0, 5, 2)]),
        (vec![3, 4, 2], vec![s(0, 1, 3), s(1, 1, 2), s(1, 1, 1)]),
        (vec![3, 4], vec![s(0, 1, 0), s(0, 1, 4)]),
    ]
}

pub(super) fn arbitrary_steps(g: &mut Gen) -> Vec<Steps> {
    (0..g.below(4)).map(|_| Steps { start: g.below(6), step: g.axis(), len: g.below(5) }).collect()
}

impl Registered for Slice {
    fn cases() -> Vec<Case> {
        samples()
            .into_iter()
            .map(|(sizes, steps)| Case::new(Slice { steps }, [Gen::new(5).tensor(&sizes, -3.0, 3.0)]))
            .collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let sizes: Vec<usize> = self.steps.iter().map(|steps| steps.len).collect();
        let place = |index: &[usize]| -> Vec<usize> { self.steps.iter().zip(index).map(|(s, &i)| s.at(i)).collect() };
        vec![Array::from_fn(&sizes, |index| inputs[0].at(&place(index)))]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Slice { steps: arbitrary_steps(g) }
    }
}

impl Registered for Embed {
    fn cases() -> Vec<Case> {
        let case = |(sizes, steps): (Vec<usize>, Vec<Steps>)| {
            let part: Vec<usize> = steps.iter().map(|steps| steps.len).collect();
            Ok(Case::new(Embed { shape: Shape::new(&sizes)?, steps }, [Gen::new(6).tensor(&part, -3.0, 3.0)]))
        };
        samples().into_iter().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![Array::from_fn(&self.shape, |index| {
            let find = |(steps, &place): (&Steps, &usize)| (0..steps.len).find(|&i| steps.at(i) == place);
            let source: Option<Vec<usize>> = self.steps.iter().zip(index).map(find).collect();
            source.map_or(0.0, |source| inputs[0].at(&source))
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Embed { shape: g.shape(), steps: arbitrary_steps(g) }
    }
}

impl Tensor {
    /// `len` places of one axis from `start` on.
    ///
    /// # Errors
    /// Places that the axis does not have.
    #[track_caller]
    pub fn narrow(&self, axis: isize, start: usize, len: usize) -> Result<Tensor> {
        let at = Location::caller();
        let axis = self.shape().axis(axis).map_err(|e| e.op("narrow").at(at))?;
        let size = self.shape()[axis];
        if start.checked_add(len).is_none_or(|end| end > size) {
            let message = format!("{len} places from {start} leave axis {axis} of {}, which has {size}", self.shape());
            return Err(Error::index(message).op("narrow").at(at));
        }
        let mut steps: Vec<Steps> = self.shape().iter().map(|&size| Steps::all(size)).collect();
        steps[axis] = Steps { start, step: 1, len };
        apply_one(Slice { steps }, &[self])
    }

    /// The axes (all if none is named) run backwards.
    ///
    /// # Errors
    /// An axis outside the shape or named twice.
    #[track_caller]
    pub fn flip(&self, axes: &[isize]) -> Result<Tensor> {
        let at = Location::caller();
        let axes = self.shape().axes(axes).map_err(|e| e.op("flip").at(at))?;
        let mut steps: Vec<Steps> = self.shape().iter().map(|&size| Steps::all(size)).collect();
        for axis in axes {
            let size = self.shape()[axis];
            steps[axis] = Steps { start: size.saturating_sub(1), step: -1, len: size };
        }
        apply_one(Slice { steps }, &[self])
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Slice>(), Entry::of::<Embed>()]
}
