//! Truth along axes.

use crate::backend::Reduction;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_inputs,
};
use crate::ops::reduce::reduced;
use crate::shape::{Axes, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// Declares a reduction of truth values.
macro_rules! truths {
    ($($(#[$doc:meta])* $name:ident, $method:ident, $method_axes:ident, $kernel:ident,
       reference |$values:ident| $reference:expr;)*) => {
        $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// The axes that go, sorted; each once.
            pub axes: Axes,
            /// Whether they stay with size one.
            pub keep: bool,
        }

        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn attributes(&self) -> Attributes {
                vec![("axes", (&self.axes[..]).into()), ("keep", self.keep.into())]
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                expect_inputs(inputs, 1)?;
                if inputs[0].dtype != DType::Bool {
                    return Err(Error::dtype(format!("takes truth values, not {}", inputs[0].dtype))
                        .mend("compare with zero first"));
                }
                Ok(smallvec![reduced(&inputs[0], &self.axes, self.keep)?])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                let shape = inputs[0].shape().reduced(&self.axes, self.keep);
                Ok(smallvec![inputs[0].backend().reduce(Reduction::$kernel, inputs[0], &self.axes, shape)?])
            }

            fn keeps(&self) -> Keeps {
                Keeps::NOTHING
            }

            fn differentiable(&self) -> bool {
                false
            }

            fn vjp(&self, _cx: &Backward<'_>) -> Result<Cotangents> {
                Ok(smallvec![None])
            }
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                let samples: [(&[usize], &[usize]); 6] =
                    [(&[], &[]), (&[9], &[0]), (&[3, 4], &[0]), (&[3, 2], &[1]), (&[2, 3, 2], &[0, 2]), (&[3, 0], &[1])];
                let case = |(i, (sizes, axes)): (usize, &(&[usize], &[usize]))| {
                    let x = Gen::new(i as u64).integers(sizes, 2).to_dtype(DType::Bool)?;
                    Ok(Case::new($name { axes: axes.iter().copied().collect(), keep: i % 2 == 0 }, [x]))
                };
                samples.iter().enumerate().map(case).collect::<Result<_>>().unwrap_or_default()
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                vec![inputs[0].reduce(&self.axes, self.keep, |$values| ($reference) as u8 as f64)]
            }

            fn arbitrary(g: &mut Gen) -> Self {
                $name { axes: (0..g.below(4)).map(|_| g.below(5)).collect(), keep: g.bool() }
            }
        }

        impl Tensor {
            $(#[$doc])*
            ///
            /// Elements are true unless they are zero (NaN is true).
            ///
            /// # Errors
            /// A refusal of memory.
            #[track_caller]
            pub fn $method(&self) -> Result<Tensor> {
                self.$method_axes(&[], false)
            }

            $(#[$doc])*
            ///
            /// Over `axes` (negative ones count from the end; none named means all), which stay with size one if `keep`.
            /// Elements are true unless they are zero (NaN is true).
            ///
            /// # Errors
            /// An axis outside the shape or named twice.
            #[track_caller]
            pub fn $method_axes(&self, axes: &[isize], keep: bool) -> Result<Tensor> {
                let at = Location::caller();
                let axes = self.shape().axes(axes).map_err(|e| e.op(stringify!($method)).at(at))?;
                apply_one($name { axes, keep }, &[&self.to_dtype(DType::Bool)?])
            }
        }
        )*

        /// These operations, for the registry.
        pub(super) fn entries() -> Vec<Entry> {
            vec![$(Entry::of::<$name>()),*]
        }
    };
}

truths! {
    /// Whether any element is true; false of nothing.
    Any, any, any_axes, Max, reference |values| values.iter().any(|&x| x != 0.0);

    /// Whether all elements are true; true of nothing.
    All, all, all_axes, Min, reference |values| values.iter().all(|&x| x != 0.0);
}

impl Tensor {
    /// How many elements are not zero (NaN is not), over `axes` (none named means all), which stay with size one if `keep`.
    ///
    /// # Errors
    /// An axis outside the shape or named twice.
    #[track_caller]
    pub fn count_nonzero(&self, axes: &[isize], keep: bool) -> Result<Tensor> {
        composed("count_nonzero", || self.to_dtype(DType::Bool)?.sum_axes(axes, keep))
    }
}
