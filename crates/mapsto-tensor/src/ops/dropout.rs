//! Dropout.

use crate::backend::Binary;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
};
use crate::random::Rng;
use crate::shape::{IntoShape, Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;
use std::panic::Location;

/// Elements set to zero with probability `p`, the others divided by `1 - p` (Srivastava et al. 2014).
///
/// The mask has a shape that broadcasts to the input's: of size one where all elements along an axis share their fate.
/// It is a function of key and offset, so that it need not be stored for the gradient, and can be had again. With
/// `p = 1` all is zero.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The probability of zero.
    pub p: f64,
    /// The shape of the mask.
    pub mask: Shape,
    /// The key of the random stream.
    pub key: u64,
    /// The place in the stream of the mask's first word.
    pub offset: u64,
}

impl Dropout {
    /// The least word that keeps an element, and the factor of what is kept.
    fn threshold(&self) -> (u64, f64) {
        ((self.p * 4_294_967_296.0).round() as u64, if self.p == 1.0 { 0.0 } else { 1.0 / (1.0 - self.p) })
    }
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn attributes(&self) -> Attributes {
        vec![
            ("p", self.p.into()),
            ("mask", (&*self.mask).into()),
            ("key", self.key.into()),
            ("offset", self.offset.into()),
        ]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 1)?;
        expect_float(inputs)?;
        if !(0.0..=1.0).contains(&self.p) {
            return Err(Error::argument(format!("the probability {} is outside 0..=1", self.p)));
        }
        if !self.mask.broadcast(&inputs[0].shape).is_ok_and(|shape| shape == inputs[0].shape) {
            return Err(Error::shape(format!("the mask {} does not broadcast to {}", self.mask, inputs[0].shape)));
        }
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let (x, backend) = (inputs[0], inputs[0].backend());
        let (threshold, scale) = self.threshold();
        if self.mask == *x.shape() {
            return Ok(smallvec![backend.dropout(x, threshold, scale, self.key, self.offset)?]);
        }
        let mask = backend.at_least(self.mask, threshold, self.key, self.offset)?;
        let number = |value: f64| Tensor::scalar(Scalar::Float(value), x.dtype());
        let scaled = backend.binary(Binary::Mul, x, &number(scale)?)?;
        Ok(smallvec![backend.select(&mask, &scaled, &number(0.0)?)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![Some(apply_one(*self, &[&cx.grad(0)?])?)])
    }
}

impl Registered for Dropout {
    fn cases() -> Vec<Case> {
        let samples: [(f64, &[usize], &[usize]); 9] = [
            (0.5, &[], &[]),
            (0.3, &[37], &[37]),
            (0.9, &[3, 1030], &[3, 1030]),
            (0.5, &[2, 7, 3, 5], &[2, 7, 1, 1]),
            (0.5, &[4, 6, 5], &[5]),
            (0.0, &[2, 9], &[2, 9]),
            (1.0, &[2, 9], &[2, 9]),
            (1.0, &[2, 9], &[2, 1]),
            (0.5, &[0, 3], &[0, 1]),
        ];
        let case = |&(p, sizes, mask): &(f64, &[usize], &[usize])| {
            let mask = Shape::new(mask).expect("small sizes fit");
            Case::new(Dropout { p, mask, key: 17, offset: 5 }, [Gen::new(4).tensor(sizes, -3.0, 3.0)])
        };
        samples.iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let mut rng = Rng::from_parts(self.key, self.offset);
        let mask = Array::from_fn(&self.mask, |_| (f64::from(rng.next_u32()) >= self.p * 4_294_967_296.0) as u8 as f64);
        vec![inputs[0].zip(&mask, |x, kept| if kept == 1.0 { x / (1.0 - self.p) } else { 0.0 })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Dropout { p: g.pick(&[0.0, 0.5, 1.0, -0.1, f64::NAN]), mask: g.shape(), key: g.bits(), offset: g.bits() }
    }
}

impl Tensor {
    /// Each element set to zero with probability `p`, the others divided by `1 - p`. See [`Dropout`].
    ///
    /// # Errors
    /// A probability outside `0..=1`.
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        self.dropout_shared(p, *self.shape(), rng)
    }

    /// [`Tensor::dropout`] by a mask of a shape that broadcasts to this one: `[n, c, 1, 1]` drops whole channels.
    ///
    /// # Errors
    /// A probability outside `0..=1`; a mask that does not broadcast to this shape.
    #[track_caller]
    pub fn dropout_shared(&self, p: f64, mask: impl IntoShape, rng: &mut Rng) -> Result<Tensor> {
        let at = Location::caller();
        let mask = mask.into_shape().map_err(|e| e.op("dropout").at(at))?;
        let op = Dropout { p, mask, key: rng.key(), offset: rng.position() };
        let dropped = apply_one(op, &[self])?;
        rng.advance(mask.numel() as u64);
        Ok(dropped)
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Dropout>()]
}
