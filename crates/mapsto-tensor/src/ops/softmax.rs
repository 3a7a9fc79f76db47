//! Softmax and its relatives.

use crate::error::Result;
use crate::grad::is_recording;
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
};
use crate::shape::{Axes, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// `exp(x) / sum(exp(x))` along one axis, without overflow. A run of -inf alone gives NaN.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    /// The axis along which the values add up to one.
    pub axis: usize,
}

/// The logarithm of [`Softmax`], without its rounding to zero.
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax {
    /// The axis.
    pub axis: usize,
}

/// `ln(sum(exp(x)))` along one axis, which goes; without overflow. A run of -inf alone, or of nothing, gives -inf.
#[derive(Clone, Copy, Debug)]
pub struct LogSumExp {
    /// The axis.
    pub axis: usize,
}

/// Fails unless there is one float input with this axis.
fn check(inputs: &[Spec], axis: usize) -> Result<()> {
    expect_inputs(inputs, 1)?;
    expect_float(inputs)?;
    inputs[0].shape.expect_axis(axis)
}

/// Declares the two forms of softmax, which differ in the kernels' flag, the recorded gradient and the reference.
macro_rules! softmaxes {
    ($($name:ident, $method:ident, log $log:literal, recorded |$y:ident, $g:ident, $axes:ident| $formula:expr,
       reference |$x:ident, $max:ident, $sum:ident| $reference:expr;)*) => {$(
        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn attributes(&self) -> Attributes {
                vec![("axis", self.axis.into())]
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                check(inputs, self.axis)?;
                Ok(smallvec![inputs[0]])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                Ok(smallvec![inputs[0].backend().softmax(inputs[0], self.axis, $log)?])
            }

            fn keeps(&self) -> Keeps {
                Keeps::OUTPUTS
            }

            fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
                let ($y, $g, $axes) = (cx.output(0)?, cx.grad(0)?, &[self.axis as isize]);
                Ok(smallvec![Some(if is_recording() {
                    $formula
                } else {
                    $y.backend().softmax_gradient(&$y, &$g, self.axis, $log)?
                })])
            }
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                samples().into_iter().map(|(sizes, axis, x)| Case::new($name { axis }, [x(&sizes)])).collect()
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                let x = &inputs[0];
                let max = x.reduce(&[self.axis], true, |run| run.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                let e = x.zip(&max, |x, max| (x - max).exp());
                let sum = e.reduce(&[self.axis], true, |run| run.iter().sum());
                vec![Array::from_fn(&x.sizes, |index| {
                    let ($x, $max, $sum) = (x.at(index), max.broadcast_at(index), sum.broadcast_at(index));
                    $reference
                })]
            }

            fn arbitrary(g: &mut Gen) -> Self {
                $name { axis: g.below(5) }
            }
        }

        impl Tensor {
            /// Along one axis, without overflow; integers are taken as `f32`. See
            #[doc = concat!("[`", stringify!($name), "`](crate::ops::", stringify!($name), ").")]
            ///
            /// # Errors
            /// An axis that the tensor does not have.
            #[track_caller]
            pub fn $method(&self, axis: isize) -> Result<Tensor> {
                let at = Location::caller();
                let axis = self.shape().axis(axis).map_err(|e| e.op(stringify!($method)).at(at))?;
                apply_one($name { axis }, &[&self.to_dtype(self.dtype().to_float())?])
            }
        }
    )*};
}

softmaxes! {
    Softmax, softmax, log false,
    recorded |y, g, axes| {
        let weighted = g.mul(&y)?;
        weighted.sub(y.mul(weighted.sum_axes(axes, true)?)?)?
    },
    reference |x, max, sum| (x - max).exp() / sum;

    LogSoftmax, log_softmax, log true,
    recorded |y, g, axes| g.sub(y.exp()?.mul(g.sum_axes(axes, true)?)?)?,
    reference |x, max, sum| x - max - sum.ln();
}

impl Op for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        check(inputs, self.axis)?;
        Ok(smallvec![inputs[0].with_shape(inputs[0].shape.reduced(&[self.axis], false))])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().logsumexp(inputs[0], self.axis)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::ALL
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let axis = self.axis as isize;
        let out = cx.output(0)?.unsqueeze(axis)?;
        // Where all is -inf every element has the share zero.
        let shift = out.eq(f64::NEG_INFINITY)?.where_(0, &out)?;
        Ok(smallvec![Some(cx.input(0)?.sub(shift)?.exp()?.mul(cx.grad(0)?.unsqueeze(axis)?)?)])
    }
}

impl Registered for LogSumExp {
    fn cases() -> Vec<Case> {
        samples().into_iter().map(|(sizes, axis, x)| Case::new(LogSumExp { axis }, [x(&sizes)])).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].reduce(&[self.axis], false, |run| {
            let max = run.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shift = if max.is_finite() { max } else { 0.0 };
            shift + run.iter().map(|x| (x - shift).exp()).sum::<f64>().ln()
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        LogSumExp { axis: g.below(5) }
    }
}

impl Tensor {
    /// `ln(sum(exp(x)))` over `axes` (negative ones count from the end; none named means all), which stay with size one
    /// if `keep`; without overflow. Runs of -inf alone, or of nothing, give -inf.
    ///
    /// # Errors
    /// An axis outside the shape or named twice.
    #[track_caller]
    pub fn logsumexp(&self, axes: &[isize], keep: bool) -> Result<Tensor> {
        let at = Location::caller();
        let axes = self.shape().axes(axes).map_err(|e| e.op("logsumexp").at(at))?;
        let x = self.to_dtype(self.dtype().to_float())?;
        // The axes last and merged to one.
        let kept: Axes = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
        let order: Vec<isize> = kept.iter().chain(&axes).map(|&axis| axis as isize).collect();
        let mut sizes: Vec<usize> = kept.iter().map(|&axis| x.shape()[axis]).collect();
        let merged = if let [axis] = axes[..] {
            apply_one(LogSumExp { axis }, &[&x])?
        } else {
            sizes.push(axes.iter().map(|&axis| x.shape()[axis]).product());
            apply_one(LogSumExp { axis: kept.len() }, &[&x.permute(&order)?.reshape(sizes)?])?
        };
        merged.reshape(self.shape().reduced(&axes, keep))
    }
}

type Sample = (Vec<usize>, usize, fn(&[usize]) -> Tensor);

/// Rows and columns, of sizes about the kernels' lanes, far from zero, with -inf in some and in all places.
fn samples() -> Vec<Sample> {
    let near: fn(&[usize]) -> Tensor = |sizes| Gen::new(1).tensor(sizes, -3.0, 3.0);
    let far: fn(&[usize]) -> Tensor = |sizes| Gen::new(2).tensor(sizes, 880.0, 900.0);
    let masked: fn(&[usize]) -> Tensor = |sizes| {
        let numbers = (0..sizes.iter().product())
            .map(|i: usize| if i % 3 == 1 || i < 5 { f64::NEG_INFINITY } else { i as f64 * 0.1 });
        Tensor::from_vec(numbers.collect::<Vec<f64>>(), sizes).expect("as many as the sizes say")
    };
    vec![
        (vec![1], 0, near),
        (vec![7], 0, near),
        (vec![3, 32], 1, near),
        (vec![2, 3, 37], 2, near),
        (vec![2, 70], 1, far),
        (vec![5, 3], 0, near),
        (vec![2, 3, 70], 1, near),
        (vec![4, 2, 3], 0, far),
        (vec![0, 3], 1, near),
        (vec![3, 0], 0, near),
        (vec![2, 0], 1, near),
        (vec![4, 5], 1, masked),
        (vec![5, 5], 0, masked),
    ]
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Softmax>(), Entry::of::<LogSoftmax>(), Entry::of::<LogSumExp>()]
}
