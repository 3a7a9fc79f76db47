//! Cross entropy of logits with the probabilities of two classes.

use crate::backend::Binary;
use crate::error::{Error, Result};
use crate::op::{
    Backward, Cotangents, Forward, Op, Outputs, Specs, apply_one, composed, expect_float, expect_inputs,
    expect_same_dtype,
};
use crate::ops::cross_entropy::LossReduction;
use crate::shape::Spec;
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// `-(t ln σ(x) + (1 - t) ln(1 - σ(x)))` of logits `x` and probabilities `t` of the same shape, without overflow.
#[derive(Clone, Copy, Debug)]
pub struct BinaryCrossEntropy;

impl Op for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary_cross_entropy_with_logits"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_float(inputs)?;
        expect_same_dtype(inputs)?;
        if inputs[0].shape != inputs[1].shape {
            let (logits, targets) = (inputs[0].shape, inputs[1].shape);
            return Err(Error::shape(format!("the shapes of logits {logits} and targets {targets} differ")));
        }
        Ok(smallvec![inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().binary(Binary::LogisticLoss, inputs[0], inputs[1])?])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (x, t, g) = (cx.input(0)?, cx.input(1)?, cx.grad(0)?);
        Ok(smallvec![
            if cx.needs(0) { Some(g.mul(x.sigmoid()?.sub(t)?)?) } else { None },
            if cx.needs(1) { Some(g.mul(x)?.neg()?) } else { None },
        ])
    }
}

impl Registered for BinaryCrossEntropy {
    fn cases() -> Vec<Case> {
        let shapes: [&[usize]; 4] = [&[], &[1], &[0, 3], &[5, 37]];
        let case = |sizes: &&[usize]| {
            let mut g = Gen::new(3);
            Case::new(BinaryCrossEntropy, [g.tensor(sizes, -4.0, 4.0), g.tensor(sizes, 0.0, 1.0)])
        };
        shapes.iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].zip(&inputs[1], |x, t| {
            let p = 1.0 / (1.0 + (-x).exp());
            -(t * p.ln() + (1.0 - t) * (1.0 - p).ln())
        })]
    }

    fn arbitrary(_: &mut Gen) -> Self {
        BinaryCrossEntropy
    }
}

impl Tensor {
    /// The cross entropy of these logits with the probabilities `targets` of the positive class. `pos_weight` multiplies
    /// the positive class's part, `weight` everything; both broadcast.
    ///
    /// # Errors
    /// Targets of another shape; weights that do not broadcast to it.
    #[track_caller]
    pub fn binary_cross_entropy_with_logits(
        &self,
        targets: &Tensor,
        weight: Option<&Tensor>,
        pos_weight: Option<&Tensor>,
        reduction: LossReduction,
    ) -> Result<Tensor> {
        composed(BinaryCrossEntropy.name(), || {
            let targets = targets.to_dtype(self.dtype())?;
            for given in [weight, pos_weight].into_iter().flatten() {
                let (given, logits) = (given.shape(), self.shape());
                if !logits.broadcast(given).is_ok_and(|shape| shape == *logits) {
                    return Err(Error::shape(format!("the weight {given} does not broadcast to the logits {logits}")));
                }
            }
            let mut losses = apply_one(BinaryCrossEntropy, &[self, &targets])?;
            if let Some(pos_weight) = pos_weight {
                // The positive class's part is t ln(1 + e⁻ˣ).
                let positive = targets.mul(self.log_sigmoid()?.neg()?)?;
                losses = losses.add(positive.mul(pos_weight.sub(1)?)?)?;
            }
            if let Some(weight) = weight {
                losses = losses.mul(weight)?;
            }
            reduction.apply(&losses)
        })
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<BinaryCrossEntropy>()]
}
