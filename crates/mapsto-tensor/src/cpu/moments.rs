//! Moments along axes, in two passes over what fits the cache.

use crate::backend::{Binary, ElementwiseKernels, MomentKernels, ReduceKernels, Reduction, Unary};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::shape::{Axes, Layout, Shape};
use crate::tensor::{Tensor, Writing};

/// Fewer tasks than this are worth dividing further.
const TASKS: usize = 16;
/// Columns that one task takes.
const COLUMNS: usize = 64;

impl MomentKernels for Cpu {
    fn variance(&self, x: &Tensor, axes: &[usize], divisor: f64, shape: Shape) -> Result<Tensor> {
        if matches!(x.dtype(), DType::F16 | DType::BF16) {
            let wide = self.variance(&self.cast(x, DType::F32)?, axes, divisor, shape)?;
            return self.cast(&wide, x.dtype());
        }
        let neighbours = axes.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let (x, first, last) = match (neighbours, axes) {
            (true, [first, .., last]) => (self.contiguous(x)?, *first, last + 1),
            (true, [axis]) => (self.contiguous(x)?, *axis, axis + 1),
            (true, []) => (self.contiguous(x)?, x.rank(), x.rank()),
            _ => (self.contiguous(&moved_last(x, axes))?, x.rank() - axes.len(), x.rank()),
        };
        let product = |range: std::ops::Range<usize>| x.shape()[range].iter().product::<usize>();
        let parts = [product(0..first), product(first..last), product(last..x.rank())];
        let [outer, run, inner] = parts;
        if outer * inner.div_ceil(COLUMNS) < TASKS && x.numel() > TASKS * GRAIN {
            return self.in_passes(&x, first..last, run, divisor, shape);
        }
        match x.dtype() {
            DType::F64 => in_cache::<f64>(&x, parts, divisor, shape),
            _ => in_cache::<f32>(&x, parts, divisor, shape),
        }
    }
}

impl Cpu {
    /// Pass by pass over all elements, each on all threads: for few long rows.
    fn in_passes(
        &self,
        x: &Tensor,
        axes: std::ops::Range<usize>,
        run: usize,
        divisor: f64,
        shape: Shape,
    ) -> Result<Tensor> {
        let axes: Axes = axes.collect();
        let scalar = |value: f64| Tensor::full(Shape::SCALAR, value, x.dtype());
        let sum = self.reduce(Reduction::Sum, x, &axes, x.shape().reduced(&axes, true))?;
        let mean = self.binary(Binary::Div, &sum, &scalar(run as f64)?)?;
        let squares = self.unary(Unary::Square, &self.binary(Binary::Sub, x, &mean)?)?;
        let sum = self.reduce(Reduction::Sum, &squares, &axes, shape)?;
        self.binary(Binary::Div, &sum, &scalar(divisor)?)
    }
}

/// The same elements with `axes` after all others.
fn moved_last(x: &Tensor, axes: &[usize]) -> Tensor {
    let order = (0..x.rank()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied());
    let mut layout = *x.layout();
    for (to, from) in order.enumerate() {
        layout.strides[to] = x.layout().strides[from];
        layout.shape.sizes_mut()[to] = x.shape()[from];
    }
    x.view(Layout { ..layout })
}

fn in_cache<T: Element>(x: &Tensor, [outer, run, inner]: [usize; 3], divisor: f64, shape: Shape) -> Result<Tensor> {
    let mut out = Writing::<T>::new(shape)?;
    let data = x.as_slice::<T>().unwrap_or_default();
    let strips = inner.div_ceil(COLUMNS);
    let group = (GRAIN / 2 / (run * inner.min(COLUMNS)).max(1)).max(1);
    let parts = Parts::new(out.as_mut());
    parallel_for((outer * strips).div_ceil(group), |task| {
        for index in task * group..((task + 1) * group).min(outer * strips) {
            let (block, column) = (index / strips, index % strips * COLUMNS);
            // SAFETY: every (block, column) is one task's alone.
            let out = unsafe { parts.part(block * inner + column, COLUMNS.min(inner - column)) };
            if inner == 1 {
                let row = &data[block * run..][..run];
                let mean = powers(row, 0.0, false) / run as f64;
                out[0] = T::from_f64(powers(row, mean, true) / divisor);
            } else {
                column_variances(data, block * run * inner + column, run, inner, divisor, out);
            }
        }
    });
    Ok(out.finish())
}

simd! {
    lanes of T:
    /// The sum of the distances from `mean`, or of their squares, in double precision.
    fn powers<S, T: Element>(simd: S, row: &[T], mean: f64, square: bool) -> f64 {
        let power = |x: T| {
            let x = x.to_f64() - mean;
            if square { x * x } else { x }
        };
        let mut lanes = [0.0; 32];
        let chunks = row.chunks_exact(32);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += power(x);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane += power(x);
        }
        let mut width = 16;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0]
    }
}

simd! {
    lanes of T:
    /// The variances of neighbouring columns.
    fn column_variances<S, T: Element>(simd: S, data: &[T], start: usize, run: usize, stride: usize, divisor: f64, out: &mut [T]) {
        let width = out.len();
        let (mut means, mut sums) = ([0.0; COLUMNS], [0.0; COLUMNS]);
        for i in 0..run {
            for (mean, &x) in means.iter_mut().zip(&data[start + i * stride..][..width]) {
                *mean += x.to_f64();
            }
        }
        means.iter_mut().for_each(|mean| *mean /= run as f64);
        for i in 0..run {
            for ((sum, mean), &x) in sums.iter_mut().zip(&means).zip(&data[start + i * stride..][..width]) {
                let distance = x.to_f64() - mean;
                *sum += distance * distance;
            }
        }
        for (out, sum) in out.iter_mut().zip(&sums) {
            *out = T::from_f64(sum / divisor);
        }
    }
}
