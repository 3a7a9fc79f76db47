//! Tensors resized along their last axes.

use crate::error::{Error, Result};
use crate::op::{
    Attribute, Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Span, Specs, apply_one, expect_float,
    expect_inputs,
};
use crate::ops::pool::spatial;
use crate::ops::resize::taps::multiply_adds;
use crate::ops::{Resample, Taps};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// How elements between given ones come about. Aligned corners: the centres of the first and last elements stay in place;
/// otherwise the outer edges of the elements do. With `antialias` the filter widens where the output is smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The element at the rounded-down place, computed in single precision as PyTorch does.
    Nearest,
    /// The element that is nearest to the centre.
    NearestExact,
    /// Linear along each axis: linear, bilinear, trilinear.
    Linear {
        /// Whether corners are aligned.
        align_corners: bool,
        /// Whether the filter widens.
        antialias: bool,
    },
    /// Cubic convolution along each axis (Keys 1981, a = -0.75; -0.5 with `antialias`).
    Cubic {
        /// Whether corners are aligned.
        align_corners: bool,
        /// Whether the filter widens.
        antialias: bool,
    },
}

/// A tensor resized along its last axes, each by itself.
#[derive(Clone, Debug)]
pub struct Resize {
    /// Sizes of the last axes.
    pub sizes: Vec<usize>,
    /// The factors between places, where they are not those of the sizes (which were rounded down from them).
    pub scales: Option<Vec<f64>>,
    /// How.
    pub mode: Interpolation,
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn attributes(&self) -> Attributes {
        let (name, flags) = match self.mode {
            Interpolation::Nearest => ("nearest", None),
            Interpolation::NearestExact => ("nearest_exact", None),
            Interpolation::Linear { align_corners, antialias } => ("linear", Some((align_corners, antialias))),
            Interpolation::Cubic { align_corners, antialias } => ("cubic", Some((align_corners, antialias))),
        };
        let mut all: Attributes = vec![("sizes", (&self.sizes[..]).into()), ("mode", name.into())];
        if let Some((align_corners, antialias)) = flags {
            all.extend([("align_corners", align_corners.into()), ("antialias", antialias.into())]);
        }
        let names = ["scale_0", "scale_1", "scale_2"];
        all.extend(names.iter().zip(self.scales.iter().flatten()).map(|(name, &s)| (*name, Attribute::Float(s))));
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        if let Some(scales) = &self.scales
            && (scales.len() != self.sizes.len() || !scales.iter().all(|&s| s > 0.0 && s.is_finite()))
        {
            let count = self.sizes.len();
            return Err(Error::argument(format!("scales {scales:?} are not {count} positive numbers")));
        }
        Ok(smallvec![inputs[0].with_shape(self.shape(&inputs[0].shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let x = inputs[0];
        let shape = self.shape(x.shape())?;
        let taps = if shape.numel() == 0 { Vec::new() } else { self.taps(x.shape())? };
        Ok(smallvec![x.backend().resample(x, &taps, shape)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Resample::gradient(&cx.grad(0)?, &cx.spec(0), || self.taps(&cx.spec(0).shape))?])
    }

    fn multiply_adds(&self, inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        self.taps(&inputs[0].shape).map_or(0, |taps| multiply_adds(&taps, &inputs[0].shape))
    }

    fn spans(&self, inputs: &[Spec]) -> Vec<Span> {
        let Ok(taps) = self.taps(&inputs[0].shape) else { return Vec::new() };
        let span = |(i, taps): (usize, Taps)| {
            let scale = self.scales.as_ref().map(|scales| scales[i]);
            Span { size: taps.most(), dilation: 1, stride: step(self.mode, taps.size(), self.sizes[i], scale) }
        };
        taps.into_iter().enumerate().map(span).collect()
    }
}

impl Resize {
    fn shape(&self, shape: &Shape) -> Result<Shape> {
        let lead = spatial(shape, self.sizes.len())?;
        if self.sizes.contains(&0) || shape[lead..].contains(&0) {
            return Err(Error::shape(format!("{shape} cannot be resized to {:?}: an axis is empty", self.sizes)));
        }
        Shape::new(&[&shape[..lead], &self.sizes].concat())
    }

    /// The map along each axis; `shape` is the input's.
    fn taps(&self, shape: &Shape) -> Result<Vec<Taps>> {
        let lead = shape.rank() - self.sizes.len();
        let axis = |i: usize| {
            let scale = self.scales.as_ref().map(|scales| scales[i]);
            axis_taps(self.mode, shape[lead + i], self.sizes[i], scale)
        };
        (0..self.sizes.len()).map(axis).collect()
    }
}

/// How many elements of `size` lie between two neighbours of `outputs`.
fn step(mode: Interpolation, size: usize, outputs: usize, scale: Option<f64>) -> f64 {
    match mode {
        Interpolation::Linear { align_corners: true, .. } | Interpolation::Cubic { align_corners: true, .. } => {
            if outputs > 1 {
                (size - 1) as f64 / (outputs - 1) as f64
            } else {
                0.0
            }
        }
        _ => scale.map_or(size as f64 / outputs as f64, |scale| 1.0 / scale),
    }
}

/// The map of `size` elements to `outputs`, as PyTorch weighs them.
fn axis_taps(mode: Interpolation, size: usize, outputs: usize, scale: Option<f64>) -> Result<Taps> {
    let last = size as isize - 1;
    let inside = |place: f64| (place as isize).clamp(0, last) as usize;
    let step = step(mode, size, outputs, scale);
    let rows = 0..outputs;
    match mode {
        Interpolation::Nearest | Interpolation::NearestExact => {
            let offset = if mode == Interpolation::NearestExact { 0.5 } else { 0.0 };
            let step = scale.map_or(size as f32 / outputs as f32, |scale| (1.0 / scale) as f32);
            Taps::new(size, rows.map(|i| [(inside(((i as f32 + offset) * step).floor() as f64), 1.0)]))
        }
        Interpolation::Linear { antialias: true, .. } => widened(size, outputs, step, 1.0, |x| (1.0 - x).max(0.0)),
        Interpolation::Cubic { antialias: true, .. } => widened(size, outputs, step, 2.0, |x| cubic(-0.5, x)),
        Interpolation::Linear { .. } if size == outputs => Taps::new(size, rows.map(|i| [(i, 1.0)])),
        Interpolation::Linear { align_corners, .. } => {
            let row = |i: usize| {
                let place = if align_corners { i as f64 * step } else { ((i as f64 + 0.5) * step - 0.5).max(0.0) };
                let (low, high) = (inside(place.floor()), inside(place.floor() + 1.0));
                let part = if low == high { 0.0 } else { place - low as f64 };
                [(low, 1.0 - part), (high, part)].into_iter().filter(|&(_, w)| w != 0.0)
            };
            Taps::new(size, rows.map(row))
        }
        Interpolation::Cubic { align_corners, .. } => {
            let row = |i: usize| {
                let place = if align_corners { i as f64 * step } else { (i as f64 + 0.5) * step - 0.5 };
                let (base, part) = (place.floor(), place - place.floor());
                let tap = move |k: i32| (inside(base + k as f64), cubic(-0.75, (part - k as f64).abs()));
                (-1..=2).map(tap).filter(|&(_, w)| w != 0.0)
            };
            Taps::new(size, rows.map(row))
        }
    }
}

/// Keys's kernel at distance `x`.
fn cubic(a: f64, x: f64) -> f64 {
    match x {
        _ if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => ((x - 5.0) * x + 8.0) * x * a - 4.0 * a,
        _ => 0.0,
    }
}

/// A filter of half-width `support` that spans as many elements as fall together into one output; its weights sum to one.
fn widened(size: usize, outputs: usize, step: f64, support: f64, filter: impl Fn(f64) -> f64) -> Result<Taps> {
    let wide = step.max(1.0);
    let row = |i: usize| -> Vec<(usize, f64)> {
        let centre = step * (i as f64 + 0.5);
        let first = (centre - support * wide + 0.5).max(0.0) as usize;
        let end = ((centre + support * wide + 0.5) as usize).min(size);
        let weight = |place: usize| filter(((place as f64 - centre + 0.5) / wide).abs());
        let total: f64 = (first..end).map(weight).sum();
        (first..end).map(|place| (place, if total == 0.0 { 0.0 } else { weight(place) / total })).collect()
    };
    Taps::new(size, (0..outputs).map(row))
}

/// How much of an axis's element `place` is in output `i`, straight from the definition: all elements are asked, and
/// beyond its ends the axis goes on as its outermost ones do.
fn plain_weight(mode: Interpolation, [size, outputs]: [usize; 2], scale: Option<f64>, i: usize, place: usize) -> f64 {
    let hat = |d: f64| (1.0 - d).max(0.0);
    let keys = |a: f64, d: f64| {
        let (near, far) = ((a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2), d.powi(3) - 5.0 * d.powi(2) + 8.0 * d - 4.0);
        if d <= 1.0 { near + 1.0 } else { a * if d < 2.0 { far } else { 0.0 } }
    };
    let nearest = |offset: f32| {
        let ratio = scale.map_or(size as f32 / outputs as f32, |scale| (1.0 / scale) as f32);
        let chosen = ((i as f32 + offset) * ratio) as usize;
        (chosen.min(size - 1) == place) as u8 as f64
    };
    let (aligned, widened) = match mode {
        Interpolation::Nearest => return nearest(0.0),
        Interpolation::NearestExact => return nearest(0.5),
        Interpolation::Linear { align_corners, antialias } | Interpolation::Cubic { align_corners, antialias } => {
            (align_corners, antialias)
        }
    };
    let kernel = |d: f64| match mode {
        Interpolation::Cubic { .. } => keys(if widened { -0.5 } else { -0.75 }, d),
        _ => hat(d),
    };
    let ratio = match (aligned, outputs) {
        (true, 1) => 0.0,
        (true, _) => (size - 1) as f64 / (outputs - 1) as f64,
        (false, _) => scale.map_or(size as f64 / outputs as f64, |scale| 1.0 / scale),
    };
    if widened {
        let share = |place: usize| kernel((place as f64 + 0.5 - (i as f64 + 0.5) * ratio).abs() / ratio.max(1.0));
        return share(place) / (0..size).map(share).sum::<f64>();
    }
    let centre = if aligned { i as f64 * ratio } else { (i as f64 + 0.5) * ratio - 0.5 };
    let around = centre.floor() as isize - 2..=centre.floor() as isize + 3;
    let here = around.filter(|&k| k.clamp(0, size as isize - 1) == place as isize);
    here.map(|k| kernel((centre - k as f64).abs())).sum()
}

impl Registered for Resize {
    fn cases() -> Vec<Case> {
        use Interpolation::*;
        let mut cases = Vec::new();
        let samples: [(&[usize], &[usize], Option<&[f64]>); 9] = [
            (&[2, 3, 5], &[5], None),
            (&[1, 2, 5], &[10], None),
            (&[1, 2, 7], &[3], None),
            (&[2, 1], &[4], None),
            (&[1, 1, 6], &[1], None),
            (&[2, 2, 4, 5], &[7, 3], None),
            (&[1, 2, 4, 5], &[6, 11], Some(&[1.7, 2.3])),
            (&[1, 1, 3, 2, 4], &[5, 4, 2], None),
            (&[0, 2, 3], &[4], None),
        ];
        for (sizes, outputs, scales) in samples {
            for align_corners in [false, true] {
                for antialias in [false, true] {
                    for mode in [Linear { align_corners, antialias }, Cubic { align_corners, antialias }] {
                        cases.push((sizes, outputs, scales, mode));
                    }
                }
            }
            cases.extend([(sizes, outputs, scales, Nearest), (sizes, outputs, scales, NearestExact)]);
        }
        let case = |(i, (sizes, outputs, scales, mode)): (usize, (&[usize], &[usize], Option<&[f64]>, _))| {
            let op = Resize { sizes: outputs.to_vec(), scales: scales.map(<[f64]>::to_vec), mode };
            Case::new(op, [Gen::new(i as u64).tensor(sizes, -2.0, 2.0)])
        };
        cases.into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let mut x = inputs[0].clone();
        let lead = x.sizes.len() - self.sizes.len();
        for (i, &outputs) in self.sizes.iter().enumerate() {
            let (axis, scale) = (lead + i, self.scales.as_ref().map(|scales| scales[i]));
            let (from, size) = (x.clone(), x.sizes[axis]);
            x.sizes[axis] = outputs;
            x = Array::from_fn(&x.sizes, |index| {
                let mut at = index.to_vec();
                let mut term = |place: usize| {
                    at[axis] = place;
                    plain_weight(self.mode, [size, outputs], scale, index[axis], place) * from.at(&at)
                };
                (0..size).map(&mut term).sum()
            });
        }
        vec![x]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let axes = g.below(5);
        let (align_corners, antialias) = (g.bool(), g.bool());
        let mode = g.pick(&[
            Interpolation::Nearest,
            Interpolation::NearestExact,
            Interpolation::Linear { align_corners, antialias },
            Interpolation::Cubic { align_corners, antialias },
        ]);
        let numbers = [0.5, 2.0, 1.3, 1e-9, 1e300, 0.0, f64::NAN, f64::INFINITY];
        let scales = g.bool().then(|| (0..axes).map(|_| g.pick(&numbers)).collect());
        Resize { sizes: (0..axes).map(|_| g.below(7)).collect(), scales, mode }
    }
}

impl Tensor {
    /// The last axes resized to `sizes`. See [`Resize`].
    ///
    /// # Errors
    /// Integers; sizes of zero.
    #[track_caller]
    pub fn resize(&self, sizes: &[usize], mode: Interpolation) -> Result<Tensor> {
        apply_one(Resize { sizes: sizes.to_vec(), scales: None, mode }, &[self])
    }

    /// The last axes resized by factors: their sizes times these, rounded down. Places follow the factors, or with
    /// `recompute` the sizes that came out.
    ///
    /// # Errors
    /// Integers; factors that are not positive or give a size of zero.
    #[track_caller]
    pub fn resize_by(&self, scales: &[f64], mode: Interpolation, recompute: bool) -> Result<Tensor> {
        let at = Location::caller();
        let lead = spatial(self.shape(), scales.len()).map_err(|e| e.op("resize").at(at))?;
        let sizes =
            self.shape()[lead..].iter().zip(scales).map(|(&size, scale)| (size as f64 * scale) as usize).collect();
        apply_one(Resize { sizes, scales: (!recompute).then(|| scales.to_vec()), mode }, &[self])
    }
}

pub(crate) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Resize>()]
}
