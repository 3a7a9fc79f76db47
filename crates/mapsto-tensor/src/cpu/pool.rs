//! Pooling by maxima: axis after axis, rows at a time, each value with its place.

use crate::backend::{ElementwiseKernels, PoolKernels, Windows};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::{parallel_chunks_mut, try_parallel_for};
use crate::dtype::{DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use smallvec::SmallVec;

impl PoolKernels for Cpu {
    fn max_pool(&self, x: &Tensor, windows: &[Windows], shape: Shape) -> Result<[Tensor; 2]> {
        let x = self.contiguous(x)?;
        match x.dtype() {
            DType::F32 => max_pool::<f32>(&x, windows, shape),
            DType::F64 => max_pool::<f64>(&x, windows, shape),
            dtype => {
                let [y, places] = max_pool::<f32>(&self.cast(&x, DType::F32)?, windows, shape)?;
                Ok([self.cast(&y, dtype)?, places])
            }
        }
    }

    fn max_pool_values(&self, x: &Tensor, windows: &[Windows], shape: Shape) -> Result<Tensor> {
        let x = self.contiguous(x)?;
        match x.dtype() {
            DType::F32 => max_pool_values::<f32>(&x, windows, shape),
            DType::F64 => max_pool_values::<f64>(&x, windows, shape),
            dtype => self.cast(&max_pool_values::<f32>(&self.cast(&x, DType::F32)?, windows, shape)?, dtype),
        }
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

/// Fails at a place that a plane does not have.
fn check_places(places: &[i32], plane: usize) -> Result<()> {
    let (least, most) = places.iter().fold((-1, -1), |(least, most), &p| (p.min(least), p.max(most)));
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

fn max_pool<T: Real>(x: &Tensor, windows: &[Windows], shape: Shape) -> Result<[Tensor; 2]> {
    let (mut y, mut places) = (Writing::<T>::new(shape)?, Writing::<i32>::new(shape)?);
    let data = x.as_slice::<T>().unwrap_or_default();
    let [columns, rows, slices] = &axes(windows);
    let plane = rows.size * columns.size * slices.size;
    let out = rows.reach.len() * columns.reach.len() * slices.reach.len();
    let count = shape.numel() / out.max(1);
    let group = GRAIN.div_ceil(plane);
    let (ys, ps) = (Parts::new(y.as_mut()), Parts::new(places.as_mut()));
    let room = [rows.size * slices.size * columns.reach.len(), slices.size * rows.reach.len() * columns.reach.len()];
    try_parallel_for(if shape.numel() == 0 { 0 } else { count.div_ceil(group) }, |task| {
        let scratch = |len: usize| Shape::new(&[len]).and_then(Writing::<T>::new);
        let scratch_places = |len: usize| Shape::new(&[len]).and_then(Writing::<i32>::new);
        let mut values = [scratch(room[0])?, scratch(room[1])?];
        let mut places = [scratch_places(room[0])?, scratch_places(room[1])?];
        for i in task * group..((task + 1) * group).min(count) {
            // SAFETY: every plane is one task's alone.
            let (y, p) = unsafe { (ys.part(i * out, out), ps.part(i * out, out)) };
            let ([a, b], [pa, pb]) = (&mut values, &mut places);
            let buffers = [a.as_mut(), b.as_mut(), y];
            let [a, b, y] = buffers;
            let [pa, pb, p] = [pa.as_mut(), pb.as_mut(), p];
            max_plane::<T>(&data[i * plane..][..plane], [columns, rows, slices], [a, b, y], [pa, pb, p]);
        }
        Ok(())
    })?;
    Ok([y.finish(), places.finish()])
}

fn max_pool_values<T: Real>(x: &Tensor, windows: &[Windows], shape: Shape) -> Result<Tensor> {
    let mut y = Writing::<T>::new(shape)?;
    let data = x.as_slice::<T>().unwrap_or_default();
    let axes = &axes(windows);
    let plane = axes.iter().map(|axis| axis.size).product::<usize>();
    let out = axes.iter().map(|axis| axis.reach.len()).product::<usize>();
    let group = GRAIN.div_ceil(plane.max(1));
    parallel_chunks_mut(y.as_mut(), group * out, |task, y| {
        greatest::<T>(&data[task * group * plane..][..y.len() / out * plane], axes, y);
    });
    Ok(y.finish())
}

simd! {
    /// The greatest element of each window of some planes: along lines, then across them.
    fn greatest<S, T: Real>(simd: S, x: &[T], axes: &[Windows; 3], y: &mut [T]) {
        let [columns, rows, slices] = axes;
        let (size, width) = (columns.size, columns.reach.len());
        let mut met = vec![T::ZERO; x.len() / size * width];
        let (start, end, stride) = columns.regular;
        // Whole rows that follow each other evenly are one long row.
        let one = start == 0 && end == width && width * stride == size;
        let (length, many, end) = if one { (x.len(), met.len(), met.len()) } else { (size, width, end) };
        for (x, met) in x.chunks_exact(length).zip(met.chunks_exact_mut(many)) {
            let starts = |i: usize| {
                let (first, taps) = columns.reach[i];
                (0..taps).map(move |tap| first + tap * columns.step).collect::<Starts>()
            };
            if end > start {
                match stride {
                    1 => meet_all::<T, 1>(x, &starts(start), &mut met[start..end]),
                    2 => meet_all::<T, 2>(x, &starts(start), &mut met[start..end]),
                    _ => (start..end).for_each(|i| meet_all::<T, 1>(&x[(i - start) * stride..], &starts(start), &mut met[i..=i])),
                }
            }
            if !one {
                (0..start).chain(end..width).for_each(|i| meet_all::<T, 1>(x, &starts(i), &mut met[i..=i]));
            }
        }
        let planes = met.chunks_exact(slices.size * rows.size * width);
        let mut lines = y.chunks_exact_mut(width);
        // Most windows have as many lines as the one before.
        let (mut starts, mut taps) = (Starts::new(), [0; 2]);
        for plane in planes {
            for &(slice, slice_taps) in &slices.reach {
                for (&(row, row_taps), line) in rows.reach.iter().zip(&mut lines) {
                    if taps != [slice_taps, row_taps] {
                        taps = [slice_taps, row_taps];
                        let of_slice = |slice: usize| (0..row_taps).map(move |row| (slice, row));
                        let start = |(slice, row)| (slice * slices.step * rows.size + row * rows.step) * width;
                        starts.clear();
                        starts.extend((0..slice_taps).flat_map(of_slice).map(start));
                    }
                    let first = ((slice * rows.size + row) * width).min(plane.len());
                    meet_all::<T, 1>(&plane[first..], &starts, line);
                }
            }
        }
    }
}

/// Where the elements that meet begin.
type Starts = SmallVec<[usize; 16]>;

/// The greatest of the elements of `x`, `STRIDE` apart, that begin at each of `starts`.
#[inline(always)]
fn meet_all<T: Real, const STRIDE: usize>(x: &[T], starts: &[usize], y: &mut [T]) {
    // Vectors read what lies between the elements and behind the last one, too.
    let reach = starts.iter().max().map_or(0, |last| x.len().saturating_sub(*last) / STRIDE).min(y.len());
    let mut done = meet_by::<T, STRIDE, 16>(x, starts, y, 0, reach);
    done = meet_by::<T, STRIDE, 8>(x, starts, y, done, reach);
    done = meet_by::<T, STRIDE, 4>(x, starts, y, done, reach);
    for i in done..y.len() {
        y[i] = starts.iter().fold(-T::INFINITY, |best, start| greater(best, x[start + i * STRIDE]));
    }
}

/// [`meet_all`] by vectors of `N` as far as they reach: gives where they end. Each output is written once.
#[inline(always)]
fn meet_by<T: Real, const STRIDE: usize, const N: usize>(
    x: &[T],
    starts: &[usize],
    y: &mut [T],
    mut from: usize,
    reach: usize,
) -> usize {
    while from + N <= reach {
        let mut best = [-T::INFINITY; N];
        for start in starts {
            let x = &x[start + from * STRIDE..][..N * STRIDE];
            for i in 0..N {
                best[i] = greater(best[i], x[i * STRIDE]);
            }
        }
        y[from..][..N].copy_from_slice(&best);
        from += N;
    }
    from
}

/// The greater one, or what is not a number.
#[inline(always)]
fn greater<T: Real>(best: T, x: T) -> T {
    if beats(x, best) { x } else { best }
}

simd! {
    /// One plane: along rows into the first buffer, across rows into the second, across slices into the third; an axis
    /// that stays as it is needs no pass.
    fn max_plane<S, T: Real>(
        simd: S, x: &[T], windows: [&Windows; 3], values: [&mut [T]; 3], places: [&mut [i32]; 3]
    ) {
        let [columns, rows, slices] = windows;
        let ([a, b, y], [pa, pb, p]) = (values, places);
        let stays = |w: &Windows| w.size == 1 && w.reach == [(0, 1)];
        let (width, lines) = (columns.reach.len(), rows.size * slices.size);
        match (stays(rows), stays(slices)) {
            (true, true) => along(x, lines, columns, y, p),
            (_, true) => {
                along(x, lines, columns, a, pa);
                across(a, pa, width, rows, y, p);
            }
            _ => {
                along(x, lines, columns, a, pa);
                let (from, to) = (rows.size * width, rows.reach.len() * width);
                for i in 0..slices.size {
                    let part = i * from..(i + 1) * from;
                    across(&a[part.clone()], &pa[part], width, rows, &mut b[i * to..][..to], &mut pb[i * to..][..to]);
                }
                across(b, pb, to, slices, y, p);
            }
        }
    }
}

/// Whether `x` takes the place of `best`: greater, or not a number. Without a branch, so that loops become vectors.
#[inline(always)]
#[allow(clippy::eq_op)]
fn beats<T: Real>(x: T, best: T) -> bool {
    (x > best) | (x != x)
}

/// The windows of each of `lines` rows.
#[inline(always)]
fn along<T: Real>(x: &[T], lines: usize, windows: &Windows, y: &mut [T], places: &mut [i32]) {
    let width = windows.reach.len();
    let (start, end, stride) = windows.regular;
    let whole = start == 0 && end == width && width * stride == windows.size;
    let (lines, size, width, end) =
        if whole { (1, lines * windows.size, lines * width, lines * end) } else { (lines, windows.size, width, end) };
    for line in 0..lines {
        let row = &x[line * size..][..size];
        let (y, places) = (&mut y[line * width..][..width], &mut places[line * width..][..width]);
        let base = (line * size) as i32;
        if end > start {
            let (first, count) = windows.reach[start];
            let (y, places) = (&mut y[start..end], &mut places[start..end]);
            for tap in 0..count {
                let begin = first + tap * windows.step;
                let (row, base) = (&row[begin..], base + begin as i32);
                match stride {
                    1 => regular::<T, 1>(row, base, tap == 0, y, places),
                    2 => regular::<T, 2>(row, base, tap == 0, y, places),
                    3 => regular::<T, 3>(row, base, tap == 0, y, places),
                    _ => {
                        for (i, (y, place)) in y.iter_mut().zip(places.iter_mut()).enumerate() {
                            meet(row[i * stride], base + (i * stride) as i32, tap == 0, y, place);
                        }
                    }
                }
            }
        }
        if whole {
            continue;
        }
        for i in (0..start).chain(end..width) {
            let (first, count) = windows.reach[i];
            let (mut best, mut place) = (-T::INFINITY, if count == 0 { -1 } else { base + first as i32 });
            for tap in 0..count {
                let at = first + tap * windows.step;
                if beats(row[at], best) {
                    (best, place) = (row[at], base + at as i32);
                }
            }
            (y[i], places[i]) = (best, place);
        }
    }
}

/// Puts an element that beats the best one so far, or is the first, in its place.
#[inline(always)]
fn meet<T: Real>(x: T, place: i32, is_first: bool, best: &mut T, best_place: &mut i32) {
    let take = is_first | beats(x, *best);
    *best = if take { x } else { *best };
    *best_place = if take { place } else { *best_place };
}

/// One tap of evenly spaced windows: element `i * STRIDE` of the row for output `i`.
#[inline(always)]
fn regular<T: Real, const STRIDE: usize>(row: &[T], base: i32, is_first: bool, y: &mut [T], places: &mut [i32]) {
    let (chunks, rest) = row.as_chunks::<STRIDE>();
    for (i, ((chunk, y), place)) in chunks.iter().zip(&mut *y).zip(&mut *places).enumerate() {
        meet(chunk[0], base + (i * STRIDE) as i32, is_first, y, place);
    }
    // The last output may have no whole chunk.
    let last = chunks.len();
    if let (Some(y), Some(place), Some(&x)) = (y.get_mut(last), places.get_mut(last), rest.first()) {
        meet(x, base + (last * STRIDE) as i32, is_first, y, place);
    }
}

/// Windows of rows of `width` elements: `[size, width]` to `[outputs, width]`.
#[inline(always)]
fn across<T: Real>(x: &[T], from: &[i32], width: usize, windows: &Windows, y: &mut [T], places: &mut [i32]) {
    for (i, &(first, count)) in windows.reach.iter().enumerate() {
        let (y, places) = (&mut y[i * width..][..width], &mut places[i * width..][..width]);
        if count == 0 {
            y.fill(-T::INFINITY);
            places.fill(-1);
            continue;
        }
        let line = |tap: usize| {
            let at = (first + tap * windows.step) * width;
            (&x[at..][..width], &from[at..][..width])
        };
        let (row, from) = line(0);
        y.copy_from_slice(row);
        places.copy_from_slice(from);
        for tap in 1..count {
            let (row, from) = line(tap);
            for (((x, from), y), place) in row.iter().zip(from).zip(y.iter_mut()).zip(places.iter_mut()) {
                meet(*x, *from, false, y, place);
            }
        }
    }
}
