//! Softmax and its relatives along one axis. A row-major tensor is `[outer, run, inner]`: runs that lie side by side are
//! rows, vectorised along the run; others are columns, vectorised across.

use crate::backend::{ElementwiseKernels, SoftmaxKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::real::{Real, c};
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};

impl SoftmaxKernels for Cpu {
    fn softmax(&self, x: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
        match x.dtype() {
            DType::F32 => softmax::<f32>(&self.contiguous(x)?, axis, log),
            DType::F64 => softmax::<f64>(&self.contiguous(x)?, axis, log),
            dtype => self.cast(&self.softmax(&self.cast(x, DType::F32)?, axis, log)?, dtype),
        }
    }

    fn softmax_gradient(&self, y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
        let row_major = |t: &Tensor| self.contiguous(t);
        match y.dtype() {
            DType::F32 => gradient::<f32>(&row_major(y)?, &row_major(g)?, axis, log),
            DType::F64 => gradient::<f64>(&row_major(y)?, &row_major(g)?, axis, log),
            dtype => {
                let wide = |t: &Tensor| self.cast(t, DType::F32);
                self.cast(&self.softmax_gradient(&wide(y)?, &wide(g)?, axis, log)?, dtype)
            }
        }
    }

    fn logsumexp(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        match x.dtype() {
            DType::F32 => logsumexp::<f32>(&self.contiguous(x)?, axis),
            DType::F64 => logsumexp::<f64>(&self.contiguous(x)?, axis),
            dtype => self.cast(&self.logsumexp(&self.cast(x, DType::F32)?, axis)?, dtype),
        }
    }
}

/// A shape about one axis.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    outer: usize,
    pub run: usize,
    pub inner: usize,
}

/// Columns that lie side by side, of one `outer`.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// The first one's number among all columns.
    pub column: usize,
    /// Its first element.
    pub start: usize,
    pub width: usize,
}

/// Columns in a strip.
pub(super) const WIDTH: usize = 64;

impl Runs {
    pub fn new(shape: &Shape, axis: usize) -> Runs {
        let product = |sizes: &[usize]| sizes.iter().product::<usize>();
        Runs { outer: product(&shape[..axis]), run: shape[axis], inner: product(&shape[axis + 1..]) }
    }

    /// Calls `f(first, count)` for ranges that cover all rows, on all threads.
    pub fn rows(&self, f: impl Fn(usize, usize) + Sync) {
        let a_task = GRAIN.div_ceil(self.run.max(1));
        parallel_for(self.outer.div_ceil(a_task), |task| f(task * a_task, a_task.min(self.outer - task * a_task)));
    }

    /// Calls `f` for strips that cover all columns, on all threads.
    pub fn strips(&self, f: impl Fn(Strip) + Sync) {
        let strips = self.inner.div_ceil(WIDTH);
        let count = self.outer * strips;
        let a_task = GRAIN.div_ceil(self.run.max(1) * WIDTH.min(self.inner.max(1)));
        parallel_for(count.div_ceil(a_task), |task| {
            for index in task * a_task..((task + 1) * a_task).min(count) {
                let (outer, first) = (index / strips, index % strips * WIDTH);
                let width = WIDTH.min(self.inner - first);
                f(Strip { column: outer * self.inner + first, start: outer * self.run * self.inner + first, width });
            }
        });
    }
}

fn softmax<T: Real>(x: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
    let runs = Runs::new(x.shape(), axis);
    let mut out = Writing::<T>::new(*x.shape())?;
    let x = x.as_slice::<T>().unwrap_or_default();
    let parts = Parts::new(out.as_mut());
    if runs.inner == 1 {
        runs.rows(|first, count| {
            let range = first * runs.run..(first + count) * runs.run;
            // SAFETY: tasks have disjoint rows.
            let y = unsafe { parts.part(range.start, range.len()) };
            softmax_rows::<T>(log, runs.run, &x[range], y);
        });
    } else {
        runs.strips(|strip| softmax_strip::<T>(log, runs, strip, x, &parts));
    }
    Ok(out.finish())
}

fn gradient<T: Real>(y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
    let runs = Runs::new(y.shape(), axis);
    let mut out = Writing::<T>::new(*y.shape())?;
    let (y, g) = (y.as_slice::<T>().unwrap_or_default(), g.as_slice::<T>().unwrap_or_default());
    let parts = Parts::new(out.as_mut());
    if runs.inner == 1 {
        runs.rows(|first, count| {
            let range = first * runs.run..(first + count) * runs.run;
            // SAFETY: tasks have disjoint rows.
            let out = unsafe { parts.part(range.start, range.len()) };
            gradient_rows::<T>(log, runs.run, &y[range.clone()], &g[range], out);
        });
    } else {
        runs.strips(|strip| gradient_strip::<T>(log, runs, strip, y, g, &parts));
    }
    Ok(out.finish())
}

fn logsumexp<T: Real>(x: &Tensor, axis: usize) -> Result<Tensor> {
    let runs = Runs::new(x.shape(), axis);
    let mut out = Writing::<T>::new(x.shape().reduced(&[axis], false))?;
    let x = x.as_slice::<T>().unwrap_or_default();
    let parts = Parts::new(out.as_mut());
    if runs.inner == 1 {
        runs.rows(|first, count| {
            // SAFETY: tasks have disjoint rows.
            let out = unsafe { parts.part(first, count) };
            logsumexp_rows::<T>(runs.run, &x[first * runs.run..(first + count) * runs.run], out);
        });
    } else {
        runs.strips(|strip| {
            // SAFETY: tasks have disjoint columns.
            let out = unsafe { parts.part(strip.column, strip.width) };
            logsumexp_strip::<T>(runs, strip, x, out);
        });
    }
    Ok(out.finish())
}

/// Numbers side by side along a row.
const LANES: usize = 32;
type Lanes<T> = [T; LANES];

/// Up to [`LANES`] numbers, filled up with `fill`.
#[inline(always)]
fn load<T: Real>(x: &[T], fill: T) -> Lanes<T> {
    let mut lanes = [fill; LANES];
    lanes[..x.len()].copy_from_slice(x);
    lanes
}

/// Calls `f` with all numbers of a row, [`LANES`] at a time, the last ones filled up.
#[inline(always)]
fn each<T: Real>(x: &[T], fill: T, mut f: impl FnMut(&Lanes<T>)) {
    let (whole, rest) = x.as_chunks::<LANES>();
    for lanes in whole {
        f(lanes);
    }
    if !rest.is_empty() {
        f(&load(rest, fill));
    }
}

/// Writes `f` of all numbers of a row, [`LANES`] at a time.
#[inline(always)]
fn write<T: Real>(x: &[T], fill: T, y: &mut [T], mut f: impl FnMut(&Lanes<T>) -> Lanes<T>) {
    let ((whole, rest), (y, tail)) = (x.as_chunks::<LANES>(), y.as_chunks_mut::<LANES>());
    for (lanes, y) in whole.iter().zip(y) {
        *y = f(lanes);
    }
    if !rest.is_empty() {
        tail.copy_from_slice(&f(&load(rest, fill))[..rest.len()]);
    }
}

/// The lanes joined pairwise.
#[inline(always)]
fn fold<T: Real>(mut lanes: Lanes<T>, join: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The greater; not NaN unless both are: a NaN shows in the sum of exponentials.
#[inline(always)]
fn greater<T: Real>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

#[inline(always)]
fn row_max<T: Real>(x: &[T]) -> T {
    let least = c(f64::NEG_INFINITY);
    let mut max = [least; LANES];
    each(x, least, |x| (0..LANES).for_each(|i| max[i] = greater(x[i], max[i])));
    fold(max, greater)
}

/// The sum of `e^(x - shift)` along a row.
#[inline(always)]
fn row_sum<S: pulp::Simd, T: Real>(x: &[T], shift: T) -> T {
    let mut sum = [c(0.0); LANES];
    each(x, c(f64::NEG_INFINITY), |x| (0..LANES).for_each(|i| sum[i] += (x[i] - shift).exp::<S>()));
    fold(sum, |a, b| a + b)
}

simd! {
    fn softmax_rows<S, T: Real>(simd: S, log: bool, run: usize, x: &[T], y: &mut [T]) {
        let least = c(f64::NEG_INFINITY);
        for (x, y) in x.chunks_exact(run.max(1)).zip(y.chunks_exact_mut(run.max(1))) {
            let max = row_max(x);
            if log {
                let ln = row_sum::<S, T>(x, max).ln::<S>();
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - max - ln);
                continue;
            }
            let mut sum = [c(0.0); LANES];
            write(x, least, y, |x| {
                let mut e = *x;
                (0..LANES).for_each(|i| {
                    e[i] = (x[i] - max).exp::<S>();
                    sum[i] += e[i];
                });
                e
            });
            let scale = c::<T>(1.0) / fold(sum, |a, b| a + b);
            y.iter_mut().for_each(|y| *y = *y * scale);
        }
    }
}

simd! {
    fn logsumexp_rows<S, T: Real>(simd: S, run: usize, x: &[T], out: &mut [T]) {
        for (row, out) in out.iter_mut().enumerate() {
            let x = &x[row * run..][..run];
            let shift = finite::<S, T>(row_max(x));
            *out = shift + row_sum::<S, T>(x, shift).ln::<S>();
        }
    }
}

/// The number, or zero for infinities: nothing can be gained from shifting by them.
#[inline(always)]
fn finite<S: pulp::Simd, T: Real>(x: T) -> T {
    if x.abs::<S>() < c(f64::INFINITY) { x } else { c(0.0) }
}

simd! {
    fn gradient_rows<S, T: Real>(simd: S, log: bool, run: usize, y: &[T], g: &[T], out: &mut [T]) {
        let run = run.max(1);
        for ((y, g), out) in y.chunks_exact(run).zip(g.chunks_exact(run)).zip(out.chunks_exact_mut(run)) {
            let mut sum = [c::<T>(0.0); LANES];
            if log {
                each(g, c(0.0), |g| (0..LANES).for_each(|i| sum[i] += g[i]));
                let sum = fold(sum, |a, b| a + b);
                out.iter_mut().zip(y).zip(g).for_each(|((out, &y), &g)| *out = g - y.exp::<S>() * sum);
            } else {
                let ((ys, y_rest), (gs, g_rest)) = (y.as_chunks::<LANES>(), g.as_chunks::<LANES>());
                for (y, g) in ys.iter().zip(gs) {
                    (0..LANES).for_each(|i| sum[i] += y[i] * g[i]);
                }
                (0..y_rest.len()).for_each(|i| sum[i] += y_rest[i] * g_rest[i]);
                let sum = fold(sum, |a, b| a + b);
                out.iter_mut().zip(y).zip(g).for_each(|((out, &y), &g)| *out = y * (g - sum));
            }
        }
    }
}

/// For each column of a strip the greatest number.
#[inline(always)]
fn strip_max<T: Real>(runs: Runs, strip: Strip, x: &[T]) -> [T; WIDTH] {
    let mut max = [c(f64::NEG_INFINITY); WIDTH];
    for i in 0..runs.run {
        let x = &x[strip.start + i * runs.inner..][..strip.width];
        max.iter_mut().zip(x).for_each(|(max, &x)| *max = greater(x, *max));
    }
    max
}

/// For each column of a strip the sum of `e^(x - shift)`.
#[inline(always)]
fn strip_sum<S: pulp::Simd, T: Real>(runs: Runs, strip: Strip, x: &[T], shift: &[T; WIDTH]) -> [T; WIDTH] {
    let mut sum = [c(0.0); WIDTH];
    for i in 0..runs.run {
        let x = &x[strip.start + i * runs.inner..][..strip.width];
        sum.iter_mut().zip(x).zip(shift).for_each(|((sum, &x), &shift)| *sum += (x - shift).exp::<S>());
    }
    sum
}

simd! {
    fn softmax_strip<S, T: Real>(simd: S, log: bool, runs: Runs, strip: Strip, x: &[T], parts: &Parts<'_, T>) {
        let max = strip_max(runs, strip, x);
        let sum = strip_sum::<S, T>(runs, strip, x, &max);
        let last = sum.map(#[inline(always)] |sum| if log { sum.ln::<S>() } else { c::<T>(1.0) / sum });
        for i in 0..runs.run {
            let start = strip.start + i * runs.inner;
            let x = &x[start..][..strip.width];
            // SAFETY: tasks have disjoint columns.
            let y = unsafe { parts.part(start, strip.width) };
            let of = y.iter_mut().zip(x).zip(max.iter().zip(&last));
            if log {
                of.for_each(|((y, &x), (&max, &ln))| *y = x - max - ln);
            } else {
                of.for_each(|((y, &x), (&max, &scale))| *y = (x - max).exp::<S>() * scale);
            }
        }
    }
}

simd! {
    fn logsumexp_strip<S, T: Real>(simd: S, runs: Runs, strip: Strip, x: &[T], out: &mut [T]) {
        let shift = strip_max(runs, strip, x).map(finite::<S, T>);
        let sum = strip_sum::<S, T>(runs, strip, x, &shift);
        out.iter_mut().zip(&shift).zip(&sum).for_each(|((out, &shift), &sum)| *out = shift + sum.ln::<S>());
    }
}

simd! {
    fn gradient_strip<S, T: Real>(
        simd: S, log: bool, runs: Runs, strip: Strip, y: &[T], g: &[T], parts: &Parts<'_, T>
    ) {
        let mut sum = [c::<T>(0.0); WIDTH];
        for i in 0..runs.run {
            let start = strip.start + i * runs.inner;
            let of = sum.iter_mut().zip(&y[start..][..strip.width]).zip(&g[start..][..strip.width]);
            if log {
                of.for_each(|((sum, _), &g)| *sum += g);
            } else {
                of.for_each(|((sum, &y), &g)| *sum += y * g);
            }
        }
        for i in 0..runs.run {
            let start = strip.start + i * runs.inner;
            // SAFETY: tasks have disjoint columns.
            let out = unsafe { parts.part(start, strip.width) };
            let of = out.iter_mut().zip(&y[start..][..strip.width]).zip(g[start..][..strip.width].iter().zip(&sum));
            if log {
                of.for_each(|((out, &y), (&g, &sum))| *out = g - y.exp::<S>() * sum);
            } else {
                of.for_each(|((out, &y), (&g, &sum))| *out = y * (g - sum));
            }
        }
    }
}
