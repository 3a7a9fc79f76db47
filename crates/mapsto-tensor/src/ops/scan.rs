//! Running results along an axis.

use crate::backend::Scan;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_inputs, expect_same_dtype,
};
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// The sum of each element and all before it along an axis, or after it if `reverse`. Any float type, or `i64` (wraps).
#[derive(Clone, Copy, Debug)]
pub struct Cumsum {
    /// The axis.
    pub axis: usize,
    /// Whether the sums run from the end.
    pub reverse: bool,
}

/// The product of each element and all before it along an axis. Any float type, or `i64` (wraps). The gradient is exact
/// where elements are zero, too: it does not divide.
#[derive(Clone, Copy, Debug)]
pub struct Cumprod {
    /// The axis.
    pub axis: usize,
}

/// `y[i] = a[i] y[i - 1] + b[i]` along an axis, from its end if `reverse`, where nothing comes before the first: a linear
/// recurrence. Any float type, or `i64` (wraps).
#[derive(Clone, Copy, Debug)]
pub struct LinearRecurrence {
    /// The axis.
    pub axis: usize,
    /// Whether it runs from the end.
    pub reverse: bool,
}

/// Fails unless the inputs accumulate along this axis.
fn expect_line(inputs: &[Spec], axis: usize) -> Result<()> {
    let Spec { shape, dtype } = inputs[0];
    if !dtype.is_float() && dtype != DType::I64 {
        return Err(Error::dtype(format!("is not defined for {dtype} elements"))
            .mend("convert with to_dtype(DType::I64) first"));
    }
    shape.expect_axis(axis)
}

impl Op for Cumsum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into()), ("reverse", self.reverse.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_line(inputs, self.axis)?;
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().scan(Scan::Sum, inputs[0], self.axis, self.reverse)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let transpose = Cumsum { axis: self.axis, reverse: !self.reverse };
        Ok(smallvec![Some(apply_one(transpose, &[&cx.grad(0)?])?)])
    }
}

impl Op for Cumprod {
    fn name(&self) -> &'static str {
        "cumprod"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_line(inputs, self.axis)?;
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().scan(Scan::Product, inputs[0], self.axis, false)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::ALL
    }

    /// With `p[i]` the product of all before `i`, `dx[i] = p[i] s[i]` where `s[i] = g[i] + x[i + 1] s[i + 1]`.
    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (x, y, g) = (cx.input(0)?, cx.output(0)?, cx.grad(0)?);
        let before = shifted(&y, self.axis, false, 1)?;
        let after = shifted(&x, self.axis, true, 0)?;
        let rest = apply_one(LinearRecurrence { axis: self.axis, reverse: true }, &[&after, &g])?;
        Ok(smallvec![Some(before.mul(rest)?)])
    }
}

impl Op for LinearRecurrence {
    fn name(&self) -> &'static str {
        "linear_recurrence"
    }

    fn attributes(&self) -> Attributes {
        vec![("axis", self.axis.into()), ("reverse", self.reverse.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_same_dtype(inputs)?;
        expect_line(inputs, self.axis)?;
        if inputs[0].shape != inputs[1].shape {
            return Err(Error::shape(format!(
                "factors {} and summands {} differ in shape",
                inputs[0].shape, inputs[1].shape
            )));
        }
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().recur(inputs[0], inputs[1], self.axis, self.reverse)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { inputs: 0b1, outputs: true }
    }

    /// `db[i] = g[i] + a[i + 1] db[i + 1]`, and `da[i] = db[i] y[i - 1]`.
    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let next = shifted(&cx.input(0)?, self.axis, !self.reverse, 0)?;
        let transpose = LinearRecurrence { axis: self.axis, reverse: !self.reverse };
        let db = apply_one(transpose, &[&next, &cx.grad(0)?])?;
        let da = if cx.needs(0) { Some(db.mul(shifted(&cx.output(0)?, self.axis, self.reverse, 0)?)?) } else { None };
        Ok(smallvec![da, Some(db)])
    }

    fn multiply_adds(&self, _inputs: &[Spec], outputs: &[Spec]) -> u64 {
        outputs[0].shape.numel() as u64
    }
}

/// Each element's neighbour along an axis: the one after it if `next`, otherwise the one before; `edge` where none is.
fn shifted(x: &Tensor, axis: usize, next: bool, edge: i64) -> Result<Tensor> {
    let len = x.shape()[axis];
    let mut sizes = *x.shape();
    sizes.sizes_mut()[axis] = len.min(1);
    let edge = Tensor::full(sizes, edge, x.dtype())?;
    let inner = x.narrow(axis as isize, next as usize * len.min(1), len.saturating_sub(1))?;
    let parts = if next { [&inner, &edge] } else { [&edge, &inner] };
    Tensor::concat(&parts, axis as isize)
}

fn samples() -> [(&'static [usize], usize); 8] {
    [(&[7], 0), (&[1], 0), (&[0], 0), (&[3, 4], 0), (&[3, 4], 1), (&[2, 5, 3], 1), (&[5, 70], 0), (&[2, 0, 3], 2)]
}

/// A running result along each line of an array.
fn reference(x: &Array, axis: usize, reverse: bool, f: impl Fn(f64, &[usize]) -> f64, first: f64) -> Vec<Array> {
    let len = x.sizes[axis];
    vec![Array::from_fn(&x.sizes, |index| {
        let mut at = index.to_vec();
        let to = if reverse { len - 1 - index[axis] } else { index[axis] };
        (0..=to).fold(first, |now, i| {
            at[axis] = if reverse { len - 1 - i } else { i };
            f(now, &at)
        })
    })]
}

impl Registered for Cumsum {
    fn cases() -> Vec<Case> {
        let case = |(i, (sizes, axis)): (usize, (&[usize], usize))| {
            Case::new(Cumsum { axis, reverse: i % 2 == 1 }, [Gen::new(i as u64).tensor(sizes, -2.0, 2.0)])
        };
        samples().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        reference(&inputs[0], self.axis, self.reverse, |sum, at| sum + inputs[0].at(at), 0.0)
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Cumsum { axis: g.below(5), reverse: g.bool() }
    }
}

impl Registered for Cumprod {
    fn cases() -> Vec<Case> {
        let case = |(i, (sizes, axis)): (usize, (&[usize], usize))| {
            let x = Gen::new(i as u64).tensor(sizes, -1.5, 1.5);
            // Some elements are zero.
            let x = if i % 2 == 1 { x.mul(Gen::new(i as u64).integers(sizes, 3))? } else { x };
            Ok(Case::new(Cumprod { axis }, [x]))
        };
        samples().into_iter().enumerate().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        reference(&inputs[0], self.axis, false, |product, at| product * inputs[0].at(at), 1.0)
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Cumprod { axis: g.below(5) }
    }
}

impl Registered for LinearRecurrence {
    fn cases() -> Vec<Case> {
        let case = |(i, (sizes, axis)): (usize, (&[usize], usize))| {
            let mut g = Gen::new(i as u64);
            let inputs = [g.tensor(sizes, -1.0, 1.0), g.tensor(sizes, -2.0, 2.0)];
            Case::new(LinearRecurrence { axis, reverse: i % 2 == 0 }, inputs)
        };
        samples().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        reference(&inputs[0], self.axis, self.reverse, |y, at| inputs[0].at(at) * y + inputs[1].at(at), 0.0)
    }

    fn arbitrary(g: &mut Gen) -> Self {
        LinearRecurrence { axis: g.below(5), reverse: g.bool() }
    }
}

impl Tensor {
    /// The sum of each element and all before it along an axis, accumulated in double precision. Integers and truth values
    /// add up in `i64`.
    ///
    /// # Errors
    /// An axis outside the shape.
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Result<Tensor> {
        let at = Location::caller();
        let axis = self.shape().axis(axis).map_err(|e| e.op("cumsum").at(at))?;
        apply_one(Cumsum { axis, reverse: false }, &[&self.wide()?])
    }

    /// The product of each element and all before it along an axis, accumulated in double precision. Integers and truth
    /// values multiply in `i64`.
    ///
    /// # Errors
    /// An axis outside the shape.
    #[track_caller]
    pub fn cumprod(&self, axis: isize) -> Result<Tensor> {
        let at = Location::caller();
        let axis = self.shape().axis(axis).map_err(|e| e.op("cumprod").at(at))?;
        apply_one(Cumprod { axis }, &[&self.wide()?])
    }

    /// Floats as they are, others as `i64`.
    fn wide(&self) -> Result<Tensor> {
        if self.dtype().is_float() { Ok(self.clone()) } else { self.to_dtype(DType::I64) }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Cumsum>(), Entry::of::<Cumprod>(), Entry::of::<LinearRecurrence>()]
}
