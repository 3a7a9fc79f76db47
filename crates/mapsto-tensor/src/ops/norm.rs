//! Norms of vectors along axes.

use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
};
use crate::ops::reduce::{expect_some, reduced};
use crate::shape::{Axes, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// The p-norm `(∑ |x|ᵖ)^(1/p)` along axes, for any order: 0 counts the elements that are not zero, ±∞ give the greatest
/// and the least magnitude. The gradient of a zero element is zero.
#[derive(Clone, Debug)]
pub struct Norm {
    /// The order.
    pub p: f64,
    /// The axes that go, sorted; each once.
    pub axes: Axes,
    /// Whether they stay with size one.
    pub keep: bool,
}

impl Norm {
    /// The norm of elements of a wide type.
    fn value(&self, x: &Tensor) -> Result<Tensor> {
        if self.axes.is_empty() {
            return if self.p == 0.0 { x.ne(0)?.to_dtype(x.dtype()) } else { x.abs() };
        }
        let axes: Vec<isize> = self.axes.iter().map(|&axis| axis as isize).collect();
        match self.p {
            0.0 => x.ne(0)?.to_dtype(x.dtype())?.sum_axes(&axes, self.keep),
            1.0 => x.abs()?.sum_axes(&axes, self.keep),
            2.0 => x.square()?.sum_axes(&axes, self.keep)?.sqrt(),
            f64::INFINITY => x.abs()?.max_axes(&axes, self.keep),
            f64::NEG_INFINITY => x.abs()?.min_axes(&axes, self.keep),
            p => x.abs()?.ln()?.mul(p)?.exp()?.sum_axes(&axes, self.keep)?.ln()?.mul(1.0 / p)?.exp(),
        }
    }
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn attributes(&self) -> Attributes {
        vec![("p", self.p.into()), ("axes", (&self.axes[..]).into()), ("keep", self.keep.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        if self.p.is_nan() {
            return Err(Error::argument("a norm's order is a number, not NaN"));
        }
        if self.p.is_infinite() {
            expect_some(&inputs[0].shape, &self.axes)?;
        }
        Ok(smallvec![reduced(&inputs[0], &self.axes, self.keep)?])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        // Halves are rounded once, at the end: their powers need not fit their type.
        let x = inputs[0].detach();
        let norm = self.value(&x.to_dtype(x.dtype().to_wide())?)?;
        Ok(smallvec![norm.to_dtype(x.dtype())?.detach()])
    }

    fn keeps(&self) -> Keeps {
        Keeps::ALL
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let Spec { shape, dtype } = cx.spec(0);
        let kept = shape.reduced(&self.axes, true);
        let [x, norm, g] = [cx.input(0)?, cx.output(0)?.reshape(kept)?, cx.grad(0)?.reshape(kept)?];
        let wide = |x: Tensor| x.to_dtype(dtype.to_wide());
        let (x, norm, g) = (wide(x)?, wide(norm)?, wide(g)?);
        let one_at_zero = |x: &Tensor| x.add(x.detach().eq(0)?.to_dtype(x.dtype())?);
        let slope = match self.p {
            0.0 => x.zeros_like()?,
            _ if self.axes.is_empty() => x.sign()?,
            1.0 => x.sign()?,
            2.0 => x.div(one_at_zero(&norm)?)?,
            p if p.is_infinite() => {
                let hits = x.detach().abs()?.eq(norm.detach())?.to_dtype(x.dtype())?;
                let axes: Vec<isize> = self.axes.iter().map(|&axis| axis as isize).collect();
                x.sign()?.mul(hits.div(hits.sum_axes(&axes, true)?)?)?
            }
            p => {
                let ratio = one_at_zero(&x.abs()?)?.ln()?.sub(one_at_zero(&norm)?.ln()?)?;
                ratio.mul(p - 1.0)?.exp()?.mul(x.sign()?)?
            }
        };
        Ok(smallvec![Some(g.mul(slope)?.to_dtype(dtype)?)])
    }
}

impl Registered for Norm {
    fn cases() -> Vec<Case> {
        let samples: [(f64, &[usize], &[usize]); 12] = [
            (2.0, &[7], &[0]),
            (2.0, &[3, 4, 5], &[0, 2]),
            (2.0, &[2, 0], &[1]),
            (2.0, &[], &[]),
            (1.0, &[3, 4], &[0]),
            (0.0, &[3, 4], &[1]),
            (f64::INFINITY, &[3, 4], &[1]),
            (f64::NEG_INFINITY, &[3, 4], &[0]),
            (3.0, &[3, 4], &[1]),
            (0.5, &[3, 4], &[0, 1]),
            (-1.5, &[5], &[0]),
            (4.0, &[1, 1], &[1]),
        ];
        let case = |(i, (p, sizes, axes)): (usize, (f64, &[usize], &[usize]))| {
            let op = Norm { p, axes: axes.iter().copied().collect(), keep: i % 2 == 0 };
            // Magnitudes are distinct, too.
            Ok(Case::new(op, [Gen::new(i as u64).distinct(sizes).add(0.03)?]))
        };
        samples.into_iter().enumerate().map(case).collect::<Result<_>>().unwrap_or_default()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let norm = |values: &[f64]| {
            let magnitudes = values.iter().map(|x| x.abs());
            match self.p {
                0.0 => magnitudes.filter(|&x| x != 0.0).count() as f64,
                f64::INFINITY => magnitudes.fold(0.0, f64::max),
                f64::NEG_INFINITY => magnitudes.fold(f64::INFINITY, f64::min),
                p => magnitudes.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p),
            }
        };
        vec![inputs[0].reduce(&self.axes, self.keep, norm)]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let p = g.pick(&[0.0, 1.0, 2.0, -3.0, 0.25, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
        Norm { p, axes: (0..g.below(4)).map(|_| g.below(5)).collect(), keep: g.bool() }
    }
}

impl Tensor {
    /// The p-norm of all elements: see [`Norm`]. Integers count as `f32`.
    ///
    /// # Errors
    /// An order that is NaN.
    #[track_caller]
    pub fn norm(&self, p: f64) -> Result<Tensor> {
        self.norm_axes(p, &[], false)
    }

    /// The p-norm over `axes` (negative ones count from the end; none named means all), which stay with size one if `keep`:
    /// see [`Norm`]. Integers count as `f32`.
    ///
    /// # Errors
    /// An axis outside the shape or named twice; an order that is NaN; no elements where the order is infinite.
    #[track_caller]
    pub fn norm_axes(&self, p: f64, axes: &[isize], keep: bool) -> Result<Tensor> {
        let at = Location::caller();
        let axes = self.shape().axes(axes).map_err(|e| e.op("norm").at(at))?;
        apply_one(Norm { p, axes, keep }, &[&self.to_dtype(self.dtype().to_float())?])
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Norm>()]
}
