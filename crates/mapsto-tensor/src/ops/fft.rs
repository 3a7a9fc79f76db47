//! Discrete Fourier transforms. Complex numbers are a last axis of two: real and imaginary part.

use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_float,
    expect_inputs,
};
use crate::ops::PadMode;
use crate::shape::{Axes, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::f64::consts::TAU;

/// Where the factor 1 / n of a transform and its inverse goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FftNorm {
    /// To the inverse.
    #[default]
    Backward,
    /// To both, as 1 / sqrt(n).
    Ortho,
    /// To the transform itself.
    Forward,
}

impl FftNorm {
    fn scale(self, n: usize, inverse: bool) -> f64 {
        match (self, inverse) {
            (FftNorm::Ortho, _) => 1.0 / (n as f64).sqrt(),
            (FftNorm::Backward, true) | (FftNorm::Forward, false) => 1.0 / n as f64,
            _ => 1.0,
        }
    }
}

/// `y_k = scale * sum_j x_j e^(-2 pi i j k / n)`, with the other sign if `inverse`, along the last axis but one:
/// `[..., n, 2]` to the same shape.
#[derive(Clone, Copy, Debug)]
pub struct Fft {
    /// Whether the exponent is positive.
    pub inverse: bool,
    /// A factor.
    pub scale: f64,
}

/// The first half of the transform of real numbers, of which the rest is the mirror image: `[..., n]` to
/// `[..., n / 2 + 1, 2]`.
#[derive(Clone, Copy, Debug)]
pub struct RealFft {
    /// A factor.
    pub scale: f64,
}

/// The real numbers whose transform begins with the input, times n: `[..., n / 2 + 1, 2]` to `[..., n]`. The imaginary
/// parts of the first number and, for even n, of the last have no effect.
#[derive(Clone, Copy, Debug)]
pub struct InverseRealFft {
    /// The length of the result.
    pub n: usize,
    /// A factor.
    pub scale: f64,
}

fn expect_complex(shape: &Shape) -> Result<()> {
    if shape.rank() < 2 || shape[shape.rank() - 1] != 2 {
        return Err(Error::shape(format!("{shape} is not complex: its last axis must be 2, real and imaginary part")));
    }
    Ok(())
}

fn expect_points(n: usize) -> Result<()> {
    if n == 0 { Err(Error::shape("a transform of no points is not defined")) } else { Ok(()) }
}

impl Op for Fft {
    fn name(&self) -> &'static str {
        "fft"
    }

    fn attributes(&self) -> Attributes {
        vec![("inverse", self.inverse.into()), ("scale", self.scale.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        expect_complex(&inputs[0].shape)?;
        expect_points(inputs[0].shape[inputs[0].shape.rank() - 2])?;
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().fft(inputs[0], self.inverse, self.scale)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    /// The conjugate transpose of a symmetric matrix: the exponent's sign changes.
    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(apply_one(Fft { inverse: !self.inverse, ..*self }, &[&cx.grad(0)?])?)])
    }

    fn multiply_adds(&self, inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        let shape = inputs[0].shape;
        butterflies(shape[shape.rank() - 2], shape.numel() / 2)
    }
}

/// The multiply-adds of transforms of `n` complex numbers by halves, as if `n` were a power of two: four for each of
/// `n / 2` products at each of `log2 n` levels. `numbers` are those of all transforms.
fn butterflies(n: usize, numbers: usize) -> u64 {
    (2 * u64::from(n.next_power_of_two().ilog2())).saturating_mul(numbers as u64)
}

impl Op for RealFft {
    fn name(&self) -> &'static str {
        "rfft"
    }

    fn attributes(&self) -> Attributes {
        vec![("scale", self.scale.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        Ok(smallvec![inputs[0].with_shape(half(&inputs[0].shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().rfft(inputs[0], half(inputs[0].shape())?, self.scale)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let n = cx.spec(0).shape[cx.spec(0).shape.rank() - 1];
        let g = cx.grad(0)?;
        // The inverse counts each number that stands for its mirror image too twice.
        let g = g.mul(mirrored(n, 0.5, &g)?)?;
        Ok(smallvec![Some(apply_one(InverseRealFft { n, scale: self.scale }, &[&g])?)])
    }

    /// Half of that of as many complex numbers.
    fn multiply_adds(&self, inputs: &[Spec], _outputs: &[Spec]) -> u64 {
        let shape = inputs[0].shape;
        butterflies(shape[shape.rank() - 1], shape.numel()) / 2
    }
}

/// The shape of the first half of a transform.
fn half(shape: &Shape) -> Result<Shape> {
    let last = shape.axis(-1)?;
    expect_points(shape[last])?;
    let mut sizes = shape.to_vec();
    sizes[last] = shape[last] / 2 + 1;
    sizes.push(2);
    Shape::new(&sizes)
}

/// Factors `[n / 2 + 1, 1]` for the first half of a transform: `factor` where a number stands for its mirror image too.
fn mirrored(n: usize, factor: f64, like: &Tensor) -> Result<Tensor> {
    let factors = (0..n / 2 + 1).map(|k| if k == 0 || 2 * k == n { 1.0 } else { factor }).collect();
    Tensor::from_vec::<f64>(factors, [n / 2 + 1, 1])?.to_dtype(like.dtype())
}

impl Op for InverseRealFft {
    fn name(&self) -> &'static str {
        "irfft"
    }

    fn attributes(&self) -> Attributes {
        vec![("n", self.n.into()), ("scale", self.scale.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        expect_complex(&inputs[0].shape)?;
        expect_points(self.n)?;
        Ok(smallvec![inputs[0].with_shape(self.shape(&inputs[0].shape)?)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().irfft(inputs[0], self.shape(inputs[0].shape())?, self.scale)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let g = apply_one(RealFft { scale: self.scale }, &[&cx.grad(0)?])?;
        Ok(smallvec![Some(g.mul(mirrored(self.n, 2.0, &g)?)?)])
    }

    fn multiply_adds(&self, _inputs: &[Spec], outputs: &[Spec]) -> u64 {
        butterflies(self.n, outputs[0].shape.numel()) / 2
    }
}

impl InverseRealFft {
    fn shape(&self, shape: &Shape) -> Result<Shape> {
        let rank = shape.rank();
        if shape[rank - 2] != self.n / 2 + 1 {
            let (has, wants) = (shape[rank - 2], self.n / 2 + 1);
            return Err(Error::shape(format!("{} points come from {wants} numbers, {shape} has {has}", self.n)));
        }
        let mut sizes = shape[..rank - 1].to_vec();
        sizes[rank - 2] = self.n;
        Shape::new(&sizes)
    }
}

/// The sum that defines the transform: of `term(j, angle)` over j for output k of n, the angle 2 pi j k / n.
fn sum_over(count: usize, k: usize, n: usize, term: impl Fn(usize, f64) -> f64) -> f64 {
    (0..count).map(|j| term(j, TAU * ((j * k) % n) as f64 / n as f64)).sum()
}

/// Lengths: one, two, powers of two, odd, prime, products; a leading axis of nothing.
const SIZES: [&[usize]; 9] = [&[1], &[2], &[2, 3], &[4], &[3, 8], &[2, 2, 15], &[17], &[1, 64], &[0, 6]];

impl Registered for Fft {
    fn cases() -> Vec<Case> {
        let case = |(i, sizes): (usize, &&[usize])| {
            let op = Fft { inverse: i % 2 == 1, scale: [1.0, 0.25][i / 2 % 2] };
            Case::new(op, [Gen::new(i as u64).tensor(&[sizes, &[2][..]].concat(), -1.0, 1.0)])
        };
        SIZES.iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let axis = x.sizes.len() - 2;
        let (n, sign) = (x.sizes[axis], if self.inverse { 1.0 } else { -1.0 });
        vec![Array::from_fn(&x.sizes, |index| {
            let part = |j: usize, part: usize| x.at(&[&index[..axis], &[j, part]].concat());
            self.scale
                * sum_over(n, index[axis], n, |j, angle| {
                    let (cos, sin) = (angle.cos(), sign * angle.sin());
                    if index[axis + 1] == 0 {
                        part(j, 0) * cos - part(j, 1) * sin
                    } else {
                        part(j, 0) * sin + part(j, 1) * cos
                    }
                })
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Fft { inverse: g.bool(), scale: g.uniform(-2.0, 2.0) }
    }
}

impl Registered for RealFft {
    fn cases() -> Vec<Case> {
        let case = |(i, sizes): (usize, &&[usize])| {
            Case::new(RealFft { scale: [1.0, 0.25][i % 2] }, [Gen::new(i as u64).tensor(sizes, -1.0, 1.0)])
        };
        SIZES.iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let axis = x.sizes.len() - 1;
        let n = x.sizes[axis];
        vec![Array::from_fn(&[&x.sizes[..axis], &[n / 2 + 1, 2]].concat(), |index| {
            let value = |j: usize| x.at(&[&index[..axis], &[j]].concat());
            let part = |angle: f64| if index[axis + 1] == 0 { angle.cos() } else { -angle.sin() };
            self.scale * sum_over(n, index[axis], n, |j, angle| value(j) * part(angle))
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        RealFft { scale: g.uniform(-2.0, 2.0) }
    }
}

impl Registered for InverseRealFft {
    fn cases() -> Vec<Case> {
        let case = |(i, sizes): (usize, &&[usize])| {
            let (&n, lead) = sizes.split_last().unwrap_or((&1, &[]));
            let op = InverseRealFft { n, scale: [1.0, 0.25][i % 2] };
            Case::new(op, [Gen::new(i as u64).tensor(&[lead, &[n / 2 + 1, 2]].concat(), -1.0, 1.0)])
        };
        SIZES.iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let (axis, n) = (x.sizes.len() - 2, self.n);
        vec![Array::from_fn(&[&x.sizes[..axis], &[n]].concat(), |index| {
            let part = |j: usize, part: usize| x.at(&[&index[..axis], &[j, part]].concat());
            // The mirror image is the conjugate; numbers that are their own mirror image are real.
            let number = |j: usize| match j {
                j if j == 0 || 2 * j == n => (part(j, 0), 0.0),
                j if 2 * j < n => (part(j, 0), part(j, 1)),
                j => (part(n - j, 0), -part(n - j, 1)),
            };
            self.scale * sum_over(n, index[axis], n, |j, angle| number(j).0 * angle.cos() - number(j).1 * angle.sin())
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        InverseRealFft { n: g.pick(&[0, 1, 2, 3, 4, 5, usize::MAX]), scale: g.uniform(-2.0, 2.0) }
    }
}

/// Declares the methods for complex numbers along one axis and several, whose axes do not count the last.
macro_rules! complex_methods {
    ($($(#[$doc:meta])* $method:ident, $method_axes:ident, $inverse:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// Complex numbers are a last axis of two (real, imaginary), which axes do not count: `axis` -1 is the last but
        /// it. With `n` the axis is first cut or filled with zeros to n places.
        ///
        /// # Errors
        /// A tensor that is not complex; an axis outside it; a transform of no points.
        #[track_caller]
        pub fn $method(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Tensor> {
            composed(stringify!($method), || {
                let axis = complex_axis(self, axis)?;
                let x = resized(self, axis, n)?;
                let scale = norm.scale(expect_some_points(x.shape()[axis])?, $inverse);
                let moved = x.transpose(axis as isize, -2)?;
                apply_one(Fft { inverse: $inverse, scale }, &[&moved])?.transpose(axis as isize, -2)
            })
        }

        $(#[$doc])*
        ///
        /// Along several axes (all if none is named), one after the other, with `sizes` cut or filled as `n` is.
        ///
        /// # Errors
        /// Those of the transform along one axis; an axis named twice; another number of sizes than of axes.
        #[track_caller]
        pub fn $method_axes(&self, sizes: Option<&[usize]>, axes: &[isize], norm: FftNorm) -> Result<Tensor> {
            composed(stringify!($method_axes), || {
                let complex = self.to_dtype(self.dtype().to_float())?;
                let plan = plan(&complex, sizes, axes, complex.rank().saturating_sub(1))?;
                plan.into_iter().try_fold(complex, |x, (axis, n)| x.$method(n, axis as isize, norm))
            })
        }
    )*};
}

fn expect_some_points(n: usize) -> Result<usize> {
    expect_points(n).map(|()| n)
}

/// The axis that `axis` names among all but the last, which is the complex one.
fn complex_axis(x: &Tensor, axis: isize) -> Result<usize> {
    expect_complex(x.shape())?;
    Shape::new(&x.shape()[..x.rank() - 1])?.axis(axis)
}

/// The tensor as floats with one axis cut or filled with zeros to `n` places.
fn resized(x: &Tensor, axis: usize, n: Option<usize>) -> Result<Tensor> {
    let x = x.to_dtype(x.dtype().to_float())?;
    let Some(n) = n.filter(|&n| n != x.shape()[axis]) else { return Ok(x) };
    let change = isize::try_from(n).map_err(|_| Error::memory(format!("{n} points are larger than memory")))?;
    let mut pads = vec![(0, 0); x.rank()];
    pads[axis] = (0, change - x.shape()[axis] as isize);
    x.pad(&pads, PadMode::ZEROS)
}

/// The named of the first `rank` axes in the order given, each with its size.
fn plan(x: &Tensor, sizes: Option<&[usize]>, axes: &[isize], rank: usize) -> Result<Vec<(usize, Option<usize>)>> {
    let shape = Shape::new(&x.shape()[..rank])?;
    shape.axes(axes)?; // distinct
    let named: Axes = match (axes.is_empty(), sizes) {
        (false, _) => axes.iter().map(|&axis| shape.axis(axis)).collect::<Result<_>>()?,
        (true, Some(sizes)) if sizes.len() <= rank => (rank - sizes.len()..rank).collect(),
        (true, _) => (0..rank).collect(),
    };
    match sizes {
        None => Ok(named.into_iter().map(|axis| (axis, None)).collect()),
        Some(sizes) if sizes.len() == named.len() => {
            Ok(named.into_iter().zip(sizes.iter().map(|&n| Some(n))).collect())
        }
        Some(sizes) => Err(Error::argument(format!("sizes {sizes:?} for {} axes", named.len()))),
    }
}

/// Fourier transforms.
impl Tensor {
    complex_methods! {
        /// The discrete Fourier transform of complex numbers.
        fft, fft_axes, false;

        /// The inverse discrete Fourier transform of complex numbers.
        ifft, ifft_axes, true;
    }

    /// The first half of the discrete Fourier transform of real numbers: `n / 2 + 1` complex numbers along `axis`, with a
    /// new last axis of two (real, imaginary). With `n` the axis is first cut or filled with zeros to n places.
    ///
    /// # Errors
    /// An axis outside the shape; a transform of no points.
    #[track_caller]
    pub fn rfft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Tensor> {
        composed("rfft", || {
            let axis = self.shape().axis(axis)?;
            let x = resized(self, axis, n)?;
            let scale = norm.scale(expect_some_points(x.shape()[axis])?, false);
            let moved = x.transpose(axis as isize, -1)?;
            apply_one(RealFft { scale }, &[&moved])?.transpose(axis as isize, -2)
        })
    }

    /// The `n` real numbers (2 (m - 1) if none is given) whose transform begins with the m complex numbers along `axis`;
    /// axes do not count the last, of two. The inverse of [`Tensor::rfft`].
    ///
    /// # Errors
    /// A tensor that is not complex; an axis outside it; a transform of no points.
    #[track_caller]
    pub fn irfft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Tensor> {
        composed("irfft", || {
            let axis = complex_axis(self, axis)?;
            let n = expect_some_points(n.unwrap_or(2 * self.shape()[axis].saturating_sub(1)))?;
            let moved = resized(self, axis, Some(n / 2 + 1))?.transpose(axis as isize, -2)?;
            let scale = norm.scale(n, true);
            apply_one(InverseRealFft { n, scale }, &[&moved])?.transpose(axis as isize, -1)
        })
    }

    /// [`Tensor::rfft`] along the last of `axes` (all if none is named), then [`Tensor::fft`] along the others.
    ///
    /// # Errors
    /// Those of the two; an axis named twice; another number of sizes than of axes.
    #[track_caller]
    pub fn rfft_axes(&self, sizes: Option<&[usize]>, axes: &[isize], norm: FftNorm) -> Result<Tensor> {
        composed("rfft_axes", || {
            let mut plan = plan(self, sizes, axes, self.rank())?;
            let (last, n) = plan.pop().ok_or_else(|| Error::shape("a scalar has no axis to transform"))?;
            let first = self.rfft(n, last as isize, norm)?;
            plan.into_iter().try_fold(first, |x, (axis, n)| x.fft(n, axis as isize, norm))
        })
    }

    /// [`Tensor::ifft`] along all of `axes` but the last (all of the tensor if none is named), then [`Tensor::irfft`]
    /// along that: the inverse of [`Tensor::rfft_axes`].
    ///
    /// # Errors
    /// Those of the two; an axis named twice; another number of sizes than of axes.
    #[track_caller]
    pub fn irfft_axes(&self, sizes: Option<&[usize]>, axes: &[isize], norm: FftNorm) -> Result<Tensor> {
        composed("irfft_axes", || {
            let mut plan = plan(self, sizes, axes, self.rank().saturating_sub(1))?;
            let (last, n) = plan.pop().ok_or_else(|| Error::shape("a scalar has no axis to transform"))?;
            let first = plan.into_iter().try_fold(self.clone(), |x, (axis, n)| x.ifft(n, axis as isize, norm))?;
            first.irfft(n, last as isize, norm)
        })
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Fft>(), Entry::of::<RealFft>(), Entry::of::<InverseRealFft>()]
}
