//! Normalisation of channels. A channel that fits the cache is read from memory once: its statistics, then its result, by
//! one task. Larger ones are done in pieces, and planes too small for rows by columns; pieces depend on sizes alone.

use crate::backend::{BatchNormKernels, ElementwiseKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::norm::{total, total_pairs, weights};
use crate::cpu::real::Real;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use std::ops::Range;

impl BatchNormKernels for Cpu {
    fn batch_norm(&self, x: &Tensor, affine: [Option<&Tensor>; 2], eps: f64, relu: bool) -> Result<[Tensor; 5]> {
        let wide = x.dtype().to_wide();
        let [weight, bias] = weights(affine, x.shape()[1], wide)?;
        let wide_x = self.contiguous(&self.cast(x, wide)?)?;
        let [y, mean, variance, scale, slope] = match wide {
            DType::F64 => forward::<f64>(&wide_x, [&weight, &bias], eps, relu)?,
            _ => forward::<f32>(&wide_x, [&weight, &bias], eps, relu)?,
        };
        Ok([self.cast(&y, x.dtype())?, mean, variance, scale, slope])
    }

    fn batch_norm_backward(
        &self,
        g: &Tensor,
        x: &Tensor,
        affine: [Option<&Tensor>; 2],
        statistics: [&Tensor; 3],
        relu: bool,
    ) -> Result<[Tensor; 3]> {
        let wide = x.dtype().to_wide();
        let [weight, bias] = weights(affine, x.shape()[1], wide)?;
        let plain = |t: &Tensor| self.contiguous(&self.cast(t, wide)?);
        let (g, wide_x) = (plain(g)?, plain(x)?);
        let [dx, dw, db] = match wide {
            DType::F64 => backward::<f64>(&g, &wide_x, [&weight, &bias], statistics, relu)?,
            _ => backward::<f32>(&g, &wide_x, [&weight, &bias], statistics, relu)?,
        };
        Ok([self.cast(&dx, x.dtype())?, dw, db])
    }

    fn channel_affine(
        &self,
        x: &Tensor,
        mean: &Tensor,
        variance: &Tensor,
        affine: [Option<&Tensor>; 2],
        eps: f64,
        relu: bool,
    ) -> Result<Tensor> {
        let wide = x.dtype().to_wide();
        let [weight, bias] = weights(affine, x.shape()[1], wide)?;
        let [mean, variance] = weights([Some(mean), Some(variance)], x.shape()[1], wide)?;
        let wide_x = self.contiguous(&self.cast(x, wide)?)?;
        let y = match wide {
            DType::F64 => given::<f64>(&wide_x, [&mean, &variance, &weight, &bias], eps, relu)?,
            _ => given::<f32>(&wide_x, [&mean, &variance, &weight, &bias], eps, relu)?,
        };
        self.cast(&y, x.dtype())
    }
}

/// Elements of a channel in one segment of memory, at most.
const SEGMENT: usize = 1 << 14;
/// Elements of a channel that one task reduces, at most: they stay in its cache.
const PIECE: usize = 1 << 17;
/// Planes smaller than this are done by columns.
const PLANE: usize = 32;
/// Rows and columns that one task of columns takes.
const ROWS: usize = 128;
const COLUMNS: usize = 512;

/// `[n, channels, plane]`, with its segments.
struct Plan {
    n: usize,
    channels: usize,
    plane: usize,
    /// Segments of one plane, of a channel, and of a piece of one.
    each: usize,
    segments: usize,
    piece: usize,
}

/// What an element becomes: `(x - mean) * a + b`, or with a gradient `g * a + (x - mean) * b + c`, where the gradient passed what
/// became of the element, `(x - mean) * slope + bias`.
#[derive(Clone, Copy, Default)]
struct Line<T> {
    mean: T,
    a: T,
    b: T,
    c: T,
    slope: T,
    bias: T,
}

/// Numbers of a [`Line`].
const NUMBERS: usize = 6;

/// `y` where a normalised element `z` passes the rectifier, which makes elements and gradients zero elsewhere.
#[inline(always)]
fn passed<T: Real>(z: T, y: T) -> T {
    if z <= T::ZERO { T::ZERO } else { y }
}

/// Runs `$body` with `$pass` as [`passed`] if `$relu`, or else as what lets all pass: loops without a question in them.
macro_rules! with_pass {
    ($relu:expr, $pass:ident => $body:expr) => {
        if $relu {
            let $pass = passed::<T>;
            $body
        } else {
            let $pass = |_: T, y: T| y;
            $body
        }
    };
}

impl Plan {
    fn new(shape: &Shape) -> Plan {
        let (n, channels, plane) = (shape[0], shape[1], shape[2..].iter().product::<usize>());
        let each = plane.div_ceil(SEGMENT);
        let piece = (PIECE / plane.clamp(1, SEGMENT)).max(1);
        Plan { n, channels, plane, each, segments: n * each, piece }
    }

    /// Where a segment of a channel begins, and its length.
    #[inline(always)]
    fn segment(&self, channel: usize, index: usize) -> Range<usize> {
        let (n, part) = (index / self.each, index % self.each);
        let start = (n * self.channels + channel) * self.plane;
        start + part * SEGMENT..start + ((part + 1) * SEGMENT).min(self.plane)
    }

    /// Elements of some segments of a channel.
    fn count(&self, segments: &Range<usize>) -> usize {
        segments.clone().map(|i| self.segment(0, i).len()).sum()
    }

    /// Reduces every channel and then maps it: `reduce` gives two sums of some segments or columns, `finish` makes a line
    /// of all of a channel's, `map` applies it.
    fn run<T: Real>(
        &self,
        reduce: impl Fn(usize, Range<usize>) -> [f64; 2] + Sync,
        reduce_columns: impl Fn(Range<usize>, Range<usize>, [&mut [T]; 2]) + Sync,
        finish: impl Fn(usize, &mut dyn Iterator<Item = (usize, [f64; 2])>) -> Line<T> + Sync,
        map: impl Fn(usize, Range<usize>, Line<T>) + Sync,
        map_rows: impl Fn(Range<usize>, &[T]) + Sync,
    ) -> Result<()> {
        if self.plane < PLANE {
            return self.run_columns(reduce_columns, finish, map_rows);
        }
        let pieces = self.segments.div_ceil(self.piece);
        let range = |piece: usize| piece * self.piece..((piece + 1) * self.piece).min(self.segments);
        if pieces == 1 {
            let group = GRAIN.div_ceil(self.n * self.plane);
            parallel_for(self.channels.div_ceil(group), |task| {
                for channel in task * group..((task + 1) * group).min(self.channels) {
                    let sums = reduce(channel, range(0));
                    let line = finish(channel, &mut std::iter::once((self.n * self.plane, sums)));
                    map(channel, range(0), line);
                }
            });
            return Ok(());
        }
        let mut sums = Writing::<f64>::new(Shape::new(&[self.channels * pieces, 2])?)?;
        let parts = Parts::new(sums.as_mut());
        parallel_for(self.channels * pieces, |task| {
            // SAFETY: every piece is one task's alone.
            unsafe { parts.part(task * 2, 2) }.copy_from_slice(&reduce(task / pieces, range(task % pieces)));
        });
        let sums = sums.as_mut();
        let line = |channel: usize| {
            let sum = |piece: usize| {
                let at = (channel * pieces + piece) * 2;
                (self.count(&range(piece)), [sums[at], sums[at + 1]])
            };
            finish(channel, &mut (0..pieces).map(sum))
        };
        let lines: Vec<Line<T>> = (0..self.channels).map(line).collect();
        parallel_for(self.channels * pieces, |task| map(task / pieces, range(task % pieces), lines[task / pieces]));
        Ok(())
    }

    /// The same by columns of `[n, channels * plane]`.
    fn run_columns<T: Real>(
        &self,
        reduce: impl Fn(Range<usize>, Range<usize>, [&mut [T]; 2]) + Sync,
        finish: impl Fn(usize, &mut dyn Iterator<Item = (usize, [f64; 2])>) -> Line<T> + Sync,
        map: impl Fn(Range<usize>, &[T]) + Sync,
    ) -> Result<()> {
        let width = self.channels * self.plane;
        let (blocks, strips) = (self.n.div_ceil(ROWS), width.div_ceil(COLUMNS));
        let rows = |block: usize| block * ROWS..((block + 1) * ROWS).min(self.n);
        let mut sums = Writing::<T>::new(Shape::new(&[blocks, 2, width])?)?;
        let parts = Parts::new(sums.as_mut());
        parallel_for(blocks * strips, |task| {
            let (block, first) = (task / strips, task % strips * COLUMNS);
            let columns = first..(first + COLUMNS).min(width);
            // SAFETY: every strip of a block is one task's alone.
            let both = unsafe { [0, 1].map(|which| parts.part((block * 2 + which) * width + first, columns.len())) };
            reduce(rows(block), columns, both);
        });
        let sums = sums.as_mut();
        let mut lines = Writing::<T>::new(Shape::new(&[NUMBERS, width])?)?;
        for channel in 0..self.channels {
            let columns = channel * self.plane..(channel + 1) * self.plane;
            let sum = |block: usize, column: usize| {
                let at = |which: usize| sums[(block * 2 + which) * width + column].to_f64();
                (rows(block).len(), [at(0), at(1)])
            };
            let mut all = (0..blocks).flat_map(|block| columns.clone().map(move |column| sum(block, column)));
            let line = finish(channel, &mut all);
            let numbers = [line.mean, line.a, line.b, line.c, line.slope, line.bias];
            for (which, value) in numbers.into_iter().enumerate() {
                lines.as_mut()[which * width..][columns.clone()].fill(value);
            }
        }
        let lines: &[T] = lines.as_mut();
        let group = GRAIN.div_ceil(width);
        parallel_for(self.n.div_ceil(group), |task| map(task * group..((task + 1) * group).min(self.n), lines));
        Ok(())
    }
}

fn forward<T: Real>(x: &Tensor, [weight, bias]: [&Tensor; 2], eps: f64, relu: bool) -> Result<[Tensor; 5]> {
    let plan = Plan::new(x.shape());
    let mut y = Writing::<T>::new(*x.shape())?;
    let statistic = || Shape::new(&[plan.channels]).and_then(Writing::<T>::new);
    let [mut mean, mut variance, mut scale, mut slope] = [statistic()?, statistic()?, statistic()?, statistic()?];
    let [x, weight, bias] = [x, weight, bias].map(|t| t.as_slice::<T>().unwrap_or_default());
    let ys = Parts::new(y.as_mut());
    let [means, variances] = [Parts::new(mean.as_mut()), Parts::new(variance.as_mut())];
    let [scales, slopes] = [Parts::new(scale.as_mut()), Parts::new(slope.as_mut())];
    plan.run::<T>(
        |channel, segments| moments(x, &plan, channel, segments),
        |rows, columns, [mean, squares]| column_moments(x, plan.channels * plan.plane, rows, columns, mean, squares),
        |channel, parts| {
            // Chan, Golub and LeVeque 1979: moments of a union.
            let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
            for (more, [next, next_squares]) in parts {
                let more = more as f64;
                let (total, apart) = (count + more, next - mean);
                squares += next_squares + apart * apart * count * more / total;
                mean += apart * more / total;
                count = total;
            }
            let variance = squares / count;
            let scale = 1.0 / (variance + eps).sqrt();
            let a = T::from_f64(scale * weight[channel].to_f64());
            // SAFETY: every channel is finished once.
            unsafe {
                means.part(channel, 1)[0] = T::from_f64(mean);
                variances.part(channel, 1)[0] = T::from_f64(variance);
                scales.part(channel, 1)[0] = T::from_f64(scale);
                slopes.part(channel, 1)[0] = a;
            }
            Line { mean: T::from_f64(mean), a, b: bias[channel], ..Line::default() }
        },
        |channel, segments, line| {
            for i in segments {
                let range = plan.segment(channel, i);
                // SAFETY: every segment is one task's alone.
                let y = unsafe { ys.part(range.start, range.len()) };
                apply(&x[range], line, relu, y);
            }
        },
        |rows, lines| {
            let width = plan.channels * plan.plane;
            // SAFETY: every row is one task's alone.
            let y = unsafe { ys.part(rows.start * width, rows.len() * width) };
            apply_columns(&x[rows.start * width..rows.end * width], lines, relu, y);
        },
    )?;
    Ok([y.finish(), mean.finish(), variance.finish(), scale.finish(), slope.finish()])
}

fn backward<T: Real>(
    g: &Tensor,
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    statistics: [&Tensor; 3],
    relu: bool,
) -> Result<[Tensor; 3]> {
    let plan = Plan::new(x.shape());
    let width = plan.channels * plan.plane;
    let channels = Shape::new(&[plan.channels])?;
    let mut dx = Writing::<T>::new(*x.shape())?;
    let (mut dw, mut db) = (Writing::<T>::new(channels)?, Writing::<T>::new(channels)?);
    let [g, x, weight, bias] = [g, x, weight, bias].map(|t| t.as_slice::<T>().unwrap_or_default());
    let [means, scales, slopes] = statistics.map(|t| t.as_slice::<T>().unwrap_or_default());
    // As the elements were normalised.
    let given =
        |channel: usize| Line { mean: means[channel], slope: slopes[channel], bias: bias[channel], ..Line::default() };
    let (dxs, dws, dbs) = (Parts::new(dx.as_mut()), Parts::new(dw.as_mut()), Parts::new(db.as_mut()));
    plan.run::<T>(
        |channel, segments| products(g, x, &plan, channel, segments, given(channel), relu),
        |rows, columns, sums| {
            let lines: Vec<Line<T>> = columns.clone().map(|column| given(column / plan.plane)).collect();
            let lines = [0, 1, 2]
                .map(|which| lines.iter().map(|line| [line.mean, line.slope, line.bias][which]).collect::<Vec<T>>());
            column_products(g, x, width, rows, columns, &lines, relu, sums);
        },
        |channel, parts| {
            let (mut count, mut sum, mut product) = (0.0, 0.0, 0.0);
            for (more, [a, b]) in parts {
                count += more as f64;
                sum += a;
                product += b;
            }
            let scale = scales[channel].to_f64();
            let a = scale * weight[channel].to_f64();
            // SAFETY: every channel is finished once.
            unsafe {
                dws.part(channel, 1)[0] = T::from_f64(product * scale);
                dbs.part(channel, 1)[0] = T::from_f64(sum);
            }
            let (b, c) = (-a * scale * scale * product / count, -a * sum / count);
            Line { a: T::from_f64(a), b: T::from_f64(b), c: T::from_f64(c), ..given(channel) }
        },
        |channel, segments, line| {
            for i in segments {
                let range = plan.segment(channel, i);
                // SAFETY: every segment is one task's alone.
                let dx = unsafe { dxs.part(range.start, range.len()) };
                apply_gradient(&g[range.clone()], &x[range], line, relu, dx);
            }
        },
        |rows, lines| {
            let range = rows.start * width..rows.end * width;
            // SAFETY: every row is one task's alone.
            let dx = unsafe { dxs.part(range.start, range.len()) };
            apply_gradient_columns(&g[range.clone()], &x[range], lines, relu, dx);
        },
    )?;
    Ok([dx.finish(), dw.finish(), db.finish()])
}

fn given<T: Real>(x: &Tensor, settings: [&Tensor; 4], eps: f64, relu: bool) -> Result<Tensor> {
    let plan = Plan::new(x.shape());
    let mut y = Writing::<T>::new(*x.shape())?;
    let x = x.as_slice::<T>().unwrap_or_default();
    let [mean, variance, weight, bias] = settings.map(|t| t.as_slice::<T>().unwrap_or_default());
    let line = |channel: usize| {
        let a = weight[channel].to_f64() / (variance[channel].to_f64() + eps).sqrt();
        Line { mean: mean[channel], a: T::from_f64(a), b: bias[channel], ..Line::default() }
    };
    let ys = Parts::new(y.as_mut());
    let planes = plan.n * plan.channels;
    let group = GRAIN.div_ceil(plan.plane.max(1));
    parallel_for(if x.is_empty() { 0 } else { planes.div_ceil(group) }, |task| {
        for plane in task * group..((task + 1) * group).min(planes) {
            // SAFETY: every plane is one task's alone.
            let y = unsafe { ys.part(plane * plan.plane, plan.plane) };
            apply(&x[plane * plan.plane..][..plan.plane], line(plane % plan.channels), relu, y);
        }
    });
    Ok(y.finish())
}

simd! {
    /// Mean of some segments, and the sum of squared distances from it.
    fn moments<S, T: Real>(simd: S, x: &[T], plan: &Plan, channel: usize, segments: Range<usize>) -> [f64; 2] {
        let (mut sum, mut count) = (0.0, 0);
        for i in segments.clone() {
            let range = plan.segment(channel, i);
            count += range.len();
            sum += total(&x[range], |x| x);
        }
        let mean = T::from_f64(sum / count as f64);
        let mut squares = 0.0;
        for i in segments {
            squares += total(&x[plan.segment(channel, i)], |x| (x - mean) * (x - mean));
        }
        [mean.to_f64(), squares]
    }
}

simd! {
    /// Sums of gradients, and of their products with the distances from the mean.
    fn products<S, T: Real>(
        simd: S, g: &[T], x: &[T], plan: &Plan, channel: usize, segments: Range<usize>, line: Line<T>, relu: bool,
    ) -> [f64; 2] {
        let mut sums = [0.0; 2];
        for i in segments {
            let range = plan.segment(channel, i);
            let (g, x) = (&g[range.clone()], &x[range]);
            let [a, b] = with_pass!(relu, pass => total_pairs(g, x, |g, x| {
                let apart = x - line.mean;
                let g = pass(apart.fma::<S>(line.slope, line.bias), g);
                (g, g * apart)
            }));
            sums[0] += a;
            sums[1] += b;
        }
        sums
    }
}

simd! {
    fn apply<S, T: Real>(simd: S, x: &[T], line: Line<T>, relu: bool, y: &mut [T]) {
        with_pass!(relu, pass => for (y, &x) in y.iter_mut().zip(x) {
            let z = (x - line.mean).fma::<S>(line.a, line.b);
            *y = pass(z, z);
        })
    }
}

simd! {
    fn apply_gradient<S, T: Real>(simd: S, g: &[T], x: &[T], line: Line<T>, relu: bool, dx: &mut [T]) {
        with_pass!(relu, pass => for ((dx, &g), &x) in dx.iter_mut().zip(g).zip(x) {
            let apart = x - line.mean;
            let g = pass(apart.fma::<S>(line.slope, line.bias), g);
            *dx = g.fma::<S>(line.a, apart.fma::<S>(line.b, line.c));
        })
    }
}

simd! {
    /// Means of columns over some rows, and sums of squared distances from them.
    fn column_moments<S, T: Real>(
        simd: S, x: &[T], width: usize, rows: Range<usize>, columns: Range<usize>, mean: &mut [T], squares: &mut [T]
    ) {
        let row = |i: usize| &x[i * width..][columns.clone()];
        let one_over = T::from_f64(1.0 / rows.len() as f64);
        mean.fill(T::ZERO);
        squares.fill(T::ZERO);
        for i in rows.clone() {
            mean.iter_mut().zip(row(i)).for_each(|(m, &x)| *m += x);
        }
        mean.iter_mut().for_each(|m| *m = *m * one_over);
        for i in rows {
            for ((s, &m), &x) in squares.iter_mut().zip(&*mean).zip(row(i)) {
                *s = (x - m).fma::<S>(x - m, *s);
            }
        }
    }
}

simd! {
    /// Sums of columns of gradients, and of their products with the distances from the means, by the columns' means, slopes and
    /// biases.
    fn column_products<S, T: Real>(
        simd: S, g: &[T], x: &[T], width: usize, rows: Range<usize>, columns: Range<usize>, lines: &[Vec<T>; 3], relu: bool,
        sums: [&mut [T]; 2],
    ) {
        const STRIP: usize = 64;
        let [sum, product] = sums;
        for first in (0..sum.len()).step_by(STRIP) {
            let count = STRIP.min(sum.len() - first);
            let [mean, slope, bias] = [0, 1, 2].map(|which| &lines[which][first..][..count]);
            let (mut sums, mut products) = ([T::ZERO; STRIP], [T::ZERO; STRIP]);
            let (sums, products) = (&mut sums[..count], &mut products[..count]);
            with_pass!(relu, pass => for i in rows.clone() {
                let at = i * width + columns.start + first;
                let (g, x) = (&g[at..][..count], &x[at..][..count]);
                for i in 0..count {
                    let apart = x[i] - mean[i];
                    let g = pass(apart.fma::<S>(slope[i], bias[i]), g[i]);
                    sums[i] += g;
                    products[i] = g.fma::<S>(apart, products[i]);
                }
            });
            sum[first..][..count].copy_from_slice(sums);
            product[first..][..count].copy_from_slice(products);
        }
    }
}

simd! {
    fn apply_columns<S, T: Real>(simd: S, x: &[T], lines: &[T], relu: bool, y: &mut [T]) {
        let width = lines.len() / NUMBERS;
        let [mean, a, b] = [0, 1, 2].map(|which| &lines[which * width..][..width]);
        with_pass!(relu, pass => for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            for i in 0..width {
                let z = (x[i] - mean[i]).fma::<S>(a[i], b[i]);
                y[i] = pass(z, z);
            }
        })
    }
}

simd! {
    fn apply_gradient_columns<S, T: Real>(simd: S, g: &[T], x: &[T], lines: &[T], relu: bool, dx: &mut [T]) {
        let width = lines.len() / NUMBERS;
        let [mean, a, b, c, slope, bias] = [0, 1, 2, 3, 4, 5].map(|which| &lines[which * width..][..width]);
        let (gs, xs) = (g.chunks_exact(width), x.chunks_exact(width));
        with_pass!(relu, pass => for ((dx, g), x) in dx.chunks_exact_mut(width).zip(gs).zip(xs) {
            for i in 0..width {
                let apart = x[i] - mean[i];
                let g = pass(apart.fma::<S>(slope[i], bias[i]), g[i]);
                dx[i] = g.fma::<S>(a[i], apart.fma::<S>(b[i], c[i]));
            }
        })
    }
}
