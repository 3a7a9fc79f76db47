//! Walks over several strided arrays of one shape at once, in row-major order.

use crate::cpu::threads::parallel_for;
use crate::shape::{Layout, MAX_RANK, Shape};

/// Elements a task should have before another thread is worth its hand-off.
pub(crate) const GRAIN: usize = 1 << 14;

/// The walk: axes that are contiguous with each other in every operand are merged, the innermost one is the row.
pub(crate) struct Walk<const N: usize> {
    sizes: [usize; MAX_RANK],
    strides: [[isize; N]; MAX_RANK],
    offset: [usize; N],
    /// Axes outside the row.
    outer: usize,
    /// Number of rows.
    rows: usize,
    /// Elements in a row.
    len: usize,
    /// Step along a row for each operand.
    pub steps: [isize; N],
}

/// A part of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<const N: usize> {
    /// The first element's place in each operand's buffer.
    pub start: [usize; N],
    /// The first element's place in row-major order.
    pub out: usize,
    /// Number of elements.
    pub len: usize,
}

impl<const N: usize> Walk<N> {
    /// A walk over `shape`, to which every layout must broadcast.
    pub fn new(shape: Shape, layouts: [&Layout; N]) -> Walk<N> {
        let layouts = layouts.map(|layout| layout.broadcast_to(shape));
        let mut sizes = [1; MAX_RANK];
        let mut strides = [[0; N]; MAX_RANK];
        let mut rank = 0;
        for axis in 0..shape.rank() {
            let (size, step) = (shape[axis], std::array::from_fn(|n| layouts[n].strides[axis]));
            if size == 1 {
                continue;
            }
            let merges = rank > 0 && (0..N).all(|n| strides[rank - 1][n] == step[n] * size as isize);
            if merges {
                sizes[rank - 1] *= size;
                strides[rank - 1] = step;
            } else {
                sizes[rank] = size;
                strides[rank] = step;
                rank += 1;
            }
        }
        let outer = rank.saturating_sub(1);
        let (len, steps) = if rank == 0 { (shape.numel(), [0; N]) } else { (sizes[outer], strides[outer]) };
        let rows = if shape.numel() == 0 { 0 } else { sizes[..outer].iter().product() };
        Walk { sizes, strides, offset: layouts.map(|layout| layout.offset), outer, rows, len, steps }
    }

    /// Calls `f` for spans that cover every element once, on all threads; `grain` elements or more to a task.
    pub fn parallel(&self, grain: usize, f: impl Fn(Span<N>) + Sync) {
        self.run(grain, &f);
    }

    /// One instance for all kernels: they are many.
    fn run(&self, grain: usize, f: &(dyn Fn(Span<N>) + Sync)) {
        if self.rows == 0 || self.len == 0 {
            return;
        }
        if self.rows == 1 {
            let tasks = self.len.div_ceil(grain);
            return parallel_for(tasks, |task| {
                let begin = task * grain;
                let place = |n: usize| (self.offset[n] as isize + begin as isize * self.steps[n]) as usize;
                let start = std::array::from_fn(place);
                f(Span { start, out: begin, len: grain.min(self.len - begin) });
            });
        }
        let rows_a_task = grain.div_ceil(self.len);
        parallel_for(self.rows.div_ceil(rows_a_task), |task| {
            let first = task * rows_a_task;
            let last = (first + rows_a_task).min(self.rows);
            let mut index = [0; MAX_RANK];
            let mut rest = first;
            let mut start = self.offset.map(|offset| offset as isize);
            for axis in (0..self.outer).rev() {
                index[axis] = rest % self.sizes[axis];
                rest /= self.sizes[axis];
                (0..N).for_each(|n| start[n] += index[axis] as isize * self.strides[axis][n]);
            }
            for row in first..last {
                f(Span { start: start.map(|place| place as usize), out: row * self.len, len: self.len });
                for axis in (0..self.outer).rev() {
                    index[axis] += 1;
                    (0..N).for_each(|n| start[n] += self.strides[axis][n]);
                    if index[axis] < self.sizes[axis] {
                        break;
                    }
                    (0..N).for_each(|n| start[n] -= self.sizes[axis] as isize * self.strides[axis][n]);
                    index[axis] = 0;
                }
            }
        });
    }
}

/// The element `index` steps of `step` after `start`.
#[inline(always)]
pub(crate) fn at(start: usize, step: isize, index: usize) -> usize {
    (start as isize + step * index as isize) as usize
}

/// An output slice of which every span writes its own part.
pub(crate) struct Parts<'a, T>(crate::cpu::threads::SendPtr<'a, T>, usize);

impl<'a, T: Send> Parts<'a, T> {
    /// Parts of `data`.
    pub fn new(data: &'a mut [T]) -> Parts<'a, T> {
        let len = data.len();
        Parts(crate::cpu::threads::SendPtr::new(data), len)
    }

    /// Elements `start..start + len`.
    ///
    /// # Safety
    /// No two parts that are alive at the same time overlap.
    #[allow(clippy::mut_from_ref)] // that is its purpose
    pub unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.1 && len <= self.1 - start);
        // SAFETY: inside the slice by the assertion; disjoint from other parts by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.get().add(start), len) }
    }
}
