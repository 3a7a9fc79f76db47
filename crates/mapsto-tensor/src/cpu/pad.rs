//! Borders of tensors, and their transpose.

use crate::backend::{Border, ElementwiseKernels, PadKernels};
use crate::cpu::Cpu;
use crate::cpu::reduce::{Join, Sum};
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::{DType, Element, with_dtype};
use crate::error::Result;
use crate::shape::{Layout, Shape};
use crate::tensor::{Tensor, Writing};

impl PadKernels for Cpu {
    fn pad(&self, x: &Tensor, shape: Shape, pads: &[(usize, usize)], border: Border) -> Result<Tensor> {
        let x = self.contiguous(x)?;
        if shape.numel() == 0 || shape.rank() == 0 {
            return self.copy(&x.view(Layout::contiguous(shape)));
        }
        with_dtype!(x.dtype(), T => {
            let mut out = Writing::<T>::new(shape)?;
            copy_rows(x.as_slice::<T>().unwrap_or_default(), *x.shape(), out.as_mut(), shape, pads, border);
            Ok(out.finish())
        })
    }

    fn pad_transpose(&self, x: &Tensor, pads: &[(usize, usize)], border: Border) -> Result<Tensor> {
        match x.dtype() {
            DType::F32 => fold_axes::<f32>(x, pads, border),
            DType::F64 => fold_axes::<f64>(x, pads, border),
            dtype => self.cast(&fold_axes::<f32>(&self.cast(x, DType::F32)?, pads, border)?, dtype),
        }
    }
}

impl Border {
    /// The element of an axis of `size` that place `at` of the padded axis copies.
    fn source(self, at: usize, before: usize, size: usize) -> usize {
        match self {
            Border::Reflect if at < before => before - at,
            Border::Reflect if at >= before + size => 2 * (size - 1) - (at - before),
            Border::Replicate => at.saturating_sub(before).min(size - 1),
            Border::Circular if at < before => at + size - before,
            Border::Circular if at >= before + size => at - before - size,
            _ => at - before,
        }
    }
}

/// Each row of the output from the row of the input that it copies.
fn copy_rows<T: Element>(x: &[T], from: Shape, out: &mut [T], to: Shape, pads: &[(usize, usize)], border: Border) {
    let last = to.rank() - 1;
    let ((before, _), size, width) = (pads[last], from[last], to[last]);
    let rows = out.len() / width;
    let rows_a_task = GRAIN.div_ceil(width);
    let parts = Parts::new(out);
    parallel_for(rows.div_ceil(rows_a_task), |task| {
        for row in task * rows_a_task..((task + 1) * rows_a_task).min(rows) {
            let (mut rest, mut source, mut stride) = (row, 0, size);
            for axis in (0..last).rev() {
                source += border.source(rest % to[axis], pads[axis].0, from[axis]) * stride;
                rest /= to[axis];
                stride *= from[axis];
            }
            let x = &x[source..source + size];
            // SAFETY: every row is one task's alone.
            let out = unsafe { parts.part(row * width, width) };
            out[before..before + size].copy_from_slice(x);
            for at in (0..before).chain(before + size..width) {
                out[at] = x[border.source(at, before, size)];
            }
        }
    });
}

/// The transpose, one axis after the other.
fn fold_axes<T: Element>(x: &Tensor, pads: &[(usize, usize)], border: Border) -> Result<Tensor>
where
    Sum: Join<T>,
{
    let mut value = Cpu.contiguous(x)?;
    for (axis, &(before, after)) in pads.iter().enumerate().filter(|(_, pads)| **pads != (0, 0)) {
        let mut shape = *value.shape();
        shape.sizes_mut()[axis] -= before + after;
        let mut out = Writing::<T>::new(shape)?;
        let inner = shape[axis + 1..].iter().product();
        fold_axis(value.as_slice::<T>().unwrap_or_default(), out.as_mut(), shape[axis], inner, before, after, border);
        value = out.finish();
    }
    Ok(value.view(*value.layout()))
}

/// Columns that one task takes.
const COLUMNS: usize = 1 << 12;

/// `[outer, before + size + after, inner]` to `[outer, size, inner]`.
fn fold_axis<T: Element>(x: &[T], out: &mut [T], size: usize, inner: usize, before: usize, after: usize, border: Border)
where
    Sum: Join<T>,
{
    if out.is_empty() {
        return;
    }
    let (wide, outer) = (before + size + after, out.len() / (size * inner));
    let strips = inner.div_ceil(COLUMNS);
    let group = GRAIN.div_ceil(wide * inner.min(COLUMNS));
    let parts = Parts::new(out);
    parallel_for((outer * strips).div_ceil(group), |task| {
        for index in task * group..((task + 1) * group).min(outer * strips) {
            let (outer, column) = (index / strips, index % strips * COLUMNS);
            let width = COLUMNS.min(inner - column);
            let place = |at: usize| (outer * wide + at) * inner + column;
            let target = |at: usize| (outer * size + at) * inner + column;
            if inner == 1 {
                // SAFETY: every (outer, strip) is one task's alone.
                let out = unsafe { parts.part(target(0), size) };
                out.copy_from_slice(&x[place(before)..][..size]);
                for at in (0..before).chain(before + size..wide) {
                    let out = &mut out[border.source(at, before, size)];
                    *out = Sum::join(*out, x[place(at)]);
                }
                continue;
            }
            for at in 0..size {
                // SAFETY: as above.
                let out = unsafe { parts.part(target(at), width) };
                out.copy_from_slice(&x[place(before + at)..][..width]);
            }
            for at in (0..before).chain(before + size..wide) {
                // SAFETY: as above.
                let out = unsafe { parts.part(target(border.source(at, before, size)), width) };
                out.iter_mut().zip(&x[place(at)..][..width]).for_each(|(out, &x)| *out = Sum::join(*out, x));
            }
        }
    });
}
