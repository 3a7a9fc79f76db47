//! Evaluation between epochs.

use crate::error::TrainError;
use crate::fit::{Callback, Clock, Flow, Learner};
use crate::measures::Measures;
use crate::snapshot::{Parts, Stateful};
use mapsto_tensor::Result;

/// Measures something after each epoch: a validation loss.
pub struct Evaluate<F>(pub F);

impl<F> Stateful for Evaluate<F> {
    fn visit(&mut self, _: &mut Parts<'_>) -> Result<()> {
        Ok(())
    }
}

impl<L: Learner, F: FnMut(&mut L, &Clock) -> Result<Measures, TrainError>> Callback<L> for Evaluate<F> {
    fn epoch(&mut self, learner: &mut L, clock: &Clock, measures: &mut Measures) -> Result<Flow, TrainError> {
        measures.extend((self.0)(learner, clock)?);
        Ok(Flow::GoOn)
    }
}
