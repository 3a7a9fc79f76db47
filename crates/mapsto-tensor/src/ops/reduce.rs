//! Many numbers to one, along axes.

use crate::backend::Reduction;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
};
use crate::shape::{Axes, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// Declares a reduction: its struct, its methods, its kernel, its gradient from `op`, `cx` and `g` (the output's gradient
/// with the reduced axes kept at size one), and a reference on the numbers that become one.
macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident, $method:ident, $method_axes:ident, $takes:ident, keeps $keeps:ident,
       forward |$op:ident, $x:ident, $shape:ident| $forward:expr,
       vjp |$cx:ident, $g:ident| $vjp:expr, reference |$values:ident| $reference:expr;)*) => {
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
                reductions!(@check $takes, self, inputs);
                Ok(smallvec![reduced(&inputs[0], &self.axes, self.keep)?])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                let ($op, $x) = (self, inputs[0]);
                let $shape = $x.shape().reduced(&$op.axes, $op.keep);
                Ok(smallvec![$forward])
            }

            fn keeps(&self) -> Keeps {
                Keeps::$keeps
            }

            fn vjp(&self, $cx: &Backward<'_>) -> Result<Cotangents> {
                let $op = self;
                let $g = $cx.grad(0)?.reshape($cx.spec(0).shape.reduced(&$op.axes, true))?;
                Ok(smallvec![Some($vjp)])
            }
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                reduction_cases(|axes, keep| $name { axes, keep }, stringify!($takes) == "some")
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                vec![inputs[0].reduce(&self.axes, self.keep, |$values| $reference)]
            }

            fn arbitrary(g: &mut Gen) -> Self {
                $name { axes: (0..g.below(4)).map(|_| g.below(5)).collect(), keep: g.bool() }
            }
        }

        impl Tensor {
            $(#[$doc])*
            #[track_caller]
            pub fn $method(&self) -> Result<Tensor> {
                self.$method_axes(&[], false)
            }

            $(#[$doc])*
            ///
            /// Over `axes` (negative ones count from the end; none named means all), which stay with size one if `keep`.
            ///
            /// # Errors
            /// An axis outside the shape or named twice; a type that the operation does not take.
            #[track_caller]
            pub fn $method_axes(&self, axes: &[isize], keep: bool) -> Result<Tensor> {
                let at = Location::caller();
                let axes = self.shape().axes(axes).map_err(|e| e.op(stringify!($method)).at(at))?;
                reductions!(@apply $takes, self, $name { axes, keep })
            }
        }
        )*

        /// These operations, for the registry.
        pub(super) fn entries() -> Vec<Entry> {
            vec![$(Entry::of::<$name>()),*]
        }
    };
    (@check wide, $self:ident, $inputs:ident) => {
        if !$inputs[0].dtype.is_float() && $inputs[0].dtype != DType::I64 {
            return Err(Error::dtype(format!("is not defined for {} elements", $inputs[0].dtype)).mend("convert with to_dtype(DType::I64) first"));
        }
    };
    (@check floats, $self:ident, $inputs:ident) => { expect_float($inputs)? };
    (@check some, $self:ident, $inputs:ident) => { expect_some(&$inputs[0].shape, &$self.axes)? };
    (@apply wide, $x:ident, $op:expr) => {
        if $x.dtype().is_float() { apply_one($op, &[$x]) } else { apply_one($op, &[&$x.to_dtype(DType::I64)?]) }
    };
    (@apply floats, $x:ident, $op:expr) => { apply_one($op, &[&$x.to_dtype($x.dtype().to_float())?]) };
    (@apply some, $x:ident, $op:expr) => { apply_one($op, &[$x]) };
}

/// The shape rule of reductions.
pub(super) fn reduced(input: &Spec, axes: &Axes, keep: bool) -> Result<Spec> {
    if axes.windows(2).any(|pair| pair[0] >= pair[1]) || axes.last().is_some_and(|&axis| axis >= input.shape.rank()) {
        return Err(Error::index(format!("axes {:?} are not distinct, sorted axes of {}", &axes[..], input.shape)));
    }
    Ok(input.with_shape(input.shape.reduced(axes, keep)))
}

/// Fails where nothing would be reduced to one number that has no neutral element.
pub(super) fn expect_some(shape: &Shape, axes: &Axes) -> Result<()> {
    match axes.iter().find(|&&axis| shape.get(axis) == Some(&0)) {
        Some(axis) => {
            Err(Error::shape(format!("axis {axis} of {shape} is empty: it has no greatest or least element")))
        }
        None => Ok(()),
    }
}

/// Every axis alone, pairs, all; large enough to use several leaves of the tree.
fn reduction_cases<O: Registered>(op: impl Fn(Axes, bool) -> O, needs_some: bool) -> Vec<Case> {
    let samples: [(&[usize], &[usize]); 10] = [
        (&[], &[]),
        (&[1], &[0]),
        (&[7], &[0]),
        (&[3, 4, 5], &[0]),
        (&[3, 4, 5], &[1]),
        (&[3, 4, 5], &[0, 2]),
        (&[2, 3, 4, 5], &[0, 2, 3]),
        (&[2, 3], &[]),
        (&[2, 0, 3], &[1]),
        (&[130, 3], &[0]),
    ];
    let samples = samples.iter().filter(|(sizes, _)| !(needs_some && sizes.contains(&0))).enumerate();
    let case = |(i, (sizes, axes)): (usize, &(&[usize], &[usize]))| {
        Case::new(op(axes.iter().copied().collect(), i % 2 == 0), [Gen::new(i as u64).tensor(sizes, 0.3, 1.6)])
    };
    samples.map(case).collect()
}

reductions! {
    /// The sum. Integers and truth values add up in `i64`; nothing gives zero.
    Sum, sum, sum_axes, wide, keeps NOTHING,
    forward |op, x, shape| x.backend().reduce(Reduction::Sum, x, &op.axes, shape)?,
    vjp |cx, g| g.broadcast_to(cx.spec(0).shape)?, reference |values| values.iter().sum();

    /// The mean. Integers are averaged as `f32`; nothing gives NaN.
    Mean, mean, mean_axes, floats, keeps NOTHING,
    forward |op, x, shape| {
        // Halves are rounded once, at the end: neither their sum nor the count need fit their type.
        let wide = x.backend().cast(x, x.dtype().to_wide())?;
        let sum = x.backend().reduce(Reduction::Sum, &wide, &op.axes, shape)?;
        x.backend().cast(&sum.div(op.count(x.shape()))?, x.dtype())?
    },
    vjp |cx, g| {
        let Spec { shape, dtype } = cx.spec(0);
        g.to_dtype(dtype.to_wide())?.div(op.count(&shape))?.to_dtype(dtype)?.broadcast_to(shape)?
    },
    reference |values| values.iter().sum::<f64>() / values.len() as f64;

    /// The product. Integers multiply in `i64`; nothing gives one. The gradient is exact where elements are zero, too.
    Product, product, product_axes, wide, keeps INPUTS,
    forward |op, x, shape| x.backend().reduce(Reduction::Product, x, &op.axes, shape)?,
    vjp |cx, g| product_gradient(&cx.input(0)?, &op.axes)?.mul(g)?, reference |values| values.iter().product();

    /// The greatest element; NaN if any is. Elements that are equally great share the gradient.
    Max, max, max_axes, some, keeps ALL,
    forward |op, x, shape| x.backend().reduce(Reduction::Max, x, &op.axes, shape)?,
    vjp |cx, g| shared_gradient(cx, &op.axes, g)?, reference |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);

    /// The least element; NaN if any is. Elements that are equally small share the gradient.
    Min, min, min_axes, some, keeps ALL,
    forward |op, x, shape| x.backend().reduce(Reduction::Min, x, &op.axes, shape)?,
    vjp |cx, g| shared_gradient(cx, &op.axes, g)?, reference |values| values.iter().copied().fold(f64::INFINITY, f64::min);
}

impl Mean {
    fn count(&self, shape: &Shape) -> f64 {
        self.axes.iter().map(|&axis| shape[axis]).product::<usize>() as f64
    }
}

/// For each element the product of all others over `axes`, by halves: exact where elements are zero.
fn product_gradient(x: &Tensor, axes: &Axes) -> Result<Tensor> {
    // The reduced axes last and merged to one.
    let order: Vec<isize> =
        (0..x.rank()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).map(|a| a as isize).collect();
    let inverse: Vec<isize> =
        (0..x.rank()).map(|axis| order.iter().position(|&a| a == axis as isize).unwrap_or(axis) as isize).collect();
    let moved = x.permute(&order)?;
    let kept = x.rank() - axes.len();
    let outer: usize = moved.shape()[..kept].iter().product();
    let run: usize = moved.shape()[kept..].iter().product();
    let flat = moved.reshape([outer, run])?;
    // Level by level: `others` of a block is its parent's times its sibling's product.
    let size = run.next_power_of_two();
    let ones = Tensor::ones([outer, size - run], x.dtype())?;
    let mut levels = vec![Tensor::concat(&[&flat, &ones], 1)?];
    while levels[levels.len() - 1].shape()[1] > 1 {
        let below = &levels[levels.len() - 1];
        let pairs = below.reshape([outer, below.shape()[1] / 2, 2])?;
        levels.push(pairs.narrow(2, 0, 1)?.mul(pairs.narrow(2, 1, 1)?)?.squeeze(&[2])?);
    }
    let mut others = Tensor::ones([outer, 1], x.dtype())?;
    for level in levels.iter().rev().skip(1) {
        let pairs = level.reshape([outer, level.shape()[1] / 2, 2])?;
        let siblings = pairs.flip(&[2])?;
        others = siblings.mul(others.unsqueeze(2)?)?.reshape(*level.shape())?;
    }
    others.narrow(1, 0, run)?.reshape(*moved.shape())?.permute(&inverse)
}

/// The gradient to every element that equals the result, in equal parts.
fn shared_gradient(cx: &Backward<'_>, axes: &Axes, g: Tensor) -> Result<Tensor> {
    let x = cx.input(0)?;
    let result = cx.output(0)?.detach().reshape(x.shape().reduced(axes, true))?;
    // In the wide type, which holds the count.
    let hits = x.detach().eq(&result)?.to_dtype(x.dtype().to_wide())?;
    let axes: Vec<isize> = axes.iter().map(|&axis| axis as isize).collect();
    let count = if axes.is_empty() { hits.clone() } else { hits.sum_axes(&axes, true)? };
    hits.div(count)?.mul(g)?.to_dtype(x.dtype())
}
