//! Normalisation of rows: one pass over memory forward and one backward, each row staying in the nearest cache.

use crate::backend::{ElementwiseKernels, RowNormKernels, Rows};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use std::ops::Range;

/// Independent accumulators of a sum along a row.
const LANES: usize = 32;

/// Accumulators side by side.
#[derive(Clone, Copy)]
struct Lanes<T>([T; LANES]);

impl<T: Real> Lanes<T> {
    /// Nothing yet.
    const ZERO: Lanes<T> = Lanes([T::ZERO; LANES]);

    /// Their sum, pairwise.
    #[inline(always)]
    fn sum(mut self) -> T {
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                self.0[i] += self.0[i + width];
            }
            width /= 2;
        }
        self.0[0]
    }
}

impl RowNormKernels for Cpu {
    fn row_norm(
        &self,
        x: &Tensor,
        affine: [Option<&Tensor>; 2],
        rows: Rows,
        eps: f64,
        centred: bool,
    ) -> Result<[Tensor; 3]> {
        let wide = x.dtype().to_wide();
        let [weight, bias] = weights(affine, rows.groups * rows.cells, wide)?;
        let wide_x = self.contiguous(&self.cast(x, wide)?)?;
        let [y, mean, scale] = match wide {
            DType::F64 => forward::<f64>(&wide_x, &weight, &bias, rows, eps, centred)?,
            _ => forward::<f32>(&wide_x, &weight, &bias, rows, eps, centred)?,
        };
        Ok([self.cast(&y, x.dtype())?, mean, scale])
    }

    fn row_norm_backward(
        &self,
        g: &Tensor,
        x: &Tensor,
        weight: Option<&Tensor>,
        statistics: [&Tensor; 2],
        rows: Rows,
        centred: bool,
    ) -> Result<[Tensor; 3]> {
        let wide = x.dtype().to_wide();
        let [weight, _] = weights([weight, None], rows.groups * rows.cells, wide)?;
        let plain = |t: &Tensor| self.contiguous(&self.cast(t, wide)?);
        let (g, wide_x) = (plain(g)?, plain(x)?);
        let [dx, dweight, dbias] = match wide {
            DType::F64 => backward::<f64>(&g, &wide_x, &weight, statistics, rows, centred)?,
            _ => backward::<f32>(&g, &wide_x, &weight, statistics, rows, centred)?,
        };
        Ok([self.cast(&dx, x.dtype())?, dweight, dbias])
    }
}

/// Weights and biases of a type, row-major; ones and zeros where there are none.
pub(crate) fn weights(affine: [Option<&Tensor>; 2], count: usize, dtype: DType) -> Result<[Tensor; 2]> {
    let [weight, bias] = affine;
    let given = |t: Option<&Tensor>, neutral: f64| match t {
        Some(t) => Cpu.contiguous(&Cpu.cast(t, dtype)?),
        None => Cpu.copy(&Tensor::full(count, neutral, dtype)?),
    };
    Ok([given(weight, 1.0)?, given(bias, 0.0)?])
}

/// Elements of which sums stay in their own precision; sums of more are sums of these in double precision.
const LEAF: usize = 1 << 12;

/// The sum of `f` of each element.
#[inline(always)]
pub(crate) fn total<T: Real>(x: &[T], f: impl Fn(T) -> T) -> f64 {
    let mut sum = 0.0;
    for leaf in x.chunks(LEAF) {
        let mut lanes = Lanes::<T>::ZERO;
        let chunks = leaf.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, &x) in lanes.0.iter_mut().zip(chunk) {
                *lane += f(x);
            }
        }
        for (lane, &x) in lanes.0.iter_mut().zip(rest) {
            *lane += f(x);
        }
        sum += lanes.sum().to_f64();
    }
    sum
}

/// The sums of `f` of each pair of elements.
#[inline(always)]
pub(crate) fn total_pairs<T: Real>(x: &[T], y: &[T], f: impl Fn(T, T) -> (T, T)) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for (x, y) in x.chunks(LEAF).zip(y.chunks(LEAF)) {
        let (mut a, mut b) = (Lanes::<T>::ZERO, Lanes::<T>::ZERO);
        let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        let rest = xs.remainder().iter().zip(ys.remainder());
        for (x, y) in xs.zip(ys) {
            for i in 0..LANES {
                let (p, q) = f(x[i], y[i]);
                a.0[i] += p;
                b.0[i] += q;
            }
        }
        for (i, (&x, &y)) in rest.enumerate() {
            let (p, q) = f(x, y);
            a.0[i] += p;
            b.0[i] += q;
        }
        sums[0] += a.sum().to_f64();
        sums[1] += b.sum().to_f64();
    }
    sums
}

/// Samples that one task takes; sums over them stay in their own precision.
fn samples_a_task(rows: &Rows) -> usize {
    (GRAIN / (rows.cells * rows.run).max(1)).clamp(1, 512)
}

fn forward<T: Real>(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    rows: Rows,
    eps: f64,
    centred: bool,
) -> Result<[Tensor; 3]> {
    let statistics = Shape::new(&[rows.samples * rows.groups])?;
    let mut y = Writing::<T>::new(*x.shape())?;
    let (mut mean, mut scale) = (Writing::<T>::new(statistics)?, Writing::<T>::new(statistics)?);
    let [x, weight, bias] = [x, weight, bias].map(|t| t.as_slice::<T>().unwrap_or_default());
    let len = rows.cells * rows.run;
    let group = samples_a_task(&rows);
    let count = rows.samples * rows.groups;
    let (ys, means, scales) = (Parts::new(y.as_mut()), Parts::new(mean.as_mut()), Parts::new(scale.as_mut()));
    parallel_for(count.div_ceil(group), |task| {
        let range = task * group..((task + 1) * group).min(count);
        // SAFETY: every row is one task's alone.
        let (y, mean, scale) = unsafe {
            (
                ys.part(range.start * len, range.len() * len),
                means.part(range.start, range.len()),
                scales.part(range.start, range.len()),
            )
        };
        forward_rows::<T>(
            &x[range.start * len..range.end * len],
            [weight, bias],
            &rows,
            eps,
            centred,
            range,
            y,
            mean,
            scale,
        );
    });
    Ok([y.finish(), mean.finish(), scale.finish()])
}

simd! {
    fn forward_rows<S, T: Real>(
        simd: S, x: &[T], affine: [&[T]; 2], rows: &Rows, eps: f64, centred: bool, range: Range<usize>,
        y: &mut [T], means: &mut [T], scales: &mut [T]
    ) {
        let (len, run, cells) = (rows.cells * rows.run, rows.run, rows.cells);
        let one_over = 1.0 / len as f64;
        for (i, (x, y)) in x.chunks_exact(len).zip(y.chunks_exact_mut(len)).enumerate() {
            let first = (range.start + i) % rows.groups * cells;
            let (weight, bias) = (&affine[0][first..][..cells], &affine[1][first..][..cells]);
            let mean = if centred { T::from_f64(total(x, |x| x) * one_over) } else { T::ZERO };
            let squares = total(x, |x| (x - mean) * (x - mean));
            let scale = T::from_f64(1.0 / (squares * one_over + eps).sqrt());
            (means[i], scales[i]) = (mean, scale);
            if run == 1 {
                for (((y, &x), &w), &b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                    *y = ((x - mean) * scale).fma::<S>(w, b);
                }
            } else {
                let cells = y.chunks_exact_mut(run).zip(x.chunks_exact(run));
                for (((y, x), &w), &b) in cells.zip(weight).zip(bias) {
                    let scale = scale * w;
                    y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean).fma::<S>(scale, b));
                }
            }
        }
    }
}

fn backward<T: Real>(
    g: &Tensor,
    x: &Tensor,
    weight: &Tensor,
    statistics: [&Tensor; 2],
    rows: Rows,
    centred: bool,
) -> Result<[Tensor; 3]> {
    let (len, width) = (rows.cells * rows.run, rows.groups * rows.cells);
    let group = samples_a_task(&rows);
    let blocks = rows.samples.div_ceil(group);
    let partial = Shape::new(&[blocks, width])?;
    let mut dx = Writing::<T>::new(*x.shape())?;
    let (mut dw, mut db) = (Writing::<T>::new(partial)?, Writing::<T>::new(partial)?);
    let [g, x, weight] = [g, x, weight].map(|t| t.as_slice::<T>().unwrap_or_default());
    let [means, scales] = statistics.map(|t| t.as_slice::<T>().unwrap_or_default());
    let (dxs, dws, dbs) = (Parts::new(dx.as_mut()), Parts::new(dw.as_mut()), Parts::new(db.as_mut()));
    parallel_for(blocks * rows.groups, |task| {
        let (block, lane) = (task / rows.groups, task % rows.groups);
        let first = block * width + lane * rows.cells;
        // SAFETY: every block of samples of a group is one task's alone.
        let (dw, db) = unsafe { (dws.part(first, rows.cells), dbs.part(first, rows.cells)) };
        dw.fill(T::ZERO);
        db.fill(T::ZERO);
        let weight = &weight[lane * rows.cells..][..rows.cells];
        for sample in block * group..((block + 1) * group).min(rows.samples) {
            let row = sample * rows.groups + lane;
            // SAFETY: as above.
            let dx = unsafe { dxs.part(row * len, len) };
            let (g, x) = (&g[row * len..][..len], &x[row * len..][..len]);
            backward_row::<T>([g, x], weight, [means[row], scales[row]], rows.run, centred, dx, [&mut *dw, &mut *db]);
        }
    });
    Ok([dx.finish(), dw.finish(), db.finish()])
}

simd! {
    fn backward_row<S, T: Real>(
        simd: S, inputs: [&[T]; 2], weight: &[T], statistics: [T; 2], run: usize, centred: bool, dx: &mut [T],
        affine: [&mut [T]; 2]
    ) {
        let ([g, x], [mean, scale], [dw, db]) = (inputs, statistics, affine);
        let (mut sum, mut product) = (0.0, 0.0);
        if run == 1 {
            let mut lanes = [Lanes::<T>::ZERO; 2];
            let mut tap = |g: T, x: T, w: T, dw: &mut T, db: &mut T, lane: usize| {
                let normal = (x - mean) * scale;
                *dw = g.fma::<S>(normal, *dw);
                *db += g;
                let g = g * w;
                lanes[0].0[lane] += g;
                lanes[1].0[lane] = g.fma::<S>(normal, lanes[1].0[lane]);
            };
            // Chunks of known length: a check of each index would keep the loop from becoming vectors.
            let ((gs, g), (xs, x)) = (g.as_chunks::<LANES>(), x.as_chunks::<LANES>());
            let ((ws, w), (dws, dw), (dbs, db)) =
                (weight.as_chunks::<LANES>(), dw.as_chunks_mut::<LANES>(), db.as_chunks_mut::<LANES>());
            for ((((g, x), w), dw), db) in gs.iter().zip(xs).zip(ws).zip(dws).zip(dbs) {
                for lane in 0..LANES {
                    tap(g[lane], x[lane], w[lane], &mut dw[lane], &mut db[lane], lane);
                }
            }
            for (lane, ((((&g, &x), &w), dw), db)) in g.iter().zip(x).zip(w).zip(dw).zip(db).enumerate() {
                tap(g, x, w, dw, db, lane);
            }
            (sum, product) = (lanes[0].sum().to_f64(), lanes[1].sum().to_f64());
        } else {
            let cells = g.chunks_exact(run).zip(x.chunks_exact(run)).zip(weight).zip(dw).zip(db);
            for ((((g, x), &w), dw), db) in cells {
                let [a, b] = total_pairs(g, x, |g, x| (g, g * ((x - mean) * scale)));
                *dw += T::from_f64(b);
                *db += T::from_f64(a);
                sum += a * w.to_f64();
                product += b * w.to_f64();
            }
        }
        // Each row minus its projections onto the constant row and onto the normalised one.
        let one_over = 1.0 / g.len() as f64;
        let along_one = T::from_f64(if centred { sum * one_over * scale.to_f64() } else { 0.0 });
        let along_normal = T::from_f64(product * one_over * scale.to_f64() * scale.to_f64());
        if run == 1 {
            for (((dx, &g), &x), &w) in dx.iter_mut().zip(g).zip(x).zip(weight) {
                *dx = (g * w) * scale - along_one - (x - mean) * along_normal;
            }
        } else {
            let cells = dx.chunks_exact_mut(run).zip(g.chunks_exact(run)).zip(x.chunks_exact(run)).zip(weight);
            for (((dx, g), x), &w) in cells {
                let scale = scale * w;
                for ((dx, &g), &x) in dx.iter_mut().zip(g).zip(x) {
                    *dx = g * scale - along_one - (x - mean) * along_normal;
                }
            }
        }
    }
}
