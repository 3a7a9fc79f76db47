//! Variance and standard deviation along axes.

use crate::error::Result;
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
};
use crate::ops::reduce::reduced;
use crate::shape::{Axes, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// Declares a measure of spread: its gradient from the deviations, the count less the correction, and `g`.
macro_rules! spreads {
    ($($(#[$doc:meta])* $name:ident, $method:ident, $method_axes:ident, keeps $keeps:ident, forward |$variance:ident| $forward:expr,
       vjp |$cx:ident, $g:ident, $divisor:ident| $vjp:expr, reference |$value:ident| $reference:expr;)*) => {
        $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// The axes that go, sorted; each once.
            pub axes: Axes,
            /// Whether they stay with size one.
            pub keep: bool,
            /// What is taken from the count before dividing.
            pub correction: usize,
        }

        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn attributes(&self) -> Attributes {
                vec![("axes", (&self.axes[..]).into()), ("keep", self.keep.into()), ("correction", self.correction.into())]
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                expect_inputs(inputs, 1)?;
                expect_float(inputs)?;
                Ok(smallvec![reduced(&inputs[0], &self.axes, self.keep)?])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                let shape = inputs[0].shape().reduced(&self.axes, self.keep);
                let divisor = divisor(inputs[0].shape(), &self.axes, self.correction);
                // Halves are rounded once, at the end: a variance need not fit their type.
                let (backend, dtype) = (inputs[0].backend(), inputs[0].dtype());
                let wide = backend.cast(inputs[0], dtype.to_wide())?;
                let $variance = backend.variance(&wide, &self.axes, divisor, shape)?;
                Ok(smallvec![backend.cast(&$forward, dtype)?])
            }

            fn keeps(&self) -> Keeps {
                Keeps::$keeps
            }

            fn vjp(&self, $cx: &Backward<'_>) -> Result<Cotangents> {
                let Spec { shape, dtype } = $cx.spec(0);
                let wide = dtype.to_wide();
                let $g = $cx.grad(0)?.reshape(shape.reduced(&self.axes, true))?.to_dtype(wide)?;
                let $divisor = divisor(&shape, &self.axes, self.correction);
                let (x, axes) = ($cx.input(0)?.to_dtype(wide)?, self.axes.iter().map(|&axis| axis as isize).collect::<Vec<_>>());
                let mean = if axes.is_empty() { x.clone() } else { x.mean_axes(&axes, true)? };
                Ok(smallvec![Some(x.sub(mean)?.mul($vjp)?.to_dtype(dtype)?)])
            }
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                let samples: [(&[usize], &[usize]); 9] = [
                    (&[7], &[0]),
                    (&[2], &[0]),
                    (&[3, 4, 5], &[0]),
                    (&[3, 4, 5], &[1]),
                    (&[3, 4, 5], &[0, 2]),
                    (&[3, 4, 5], &[1, 2]),
                    (&[2, 0, 3], &[0]),
                    (&[5, 70], &[0]),
                    (&[2, 70], &[1]),
                ];
                let case = |(i, (sizes, axes)): (usize, &(&[usize], &[usize]))| {
                    let op = $name { axes: axes.iter().copied().collect(), keep: i % 2 == 0, correction: i % 3 % 2 };
                    Case::new(op, [Gen::new(i as u64).tensor(sizes, -3.0, 3.0)])
                };
                samples.iter().enumerate().map(case).collect()
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                vec![inputs[0].reduce(&self.axes, self.keep, |values| {
                    let mean = values.iter().sum::<f64>() / values.len() as f64;
                    let sum: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
                    let $value = sum / (values.len() - self.correction) as f64;
                    $reference
                })]
            }

            fn arbitrary(g: &mut Gen) -> Self {
                $name { axes: (0..g.below(4)).map(|_| g.below(5)).collect(), keep: g.bool(), correction: g.below(4) }
            }
        }

        impl Tensor {
            $(#[$doc])*
            ///
            /// `correction` is taken from the count: 1 for a sample's unbiased estimate, 0 for a whole population.
            ///
            /// # Errors
            /// A refusal of memory.
            #[track_caller]
            pub fn $method(&self, correction: usize) -> Result<Tensor> {
                self.$method_axes(&[], false, correction)
            }

            $(#[$doc])*
            ///
            /// Over `axes` (negative ones count from the end; none named means all), which stay with size one if `keep`.
            /// `correction` is taken from the count: 1 for a sample's unbiased estimate, 0 for a whole population.
            ///
            /// # Errors
            /// An axis outside the shape or named twice.
            #[track_caller]
            pub fn $method_axes(&self, axes: &[isize], keep: bool, correction: usize) -> Result<Tensor> {
                let at = Location::caller();
                let axes = self.shape().axes(axes).map_err(|e| e.op(stringify!($method)).at(at))?;
                apply_one($name { axes, keep, correction }, &[&self.to_dtype(self.dtype().to_float())?])
            }
        }
        )*

        /// These operations, for the registry.
        pub(super) fn entries() -> Vec<Entry> {
            vec![$(Entry::of::<$name>()),*]
        }
    };
}

/// The number of elements that become one, less the correction, never below zero.
fn divisor(shape: &Shape, axes: &Axes, correction: usize) -> f64 {
    axes.iter().map(|&axis| shape[axis]).product::<usize>().saturating_sub(correction) as f64
}

spreads! {
    /// The variance: the mean squared distance from the mean, found in two passes. NaN where the corrected count is zero.
    /// Integers count as `f32`.
    Var, var, var_axes, keeps INPUTS, forward |variance| variance,
    vjp |cx, g, divisor| g.mul(2.0 / divisor)?, reference |value| value;

    /// The standard deviation: the square root of the variance. Its gradient is zero where it is zero. Integers count as
    /// `f32`.
    Std, std, std_axes, keeps ALL, forward |variance| variance.sqrt()?,
    vjp |cx, g, divisor| {
        let std = cx.output(0)?.reshape(*g.shape())?.to_dtype(g.dtype())?;
        let zero = std.detach().eq(0)?.to_dtype(std.dtype())?;
        // All deviations are zero there: any divisor but zero gives their gradient.
        g.mul(1.0 / divisor)?.div(std.add(zero)?)?
    }, reference |value| value.sqrt();
}
