//! Attention in blocks (Dao et al., *FlashAttention*, 2022): scores exist for one block of queries and keys at a time.
//!
//! A block of scores is kept transposed, a row for each key, so that the queries lie side by side in vectors: their
//! running maxima and sums need no sums across a vector, and none of the block's matrix products packs its factors.
//! Blocks are fixed by the sizes, so that results do not depend on the number of threads.
//!
//! Results lie in memory as the factors do: heads that were split off by a view are joined again by one, and gradients of queries, keys
//! and values that were parts of one tensor are parts of one.

use crate::backend::{AttentionArgs, AttentionGrads, ElementwiseKernels, ReduceKernels, Reduction};
use crate::cpu::Cpu;
use crate::cpu::gemm::{Mat, MatMut, Panels, gemm_serial};
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::strided::Parts;
use crate::cpu::threads::{SendPtr, try_parallel_for};
use crate::dtype::DType;
use crate::error::Result;
use crate::random::fill_bits_u32;
use crate::shape::{Layout, Shape, Strides};
use crate::tensor::{Tensor, Writing};
use smallvec::SmallVec;
use std::cmp::Reverse;

/// Queries of a block, side by side.
const QUERIES: usize = 32;
/// Keys of a block.
const KEYS: usize = 128;
/// Blocks of queries that one task of the backward pass takes, at least: each task adds up gradients of all keys.
const BLOCKS_A_TASK: usize = 8;
/// Tasks of the backward pass beyond which the queries of one batch entry are not divided.
const TASKS: usize = 16;

/// A tensor of `[..., rows, columns]` as one matrix for each entry of the leading axes.
#[derive(Clone, Copy)]
struct Matrices<'a, T> {
    data: &'a [T],
    offset: usize,
    strides: Strides,
    rank: usize,
    dims: [usize; 2],
}

impl<'a, T: crate::dtype::Element> Matrices<'a, T> {
    fn new(x: &'a Tensor, lead: &[usize], dims: [usize; 2]) -> Result<Matrices<'a, T>> {
        let shape = Shape::new(&[lead, &dims].concat())?;
        let Layout { strides, offset, .. } = x.layout().broadcast_to(shape);
        Ok(Matrices { data: x.storage(), offset, strides, rank: shape.rank(), dims })
    }

    /// Where the matrix of entry `index` of the leading axes `lead` begins.
    fn start(&self, lead: &[usize], index: usize) -> usize {
        start(self.offset, &self.strides, lead, index)
    }

    fn steps(&self) -> [isize; 2] {
        [self.strides[self.rank - 2], self.strides[self.rank - 1]]
    }

    /// Rows `first..first + count` of the matrix that begins at `start`.
    fn rows(&self, start: usize, first: usize, count: usize) -> Mat<'a, T> {
        let [row, column] = self.steps();
        let at = (start as isize + first as isize * row) as usize;
        Mat::new(self.data, at, [count, self.dims[1]], [row, column])
    }

    /// Rows `first..first + count` transposed into `out`.
    fn transposed(&self, start: usize, first: usize, count: usize, out: &mut [T])
    where
        T: Real,
    {
        Panels::write(self.rows(start, first, count), count, out);
    }
}

/// Where entry `index` of the leading axes `lead` begins.
fn start(offset: usize, strides: &Strides, lead: &[usize], index: usize) -> usize {
    let mut rest = index;
    let mut at = offset as isize;
    for (axis, &size) in lead.iter().enumerate().rev() {
        at += (rest % size) as isize * strides[axis];
        rest /= size;
    }
    at as usize
}

/// A layout of `[..., rows, columns]` without gaps: columns side by side, the other axes in the order in which those of `x` lie.
fn in_order_of(x: &Tensor, shape: Shape) -> Layout {
    let last = shape.rank() - 1;
    let mut axes: SmallVec<[usize; 8]> = (0..last).collect();
    if x.rank() == shape.rank() && x.shape()[..last] == shape[..last] {
        axes.sort_by_key(|&axis| Reverse(x.layout().strides[axis]));
    }
    let (mut layout, mut step) = (Layout::contiguous(shape), shape[last] as isize);
    for axis in axes.into_iter().rev() {
        layout.strides[axis] = step;
        step *= shape[axis] as isize;
    }
    layout
}

/// Layouts in one buffer as those of queries, keys and values, if these are neighbouring parts of a tensor that lie alike.
fn side_by_side(args: &AttentionArgs, shapes: [Shape; 3]) -> Option<[Layout; 3]> {
    let parts = [args.query, args.key, args.value];
    let [first, ..] = parts.map(Tensor::layout);
    let width = args.key.layout().offset.checked_sub(first.offset).filter(|&width| width > 0)?;
    let alike = |i: usize| {
        let layout = parts[i].layout();
        *parts[i].shape() == shapes[0]
            && shapes[i] == shapes[0]
            && parts[i].memory() == args.query.memory()
            && layout.strides == first.strides
            && layout.offset == first.offset + i * width
    };
    // Axes within a part lie as without the others, those of parts three times as far apart.
    let mut layout = in_order_of(args.query, shapes[0]);
    let mut within = 1;
    for axis in 0..shapes[0].rank() {
        if layout.strides[axis] < width as isize {
            within *= shapes[0][axis];
        } else {
            layout.strides[axis] *= 3;
        }
    }
    let lies_so = |axis: usize| shapes[0][axis] == 1 || layout.strides[axis] == first.strides[axis];
    let fits = within == width && (0..3).all(alike) && (0..shapes[0].rank()).all(lies_so);
    let mut layouts = [layout; 3];
    layouts.iter_mut().enumerate().for_each(|(i, layout)| layout.offset = i * width);
    fits.then_some(layouts)
}

/// What is added to the scores.
#[derive(Clone, Copy)]
enum Mask<'a, T> {
    None,
    Bool(Matrices<'a, bool>),
    Added(Matrices<'a, T>),
}

/// Sizes, factors and settings.
struct Plan<'a, T> {
    lead: Vec<usize>,
    batch: usize,
    queries: usize,
    keys: usize,
    depth: usize,
    value_depth: usize,
    query: Matrices<'a, T>,
    key: Matrices<'a, T>,
    value: Matrices<'a, T>,
    mask: Mask<'a, T>,
    causal: bool,
    scale: T,
    dropout: Option<Dropout>,
}

#[derive(Clone, Copy)]
struct Dropout {
    key: u64,
    /// Words below it drop.
    bound: u64,
    /// What the weights that stay are multiplied by.
    factor: f64,
}

impl Dropout {
    fn new((p, key): (f64, u64)) -> Option<Dropout> {
        let factor = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
        (p > 0.0).then_some(Dropout { key, bound: (p * 4_294_967_296.0).ceil() as u64, factor })
    }

    /// What each of the weights from number `first` on is multiplied by.
    fn factors<T: Real>(&self, first: u64, words: &mut [u32], out: &mut [T]) {
        fill_bits_u32(self.key, first, words);
        let factor = T::from_f64(self.factor);
        for (out, &word) in out.iter_mut().zip(&*words) {
            *out = if u64::from(word) < self.bound { T::ZERO } else { factor };
        }
    }
}

impl<'a, T: Real> Plan<'a, T> {
    fn new(args: &AttentionArgs<'a>) -> Result<Plan<'a, T>> {
        let (lead, [queries, keys, depth, value_depth]) = sizes(args)?;
        let mask = match args.mask {
            None => Mask::None,
            Some(mask) if mask.dtype() == DType::Bool => Mask::Bool(Matrices::new(mask, &lead, [queries, keys])?),
            Some(mask) => Mask::Added(Matrices::new(mask, &lead, [queries, keys])?),
        };
        Ok(Plan {
            batch: lead.iter().product(),
            queries,
            keys,
            depth,
            value_depth,
            query: Matrices::new(args.query, &lead, [queries, depth])?,
            key: Matrices::new(args.key, &lead, [keys, depth])?,
            value: Matrices::new(args.value, &lead, [keys, value_depth])?,
            mask,
            causal: args.causal,
            scale: T::from_f64(args.scale),
            dropout: Dropout::new(args.dropout),
            lead,
        })
    }

    fn shape(&self, sizes: &[usize]) -> Result<Shape> {
        Shape::new(&[&self.lead, sizes].concat())
    }

    fn query_blocks(&self) -> usize {
        self.queries.div_ceil(QUERIES)
    }

    /// Keys that a block of queries attends to at most.
    fn keys_of(&self, first_query: usize, queries: usize) -> usize {
        if self.causal { self.keys.min(first_query + queries) } else { self.keys }
    }
}

/// Leading sizes, and the numbers of queries and keys, of columns of both and of values.
fn sizes(args: &AttentionArgs) -> Result<(Vec<usize>, [usize; 4])> {
    let lead = |x: &Tensor| Shape::new(&x.shape()[..x.rank() - 2]);
    let last = |x: &Tensor, back: usize| x.shape()[x.rank() - back];
    let mut all = lead(args.query)?.broadcast(&lead(args.key)?)?.broadcast(&lead(args.value)?)?;
    if let Some(mask) = args.mask {
        let mask = Shape::new(&mask.shape()[..mask.rank().saturating_sub(2)])?;
        all = all.broadcast(&mask)?;
    }
    let sizes = [last(args.query, 2), last(args.key, 2), last(args.query, 1), last(args.value, 1)];
    Ok((all.to_vec(), sizes))
}

/// Some queries of one batch entry and a block of keys.
#[derive(Clone, Copy)]
struct Block {
    entry: usize,
    first_query: usize,
    queries: usize,
    first_key: usize,
    keys: usize,
}

/// Scratch of one task.
struct Scratch<T> {
    /// `[depth, queries]`: the queries transposed and scaled.
    query: Writing<T>,
    /// `[value_depth, queries]`: the gradient of the result likewise.
    grad: Writing<T>,
    /// `[value_depth, queries]`: the result likewise.
    out: Writing<T>,
    /// `[keys, queries]`: scores, then weights.
    scores: Writing<T>,
    /// `[keys, queries]`: gradients of the scores.
    grad_scores: Writing<T>,
    /// `[queries, keys]` where weights are dropped.
    factors: Writing<T>,
}

impl<T: Real> Scratch<T> {
    fn new(plan: &Plan<T>, backward: bool) -> Result<Scratch<T>> {
        let keys = plan.keys.min(KEYS);
        let make = |wanted: bool, rows: usize| {
            Writing::new(Shape::new(&[if wanted { rows } else { 0 }, plan.queries.min(QUERIES)])?)
        };
        Ok(Scratch {
            query: make(true, plan.depth)?,
            grad: make(backward, plan.value_depth)?,
            out: make(backward, plan.value_depth)?,
            scores: make(true, keys)?,
            grad_scores: make(backward, keys)?,
            factors: make(plan.dropout.is_some(), keys)?,
        })
    }

    /// The scores of a block, masked, from the queries transposed already.
    fn score(&mut self, plan: &Plan<T>, key_start: usize, block: &Block) {
        let Block { queries, keys, first_key, .. } = *block;
        let scores = &mut self.scores.as_mut()[..keys * queries];
        gemm_serial(
            MatMut::row_major(scores, keys, queries),
            plan.key.rows(key_start, first_key, keys),
            Mat::row_major(&self.query.as_mut()[..plan.depth * queries], plan.depth, queries),
            false,
        );
        match plan.mask {
            Mask::None => {}
            Mask::Bool(mask) => {
                add_mask(plan, &mask, block, scores, |s, allowed| if allowed { s } else { -T::INFINITY })
            }
            Mask::Added(mask) => add_mask(plan, &mask, block, scores, |s, added| s + added),
        }
        if plan.causal {
            for (j, row) in scores.chunks_exact_mut(queries).enumerate() {
                let before = (first_key + j).saturating_sub(block.first_query).min(queries);
                row[..before].fill(-T::INFINITY);
            }
        }
    }

    /// Which weights of a block are dropped, `[queries, KEYS or fewer]`.
    fn draw(&mut self, plan: &Plan<T>, dropout: &Dropout, block: &Block) {
        let mut words = [0; KEYS];
        for (i, out) in self.factors.as_mut().chunks_exact_mut(block.keys).take(block.queries).enumerate() {
            let row = block.entry * plan.queries + block.first_query + i;
            dropout.factors((row * plan.keys + block.first_key) as u64, &mut words[..block.keys], out);
        }
    }
}

/// Joins a mask to the transposed scores of a block.
fn add_mask<T: Real, M: crate::dtype::Element>(
    plan: &Plan<T>,
    mask: &Matrices<M>,
    block: &Block,
    scores: &mut [T],
    join: impl Fn(T, M) -> T,
) {
    let [by_query, by_key] = mask.steps();
    let start = mask.start(&plan.lead, block.entry) as isize + block.first_query as isize * by_query;
    for (j, row) in scores.chunks_exact_mut(block.queries).enumerate() {
        let at = start + (block.first_key + j) as isize * by_key;
        for (i, s) in row.iter_mut().enumerate() {
            *s = join(*s, mask.data[(at + i as isize * by_query) as usize]);
        }
    }
}

/// Multiplies the transposed weights by factors that are not transposed.
fn multiply_transposed<T: Real>(weights: &mut [T], factors: &[T], queries: usize, keys: usize) {
    for (j, row) in weights.chunks_exact_mut(queries).enumerate() {
        row.iter_mut().enumerate().for_each(|(i, w)| *w = *w * factors[i * keys + j]);
    }
}

pub(super) fn forward<T: Real>(args: &AttentionArgs) -> Result<(Tensor, Tensor)> {
    let plan = Plan::<T>::new(args)?;
    let shape = plan.shape(&[plan.queries, plan.value_depth])?;
    let layout = in_order_of(args.query, shape);
    let mut out = Writing::<T>::new(shape)?;
    let mut log_sum = Writing::<T>::new(plan.shape(&[plan.queries])?)?;
    let (outs, log_sums) = (Parts::new(out.as_mut()), Parts::new(log_sum.as_mut()));
    let blocks = plan.query_blocks();
    // Small blocks: several to a task.
    let group = (1usize << 17).div_ceil(QUERIES * plan.keys.max(1) * (plan.depth + plan.value_depth).max(1)).min(64);
    try_parallel_for((plan.batch * blocks).div_ceil(group), |task| {
        let mut scratch = Scratch::new(&plan, false)?;
        let mut found = Writing::<T>::new(Shape::new(&[plan.queries.min(QUERIES), plan.value_depth])?)?;
        for index in task * group..((task + 1) * group).min(plan.batch * blocks) {
            let (entry, first_query) = (index / blocks, index % blocks * QUERIES);
            let queries = QUERIES.min(plan.queries - first_query);
            let found = &mut found.as_mut()[..queries * plan.value_depth];
            // SAFETY: a block of queries is one task's alone.
            let log_sum = unsafe { log_sums.part(entry * plan.queries + first_query, queries) };
            attend(&plan, &mut scratch, entry, first_query, found, log_sum);
            let start = start(0, &layout.strides, &plan.lead, entry);
            for (i, row) in found.chunks_exact(plan.value_depth.max(1)).enumerate() {
                let at = start + (first_query + i) * layout.strides[shape.rank() - 2] as usize;
                // SAFETY: as above.
                unsafe { outs.part(at, row.len()) }.copy_from_slice(row);
            }
        }
        Ok(())
    })?;
    Ok((out.finish().view(layout), log_sum.finish()))
}

/// The result of a block of queries.
fn attend<T: Real>(
    plan: &Plan<T>,
    scratch: &mut Scratch<T>,
    entry: usize,
    first_query: usize,
    out: &mut [T],
    log_sum: &mut [T],
) {
    let queries = log_sum.len();
    let start = plan.query.start(&plan.lead, entry);
    let query = &mut scratch.query.as_mut()[..plan.depth * queries];
    plan.query.transposed(start, first_query, queries, query);
    multiply(query, plan.scale);
    let (key_start, value_start) = (plan.key.start(&plan.lead, entry), plan.value.start(&plan.lead, entry));
    let mut running = Running { max: [-T::INFINITY; QUERIES], sum: [T::ZERO; QUERIES], rescale: [T::ZERO; QUERIES] };
    out.fill(T::ZERO);
    let all_keys = plan.keys_of(first_query, queries);
    for first_key in (0..all_keys).step_by(KEYS) {
        let block = Block { entry, first_query, queries, first_key, keys: KEYS.min(all_keys - first_key) };
        scratch.score(plan, key_start, &block);
        let scores = &mut scratch.scores.as_mut()[..block.keys * queries];
        weigh(&mut running, scores, queries);
        if first_key > 0 {
            for (row, &rescale) in out.chunks_exact_mut(plan.value_depth.max(1)).zip(&running.rescale) {
                row.iter_mut().for_each(|x| *x = *x * rescale);
            }
        }
        if let Some(dropout) = &plan.dropout {
            scratch.draw(plan, dropout, &block);
            let scores = &mut scratch.scores.as_mut()[..block.keys * queries];
            multiply_transposed(scores, scratch.factors.as_mut(), queries, block.keys);
        }
        gemm_serial(
            MatMut::row_major(out, queries, plan.value_depth),
            Mat::row_major(&scratch.scores.as_mut()[..block.keys * queries], block.keys, queries).t(),
            plan.value.rows(value_start, first_key, block.keys),
            first_key > 0,
        );
    }
    finish(&running, out, plan.value_depth, log_sum);
}

/// Running maxima and sums of exponentials of a block of queries.
struct Running<T> {
    max: [T; QUERIES],
    sum: [T; QUERIES],
    /// What earlier results are multiplied by.
    rescale: [T; QUERIES],
}

simd! {
    /// Scores to exponentials below the running maxima.
    fn weigh<S, T: Real>(simd: S, running: &mut Running<T>, scores: &mut [T], queries: usize) {
        let mut max = running.max;
        for row in scores.chunks_exact(queries) {
            for (max, &s) in max[..queries].iter_mut().zip(row) {
                *max = if s > *max { s } else { *max };
            }
        }
        let mut base = [T::ZERO; QUERIES];
        for i in 0..QUERIES {
            // Nothing attended to yet: any base will do.
            base[i] = if max[i] == -T::INFINITY { T::ZERO } else { max[i] };
            running.rescale[i] = (running.max[i] - base[i]).exp::<S>();
        }
        let mut sum = [T::ZERO; QUERIES];
        for row in scores.chunks_exact_mut(queries) {
            for (s, &base) in row.iter_mut().zip(&base[..queries]) {
                *s = (*s - base).exp::<S>();
            }
            for (sum, &s) in sum[..queries].iter_mut().zip(&*row) {
                *sum += s;
            }
        }
        for i in 0..QUERIES {
            running.sum[i] = running.sum[i] * running.rescale[i] + sum[i];
        }
        running.max = max;
    }
}

simd! {
    /// Divides by the sums, and gives the logarithms of the sums of exponentials.
    fn finish<S, T: Real>(simd: S, running: &Running<T>, out: &mut [T], width: usize, log_sum: &mut [T]) {
        for (i, log_sum) in log_sum.iter_mut().enumerate() {
            let sum = running.sum[i];
            let nothing = sum == T::ZERO;
            *log_sum = if nothing { T::INFINITY } else { running.max[i] + sum.ln::<S>() };
            let factor = if nothing { T::ZERO } else { T::ONE / sum };
            for x in &mut out[i * width..][..width] {
                *x = *x * factor;
            }
        }
    }
}

pub(super) fn backward<T: Real>(
    args: &AttentionArgs,
    out: &Tensor,
    log_sum: &Tensor,
    grad: &Tensor,
    needs_mask: bool,
) -> Result<AttentionGrads> {
    let plan = Plan::<T>::new(args)?;
    let log_sum = Cpu.contiguous(log_sum)?;
    let [outs, grads] = [out, grad].map(|x| Matrices::<T>::new(x, &plan.lead, [plan.queries, plan.value_depth]));
    let blocks = plan.query_blocks();
    let splits = (TASKS / plan.batch.max(1)).min(blocks / BLOCKS_A_TASK).max(1);
    let blocks_a_split = blocks.div_ceil(splits);
    let sizes = [[plan.queries, plan.depth], [plan.keys, plan.depth], [plan.keys, plan.value_depth]];
    let [query, key, value] = sizes.map(|sizes| plan.shape(&sizes));
    let shapes = [query?, key?, value?];
    let together = if splits == 1 { side_by_side(args, shapes) } else { None };
    // Of keys and values each split has sums of its own.
    let partial = |sizes: [usize; 2]| Shape::new(&[splits, plan.batch, sizes[0], sizes[1]]).map(Layout::contiguous);
    let layouts = match together {
        Some(layouts) => layouts,
        None if splits == 1 => {
            let of = [args.query, args.key, args.value];
            [0, 1, 2].map(|i| in_order_of(of[i], shapes[i]))
        }
        None => [in_order_of(args.query, shapes[0]), partial(sizes[1])?, partial(sizes[2])?],
    };
    let lens = match together {
        Some(_) => [3 * shapes[0].numel(), 0, 0],
        None => layouts.map(|layout| layout.shape.numel()),
    };
    let room = |len: usize| Shape::new(&[len]).and_then(Writing::<T>::new);
    let mut buffers = [room(lens[0])?, room(lens[1])?, room(lens[2])?];
    let buffer_of = |i: usize| if together.is_some() { 0 } else { i };
    let mask_shape = if needs_mask { plan.shape(&[plan.queries, plan.keys])? } else { Shape::new(&[0])? };
    let mut mask = Writing::<T>::filled(mask_shape, T::ZERO)?;
    let places = buffers.each_mut().map(|buffer| SendPtr::new(buffer.as_mut()));
    let target = |i: usize| Target { data: places[buffer_of(i)], len: lens[buffer_of(i)], layout: &layouts[i] };
    let shared = Shared {
        plan: &plan,
        outs: outs?,
        log_sum: log_sum.as_slice().unwrap_or_default(),
        grads: grads?,
        targets: [0, 1, 2].map(target),
        mask: needs_mask.then(|| Parts::new(mask.as_mut())),
    };
    try_parallel_for(plan.batch * splits, |task| {
        let split = task / plan.batch;
        let mut scratch = Scratch::new(&plan, true)?;
        for target in &shared.targets[1..] {
            // SAFETY: sums of this entry, and of this split, are one task's alone.
            unsafe { target.clear(task, 0, plan.keys) };
        }
        for block in split * blocks_a_split..blocks.min((split + 1) * blocks_a_split) {
            attend_back(&shared, &mut scratch, task, block * QUERIES);
        }
        Ok(())
    })?;
    let buffers = buffers.map(Writing::finish);
    let joined = |i: usize| -> Result<Tensor> {
        let found = buffers[buffer_of(i)].view(layouts[i]);
        if i == 0 || splits == 1 {
            return Ok(found);
        }
        let sum = Cpu.reduce(Reduction::Sum, &found, &[0], Shape::new(&found.shape()[1..])?)?;
        Ok(sum.view(Layout::contiguous(shapes[i])))
    };
    Ok(AttentionGrads {
        query: joined(0)?,
        key: joined(1)?,
        value: joined(2)?,
        mask: needs_mask.then(|| mask.finish()),
    })
}

/// Where a gradient is written to.
#[derive(Clone, Copy)]
struct Target<'a, T> {
    data: SendPtr<'a, T>,
    len: usize,
    layout: &'a Layout,
}

impl<T: Real> Target<'_, T> {
    /// Where a row of an entry of the leading axes begins, and how far rows are apart.
    fn start(&self, entry: usize, row: usize) -> (usize, isize) {
        let Layout { shape, strides, offset } = *self.layout;
        let (lead, step) = (shape.rank() - 2, strides[shape.rank() - 2]);
        (start(offset, &strides, &shape[..lead], entry) + row * step as usize, step)
    }

    /// Rows `first..first + count` of an entry of the leading axes.
    ///
    /// # Safety
    /// They are the caller's alone.
    unsafe fn rows(&self, entry: usize, first: usize, count: usize) -> MatMut<'_, T> {
        let (start, step) = self.start(entry, first);
        // SAFETY: as the caller promised.
        unsafe { MatMut::from_raw(self.data.get(), self.len, start, [count, self.columns()], [step, 1]) }
    }

    /// Writes zeros to such rows.
    ///
    /// # Safety
    /// They are the caller's alone.
    unsafe fn clear(&self, entry: usize, first: usize, count: usize) {
        for row in first..first + count {
            let (start, columns) = (self.start(entry, row).0, self.columns());
            assert!(start + columns <= self.len);
            // SAFETY: inside the buffer by the assertion, and the caller's alone by its promise.
            unsafe { std::slice::from_raw_parts_mut(self.data.get().add(start), columns) }.fill(T::ZERO);
        }
    }

    fn columns(&self) -> usize {
        self.layout.shape[self.layout.shape.rank() - 1]
    }
}

/// What the tasks of the backward pass share.
struct Shared<'a, T> {
    plan: &'a Plan<'a, T>,
    outs: Matrices<'a, T>,
    log_sum: &'a [T],
    grads: Matrices<'a, T>,
    /// Of queries, keys and values.
    targets: [Target<'a, T>; 3],
    mask: Option<Parts<'a, T>>,
}

/// What a block of queries adds to the gradients. A task is an entry of the leading axes, or one of a split.
fn attend_back<T: Real>(shared: &Shared<T>, scratch: &mut Scratch<T>, task: usize, first_query: usize) {
    let plan = shared.plan;
    let entry = task % plan.batch;
    let [query_target, key_target, value_target] = shared.targets;
    let (depth, value_depth) = (plan.depth, plan.value_depth);
    let queries = QUERIES.min(plan.queries - first_query);
    let start = |of: &Matrices<T>| of.start(&plan.lead, entry);
    let [query_start, key_start, value_start, grad_start, out_start] =
        [&plan.query, &plan.key, &plan.value, &shared.grads, &shared.outs].map(start);
    let query = &mut scratch.query.as_mut()[..depth * queries];
    plan.query.transposed(query_start, first_query, queries, query);
    multiply(query, plan.scale);
    let grad = &mut scratch.grad.as_mut()[..value_depth * queries];
    shared.grads.transposed(grad_start, first_query, queries, grad);
    let row = entry * plan.queries + first_query;
    let out = &mut scratch.out.as_mut()[..value_depth * queries];
    shared.outs.transposed(out_start, first_query, queries, out);
    let mut delta = [T::ZERO; QUERIES];
    add_products(grad, out, &mut delta[..queries]);
    // SAFETY: a block of queries is one task's alone.
    unsafe { query_target.clear(entry, first_query, queries) };
    let all_keys = plan.keys_of(first_query, queries);
    for first_key in (0..all_keys).step_by(KEYS) {
        let block = Block { entry, first_query, queries, first_key, keys: KEYS.min(all_keys - first_key) };
        let keys = block.keys;
        scratch.score(plan, key_start, &block);
        gemm_serial(
            MatMut::row_major(&mut scratch.grad_scores.as_mut()[..keys * queries], keys, queries),
            plan.value.rows(value_start, first_key, keys),
            Mat::row_major(&scratch.grad.as_mut()[..value_depth * queries], value_depth, queries),
            false,
        );
        exponentials(&mut scratch.scores.as_mut()[..keys * queries], &shared.log_sum[row..][..queries]);
        if let Some(dropout) = &plan.dropout {
            scratch.draw(plan, dropout, &block);
            let grads = &mut scratch.grad_scores.as_mut()[..keys * queries];
            multiply_transposed(grads, scratch.factors.as_mut(), queries, keys);
        }
        let (weights, grads) =
            (&mut scratch.scores.as_mut()[..keys * queries], &mut scratch.grad_scores.as_mut()[..keys * queries]);
        score_gradients(grads, weights, &delta[..queries]);
        if plan.dropout.is_some() {
            multiply_transposed(weights, scratch.factors.as_mut(), queries, keys);
        }
        gemm_serial(
            // SAFETY: sums of this entry, and of this split, are one task's alone.
            unsafe { value_target.rows(task, first_key, keys) },
            Mat::row_major(weights, keys, queries),
            shared.grads.rows(grad_start, first_query, queries),
            true,
        );
        if let Some(mask) = &shared.mask {
            for i in 0..queries {
                // SAFETY: a block of queries is one task's alone.
                let mask = unsafe { mask.part((row + i) * plan.keys + first_key, keys) };
                mask.iter_mut().enumerate().for_each(|(j, mask)| *mask = grads[j * queries + i]);
            }
        }
        multiply(grads, plan.scale);
        gemm_serial(
            // SAFETY: a block of queries is one task's alone.
            unsafe { query_target.rows(entry, first_query, queries) },
            Mat::row_major(grads, keys, queries).t(),
            plan.key.rows(key_start, first_key, keys),
            true,
        );
        gemm_serial(
            // SAFETY: as of the values.
            unsafe { key_target.rows(task, first_key, keys) },
            Mat::row_major(grads, keys, queries),
            plan.query.rows(query_start, first_query, queries),
            true,
        );
    }
}

simd! {
    fn multiply<S, T: Real>(simd: S, values: &mut [T], factor: T) {
        values.iter_mut().for_each(|x| *x = *x * factor);
    }
}

simd! {
    /// Adds the products of two matrices' elements, row by row.
    fn add_products<S, T: Real>(simd: S, a: &[T], b: &[T], sums: &mut [T]) {
        for (a, b) in a.chunks_exact(sums.len()).zip(b.chunks_exact(sums.len())) {
            for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
    }
}

simd! {
    /// Scores to weights.
    fn exponentials<S, T: Real>(simd: S, scores: &mut [T], log_sum: &[T]) {
        for row in scores.chunks_exact_mut(log_sum.len()) {
            for (s, &l) in row.iter_mut().zip(log_sum) {
                *s = (*s - l).exp::<S>();
            }
        }
    }
}

simd! {
    /// Gradients of weights to those of scores.
    fn score_gradients<S, T: Real>(simd: S, grads: &mut [T], weights: &[T], delta: &[T]) {
        for (grads, weights) in grads.chunks_exact_mut(delta.len()).zip(weights.chunks_exact(delta.len())) {
            for ((g, &w), &delta) in grads.iter_mut().zip(weights).zip(delta) {
                *g = w * (*g - delta);
            }
        }
    }
}

pub(super) fn dropout<T: Real>(args: &AttentionArgs) -> Result<Tensor> {
    let (lead, [queries, keys, ..]) = sizes(args)?;
    let mut out = Writing::<T>::filled(Shape::new(&[&lead[..], &[queries, keys]].concat())?, T::ONE)?;
    if let Some(dropout) = Dropout::new(args.dropout) {
        let mut words = [0; KEYS];
        for (i, out) in out.as_mut().chunks_mut(KEYS).enumerate() {
            dropout.factors((i * KEYS) as u64, &mut words[..out.len()], out);
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Rng;

    fn bits(x: &Tensor) -> Vec<u32> {
        x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    }

    /// Heads `[n, h, t, width]` of one of several parts of `[n, t, parts * h * width]`.
    fn heads(x: &Tensor, h: usize, part: usize, parts: usize) -> Tensor {
        let [n, t] = [0, 1].map(|axis| x.shape()[axis]);
        let all = x.shape()[2] / parts;
        let part = x.narrow(-1, part * all, all).unwrap();
        part.reshape([n, t, h, all / h]).unwrap().transpose(1, 2).unwrap()
    }

    #[test]
    fn results_lie_as_the_factors_do() -> Result<()> {
        let mut rng = Rng::new(5);
        // Entries, heads, tokens and width; the last one's queries are divided.
        for ([n, h, t, width], causal) in
            [([2, 3, 5, 4], false), ([1, 1, 40, 8], true), ([3, 2, 1, 16], true), ([1, 2, 550, 4], false)]
        {
            let x = Tensor::randn([n, t, 3 * h * width], DType::F32, &mut rng)?;
            let parts = [0, 1, 2].map(|part| heads(&x, h, part, 3));
            let [query, key, value] = &parts;
            let scale = 0.3;
            let args = AttentionArgs { query, key, value, mask: None, causal, scale, dropout: (0.0, 0) };
            let (out, log_sum) = forward::<f32>(&args)?;
            let whole = out.swapped(1, 2);
            assert!(whole.layout().is_contiguous(), "heads side by side");
            let grad = heads(&Tensor::randn([n, t, h * width], DType::F32, &mut rng)?, h, 0, 1);
            let found = backward::<f32>(&args, &out, &log_sum, &grad, false)?;

            let [query, key, value] = &[Cpu.copy(query)?, Cpu.copy(key)?, Cpu.copy(value)?];
            let apart = AttentionArgs { query, key, value, ..args };
            let (expected, log_sum) = forward::<f32>(&apart)?;
            assert_eq!(bits(&out), bits(&expected));
            let wanted = backward::<f32>(&apart, &expected, &log_sum, &grad, false)?;
            for (found, wanted) in
                [(&found.query, &wanted.query), (&found.key, &wanted.key), (&found.value, &wanted.value)]
            {
                assert_eq!(bits(found), bits(wanted), "{n} {h} {t} {width}");
            }

            let flat = |x: &Tensor| x.transpose(1, 2)?.reshape([n, t, h * width]);
            let grads = [flat(&found.query)?, flat(&found.key)?, flat(&found.value)?];
            let joined = Tensor::concat(&grads.each_ref(), -1)?;
            assert_eq!(joined.memory() == found.query.memory(), t < 550, "joined where they are");
            let copies = grads.each_ref().map(|x| Cpu.copy(x).unwrap());
            assert_eq!(bits(&joined), bits(&Tensor::concat(&copies.each_ref(), -1)?));
        }
        Ok(())
    }
}
