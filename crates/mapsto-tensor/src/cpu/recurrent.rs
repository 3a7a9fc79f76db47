//! Recurrent layers over whole sequences.
//!
//! The product of all steps' inputs is one matrix product. Then groups of sequences run on their own through all steps:
//! a product of their states with the weights, and one pass over the gates. Going back the same, after which each
//! gradient of a weight is one matrix product over all steps. Groups are fixed by the sizes, so that results do not
//! depend on the number of threads.

use crate::backend::{ElementwiseKernels, RecurrentArgs, RecurrentGrads, RecurrentOut, ReduceKernels, Reduction};
use crate::cpu::Cpu;
use crate::cpu::gemm::{Mat, MatMut, Options, gemm, gemm_with};
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::threads::{SendPtr, parallel_for};
use crate::error::{Error, Result};
use crate::ops::Cell;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use std::ops::Range;

/// Sequences that run through the steps together.
const GROUP: usize = 16;

/// Sizes and the order of rows in memory: row `t * step + n * batch` of a matrix belongs to step `t` of sequence `n`.
#[derive(Clone, Copy)]
struct Plan<'a> {
    cell: Cell,
    reverse: bool,
    steps: usize,
    sequences: usize,
    inputs: usize,
    hidden: usize,
    batch_first: bool,
    lengths: Option<&'a [i64]>,
}

impl Plan<'_> {
    fn rows(&self) -> usize {
        self.steps * self.sequences
    }

    fn row(&self, t: usize, n: usize) -> usize {
        if self.batch_first { n * self.steps + t } else { t * self.sequences + n }
    }

    /// From a sequence's row to the next one's.
    fn stride(&self) -> usize {
        if self.batch_first { self.steps } else { 1 }
    }

    /// Rows from those of one sequence to those of the last of `count`: of one step, none of them another group's.
    fn span(&self, count: usize) -> usize {
        (count - 1) * self.stride() + 1
    }

    /// Columns of the gates that are kept: a GRU keeps the state's part of its candidate beside the gates.
    fn width(&self) -> usize {
        self.hidden * if self.cell == Cell::Gru { 4 } else { self.cell.gates() }
    }

    /// Columns of both products.
    fn gates(&self) -> usize {
        self.hidden * self.cell.gates()
    }

    fn is_inside(&self, t: usize, n: usize) -> bool {
        self.lengths.is_none_or(|lengths| t < lengths[n] as usize)
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

    /// The shape of something of every step, in the order of memory.
    fn shape(&self, columns: usize) -> Result<Shape> {
        let (n, t) = (self.sequences, self.steps);
        Shape::new(&if self.batch_first { [n, t, columns] } else { [t, n, columns] })
    }

    /// A tensor in the order of memory as one in the order of the op, and back.
    fn reordered(&self, x: Tensor) -> Tensor {
        if self.batch_first { swapped(&x) } else { x }
    }

    /// The gradient or value of every step in the order of memory.
    fn in_order(&self, x: &Tensor) -> Result<Tensor> {
        Cpu.contiguous(&self.reordered(x.clone()))
    }
}

/// The first two axes exchanged.
fn swapped(x: &Tensor) -> Tensor {
    let mut layout = *x.layout();
    layout.shape.sizes_mut().swap(0, 1);
    layout.strides.swap(0, 1);
    x.view(layout)
}

/// A buffer whose rows belong to different tasks.
struct Rows<'a, T> {
    start: SendPtr<'a, T>,
    len: usize,
    width: usize,
}

impl<'a, T: Real> Rows<'a, T> {
    fn new(data: &'a mut [T], width: usize) -> Rows<'a, T> {
        Rows { len: data.len(), start: SendPtr::new(data), width }
    }

    /// Rows `first..first + count`.
    ///
    /// # Safety
    /// They are this task's alone, and no other reference to them lives.
    #[allow(clippy::mut_from_ref)] // that is its purpose
    #[inline(always)]
    unsafe fn rows(&self, first: usize, count: usize) -> &mut [T] {
        assert!((first + count) * self.width <= self.len);
        // SAFETY: inside by the assertion, exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.get().add(first * self.width), count * self.width) }
    }
}

/// `count` columns of a contiguous matrix from `first` on.
fn columns<T: Real>(data: &[T], rows: usize, width: usize, first: usize, count: usize) -> Mat<'_, T> {
    Mat::new(data, first, [rows, count], [width as isize, 1])
}

fn matrix<T: Real>(x: &Tensor) -> Mat<'_, T> {
    let layout = x.layout();
    Mat::new(
        x.storage::<T>(),
        layout.offset,
        [layout.shape[0], layout.shape[1]],
        [layout.strides[0], layout.strides[1]],
    )
}

/// The plan, and the input as a contiguous tensor in the order of memory, zero behind the sequences' ends.
fn prepare<'a, T: Real>(args: &RecurrentArgs, lengths: Option<&'a Tensor>) -> Result<(Plan<'a>, Tensor)> {
    let [steps, sequences, inputs] = [0, 1, 2].map(|axis| args.x.shape()[axis]);
    let batch_first = !args.x.is_contiguous() && swapped(args.x).is_contiguous();
    let lengths = lengths.and_then(|lengths| lengths.as_slice::<i64>());
    let hidden = args.weight_hh.shape()[1];
    let plan = Plan { cell: args.cell, reverse: args.reverse, steps, sequences, inputs, hidden, batch_first, lengths };
    if let Some((n, &length)) =
        lengths.unwrap_or_default().iter().enumerate().find(|&(_, &length)| !(0..=steps as i64).contains(&length))
    {
        return Err(Error::argument(format!("the length {length} of sequence {n} is not in 0..={steps}"))
            .mend("lengths count the steps of each sequence"));
    }
    let mut x = plan.in_order(args.x)?;
    if let Some(lengths) = lengths
        && lengths.iter().any(|&length| length < steps as i64)
    {
        x = Cpu.copy(&x)?;
        let data = x.make_mut::<T>()?;
        for n in 0..sequences {
            for t in lengths[n] as usize..steps {
                data[plan.row(t, n) * inputs..][..inputs].fill(T::ZERO);
            }
        }
    }
    Ok((plan, x))
}

/// What the tasks of the forward pass share.
struct Forward<'a, T> {
    plan: Plan<'a>,
    /// `[rows, width]`: products of the inputs at first, activated gates in the end.
    gates: Rows<'a, T>,
    /// `[N, H]`: the states.
    h: Rows<'a, T>,
    c: Rows<'a, T>,
    /// `[rows, H]`.
    y: Rows<'a, T>,
    /// `[rows, H]`: the states before each step, if kept.
    h_before: Rows<'a, T>,
    c_before: Rows<'a, T>,
    keep: bool,
    /// `[N, 3 * H]`: products of the states, of a GRU.
    product: Rows<'a, T>,
    /// `[H]`: the bias of a GRU's candidate beside the state.
    bias: Option<&'a [T]>,
}

pub(super) fn forward<T: Real>(args: &RecurrentArgs, keep: bool) -> Result<RecurrentOut> {
    let lengths = args.lengths.map(|lengths| Cpu.contiguous(lengths)).transpose()?;
    let (plan, x) = prepare::<T>(args, lengths.as_ref())?;
    let (hidden, is_lstm, is_gru) = (plan.hidden, plan.cell == Cell::Lstm, plan.cell == Cell::Gru);
    let biases = args.bias.map(|[b, c]| Ok([Cpu.contiguous(b)?, Cpu.contiguous(c)?])).transpose()?;
    let [bias_ih, bias_hh] = match &biases {
        Some(pair) => [0, 1].map(|i| pair[i].as_slice::<T>()),
        None => [None; 2],
    };
    // Beside the input: all of the state's bias but that of a GRU's candidate, which the reset gate multiplies.
    let mut bias = Writing::<T>::filled(Shape::new(&[plan.gates()])?, T::ZERO)?;
    if let (Some(ih), Some(hh)) = (bias_ih, bias_hh) {
        let apart = if is_gru { 2 * hidden } else { plan.gates() };
        bias.as_mut().copy_from_slice(ih);
        bias.as_mut().iter_mut().zip(&hh[..apart]).for_each(|(b, &c)| *b = *b + c);
    }
    let mut gates = Writing::<T>::new(plan.shape(plan.width())?)?;
    let dims = [plan.rows(), plan.gates()];
    gemm_with(
        MatMut::new(gates.as_mut(), 0, dims, [plan.width() as isize, 1]),
        Mat::row_major(x.as_slice().unwrap_or_default(), plan.rows(), plan.inputs).into(),
        matrix::<T>(args.weight_ih).t().into(),
        Options { col_bias: Some(bias.as_mut()), ..Options::default() },
    );

    let state = |of: Option<&Tensor>| -> Result<Writing<T>> {
        let Some(of) = of else { return Writing::new(Shape::new(&[0, hidden])?) };
        let mut state = Writing::new(*of.shape())?;
        state.as_mut().copy_from_slice(Cpu.contiguous(of)?.as_slice().unwrap_or_default());
        Ok(state)
    };
    let (mut h, mut c) = (state(Some(args.h0))?, state(args.c0)?);
    let none = Shape::new(&[0])?;
    let every_step = |wanted: bool| Writing::<T>::new(if wanted { plan.shape(hidden)? } else { none });
    let (mut y, mut h_before, mut c_before) = (every_step(true)?, every_step(keep)?, every_step(keep && is_lstm)?);
    let mut product = Writing::<T>::new(if is_gru { Shape::new(&[plan.sequences, 3 * hidden])? } else { none })?;
    // Contiguous rows of the transposed weights are read in place, step after step.
    let weight = Cpu.contiguous(&swapped(args.weight_hh))?;
    let weight = Mat::row_major(weight.as_slice::<T>().unwrap_or_default(), hidden, plan.gates());
    let run = Forward {
        plan,
        gates: Rows::new(gates.as_mut(), plan.width()),
        h: Rows::new(h.as_mut(), hidden),
        c: Rows::new(c.as_mut(), hidden),
        y: Rows::new(y.as_mut(), hidden),
        h_before: Rows::new(h_before.as_mut(), hidden),
        c_before: Rows::new(c_before.as_mut(), hidden),
        keep,
        product: Rows::new(product.as_mut(), 3 * hidden),
        bias: bias_hh.map(|hh| &hh[if is_gru { 2 * hidden } else { 0 }..]),
    };
    parallel_for(plan.sequences.div_ceil(GROUP), |group| {
        let (range, steps) = plan.group(group);
        let (first, count) = (range.start, range.len());
        for step in 0..steps {
            let t = if plan.reverse { steps - 1 - step } else { step };
            // SAFETY: these sequences are this task's alone, and the references end before the pass over the gates.
            let (state, target) = unsafe {
                let (rows, stride) = if is_gru {
                    (run.product.rows(first, count), 1)
                } else {
                    (run.gates.rows(plan.row(t, first), plan.span(count)), plan.stride())
                };
                let strides = [(stride * plan.gates()) as isize, 1];
                (run.h.rows(first, count), MatMut::new(rows, 0, [count, plan.gates()], strides))
            };
            gemm(target, Mat::row_major(state, count, hidden), weight, !is_gru);
            gate_pass(&run, t, range.clone());
        }
        for t in steps..plan.steps {
            leave(&run, t, range.clone());
        }
    });
    let saved = if keep {
        [Some(gates), Some(h_before), is_lstm.then_some(c_before)].into_iter().flatten().map(Writing::finish).collect()
    } else {
        Vec::new()
    };
    let c_n = is_lstm.then(|| c.finish());
    Ok(RecurrentOut { y: plan.reordered(y.finish()), h_n: h.finish(), c_n, saved })
}

/// A step behind the ends of these sequences.
fn leave<T: Real>(run: &Forward<T>, t: usize, sequences: Range<usize>) {
    for n in sequences {
        let row = run.plan.row(t, n);
        // SAFETY: this sequence is this task's alone.
        unsafe {
            run.y.rows(row, 1).fill(T::ZERO);
            if run.keep {
                run.h_before.rows(row, 1).fill(T::ZERO);
            }
        }
    }
}

simd! {
    /// One step of some sequences, from the sums in the gates to the new states.
    fn gate_pass<S, T: Real>(simd: S, run: &Forward<T>, t: usize, sequences: Range<usize>) {
        let (plan, hidden) = (&run.plan, run.plan.hidden);
        for n in sequences {
            if !plan.is_inside(t, n) {
                leave(run, t, n..n + 1);
                continue;
            }
            let row = plan.row(t, n);
            // SAFETY: this sequence is this task's alone, and each buffer is referred to once.
            let (gates, h, y) = unsafe { (run.gates.rows(row, 1), run.h.rows(n, 1), run.y.rows(row, 1)) };
            if run.keep {
                // SAFETY: as above.
                unsafe { run.h_before.rows(row, 1) }.copy_from_slice(h);
            }
            match plan.cell {
                Cell::RnnTanh => gates.iter_mut().for_each(|x| *x = x.tanh::<S>()),
                Cell::RnnRelu => gates.iter_mut().for_each(|x| *x = if *x < T::ZERO { T::ZERO } else { *x }),
                Cell::Lstm => {
                    // SAFETY: as above.
                    let c = unsafe { run.c.rows(n, 1) };
                    if run.keep {
                        // SAFETY: as above.
                        unsafe { run.c_before.rows(row, 1) }.copy_from_slice(c);
                    }
                    gates[..2 * hidden].iter_mut().for_each(|x| *x = x.sigmoid::<S>());
                    gates[2 * hidden..3 * hidden].iter_mut().for_each(|x| *x = x.tanh::<S>());
                    gates[3 * hidden..].iter_mut().for_each(|x| *x = x.sigmoid::<S>());
                    let [i, f, g, o] = parts(gates, hidden);
                    for j in 0..hidden {
                        c[j] = f[j] * c[j] + i[j] * g[j];
                    }
                    for ((y, &c), &o) in y.iter_mut().zip(&*c).zip(o) {
                        *y = o * c.tanh::<S>();
                    }
                }
                Cell::Gru => {
                    // SAFETY: as above.
                    let product = unsafe { run.product.rows(n, 1) };
                    let (turns, rest) = gates.split_at_mut(2 * hidden);
                    let (candidate, of_state) = rest.split_at_mut(hidden);
                    for (x, &p) in turns.iter_mut().zip(&*product) {
                        *x = (*x + p).sigmoid::<S>();
                    }
                    of_state.copy_from_slice(&product[2 * hidden..]);
                    if let Some(bias) = run.bias {
                        of_state.iter_mut().zip(bias).for_each(|(q, &b)| *q = *q + b);
                    }
                    for ((n, &r), &q) in candidate.iter_mut().zip(&turns[..hidden]).zip(&*of_state) {
                        *n = (*n + r * q).tanh::<S>();
                    }
                    for (((y, &h), &z), &n) in y.iter_mut().zip(&*h).zip(&turns[hidden..]).zip(&*candidate) {
                        *y = n + z * (h - n);
                    }
                }
            }
            if matches!(plan.cell, Cell::RnnTanh | Cell::RnnRelu) {
                y.copy_from_slice(gates);
            }
            h.copy_from_slice(y);
        }
    }
}

/// Four parts of equal length.
#[inline(always)]
fn parts<T>(row: &[T], len: usize) -> [&[T]; 4] {
    [0, 1, 2, 3].map(|i| &row[i * len..][..len])
}

/// What the tasks of the backward pass share.
struct Backward<'a, T> {
    plan: Plan<'a>,
    /// `[rows, width]`, as the forward pass left them.
    gates: &'a [T],
    /// `[rows, H]`.
    h_before: &'a [T],
    c_before: &'a [T],
    /// `[rows, H]`.
    grad_y: Option<&'a [T]>,
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
    let (hidden, width, is_gru, is_lstm) = (plan.hidden, plan.width(), plan.cell == Cell::Gru, plan.cell == Cell::Lstm);
    let grad_y = grad_y.map(|grad| plan.in_order(grad)).transpose()?;
    let state = |of: Option<&Tensor>, wanted: bool| -> Result<Writing<T>> {
        let mut state = Writing::filled(Shape::new(&[if wanted { plan.sequences } else { 0 }, hidden])?, T::ZERO)?;
        if let Some(of) = of {
            state.as_mut().copy_from_slice(Cpu.contiguous(of)?.as_slice().unwrap_or_default());
        }
        Ok(state)
    };
    let (mut grad_h, mut grad_c) = (state(grad_h, true)?, state(grad_c, is_lstm)?);
    let mut grad_gates = Writing::<T>::new(plan.shape(width)?)?;
    let read = |i: usize| saved.get(i).and_then(|t| t.as_slice::<T>()).unwrap_or_default();
    let weight = Cpu.contiguous(args.weight_hh)?;
    let weight = Mat::row_major(weight.as_slice::<T>().unwrap_or_default(), plan.gates(), hidden);
    // The columns beside the state, and beside the input.
    let beside_state = if is_gru { hidden } else { 0 };
    let run = Backward {
        plan,
        gates: read(0),
        h_before: read(1),
        c_before: read(2),
        grad_y: grad_y.as_ref().and_then(|grad| grad.as_slice()),
        grad_gates: Rows::new(grad_gates.as_mut(), width),
        grad_h: Rows::new(grad_h.as_mut(), hidden),
        grad_c: Rows::new(grad_c.as_mut(), hidden),
    };
    parallel_for(plan.sequences.div_ceil(GROUP), |group| {
        let (range, steps) = plan.group(group);
        let (first, count) = (range.start, range.len());
        for t in steps..plan.steps {
            for n in range.clone() {
                // SAFETY: this sequence is this task's alone.
                unsafe { run.grad_gates.rows(plan.row(t, n), 1) }.fill(T::ZERO);
            }
        }
        for step in (0..steps).rev() {
            let t = if plan.reverse { steps - 1 - step } else { step };
            gate_gradients(&run, t, range.clone());
            // SAFETY: these sequences are this task's alone, and the pass over the gates is over.
            let (grads, state) = unsafe {
                let grads = run.grad_gates.rows(plan.row(t, first), plan.span(count));
                (grads, run.grad_h.rows(first, count))
            };
            let strides = [(plan.stride() * width) as isize, 1];
            let grads = Mat::new(grads, beside_state, [count, plan.gates()], strides);
            gemm(MatMut::row_major(state, count, hidden), grads, weight, true);
        }
    });

    let (rows, gates) = (plan.rows(), plan.gates());
    let grads = grad_gates.as_mut();
    let inputs = Mat::row_major(x.as_slice::<T>().unwrap_or_default(), rows, plan.inputs);
    let states = Mat::row_major(read(1), rows, hidden);
    // Beside the input, a GRU's gates are in two pieces: where they begin, their columns, their rows of the weights.
    let pieces: &[[usize; 3]] =
        if is_gru { &[[hidden, 2 * hidden, 0], [0, hidden, 2 * hidden]] } else { &[[0, gates, 0]] };
    let mut weight_ih = Writing::<T>::new(*args.weight_ih.shape())?;
    let mut weight_hh = Writing::<T>::new(*args.weight_hh.shape())?;
    for &[begin, count, row] in pieces {
        let target = &mut weight_ih.as_mut()[row * plan.inputs..][..count * plan.inputs];
        gemm(
            MatMut::row_major(target, count, plan.inputs),
            columns(grads, rows, width, begin, count).t(),
            inputs,
            false,
        );
    }
    let of_state = columns(grads, rows, width, beside_state, gates).t();
    gemm(MatMut::row_major(weight_hh.as_mut(), gates, hidden), of_state, states, false);
    let grad_x = if needs_x {
        let mut grad_x = Writing::<T>::new(plan.shape(plan.inputs)?)?;
        let weight = Cpu.contiguous(args.weight_ih)?;
        let weight = weight.as_slice::<T>().unwrap_or_default();
        for (i, &[begin, count, row]) in pieces.iter().enumerate() {
            let part = Mat::row_major(&weight[row * plan.inputs..], count, plan.inputs);
            let target = MatMut::row_major(grad_x.as_mut(), rows, plan.inputs);
            gemm(target, columns(grads, rows, width, begin, count), part, i > 0);
        }
        Some(plan.reordered(grad_x.finish()))
    } else {
        None
    };
    let bias = args.bias.map(|_| bias_gradients::<T>(&plan, grad_gates.finish())).transpose()?;
    let c0 = is_lstm.then(|| grad_c.finish());
    Ok(RecurrentGrads {
        x: grad_x,
        weight_ih: weight_ih.finish(),
        weight_hh: weight_hh.finish(),
        bias,
        h0: grad_h.finish(),
        c0,
    })
}

/// Gradients of both biases: sums over all rows.
fn bias_gradients<T: Real>(plan: &Plan, grad_gates: Tensor) -> Result<[Tensor; 2]> {
    let sum = Cpu.reduce(Reduction::Sum, &grad_gates, &[0, 1], Shape::new(&[plan.width()])?)?;
    if plan.cell != Cell::Gru {
        return Ok([sum.clone(), sum]);
    }
    let [candidate, reset, update, of_state] = parts(sum.as_slice::<T>().unwrap_or_default(), plan.hidden);
    let joined = |last: &[T]| -> Result<Tensor> {
        let mut out = Writing::new(Shape::new(&[plan.gates()])?)?;
        for (out, from) in out.as_mut().chunks_exact_mut(plan.hidden.max(1)).zip([reset, update, last]) {
            out.copy_from_slice(from);
        }
        Ok(out.finish())
    };
    Ok([joined(candidate)?, joined(of_state)?])
}

simd! {
    /// One step of some sequences, from the gradients of the states to those of the sums in the gates. What is left in
    /// the gradients of the states belongs to the states before, but for what the weights carry.
    fn gate_gradients<S, T: Real>(simd: S, run: &Backward<T>, t: usize, sequences: Range<usize>) {
        let (plan, hidden) = (&run.plan, run.plan.hidden);
        for n in sequences {
            let row = plan.row(t, n);
            // SAFETY: this sequence is this task's alone, and each buffer is referred to once.
            let (grads, dh) = unsafe { (run.grad_gates.rows(row, 1), run.grad_h.rows(n, 1)) };
            if !plan.is_inside(t, n) {
                grads.fill(T::ZERO);
                continue;
            }
            if let Some(grad_y) = run.grad_y {
                dh.iter_mut().zip(&grad_y[row * hidden..][..hidden]).for_each(|(dh, &dy)| *dh = *dh + dy);
            }
            let gates = &run.gates[row * plan.width()..][..plan.width()];
            let one = T::ONE;
            match plan.cell {
                Cell::RnnTanh => {
                    grads.iter_mut().zip(gates).zip(&*dh).for_each(|((d, &a), &dh)| *d = dh * (one - a * a));
                    dh.fill(T::ZERO);
                }
                Cell::RnnRelu => {
                    let slope = |a: T| if a > T::ZERO { one } else { T::ZERO };
                    grads.iter_mut().zip(gates).zip(&*dh).for_each(|((d, &a), &dh)| *d = dh * slope(a));
                    dh.fill(T::ZERO);
                }
                Cell::Lstm => {
                    // SAFETY: as above.
                    let dc = unsafe { run.grad_c.rows(n, 1) };
                    let before = &run.c_before[row * hidden..][..hidden];
                    let [i, f, g, o] = parts(gates, hidden);
                    let (di, rest) = grads.split_at_mut(hidden);
                    let (df, rest) = rest.split_at_mut(hidden);
                    let (dg, d_o) = rest.split_at_mut(hidden);
                    for j in 0..hidden {
                        d_o[j] = (f[j] * before[j] + i[j] * g[j]).tanh::<S>();
                    }
                    for j in 0..hidden {
                        dc[j] = dc[j] + dh[j] * o[j] * (one - d_o[j] * d_o[j]);
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
                    dc.iter_mut().zip(f).for_each(|(dc, &f)| *dc = *dc * f);
                    dh.fill(T::ZERO);
                }
                Cell::Gru => {
                    let before = &run.h_before[row * hidden..][..hidden];
                    let [r, z, n, q] = parts(gates, hidden);
                    let (dn, rest) = grads.split_at_mut(hidden);
                    let (dr, rest) = rest.split_at_mut(hidden);
                    let (dz, dq) = rest.split_at_mut(hidden);
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
                    dh.iter_mut().zip(z).for_each(|(dh, &z)| *dh = *dh * z);
                }
            }
        }
    }
}
