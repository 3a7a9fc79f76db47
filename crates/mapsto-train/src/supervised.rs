//! Learning from examples with answers: classes, or numbers.

use crate::fit::{Learner, Step};
use crate::snapshot::{Parts, Stateful};
use crate::update::Update;
use mapsto_nn::{CrossEntropyLoss, Module, MseLoss};
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

/// A network that learns from examples.
pub struct Supervised<M, I> {
    /// The network.
    pub model: M,
    /// Its forward pass.
    pub forward: fn(&M, &I) -> Result<Tensor>,
    /// What it is to get right.
    pub objective: Objective,
    /// How it moves.
    pub update: Update,
}

impl<M: Module, I> Stateful for Supervised<M, I> {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.model("model", &self.model)?;
        parts.inside("update", &mut self.update)
    }
}

impl<M: Module, I> Learner for Supervised<M, I> {
    type Batch = Labelled<I>;

    fn step(&mut self, batch: &Labelled<I>, step: &mut Step<'_>) -> Result<()> {
        let items = *batch.target.shape().first().ok_or_else(|| Error::shape("targets without items"))?;
        let outputs = (self.forward)(&self.model, &batch.input)?;
        let loss = self.objective.loss(&outputs, &batch.target)?;
        let value = self.update.descend(&self.model, &loss, step)?;
        step.measure("loss", value, items as f64);
        if let Some(hits) = self.objective.hits(&outputs, &batch.target)? {
            step.measure("accuracy", hits / items as f64, items as f64);
        }
        Ok(())
    }
}
