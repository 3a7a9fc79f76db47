//! Running results along an axis.

use crate::backend::{ElementwiseKernels, Scan, ScanKernels};
use crate::cpu::Cpu;
use crate::cpu::index::around;
use crate::cpu::isa::simd;
use crate::cpu::strided::{GRAIN, Parts};
use crate::cpu::threads::parallel_for;
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::tensor::{Tensor, Writing};
use half::{bf16, f16};

/// A type whose elements accumulate.
trait Scanned: Element {
    /// What they accumulate in.
    type Wide: Copy + Default;
    const ONE: Self::Wide;
    fn widen(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
    fn add(a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn mul(a: Self::Wide, b: Self::Wide) -> Self::Wide;
}

macro_rules! scanned {
    ($($ty:ty, $wide:ty, $one:expr, $widen:ident, $narrow:ident, |$a:ident, $b:ident| $add:expr, $mul:expr;)*) => {$(
        impl Scanned for $ty {
            type Wide = $wide;
            const ONE: $wide = $one;
            #[inline(always)]
            fn widen(self) -> $wide {
                Element::$widen(self)
            }
            #[inline(always)]
            fn narrow(wide: $wide) -> $ty {
                Element::$narrow(wide)
            }
            #[inline(always)]
            fn add($a: $wide, $b: $wide) -> $wide {
                $add
            }
            #[inline(always)]
            fn mul($a: $wide, $b: $wide) -> $wide {
                $mul
            }
        }
    )*};
}

scanned! {
    f16, f64, 1.0, to_f64, from_f64, |a, b| a + b, a * b;
    bf16, f64, 1.0, to_f64, from_f64, |a, b| a + b, a * b;
    f32, f64, 1.0, to_f64, from_f64, |a, b| a + b, a * b;
    f64, f64, 1.0, to_f64, from_f64, |a, b| a + b, a * b;
    i64, i64, 1, to_i64, from_i64, |a, b| a.wrapping_add(b), a.wrapping_mul(b);
}

/// The step from one running result to the next.
trait Step<T: Scanned>: Copy + Sync {
    fn first() -> T::Wide;
    fn next(before: T::Wide, a: T::Wide, b: T::Wide) -> T::Wide;
}

macro_rules! steps {
    ($($name:ident: $first:expr, |$before:ident, $a:ident, $b:ident| $next:expr;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl<T: Scanned> Step<T> for $name {
            #[inline(always)]
            fn first() -> T::Wide {
                $first
            }
            #[inline(always)]
            fn next($before: T::Wide, $a: T::Wide, $b: T::Wide) -> T::Wide {
                $next
            }
        }
    )*};
}

steps! {
    Sum: T::Wide::default(), |before, a, _b| T::add(before, a);
    Product: T::ONE, |before, a, _b| T::mul(before, a);
    Recur: T::Wide::default(), |before, a, b| T::add(T::mul(a, before), b);
}

macro_rules! with_scanned {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F16 => {
                type $T = f16;
                $body
            }
            DType::BF16 => {
                type $T = bf16;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
            _ => {
                type $T = f32;
                $body
            }
        }
    };
}

impl ScanKernels for Cpu {
    fn scan(&self, f: Scan, x: &Tensor, axis: usize, reverse: bool) -> Result<Tensor> {
        let x = self.contiguous(x)?;
        with_scanned!(x.dtype(), T => match f {
            Scan::Sum => run::<T, Sum>(&x, &x, axis, reverse),
            Scan::Product => run::<T, Product>(&x, &x, axis, reverse),
        })
    }

    fn recur(&self, a: &Tensor, b: &Tensor, axis: usize, reverse: bool) -> Result<Tensor> {
        let (a, b) = (self.contiguous(a)?, self.contiguous(b)?);
        with_scanned!(a.dtype(), T => run::<T, Recur>(&a, &b, axis, reverse))
    }
}

/// Columns that one task takes: its running results stay in registers and first-level cache.
const COLUMNS: usize = 64;

fn run<T: Scanned, J: Step<T>>(a: &Tensor, b: &Tensor, axis: usize, reverse: bool) -> Result<Tensor> {
    let mut out = Writing::<T>::new(*a.shape())?;
    let [outer, run, inner] = around(a.shape(), axis);
    let (a, b) = (a.as_slice::<T>().unwrap_or_default(), b.as_slice::<T>().unwrap_or_default());
    if a.is_empty() {
        return Ok(out.finish());
    }
    let parts = Parts::new(out.as_mut());
    let strips = inner.div_ceil(COLUMNS);
    let group = (GRAIN / 4 / (run * inner.min(COLUMNS))).max(1);
    parallel_for((outer * strips).div_ceil(group), |task| {
        for index in task * group..((task + 1) * group).min(outer * strips) {
            let (block, column) = (index / strips * run * inner, index % strips * COLUMNS);
            let lines =
                Lines { start: block + column, run, stride: inner, width: COLUMNS.min(inner - column), reverse };
            strip::<T, J>(a, b, &parts, lines);
        }
    });
    Ok(out.finish())
}

/// Neighbouring lines along the axis.
#[derive(Clone, Copy)]
struct Lines {
    start: usize,
    run: usize,
    stride: usize,
    width: usize,
    reverse: bool,
}

simd! {
    lanes of T:
    fn strip<S, T: Scanned, J: Step<T>>(simd: S, a: &[T], b: &[T], parts: &Parts<'_, T>, lines: Lines) {
        let mut now = [J::first(); COLUMNS];
        for i in 0..lines.run {
            let place = lines.start + if lines.reverse { lines.run - 1 - i } else { i } * lines.stride;
            // SAFETY: the lines are this task's alone.
            let out = unsafe { parts.part(place, lines.width) };
            let (a, b) = (&a[place..][..lines.width], &b[place..][..lines.width]);
            for (((now, out), &a), &b) in now.iter_mut().zip(out).zip(a).zip(b) {
                *now = J::next(*now, a.widen(), b.widen());
                *out = T::narrow(*now);
            }
        }
    }
}
