//! What a task is to the loop and to the commands: data, a network that learns from them, how good it is, what it answers.
//!
//! Tasks whose examples have a class or a number as their right answer say less: see [`Examples`](crate::Examples).

use crate::boosting::{Boosting, losses};
use crate::error::TaskError;
use crate::models::Models;
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::question::{Listener, Question};
use crate::report::Markup;
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::Settings;
use mapsto_nn::{Module, Summary};
use mapsto_tensor::{Result, Tensor};
use mapsto_train::{Batches, Loss, Measures};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// How examples are to be divided.
#[derive(Clone, Debug, PartialEq)]
pub enum Division {
    /// At random; each class's share is kept.
    Random,
    /// At random, the examples of a group on one side.
    Groups(Vec<usize>),
    /// By time: what is tested is later than what was learned from.
    Times(Vec<f64>),
    /// By time, of examples that reach from one point to another: what was learned from ends before what is tested begins.
    Spans(Vec<[f64; 2]>),
}

/// Which examples are for what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// To learn from.
    pub train: Vec<usize>,
    /// To choose the best epoch by, where the data have such a part.
    pub validation: Vec<usize>,
    /// To be tested on, where the data have such a part.
    pub test: Vec<usize>,
}

impl Given {
    /// All examples, in their order.
    pub fn everything(&self) -> Vec<usize> {
        let mut all = [&self.train[..], &self.validation, &self.test].concat();
        all.sort_unstable();
        all
    }
}

/// Figures that tell how good a network is.
pub trait Figures: Serialize {
    /// All of them by name, without curves.
    fn metrics(&self) -> Value;

    /// The few that a person wants to see first, as they are shown.
    fn headline(&self) -> Vec<(&'static str, String)>;

    /// What a terminal shows.
    fn text(&self) -> String {
        let shown: Vec<String> = self.headline().iter().map(|(name, figure)| format!("{name} {figure}")).collect();
        shown.join("   ")
    }

    /// What a program wants to know besides the figures: an object.
    fn details(&self) -> Value {
        Value::Object(serde_json::Map::new())
    }
}

/// The loss of a batch, by the network.
pub type LossOf<'a, T> = Box<dyn Fn(&<T as Task>::Network, &<T as Task>::Batch) -> Result<Loss> + 'a>;

/// Batches of a task.
pub type BatchesOf<'a, T> = Box<dyn Batches<Batch = <T as Task>::Batch> + 'a>;

/// A task, with its data.
pub trait Task: Sized {
    /// The task's name.
    const NAME: &'static str;
    /// What it learns, in a few words.
    const ABOUT: &'static str;
    /// Whether it passes over what cannot be read, if asked.
    const SKIPS_BAD: bool = false;
    /// What a network of it is asked about, in examples of use: the end of a command line.
    const ASKED: &'static str;
    /// The models that its networks can be; none where there is no choice.
    const MODELS: Option<Models> = None;
    /// The task's own settings.
    type Config: Clone + Serialize + DeserializeOwned;
    /// What was learned from the training examples to make batches of any, and to read outputs: saved with the network.
    type Preparation: Clone + Serialize + DeserializeOwned;
    /// The network.
    type Network: Module;
    /// What a step takes.
    type Batch;
    /// How good a network is.
    type Evaluation: Figures;

    /// Reads what is asked for, and chooses settings that suit it.
    ///
    /// # Errors
    /// A request that means nothing to the task; data that cannot be read or learned from.
    fn begun(request: &Request) -> Result<Begun<Self>, TaskError>;

    /// Reads the data of a run's settings again.
    ///
    /// # Errors
    /// Data that cannot be read any more.
    fn open(config: &Self::Config) -> Result<Self, TaskError>;

    /// Reads data to evaluate a network on: those of its run, or others with answers.
    ///
    /// # Errors
    /// Data that cannot be read, or do not fit the network.
    fn open_for(predictor: &Predictor<Self>, data: Option<&Path>, skip_bad: bool) -> Result<Self, TaskError>;

    /// What a person should know of the data.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many examples there are.
    fn count(&self) -> usize;

    /// The parts that the data have.
    fn given(&self) -> &Given;

    /// How the rest is to be divided.
    fn division(&self) -> Division {
        Division::Random
    }

    /// Classes of all examples, whose shares are kept where they are divided at random.
    fn classes(&self) -> Option<&[usize]> {
        None
    }

    /// A number that other data would hardly have: a run goes on with the same data alone.
    fn fingerprint(&self) -> u64;

    /// Learns from the training examples.
    ///
    /// # Errors
    /// Examples from which nothing can be learned.
    fn prepare(&self, config: &Self::Config, train: &[usize]) -> Result<Self::Preparation, TaskError>;

    /// Says what no preparation can hold, of one that stood in a file.
    ///
    /// # Errors
    /// Such a thing.
    fn check(_preparation: &Self::Preparation) -> Result<(), TaskError> {
        Ok(())
    }

    /// What a person should know of what was learned: what was left out, and why.
    fn notes(&self, _preparation: &Self::Preparation) -> Vec<String> {
        Vec::new()
    }

    /// Builds the network.
    ///
    /// # Errors
    /// Settings that do not fit each other or the data.
    fn network(config: &Self::Config, preparation: &Self::Preparation) -> Result<Self::Network>;

    /// What a network that is to learn begins with, besides chance: pretrained weights.
    ///
    /// # Errors
    /// A file that cannot be read, or of another network.
    fn begin(_config: &Self::Config, _network: &Self::Network) -> Result<(), TaskError> {
        Ok(())
    }

    /// Batches to learn from, in this order, changed at random where the settings say so.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn batches<'a>(
        &'a self,
        config: &'a Self::Config,
        preparation: &'a Self::Preparation,
        plan: Plan,
    ) -> Result<BatchesOf<'a, Self>, TaskError>;

    /// What a network is to make small when it learns from these examples.
    ///
    /// # Errors
    /// Settings that do not fit the examples.
    fn loss<'a>(
        &'a self,
        settings: &'a Settings<Self::Config>,
        preparation: &'a Self::Preparation,
        train: &[usize],
    ) -> Result<LossOf<'a, Self>, TaskError>;

    /// The figures of a network in training, on examples that it does not learn from: `val_loss`, by which the best epoch is chosen,
    /// and others.
    ///
    /// # Errors
    /// Data that cannot be read; outputs that are not finite.
    fn measures(
        &self,
        settings: &Settings<Self::Config>,
        network: &Self::Network,
        preparation: &Self::Preparation,
        items: &[usize],
    ) -> Result<Measures, TaskError>;

    /// What boosting takes for a mistake.
    fn boosting(_preparation: &Self::Preparation) -> Boosting {
        Boosting::Losses
    }

    /// How wrong a member of a boosted ensemble is on each example that batches of these are made of, as [`Boosting`] takes it.
    ///
    /// # Errors
    /// Data that cannot be read; outputs that are not finite.
    fn mistakes(
        &self,
        settings: &Settings<Self::Config>,
        member: &Self::Network,
        preparation: &Self::Preparation,
        train: &[usize],
    ) -> Result<Vec<f64>, TaskError> {
        losses(self, settings, member, preparation, train)
    }

    /// Corrects what trained networks say by examples that they did not learn from, and says what a person should know of it.
    ///
    /// # Errors
    /// Data that cannot be read; outputs that are not finite.
    fn calibrate(&self, _predictor: &mut Predictor<Self>, _validation: &[usize]) -> Result<Option<String>, TaskError> {
        Ok(None)
    }

    /// How good a network is on some examples.
    ///
    /// # Errors
    /// Data that cannot be read; no examples; outputs that are not finite.
    fn evaluate(&self, predictor: &Predictor<Self>, items: &[usize]) -> Result<Self::Evaluation, TaskError>;

    /// The headings of a table of predictions, after the input's.
    fn columns(predictor: &Predictor<Self>) -> Vec<String>;

    /// Answers a question.
    ///
    /// # Errors
    /// Files that cannot be read, or do not fit the network; settings that mean nothing; those of the listener.
    fn predict(predictor: &Predictor<Self>, question: &Question, listener: &mut dyn Listener) -> Result<(), TaskError>;

    /// The network's summary, for so many examples at once.
    ///
    /// # Errors
    /// A refusal of memory.
    fn summary(
        network: &Self::Network,
        config: &Self::Config,
        preparation: &Self::Preparation,
        items: usize,
    ) -> Result<Summary>;

    /// What the report tells first: what is predicted, where the settings name no target, and facts by name.
    fn facts(&self, preparation: &Self::Preparation) -> (String, Vec<(&'static str, String)>);

    /// The part of the report that is the task's own.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn draw(&self, _outcome: &Outcome<Self>, _page: &mut Markup) -> Result<(), TaskError> {
        Ok(())
    }
}

/// A number of a network that must be one.
///
/// # Errors
/// NaN or infinity.
pub(crate) fn finite(outputs: Tensor) -> Result<Vec<f64>, TaskError> {
    let values = outputs.to_dtype(mapsto_tensor::DType::F64)?.to_vec::<f64>()?;
    if values.iter().any(|value| !value.is_finite()) {
        let mend = "are there huge values in the data, or was the learning_rate of its training too high?";
        return Err(TaskError::Input(format!("the network's outputs are NaN or infinite: {mend}")));
    }
    Ok(values)
}
