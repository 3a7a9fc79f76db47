//! What a task has to say of its data and its network; the rest is the same for all that learn from examples with answers.

use crate::answered::Answered;
use crate::error::TaskError;
use crate::models::Models;
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::report::{Markup, Shown};
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::task::{Division, Given};
use mapsto_nn::{Module, Summary};
use mapsto_tensor::{Result, Tensor};
use mapsto_train::{Batches, Labelled};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The right answers of all examples.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// Which class each is of.
    Classes {
        /// The classes' names.
        names: Vec<String>,
        /// Indices of names.
        labels: Vec<usize>,
    },
    /// A number for each.
    Numbers {
        /// What it is called.
        name: String,
        /// The numbers.
        values: Vec<f64>,
    },
}

/// What the outputs of a network stand for: saved with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Answers {
    /// Logits of classes.
    Classes {
        /// The classes' names.
        names: Vec<String>,
    },
    /// A number, moved and scaled as the training examples had it.
    Number {
        /// What it is called.
        name: String,
        /// The training examples' mean.
        mean: f64,
        /// The training examples' standard deviation.
        deviation: f64,
    },
}

impl Answers {
    /// How many outputs the network has.
    pub fn outputs(&self) -> usize {
        match self {
            Answers::Classes { names } => names.len(),
            Answers::Number { .. } => 1,
        }
    }
}

impl Answers {
    /// The right answers of other data as the network counts them.
    ///
    /// # Errors
    /// A class that the network does not know; answers of another kind.
    pub fn truth_of(&self, truth: &Truth) -> std::result::Result<Truth, String> {
        match (self, truth) {
            (Answers::Classes { names: own }, Truth::Classes { names, labels }) => {
                let known = |name: &String| {
                    let unknown = || format!("the network knows no class {name:?}");
                    own.iter().position(|own| own == name).ok_or_else(unknown)
                };
                let places = names.iter().map(known).collect::<std::result::Result<Vec<usize>, String>>()?;
                let labels = labels.iter().map(|&label| places[label]).collect();
                Ok(Truth::Classes { names: own.clone(), labels })
            }
            (Answers::Number { .. }, Truth::Numbers { .. }) => Ok(truth.clone()),
            _ => Err("the network and the data disagree whether classes or numbers are predicted".into()),
        }
    }
}

impl Truth {
    /// How many examples there are.
    pub fn len(&self) -> usize {
        match self {
            Truth::Classes { labels, .. } => labels.len(),
            Truth::Numbers { values, .. } => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a network's outputs stand for that learns from these examples.
    pub fn answers(&self, train: &[usize]) -> Answers {
        match self {
            Truth::Classes { names, .. } => Answers::Classes { names: names.clone() },
            Truth::Numbers { name, values } => {
                let count = train.len() as f64;
                let mean = train.iter().map(|&item| values[item]).sum::<f64>() / count;
                let variance = train.iter().map(|&item| (values[item] - mean).powi(2)).sum::<f64>() / count;
                let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
                Answers::Number { name: name.clone(), mean, deviation }
            }
        }
    }

    /// The answers of some examples as a network is trained on them: class numbers `[N]`, or scaled numbers `[N, 1]`.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn target(&self, items: &[usize], answers: &Answers) -> Result<Tensor> {
        match (self, answers) {
            (Truth::Classes { labels, .. }, _) => {
                Tensor::from_vec(items.iter().map(|&item| labels[item] as i64).collect(), [items.len()])
            }
            (Truth::Numbers { values, .. }, Answers::Number { mean, deviation, .. }) => {
                let scaled = items.iter().map(|&item| ((values[item] - mean) / deviation) as f32).collect();
                Tensor::from_vec(scaled, [items.len(), 1])
            }
            (Truth::Numbers { .. }, Answers::Classes { .. }) => {
                Err(mapsto_tensor::Error::argument("the network tells classes, the answers are numbers"))
            }
        }
    }
}

/// Batches of labelled inputs.
pub type LabelledBatches<'a, I> = Box<dyn Batches<Batch = Labelled<I>> + 'a>;

/// Inputs that a network is asked about, some of a file's or of several files'.
pub struct Asked<I> {
    /// What each is called.
    pub names: Vec<String>,
    /// The inputs.
    pub input: I,
    /// What each is, where the file says so.
    pub known: Vec<Option<String>>,
    /// Why others could not be read, where that is passed over.
    pub refused: Vec<String>,
}

impl<I> Asked<I> {
    /// Inputs of which nothing is known.
    pub fn unknown(names: Vec<String>, input: I) -> Asked<I> {
        Asked { known: vec![None; names.len()], names, input, refused: Vec::new() }
    }
}

/// Who takes what a network is asked about.
pub type Ask<'a, I> = &'a mut dyn FnMut(Asked<I>) -> Result<(), TaskError>;

/// Examples of a task, read.
pub trait Examples: Sized {
    /// The task's name.
    const NAME: &'static str;
    /// What it learns, in a few words.
    const ABOUT: &'static str;
    /// Whether it passes over what cannot be read, if asked.
    const SKIPS_BAD: bool = false;
    /// A file that a network of it is asked about, in examples of use.
    const FILE: &'static str;
    /// The models that its networks can be; none where there is no choice.
    const MODELS: Option<Models> = None;
    /// The task's own settings.
    type Config: Clone + Serialize + DeserializeOwned;
    /// What was learned from the training examples to make inputs of any: saved with the network.
    type Preparation: Clone + Serialize + DeserializeOwned;
    /// What the network takes.
    type Input;
    /// The network.
    type Network: Module;

    /// Reads what is asked for, and chooses settings that suit it.
    ///
    /// # Errors
    /// A request that means nothing to the task; data that cannot be read or learned from.
    fn begun(request: &Request) -> Result<Begun<Answered<Self>>, TaskError>;

    /// Reads the data of a run's settings again.
    ///
    /// # Errors
    /// Data that cannot be read any more.
    fn open(config: &Self::Config) -> Result<Self, TaskError>;

    /// Reads data to evaluate a network on: those of its run, or others with answers.
    ///
    /// # Errors
    /// Data that cannot be read, or do not fit the network.
    fn open_for(predictor: &Predictor<Answered<Self>>, data: Option<&Path>, skip_bad: bool) -> Result<Self, TaskError>;

    /// Reads what a network is asked about, a piece at a time.
    ///
    /// # Errors
    /// Files that cannot be read, or do not fit the network; those of `ask`.
    fn read(
        predictor: &Predictor<Answered<Self>>,
        files: &[PathBuf],
        skip_bad: bool,
        ask: Ask<'_, Self::Input>,
    ) -> Result<(), TaskError>;

    /// What a person should know of the data.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// The right answers.
    fn truth(&self) -> &Truth;

    /// The parts that the data have.
    fn given(&self) -> &Given;

    /// How the rest is to be divided.
    fn division(&self) -> Division {
        Division::Random
    }

    /// A number that other data would hardly have: a run goes on with the same data alone.
    fn fingerprint(&self) -> u64;

    /// Learns from the training examples.
    ///
    /// # Errors
    /// Examples from which nothing can be learned.
    fn prepare(&self, config: &Self::Config, train: &[usize]) -> Result<Self::Preparation, TaskError>;

    /// What a person should know of what was learned: what was left out, and why.
    fn notes(&self, _preparation: &Self::Preparation) -> Vec<String> {
        Vec::new()
    }

    /// Builds the network.
    ///
    /// # Errors
    /// Settings that do not fit each other or the data.
    fn network(config: &Self::Config, preparation: &Self::Preparation, outputs: usize) -> Result<Self::Network>;

    /// What a network that is to learn begins with, besides chance: pretrained weights.
    ///
    /// # Errors
    /// A file that cannot be read, or of another network.
    fn begin(_config: &Self::Config, _network: &Self::Network) -> Result<(), TaskError> {
        Ok(())
    }

    /// The network's forward pass, to `[N, outputs]`.
    ///
    /// # Errors
    /// Inputs that do not fit.
    fn forward(network: &Self::Network, input: &Self::Input) -> Result<Tensor>;

    /// Inputs of some examples, as they are.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn input(
        &self,
        config: &Self::Config,
        preparation: &Self::Preparation,
        items: &[usize],
    ) -> Result<Self::Input, TaskError>;

    /// Batches to learn from, in this order, changed at random where the settings say so.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn batches<'a>(
        &'a self,
        config: &'a Self::Config,
        preparation: &'a Self::Preparation,
        answers: &'a Answers,
        plan: Plan,
    ) -> Result<LabelledBatches<'a, Self::Input>, TaskError>;

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

    /// How many examples go through the network at once outside training.
    fn chunk(&self) -> usize {
        512
    }

    /// An example as a person looks at it.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn show(&self, item: usize) -> Result<Shown, TaskError>;

    /// The part of the report that is the task's own.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn draw(&self, _outcome: &Outcome<Answered<Self>>, _page: &mut Markup) -> Result<(), TaskError> {
        Ok(())
    }
}
