//! A network that learns by going down a loss.

use crate::fit::{Learner, Step};
use crate::snapshot::{Parts, Stateful};
use crate::update::Update;
use mapsto_nn::Module;
use mapsto_tensor::{Result, Tensor};

/// What a batch came to.
pub struct Loss {
    /// What is to be made small: a scalar, a mean of items.
    pub value: Tensor,
    /// Of how many items: examples, or tokens.
    pub items: f64,
    /// What else was measured, as means of the items.
    pub measures: Vec<(&'static str, f64)>,
}

/// A network that learns by going down a loss.
pub struct Descent<'a, M, B> {
    /// The network.
    pub model: M,
    /// The loss of a batch.
    pub loss: Box<dyn Fn(&M, &B) -> Result<Loss> + 'a>,
    /// How it moves.
    pub update: Update,
}

impl<M: Module, B> Stateful for Descent<'_, M, B> {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.model("model", &self.model)?;
        parts.inside("update", &mut self.update)
    }
}

impl<M: Module, B> Learner for Descent<'_, M, B> {
    type Batch = B;

    fn step(&mut self, batch: &B, step: &mut Step<'_>) -> Result<()> {
        let Loss { value, items, measures } = (self.loss)(&self.model, batch)?;
        let value = self.update.descend(&self.model, &value, step)?;
        step.measure("loss", value, items);
        measures.into_iter().for_each(|(name, value)| step.measure(name, value, items));
        Ok(())
    }
}
