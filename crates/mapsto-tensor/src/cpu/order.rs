//! Elements compared: sorting, searching, the place of an extreme.

use crate::backend::{ElementwiseKernels, OrderKernels};
use crate::cpu::Cpu;
use crate::cpu::index::around;
use crate::cpu::isa::simd;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::{parallel_chunks_mut, parallel_for};
use crate::dtype::{Element, with_dtype};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use half::{bf16, f16};

impl OrderKernels for Cpu {
    fn order(&self, x: &Tensor, axis: usize, descending: bool, count: usize) -> Result<Tensor> {
        let last = x.rank() - 1;
        let rows = self.contiguous(&x.swapped(axis, last))?;
        let mut shape = *rows.shape();
        shape.sizes_mut()[last] = count;
        let mut out = Writing::<i64>::new(shape)?;
        if shape.numel() > 0 {
            with_dtype!(x.dtype(), T => {
                let (data, run) = (rows.as_slice::<T>().unwrap_or_default(), rows.shape()[last]);
                if T::NARROW && run <= u32::MAX as usize {
                    order_rows::<T, u64>(data, run, count, descending, out.as_mut())?;
                } else {
                    order_rows::<T, u128>(data, run, count, descending, out.as_mut())?;
                }
            });
        }
        self.contiguous(&out.finish().swapped(axis, last))
    }

    fn first_place(&self, x: &Tensor, axis: usize, values: &Tensor) -> Result<Tensor> {
        let (x, values) = (self.contiguous(x)?, self.contiguous(values)?);
        let [outer, run, inner] = around(x.shape(), axis);
        let mut out = Writing::<i64>::new(*values.shape())?;
        with_dtype!(x.dtype(), T => {
            let (data, values) = (x.as_slice::<T>().unwrap_or_default(), values.as_slice::<T>().unwrap_or_default());
            if inner == 1 {
                let rows_a_task = (GRAIN / run.max(1)).max(1);
                parallel_chunks_mut(out.as_mut(), rows_a_task, |task, out| {
                    for (i, out) in out.iter_mut().enumerate() {
                        let row = task * rows_a_task + i;
                        *out = place_in_row::<T>(&data[row * run..][..run], values[row]) as i64;
                    }
                });
            } else {
                let strips = inner.div_ceil(COLUMNS);
                let group = (GRAIN / (run * inner.min(COLUMNS)).max(1)).max(1);
                let parts = Parts::new(out.as_mut());
                parallel_for((outer * strips).div_ceil(group), |task| {
                    for index in task * group..((task + 1) * group).min(outer * strips) {
                        let (block, column) = (index / strips, index % strips * COLUMNS);
                        let (first, width) = (block * inner + column, COLUMNS.min(inner - column));
                        // SAFETY: every (block, column) is one task's alone.
                        let out = unsafe { parts.part(first, width) };
                        let rows = &data[block * run * inner + column..];
                        places_in_columns::<T>(rows, run, inner, &values[first..][..width], out);
                    }
                });
            }
        });
        Ok(out.finish())
    }

    fn count_less(&self, sorted: &Tensor, values: &Tensor, right: bool) -> Result<Tensor> {
        let (sorted, values) = (self.contiguous(sorted)?, self.contiguous(values)?);
        let mut out = Writing::<i64>::new(*values.shape())?;
        with_dtype!(values.dtype(), T => {
            let (sorted, values) = (sorted.as_slice::<T>().unwrap_or_default(), values.as_slice::<T>().unwrap_or_default());
            let grain = GRAIN / 16;
            parallel_chunks_mut(out.as_mut(), grain, |task, out| {
                for (out, value) in out.iter_mut().zip(&values[task * grain..]) {
                    let key = value.key();
                    let before = |x: &T| if right { x.key() <= key } else { x.key() < key };
                    *out = sorted.partition_point(before) as i64;
                }
            });
        });
        Ok(out.finish())
    }
}

/// Columns that one task takes.
const COLUMNS: usize = 256;

/// A type with an order in which NaN is greatest.
trait Ordered: Element {
    /// Whether keys are below 2^32.
    const NARROW: bool;
    /// An integer that orders as the elements do.
    fn key(self) -> u64;
}

macro_rules! ordered {
    ($($ty:ty, $narrow:expr, |$x:ident| $key:expr;)*) => {$(
        impl Ordered for $ty {
            const NARROW: bool = $narrow;
            #[inline(always)]
            fn key(self) -> u64 {
                let $x = self;
                $key
            }
        }
    )*};
}

/// IEEE numbers order as sign and magnitude; adding zero makes -0 the same as 0.
#[inline(always)]
fn key32(x: f32) -> u64 {
    let bits = (x + 0.0).to_bits();
    let ordered = bits ^ ((bits as i32 >> 31) as u32 | 1 << 31);
    if x.is_nan() { u32::MAX as u64 } else { ordered as u64 }
}

#[inline(always)]
fn key64(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    let ordered = bits ^ ((bits as i64 >> 63) as u64 | 1 << 63);
    if x.is_nan() { u64::MAX } else { ordered }
}

ordered! {
    bool, true, |x| x as u64;
    u8, true, |x| x as u64;
    i8, true, |x| (x as u8 ^ 1 << 7) as u64;
    i32, true, |x| (x as u32 ^ 1 << 31) as u64;
    i64, false, |x| x as u64 ^ 1 << 63;
    f16, true, |x| key32(x.to_f32());
    bf16, true, |x| key32(x.to_f32());
    f32, true, |x| key32(x);
    f64, false, |x| key64(x);
}

/// A key and the place it came from in one integer, so that equal keys order by their places.
trait Packed: Copy + Ord + Send + Sync + bytemuck::Pod {
    fn pack(key: u64, place: usize, descending: bool) -> Self;
    fn place(self) -> i64;
}

impl Packed for u64 {
    #[inline(always)]
    fn pack(key: u64, place: usize, descending: bool) -> u64 {
        (if descending { !key } else { key }) << 32 | place as u64
    }
    #[inline(always)]
    fn place(self) -> i64 {
        self as u32 as i64
    }
}

impl Packed for u128 {
    #[inline(always)]
    fn pack(key: u64, place: usize, descending: bool) -> u128 {
        ((if descending { !key } else { key }) as u128) << 64 | place as u128
    }
    #[inline(always)]
    fn place(self) -> i64 {
        self as i64
    }
}

/// The places of each row's `count` first elements.
fn order_rows<T: Ordered, P: Packed>(
    data: &[T],
    run: usize,
    count: usize,
    descending: bool,
    out: &mut [i64],
) -> Result<()> {
    let mut scratch = Writing::<i64>::new(Shape::new(&[data.len(), size_of::<P>() / size_of::<i64>()])?)?;
    let packed: &mut [P] = bytemuck::cast_slice_mut(scratch.as_mut());
    let rows_a_task = (GRAIN / 8 / run).max(1);
    let parts = Parts::new(out);
    parallel_chunks_mut(packed, rows_a_task * run, |task, packed| {
        let first = task * rows_a_task;
        for (i, row) in packed.chunks_exact_mut(run).enumerate() {
            for (place, (packed, &x)) in row.iter_mut().zip(&data[(first + i) * run..]).enumerate() {
                *packed = P::pack(x.key(), place, descending);
            }
            if count < run {
                row.select_nth_unstable(count - 1);
            }
            let row = &mut row[..count];
            row.sort_unstable();
            // SAFETY: rows are disjoint.
            let out = unsafe { parts.part((first + i) * count, count) };
            out.iter_mut().zip(row).for_each(|(out, packed)| *out = packed.place());
        }
    });
    Ok(())
}

/// Whether two elements are the same, NaN as NaN.
#[inline(always)]
#[allow(clippy::eq_op)] // only NaN differs from itself
fn same<T: Element>(a: T, b: T) -> bool {
    a == b || (a != a && b != b)
}

simd! {
    lanes of T:
    fn place_in_row<S, T: Element>(simd: S, row: &[T], value: T) -> usize {
        const BLOCK: usize = 128;
        // Whole blocks first: a test without an early exit is vectorised.
        let holds = |block: &[T]| block.iter().fold(false, |any, &x| any | same(x, value));
        let block = row.chunks(BLOCK).position(holds).unwrap_or(0) * BLOCK;
        block + row[block.min(row.len())..].iter().position(|&x| same(x, value)).unwrap_or(0)
    }
}

simd! {
    lanes of T:
    fn places_in_columns<S, T: Element>(simd: S, rows: &[T], run: usize, stride: usize, values: &[T], out: &mut [i64]) {
        out.fill(0);
        // Backwards, so that the first one stands.
        for i in (0..run).rev() {
            for ((out, &value), &x) in out.iter_mut().zip(values).zip(&rows[i * stride..]) {
                *out = if same(x, value) { i as i64 } else { *out };
            }
        }
    }
}
