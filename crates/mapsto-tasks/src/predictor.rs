//! A trained network, or several as one, in use.

use crate::error::TaskError;
use crate::saved::{Combination, Saved};
use crate::settings::Settings;
use crate::stage::optimizer;
use crate::task::Task;
use mapsto_models::Mixture;
use mapsto_nn::{LoadOptions, Module, StateDict, Summary};
use mapsto_tensor::{Error, Result};

/// A trained network, or several as one, with what makes its inputs and reads its outputs.
pub struct Predictor<T: Task> {
    /// The settings of its run.
    pub settings: Settings<T::Config>,
    /// What makes its inputs, and reads its outputs.
    pub preparation: T::Preparation,
    /// The networks.
    pub members: Vec<T::Network>,
    /// How they become one.
    pub combination: Combination,
}

impl<T: Task> Predictor<T> {
    /// Of a model file.
    ///
    /// # Errors
    /// A file of another task, or whose parts do not fit each other.
    pub fn load(saved: &Saved) -> Result<Predictor<T>, TaskError> {
        if saved.task != T::NAME {
            return Err(saved.wrong("task", format!("it is {:?}, not {:?}", saved.task, T::NAME)));
        }
        let settings: Settings<T::Config> = saved.part("settings", &saved.settings)?;
        settings.check().map_err(|e| saved.wrong("settings", e))?;
        let preparation: T::Preparation = saved.part("preparation", &saved.preparation)?;
        T::check(&preparation).map_err(|e| saved.wrong("preparation", e))?;
        let told = |what: &'static str| move |e: Error| saved.wrong(what, format!("{e:#}"));
        let member = |number: usize| {
            let network = T::network(&settings.config, &preparation).map_err(told("settings"))?;
            // The weights first: their sizes are compared before anything of the settings' sizes is made.
            network.load_state_dict(&saved.member(number), &LoadOptions::strict()).map_err(told("weights"))?;
            let network = network.init(settings.training.seed)?;
            network.eval();
            Ok(network)
        };
        let members = (0..saved.combination.weights.len()).map(member).collect::<Result<Vec<_>, TaskError>>()?;
        Ok(Predictor { settings, preparation, members, combination: saved.combination.clone() })
    }

    /// The networks, or what `part` takes of them, to answer as one.
    ///
    /// # Errors
    /// A run without a network.
    pub fn mixture<'a, N>(&'a self, part: impl Fn(&'a T::Network) -> &'a N) -> Result<Mixture<'a, N>, TaskError> {
        Ok(Mixture::of(self.members.iter().map(part).collect(), &self.combination.weights)?)
    }

    /// All weights; of several networks, behind their numbers.
    ///
    /// # Errors
    /// A parameter without a value.
    pub fn weights(&self) -> Result<StateDict> {
        if let [member] = &self.members[..] {
            return member.state_dict();
        }
        let mut all = StateDict::new();
        for (number, member) in self.members.iter().enumerate() {
            all.extend(member.state_dict()?.into_iter().map(|(name, value)| (format!("{number}.{name}"), value)));
        }
        Ok(all)
    }

    /// The summary of one of the networks, in a step of training with so many examples.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn summary(&self, items: usize) -> Result<Summary, TaskError> {
        let network = self.members.first().ok_or_else(|| TaskError::Internal("a run without a network".into()))?;
        network.train();
        let summary = T::summary(network, &self.settings.config, &self.preparation, items);
        let summary = summary.and_then(|summary| summary.with_optimizer(&optimizer(network, &self.settings.training)?));
        network.eval();
        Ok(summary?)
    }
}
