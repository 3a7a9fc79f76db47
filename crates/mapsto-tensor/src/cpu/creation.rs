//! Tensors out of nothing, and dropout. Random ones are keyed functions of each element's place: the same for any
//! number of threads.

use crate::backend::{CreationKernels, ElementwiseKernels};
use crate::cpu::Cpu;
use crate::cpu::isa::simd;
use crate::cpu::real::{Real, chunks};
use crate::dtype::{DType, Element, Scalar, with_dtype};
use crate::error::Result;
use crate::random::{fill_bits_u32, fill_normal_f32, fill_normal_f64, fill_uniform_f32, fill_uniform_f64};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};

/// Words drawn at a time, on the stack.
const WORDS: usize = 1024;

impl CreationKernels for Cpu {
    fn ramp(&self, start: Scalar, step: Scalar, count: usize, dtype: DType) -> Result<Tensor> {
        with_dtype!(dtype, T => {
            let mut out = Writing::<T>::new(Shape::new(&[count])?)?;
            chunks(out.as_mut(), |first, out| {
                let place = |i: usize| (first + i) as i64;
                if dtype.is_float() {
                    let (start, step) = (start.to::<f64>(), step.to::<f64>());
                    out.iter_mut().enumerate().for_each(|(i, x)| *x = T::from_f64(start + place(i) as f64 * step));
                } else {
                    let (start, step) = (start.to::<i64>(), step.to::<i64>());
                    let at = |i| start.wrapping_add(step.wrapping_mul(place(i)));
                    out.iter_mut().enumerate().for_each(|(i, x)| *x = T::from_i64(at(i)));
                }
            });
            Ok(out.finish())
        })
    }

    fn uniform(&self, shape: Shape, dtype: DType, key: u64, offset: u64) -> Result<Tensor> {
        match dtype {
            DType::F64 => filled(shape, key, offset, fill_uniform_f64),
            _ => self.cast(&filled(shape, key, offset, fill_uniform_f32)?, dtype),
        }
    }

    fn normal(&self, shape: Shape, dtype: DType, key: u64, offset: u64) -> Result<Tensor> {
        match dtype {
            DType::F64 => filled(shape, key, offset, fill_normal_f64),
            _ => self.cast(&filled(shape, key, offset, fill_normal_f32)?, dtype),
        }
    }

    fn integers(&self, shape: Shape, low: i64, range: u64, key: u64, offset: u64) -> Result<Tensor> {
        let mut out = Writing::<i64>::new(shape)?;
        chunks(out.as_mut(), |first, out| {
            let mut words = [0; WORDS];
            for (i, out) in out.chunks_mut(WORDS / 2).enumerate() {
                let place = (first + i * WORDS / 2) as u64 * 2;
                let words = &mut words[..out.len() * 2];
                fill_bits_u32(key, offset.wrapping_add(place), words);
                for (out, pair) in out.iter_mut().zip(words.chunks_exact(2)) {
                    let word = u64::from(pair[0]) | u64::from(pair[1]) << 32;
                    *out = low.wrapping_add(((u128::from(word) * u128::from(range)) >> 64) as i64);
                }
            }
        });
        Ok(out.finish())
    }

    fn at_least(&self, shape: Shape, threshold: u64, key: u64, offset: u64) -> Result<Tensor> {
        let mut out = Writing::<bool>::new(shape)?;
        chunks(out.as_mut(), |first, out| {
            let mut words = [0; WORDS];
            for (i, out) in out.chunks_mut(WORDS).enumerate() {
                fill_bits_u32(key, offset.wrapping_add((first + i * WORDS) as u64), &mut words[..out.len()]);
                out.iter_mut().zip(&words).for_each(|(out, &word)| *out = u64::from(word) >= threshold);
            }
        });
        Ok(out.finish())
    }

    fn dropout(&self, x: &Tensor, threshold: u64, scale: f64, key: u64, offset: u64) -> Result<Tensor> {
        match x.dtype() {
            DType::F32 => dropout::<f32>(&self.contiguous(x)?, threshold, scale, key, offset),
            DType::F64 => dropout::<f64>(&self.contiguous(x)?, threshold, scale, key, offset),
            dtype => self.cast(&self.dropout(&self.cast(x, DType::F32)?, threshold, scale, key, offset)?, dtype),
        }
    }
}

/// A tensor from a fill of the stream from `offset` on.
fn filled<T: Element>(shape: Shape, key: u64, offset: u64, fill: fn(u64, u64, &mut [T])) -> Result<Tensor> {
    let mut out = Writing::<T>::new(shape)?;
    chunks(out.as_mut(), |first, out| fill(key, offset.wrapping_add(first as u64), out));
    Ok(out.finish())
}

fn dropout<T: Real>(x: &Tensor, threshold: u64, scale: f64, key: u64, offset: u64) -> Result<Tensor> {
    let Ok(threshold) = u32::try_from(threshold) else {
        return Ok(Writing::<T>::filled(*x.shape(), T::default())?.finish());
    };
    let mut out = Writing::<T>::new(*x.shape())?;
    let x = x.as_slice::<T>().unwrap_or_default();
    chunks(out.as_mut(), |first, out| {
        let mut words = [0; WORDS];
        for (i, out) in out.chunks_mut(WORDS).enumerate() {
            let (place, words) = (first + i * WORDS, &mut words[..out.len()]);
            fill_bits_u32(key, offset.wrapping_add(place as u64), words);
            keep::<T>(threshold, T::from_f64(scale), words, &x[place..place + out.len()], out);
        }
    });
    Ok(out.finish())
}

simd! {
    fn keep<S, T: Real>(simd: S, threshold: u32, scale: T, words: &[u32], x: &[T], out: &mut [T]) {
        for ((out, &x), &word) in out.iter_mut().zip(x).zip(words) {
            *out = if word >= threshold { x * scale } else { T::default() };
        }
    }
}
