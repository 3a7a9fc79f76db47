//! Reductions by a fixed tree: the same bits whatever the number of threads.

use crate::backend::{ElementwiseKernels, ReduceKernels, Reduction};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::strided::Parts;
use crate::cpu::threads::parallel_for;
use crate::dtype::{DType, Element, with_dtype};
use crate::error::Result;
use crate::shape::{Layout, Shape};
use crate::tensor::{Tensor, Writing};

impl ReduceKernels for Cpu {
    fn reduce(&self, f: Reduction, x: &Tensor, axes: &[usize], shape: Shape) -> Result<Tensor> {
        if matches!(x.dtype(), DType::F16 | DType::BF16) {
            let wide = self.reduce(f, &self.cast(x, DType::F32)?, axes, shape)?;
            return self.cast(&wide, x.dtype());
        }
        let mut value = self.contiguous(x)?;
        // Runs of neighbouring axes, last first: each is one pass over [outer, run, inner].
        let mut end = axes.len();
        while end > 0 {
            let mut begin = end - 1;
            while begin > 0 && axes[begin - 1] + 1 == axes[begin] {
                begin -= 1;
            }
            let (first, last) = (axes[begin], axes[end - 1]);
            let sizes = *value.shape();
            let product = |range: std::ops::Range<usize>| sizes[range].iter().product::<usize>();
            let parts = [product(0..first), product(first..last + 1), product(last + 1..sizes.rank())];
            let mut kept = sizes;
            kept.sizes_mut()[first..=last].fill(1);
            value = with_dtype!(value.dtype(), T => run::<T>(f, &value, parts, kept))?;
            end = begin;
        }
        if axes.is_empty() {
            return self.copy(&value);
        }
        let layout = Layout::contiguous(shape);
        Ok(value.view(layout))
    }
}

/// How two numbers become one.
pub(crate) trait Join<T>: Copy + Sync {
    /// What changes nothing.
    fn neutral() -> T;
    /// The two as one.
    fn join(a: T, b: T) -> T;
}

macro_rules! joins {
    ($($name:ident, $float:ty: $zero:expr, |$a:ident, $b:ident| $join:expr;)*) => {$(
        impl Join<$float> for $name {
            #[inline(always)]
            fn neutral() -> $float {
                $zero
            }
            #[inline(always)]
            fn join($a: $float, $b: $float) -> $float {
                $join
            }
        }
    )*};
}

#[derive(Clone, Copy)]
pub(crate) struct Sum;
#[derive(Clone, Copy)]
struct Product;
#[derive(Clone, Copy)]
pub(crate) struct Max;
#[derive(Clone, Copy)]
struct Min;

joins! {
    Sum, f32: 0.0, |a, b| a + b;
    Sum, f64: 0.0, |a, b| a + b;
    Product, f32: 1.0, |a, b| a * b;
    Product, f64: 1.0, |a, b| a * b;
    Max, f32: f32::NEG_INFINITY, |a, b| if a > b || a.is_nan() { a } else { b };
    Max, f64: f64::NEG_INFINITY, |a, b| if a > b || a.is_nan() { a } else { b };
    Min, f32: f32::INFINITY, |a, b| if a < b || a.is_nan() { a } else { b };
    Min, f64: f64::INFINITY, |a, b| if a < b || a.is_nan() { a } else { b };
}

/// Integers and truth values; halves were widened before.
macro_rules! integer_joins {
    ($($ty:ty: $least:expr, $greatest:expr;)*) => {$(
        joins! {
            Sum, $ty: Element::from_i64(0), |a, b| Element::from_i64(a.to_i64().wrapping_add(b.to_i64()));
            Product, $ty: Element::from_i64(1), |a, b| Element::from_i64(a.to_i64().wrapping_mul(b.to_i64()));
            Max, $ty: $least, |a, b| if a > b { a } else { b };
            Min, $ty: $greatest, |a, b| if a < b { a } else { b };
        }
    )*};
}

integer_joins! {
    bool: false, true;
    u8: u8::MIN, u8::MAX;
    i8: i8::MIN, i8::MAX;
    i32: i32::MIN, i32::MAX;
    i64: i64::MIN, i64::MAX;
    half::f16: half::f16::NEG_INFINITY, half::f16::INFINITY;
    half::bf16: half::bf16::NEG_INFINITY, half::bf16::INFINITY;
}

fn run<T: Element>(f: Reduction, x: &Tensor, parts: [usize; 3], shape: Shape) -> Result<Tensor>
where
    Sum: Join<T>,
    Product: Join<T>,
    Max: Join<T>,
    Min: Join<T>,
{
    match f {
        Reduction::Sum => reduce_middle::<T, Sum>(x, parts, shape),
        Reduction::Product => reduce_middle::<T, Product>(x, parts, shape),
        Reduction::Max => reduce_middle::<T, Max>(x, parts, shape),
        Reduction::Min => reduce_middle::<T, Min>(x, parts, shape),
    }
}

/// Independent accumulators along a row.
const LANES: usize = 32;
/// Elements of a row that one leaf of the tree takes.
const LEAF: usize = 1 << 12;
/// Rows of a column block that one leaf of the tree takes.
const ROWS: usize = 64;
/// Columns that one task takes.
const COLUMNS: usize = 1 << 10;

/// `[outer, run, inner]` to `[outer, inner]`, shaped as `shape`.
fn reduce_middle<T: Element, J: Join<T>>(x: &Tensor, [outer, run, inner]: [usize; 3], shape: Shape) -> Result<Tensor> {
    let mut out = Writing::<T>::new(shape)?;
    let data = x.as_slice::<T>().unwrap_or_default();
    if run == 0 || data.is_empty() {
        out.as_mut().fill(J::neutral());
    } else if inner == 1 {
        reduce_rows::<T, J>(data, run, out.as_mut())?;
    } else {
        reduce_columns::<T, J>(data, outer, run, inner, out.as_mut())?;
    }
    Ok(out.finish())
}

/// Each row of `run` elements to one.
fn reduce_rows<T: Element, J: Join<T>>(data: &[T], run: usize, out: &mut [T]) -> Result<()> {
    let rows = out.len();
    if run <= LEAF {
        let rows_a_task = (LEAF * 8).div_ceil(run);
        let parts = Parts::new(out);
        parallel_for(rows.div_ceil(rows_a_task), |task| {
            let first = task * rows_a_task;
            let count = rows_a_task.min(rows - first);
            // SAFETY: tasks have disjoint rows.
            let out = unsafe { parts.part(first, count) };
            for (row, out) in out.iter_mut().enumerate() {
                *out = leaf::<T, J>(&data[(first + row) * run..][..run]);
            }
        });
        return Ok(());
    }
    let leaves = run.div_ceil(LEAF);
    let mut partial = Writing::<T>::new(Shape::new(&[rows, leaves])?)?;
    crate::cpu::threads::parallel_chunks_mut(partial.as_mut(), 8, |task, partial| {
        for (i, partial) in partial.iter_mut().enumerate() {
            let index = task * 8 + i;
            let (row, begin) = (index / leaves, index % leaves * LEAF);
            *partial = leaf::<T, J>(&data[row * run + begin..][..LEAF.min(run - begin)]);
        }
    });
    reduce_rows::<T, J>(partial.as_mut(), leaves, out)
}

simd! {
    lanes of T:
    /// One leaf of the tree: lanes side by side, then the lanes pairwise.
    fn leaf<S, T: Element, J: Join<T>>(simd: S, x: &[T]) -> T {
        if x.len() < LANES {
            return x.iter().fold(J::neutral(), |sum, &x| J::join(sum, x));
        }
        let mut lanes = [J::neutral(); LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = J::join(*lane, x);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane = J::join(*lane, x);
        }
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] = J::join(lanes[i], lanes[i + width]);
            }
            width /= 2;
        }
        lanes[0]
    }
}

/// Each column of `run` elements, `inner` apart, to one.
fn reduce_columns<T: Element, J: Join<T>>(
    data: &[T],
    outer: usize,
    run: usize,
    inner: usize,
    out: &mut [T],
) -> Result<()> {
    let blocks = run.div_ceil(ROWS);
    if blocks > 1 {
        let mut partial = Writing::<T>::new(Shape::new(&[outer * blocks, inner])?)?;
        column_blocks::<T, J>(data, outer, run, inner, partial.as_mut());
        return reduce_columns::<T, J>(partial.as_mut(), outer, blocks, inner, out);
    }
    column_blocks::<T, J>(data, outer, run, inner, out);
    Ok(())
}

/// Blocks of [`ROWS`] rows: `[outer, run, inner]` to `[outer, run / ROWS, inner]`.
fn column_blocks<T: Element, J: Join<T>>(data: &[T], outer: usize, run: usize, inner: usize, out: &mut [T]) {
    let (blocks, strips) = (run.div_ceil(ROWS), inner.div_ceil(COLUMNS));
    let tasks = outer * blocks * strips;
    // Narrow columns: several blocks to a task, so that its work is worth the hand-off.
    let group = (COLUMNS / inner).max(1);
    let parts = Parts::new(out);
    parallel_for(tasks.div_ceil(group), |task| {
        for index in task * group..((task + 1) * group).min(tasks) {
            let (block, strip) = (index / strips, index % strips);
            let (o, first) = (block / blocks, block % blocks * ROWS);
            let (column, width) = (strip * COLUMNS, COLUMNS.min(inner - strip * COLUMNS));
            // SAFETY: every (block, strip) is one task's alone.
            let out = unsafe { parts.part(block * inner + column, width) };
            let start = (o * run + first) * inner + column;
            column_strip::<T, J>(&data[start..], ROWS.min(run - first), inner, out);
        }
    });
}

simd! {
    lanes of T:
    fn column_strip<S, T: Element, J: Join<T>>(simd: S, data: &[T], rows: usize, stride: usize, out: &mut [T]) {
        let width = out.len();
        out.copy_from_slice(&data[..width]);
        for row in 1..rows {
            for (sum, &x) in out.iter_mut().zip(&data[row * stride..][..width]) {
                *sum = J::join(*sum, x);
            }
        }
    }
}
