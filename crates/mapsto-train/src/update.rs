//! From a loss to moved parameters.

use crate::fit::Step;
use crate::snapshot::{Parts, Stateful};
use mapsto_nn::optim::{gradient_norms, scale_gradients};
use mapsto_nn::schedule::Schedule;
use mapsto_nn::{Averaged, Module, Optimizer};
use mapsto_tensor::{DType, Result, Tensor};
use std::collections::BTreeMap;

/// An optimiser with what belongs to its steps: the schedule of its rates, a bound on the gradients, an average.
pub struct Update {
    /// What moves the parameters.
    pub optimizer: Optimizer,
    /// The rate of each step.
    pub schedule: Option<Schedule>,
    /// The greatest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// An average of the parameters, which takes every step in from one on, counted from 0.
    pub average: Option<(Averaged, u64)>,
}

impl Update {
    /// Of an optimiser alone.
    pub fn new(optimizer: Optimizer) -> Update {
        Update { optimizer, schedule: None, clip_norm: None, average: None }
    }

    /// One step of `model` down a loss, whose value it gives. The norm of the gradient is measured as `gradient_norm`, and in the
    /// last step of each epoch that of each layer's as `gradient/<layer>`.
    ///
    /// # Errors
    /// A loss or a gradient that is not finite: nothing has moved then; those of the backward pass and the optimiser.
    pub fn descend(&mut self, model: &(impl Module + ?Sized), loss: &Tensor, step: &mut Step<'_>) -> Result<f64> {
        let value = step.check("the loss", loss.detach().to_dtype(DType::F64)?.item::<f64>()?)?;
        let mut gradients = loss.backward()?;
        let norms = gradient_norms(&gradients, model)?;
        let total = norms.iter().map(|(_, norm)| norm * norm).sum::<f64>().sqrt();
        step.check("the gradients' norm", total)?;
        step.measure("gradient_norm", total, 1.0);
        if step.clock.is_last_batch() {
            by_layer(norms).into_iter().for_each(|(layer, norm)| step.measure(&format!("gradient/{layer}"), norm, 1.0));
        }
        if let Some(bound) = self.clip_norm.filter(|bound| total > *bound) {
            scale_gradients(&mut gradients, &model.parameters(), bound / total)?;
        }
        if let Some(schedule) = &self.schedule {
            self.optimizer.follow(schedule, step.clock.step)?;
        }
        self.optimizer.step(&gradients)?;
        if step.clock.is_last_batch() {
            step.measure("rate", self.rate(), 1.0);
        }
        if let Some((average, from)) = &mut self.average
            && step.clock.step >= *from
        {
            average.update()?;
        }
        Ok(value)
    }

    /// The learning rate of the last step, the highest of all groups.
    pub fn rate(&self) -> f64 {
        self.optimizer.groups().iter().map(|group| group.algorithm.lr()).fold(0.0, f64::max)
    }
}

impl Stateful for Update {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.optimizer("optimizer", &mut self.optimizer)?;
        match &mut self.average {
            Some((average, _)) => parts.average("average", average),
            None => Ok(()),
        }
    }
}

/// The norms of layers, of those of their parameters.
fn by_layer(norms: Vec<(String, f64)>) -> BTreeMap<String, f64> {
    let mut layers: BTreeMap<String, f64> = BTreeMap::new();
    for (name, norm) in norms {
        let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
        *layers.entry(layer.to_string()).or_default() += norm * norm;
    }
    layers.into_iter().map(|(layer, squares)| (layer, squares.sqrt())).collect()
}
