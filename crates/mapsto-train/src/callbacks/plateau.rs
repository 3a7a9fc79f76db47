//! A rate that falls when nothing is gained.

use crate::error::TrainError;
use crate::fit::{Callback, Clock, Flow, Learner};
use crate::measures::Measures;
use crate::snapshot::{Parts, Stateful};
use mapsto_nn::Optimizer;
use mapsto_nn::schedule::{PlateauConfig, ReduceOnPlateau};
use mapsto_tensor::Result;

/// Lowers the learning rate when a measure has not become better for some epochs.
pub struct Plateau<L> {
    /// The measure.
    pub measure: String,
    optimizer: fn(&mut L) -> &mut Optimizer,
    state: ReduceOnPlateau,
    rates: Vec<f64>,
}

impl<L> Plateau<L> {
    /// Of this measure, for this optimiser of the learner.
    pub fn new(
        measure: impl Into<String>,
        config: PlateauConfig,
        optimizer: fn(&mut L) -> &mut Optimizer,
    ) -> Plateau<L> {
        Plateau { measure: measure.into(), optimizer, state: ReduceOnPlateau::new(config), rates: Vec::new() }
    }
}

impl<L> Stateful for Plateau<L> {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.value("state", &mut self.state)?;
        parts.value("rates", &mut self.rates)
    }
}

impl<L: Learner> Callback<L> for Plateau<L> {
    fn begin(&mut self, learner: &mut L, _: &Clock, _: bool) -> Result<(), TrainError> {
        let groups = (self.optimizer)(learner).groups_mut();
        groups.iter_mut().zip(&self.rates).for_each(|(group, &rate)| group.algorithm.set_lr(rate));
        Ok(())
    }

    fn epoch(&mut self, learner: &mut L, _: &Clock, measures: &mut Measures) -> Result<Flow, TrainError> {
        if let Some(&measure) = measures.get(&self.measure) {
            let groups = (self.optimizer)(learner).groups_mut();
            let rates: Vec<f64> = groups.iter().map(|group| group.algorithm.lr()).collect();
            let factor = rates.first().map_or(1.0, |&rate| self.state.next(measure, rate) / rate);
            self.rates = rates.into_iter().map(|rate| rate * factor).collect();
            groups.iter_mut().zip(&self.rates).for_each(|(group, &rate)| group.algorithm.set_lr(rate));
        }
        Ok(Flow::GoOn)
    }
}
