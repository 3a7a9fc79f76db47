//! Element by element: copies, conversions, functions of one and two numbers.

use crate::backend::{Binary, Comparison, ElementwiseKernels, Unary};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::strided::{GRAIN, Parts, Walk, at};
use crate::cpu::unary::unary;
use crate::cpu::{math, power};
use crate::dtype::{DType, Element, with_dtype};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use pulp::Simd;

impl ElementwiseKernels for Cpu {
    fn copy(&self, x: &Tensor) -> Result<Tensor> {
        with_dtype!(x.dtype(), T => map_strided::<T, T>(x, |x, y| y.copy_from_slice(x), |x| x))
    }

    fn contiguous(&self, x: &Tensor) -> Result<Tensor> {
        if x.is_contiguous() { Ok(x.clone()) } else { self.copy(x) }
    }

    fn cast(&self, x: &Tensor, dtype: DType) -> Result<Tensor> {
        match (x.dtype(), dtype) {
            (from, to) if from == to => Ok(x.clone()),
            (DType::BF16, DType::F32) => {
                map_strided(x, |x: &[bf16], y: &mut [f32]| x.convert_to_f32_slice(y), bf16::to_f32)
            }
            (DType::F16, DType::F32) => {
                map_strided(x, |x: &[f16], y: &mut [f32]| x.convert_to_f32_slice(y), f16::to_f32)
            }
            (DType::F32, DType::BF16) => {
                map_strided(x, |x: &[f32], y: &mut [bf16]| y.convert_from_f32_slice(x), bf16::from_f32)
            }
            (DType::F32, DType::F16) => {
                map_strided(x, |x: &[f32], y: &mut [f16]| y.convert_from_f32_slice(x), f16::from_f32)
            }
            (from, to) => with_dtype!(from, A => with_dtype!(to, B => {
                let one: fn(A) -> B = if from.is_float() || to.is_float() {
                    |x| B::from_f64(x.to_f64())
                } else {
                    |x| B::from_i64(x.to_i64())
                };
                map_strided(x, |x, y| x.iter().zip(y).for_each(|(&x, y)| *y = one(x)), one)
            })),
        }
    }

    fn unary(&self, f: Unary, x: &Tensor) -> Result<Tensor> {
        match x.dtype() {
            DType::F32 => unary::<f32>(f, &self.contiguous(x)?),
            DType::F64 => unary::<f64>(f, &self.contiguous(x)?),
            DType::F16 | DType::BF16 => self.cast(&self.unary(f, &self.cast(x, DType::F32)?)?, x.dtype()),
            dtype => with_dtype!(dtype, T => {
                let one = |x: T| T::from_i64(match f {
                    Unary::Neg => x.to_i64().wrapping_neg(),
                    Unary::Abs => x.to_i64().wrapping_abs(),
                    Unary::Sign => x.to_i64().signum(),
                    Unary::Square => x.to_i64().wrapping_mul(x.to_i64()),
                    _ => unreachable!("shape rules admit only floats to {f:?}"),
                });
                map_strided(x, |x, y| x.iter().zip(y).for_each(|(&x, y)| *y = one(x)), one)
            }),
        }
    }

    fn binary(&self, f: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let shape = a.shape().broadcast(b.shape())?;
        match a.dtype() {
            DType::F32 => binary_float::<f32>(f, a, b, shape),
            DType::F64 => binary_float::<f64>(f, a, b, shape),
            DType::F16 | DType::BF16 => {
                let wide = self.binary(f, &self.cast(a, DType::F32)?, &self.cast(b, DType::F32)?)?;
                self.cast(&wide, a.dtype())
            }
            dtype => with_dtype!(dtype, T => zip::<T, T, IntegerFn>(a, b, shape, IntegerFn(f))),
        }
    }

    #[allow(clippy::bool_comparison)] // booleans are one of the types
    fn compare(&self, f: Comparison, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let shape = a.shape().broadcast(b.shape())?;
        with_dtype!(a.dtype(), T => match f {
            Comparison::Eq => zip::<T, bool, _>(a, b, shape, Compare(|a: T, b: T| a == b)),
            Comparison::Ne => zip::<T, bool, _>(a, b, shape, Compare(|a: T, b: T| a != b)),
            Comparison::Lt => zip::<T, bool, _>(a, b, shape, Compare(|a: T, b: T| a < b)),
            Comparison::Le => zip::<T, bool, _>(a, b, shape, Compare(|a: T, b: T| a <= b)),
            Comparison::Gt => zip::<T, bool, _>(a, b, shape, Compare(|a: T, b: T| a > b)),
            Comparison::Ge => zip::<T, bool, _>(a, b, shape, Compare(|a: T, b: T| a >= b)),
        })
    }

    fn select(&self, condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let shape = condition.shape().broadcast(a.shape())?.broadcast(b.shape())?;
        with_dtype!(a.dtype(), T => {
            let (c, x, y) = (condition.storage::<bool>(), a.storage::<T>(), b.storage::<T>());
            let mut out = Writing::<T>::new(shape)?;
            let parts = Parts::new(out.as_mut());
            let walk = Walk::new(shape, [condition.layout(), a.layout(), b.layout()]);
            walk.parallel(GRAIN, |span| {
                // SAFETY: spans cover disjoint parts of the output.
                let out = unsafe { parts.part(span.out, span.len) };
                select_row::<T>(c, x, y, span.start, walk.steps, out);
            });
            Ok(out.finish())
        })
    }
}

simd! {
    lanes of T:
    /// `out = c ? x : y` along a row.
    fn select_row<S, T: Element>(
        simd: S, c: &[bool], x: &[T], y: &[T], start: [usize; 3], steps: [isize; 3], out: &mut [T]
    ) {
        let ([c0, x0, y0], n) = (start, out.len());
        match steps {
            [1, 1, 1] => {
                let (c, x, y) = (&c[c0..c0 + n], &x[x0..x0 + n], &y[y0..y0 + n]);
                (0..n).for_each(|i| out[i] = if c[i] { x[i] } else { y[i] });
            }
            [1, 1, 0] => {
                let (c, x, y) = (&c[c0..c0 + n], &x[x0..x0 + n], y[y0]);
                (0..n).for_each(|i| out[i] = if c[i] { x[i] } else { y });
            }
            [1, 0, 1] => {
                let (c, x, y) = (&c[c0..c0 + n], x[x0], &y[y0..y0 + n]);
                (0..n).for_each(|i| out[i] = if c[i] { x } else { y[i] });
            }
            [cs, xs, ys] => {
                (0..n).for_each(|i| out[i] = if c[at(c0, cs, i)] { x[at(x0, xs, i)] } else { y[at(y0, ys, i)] });
            }
        }
    }
}

/// A new tensor of `slice` of every contiguous run, `one` of every other element.
pub(crate) fn map_strided<A: Element, B: Element>(
    x: &Tensor,
    slice: impl Fn(&[A], &mut [B]) + Sync,
    one: impl Fn(A) -> B + Sync,
) -> Result<Tensor> {
    let mut out = Writing::<B>::new(*x.shape())?;
    let parts = Parts::new(out.as_mut());
    let data = x.storage::<A>();
    let walk = Walk::new(*x.shape(), [x.layout()]);
    let [step] = walk.steps;
    walk.parallel(GRAIN, |span| {
        // SAFETY: spans cover disjoint parts of the output.
        let out = unsafe { parts.part(span.out, span.len) };
        let [start] = span.start;
        match step {
            1 => slice(&data[start..start + span.len], out),
            0 => out.fill(one(data[start])),
            _ => out.iter_mut().enumerate().for_each(|(i, y)| *y = one(data[at(start, step, i)])),
        }
    });
    Ok(out.finish())
}

/// A function of two elements; generic over the instruction set for the loops around it.
trait BinaryFn<A, B>: Copy + Sync {
    fn call<S: Simd>(self, a: A, b: A) -> B;
}

simd! {
    lanes of A:
    /// `y = f(a, b)` along a row.
    fn zip_row<S, A: Element, B: Element, F: BinaryFnOf<A, B>>(
        simd: S, f: F, a: &[A], b: &[A], start: [usize; 2], steps: [isize; 2], y: &mut [B]
    ) {
        let [a0, b0] = start;
        let n = y.len();
        match steps {
            [1, 1] => y.iter_mut().zip(&a[a0..a0 + n]).zip(&b[b0..b0 + n]).for_each(|((y, &a), &b)| *y = f.call::<S>(a, b)),
            [1, 0] => {
                let b = b[b0];
                y.iter_mut().zip(&a[a0..a0 + n]).for_each(|(y, &a)| *y = f.call::<S>(a, b));
            }
            [0, 1] => {
                let a = a[a0];
                y.iter_mut().zip(&b[b0..b0 + n]).for_each(|(y, &b)| *y = f.call::<S>(a, b));
            }
            [sa, sb] => y.iter_mut().enumerate().for_each(|(i, y)| *y = f.call::<S>(a[at(a0, sa, i)], b[at(b0, sb, i)])),
        }
    }
}
use BinaryFn as BinaryFnOf;

/// `f` of the elements of two tensors, broadcast to `shape`.
fn zip<A: Element, B: Element, F: BinaryFn<A, B>>(a: &Tensor, b: &Tensor, shape: Shape, f: F) -> Result<Tensor> {
    let (x, y) = (a.storage::<A>(), b.storage::<A>());
    let mut out = Writing::<B>::new(shape)?;
    let parts = Parts::new(out.as_mut());
    let walk = Walk::new(shape, [a.layout(), b.layout()]);
    walk.parallel(GRAIN, |span| {
        // SAFETY: spans cover disjoint parts of the output.
        let out = unsafe { parts.part(span.out, span.len) };
        zip_row::<A, B, F>(f, x, y, span.start, walk.steps, out);
    });
    Ok(out.finish())
}

/// Arithmetic on floats: one expression for both precisions, or one for each.
macro_rules! binary_functions {
    ($($name:ident: |$a:ident, $b:ident| $single:expr, $double:expr;)*) => {
        $(#[derive(Clone, Copy)]
        struct $name;
        impl BinaryFn<f32, f32> for $name {
            #[inline(always)]
            fn call<S: Simd>(self, $a: f32, $b: f32) -> f32 {
                $single
            }
        }
        impl BinaryFn<f64, f64> for $name {
            #[inline(always)]
            fn call<S: Simd>(self, $a: f64, $b: f64) -> f64 {
                $double
            }
        })*

        fn binary_float<T: Element>(f: Binary, a: &Tensor, b: &Tensor, shape: Shape) -> Result<Tensor>
        where
            $($name: BinaryFn<T, T>),*
        {
            match f {
                $(Binary::$name => zip::<T, T, _>(a, b, shape, $name),)*
            }
        }
    };
}

binary_functions! {
    Add: |a, b| a + b, a + b;
    Sub: |a, b| a - b, a - b;
    Mul: |a, b| a * b, a * b;
    Div: |a, b| a / b, a / b;
    Max: |a, b| if a > b || a.is_nan() { a } else { b }, if a > b || a.is_nan() { a } else { b };
    Min: |a, b| if a < b || a.is_nan() { a } else { b }, if a < b || a.is_nan() { a } else { b };
    Pow: |a, b| power::pow(a, b), a.powf(b);
    Atan2: |a, b| power::atan2::<S>(a, b), a.atan2(b);
    Hypot: |a, b| power::hypot(a, b), a.hypot(b);
    Remainder: |a, b| power::remainder(f64::from(a), f64::from(b)) as f32, power::remainder(a, b);
    FloorDivide: |a, b| power::floor_divide(f64::from(a), f64::from(b)) as f32, power::floor_divide(a, b);
    LogisticLoss: |x, t| loss_single::<S>(x, t), loss_double(x, t);
}

/// `ln(1 + e^x) - t x`, the cross entropy of a logit with a probability.
#[inline(always)]
fn loss_single<S: Simd>(x: f32, t: f32) -> f32 {
    // As two terms that are not negative for probabilities: nothing cancels.
    let a = x.abs();
    let gap = if x > 0.0 { 1.0 - t } else { t };
    gap * a + math::softplus::<S>(-a)
}

/// [`loss_single`] in double precision.
fn loss_double(x: f64, t: f64) -> f64 {
    let gap = if x > 0.0 { 1.0 - t } else { t };
    gap * x.abs() + math::softplus64(-x.abs())
}

/// Arithmetic on integers and truth values, exact in 64 bits and wrapped to the type.
#[derive(Clone, Copy)]
struct IntegerFn(Binary);

impl<T: Element> BinaryFn<T, T> for IntegerFn {
    #[inline(always)]
    fn call<S: Simd>(self, a: T, b: T) -> T {
        let (a, b) = (a.to_i64(), b.to_i64());
        T::from_i64(match self.0 {
            Binary::Add => a.wrapping_add(b),
            Binary::Sub => a.wrapping_sub(b),
            Binary::Mul => a.wrapping_mul(b),
            Binary::Max => a.max(b),
            Binary::Min => a.min(b),
            f => power::integer(f, a, b),
        })
    }
}

/// A comparison.
#[derive(Clone, Copy)]
struct Compare<F>(F);

impl<T: Element, F: Fn(T, T) -> bool + Copy + Sync> BinaryFn<T, bool> for Compare<F> {
    #[inline(always)]
    fn call<S: Simd>(self, a: T, b: T) -> bool {
        (self.0)(a, b)
    }
}
