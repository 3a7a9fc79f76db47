//! Fourier transforms by rustfft, real ones at half the length, and sums of overlapping frames.

use crate::backend::{ElementwiseKernels, SpectralKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::{Isa, isa};
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftDirection, FftNum, FftPlanner, FftPlannerScalar};
use std::collections::{HashMap, HashSet};
use std::f64::consts::TAU;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

/// Runs a kernel of floats in the tensor's type, halves in single precision.
macro_rules! in_floats {
    ($self:ident, $x:ident, $T:ident => $body:expr) => {
        match $x.dtype() {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            dtype => {
                type $T = f32;
                let $x = &$self.cast($x, DType::F32)?;
                $self.cast(&{ $body }?, dtype)
            }
        }
    };
}

impl SpectralKernels for Cpu {
    fn fft(&self, x: &Tensor, inverse: bool, scale: f64) -> Result<Tensor> {
        in_floats!(self, x, T => fft::<T>(x, inverse, scale))
    }

    fn rfft(&self, x: &Tensor, shape: Shape, scale: f64) -> Result<Tensor> {
        in_floats!(self, x, T => rfft::<T>(x, shape, scale))
    }

    fn irfft(&self, x: &Tensor, shape: Shape, scale: f64) -> Result<Tensor> {
        in_floats!(self, x, T => irfft::<T>(x, shape, scale))
    }

    fn overlap_add(&self, x: &Tensor, shape: Shape, hop: usize) -> Result<Tensor> {
        in_floats!(self, x, T => overlap_add::<T>(x, shape, hop))
    }
}

/// The total length of the transforms whose plans are kept; all are dropped when another would exceed it.
const KEPT: usize = 1 << 23;

/// The plans of transforms that were asked before, in one precision.
struct Plans<T: FftNum> {
    planner: Planner<T>,
    /// The lengths and directions that are planned.
    planned: HashSet<(usize, bool)>,
    /// Their total length.
    total: usize,
    /// `e^(-2 pi i k / n)` for k up to n / 4, by n.
    turns: HashMap<usize, Arc<[Complex<T>]>>,
}

enum Planner<T: FftNum> {
    Portable(FftPlannerScalar<T>),
    Widest(FftPlanner<T>),
}

impl<T: FftFloat> Plans<T> {
    fn new() -> Plans<T> {
        let planner = match isa() {
            Isa::Portable => Planner::Portable(FftPlannerScalar::new()),
            _ => Planner::Widest(FftPlanner::new()),
        };
        Plans { planner, planned: HashSet::new(), total: 0, turns: HashMap::new() }
    }

    fn transform(&mut self, n: usize, inverse: bool) -> Arc<dyn Fft<T>> {
        if !self.planned.contains(&(n, inverse)) {
            if self.total.saturating_add(n) > KEPT {
                *self = Plans::new();
            }
            self.planned.insert((n, inverse));
            self.total += n;
        }
        let direction = if inverse { FftDirection::Inverse } else { FftDirection::Forward };
        match &mut self.planner {
            Planner::Portable(planner) => planner.plan_fft(n, direction),
            Planner::Widest(planner) => planner.plan_fft(n, direction),
        }
    }

    /// For a real transform of length `n`, whose half is planned: so there are no more of these than plans.
    fn turns(&mut self, n: usize) -> Arc<[Complex<T>]> {
        let turn = |k: usize| {
            let angle = TAU * k as f64 / n as f64;
            Complex::new(float::<T>(angle.cos()), float::<T>(-angle.sin()))
        };
        self.turns.entry(n).or_insert_with(|| (0..n / 4 + 1).map(turn).collect()).clone()
    }
}

/// The two precisions.
trait FftFloat: Element + FftNum {
    fn plans() -> MutexGuard<'static, Plans<Self>>;
}

macro_rules! fft_float {
    ($ty:ty) => {
        impl FftFloat for $ty {
            fn plans() -> MutexGuard<'static, Plans<$ty>> {
                static PLANS: LazyLock<Mutex<Plans<$ty>>> = LazyLock::new(|| Mutex::new(Plans::new()));
                PLANS.lock().unwrap_or_else(|e| e.into_inner())
            }
        }
    };
}
fft_float!(f32);
fft_float!(f64);

/// Drops all plans.
pub(crate) fn release_plans() {
    *f32::plans() = Plans::new();
    *f64::plans() = Plans::new();
}

/// The number in this precision (both traits of the type have a conversion of this name).
fn float<T: FftFloat>(x: f64) -> T {
    <T as Element>::from_f64(x)
}

/// Pairs as complex numbers.
fn complex<T: FftFloat>(x: &mut [T]) -> &mut [Complex<T>] {
    // SAFETY: a complex number is two `T` in memory (`repr(C)`), aligned as one.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len() / 2) }
}

/// The complex number `k` of a row.
fn number<T: FftFloat>(x: &[T], k: usize) -> Complex<T> {
    Complex::new(x[2 * k], x[2 * k + 1])
}

/// Calls `f(row of x, row of the output, scratch)` for every row on all threads.
fn rows<T: FftFloat>(
    x: &Tensor,
    shape: Shape,
    [from, to, scratch]: [usize; 3],
    scale: f64,
    f: impl Fn(&[T], &mut [T], &mut [T]) + Sync,
) -> Result<Tensor> {
    let x = Cpu.contiguous(x)?;
    let data = x.as_slice::<T>().unwrap_or_default();
    let mut out = Writing::<T>::new(shape)?;
    let rows = shape.numel() / to;
    // At most 64 tasks, so that scratch stays small; a row takes some tens of operations an element.
    let rows_a_task = (GRAIN / 16).div_ceil(to).max(rows.div_ceil(64));
    let tasks = rows.div_ceil(rows_a_task);
    let mut spare = Writing::<T>::new(Shape::new(&[tasks, scratch])?)?;
    let spares = Parts::new(spare.as_mut());
    let parts = Parts::new(out.as_mut());
    let scale = float::<T>(scale);
    parallel_for(tasks, |task| {
        // SAFETY: each task has its own scratch.
        let scratch = unsafe { spares.part(task * scratch, scratch) };
        for row in task * rows_a_task..((task + 1) * rows_a_task).min(rows) {
            // SAFETY: every row is one task's alone.
            let out = unsafe { parts.part(row * to, to) };
            f(&data[row * from..][..from], out, scratch);
            if scale != float::<T>(1.0) {
                out.iter_mut().for_each(|x| *x = *x * scale);
            }
        }
    });
    Ok(out.finish())
}

fn fft<T: FftFloat>(x: &Tensor, inverse: bool, scale: f64) -> Result<Tensor> {
    let n = x.shape()[x.rank() - 2];
    let plan = T::plans().transform(n, inverse);
    let scratch = 2 * plan.get_inplace_scratch_len();
    rows::<T>(x, *x.shape(), [2 * n, 2 * n, scratch], scale, |x, out, scratch| {
        out.copy_from_slice(x);
        plan.process_with_scratch(complex(out), complex(scratch));
    })
}

fn rfft<T: FftFloat>(x: &Tensor, shape: Shape, scale: f64) -> Result<Tensor> {
    let n = x.shape()[x.rank() - 1];
    let (m, to) = (n / 2, 2 * (n / 2 + 1));
    let [zero, half] = [0.0, 0.5].map(float::<T>);
    if n % 2 == 1 {
        let plan = T::plans().transform(n, false);
        let scratch = 2 * (n + plan.get_inplace_scratch_len());
        return rows::<T>(x, shape, [n, to, scratch], scale, |x, out, scratch| {
            let (full, scratch) = scratch.split_at_mut(2 * n);
            full.chunks_exact_mut(2).zip(x).for_each(|(pair, &x)| pair.copy_from_slice(&[x, zero]));
            plan.process_with_scratch(complex(full), complex(scratch));
            out.copy_from_slice(&full[..to]);
        });
    }
    // Even and odd elements as real and imaginary parts of one transform of half the length.
    let (plan, turns) = {
        let mut plans = T::plans();
        (plans.transform(m, false), plans.turns(n))
    };
    rows::<T>(x, shape, [n, to, 2 * plan.get_inplace_scratch_len()], scale, |x, out, scratch| {
        out[..n].copy_from_slice(x);
        plan.process_with_scratch(complex(&mut out[..n]), complex(scratch));
        let z = complex(out);
        let first = z[0];
        z[0] = Complex::new(first.re + first.im, zero);
        z[m] = Complex::new(first.re - first.im, zero);
        for k in 1..=m / 2 {
            let (a, b) = (z[k], z[m - k].conj());
            let even = (a + b) * half;
            let odd = (a - b) * half;
            let turned = turns[k] * Complex::new(odd.im, -odd.re);
            z[k] = even + turned;
            z[m - k] = (even - turned).conj();
        }
    })
}

fn irfft<T: FftFloat>(x: &Tensor, shape: Shape, scale: f64) -> Result<Tensor> {
    let n = shape[shape.rank() - 1];
    let (m, from) = (n / 2, 2 * (n / 2 + 1));
    if n % 2 == 1 {
        let plan = T::plans().transform(n, true);
        let scratch = 2 * (n + plan.get_inplace_scratch_len());
        return rows::<T>(x, shape, [from, n, scratch], scale, |x, out, scratch| {
            let (full, scratch) = scratch.split_at_mut(2 * n);
            let full = complex(full);
            full[0] = Complex::new(x[0], float::<T>(0.0));
            for k in 1..=m {
                full[k] = number(x, k);
                full[n - k] = full[k].conj();
            }
            plan.process_with_scratch(full, complex(scratch));
            out.iter_mut().zip(full).for_each(|(out, z)| *out = z.re);
        });
    }
    let (plan, turns) = {
        let mut plans = T::plans();
        (plans.transform(m, true), plans.turns(n))
    };
    rows::<T>(x, shape, [from, n, 2 * plan.get_inplace_scratch_len()], scale, |x, out, scratch| {
        let z = complex(out);
        let (first, last) = (x[0], x[2 * m]);
        z[0] = Complex::new(first + last, first - last);
        for k in 1..=m / 2 {
            let (a, b) = (number(x, k), number(x, m - k).conj());
            let even = a + b;
            let odd = (a - b) * turns[k].conj();
            let turned = Complex::new(-odd.im, odd.re);
            z[k] = even + turned;
            z[m - k] = (even - turned).conj();
        }
        plan.process_with_scratch(z, complex(scratch));
    })
}

/// Places of a signal that one task takes.
const CHUNK: usize = 1 << 14;

fn overlap_add<T: FftFloat>(x: &Tensor, shape: Shape, hop: usize) -> Result<Tensor> {
    let x = Cpu.contiguous(x)?;
    let data = x.as_slice::<T>().unwrap_or_default();
    let (count, size, len) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1], shape[shape.rank() - 1]);
    let mut out = Writing::<T>::filled(shape, T::default())?;
    if out.as_mut().is_empty() {
        return Ok(out.finish());
    }
    // Whole signals to a task where they are short, parts of one where they are long.
    let whole = len <= CHUNK;
    let parts = if whole { 1 } else { len.div_ceil(CHUNK) };
    let signals_a_task = if whole { CHUNK / len } else { 1 };
    let chunk = if whole { signals_a_task * len } else { CHUNK };
    let spans = Parts::new(out.as_mut());
    let signals = shape.numel() / len;
    parallel_for(signals.div_ceil(signals_a_task) * parts, |task| {
        let first = task / parts * signals_a_task;
        for signal in first..(first + signals_a_task).min(signals) {
            let begin = task % parts * chunk;
            let end = len.min(begin + chunk);
            // SAFETY: tasks have disjoint signals, or disjoint parts of one.
            let out = unsafe { spans.part(signal * len + begin, end - begin) };
            // The frames that reach this part, in order, so that sums do not depend on it.
            let frames = (begin + 1).saturating_sub(size).div_ceil(hop)..count.min((end - 1) / hop + 1);
            for frame in frames {
                let start = frame * hop;
                let (low, high) = (start.max(begin), (start + size).min(end));
                let x = &data[(signal * count + frame) * size..][low - start..high - start];
                out[low - begin..high - begin].iter_mut().zip(x).for_each(|(out, &x)| *out = *out + x);
            }
        }
    });
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_bounded() {
        let mut plans = Plans::<f32>::new();
        for n in (1 << 16)..(1 << 16) + 140 {
            plans.transform(n, false);
            plans.turns(2 * n);
            assert!(plans.total <= KEPT && plans.turns.len() <= plans.planned.len(), "{n}");
        }
    }

    #[test]
    fn released_memory_includes_plans() -> Result<()> {
        // A length that no other test asks.
        Tensor::ones([24_694], DType::F32)?.rfft(None, 0, Default::default())?;
        assert!(f32::plans().turns.contains_key(&24_694));
        crate::release_memory();
        assert!(!f32::plans().turns.contains_key(&24_694));
        Ok(())
    }
}
