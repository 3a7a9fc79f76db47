//! Connectionist temporal classification: sums over all alignments, forwards and backwards in logarithms.

use crate::backend::{CtcArgs, ElementwiseKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::strided::Parts;
use crate::cpu::threads::try_parallel_for;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};

/// The sequences' log-probabilities and labels, checked.
struct Plan<'a, T> {
    steps: usize,
    sequences: usize,
    classes: usize,
    log_probs: &'a [T],
    input_lengths: &'a [i64],
    target_lengths: &'a [i64],
    targets: &'a [i64],
    /// From a sequence's labels to the next one's; none where they follow one another.
    stride: Option<usize>,
    blank: usize,
    zero_infinity: bool,
}

/// The tensors of [`CtcArgs`], row-major.
struct Contiguous([Tensor; 4]);

impl Contiguous {
    fn new(args: &CtcArgs) -> Result<Contiguous> {
        let [a, b, c, d] =
            [args.log_probs, args.targets, args.input_lengths, args.target_lengths].map(|t| Cpu.contiguous(t));
        Ok(Contiguous([a?, b?, c?, d?]))
    }

    fn plan<T: Real>(&self, args: &CtcArgs) -> Result<Plan<'_, T>> {
        let integers = |i: usize| self.0[i].as_slice::<i64>().unwrap_or_default();
        let shape = args.log_probs.shape();
        let plan = Plan {
            steps: shape[0],
            sequences: shape[1],
            classes: shape[2],
            log_probs: self.0[0].as_slice().unwrap_or_default(),
            targets: integers(1),
            input_lengths: integers(2),
            target_lengths: integers(3),
            stride: (args.targets.rank() == 2).then(|| args.targets.shape()[1]),
            blank: args.blank,
            zero_infinity: args.zero_infinity,
        };
        plan.check()?;
        Ok(plan)
    }
}

impl<T: Real> Plan<'_, T> {
    fn check(&self) -> Result<()> {
        let mut used = 0usize;
        for n in 0..self.sequences {
            let (inputs, targets) = (self.input_lengths[n], self.target_lengths[n]);
            if !(0..=self.steps as i64).contains(&inputs) {
                return Err(Error::argument(format!(
                    "input length {inputs} of sequence {n} is not in 0..={}",
                    self.steps
                )));
            }
            let room = self.stride.unwrap_or(self.targets.len() - used);
            if !(0..=room as i64).contains(&targets) {
                return Err(Error::argument(format!("target length {targets} of sequence {n} is not in 0..={room}"))
                    .mend("target lengths count the labels of each sequence"));
            }
            let first = self.stride.map_or(used, |stride| n * stride);
            used += targets as usize;
            let wrong = |label: i64| !(0..self.classes as i64).contains(&label) || label == self.blank as i64;
            if let Some(label) = self.targets[first..][..targets as usize].iter().find(|&&label| wrong(label)) {
                let (classes, blank) = (self.classes, self.blank);
                let message = format!("label {label} of sequence {n} is not in 0..{classes} without the blank {blank}");
                return Err(Error::index(message));
            }
        }
        Ok(())
    }

    /// The labels of sequence `n`.
    fn labels(&self, n: usize) -> &[i64] {
        let before = || self.target_lengths[..n].iter().sum::<i64>() as usize;
        let first = self.stride.map_or_else(before, |stride| n * stride);
        &self.targets[first..][..self.target_lengths[n] as usize]
    }

    /// Which class state `s` emits: blanks and labels by turns.
    fn class(&self, labels: &[i64], s: usize) -> usize {
        if s.is_multiple_of(2) { self.blank } else { labels[s / 2] as usize }
    }

    /// Where the log-probabilities of one step of one sequence begin.
    fn row(&self, t: usize, n: usize) -> usize {
        (t * self.sequences + n) * self.classes
    }
}

/// The sums of one sequence. A row holds each state's logarithm between two of nothing at each end.
struct Lattice<T> {
    width: usize,
    /// `[steps, width + 4]`, or two rows.
    alpha: Writing<T>,
    /// What is added where state `s` is reached from `s - 2`: nothing, or -inf where that is not allowed.
    skips: Writing<T>,
    emitted: Writing<T>,
}

impl<T: Real> Lattice<T> {
    fn new(labels: &[i64], rows: usize) -> Result<Lattice<T>> {
        let width = 2 * labels.len() + 1;
        let line = Shape::new(&[width + 4])?;
        let mut skips = Writing::filled(line, -T::INFINITY)?;
        for s in (3..width).step_by(2) {
            if labels[s / 2] != labels[s / 2 - 1] {
                skips.as_mut()[s] = T::ZERO;
            }
        }
        let alpha = Writing::filled(Shape::new(&[rows, width + 4])?, -T::INFINITY)?;
        let emitted = Writing::new(line)?;
        Ok(Lattice { width, alpha, skips, emitted })
    }

    /// What each state emits at a step.
    fn emit(&mut self, plan: &Plan<T>, labels: &[i64], t: usize, n: usize) {
        let row = &plan.log_probs[plan.row(t, n)..][..plan.classes];
        for (s, out) in self.emitted.as_mut()[..self.width].iter_mut().enumerate() {
            *out = row[plan.class(labels, s)];
        }
    }

    /// The sums over all beginnings of alignments up to each step, in row `t % rows`; the loss.
    fn run(&mut self, plan: &Plan<T>, labels: &[i64], n: usize, rows: usize) -> T {
        let (width, line) = (self.width, self.width + 4);
        let steps = plan.input_lengths[n] as usize;
        if steps == 0 {
            return if labels.is_empty() { T::ZERO } else { T::INFINITY };
        }
        for t in 0..steps {
            self.emit(plan, labels, t, n);
            let alpha = self.alpha.as_mut();
            let at = t % rows * line;
            if t == 0 {
                alpha[2..2 + width.min(2)].copy_from_slice(&self.emitted.as_mut()[..width.min(2)]);
                continue;
            }
            let from = (t - 1) % rows * line;
            let (before, row) = if from < at {
                let (before, row) = alpha.split_at_mut(at);
                (&before[from..from + line], &mut row[..line])
            } else {
                let (row, before) = alpha.split_at_mut(from);
                (&before[..line], &mut row[at..at + line])
            };
            let out = &mut row[2..2 + width];
            join(&before[2..], &before[1..], before, self.skips.as_mut(), out);
            out.iter_mut().zip(self.emitted.as_mut().iter()).for_each(|(x, &e)| *x += e);
        }
        let last = &self.alpha.as_mut()[(steps - 1) % rows * line..][..line];
        let mut total = [T::ZERO];
        // The last blank, or the last label before it.
        join(&last[width + 1..], &last[width..], &[-T::INFINITY], &[T::ZERO], &mut total);
        -total[0]
    }
}

simd! {
    /// The logarithm of the sum of the exponentials of `a`, `b` and `c + skip`.
    fn join<S, T: Real>(simd: S, a: &[T], b: &[T], c: &[T], skip: &[T], out: &mut [T]) {
        let n = out.len();
        let (a, b, c, skip) = (&a[..n], &b[..n], &c[..n], &skip[..n]);
        for i in 0..n {
            let (a, b, c) = (a[i], b[i], c[i] + skip[i]);
            let max = if a > b { a } else { b };
            let max = if c > max { c } else { max };
            let base = if max == -T::INFINITY { T::ZERO } else { max };
            out[i] = base + ((a - base).exp::<S>() + (b - base).exp::<S>() + (c - base).exp::<S>()).ln::<S>();
        }
    }
}

pub(super) fn forward<T: Real>(args: &CtcArgs) -> Result<Tensor> {
    let held = Contiguous::new(args)?;
    let plan = held.plan::<T>(args)?;
    let mut out = Writing::<T>::new(Shape::new(&[plan.sequences])?)?;
    let losses = Parts::new(out.as_mut());
    try_parallel_for(plan.sequences, |n| {
        let labels = plan.labels(n);
        let loss = Lattice::<T>::new(labels, 2)?.run(&plan, labels, n, 2);
        // SAFETY: a sequence is one task's alone.
        let out = unsafe { losses.part(n, 1) };
        out[0] = if plan.zero_infinity && loss == T::INFINITY { T::ZERO } else { loss };
        Ok(())
    })?;
    Ok(out.finish())
}

pub(super) fn backward<T: Real>(args: &CtcArgs, grad: &Tensor) -> Result<Tensor> {
    let held = Contiguous::new(args)?;
    let plan = held.plan::<T>(args)?;
    let grad = Cpu.contiguous(grad)?;
    let grad = grad.as_slice::<T>().unwrap_or_default();
    let mut out = Writing::<T>::filled(*args.log_probs.shape(), T::ZERO)?;
    let out_rows = Parts::new(out.as_mut());
    try_parallel_for(plan.sequences, |n| {
        let labels = plan.labels(n);
        let steps = plan.input_lengths[n] as usize;
        let mut lattice = Lattice::new(labels, steps.max(1))?;
        let loss = lattice.run(&plan, labels, n, steps.max(1));
        if plan.zero_infinity && loss == T::INFINITY {
            return Ok(());
        }
        let (width, line) = (lattice.width, lattice.width + 4);
        // Sums over all ends of alignments: after each state's own emission, and with it.
        let mut after = Writing::filled(Shape::new(&[line])?, -T::INFINITY)?;
        let mut with = Writing::filled(Shape::new(&[line])?, -T::INFINITY)?;
        for t in (0..steps).rev() {
            // SAFETY: a sequence is one task's alone.
            let row = unsafe { out_rows.part(plan.row(t, n), plan.classes) };
            if loss == T::INFINITY {
                // Of an infinite loss there is no gradient.
                row.fill(T::from_f64(f64::NAN));
                continue;
            }
            if t + 1 == steps {
                after.as_mut()[width.saturating_sub(2)..width].fill(T::ZERO);
            } else {
                let with = with.as_mut();
                join(with, &with[1..], &with[2..], &lattice.skips.as_mut()[2..], &mut after.as_mut()[..width]);
            }
            lattice.emit(&plan, labels, t, n);
            for ((with, &after), &e) in
                with.as_mut()[..width].iter_mut().zip(after.as_mut().iter()).zip(lattice.emitted.as_mut().iter())
            {
                *with = after + e;
            }
            let alpha = &lattice.alpha.as_mut()[t * line + 2..][..width];
            let share = &mut lattice.emitted.as_mut()[..width];
            shares(alpha, after.as_mut(), loss, share);
            for (s, &share) in share.iter().enumerate() {
                let x = &mut row[plan.class(labels, s)];
                *x = *x - grad[n] * share;
            }
        }
        Ok(())
    })?;
    Ok(out.finish())
}

simd! {
    /// The probability that an alignment of the target is in each state.
    fn shares<S, T: Real>(simd: S, alpha: &[T], after: &[T], loss: T, out: &mut [T]) {
        for ((out, &alpha), &after) in out.iter_mut().zip(alpha).zip(after) {
            *out = (alpha + after + loss).exp::<S>();
        }
    }
}
