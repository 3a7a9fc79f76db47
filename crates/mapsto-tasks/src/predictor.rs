//! A trained network, or several as one, in use.

use crate::error::TaskError;
use crate::examples::{Answers, Examples, Truth};
use crate::saved::{Combination, Saved};
use crate::settings::Settings;
use crate::stage::optimizer;
use mapsto_nn::{LoadOptions, Module, StateDict, Summary};
use mapsto_tensor::{Error, Result, Tensor, no_grad};
use mapsto_train::metrics::{ClassificationReport, RegressionReport};
use serde::Serialize;
use serde_json::{Value, json};

/// A trained network, or several as one, with what makes its inputs.
pub struct Predictor<E: Examples> {
    /// The settings of its run.
    pub settings: Settings<E::Config>,
    /// What its outputs stand for.
    pub answers: Answers,
    /// What makes its inputs.
    pub preparation: E::Preparation,
    /// The networks.
    pub members: Vec<E::Network>,
    /// How they become one.
    pub combination: Combination,
}

impl<E: Examples> Predictor<E> {
    /// Of a model file.
    ///
    /// # Errors
    /// A file of another task, or whose parts do not fit each other.
    pub fn load(saved: &Saved) -> Result<Predictor<E>, TaskError> {
        if saved.task != E::NAME {
            return Err(saved.wrong("task", format!("it is {:?}, not {:?}", saved.task, E::NAME)));
        }
        let settings: Settings<E::Config> = saved.part("settings", &saved.settings)?;
        settings.check().map_err(|e| saved.wrong("settings", e))?;
        let preparation: E::Preparation = saved.part("preparation", &saved.preparation)?;
        let told = |what: &'static str| move |e: Error| saved.wrong(what, format!("{e:#}"));
        let member = |number: usize| {
            let network =
                E::network(&settings.config, &preparation, saved.answers.outputs()).map_err(told("settings"))?;
            // The weights first: their sizes are compared before anything of the settings' sizes is made.
            network.load_state_dict(&saved.member(number), &LoadOptions::strict()).map_err(told("weights"))?;
            let network = network.init(settings.training.seed)?;
            network.eval();
            Ok(network)
        };
        let members = (0..saved.combination.weights.len()).map(member).collect::<Result<Vec<_>, TaskError>>()?;
        let (answers, combination) = (saved.answers.clone(), saved.combination.clone());
        Ok(Predictor { settings, answers, preparation, members, combination })
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
        let summary = E::summary(network, &self.settings.config, &self.preparation, items);
        let summary = summary.and_then(|summary| summary.with_optimizer(&optimizer(network, &self.settings.training)?));
        network.eval();
        Ok(summary?)
    }

    /// Predictions for some examples, `[N, classes]` probabilities or `[N]` numbers, row by row.
    ///
    /// # Errors
    /// Data that cannot be read; outputs that are not finite.
    pub fn predict(&self, examples: &E, items: &[usize]) -> Result<Vec<f64>, TaskError> {
        let mut found = Vec::with_capacity(items.len() * self.answers.outputs());
        for chunk in items.chunks(examples.chunk().max(1)) {
            let input = examples.input(&self.settings.config, &self.preparation, chunk)?;
            found.extend(self.of_input(&input)?);
        }
        Ok(found)
    }

    /// Predictions for an input, as [`Predictor::predict`] gives them.
    ///
    /// # Errors
    /// An input that does not fit; outputs that are not finite.
    pub fn of_input(&self, input: &E::Input) -> Result<Vec<f64>, TaskError> {
        let each = self.members.iter().map(|member| answers::<E>(member, input, &self.answers));
        let each = each.collect::<Result<Vec<_>, TaskError>>()?;
        Ok(combine(&each, &self.combination))
    }

    /// How good the predictions for some examples are.
    ///
    /// # Errors
    /// Those of [`Predictor::predict`]; no examples.
    pub fn evaluate(&self, examples: &E, items: &[usize]) -> Result<(Evaluation, Vec<f64>), TaskError> {
        let predicted = self.predict(examples, items)?;
        Ok((Evaluation::of(examples.truth(), &self.answers, items, &predicted)?, predicted))
    }
}

/// What one network answers: `[N, classes]` probabilities, or `[N]` numbers.
///
/// # Errors
/// An input that does not fit; outputs that are not finite.
pub fn answers<E: Examples>(network: &E::Network, input: &E::Input, answers: &Answers) -> Result<Vec<f64>, TaskError> {
    let outputs = no_grad(|| -> Result<Tensor> {
        let outputs = E::forward(network, input)?.to_dtype(mapsto_tensor::DType::F64)?;
        match answers {
            Answers::Classes { .. } => outputs.softmax(-1),
            Answers::Number { mean, deviation, .. } => outputs.mul(*deviation)?.add(*mean),
        }
    })?;
    let values = outputs.to_vec::<f64>()?;
    if values.iter().any(|value| !value.is_finite()) {
        let mend = "are there huge values in the data, or was the learning_rate of its training too high?";
        return Err(TaskError::Input(format!("the network's outputs are NaN or infinite: {mend}")));
    }
    Ok(values)
}

/// What several networks answer as one.
pub fn combine(each: &[Vec<f64>], how: &Combination) -> Vec<f64> {
    if let [only] = each {
        return only.clone();
    }
    let total: f64 = how.weights.iter().sum();
    let places = 0..each.first().map_or(0, Vec::len);
    if !how.median {
        let mean = |place: usize| each.iter().zip(&how.weights).map(|(one, w)| one[place] * w).sum::<f64>() / total;
        return places.map(mean).collect();
    }
    let median = |place: usize| {
        let mut sorted: Vec<(f64, f64)> = each.iter().zip(&how.weights).map(|(one, &w)| (one[place], w)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0.0;
        let reaches = |(_, weight): &&(f64, f64)| {
            sum += weight;
            sum >= total / 2.0
        };
        sorted.iter().find(reaches).map_or(f64::NAN, |(value, _)| *value)
    };
    places.map(median).collect()
}

/// How good predictions are.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Evaluation {
    /// Of classes.
    Classes(Box<ClassificationReport>),
    /// Of numbers.
    Numbers(RegressionReport),
}

impl Evaluation {
    /// Of predictions as [`Predictor::predict`] gives them.
    ///
    /// # Errors
    /// No examples; answers of another kind.
    pub fn of(truth: &Truth, answers: &Answers, items: &[usize], predicted: &[f64]) -> Result<Evaluation, TaskError> {
        match (truth, answers) {
            (Truth::Classes { labels, .. }, Answers::Classes { names }) => {
                let labels: Vec<usize> = items.iter().map(|&item| labels[item]).collect();
                let report = ClassificationReport::of(&labels, predicted, names.len())?.with_names(names.clone())?;
                Ok(Evaluation::Classes(Box::new(report)))
            }
            (Truth::Numbers { values, .. }, Answers::Number { .. }) => {
                let values: Vec<f64> = items.iter().map(|&item| values[item]).collect();
                Ok(Evaluation::Numbers(RegressionReport::of(&values, predicted)?))
            }
            _ => Err(TaskError::input("the network and the data disagree whether classes or numbers are predicted")),
        }
    }

    /// What is to be as small as possible while training, by its name.
    pub fn loss(&self) -> (&'static str, f64) {
        match self {
            Evaluation::Classes(report) => ("log_loss", report.log_loss),
            Evaluation::Numbers(report) => ("rmse", report.rmse),
        }
    }

    /// The figures by name, without curves.
    pub fn metrics(&self) -> Value {
        match self {
            Evaluation::Classes(report) => json!({
                "accuracy": report.accuracy, "balanced_accuracy": report.balanced_accuracy,
                "precision_macro": report.precision_macro, "recall_macro": report.recall_macro,
                "f1_macro": report.f1_macro, "f1_weighted": report.f1_weighted, "auc": report.auc,
                "log_loss": report.log_loss, "brier": report.brier, "ece": report.ece,
                "matthews": report.matthews, "kappa": report.kappa,
            }),
            Evaluation::Numbers(report) => json!({
                "rmse": report.rmse, "mae": report.mae, "r2": report.r2,
                "median_absolute_error": report.median_absolute_error, "max_error": report.max_error,
                "mape": report.mape, "explained_variance": report.explained_variance,
            }),
        }
    }
}
