//! Learning from examples with answers: classes, or numbers.

use crate::descent::Loss;
use mapsto_nn::{CrossEntropyLoss, MseLoss};
use mapsto_tensor::{DType, Error, Result, Tensor, no_grad};

/// Examples with their answers.
#[derive(Clone, Debug)]
pub struct Labelled<I> {
    /// What the network takes.
    pub input: I,
    /// Class numbers `[N]` (i64), shares of classes `[N, classes]`, or numbers `[N, outputs]`.
    pub target: Tensor,
}

/// What a network is to get right.
pub enum Objective {
    /// Classes: its outputs are logits `[N, classes]`.
    Classes(CrossEntropyLoss),
    /// Numbers: its outputs are `[N, outputs]`, and squares of differences count.
    Numbers,
}

impl Objective {
    /// The loss of outputs, a scalar.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn loss(&self, outputs: &Tensor, target: &Tensor) -> Result<Tensor> {
        match self {
            Objective::Classes(loss) => loss.forward(outputs, target),
            Objective::Numbers => MseLoss::default().forward(outputs, target),
        }
    }

    /// The loss of a batch whose outputs these are, with the share of hits.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn of(&self, outputs: &Tensor, target: &Tensor) -> Result<Loss> {
        let items = *target.shape().first().ok_or_else(|| Error::shape("targets without items"))? as f64;
        let hits = self.hits(outputs, target)?;
        let measures = hits.map(|hits| ("accuracy", hits / items)).into_iter().collect();
        Ok(Loss { value: self.loss(outputs, target)?, items, measures })
    }

    /// How many outputs name the right class; of shares, the greatest.
    fn hits(&self, outputs: &Tensor, target: &Tensor) -> Result<Option<f64>> {
        let Objective::Classes(_) = self else { return Ok(None) };
        no_grad(|| {
            let right = if target.shape().rank() > 1 { target.argmax_axis(-1, false)? } else { target.clone() };
            let hits = outputs.detach().argmax_axis(-1, false)?.eq(&right)?.to_dtype(DType::F64)?.sum()?;
            Ok(Some(hits.item::<f64>()?))
        })
    }
}
