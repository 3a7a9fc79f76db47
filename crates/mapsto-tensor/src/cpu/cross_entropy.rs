//! Cross entropy of logits with classes as targets.

use crate::backend::{CrossEntropyKernels, CrossEntropyTask, ElementwiseKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::real::{Real, c};
use crate::cpu::softmax::{Runs, Strip, WIDTH};
use crate::cpu::strided::Parts;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::class_axis;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};

impl CrossEntropyKernels for Cpu {
    fn cross_entropy(&self, task: &CrossEntropyTask<'_>) -> Result<[Tensor; 2]> {
        match task.logits.dtype() {
            DType::F32 => Prepared::<f32>::new(self, task)?.losses(),
            _ => Prepared::<f64>::new(self, task)?.losses(),
        }
    }

    fn cross_entropy_gradient(&self, task: &CrossEntropyTask<'_>, g: &Tensor) -> Result<Tensor> {
        let g = self.contiguous(g)?;
        match task.logits.dtype() {
            DType::F32 => Prepared::<f32>::new(self, task)?.gradient(&g),
            _ => Prepared::<f64>::new(self, task)?.gradient(&g),
        }
    }
}

/// A task with row-major tensors of `T`.
struct Prepared<T> {
    logits: Tensor,
    targets: Tensor,
    weight: Option<Tensor>,
    lse: Option<Tensor>,
    ignore: i64,
    runs: Runs,
    /// What the target keeps of one.
    kept: T,
    /// What every class gets.
    spread: T,
    /// The sum of all classes' weights.
    total: T,
}

impl<T: Real> Prepared<T> {
    fn new(cpu: &Cpu, task: &CrossEntropyTask<'_>) -> Result<Prepared<T>> {
        let runs = Runs::new(task.logits.shape(), class_axis(task.logits.shape()));
        let row_major = |t: &Tensor| cpu.contiguous(t);
        let targets = row_major(task.targets)?;
        let is_class = |&target: &i64| target == task.ignore || (0..runs.run as i64).contains(&target);
        let values = targets.as_slice::<i64>().unwrap_or_default();
        if let Some(place) = values.iter().position(|target| !is_class(target)) {
            return Err(not_a_class(values[place], place, targets.shape(), runs.run));
        }
        let weight = task.weight.map(row_major).transpose()?;
        let weights = weight.as_ref().and_then(Tensor::as_slice::<T>);
        let total = weights.map_or(runs.run as f64, |w| w.iter().map(|w| w.to_f64()).sum());
        Ok(Prepared {
            logits: row_major(task.logits)?,
            lse: task.lse.map(row_major).transpose()?,
            ignore: task.ignore,
            kept: c(1.0 - task.smoothing),
            spread: c(task.smoothing / runs.run as f64),
            total: c(total),
            runs,
            targets,
            weight,
        })
    }

    /// The weight of a target's class, zero where ignored.
    #[inline(always)]
    fn weight_of(&self, weights: Option<&[T]>, target: i64) -> T {
        match weights {
            _ if target == self.ignore => c(0.0),
            Some(weights) => weights[target as usize],
            None => c(1.0),
        }
    }

    /// Calls `f` for strips of columns; where classes lie side by side each is one column wide.
    fn columns(&self, f: impl Fn(Strip) + Sync) {
        let runs = self.runs;
        if runs.inner != 1 {
            return runs.strips(f);
        }
        runs.rows(|first, count| {
            (first..first + count).for_each(|column| f(Strip { column, start: column * runs.run, width: 1 }));
        });
    }

    fn losses(&self) -> Result<[Tensor; 2]> {
        let shape = *self.targets.shape();
        let (mut losses, mut weights) = (Writing::<T>::new(shape)?, Writing::<T>::new(shape)?);
        let (loss_parts, weight_parts) = (Parts::new(losses.as_mut()), Parts::new(weights.as_mut()));
        let logits = self.logits.as_slice::<T>().unwrap_or_default();
        let targets = self.targets.as_slice::<i64>().unwrap_or_default();
        let lse = self.lse.as_ref().and_then(Tensor::as_slice::<T>);
        let class_weights = self.weight.as_ref().and_then(Tensor::as_slice::<T>);
        self.columns(|strip| {
            for i in 0..strip.width {
                let column = strip.column + i;
                let target = targets[column];
                let weight = self.weight_of(class_weights, target);
                let mut loss = c(0.0);
                if target != self.ignore {
                    let lse = lse.map_or(c(0.0), |lse| lse[column]);
                    let logit = |class: usize| logits[strip.start + i + class * self.runs.inner];
                    loss = self.kept * weight * (lse - logit(target as usize));
                    if self.spread > c(0.0) {
                        let weight = |class: usize| class_weights.map_or(c(1.0), |w| w[class]);
                        let each = (0..self.runs.run).map(|class| (weight(class) * (lse - logit(class))).to_f64());
                        loss += self.spread * c(each.sum::<f64>());
                    }
                }
                // SAFETY: tasks have disjoint columns.
                unsafe {
                    loss_parts.part(column, 1)[0] = loss;
                    weight_parts.part(column, 1)[0] = weight;
                }
            }
        });
        Ok([losses.finish(), weights.finish()])
    }

    /// With `p` the softmax, `w` the weights, `k` the target's share and `s` that of every class: the gradient is
    /// `g (k w_t + s sum w) p - g s w`, and `g k w_t` less at the target.
    fn gradient(&self, g: &Tensor) -> Result<Tensor> {
        let mut out = Writing::<T>::new(*self.logits.shape())?;
        let parts = Parts::new(out.as_mut());
        let logits = self.logits.as_slice::<T>().unwrap_or_default();
        let targets = self.targets.as_slice::<i64>().unwrap_or_default();
        let lse = self.lse.as_ref().and_then(Tensor::as_slice::<T>);
        let weights = self.weight.as_ref().and_then(Tensor::as_slice::<T>);
        let g = g.as_slice::<T>().unwrap_or_default();
        let runs = self.runs;
        self.columns(|strip| {
            let (mut at_target, mut all, mut each) = ([c::<T>(0.0); WIDTH], [c::<T>(0.0); WIDTH], [c::<T>(0.0); WIDTH]);
            let range = strip.column..strip.column + strip.width;
            for (i, column) in range.clone().enumerate() {
                let counts = targets[column] != self.ignore;
                at_target[i] = g[column] * self.kept * self.weight_of(weights, targets[column]);
                each[i] = if counts { g[column] * self.spread } else { c(0.0) };
                all[i] = at_target[i] + each[i] * self.total;
            }
            let shared = Shared { weights, lse: lse.map(|lse| &lse[range.clone()]), all: &all, each: &each };
            if runs.inner == 1 {
                // SAFETY: tasks have disjoint rows.
                let out = unsafe { parts.part(strip.start, runs.run) };
                gradient_row::<T>(shared, &logits[strip.start..][..runs.run], out);
            } else {
                gradient_strip::<T>(shared, runs, strip, logits, &parts);
            }
            for (i, column) in range.enumerate() {
                if targets[column] != self.ignore {
                    let place = strip.start + i + targets[column] as usize * runs.inner;
                    // SAFETY: tasks have disjoint columns.
                    let out = unsafe { parts.part(place, 1) };
                    out[0] = out[0] - at_target[i];
                }
            }
        });
        Ok(out.finish())
    }
}

/// What the gradient of a strip needs beside the logits: factors for each of its columns.
#[derive(Clone, Copy)]
struct Shared<'a, T> {
    weights: Option<&'a [T]>,
    lse: Option<&'a [T]>,
    /// Of the softmax.
    all: &'a [T; WIDTH],
    /// Of the weights.
    each: &'a [T; WIDTH],
}

simd! {
    fn gradient_row<S, T: Real>(simd: S, shared: Shared<'_, T>, logits: &[T], out: &mut [T]) {
        let (all, each) = (shared.all[0], shared.each[0]);
        match shared.lse {
            None => out.fill(c(0.0)),
            // Ignored, or no gradient: also where the softmax is NaN.
            Some(_) if all == c(0.0) && each == c(0.0) => out.fill(c(0.0)),
            Some(lse) => {
                let lse = lse[0];
                out.iter_mut().zip(logits).for_each(|(out, &x)| *out = all * (x - lse).exp::<S>());
            }
        }
        match shared.weights {
            _ if each == c(0.0) => {}
            None => out.iter_mut().for_each(|out| *out = *out - each),
            Some(weights) => out.iter_mut().zip(weights).for_each(|(out, &w)| *out = *out - each * w),
        }
    }
}

simd! {
    fn gradient_strip<S, T: Real>(
        simd: S, shared: Shared<'_, T>, runs: Runs, strip: Strip, logits: &[T], parts: &Parts<'_, T>
    ) {
        for class in 0..runs.run {
            let weight = shared.weights.map_or(c(1.0), |w| w[class]);
            let start = strip.start + class * runs.inner;
            // SAFETY: tasks have disjoint columns.
            let out = unsafe { parts.part(start, strip.width) };
            let factors = shared.all.iter().zip(shared.each);
            match shared.lse {
                None => out.iter_mut().zip(shared.each).for_each(|(out, &each)| *out = -(each * weight)),
                Some(lse) => {
                    let of = out.iter_mut().zip(&logits[start..][..strip.width]).zip(lse).zip(factors);
                    of.for_each(|(((out, &x), &lse), (&all, &each))| {
                        let p = (x - lse).exp::<S>();
                        let share = all * p - each * weight;
                        *out = if all == c(0.0) { -(each * weight) } else { share };
                    });
                }
            }
        }
    }
}

/// The error for a target that is no class.
fn not_a_class(target: i64, place: usize, shape: &Shape, classes: usize) -> Error {
    let index = shape.unravel(place);
    let classes = match classes {
        0 => "there are no classes".to_string(),
        n => format!("the {n} classes are 0..={}", n - 1),
    };
    Error::index(format!("the target at {index:?} is {target}: {classes}"))
        .mend("give class numbers, or name a number to be ignored with ignore_index")
}
