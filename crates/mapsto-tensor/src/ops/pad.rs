//! Tensors with a border.

use crate::backend::Border;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Span, Specs, apply_one, expect_float, expect_inputs,
};
use crate::ops::{Slice, Steps};
use crate::shape::{Layout, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// What stands in a border.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// One number.
    Constant(Scalar),
    /// The mirror image, the edge itself not repeated: `c b | a b c | b a`.
    Reflect,
    /// The edge repeated: `a a | a b c | c c`.
    Replicate,
    /// The other end, as if the axis were a circle: `b c | a b c | a b`.
    Circular,
}

impl PadMode {
    /// Zeros.
    pub const ZEROS: PadMode = PadMode::Constant(Scalar::Bool(false));

    fn name(self) -> &'static str {
        match self {
            PadMode::Constant(_) => "constant",
            PadMode::Reflect => "reflect",
            PadMode::Replicate => "replicate",
            PadMode::Circular => "circular",
        }
    }

    fn border(self) -> Option<Border> {
        match self {
            PadMode::Constant(_) => None,
            PadMode::Reflect => Some(Border::Reflect),
            PadMode::Replicate => Some(Border::Replicate),
            PadMode::Circular => Some(Border::Circular),
        }
    }
}

/// A border of `pads[axis]` = (before, after) places around every axis.
#[derive(Clone, Debug)]
pub struct Pad {
    /// How many places before and after each axis.
    pub pads: Vec<(usize, usize)>,
    /// What stands there.
    pub mode: PadMode,
}

/// The transpose of [`Pad`] with a mode that copies elements: the middle, with every place of the border added to the
/// element it would be a copy of.
#[derive(Clone, Debug)]
pub struct PadTranspose {
    /// How many places before and after each axis.
    pub pads: Vec<(usize, usize)>,
    /// Which element each place of the border would be a copy of.
    pub border: Border,
}

/// The padded shape of `shape`, if these borders can be made.
fn padded(shape: &Shape, pads: &[(usize, usize)], border: Option<Border>) -> Result<Shape> {
    if pads.len() != shape.rank() {
        return Err(Error::argument(format!("{} pairs of pads for the {} axes of {shape}", pads.len(), shape.rank())));
    }
    let size = |(axis, (&size, &(before, after))): (usize, (&usize, &(usize, usize)))| {
        let wide = before.max(after);
        let fails = |most: usize, mode: &str| {
            Err(Error::argument(format!(
                "{wide} places do not fit a {mode} border of axis {axis} of {shape}: at most {most}"
            )))
        };
        match border {
            Some(Border::Reflect) if wide > size.saturating_sub(1) => return fails(size.saturating_sub(1), "reflect"),
            Some(Border::Circular) if wide > size => return fails(size, "circular"),
            Some(Border::Replicate) if wide > 0 && size == 0 => return fails(0, "replicate"),
            _ => {}
        }
        let total = before.checked_add(after).and_then(|pad| pad.checked_add(size));
        total.ok_or_else(|| Error::memory(format!("pads {before} and {after} are larger than memory")))
    };
    Shape::new(&shape.iter().zip(pads).enumerate().map(size).collect::<Result<Vec<_>>>()?)
}

/// The shape inside these borders.
fn inside(shape: &Shape, pads: &[(usize, usize)], border: Border) -> Result<Shape> {
    let size = |(&size, &(before, after)): (&usize, &(usize, usize))| {
        let middle = before.checked_add(after).and_then(|pad| size.checked_sub(pad));
        middle.ok_or_else(|| Error::shape(format!("{shape} has no middle inside pads {pads:?}")))
    };
    let middle = Shape::new(&shape.iter().zip(pads).map(size).collect::<Result<Vec<_>>>()?)?;
    padded(&middle, pads, Some(border))?;
    Ok(middle)
}

/// The middle as slices of the padded axes.
fn middle(pads: &[(usize, usize)], shape: &Shape) -> Vec<Steps> {
    pads.iter().zip(shape.iter()).map(|(&(start, _), &len)| Steps { start, step: 1, len }).collect()
}

fn pads_attribute(pads: &[(usize, usize)]) -> crate::op::Attribute {
    (&pads.iter().flat_map(|&(before, after)| [before, after]).collect::<Vec<_>>()[..]).into()
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn attributes(&self) -> Attributes {
        let mut all = vec![("pads", pads_attribute(&self.pads)), ("mode", self.mode.name().into())];
        if let PadMode::Constant(value) = self.mode {
            all.push(("value", value.into()));
        }
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        if let PadMode::Constant(value) = self.mode {
            if value.promote(inputs[0].dtype) != inputs[0].dtype {
                return Err(Error::dtype(format!("{} elements cannot be padded with {value:?}", inputs[0].dtype)));
            }
            value.check_fits(inputs[0].dtype)?;
        }
        Ok(smallvec![inputs[0].with_shape(padded(&inputs[0].shape, &self.pads, self.mode.border())?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let x = inputs[0];
        let shape = padded(x.shape(), &self.pads, self.mode.border())?;
        Ok(smallvec![match (self.mode, self.mode.border()) {
            (PadMode::Constant(value), _) => {
                let mut part = Layout { shape: *x.shape(), ..Layout::contiguous(shape) };
                part.offset =
                    self.pads.iter().zip(part.strides).map(|(&(before, _), step)| before * step as usize).sum();
                x.backend().embed(x, shape, &part, value)?
            }
            (_, Some(border)) => x.backend().pad(x, shape, &self.pads, border)?,
            (_, None) => return Err(Error::argument("a mode without a border")),
        }])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let g = cx.grad(0)?;
        Ok(smallvec![Some(match self.mode.border() {
            None => apply_one(Slice { steps: middle(&self.pads, &cx.spec(0).shape) }, &[&g])?,
            Some(border) => apply_one(PadTranspose { pads: self.pads.clone(), border }, &[&g])?,
        })])
    }

    fn spans(&self, _inputs: &[Spec]) -> Vec<Span> {
        vec![Span::SAME; self.pads.len()]
    }
}

impl Op for PadTranspose {
    fn name(&self) -> &'static str {
        "pad_transpose"
    }

    fn attributes(&self) -> Attributes {
        vec![("pads", pads_attribute(&self.pads)), ("mode", self.mode().name().into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        let shape = inputs[0].shape;
        if self.pads.len() != shape.rank() {
            return Err(Error::argument(format!("{} pairs of pads for {shape}", self.pads.len())));
        }
        Ok(smallvec![inputs[0].with_shape(inside(&shape, &self.pads, self.border)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().pad_transpose(inputs[0], &self.pads, self.border)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(apply_one(Pad { pads: self.pads.clone(), mode: self.mode() }, &[&cx.grad(0)?])?)])
    }
}

impl PadTranspose {
    fn mode(&self) -> PadMode {
        match self.border {
            Border::Reflect => PadMode::Reflect,
            Border::Replicate => PadMode::Replicate,
            Border::Circular => PadMode::Circular,
        }
    }
}

/// The element that place `at` of a padded axis copies, counted by walking there one step at a time.
fn walked(at: usize, (before, _): (usize, usize), size: usize, border: Border) -> usize {
    let (mut place, mut step) = (0usize, 1isize);
    let mut left = at as isize - before as isize;
    if left < 0 {
        (left, step) = (-left, -1);
    }
    for _ in 0..left {
        match (place as isize + step, border) {
            (next, _) if (0..size as isize).contains(&next) => place = next as usize,
            (next, Border::Circular) => place = next.rem_euclid(size as isize) as usize,
            (_, Border::Replicate) => {}
            (_, Border::Reflect) => {
                step = -step;
                place = (place as isize + step) as usize;
            }
        }
    }
    place
}

/// Shapes with pads: one side, both, none; as wide as modes allow; every axis; wide rows.
fn samples() -> Vec<(Vec<usize>, Vec<(usize, usize)>)> {
    vec![
        (vec![], vec![]),
        (vec![1], vec![(0, 0)]),
        (vec![4], vec![(3, 1)]),
        (vec![3, 5], vec![(0, 2), (4, 0)]),
        (vec![2, 3, 4], vec![(1, 1), (0, 0), (2, 3)]),
        (vec![3, 1, 2], vec![(2, 2), (0, 0), (0, 0)]),
        (vec![2, 0, 3], vec![(1, 0), (0, 0), (1, 1)]),
        (vec![2, 70], vec![(0, 1), (33, 69)]),
    ]
}

const BORDERS: [Border; 3] = [Border::Reflect, Border::Replicate, Border::Circular];

fn arbitrary_pads(g: &mut Gen) -> Vec<(usize, usize)> {
    let huge = usize::MAX - 3;
    (0..g.below(5)).map(|_| (g.pick(&[0, 0, 1, 2, 5, huge]), g.pick(&[0, 1, 2, 3, huge]))).collect()
}

impl Registered for Pad {
    fn cases() -> Vec<Case> {
        let modes = [PadMode::ZEROS, PadMode::Constant(Scalar::Int(-2)), PadMode::Reflect, PadMode::Replicate];
        let modes = modes.into_iter().chain([PadMode::Circular]);
        let case = |mode: PadMode, (sizes, pads): (Vec<usize>, Vec<(usize, usize)>)| {
            Case::new(Pad { pads, mode }, [Gen::new(5).tensor(&sizes, -3.0, 3.0)])
        };
        modes.flat_map(|mode| samples().into_iter().map(move |sample| case(mode, sample))).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let sizes: Vec<usize> =
            x.sizes.iter().zip(&self.pads).map(|(size, (before, after))| before + size + after).collect();
        vec![Array::from_fn(&sizes, |index| {
            let axes = || index.iter().zip(&self.pads).zip(&x.sizes);
            match self.mode {
                PadMode::Constant(value) => {
                    let source: Option<Vec<usize>> =
                        axes().map(|((&i, &(before, _)), &n)| i.checked_sub(before).filter(|&i| i < n)).collect();
                    source.map_or(value.to(), |source| x.at(&source))
                }
                _ => {
                    let border = self.mode.border().unwrap_or(Border::Replicate);
                    x.at(&axes().map(|((&i, &pads), &n)| walked(i, pads, n, border)).collect::<Vec<_>>())
                }
            }
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let modes = [PadMode::ZEROS, PadMode::Constant(Scalar::Float(0.5)), PadMode::Constant(Scalar::Int(300))];
        let modes = [&modes[..], &[PadMode::Reflect, PadMode::Replicate, PadMode::Circular]].concat();
        Pad { pads: arbitrary_pads(g), mode: g.pick(&modes) }
    }
}

impl Registered for PadTranspose {
    fn cases() -> Vec<Case> {
        let case = |border: Border, (sizes, pads): (Vec<usize>, Vec<(usize, usize)>)| {
            let wide: Vec<usize> =
                sizes.iter().zip(&pads).map(|(size, (before, after))| before + size + after).collect();
            Case::new(PadTranspose { pads, border }, [Gen::new(6).tensor(&wide, -3.0, 3.0)])
        };
        BORDERS.into_iter().flat_map(|border| samples().into_iter().map(move |sample| case(border, sample))).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let sizes: Vec<usize> =
            x.sizes.iter().zip(&self.pads).map(|(size, (before, after))| size - before - after).collect();
        let mut out = Array::from_fn(&sizes, |_| 0.0);
        Array::from_fn(&x.sizes, |index| {
            let target =
                index.iter().zip(&self.pads).zip(&sizes).map(|((&i, &pads), &n)| walked(i, pads, n, self.border));
            let place = target.zip(&sizes).fold(0, |place, (i, &size)| place * size + i);
            out.data[place] += x.at(index);
            0.0
        });
        vec![out]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        PadTranspose { pads: arbitrary_pads(g), border: g.pick(&BORDERS) }
    }
}

impl Tensor {
    /// A border around the last `pads.len()` axes: `pads[i]` = (before, after) places for the i-th of them. Negative
    /// numbers crop; cropping comes first.
    ///
    /// ```
    /// use mapsto_tensor::{Tensor, ops::PadMode};
    /// let x = Tensor::new([1.0f32, 2.0, 3.0])?;
    /// assert_eq!(x.pad(&[(2, 1)], PadMode::Reflect)?.to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// assert_eq!(x.pad(&[(-1, 1)], PadMode::ZEROS)?.to_vec::<f32>()?, [2.0, 3.0, 0.0]);
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// More pads than axes; more cropped than there is; a border wider than the axis less one (reflect) or than the axis
    /// (circular); a number that the element type does not hold.
    #[track_caller]
    pub fn pad(&self, pads: &[(isize, isize)], mode: PadMode) -> Result<Tensor> {
        let at = Location::caller();
        let plan = || {
            let Some(lead) = self.rank().checked_sub(pads.len()) else {
                return Err(Error::argument(format!("{} pairs of pads for shape {}", pads.len(), self.shape())));
            };
            let mut keep: Vec<Steps> = self.shape().iter().map(|&size| Steps::all(size)).collect();
            let mut wide = vec![(0, 0); self.rank()];
            for (axis, &(before, after)) in (lead..).zip(pads) {
                let crop = |pad: isize| pad.min(0).unsigned_abs();
                let cropped = crop(before).checked_add(crop(after));
                let left = cropped.and_then(|crop| keep[axis].len.checked_sub(crop)).ok_or_else(|| {
                    let message = format!("cropping {} and {} leaves nothing", crop(before), crop(after));
                    Error::argument(format!("{message} of axis {axis} of {}", self.shape()))
                })?;
                keep[axis] = Steps { start: crop(before), step: 1, len: left };
                wide[axis] = (before.max(0) as usize, after.max(0) as usize);
            }
            Ok((keep, wide))
        };
        let (steps, wide) = plan().map_err(|e: Error| e.op("pad").at(at))?;
        let crops = steps.iter().zip(self.shape().iter()).any(|(steps, &size)| steps.len != size);
        let cropped = if crops { apply_one(Slice { steps }, &[self])? } else { self.clone() };
        if wide.iter().all(|&pads| pads == (0, 0)) {
            Ok(cropped)
        } else {
            apply_one(Pad { pads: wide, mode }, &[&cropped])
        }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Pad>(), Entry::of::<PadTranspose>()]
}
