//! Elements at places that indices name.

use crate::backend::{ElementwiseKernels, IndexKernels, Write};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::reduce::{Join, Max, Sum};
use crate::cpu::shape::write_strided;
use crate::cpu::strided::{GRAIN, Parts, Walk, at};
use crate::cpu::threads::{parallel_chunks_mut, parallel_for};
use crate::dtype::{DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::shape::{Layout, Shape};
use crate::tensor::{Tensor, Writing};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

impl IndexKernels for Cpu {
    fn resolve(&self, indices: &Tensor, axis: usize, size: usize) -> Result<Tensor> {
        let indices = self.contiguous(indices)?;
        let list = indices.as_slice::<i64>().unwrap_or_default();
        let (negative, outside) = (AtomicBool::new(false), AtomicBool::new(false));
        let size = size as i64;
        parallel_for(list.len().div_ceil(GRAIN), |task| {
            let (least, greatest) = bounds(&list[task * GRAIN..list.len().min((task + 1) * GRAIN)]);
            if least < 0 {
                negative.store(true, Relaxed);
            }
            if least < -size || greatest >= size {
                outside.store(true, Relaxed);
            }
        });
        if outside.into_inner()
            && let Some(place) = list.iter().position(|index| !(-size..size).contains(index))
        {
            let position = indices.shape().unravel(place);
            let what = format!("index {} at position {position:?} is outside axis {axis} of size {size}", list[place]);
            return Err(if size == 0 {
                Error::index(what)
            } else {
                Error::index(what).mend(format!("indices are {}..={}", -size, size - 1))
            });
        }
        if !negative.into_inner() {
            return Ok(indices);
        }
        let mut out = Writing::<i64>::new(*indices.shape())?;
        parallel_chunks_mut(out.as_mut(), GRAIN, |task, out| {
            for (out, &index) in out.iter_mut().zip(&list[task * GRAIN..]) {
                *out = if index < 0 { index + size } else { index };
            }
        });
        Ok(out.finish())
    }

    fn gather(&self, x: &Tensor, axis: usize, indices: &Tensor) -> Result<Tensor> {
        let indices = self.resolve(indices, axis, x.shape()[axis])?;
        let list = indices.as_slice::<i64>().unwrap_or_default();
        let mut rest = Layout { shape: *indices.shape(), ..*x.layout() };
        let stride = std::mem::take(&mut rest.strides[axis]);
        let walk = Walk::new(*indices.shape(), [&rest]);
        with_dtype!(x.dtype(), T => {
            let data = x.storage::<T>();
            let mut out = Writing::<T>::new(*indices.shape())?;
            let parts = Parts::new(out.as_mut());
            walk.parallel(GRAIN, |span| {
                // SAFETY: spans are disjoint.
                let out = unsafe { parts.part(span.out, span.len) };
                for (i, (out, &index)) in out.iter_mut().zip(&list[span.out..]).enumerate() {
                    *out = data[at(at(span.start[0], walk.steps[0], i), stride, index as usize)];
                }
            });
            Ok(out.finish())
        })
    }

    fn scatter(&self, f: Write, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
        if f != Write::Replace && matches!(x.dtype(), DType::F16 | DType::BF16) {
            let (wide, source) = (self.cast(x, DType::F32)?, self.cast(source, DType::F32)?);
            return self.cast(&self.scatter(f, &wide, axis, indices, &source)?, x.dtype());
        }
        let indices = self.resolve(indices, axis, x.shape()[axis])?;
        with_dtype!(x.dtype(), T => match f {
            Write::Replace => scatter::<T>(x, axis, &indices, source, |_, new| new),
            Write::Add => scatter::<T>(x, axis, &indices, source, <Sum as Join<T>>::join),
            Write::Max => scatter::<T>(x, axis, &indices, source, <Max as Join<T>>::join),
        })
    }

    fn select_slices(&self, x: &Tensor, axis: usize, indices: &Tensor, shape: Shape) -> Result<Tensor> {
        let (x, indices) = (self.contiguous(x)?, self.resolve(indices, axis, x.shape()[axis])?);
        let list = indices.as_slice::<i64>().unwrap_or_default();
        let [_, size, inner] = around(x.shape(), axis);
        with_dtype!(x.dtype(), T => {
            let data = x.as_slice::<T>().unwrap_or_default();
            let mut out = Writing::<T>::new(shape)?;
            let slices_a_task = (GRAIN / inner.max(1)).max(1);
            parallel_chunks_mut(out.as_mut(), slices_a_task * inner, |task, out| {
                let first = task * slices_a_task;
                let (mut block, mut i) = (first / list.len() * size, first % list.len());
                let mut next = || {
                    let slice = block + list[i] as usize;
                    i += 1;
                    if i == list.len() {
                        (block, i) = (block + size, 0);
                    }
                    slice
                };
                if inner == 1 {
                    out.iter_mut().for_each(|out| *out = data[next()]);
                } else {
                    out.chunks_exact_mut(inner).for_each(|out| out.copy_from_slice(&data[next() * inner..][..inner]));
                }
            });
            Ok(out.finish())
        })
    }

    fn add_slices(&self, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
        if matches!(x.dtype(), DType::F16 | DType::BF16) {
            let (wide, source) = (self.cast(x, DType::F32)?, self.cast(source, DType::F32)?);
            return self.cast(&self.add_slices(&wide, axis, indices, &source)?, x.dtype());
        }
        let (source, indices) = (self.contiguous(source)?, self.resolve(indices, axis, x.shape()[axis])?);
        let list = indices.as_slice::<i64>().unwrap_or_default();
        let [outer, size, inner] = around(x.shape(), axis);
        let mut out = self.copy(x)?;
        if source.numel() == 0 {
            return Ok(out);
        }
        with_dtype!(x.dtype(), T => {
            let (data, parts) = (source.as_slice::<T>().unwrap_or_default(), Parts::new(out.make_mut::<T>()?));
            // A task has columns of its own and adds all slices there in order.
            let width = GRAIN.div_ceil(list.len()).next_multiple_of(COLUMNS).min(inner);
            let strips = inner.div_ceil(width);
            let group = (GRAIN / (list.len() * width)).max(1);
            parallel_for((outer * strips).div_ceil(group), |task| {
                for index in task * group..((task + 1) * group).min(outer * strips) {
                    let (block, column) = (index / strips, index % strips * width);
                    let strip = Strip { start: block * size * inner + column, stride: inner, width: width.min(inner - column) };
                    add_strip::<T, Sum>(&parts, list, &data[block * list.len() * inner + column..], strip);
                }
            });
        });
        Ok(out)
    }

    fn nonzero(&self, x: &Tensor) -> Result<Tensor> {
        let flags = self.contiguous(&self.cast(x, DType::Bool)?)?;
        let flags = flags.as_slice::<bool>().unwrap_or_default();
        let chunk = |task: usize| &flags[task * GRAIN..flags.len().min((task + 1) * GRAIN)];
        let mut ends = Writing::<i64>::new(Shape::new(&[flags.len().div_ceil(GRAIN)])?)?;
        parallel_chunks_mut(ends.as_mut(), 1, |task, end| end[0] = count(chunk(task)));
        let ends = ends.as_mut();
        (1..ends.len()).for_each(|i| ends[i] += ends[i - 1]);
        let total = ends.last().map_or(0, |&end| end as usize);
        let rank = x.rank();
        let mut out = Writing::<i64>::new(Shape::new(&[total, rank])?)?;
        let parts = Parts::new(out.as_mut());
        parallel_for(ends.len(), |task| {
            let begin = if task == 0 { 0 } else { ends[task - 1] as usize };
            // SAFETY: each task writes the rows of its own chunk.
            let out = unsafe { parts.part(begin * rank, (ends[task] as usize - begin) * rank) };
            let hits = chunk(task).iter().enumerate().filter(|(_, flag)| **flag);
            for ((i, _), row) in hits.zip(out.chunks_exact_mut(rank.max(1))) {
                let mut place = task * GRAIN + i;
                for axis in (0..rank).rev() {
                    row[axis] = (place % x.shape()[axis]) as i64;
                    place /= x.shape()[axis];
                }
            }
        });
        Ok(out.finish())
    }

    fn assign(&self, x: &Tensor, part: &Layout, value: &Tensor) -> Result<Tensor> {
        let mut out = self.copy(x)?;
        let value = value.view(value.layout().broadcast_to(part.shape));
        with_dtype!(x.dtype(), T => write_strided::<T>(&value, out.make_mut::<T>()?, part));
        Ok(out)
    }

    fn triangle(&self, x: &Tensor, upper: bool, diagonal: i64) -> Result<Tensor> {
        let mut out = self.copy(x)?;
        let [.., height, width] = x.shape()[..] else { return Ok(out) };
        with_dtype!(x.dtype(), T => {
            let rows_a_task = (GRAIN / width.max(1)).max(1);
            parallel_chunks_mut(out.make_mut::<T>()?, rows_a_task * width, |task, rows| {
                for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                    let line = ((task * rows_a_task + i) % height) as i64;
                    // The first column beyond the diagonal, or the diagonal's own.
                    let edge = line.saturating_add(diagonal).saturating_add(!upper as i64).clamp(0, width as i64);
                    let (before, after) = row.split_at_mut(edge as usize);
                    if upper { before.fill(T::default()) } else { after.fill(T::default()) }
                }
            });
        });
        Ok(out)
    }
}

/// Columns that one task of [`IndexKernels::add_slices`] takes at least: a few cache lines.
const COLUMNS: usize = 64;

/// Elements before an axis, along it and after it.
pub(super) fn around(shape: &Shape, axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

simd! {
    /// The least and the greatest.
    fn bounds<S>(simd: S, list: &[i64]) -> (i64, i64) {
        list.iter().fold((i64::MAX, i64::MIN), |(least, greatest), &x| (least.min(x), greatest.max(x)))
    }
}

simd! {
    fn count<S>(simd: S, flags: &[bool]) -> i64 {
        flags.chunks(128).map(|flags| flags.iter().map(|&flag| flag as u8).sum::<u8>() as i64).sum()
    }
}

fn scatter<T: Element>(
    x: &Tensor,
    axis: usize,
    indices: &Tensor,
    source: &Tensor,
    join: impl Fn(T, T) -> T + Sync,
) -> Result<Tensor> {
    let mut out = Cpu.copy(x)?;
    let (list, source) = (indices.as_slice::<i64>().unwrap_or_default(), Cpu.contiguous(source)?);
    let data = source.as_slice::<T>().unwrap_or_default();
    // Elements meet only along the axis: a task has lines along it of its own and walks each from its begin.
    let mut lines = *indices.shape();
    lines.sizes_mut()[axis] = 1;
    let places = *indices.layout();
    let (run, step) = (indices.shape()[axis], places.strides[axis]);
    if run == 0 {
        return Ok(out);
    }
    let stride = out.layout().strides[axis];
    let layouts = [Layout { shape: lines, ..*out.layout() }, Layout { shape: lines, offset: 0, ..places }];
    let walk = Walk::new(lines, [&layouts[0], &layouts[1]]);
    let parts = Parts::new(out.make_mut::<T>()?);
    walk.parallel((GRAIN / run).max(1), |span| {
        for i in 0..run {
            for j in 0..span.len {
                let from = at(at(span.start[1], walk.steps[1], j), step, i);
                let to = at(at(span.start[0], walk.steps[0], j), stride, list[from] as usize);
                // SAFETY: tasks have disjoint lines.
                let place = unsafe { parts.part(to, 1) };
                place[0] = join(place[0], data[from]);
            }
        }
    });
    Ok(out)
}

/// Neighbouring columns of a matrix.
#[derive(Clone, Copy)]
struct Strip {
    start: usize,
    stride: usize,
    width: usize,
}

simd! {
    lanes of T:
    /// Adds rows of `data` to the rows of the strip that `list` names.
    fn add_strip<S, T: Element, J: Join<T>>(simd: S, parts: &Parts<'_, T>, list: &[i64], data: &[T], strip: Strip) {
        for (i, &index) in list.iter().enumerate() {
            // SAFETY: the strip is this task's alone.
            let row = unsafe { parts.part(strip.start + index as usize * strip.stride, strip.width) };
            for (sum, &x) in row.iter_mut().zip(&data[i * strip.stride..][..strip.width]) {
                *sum = J::join(*sum, x);
            }
        }
    }
}
