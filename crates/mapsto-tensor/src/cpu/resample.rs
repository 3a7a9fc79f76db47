//! Linear maps along axes by sparse matrices: average pooling, resizing, and the transposes of both.

use crate::backend::{ElementwiseKernels, ResampleKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::try_parallel_for;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::Taps;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use std::ops::Range;

impl ResampleKernels for Cpu {
    fn resample(&self, x: &Tensor, taps: &[Taps], shape: Shape) -> Result<Tensor> {
        let x = self.contiguous(x)?;
        match x.dtype() {
            DType::F32 => resample::<f32>(&x, taps, shape),
            DType::F64 => resample::<f64>(&x, taps, shape),
            dtype => self.cast(&resample::<f32>(&self.cast(&x, DType::F32)?, taps, shape)?, dtype),
        }
    }
}

/// Elements of a plane up to which it stays in the cache between the passes along its axes.
const PLANE: usize = 1 << 17;

/// One pass: `[outer, from, inner]` to `[outer, to, inner]`.
struct Pass<'a, T> {
    taps: &'a Taps,
    weights: Vec<T>,
    outer: usize,
    inner: usize,
}

impl<T> Pass<'_, T> {
    fn input(&self) -> usize {
        self.outer * self.taps.size() * self.inner
    }

    fn output(&self) -> usize {
        self.outer * self.taps.outputs() * self.inner
    }
}

fn resample<T: Real>(x: &Tensor, taps: &[Taps], shape: Shape) -> Result<Tensor> {
    let mut out = Writing::<T>::new(shape)?;
    if shape.numel() == 0 || x.numel() == 0 {
        out.as_mut().fill(T::ZERO);
        return Ok(out.finish());
    }
    let lead = shape.rank() - taps.len();
    let count: usize = shape[..lead].iter().product();
    // The axes that shrink most go first, those that grow last: least work in between.
    let mut order: Vec<usize> = (0..taps.len()).collect();
    order.sort_by(|&a, &b| {
        let growth = |i: usize| taps[i].outputs() as f64 / taps[i].size() as f64;
        growth(a).total_cmp(&growth(b))
    });
    let mut sizes = x.shape()[lead..].to_vec();
    let mut passes = Vec::new();
    for axis in order {
        let outer = sizes[..axis].iter().product();
        let inner = sizes[axis + 1..].iter().product();
        sizes[axis] = taps[axis].outputs();
        let weights = taps[axis].weights().iter().map(|&w| T::from_f64(w)).collect();
        passes.push(Pass::<T> { taps: &taps[axis], weights, outer, inner });
    }
    let data = x.as_slice::<T>().unwrap_or_default();
    let [plane, plane_out] = [passes.first().map_or(1, Pass::input), passes.last().map_or(1, Pass::output)];
    let room = passes.iter().map(Pass::output).max().unwrap_or(1);
    let scratch = |count: usize| Writing::<T>::new(Shape::new(&[room, count])?);
    if passes.is_empty() {
        out.as_mut().copy_from_slice(data);
    } else if plane.max(room) <= PLANE {
        let parts = Parts::new(out.as_mut());
        let group = GRAIN.div_ceil(plane.max(room));
        try_parallel_for(count.div_ceil(group), |task| {
            let mut buffers = [scratch(1)?, scratch(1)?];
            for i in task * group..((task + 1) * group).min(count) {
                // SAFETY: every plane is one task's alone.
                let out = unsafe { parts.part(i * plane_out, plane_out) };
                whole_plane(&passes, &data[i * plane..][..plane], buffers.each_mut().map(Writing::as_mut), out);
            }
            Ok(())
        })?;
    } else {
        // Large planes: each pass over all of them, by lines.
        let mut value: Option<Writing<T>> = None;
        for (i, pass) in passes.iter_mut().enumerate() {
            pass.outer *= count;
            let lines = if pass.inner == 1 { pass.outer } else { pass.outer * pass.taps.outputs() };
            let line = pass.output() / lines;
            let group = GRAIN.div_ceil(line);
            let last = i + 1 == taps.len();
            let mut next = if last { None } else { Some(scratch(count)?) };
            {
                let source: &[T] = value.as_mut().map_or(data, |value| value.as_mut());
                let target = next.as_mut().map_or_else(|| out.as_mut(), |next| next.as_mut());
                let parts = Parts::new(&mut target[..lines * line]);
                try_parallel_for(lines.div_ceil(group), |task| {
                    let range = task * group..((task + 1) * group).min(lines);
                    // SAFETY: every line is one task's alone.
                    let part = unsafe { parts.part(range.start * line, range.len() * line) };
                    run(&source[..pass.input()], pass, range, part);
                    Ok(())
                })?;
            }
            value = next;
        }
    }
    Ok(out.finish())
}

/// All passes over one plane, between two buffers and into `out`.
fn whole_plane<T: Real>(passes: &[Pass<T>], x: &[T], [mut from, mut to]: [&mut [T]; 2], out: &mut [T]) {
    let last = passes.len() - 1;
    for (i, pass) in passes.iter().enumerate() {
        let source: &[T] = if i == 0 { x } else { &from[..pass.input()] };
        let target = if i == last { &mut *out } else { &mut to[..pass.output()] };
        let lines = if pass.inner == 1 { pass.outer } else { pass.outer * pass.taps.outputs() };
        run(source, pass, 0..lines, target);
        std::mem::swap(&mut from, &mut to);
    }
}

fn run<T: Real>(x: &[T], pass: &Pass<T>, lines: Range<usize>, y: &mut [T]) {
    if pass.inner == 1 { along(x, pass, lines, y) } else { across(x, pass, lines, y) }
}

simd! {
    /// Rows `lines` of the output, each a weighted sum of rows of the input.
    fn across<S, T: Real>(simd: S, x: &[T], pass: &Pass<T>, lines: Range<usize>, y: &mut [T]) {
        let (inner, outputs) = (pass.inner, pass.taps.outputs());
        for (line, y) in lines.zip(y.chunks_exact_mut(inner)) {
            let (plane, i) = (line / outputs, line % outputs);
            let x = &x[plane * pass.taps.size() * inner..][..pass.taps.size() * inner];
            let range = pass.taps.range(i);
            if range.is_empty() {
                y.fill(T::ZERO);
            }
            for (n, (&place, &w)) in pass.taps.places()[range.clone()].iter().zip(&pass.weights[range]).enumerate() {
                let row = &x[place * inner..][..inner];
                if n == 0 {
                    y.iter_mut().zip(row).for_each(|(y, &x)| *y = w * x);
                } else {
                    y.iter_mut().zip(row).for_each(|(y, &x)| *y = w.fma::<S>(x, *y));
                }
            }
        }
    }
}

simd! {
    /// Rows `lines` of the input, each mapped by itself.
    fn along<S, T: Real>(simd: S, x: &[T], pass: &Pass<T>, lines: Range<usize>, y: &mut [T]) {
        let (size, outputs) = (pass.taps.size(), pass.taps.outputs());
        for (line, y) in lines.zip(y.chunks_exact_mut(outputs)) {
            let x = &x[line * size..][..size];
            for (i, y) in y.iter_mut().enumerate() {
                let range = pass.taps.range(i);
                let mut sum = T::ZERO;
                for (&place, &w) in pass.taps.places()[range.clone()].iter().zip(&pass.weights[range]) {
                    sum = w.fma::<S>(x[place], sum);
                }
                *y = sum;
            }
        }
    }
}
