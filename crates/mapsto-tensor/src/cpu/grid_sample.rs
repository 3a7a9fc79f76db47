//! Samples of images at points between their elements.

use crate::backend::{ElementwiseKernels, GridSampleKernels};
use crate::cpu::Cpu;
use crate::cpu::real::Real;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::{GridSample, Outside, Sampling};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};

impl GridSampleKernels for Cpu {
    fn grid_sample(&self, op: &GridSample, x: &Tensor, grid: &Tensor, shape: Shape) -> Result<Tensor> {
        let (x, grid) = (self.contiguous(x)?, self.contiguous(grid)?);
        match x.dtype() {
            DType::F32 => forward::<f32>(op, &x, &grid, shape),
            DType::F64 => forward::<f64>(op, &x, &grid, shape),
            dtype => {
                let y = forward::<f32>(op, &self.cast(&x, DType::F32)?, &self.cast(&grid, DType::F32)?, shape)?;
                self.cast(&y, dtype)
            }
        }
    }

    fn grid_sample_backward(&self, op: &GridSample, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<[Tensor; 2]> {
        let (x, grid, g) = (self.contiguous(x)?, self.contiguous(grid)?, self.contiguous(g)?);
        match x.dtype() {
            DType::F32 => Ok([to_input::<f32>(op, &x, &grid, &g)?, to_grid::<f32>(op, &x, &grid, &g)?]),
            DType::F64 => Ok([to_input::<f64>(op, &x, &grid, &g)?, to_grid::<f64>(op, &x, &grid, &g)?]),
            dtype => {
                let wide = |t: &Tensor| self.cast(t, DType::F32);
                let [dx, dgrid] = self.grid_sample_backward(op, &wide(&x)?, &wide(&grid)?, &wide(&g)?)?;
                Ok([self.cast(&dx, dtype)?, self.cast(&dgrid, dtype)?])
            }
        }
    }
}

/// The elements along one axis that make a sample: places (-1 outside), weights and their derivatives.
#[derive(Clone, Copy)]
struct Neighbours {
    count: usize,
    places: [i32; 4],
    weights: [f64; 4],
    slopes: [f64; 4],
}

/// A place inside `0..size`, or one mirrored or moved there, and how it moves with its origin.
fn fold(op: &GridSample, place: f64, size: usize) -> (f64, f64) {
    let last = size as f64 - 1.0;
    let clip = |place: f64, slope: f64| match place {
        _ if place <= 0.0 => (0.0, 0.0),
        _ if place >= last => (last, 0.0),
        _ => (place, slope),
    };
    match op.outside {
        Outside::Zeros => (place, 1.0),
        Outside::Border => clip(place, 1.0),
        Outside::Reflection => {
            let (low, span) = if op.align_corners { (0.0, last) } else { (-0.5, last + 1.0) };
            if span <= 0.0 {
                return (0.0, 0.0);
            }
            let (from_low, sign) = if place < low { (low - place, -1.0) } else { (place - low, 1.0) };
            let (turns, extra) = ((from_low / span).floor(), from_low % span);
            let back = turns % 2.0 != 0.0;
            let folded = if back { span - extra + low } else { extra + low };
            clip(folded, if back { -sign } else { sign })
        }
    }
}

/// Up to here, halves of places are exact.
const FAR: f64 = (1u64 << 50) as f64;

fn neighbours(op: &GridSample, coordinate: f64, size: usize) -> Neighbours {
    let scale = if op.align_corners { (size as f64 - 1.0) / 2.0 } else { size as f64 / 2.0 };
    let centre = (size as f64 - 1.0) / 2.0;
    let place = coordinate * scale + centre;
    // Beyond what doubles tell apart: far outside on its own side; no number: on the low one.
    let place = if place.is_nan() { -100.0 } else { place.clamp(-FAR, FAR) };
    let inside = |place: f64| if (0.0..size as f64).contains(&place) { place as i32 } else { -1 };
    let mut found = Neighbours { count: 1, places: [-1; 4], weights: [1.0; 4], slopes: [0.0; 4] };
    match op.mode {
        Sampling::Nearest => found.places[0] = inside(fold(op, place, size).0.round_ties_even()),
        Sampling::Linear => {
            let (place, slope) = fold(op, place, size);
            let (low, part) = (place.floor(), place - place.floor());
            found.count = 2;
            (found.places[0], found.places[1]) = (inside(low), inside(low + 1.0));
            (found.weights[0], found.weights[1]) = (1.0 - part, part);
            (found.slopes[0], found.slopes[1]) = (-slope * scale, slope * scale);
        }
        Sampling::Cubic => {
            let (low, part) = (place.floor(), place - place.floor());
            let a = -0.75;
            found.count = 4;
            for k in 0..4 {
                let offset = k as f64 - 1.0;
                let (x, sign) = ((part - offset).abs(), if part < offset { -1.0 } else { 1.0 });
                let (weight, slope) = if k == 1 || k == 2 {
                    (((a + 2.0) * x - (a + 3.0)) * x * x + 1.0, (3.0 * (a + 2.0) * x - 2.0 * (a + 3.0)) * x)
                } else {
                    (((x - 5.0) * x + 8.0) * x * a - 4.0 * a, ((3.0 * x - 10.0) * x + 8.0) * a)
                };
                found.places[k] = inside(fold(op, low + offset, size).0);
                (found.weights[k], found.slopes[k]) = (weight, slope * sign * scale);
            }
        }
    }
    found
}

/// The most elements that make a sample.
const MOST: usize = 16;

/// The elements of a plane that make a sample.
struct Sample<T> {
    count: usize,
    places: [usize; MOST],
    weights: [T; MOST],
    /// Derivatives with respect to the coordinates, x first.
    slopes: [[T; MOST]; 3],
}

impl<T: Real> Sample<T> {
    /// The sample at `point` (x first) of a plane of `sizes`.
    fn new(op: &GridSample, sizes: &[usize], point: &[T]) -> Sample<T> {
        let axes = sizes.len();
        let mut along = [Neighbours { count: 1, places: [0; 4], weights: [1.0; 4], slopes: [0.0; 4] }; 3];
        for axis in 0..axes {
            along[axis] = neighbours(op, point[axes - 1 - axis].to_f64(), sizes[axis]);
        }
        let mut sample = Sample { count: 0, places: [0; MOST], weights: [T::ZERO; MOST], slopes: [[T::ZERO; MOST]; 3] };
        let total: usize = along[..axes].iter().map(|n| n.count).product();
        for number in 0..total {
            let mut rest = number;
            let mut picks = [0; 3];
            for axis in (0..axes).rev() {
                picks[axis] = rest % along[axis].count;
                rest /= along[axis].count;
            }
            let (mut place, mut outside) = (0, false);
            for axis in 0..axes {
                let at = along[axis].places[picks[axis]];
                outside |= at < 0;
                place = place * sizes[axis] + at.max(0) as usize;
            }
            if outside {
                continue;
            }
            let factor = |axis: usize, by: Option<usize>| {
                let n = &along[axis];
                if by == Some(axis) { n.slopes[picks[axis]] } else { n.weights[picks[axis]] }
            };
            let product = |by: Option<usize>| T::from_f64((0..axes).map(|axis| factor(axis, by)).product());
            sample.places[sample.count] = place;
            sample.weights[sample.count] = product(None);
            for axis in 0..axes {
                sample.slopes[axes - 1 - axis][sample.count] = product(Some(axis));
            }
            sample.count += 1;
        }
        sample
    }
}

/// Sizes of a sampling: images, channels, elements and points of a plane, axes.
struct Sizes<'a> {
    channels: usize,
    plane: usize,
    points: usize,
    axes: usize,
    sizes: &'a [usize],
}

impl<'a> Sizes<'a> {
    fn new(x: &'a Tensor, grid: &Tensor) -> Sizes<'a> {
        let (x, axes) = (x.shape(), x.rank() - 2);
        let points = grid.shape()[1..=axes].iter().product();
        Sizes { channels: x[1], plane: x[2..].iter().product(), points, axes, sizes: &x[2..] }
    }

    /// Points that one task takes.
    fn group(&self) -> usize {
        (GRAIN / 8).div_ceil(self.channels.max(1)).min(self.points.max(1))
    }
}

fn forward<T: Real>(op: &GridSample, x: &Tensor, grid: &Tensor, shape: Shape) -> Result<Tensor> {
    let mut out = Writing::<T>::new(shape)?;
    let s = Sizes::new(x, grid);
    let (images, x, grid) =
        (x.shape()[0], x.as_slice::<T>().unwrap_or_default(), grid.as_slice::<T>().unwrap_or_default());
    let (group, parts) = (s.group(), Parts::new(out.as_mut()));
    let tasks = s.points.div_ceil(group);
    parallel_for(if shape.numel() == 0 { 0 } else { images * tasks }, |task| {
        let (n, first) = (task / tasks, task % tasks * group);
        for point in first..(first + group).min(s.points) {
            let sample = Sample::new(op, s.sizes, &grid[(n * s.points + point) * s.axes..][..s.axes]);
            for c in 0..s.channels {
                let plane = &x[(n * s.channels + c) * s.plane..][..s.plane];
                let mut sum = T::ZERO;
                for k in 0..sample.count {
                    sum += sample.weights[k] * plane[sample.places[k]];
                }
                // SAFETY: every point is one task's alone.
                unsafe { parts.part((n * s.channels + c) * s.points + point, 1)[0] = sum };
            }
        }
    });
    Ok(out.finish())
}

/// Each plane by one task, its points in order: the sums do not depend on threads.
fn to_input<T: Real>(op: &GridSample, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<Tensor> {
    let mut out = Writing::<T>::new(*x.shape())?;
    let s = Sizes::new(x, grid);
    let (images, grid, g) =
        (x.shape()[0], grid.as_slice::<T>().unwrap_or_default(), g.as_slice::<T>().unwrap_or_default());
    let parts = Parts::new(out.as_mut());
    // Channels that share the work of finding places and weights.
    let group = 8;
    let tasks = s.channels.div_ceil(group);
    parallel_for(images * tasks, |task| {
        let (n, first) = (task / tasks, task % tasks * group);
        let count = group.min(s.channels - first);
        // SAFETY: every channel is one task's alone.
        let planes = unsafe { parts.part((n * s.channels + first) * s.plane, count * s.plane) };
        planes.fill(T::ZERO);
        for point in 0..s.points {
            let sample = Sample::new(op, s.sizes, &grid[(n * s.points + point) * s.axes..][..s.axes]);
            for c in 0..count {
                let g = g[(n * s.channels + first + c) * s.points + point];
                let plane = &mut planes[c * s.plane..][..s.plane];
                for k in 0..sample.count {
                    plane[sample.places[k]] += sample.weights[k] * g;
                }
            }
        }
    });
    Ok(out.finish())
}

fn to_grid<T: Real>(op: &GridSample, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<Tensor> {
    let mut out = Writing::<T>::new(*grid.shape())?;
    let s = Sizes::new(x, grid);
    let images = x.shape()[0];
    let [x, grid, g] = [x, grid, g].map(|t| t.as_slice::<T>().unwrap_or_default());
    let (group, parts) = (s.group(), Parts::new(out.as_mut()));
    let tasks = s.points.div_ceil(group);
    parallel_for(images * tasks, |task| {
        let (n, first) = (task / tasks, task % tasks * group);
        for point in first..(first + group).min(s.points) {
            let at = (n * s.points + point) * s.axes;
            let sample = Sample::new(op, s.sizes, &grid[at..][..s.axes]);
            let mut sums = [T::ZERO; 3];
            for c in 0..s.channels {
                let plane = &x[(n * s.channels + c) * s.plane..][..s.plane];
                let g = g[(n * s.channels + c) * s.points + point];
                for (axis, sum) in sums[..s.axes].iter_mut().enumerate() {
                    for k in 0..sample.count {
                        *sum += g * sample.slopes[axis][k] * plane[sample.places[k]];
                    }
                }
            }
            // SAFETY: every point is one task's alone.
            unsafe { parts.part(at, s.axes) }.copy_from_slice(&sums[..s.axes]);
        }
    });
    Ok(out.finish())
}
