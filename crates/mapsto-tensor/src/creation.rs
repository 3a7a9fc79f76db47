//! Tensors out of nothing: ranges, identity matrices, random numbers.

use crate::dtype::{DType, Element, Scalar};
use crate::error::{Error, Result};
use crate::op::composed;
use crate::random::Rng;
use crate::shape::{IntoShape, Shape};
use crate::tensor::{Tensor, Writing};

/// The number as a scalar of its kind.
fn scalar<T: Element>(x: T) -> Scalar {
    if T::DTYPE.is_float() { Scalar::Float(x.to_f64()) } else { Scalar::Int(x.to_i64()) }
}

/// Ranges and patterns.
impl Tensor {
    /// A tensor of this shape and type filled with one value.
    ///
    /// # Errors
    /// A number that the integer type does not have.
    #[track_caller]
    pub fn full_like(&self, value: impl Into<Scalar>) -> Result<Tensor> {
        let value = value.into();
        composed("full_like", || {
            value.check_fits(self.dtype())?;
            Tensor::full(*self.shape(), value, self.dtype())
        })
    }

    /// `start`, `start + step`, ... as long as `end` is not reached; nothing if it lies the other way. The numbers' type
    /// is the tensor's.
    ///
    /// ```
    /// use mapsto_tensor::Tensor;
    /// assert_eq!(Tensor::arange(2i64, 9, 3)?.to_vec::<i64>()?, [2, 5, 8]);
    /// assert_eq!(Tensor::arange(1.0f32, 0.0, -0.25)?.to_vec::<f32>()?, [1.0, 0.75, 0.5, 0.25]);
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// A step of zero; numbers that are not finite; more elements than memory can address.
    #[track_caller]
    pub fn arange<T: Element>(start: T, end: T, step: T) -> Result<Tensor> {
        composed("arange", || {
            let complaint = |what: &str| Err(Error::argument(format!("{what}: from {start:?} to {end:?} by {step:?}")));
            if step == T::default() {
                return complaint("the step is zero");
            }
            let count = if T::DTYPE.is_float() {
                let count = ((end.to_f64() - start.to_f64()) / step.to_f64()).ceil();
                if !count.is_finite() || !start.to_f64().is_finite() {
                    return complaint("the range is not finite");
                }
                count.max(0.0) as usize
            } else {
                let (start, end, step) = (start.to_i64() as i128, end.to_i64() as i128, step.to_i64() as i128);
                let count = (end - start + step - step.signum()) / step;
                usize::try_from(count.max(0)).unwrap_or(usize::MAX)
            };
            Shape::new(&[count])?;
            backend().ramp(scalar(start), scalar(step), count, T::DTYPE)
        })
    }

    /// `count` evenly spaced numbers from `start` to `end`, both included. The numbers' type is the tensor's.
    ///
    /// # Errors
    /// A type other than floats.
    #[track_caller]
    pub fn linspace<T: Element>(start: T, end: T, count: usize) -> Result<Tensor> {
        composed("linspace", || {
            if !T::DTYPE.is_float() {
                return Err(Error::dtype(format!("is not defined for {} elements", T::DTYPE)).mend("use arange"));
            }
            Shape::new(&[count])?;
            let step = (end.to_f64() - start.to_f64()) / count.saturating_sub(1).max(1) as f64;
            // Each half from its own end, so that both ends are exact.
            let half = |from: T, step: f64, count: usize| backend().ramp(scalar(from), step.into(), count, T::DTYPE);
            let back = half(end, -step, count / 2)?.flip(&[0])?;
            Tensor::concat(&[&half(start, step, count.div_ceil(2))?, &back], 0)
        })
    }

    /// `rows x columns` with ones on the diagonal, zeros elsewhere.
    ///
    /// # Errors
    /// More elements than memory can address.
    #[track_caller]
    pub fn eye(rows: usize, columns: usize, dtype: DType) -> Result<Tensor> {
        composed("eye", || {
            Shape::new(&[rows, columns])?;
            let places = |count: usize| backend().ramp(Scalar::Int(0), Scalar::Int(1), count, DType::I64);
            places(rows)?.unsqueeze(1)?.eq(places(columns)?)?.to_dtype(dtype)
        })
    }
}

/// Random numbers: functions of the generator's key and position, the same for any number of threads. Each takes whole
/// blocks of four words from the generator.
impl Tensor {
    /// Uniform numbers in `[0, 1)`.
    ///
    /// # Errors
    /// A shape that cannot be; a type other than floats.
    #[track_caller]
    pub fn rand(shape: impl IntoShape, dtype: DType, rng: &mut Rng) -> Result<Tensor> {
        composed("rand", || {
            let shape = float_shape(shape, dtype)?;
            let offset = rng.take(shape.numel(), words(dtype));
            backend().uniform(shape, dtype, rng.key(), offset)
        })
    }

    /// Numbers of the standard normal distribution.
    ///
    /// # Errors
    /// A shape that cannot be; a type other than floats.
    #[track_caller]
    pub fn randn(shape: impl IntoShape, dtype: DType, rng: &mut Rng) -> Result<Tensor> {
        composed("randn", || {
            let shape = float_shape(shape, dtype)?;
            let offset = rng.take(shape.numel(), words(dtype));
            backend().normal(shape, dtype, rng.key(), offset)
        })
    }

    /// Uniform integers of `low..high` as `i64`; their bias is below 2⁻⁶⁴ times their number.
    ///
    /// # Errors
    /// An empty range; a shape that cannot be.
    #[track_caller]
    pub fn randint(low: i64, high: i64, shape: impl IntoShape, rng: &mut Rng) -> Result<Tensor> {
        composed("randint", || {
            let shape = shape.into_shape()?;
            if low >= high {
                return Err(Error::argument(format!("no integer is in {low}..{high}")));
            }
            let offset = rng.take(shape.numel(), 2).wrapping_mul(2);
            backend().integers(shape, low, high.wrapping_sub(low) as u64, rng.key(), offset)
        })
    }

    /// Truth values that hold with probability `p`.
    ///
    /// # Errors
    /// A probability outside `0..=1`; a shape that cannot be.
    #[track_caller]
    pub fn bernoulli(p: f64, shape: impl IntoShape, rng: &mut Rng) -> Result<Tensor> {
        composed("bernoulli", || {
            let shape = shape.into_shape()?;
            if !(0.0..=1.0).contains(&p) {
                return Err(Error::argument(format!("the probability {p} is outside 0..=1")));
            }
            let offset = rng.take(shape.numel(), 1);
            backend().at_least(shape, ((1.0 - p) * 4_294_967_296.0).round() as u64, rng.key(), offset)
        })
    }

    /// The integers below `n` in an order drawn uniformly, as `i64`.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn permutation(n: usize, rng: &mut Rng) -> Result<Tensor> {
        composed("permutation", || {
            let mut order = Writing::<i64>::new(Shape::new(&[n])?)?;
            order.as_mut().iter_mut().zip(0..).for_each(|(place, i)| *place = i);
            rng.shuffle(order.as_mut());
            Ok(order.finish())
        })
    }
}

/// The device on which tensors are made.
fn backend() -> &'static dyn crate::backend::Backend {
    &crate::cpu::Cpu
}

/// The shape of random floats.
fn float_shape(shape: impl IntoShape, dtype: DType) -> Result<Shape> {
    if !dtype.is_float() {
        return Err(Error::dtype(format!("is not defined for {dtype} elements")).mend("use randint or bernoulli"));
    }
    shape.into_shape()
}

/// How many random words a float takes.
fn words(dtype: DType) -> u64 {
    if dtype == DType::F64 { 2 } else { 1 }
}
