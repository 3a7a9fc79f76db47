//! Pooling by maxima: axis after axis, windows side by side in vectors, each value with its place.

use crate::backend::{ElementwiseKernels, PoolKernels, Windows};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::lanes::{LANES, Lanes};
use crate::cpu::real::Real;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::try_parallel_for;
use crate::dtype::{DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use pulp::Simd;
use std::ops::Range;

/// Elements of the planes that are pooled together: they stay in the L1 cache.
const TOGETHER: usize = 4096;

impl PoolKernels for Cpu {
    fn max_pool(&self, x: &Tensor, windows: &[Windows], shape: Shape) -> Result<[Tensor; 2]> {
        let x = self.contiguous(x)?;
        match x.dtype() {
            DType::F32 => max_pool::<f32, true>(&x, windows, shape),
            DType::F64 => max_pool::<f64, true>(&x, windows, shape),
            dtype => {
                let [y, places] = max_pool::<f32, true>(&self.cast(&x, DType::F32)?, windows, shape)?;
                Ok([self.cast(&y, dtype)?, places])
            }
        }
    }

    fn max_pool_values(&self, x: &Tensor, windows: &[Windows], shape: Shape) -> Result<Tensor> {
        let x = self.contiguous(x)?;
        let [y, _] = match x.dtype() {
            DType::F32 => max_pool::<f32, false>(&x, windows, shape)?,
            DType::F64 => max_pool::<f64, false>(&x, windows, shape)?,
            dtype => {
                let [y, none] = max_pool::<f32, false>(&self.cast(&x, DType::F32)?, windows, shape)?;
                [self.cast(&y, dtype)?, none]
            }
        };
        Ok(y)
    }

    fn take_places(&self, x: &Tensor, places: &Tensor, axes: usize) -> Result<Tensor> {
        let (x, places) = (self.contiguous(x)?, self.contiguous(places)?);
        let (plane, points) = (plane_size(x.shape(), axes), plane_size(places.shape(), axes));
        with_dtype!(x.dtype(), T => {
            let mut out = Writing::<T>::new(*places.shape())?;
            let (x, places) = (x.as_slice::<T>().unwrap_or_default(), places.as_slice().unwrap_or_default());
            planes(out.as_mut(), points, |i, out| {
                let (x, places) = (&x[i * plane..][..plane], &places[i * points..][..points]);
                check_places(places, plane)?;
                out.iter_mut().zip(places).for_each(|(y, &place)| {
                    *y = if place < 0 { T::default() } else { x[place as usize] };
                });
                Ok(())
            })?;
            Ok(out.finish())
        })
    }

    fn add_at_places(&self, x: &Tensor, places: &Tensor, axes: usize, shape: Shape) -> Result<Tensor> {
        let (x, places) = (self.contiguous(x)?, self.contiguous(places)?);
        match x.dtype() {
            DType::F32 => add_at_places::<f32>(&x, &places, axes, shape),
            DType::F64 => add_at_places::<f64>(&x, &places, axes, shape),
            dtype => self.cast(&add_at_places::<f32>(&self.cast(&x, DType::F32)?, &places, axes, shape)?, dtype),
        }
    }
}

fn plane_size(shape: &Shape, axes: usize) -> usize {
    shape[shape.rank() - axes..].iter().product()
}

/// Runs `f(plane, part)` in parallel over the planes of `size` elements of an output; gives a failure, if any.
fn planes<T: Element>(out: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) -> Result<()> + Sync) -> Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let count = out.len() / size;
    let group = GRAIN.div_ceil(size);
    let parts = Parts::new(out);
    try_parallel_for(count.div_ceil(group), |task| {
        (task * group..((task + 1) * group).min(count)).try_for_each(|plane| {
            // SAFETY: every plane is one task's alone.
            f(plane, unsafe { parts.part(plane * size, size) })
        })
    })
}

simd! {
    /// The least and the greatest place, or -1.
    fn ends_of_places<S>(simd: S, places: &[i32]) -> (i32, i32) {
        places.iter().fold((-1, -1), |(least, most), &p| (p.min(least), p.max(most)))
    }
}

/// Fails at a place that a plane does not have.
fn check_places(places: &[i32], plane: usize) -> Result<()> {
    let (least, most) = ends_of_places(places);
    if least >= -1 && (most < 0 || (most as usize) < plane) {
        return Ok(());
    }
    let wrong = if least < -1 { least } else { most };
    Err(Error::index(format!("place {wrong} is outside a plane of {plane} elements")))
}

fn add_at_places<T: Real>(x: &Tensor, places: &Tensor, axes: usize, shape: Shape) -> Result<Tensor> {
    let (plane, points) = (plane_size(&shape, axes), plane_size(places.shape(), axes));
    let mut out = Writing::<T>::new(shape)?;
    let (x, places) = (x.as_slice::<T>().unwrap_or_default(), places.as_slice().unwrap_or_default());
    planes(out.as_mut(), plane, |i, out| {
        let (x, places) = (&x[i * points..][..points], &places[i * points..][..points]);
        check_places(places, plane)?;
        out.fill(T::ZERO);
        for (&x, &place) in x.iter().zip(places) {
            if let Some(y) = out.get_mut(place as usize) {
                *y += x;
            }
        }
        Ok(())
    })?;
    Ok(out.finish())
}

/// The windows along columns, rows and slices. Missing axes are of size one.
fn axes(windows: &[Windows]) -> [Windows; 3] {
    let one = || Windows { size: 1, step: 1, reach: vec![(0, 1)], regular: (0, 1, 1) };
    std::array::from_fn(|i| windows.iter().rev().nth(i).cloned().unwrap_or_else(one))
}

/// A float whose bits can be those of a place.
trait Marked: Real {
    fn mark(place: i32) -> Self;
    fn place(self) -> i32;
    /// Marks of places that are so much further on.
    fn moved<S: Simd>(simd: S, marks: Self::Vector<S>, by: Self::Vector<S>) -> Self::Vector<S>;
    /// Values and marks of the first, where they beat those of the second, or else of the second.
    fn met<S: Simd>(simd: S, x: [Self::Vector<S>; 2], best: [Self::Vector<S>; 2]) -> [Self::Vector<S>; 2];
}

macro_rules! marked {
    ($T:ty, $bits:ty, $less:ident, $equal:ident, $not:ident, $or:ident, $select:ident, $to_bits:ident, $from_bits:ident, $add:ident) => {
        impl Marked for $T {
            #[inline(always)]
            fn mark(place: i32) -> $T {
                <$T>::from_bits(place as $bits)
            }
            #[inline(always)]
            fn place(self) -> i32 {
                self.to_bits() as i32
            }
            #[inline(always)]
            fn moved<S: Simd>(simd: S, marks: Self::Vector<S>, by: Self::Vector<S>) -> Self::Vector<S> {
                simd.$from_bits(simd.$add(simd.$to_bits(marks), simd.$to_bits(by)))
            }
            #[inline(always)]
            fn met<S: Simd>(simd: S, x: [Self::Vector<S>; 2], best: [Self::Vector<S>; 2]) -> [Self::Vector<S>; 2] {
                let beats = simd.$or(simd.$less(best[0], x[0]), simd.$not(simd.$equal(x[0], x[0])));
                [simd.$select(beats, x[0], best[0]), simd.$select(beats, x[1], best[1])]
            }
        }
    };
}

marked!(
    f32,
    u32,
    less_than_f32s,
    equal_f32s,
    not_m32s,
    or_m32s,
    select_f32s,
    transmute_u32s_f32s,
    transmute_f32s_u32s,
    add_u32s
);
marked!(
    f64,
    u64,
    less_than_f64s,
    equal_f64s,
    not_m64s,
    or_m64s,
    select_f64s,
    transmute_u64s_f64s,
    transmute_f64s_u64s,
    add_u64s
);

/// Whether `x` takes the place of `best`: greater, or not a number.
#[inline(always)]
#[allow(clippy::eq_op)]
fn beats<T: Real>(x: T, best: T) -> bool {
    (x > best) | (x != x)
}

/// The maxima and, if `PLACES`, their places.
fn max_pool<T: Marked, const PLACES: bool>(x: &Tensor, windows: &[Windows], shape: Shape) -> Result<[Tensor; 2]> {
    let if_places = |len: usize| if PLACES { len } else { 0 };
    let mut y = Writing::<T>::new(shape)?;
    let mut places = Writing::<i32>::new(if PLACES { shape } else { Shape::new(&[0])? })?;
    let data = x.as_slice::<T>().unwrap_or_default();
    let axes @ [columns, rows, slices] = &axes(windows);
    let plane = axes.iter().map(|axis| axis.size).product::<usize>();
    let out = axes.iter().map(|axis| axis.reach.len()).product::<usize>();
    let count = shape.numel() / out.max(1);
    let group = GRAIN.div_ceil(plane.max(1));
    let together = (TOGETHER / plane.max(1)).clamp(1, group);
    // What was met along columns, across rows, and in the end; vectors read beyond the last.
    let room = [rows.size, rows.reach.len()].map(|lines| together * slices.size * lines * columns.reach.len() + LANES);
    let (ys, ps) = (Parts::new(y.as_mut()), Parts::new(places.as_mut()));
    try_parallel_for(count.div_ceil(group), |task| {
        let scratch = |len: usize| Shape::new(&[len]).and_then(Writing::<T>::new);
        let [mut a, mut b] = [scratch(room[0])?, scratch(room[1])?];
        let [mut marks_a, mut marks_b, mut marks] =
            [scratch(if_places(room[0]))?, scratch(if_places(room[1]))?, scratch(if_places(together * out))?];
        let end = ((task + 1) * group).min(count);
        for first in (task * group..end).step_by(together) {
            let here = together.min(end - first);
            // SAFETY: every plane is one task's alone.
            let (y, p) =
                unsafe { (ys.part(first * out, here * out), ps.part(if_places(first * out), if_places(here * out))) };
            let met = [[a.as_mut(), marks_a.as_mut()], [b.as_mut(), marks_b.as_mut()], [y, marks.as_mut()]];
            max_planes::<T>(&data[first * plane..], here, axes, met, PLACES);
            // Marks count from the first plane.
            for (i, (p, marks)) in p.chunks_exact_mut(out).zip(marks.as_mut().chunks_exact(out)).enumerate() {
                let start = (i * plane) as i32;
                p.iter_mut().zip(marks).for_each(|(p, mark)| *p = (mark.place() - start).max(-1));
            }
        }
        Ok(())
    })?;
    Ok([y.finish(), places.finish()])
}

simd! {
    /// [`pool`] on this machine.
    fn max_planes<S, T: Marked>(
        simd: S, x: &[T], count: usize, axes: &[Windows; 3], met: [[&mut [T]; 2]; 3], with_places: bool,
    ) {
        match (S::IS_SCALAR, with_places) {
            (true, true) => pool::<_, T, true>(pulp::Scalar128b, x, count, axes, met),
            (true, false) => pool::<_, T, false>(pulp::Scalar128b, x, count, axes, met),
            (false, true) => pool::<_, T, true>(simd, x, count, axes, met),
            (false, false) => pool::<_, T, false>(simd, x, count, axes, met),
        }
    }
}

/// As many planes at the beginning of `x`: along columns, across rows, across slices, each into values and marks of its own; an axis
/// that stays as it is needs no pass.
#[inline(always)]
fn pool<S: Simd, T: Marked, const PLACES: bool>(
    simd: S,
    x: &[T],
    count: usize,
    axes: &[Windows; 3],
    [[a, marks_a], [b, marks_b], [y, marks]]: [[&mut [T]; 2]; 3],
) {
    let [columns, rows, slices] = axes;
    let stays = |windows: &Windows| windows.size == 1 && windows.reach == [(0, 1)];
    let (width, lines) = (columns.reach.len(), count * rows.size * slices.size);
    match (stays(rows), stays(slices)) {
        (true, true) => along::<S, T, PLACES>(simd, x, lines, columns, [y, marks]),
        (_, true) => {
            along::<S, T, PLACES>(simd, x, lines, columns, [&mut *a, &mut *marks_a]);
            across::<S, T, PLACES>(simd, [a, marks_a], [count, width], rows, [y, marks]);
        }
        _ => {
            along::<S, T, PLACES>(simd, x, lines, columns, [&mut *a, &mut *marks_a]);
            across::<S, T, PLACES>(simd, [a, marks_a], [count * slices.size, width], rows, [&mut *b, &mut *marks_b]);
            across::<S, T, PLACES>(simd, [b, marks_b], [count, rows.reach.len() * width], slices, [y, marks]);
        }
    }
}

/// The windows of each of `lines` rows; `x` may go on behind them.
#[inline(always)]
fn along<S: Simd, T: Marked, const PLACES: bool>(
    simd: S,
    x: &[T],
    lines: usize,
    windows: &Windows,
    [y, marks]: [&mut [T]; 2],
) {
    let (start, end, stride) = windows.regular;
    let width = windows.reach.len();
    // Whole rows that follow each other evenly are one long row.
    let whole = start == 0 && end == width && width * stride == windows.size;
    let (lines, size, width, end) =
        if whole { (1, lines * windows.size, lines * width, lines * width) } else { (lines, windows.size, width, end) };
    for line in 0..lines {
        let (place, out) = (line * size, line * width..(line + 1) * width);
        let (row, y) = (&x[place..], &mut y[out.clone()]);
        let marks = if PLACES { &mut marks[out] } else { &mut [][..] };
        let mut done = start;
        if end > start {
            let window = (windows.reach[start].0, windows.reach[start].1, windows.step);
            let met = [&mut y[start..end], if PLACES { &mut marks[start..end] } else { &mut [][..] }];
            done += match stride {
                1 => side_by_side::<S, T, PLACES>(simd, row, place, window, 1, met),
                2 => side_by_side::<S, T, PLACES>(simd, row, place, window, 2, met),
                _ => side_by_side::<S, T, PLACES>(simd, row, place, window, stride, met),
            };
        }
        for i in (0..start).chain(done..width) {
            let (first, count) = if (start..end).contains(&i) {
                (windows.reach[start].0 + (i - start) * stride, windows.reach[start].1)
            } else {
                windows.reach[i]
            };
            let (mut best, mut mark) = (-T::INFINITY, T::mark(-1));
            for at in (0..count).map(|tap| first + tap * windows.step) {
                if at == first || beats(row[at], best) {
                    (best, mark) = (row[at], T::mark((place + at) as i32));
                }
            }
            y[i] = best;
            if PLACES {
                marks[i] = mark;
            }
        }
    }
}

/// Values and marks of `x` where they beat those of `best`, or else of `best`.
#[inline(always)]
fn greater<S: Simd, T: Marked>(simd: S, x: [Lanes<S, T>; 2], best: [Lanes<S, T>; 2]) -> [Lanes<S, T>; 2] {
    Lanes::zip_pairs(
        x,
        best,
        #[inline(always)]
        |x, best| T::met(simd, x, best),
    )
}

/// Writes values and, if `PLACES`, marks.
#[inline(always)]
fn put<S: Simd, T: Marked, const PLACES: bool>(best: [Lanes<S, T>; 2], to: Range<usize>, [y, marks]: [&mut [T]; 2]) {
    best[0].store_part(&mut y[to.clone()]);
    if PLACES {
        best[1].store_part(&mut marks[to]);
    }
}

/// Windows `stride` apart in a row that begins at a place of the plane: the first one's first element, how many elements it has and
/// how far apart. Gives how many windows were met: vectors read beyond the last, which may be beyond `row`.
#[inline(always)]
fn side_by_side<S: Simd, T: Marked, const PLACES: bool>(
    simd: S,
    row: &[T],
    place: usize,
    (first, count, step): (usize, usize, usize),
    stride: usize,
    [y, marks]: [&mut [T]; 2],
) -> usize {
    let mut steps = [T::ZERO; LANES];
    steps.iter_mut().enumerate().for_each(|(i, mark)| *mark = T::mark((i * stride) as i32));
    let (steps, mut done) = (Lanes::new(simd, steps), 0);
    while done < y.len() {
        let from = first + done * stride;
        if from + (count - 1) * step + stride * LANES > row.len() {
            break;
        }
        let mut best = [Lanes::zero(simd); 2];
        for tap in 0..count {
            let x = &row[from + tap * step..];
            let values = match stride {
                1 => Lanes::load(simd, x),
                2 => Lanes::load(simd, x).halves(Lanes::load(simd, &x[LANES..]))[0],
                _ => {
                    let mut values = [T::ZERO; LANES];
                    values.iter_mut().enumerate().for_each(|(i, value)| *value = x[i * stride]);
                    Lanes::new(simd, values)
                }
            };
            let by = Lanes::splat(simd, T::mark((place + from + tap * step) as i32));
            let met = [
                values,
                steps.zip(
                    by,
                    #[inline(always)]
                    |marks, by| T::moved(simd, marks, by),
                ),
            ];
            best = if tap == 0 { met } else { greater(simd, met, best) };
        }
        let here = done..y.len().min(done + LANES);
        done = here.end;
        put::<S, T, PLACES>(best, here, [&mut *y, &mut *marks]);
    }
    done
}

/// Windows of rows of `width` values and marks, with room for a vector behind the last: `[count, size, width]` to `[count, outputs,
/// width]`.
#[inline(always)]
fn across<S: Simd, T: Marked, const PLACES: bool>(
    simd: S,
    [x, from]: [&[T]; 2],
    [count, width]: [usize; 2],
    windows: &Windows,
    [y, marks]: [&mut [T]; 2],
) {
    let starts = (0..count).map(|i| i * windows.size);
    let all = starts.flat_map(|start| windows.reach.iter().map(move |&(first, taps)| (start + first, taps)));
    for (i, (first, taps)) in all.enumerate() {
        for column in (0..width).step_by(LANES) {
            let mut best = [Lanes::splat(simd, -T::INFINITY), Lanes::splat(simd, T::mark(-1))];
            for tap in 0..taps {
                let at = (first + tap * windows.step) * width + column;
                let mark = if PLACES { Lanes::load(simd, &from[at..]) } else { best[1] };
                let met = [Lanes::load(simd, &x[at..]), mark];
                best = if tap == 0 { met } else { greater(simd, met, best) };
            }
            let here = i * width + column..i * width + width.min(column + LANES);
            put::<S, T, PLACES>(best, here, [&mut *y, &mut *marks]);
        }
    }
}
