//! Recurrent layers over whole sequences.
//!
//! The product of all steps' inputs is one matrix product. Then groups of sequences run on their own through all steps:
//! a product of their states with the weights, and one pass over the gates. Going back the same, after which each
//! gradient of a weight is one matrix product over all steps. Groups are fixed by the sizes, so that results do not
//! depend on the number of threads.

use crate::backend::{ElementwiseKernels, RecurrentArgs, RecurrentGrads, RecurrentOut, ReduceKernels, Reduction};
use crate::cpu::Cpu;
use crate::cpu::gemm::{Factor, Mat, MatMut, Options, gemm, gemm_serial, gemm_with};
use crate::cpu::isa::simd;
use crate::cpu::matmul::{kept_panels, panels_of};
use crate::cpu::real::Real;
use crate::cpu::threads::{SendPtr, num_threads, parallel_for};
use crate::error::{Error, Result};
use crate::ops::Cell;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use std::ops::Range;

/// Sequences that run through the steps together.
const GROUP: usize = 16;
/// Units that are worth a task in every step.
const UNITS: usize = 32;

/// Sizes. Matrices of all steps have row `t * sequences + n` for step `t` of sequence `n`.
#[derive(Clone, Copy)]
struct Plan<'a> {
    cell: Cell,
    reverse: bool,
    steps: usize,
    sequences: usize,
    inputs: usize,
    hidden: usize,
    lengths: Option<&'a [i64]>,
}

impl Plan<'_> {
    fn rows(&self) -> usize {
        self.steps * self.sequences
    }

    fn row(&self, t: usize, n: usize) -> usize {
        t * self.sequences + n
    }

    /// Columns of both products.
    fn gates(&self) -> usize {
        self.hidden * self.cell.gates()
    }

    /// Columns of the gates that are kept: a GRU keeps the state's part of its candidate beside the gates.
    fn width(&self) -> usize {
        self.hidden * if self.cell == Cell::Gru { 4 } else { self.cell.gates() }
    }

    fn is_inside(&self, t: usize, n: usize) -> bool {
        self.lengths.is_none_or(|lengths| t < lengths[n] as usize)
    }

    /// How many groups of sequences there are to run.
    fn groups(&self) -> usize {
        if self.hidden == 0 { 0 } else { self.sequences.div_ceil(GROUP) }
    }

    /// The sequences of a group, and the steps in which any of them is inside.
    fn group(&self, group: usize) -> (Range<usize>, usize) {
        let range = group * GROUP..self.sequences.min((group + 1) * GROUP);
        let steps = match self.lengths {
            Some(lengths) => lengths[range.clone()].iter().copied().max().unwrap_or(0) as usize,
            None => self.steps,
        };
        (range, steps)
    }
}

/// From one row to the next of a matrix of `width` columns: rows a power of two apart would compete for the same few
/// places in the caches.
fn spread<T>(width: usize) -> usize {
    let line = 64 / size_of::<T>();
    if (width * size_of::<T>()).is_multiple_of(1024) { width + line } else { width }
}

/// Room for rows of `width` elements.
fn room<T: Real>(rows: usize, width: usize) -> Result<Writing<T>> {
    Writing::new(Shape::new(&[rows, width])?)
}

/// A buffer whose rows belong to different tasks.
struct Rows<'a, T> {
    start: SendPtr<'a, T>,
    len: usize,
    /// From one row to the next.
    stride: usize,
}

impl<'a, T: Real> Rows<'a, T> {
    fn new(data: &'a mut [T], stride: usize) -> Rows<'a, T> {
        Rows { len: data.len(), start: SendPtr::new(data), stride }
    }

    /// The first `len` elements from row `row` on.
    ///
    /// # Safety
    /// They are this task's alone, and no other reference to them lives.
    #[allow(clippy::mut_from_ref)] // that is its purpose
    #[inline(always)]
    unsafe fn row(&self, row: usize, len: usize) -> &mut [T] {
        assert!(row * self.stride + len <= self.len);
        // SAFETY: inside by the assertion, exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.get().add(row * self.stride), len) }
    }

    /// A part of a row.
    ///
    /// # Safety
    /// As [`Rows::row`].
    #[allow(clippy::mut_from_ref)] // that is its purpose
    #[inline(always)]
    unsafe fn part(&self, row: usize, part: Range<usize>) -> &mut [T] {
        assert!(part.start <= part.end && row * self.stride + part.end <= self.len);
        // SAFETY: inside by the assertion, exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.get().add(row * self.stride + part.start), part.len()) }
    }

    /// `count` rows from `row` on.
    ///
    /// # Safety
    /// As [`Rows::row`].
    #[allow(clippy::mut_from_ref)] // that is its purpose
    unsafe fn rows(&self, row: usize, count: usize) -> &mut [T] {
        // SAFETY: as the caller promised.
        unsafe { self.row(row, count * self.stride) }
    }
}

/// A matrix of `stride` from row to row.
fn matrix<T>(data: &[T], first: usize, dims: [usize; 2], stride: usize) -> Mat<'_, T> {
    Mat::new(data, first, dims, [stride as isize, 1])
}

/// A matrix transposed, its rows spread: its form where such are kept.
fn spread_transpose<T: Real>(x: &Tensor) -> Result<Tensor> {
    let [columns, rows] = [x.shape()[0], x.shape()[1]];
    x.form("spread", Shape::new(&[rows, spread::<T>(columns)])?, |shape| {
        let x = Cpu.contiguous(&x.swapped(0, 1))?;
        let mut out = Writing::<T>::new(shape)?;
        let from = x.as_slice::<T>().unwrap_or_default().chunks_exact(columns.max(1));
        let to = out.as_mut().chunks_exact_mut(shape[1].max(1));
        to.zip(from).for_each(|(to, from)| to[..columns].copy_from_slice(from));
        Ok(out.finish())
    })
}

/// The plan, and the input row-major, zero behind the sequences' ends.
fn prepare<'a, T: Real>(args: &RecurrentArgs, lengths: Option<&'a Tensor>) -> Result<(Plan<'a>, Tensor)> {
    let [steps, sequences, inputs] = [0, 1, 2].map(|axis| args.x.shape()[axis]);
    let lengths = lengths.and_then(|lengths| lengths.as_slice::<i64>());
    let hidden = args.weight_hh.shape()[1];
    let plan = Plan { cell: args.cell, reverse: args.reverse, steps, sequences, inputs, hidden, lengths };
    let Some(lengths) = lengths else { return Ok((plan, Cpu.contiguous(args.x)?)) };
    let wrong = |length: i64| !(0..=steps as i64).contains(&length);
    if let Some((n, length)) = lengths.iter().enumerate().find(|&(_, &length)| wrong(length)) {
        return Err(Error::argument(format!("the length {length} of sequence {n} is not in 0..={steps}"))
            .mend("lengths count the steps of each sequence"));
    }
    let mut x = Cpu.copy(args.x)?;
    let data = x.make_mut::<T>()?;
    for (n, &length) in lengths.iter().enumerate() {
        for t in length as usize..steps {
            data[plan.row(t, n) * inputs..][..inputs].fill(T::ZERO);
        }
    }
    Ok((plan, x))
}

/// What the tasks of the forward pass share.
struct Forward<'a, T> {
    plan: Plan<'a>,
    /// `[rows, width]`: products of the inputs at first, activated gates in the end.
    gates: Rows<'a, T>,
    /// `[N, H]`: the states before the steps of even number, and before those of odd number.
    h: [Rows<'a, T>; 2],
    c: Rows<'a, T>,
    /// `[T, N, H]` or `[N, T, H]`.
    y: Rows<'a, T>,
    batch_first: bool,
    /// `[rows, H]`: the states before each step, if kept.
    h_before: Rows<'a, T>,
    c_before: Rows<'a, T>,
    keep: bool,
    /// `[N, 3 * H]`: products of the states, of a GRU.
    product: Rows<'a, T>,
    /// `[H]`: the bias of a GRU's candidate beside the state.
    bias: Option<&'a [T]>,
}

impl<T> Forward<'_, T> {
    /// The row of the output.
    fn y_row(&self, t: usize, n: usize) -> usize {
        if self.batch_first { n * self.plan.steps + t } else { self.plan.row(t, n) }
    }
}

pub(super) fn forward<T: Real>(args: &RecurrentArgs, keep: bool) -> Result<RecurrentOut> {
    let lengths = args.lengths.map(|lengths| Cpu.contiguous(lengths)).transpose()?;
    let (plan, x) = prepare::<T>(args, lengths.as_ref())?;
    let (hidden, is_lstm, is_gru) = (plan.hidden, plan.cell == Cell::Lstm, plan.cell == Cell::Gru);
    let (rows, all_gates) = (plan.rows(), plan.gates());
    let biases = args.bias.map(|[b, c]| Ok([Cpu.contiguous(b)?, Cpu.contiguous(c)?])).transpose()?;
    let [bias_ih, bias_hh] = match &biases {
        Some(pair) => [0, 1].map(|i| pair[i].as_slice::<T>()),
        None => [None; 2],
    };
    // Beside the input: all of the state's bias but that of a GRU's candidate, which the reset gate multiplies.
    let apart = if is_gru { 2 * hidden } else { all_gates };
    let mut bias = Writing::<T>::filled(Shape::new(&[all_gates])?, T::ZERO)?;
    if let (Some(ih), Some(hh)) = (bias_ih, bias_hh) {
        bias.as_mut().copy_from_slice(ih);
        bias.as_mut().iter_mut().zip(&hh[..apart]).for_each(|(b, &c)| *b += c);
    }
    let stride = spread::<T>(plan.width());
    let mut gates = room::<T>(rows, stride)?;
    let weight = Cpu.contiguous(args.weight_ih)?;
    let kept = kept_panels::<T>(&weight)?;
    let panels = kept.as_ref().map(|kept| panels_of::<T>(kept, [all_gates, plan.inputs]));
    gemm_with(
        MatMut::new(gates.as_mut(), 0, [rows, all_gates], [stride as isize, 1]),
        Mat::row_major(x.as_slice().unwrap_or_default(), rows, plan.inputs).into(),
        match &panels {
            Some(panels) => Factor::Pack(panels),
            None => Mat::row_major(weight.as_slice().unwrap_or_default(), all_gates, plan.inputs).t().into(),
        },
        Options { col_bias: Some(bias.as_mut()), ..Options::default() },
    );

    let batch_first = !args.x.is_contiguous() && args.x.swapped(0, 1).is_contiguous();
    let y_shape = Shape::new(&if batch_first { [plan.sequences, plan.steps] } else { [plan.steps, plan.sequences] })?;
    let mut y = Writing::<T>::new(Shape::new(&[&y_shape[..], &[hidden]].concat())?)?;
    let mut h_odd = room(plan.sequences, hidden)?;
    let (mut h, mut c) = (state(args.h0)?, args.c0.map_or_else(|| room(0, hidden), state)?);
    let mut h_before = room(if keep { rows } else { 0 }, hidden)?;
    let mut c_before = room(if keep && is_lstm { rows } else { 0 }, hidden)?;
    let product_stride = spread::<T>(all_gates);
    let mut product = room(if is_gru { plan.sequences } else { 0 }, product_stride)?;
    // Rows of the transposed weights are read in place, step after step.
    let weight = spread_transpose::<T>(args.weight_hh)?;
    let weight = matrix(weight.as_slice().unwrap_or_default(), 0, [hidden, all_gates], spread::<T>(all_gates));
    let run = Forward {
        plan,
        gates: Rows::new(gates.as_mut(), stride),
        h: [Rows::new(h.as_mut(), hidden), Rows::new(h_odd.as_mut(), hidden)],
        c: Rows::new(c.as_mut(), hidden),
        y: Rows::new(y.as_mut(), hidden),
        batch_first,
        h_before: Rows::new(h_before.as_mut(), hidden),
        c_before: Rows::new(c_before.as_mut(), hidden),
        keep,
        product: Rows::new(product.as_mut(), product_stride),
        bias: bias_hh.map(|hh| &hh[all_gates - hidden..]),
    };
    // A lone group is cut by units, some to each task: the sums stay as they are.
    let parts = if plan.groups() == 1 { num_threads().min(hidden / UNITS).max(1) } else { 1 };
    let units = |part: usize| hidden * part / parts..hidden * (part + 1) / parts;
    parallel_for(plan.groups(), |group| {
        let (range, steps) = plan.group(group);
        let (first, count) = (range.start, range.len());
        for step in 0..steps {
            let t = if plan.reverse { steps - 1 - step } else { step };
            parallel_for(parts, |part| {
                // SAFETY: nothing writes these states in this step.
                let state = unsafe { &*run.h[step % 2].rows(first, count) };
                let state = Mat::row_major(state, count, hidden);
                let (target, row) = if is_gru { (&run.product, first) } else { (&run.gates, plan.row(t, first)) };
                // The gates of some units lie apart, those of all side by side.
                let each = if parts == 1 { 0..all_gates } else { units(part) };
                for gate in (0..all_gates).step_by(if parts == 1 { all_gates } else { hidden }) {
                    let columns = gate + each.start..gate + each.end;
                    let (offset, dims) = (row * target.stride + columns.start, [count, columns.len()]);
                    // SAFETY: these columns of these sequences are this task's alone.
                    let target = unsafe {
                        MatMut::from_raw(target.start.get(), target.len, offset, dims, [target.stride as isize, 1])
                    };
                    gemm_serial(target, state, weight.columns_of(columns), !is_gru);
                }
                gate_pass(&run, step, t, range.clone(), units(part));
            });
        }
        if steps % 2 == 1 {
            // SAFETY: these sequences are this task's alone.
            unsafe { run.h[0].rows(first, count).copy_from_slice(run.h[1].rows(first, count)) };
        }
        for t in steps..plan.steps {
            range.clone().for_each(|n| leave(&run, t, n, 0..hidden));
        }
    });
    let saved = if keep { vec![gates.finish(), h_before.finish(), c_before.finish()] } else { Vec::new() };
    let y = y.finish();
    let c_n = is_lstm.then(|| c.finish());
    Ok(RecurrentOut { y: if batch_first { y.swapped(0, 1) } else { y }, h_n: h.finish(), c_n, saved })
}

/// A copy of a state, to change.
fn state<T: Real>(of: &Tensor) -> Result<Writing<T>> {
    let mut state = Writing::new(*of.shape())?;
    state.as_mut().copy_from_slice(Cpu.contiguous(of)?.as_slice().unwrap_or_default());
    Ok(state)
}

/// A step behind the end of a sequence, for some units.
fn leave<T: Real>(run: &Forward<T>, t: usize, n: usize, units: Range<usize>) {
    // SAFETY: these units of this sequence are this task's alone.
    unsafe {
        run.y.part(run.y_row(t, n), units.clone()).fill(T::ZERO);
        if run.keep {
            run.h_before.part(run.plan.row(t, n), units).fill(T::ZERO);
        }
    }
}

simd! {
    /// One step of some units of some sequences, from the sums in the gates to the new states.
    fn gate_pass<S, T: Real>(
        simd: S, run: &Forward<T>, step: usize, t: usize, sequences: Range<usize>, units: Range<usize>,
    ) {
        let (plan, hidden) = (&run.plan, run.plan.hidden);
        let part = |gate: usize| gate * hidden + units.start..gate * hidden + units.end;
        for n in sequences {
            // SAFETY: these units of this sequence are this task's alone, and each buffer is referred to once.
            let (h, next) = unsafe { (&*run.h[step % 2].part(n, part(0)), run.h[(step + 1) % 2].part(n, part(0))) };
            if !plan.is_inside(t, n) {
                leave(run, t, n, part(0));
                next.copy_from_slice(h);
                continue;
            }
            let row = plan.row(t, n);
            // SAFETY: as above.
            let (gate, y) = unsafe { (|i: usize| run.gates.part(row, part(i)), run.y.part(run.y_row(t, n), part(0))) };
            if run.keep {
                // SAFETY: as above.
                unsafe { run.h_before.part(row, part(0)) }.copy_from_slice(h);
            }
            match plan.cell {
                Cell::RnnTanh => {
                    let gates = gate(0);
                    for (y, x) in y.iter_mut().zip(&*gates) {
                        *y = x.tanh::<S>();
                    }
                    gates.copy_from_slice(y);
                }
                Cell::RnnRelu => {
                    let gates = gate(0);
                    for (y, &x) in y.iter_mut().zip(&*gates) {
                        *y = if x < T::ZERO { T::ZERO } else { x };
                    }
                    gates.copy_from_slice(y);
                }
                Cell::Lstm => {
                    // SAFETY: as above.
                    let c = unsafe { run.c.part(n, part(0)) };
                    if run.keep {
                        // SAFETY: as above.
                        unsafe { run.c_before.part(row, part(0)) }.copy_from_slice(c);
                    }
                    let [i, f, g, o] = [gate(0), gate(1), gate(2), gate(3)];
                    for gate in [&mut *i, &mut *f, &mut *o] {
                        for x in gate {
                            *x = x.sigmoid::<S>();
                        }
                    }
                    for x in &mut *g {
                        *x = x.tanh::<S>();
                    }
                    for (c, ((&f, &i), &g)) in c.iter_mut().zip(f.iter().zip(&*i).zip(&*g)) {
                        *c = f * *c + i * g;
                    }
                    for ((y, &o), c) in y.iter_mut().zip(&*o).zip(&*c) {
                        *y = o * c.tanh::<S>();
                    }
                }
                Cell::Gru => {
                    // SAFETY: as above.
                    let product = |i: usize| unsafe { &*run.product.part(n, part(i)) };
                    let [reset, update, candidate, of_state] = [gate(0), gate(1), gate(2), gate(3)];
                    for (i, turn) in [&mut *reset, &mut *update].into_iter().enumerate() {
                        for (x, &p) in turn.iter_mut().zip(product(i)) {
                            *x = (*x + p).sigmoid::<S>();
                        }
                    }
                    of_state.copy_from_slice(product(2));
                    if let Some(bias) = run.bias {
                        for (q, &b) in of_state.iter_mut().zip(&bias[part(0)]) {
                            *q += b;
                        }
                    }
                    for ((n, &r), &q) in candidate.iter_mut().zip(&*reset).zip(&*of_state) {
                        *n = (*n + r * q).tanh::<S>();
                    }
                    for (((y, &h), &z), &n) in y.iter_mut().zip(h).zip(&*update).zip(&*candidate) {
                        *y = n + z * (h - n);
                    }
                }
            }
            next.copy_from_slice(y);
        }
    }
}

/// Four parts of equal length.
#[inline(always)]
fn parts<T>(row: &[T], len: usize) -> [&[T]; 4] {
    [&row[..len], &row[len..2 * len], &row[2 * len..3 * len], &row[3 * len..4 * len]]
}

/// What the tasks of the backward pass share.
struct Backward<'a, T> {
    plan: Plan<'a>,
    /// `[rows, width]`, as the forward pass left them.
    gates: &'a [T],
    /// From one row of the gates and of their gradients to the next.
    stride: usize,
    /// `[rows, H]`.
    h_before: &'a [T],
    c_before: &'a [T],
    /// The gradient of the output: its memory, where it begins, from step to step and from sequence to sequence.
    grad_y: Option<(&'a [T], usize, [isize; 2])>,
    /// `[rows, width]`: gradients of the sums in the gates; of a GRU in the order candidate, reset, update, and the
    /// state's part of the candidate, so that those beside each product lie together.
    grad_gates: Rows<'a, T>,
    /// `[N, H]`: gradients of the states.
    grad_h: Rows<'a, T>,
    grad_c: Rows<'a, T>,
}

pub(super) fn backward<T: Real>(
    args: &RecurrentArgs,
    saved: &[Tensor],
    [grad_y, grad_h, grad_c]: [Option<&Tensor>; 3],
    needs_x: bool,
) -> Result<RecurrentGrads> {
    let lengths = args.lengths.map(|lengths| Cpu.contiguous(lengths)).transpose()?;
    let (plan, x) = prepare::<T>(args, lengths.as_ref())?;
    let (hidden, is_gru, is_lstm) = (plan.hidden, plan.cell == Cell::Gru, plan.cell == Cell::Lstm);
    let (rows, gates) = (plan.rows(), plan.gates());
    let stride = spread::<T>(plan.width());
    let side_by_side =
        |grad: &Tensor| if grad.layout().strides[2] == 1 { Ok(grad.clone()) } else { Cpu.contiguous(grad) };
    let grad_y = grad_y.map(side_by_side).transpose()?;
    let first = |of: Option<&Tensor>, rows: usize| {
        of.map_or_else(|| Writing::filled(Shape::new(&[rows, hidden])?, T::ZERO), state)
    };
    let mut grad_h = first(grad_h, plan.sequences)?;
    let mut grad_c = first(grad_c, if is_lstm { plan.sequences } else { 0 })?;
    let mut grad_gates = room::<T>(rows, stride)?;
    let [kept_gates, h_before, c_before] = [0, 1, 2].map(|i| saved[i].as_slice::<T>().unwrap_or_default());
    let weight = Cpu.contiguous(args.weight_hh)?;
    let weight = Mat::row_major(weight.as_slice::<T>().unwrap_or_default(), gates, hidden);
    // Where the columns beside the state begin.
    let beside_state = if is_gru { hidden } else { 0 };
    let run = Backward {
        plan,
        gates: kept_gates,
        stride,
        h_before,
        c_before,
        grad_y: grad_y.as_ref().map(|grad| {
            let layout = grad.layout();
            (grad.storage(), layout.offset, [layout.strides[0], layout.strides[1]])
        }),
        grad_gates: Rows::new(grad_gates.as_mut(), stride),
        grad_h: Rows::new(grad_h.as_mut(), hidden),
        grad_c: Rows::new(grad_c.as_mut(), hidden),
    };
    parallel_for(plan.groups(), |group| {
        let (range, steps) = plan.group(group);
        let (first, count) = (range.start, range.len());
        for t in steps..plan.steps {
            // SAFETY: these sequences are this task's alone.
            unsafe { run.grad_gates.rows(plan.row(t, first), count) }.fill(T::ZERO);
        }
        for step in (0..steps).rev() {
            let t = if plan.reverse { steps - 1 - step } else { step };
            gate_gradients(&run, t, range.clone());
            // SAFETY: these sequences are this task's alone, and the pass over the gates is over.
            let (grads, state) =
                unsafe { (run.grad_gates.rows(plan.row(t, first), count), run.grad_h.rows(first, count)) };
            let grads = matrix(grads, beside_state, [count, gates], stride);
            gemm(MatMut::row_major(state, count, hidden), grads, weight, true);
        }
    });

    let grads = &*grad_gates.as_mut();
    let inputs = Mat::row_major(x.as_slice::<T>().unwrap_or_default(), rows, plan.inputs);
    // Beside the input, a GRU's gates are in two pieces: where they begin, their columns, their rows of the weights.
    let pieces: &[[usize; 3]] =
        if is_gru { &[[hidden, 2 * hidden, 0], [0, hidden, 2 * hidden]] } else { &[[0, gates, 0]] };
    let mut weight_ih = Writing::<T>::new(*args.weight_ih.shape())?;
    let mut weight_hh = Writing::<T>::new(*args.weight_hh.shape())?;
    for &[begin, count, row] in pieces {
        let target = &mut weight_ih.as_mut()[row * plan.inputs..][..count * plan.inputs];
        let piece = matrix(grads, begin, [rows, count], stride);
        gemm(MatMut::row_major(target, count, plan.inputs), piece.t(), inputs, false);
    }
    let piece = matrix(grads, beside_state, [rows, gates], stride);
    let before = Mat::row_major(h_before, rows, hidden);
    gemm(MatMut::row_major(weight_hh.as_mut(), gates, hidden), piece.t(), before, false);
    let grad_x = if needs_x {
        let mut grad_x = Writing::<T>::new(*args.x.shape())?;
        let weight = Cpu.contiguous(args.weight_ih)?;
        let weight = weight.as_slice::<T>().unwrap_or_default();
        for (i, &[begin, count, row]) in pieces.iter().enumerate() {
            let weight = matrix(weight, row * plan.inputs, [count, plan.inputs], plan.inputs);
            let target = MatMut::row_major(grad_x.as_mut(), rows, plan.inputs);
            gemm(target, matrix(grads, begin, [rows, count], stride), weight, i > 0);
        }
        Some(grad_x.finish())
    } else {
        None
    };
    let bias = args.bias.map(|_| bias_gradients::<T>(&plan, grad_gates.finish())).transpose()?;
    Ok(RecurrentGrads {
        x: grad_x,
        weight_ih: weight_ih.finish(),
        weight_hh: weight_hh.finish(),
        bias,
        h0: grad_h.finish(),
        c0: is_lstm.then(|| grad_c.finish()),
    })
}

/// Gradients of both biases: sums over all rows.
fn bias_gradients<T: Real>(plan: &Plan, grad_gates: Tensor) -> Result<[Tensor; 2]> {
    let sum = Cpu.reduce(Reduction::Sum, &grad_gates, &[0], Shape::new(&grad_gates.shape()[1..])?)?;
    let sum = sum.as_slice::<T>().unwrap_or_default();
    let joined = |pieces: &[&[T]]| -> Result<Tensor> {
        let mut out = Writing::new(Shape::new(&[plan.gates()])?)?;
        for (out, from) in out.as_mut().chunks_exact_mut(pieces[0].len().max(1)).zip(pieces) {
            out.copy_from_slice(from);
        }
        Ok(out.finish())
    };
    if plan.cell != Cell::Gru {
        let both = joined(&[&sum[..plan.gates()]])?;
        return Ok([both.clone(), both]);
    }
    let [candidate, reset, update, of_state] = parts(sum, plan.hidden);
    Ok([joined(&[reset, update, candidate])?, joined(&[reset, update, of_state])?])
}

simd! {
    /// One step of some sequences, from the gradients of the states to those of the sums in the gates. What is left in
    /// the gradients of the states belongs to the states before, but for what the weights carry.
    fn gate_gradients<S, T: Real>(simd: S, run: &Backward<T>, t: usize, sequences: Range<usize>) {
        let (plan, hidden) = (&run.plan, run.plan.hidden);
        for n in sequences {
            let row = plan.row(t, n);
            // SAFETY: this sequence is this task's alone, and each buffer is referred to once.
            let (grads, dh) = unsafe { (run.grad_gates.row(row, plan.width()), run.grad_h.row(n, hidden)) };
            if !plan.is_inside(t, n) {
                grads.fill(T::ZERO);
                continue;
            }
            if let Some((grad_y, offset, [by_step, by_sequence])) = run.grad_y {
                let start = offset as isize + t as isize * by_step + n as isize * by_sequence;
                for (dh, &dy) in dh.iter_mut().zip(&grad_y[start as usize..][..hidden]) {
                    *dh += dy;
                }
            }
            let gates = &run.gates[row * run.stride..][..plan.width()];
            let one = T::ONE;
            match plan.cell {
                Cell::RnnTanh => {
                    for ((d, &a), &dh) in grads.iter_mut().zip(gates).zip(&*dh) {
                        *d = dh * (one - a * a);
                    }
                    dh.fill(T::ZERO);
                }
                Cell::RnnRelu => {
                    for ((d, &a), &dh) in grads.iter_mut().zip(gates).zip(&*dh) {
                        *d = if a > T::ZERO { dh } else { T::ZERO };
                    }
                    dh.fill(T::ZERO);
                }
                Cell::Lstm => {
                    // SAFETY: as above.
                    let dc = unsafe { run.grad_c.row(n, hidden) };
                    let before = &run.c_before[row * hidden..][..hidden];
                    let [i, f, g, o] = parts(gates, hidden);
                    let [di, df, dg, d_o] = parts_mut(grads, hidden);
                    for j in 0..hidden {
                        d_o[j] = (f[j] * before[j] + i[j] * g[j]).tanh::<S>();
                    }
                    for j in 0..hidden {
                        dc[j] += dh[j] * o[j] * (one - d_o[j] * d_o[j]);
                    }
                    for j in 0..hidden {
                        d_o[j] = dh[j] * d_o[j] * o[j] * (one - o[j]);
                    }
                    for j in 0..hidden {
                        di[j] = dc[j] * g[j] * i[j] * (one - i[j]);
                    }
                    for j in 0..hidden {
                        df[j] = dc[j] * before[j] * f[j] * (one - f[j]);
                    }
                    for j in 0..hidden {
                        dg[j] = dc[j] * i[j] * (one - g[j] * g[j]);
                    }
                    for j in 0..hidden {
                        dc[j] = dc[j] * f[j];
                    }
                    dh.fill(T::ZERO);
                }
                Cell::Gru => {
                    let before = &run.h_before[row * hidden..][..hidden];
                    let [r, z, n, q] = parts(gates, hidden);
                    let [dn, dr, dz, dq] = parts_mut(grads, hidden);
                    for j in 0..hidden {
                        dn[j] = dh[j] * (one - z[j]) * (one - n[j] * n[j]);
                    }
                    for j in 0..hidden {
                        dz[j] = dh[j] * (before[j] - n[j]) * z[j] * (one - z[j]);
                    }
                    for j in 0..hidden {
                        dr[j] = dn[j] * q[j] * r[j] * (one - r[j]);
                    }
                    for j in 0..hidden {
                        dq[j] = dn[j] * r[j];
                    }
                    for j in 0..hidden {
                        dh[j] = dh[j] * z[j];
                    }
                }
            }
        }
    }
}

/// [`parts`] to write.
#[inline(always)]
fn parts_mut<T>(row: &mut [T], len: usize) -> [&mut [T]; 4] {
    let (a, row) = row.split_at_mut(len);
    let (b, row) = row.split_at_mut(len);
    let (c, row) = row.split_at_mut(len);
    [a, b, c, &mut row[..len]]
}
