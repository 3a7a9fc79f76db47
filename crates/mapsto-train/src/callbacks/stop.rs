//! The best epoch: to go back to, and to stop after.

use crate::early_stopping::EarlyStopping;
use crate::error::TrainError;
use crate::fit::{Callback, Clock, Flow, Learner};
use crate::measures::Measures;
use crate::snapshot::{Parts, Stateful};
use mapsto_nn::{LoadOptions, StateDict};
use mapsto_tensor::Result;

/// Stops when a measure has not become better for some epochs.
pub struct Stopping {
    /// The measure.
    pub measure: String,
    /// When it is enough.
    pub rule: EarlyStopping,
}

impl Stateful for Stopping {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.value("rule", &mut self.rule)
    }
}

impl<L: Learner> Callback<L> for Stopping {
    fn epoch(&mut self, _: &mut L, _: &Clock, measures: &mut Measures) -> Result<Flow, TrainError> {
        let measure = measures.get(&self.measure).copied().unwrap_or(f64::NAN);
        Ok(if self.rule.observe(measure) { Flow::Stop } else { Flow::GoOn })
    }
}

/// Keeps the networks of the best epoch, and gives them back at the end.
pub struct KeepBest {
    /// The measure.
    pub measure: String,
    /// Whether greater is better.
    pub greater: bool,
    best: Option<f64>,
    epoch: u64,
    values: StateDict,
}

impl KeepBest {
    /// By this measure.
    pub fn new(measure: impl Into<String>, greater: bool) -> KeepBest {
        KeepBest { measure: measure.into(), greater, best: None, epoch: 0, values: StateDict::new() }
    }

    /// The best epoch, from 0, and its measure.
    pub fn best(&self) -> Option<(u64, f64)> {
        Some((self.epoch, self.best?))
    }
}

impl Stateful for KeepBest {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.value("best", &mut self.best)?;
        parts.value("epoch", &mut self.epoch)?;
        parts.tensors("values", &mut self.values);
        Ok(())
    }
}

impl<L: Learner> Callback<L> for KeepBest {
    fn epoch(&mut self, learner: &mut L, clock: &Clock, measures: &mut Measures) -> Result<Flow, TrainError> {
        let measure = measures.get(&self.measure).copied().filter(|measure| measure.is_finite());
        if let Some(measure) = measure
            && self.best.is_none_or(|best| if self.greater { measure > best } else { measure < best })
        {
            (self.best, self.epoch) = (Some(measure), clock.epoch);
            let mut values = StateDict::new();
            let mut saved = Ok(());
            Parts::models(learner, &mut |name, model| match model.state_dict() {
                Ok(own) => values.extend(own.into_iter().map(|(key, value)| (format!("{name}/{key}"), value))),
                Err(error) => saved = Err(error),
            })?;
            saved?;
            self.values = values;
        }
        Ok(Flow::GoOn)
    }

    fn end(&mut self, learner: &mut L, _: &Clock) -> Result<(), TrainError> {
        if self.best.is_none() {
            return Ok(());
        }
        let mut loaded = Ok(());
        Parts::models(learner, &mut |name, model| {
            let own = |(key, value): (&String, &mapsto_tensor::Tensor)| {
                Some((key.strip_prefix(name)?.strip_prefix('/')?.to_string(), value.clone()))
            };
            let own: StateDict = self.values.iter().filter_map(own).collect();
            if let Err(error) = model.load_state_dict(&own, &LoadOptions::strict()) {
                loaded = Err(error);
            }
        })?;
        Ok(loaded?)
    }
}
