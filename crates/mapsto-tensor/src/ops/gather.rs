//! Elements read from and written to places that an index tensor of the same rank names along one axis.

use crate::backend::Write;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs, expect_same_dtype,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// `out[i, j, k] = x[i, indices[i, j, k], k]` (for axis 1), in the shape of the indices, which may reach less far than `x`
/// along the other axes. The gradient is [`ScatterAdd`].
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    /// The axis along which the indices count; negative ones from the end.
    pub axis: usize,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_reach(&inputs[0].shape, self.axis, &inputs[1])?;
        Ok(smallvec![inputs[0].with_shape(inputs[1].shape)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().gather(inputs[0], self.axis, inputs[1])?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 0b10, outputs: false }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let zeros = Tensor::zeros(cx.spec(0).shape, cx.spec(0).dtype)?;
        let g = apply_one(ScatterAdd { axis: self.axis }, &[&zeros, &cx.input(1)?, &cx.grad(0)?])?;
        Ok(smallvec![Some(g), None])
    }
}

/// Fails unless indices of this spec name places of `shape` along `axis`.
fn expect_reach(shape: &Shape, axis: usize, indices: &Spec) -> Result<()> {
    expect_indices(indices)?;
    shape.expect_axis(axis)?;
    let reach = indices.shape;
    let fits = reach.rank() == shape.rank() && (0..reach.rank()).all(|a| a == axis || reach[a] <= shape[a]);
    if !fits {
        return Err(Error::shape(format!("indices {reach} reach beyond {shape} in another axis than {axis}"))
            .mend("indices need the tensor's rank, and sizes up to its own along the other axes"));
    }
    Ok(())
}

/// Fails unless elements of this spec are indices.
pub(crate) fn expect_indices(indices: &Spec) -> Result<()> {
    if indices.dtype == DType::I64 {
        return Ok(());
    }
    Err(Error::dtype(format!("indices must be i64, not {}", indices.dtype))
        .mend("convert them with to_dtype(DType::I64)"))
}

/// Integers as `i64`; other types as they are, for the shape rule to refuse.
pub(crate) fn as_indices(indices: &Tensor) -> Result<Tensor> {
    if indices.dtype().is_integer() { indices.to_dtype(DType::I64) } else { Ok(indices.clone()) }
}

/// Declares a way to write: its struct, its kernel and its gradients from `op`, `cx` and `g`.
macro_rules! scatters {
    ($($(#[$doc:meta])* $name:ident, $method:ident, $write:ident, $takes:ident, keeps $keeps:expr,
       vjp |$op:ident, $cx:ident, $g:ident| $dx:expr, $ds:expr; reference |$old:ident, $new:ident| $reference:expr;)*) => {
        $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            /// The axis along which the indices count; negative ones from the end.
            pub axis: usize,
        }

        impl Op for $name {
            fn name(&self) -> &'static str {
                stringify!($method)
            }

            fn attributes(&self) -> Attributes {
                vec![("axis", self.axis.into())]
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                expect_inputs(inputs, 3)?;
                expect_same_dtype(&[inputs[0], inputs[2]])?;
                scatters!(@check $takes, inputs);
                expect_reach(&inputs[0].shape, self.axis, &inputs[1])?;
                if inputs[1].shape != inputs[2].shape {
                    let (indices, source) = (inputs[1].shape, inputs[2].shape);
                    return Err(Error::shape(format!("indices {indices} and source {source} differ in shape"))
                        .mend("give both one shape, with broadcast_to or narrow"));
                }
                Ok(smallvec![inputs[0]])
            }

            fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
                let [x, indices, source] = inputs else { return Err(Error::argument("takes 3 inputs")) };
                Ok(smallvec![x.backend().scatter(Write::$write, x, self.axis, indices, source)?])
            }

            fn keeps(&self) -> Keeps {
                $keeps
            }

            fn vjp(&self, $cx: &Backward<'_>) -> Result<Cotangents> {
                let ($op, $g) = (self, $cx.grad(0)?);
                Ok(smallvec![
                    if $cx.needs(0) { Some($dx) } else { None },
                    None,
                    if $cx.needs(2) { Some($ds) } else { None },
                ])
            }
        }

        impl Registered for $name {
            fn cases() -> Vec<Case> {
                let case = |(i, (sizes, reach, axis)): (usize, (&[usize], &[usize], usize))| {
                    let mut g = Gen::new(i as u64);
                    let all = g.distinct(&[sizes.iter().product::<usize>() + reach.iter().product::<usize>()]);
                    let (head, tail) = (sizes.iter().product(), reach.iter().product());
                    let part = |start, len, sizes: &[usize]| all.narrow(0, start, len)?.reshape(sizes)?.mul(1.0);
                    let indices = g.indices(reach, sizes[axis]);
                    Ok(Case::new($name { axis }, [part(0, head, sizes)?, indices, part(head, tail, reach)?]))
                };
                samples().into_iter().enumerate().map(case).collect::<Result<_>>().unwrap_or_default()
            }

            fn reference(&self, inputs: &[Array]) -> Vec<Array> {
                let mut out = inputs[0].clone();
                Array::from_fn(&inputs[1].sizes, |index| {
                    let to = place(index, self.axis, inputs[1].at(index), &out.sizes);
                    let flat = to.iter().zip(&out.sizes).fold(0, |flat, (&i, &size)| flat * size + i);
                    let ($old, $new) = (out.data[flat], inputs[2].at(index));
                    out.data[flat] = $reference;
                    0.0
                });
                vec![out]
            }

            fn arbitrary(g: &mut Gen) -> Self {
                $name { axis: g.below(5) }
            }
        }

        impl Tensor {
            $(#[$doc])*
            ///
            /// `indices` are integers of the shape of `source`; negative ones count from the end of the axis.
            ///
            /// # Errors
            /// Shapes that do not fit, another element type in `source`, an index outside the axis.
            #[track_caller]
            pub fn $method(&self, axis: isize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
                let at = Location::caller();
                let axis = self.shape().axis(axis).map_err(|e| e.op(stringify!($method)).at(at))?;
                apply_one($name { axis }, &[self, &as_indices(indices)?, source])
            }
        }
        )*

        /// These operations, for the registry.
        pub(super) fn entries() -> Vec<Entry> {
            vec![Entry::of::<Gather>(), $(Entry::of::<$name>()),*]
        }
    };
    (@check any, $inputs:ident) => {};
    (@check numbers, $inputs:ident) => { super::expect_numbers(&$inputs[..1])? };
}

scatters! {
    /// A copy of `x` with `out[i, indices[i, j, k], k] = source[i, j, k]` (for axis 1). Where indices meet, the last in
    /// row-major order stands, always the same; the gradient goes to that one alone.
    Scatter, scatter, Replace, any, keeps Keeps { inputs: 0b10, outputs: false },
    vjp |op, cx, g| {
        let zeros = Tensor::zeros(cx.spec(2).shape, g.dtype())?;
        apply_one(*op, &[&g, &cx.input(1)?, &zeros])?
    }, {
        let indices = cx.input(1)?;
        g.gather(op.axis as isize, &indices)?.mul(op.winners(&indices, cx.spec(0).shape)?.to_dtype(g.dtype())?)?
    };
    reference |_old, new| new;

    /// A copy of `x` with `out[i, indices[i, j, k], k] += source[i, j, k]` (for axis 1), added in row-major order.
    ScatterAdd, scatter_add, Add, numbers, keeps Keeps { inputs: 0b10, outputs: false },
    vjp |op, cx, g| g.clone(), g.gather(op.axis as isize, &cx.input(1)?)?;
    reference |old, new| old + new;

    /// A copy of `x` with `out[i, indices[i, j, k], k]` the greatest of itself and all `source[i, j, k]` that meet there
    /// (for axis 1); NaN if any is. Those that are equally great share the gradient.
    ScatterMax, scatter_max, Max, numbers, keeps Keeps::ALL,
    vjp |op, cx, g| {
        let (hits, _, count) = op.hits(cx)?;
        g.mul(hits)?.div(count)?
    }, {
        let (_, hits, count) = op.hits(cx)?;
        g.div(count)?.gather(op.axis as isize, &cx.input(1)?)?.mul(hits)?
    };
    reference |old, new| old.max(new);
}

impl Scatter {
    /// Which elements of a source stand in the result: the last written to each place.
    fn winners(&self, indices: &Tensor, shape: Shape) -> Result<Tensor> {
        let count = Tensor::ones([indices.numel()], DType::I64)?.cumsum(0)?.reshape(*indices.shape())?;
        let writers = apply_one(*self, &[&Tensor::zeros(shape, DType::I64)?, indices, &count])?;
        writers.gather(self.axis as isize, indices)?.eq(&count)
    }
}

impl ScatterMax {
    /// Which elements of the tensor and of the source are the greatest, and how many share each place.
    fn hits(&self, cx: &Backward<'_>) -> Result<(Tensor, Tensor, Tensor)> {
        let (x, indices, source, out) =
            (cx.input(0)?.detach(), cx.input(1)?, cx.input(2)?.detach(), cx.output(0)?.detach());
        let axis = self.axis as isize;
        let own = x.eq(&out)?.to_dtype(x.dtype())?;
        let new = source.eq(out.gather(axis, &indices)?)?.to_dtype(x.dtype())?;
        let count = own.scatter_add(axis, &indices, &new)?;
        Ok((own, new, count))
    }
}

/// Shapes, shapes of indices, and the axis.
fn samples() -> Vec<(&'static [usize], &'static [usize], usize)> {
    vec![
        (&[5], &[7], 0),
        (&[4], &[0], 0),
        (&[1], &[3], 0),
        (&[3, 4], &[3, 6], 1),
        (&[3, 4], &[5, 2], 0),
        (&[2, 5, 3], &[2, 4, 2], 1),
        (&[2, 1, 3], &[1, 2, 3], 1),
        (&[2, 3, 70], &[2, 3, 9], 2),
    ]
}

/// The place that an index names.
fn place(index: &[usize], axis: usize, named: f64, sizes: &[usize]) -> Vec<usize> {
    let mut to = index.to_vec();
    to[axis] = if named < 0.0 { (named + sizes[axis] as f64) as usize } else { named as usize };
    to
}

impl Registered for Gather {
    fn cases() -> Vec<Case> {
        let case = |(i, (sizes, reach, axis)): (usize, (&[usize], &[usize], usize))| {
            let mut g = Gen::new(i as u64);
            Ok(Case::new(Gather { axis }, [g.tensor(sizes, -3.0, 3.0), g.indices(reach, sizes[axis])]))
        };
        samples().into_iter().enumerate().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, indices) = (&inputs[0], &inputs[1]);
        vec![Array::from_fn(&indices.sizes, |index| x.at(&place(index, self.axis, indices.at(index), &x.sizes)))]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Gather { axis: g.below(5) }
    }
}

impl Tensor {
    /// `out[i, j, k] = x[i, indices[i, j, k], k]` (for axis 1): one element for each index, as NumPy's `take_along_axis`.
    ///
    /// `indices` are integers of the tensor's rank; negative ones count from the end of the axis.
    ///
    /// # Errors
    /// Shapes that do not fit, an index outside the axis.
    #[track_caller]
    pub fn gather(&self, axis: isize, indices: &Tensor) -> Result<Tensor> {
        let at = Location::caller();
        let axis = self.shape().axis(axis).map_err(|e| e.op("gather").at(at))?;
        apply_one(Gather { axis }, &[self, &as_indices(indices)?])
    }
}
