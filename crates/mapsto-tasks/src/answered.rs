//! Tasks whose examples have a class or a number as their right answer.

use crate::boosting::{Boosting, mistakes};
use crate::error::TaskError;
use crate::evaluation::Evaluation;
use crate::examples::{Answers, Asked, Examples, Truth};
use crate::models::Models;
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::question::{Listener, Prediction, Question};
use crate::report::{Markup, draw_answers};
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Balance, Settings};
use crate::task::{BatchesOf, Division, Figures, Given, LossOf, Task, finite};
use crate::vote::combine;
use mapsto_data::class_weights;
use mapsto_nn::{CrossEntropyLoss, Summary};
use mapsto_tensor::{Result, Tensor, no_grad};
use mapsto_train::{Labelled, Measures, Objective, short};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// Examples with answers, as a task.
pub struct Answered<E>(pub E);

/// What was learned of examples: what the network's outputs stand for, and what makes its inputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared<P> {
    /// What its outputs stand for.
    pub answers: Answers,
    /// What makes its inputs.
    pub inputs: P,
}

/// How good answers are, and the answers.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Scored {
    /// How good they are.
    pub evaluation: Evaluation,
    /// What was said of each example, `[N, classes]` probabilities or `[N]` numbers.
    #[serde(skip)]
    pub predicted: Vec<f64>,
}

impl Figures for Scored {
    fn metrics(&self) -> Value {
        self.evaluation.metrics()
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        self.evaluation.headline()
    }

    fn text(&self) -> String {
        self.evaluation.text()
    }

    fn details(&self) -> Value {
        self.evaluation.details()
    }
}

/// What one network answers: `[N, classes]` probabilities, or `[N]` numbers.
fn answers<E: Examples>(network: &E::Network, input: &E::Input, answers: &Answers) -> Result<Vec<f64>, TaskError> {
    let outputs = no_grad(|| -> Result<Tensor> {
        let outputs = E::forward(network, input)?.to_dtype(mapsto_tensor::DType::F64)?;
        match answers {
            Answers::Classes { .. } => outputs.softmax(-1),
            Answers::Number { mean, deviation, .. } => outputs.mul(*deviation)?.add(*mean),
        }
    })?;
    finite(outputs)
}

impl<E: Examples> Answered<E> {
    /// What a network answers for some examples.
    fn said(
        &self,
        settings: &Settings<E::Config>,
        network: &E::Network,
        preparation: &Prepared<E::Preparation>,
        items: &[usize],
    ) -> Result<Vec<f64>, TaskError> {
        let mut found = Vec::new();
        for chunk in items.chunks(self.0.chunk().max(1)) {
            let input = self.0.input(&settings.config, &preparation.inputs, chunk)?;
            found.extend(answers::<E>(network, &input, &preparation.answers)?);
        }
        Ok(found)
    }
}

impl<E: Examples> Predictor<Answered<E>> {
    /// Predictions for some examples, `[N, classes]` probabilities or `[N]` numbers, row by row.
    ///
    /// # Errors
    /// Data that cannot be read; outputs that are not finite.
    pub fn predict(&self, examples: &E, items: &[usize]) -> Result<Vec<f64>, TaskError> {
        let mut found = Vec::with_capacity(items.len() * self.preparation.answers.outputs());
        for chunk in items.chunks(examples.chunk().max(1)) {
            let input = examples.input(&self.settings.config, &self.preparation.inputs, chunk)?;
            found.extend(self.of_input(&input)?);
        }
        Ok(found)
    }

    /// Predictions for an input, as [`Predictor::predict`] gives them.
    ///
    /// # Errors
    /// An input that does not fit; outputs that are not finite.
    pub fn of_input(&self, input: &E::Input) -> Result<Vec<f64>, TaskError> {
        let each = self.members.iter().map(|member| answers::<E>(member, input, &self.preparation.answers));
        let each = each.collect::<Result<Vec<_>, TaskError>>()?;
        Ok(combine(&each, &self.combination))
    }
}

impl<E: Examples> Task for Answered<E> {
    const NAME: &'static str = E::NAME;
    const ABOUT: &'static str = E::ABOUT;
    const SKIPS_BAD: bool = E::SKIPS_BAD;
    const ASKED: &'static str = E::FILE;
    const MODELS: Option<Models> = E::MODELS;
    type Config = E::Config;
    type Preparation = Prepared<E::Preparation>;
    type Network = E::Network;
    type Batch = Labelled<E::Input>;
    type Evaluation = Scored;

    fn begun(request: &Request) -> Result<Begun<Self>, TaskError> {
        E::begun(request)
    }

    fn open(config: &E::Config) -> Result<Self, TaskError> {
        E::open(config).map(Answered)
    }

    fn open_for(predictor: &Predictor<Self>, data: Option<&Path>, skip_bad: bool) -> Result<Self, TaskError> {
        E::open_for(predictor, data, skip_bad).map(Answered)
    }

    fn warnings(&self) -> Vec<String> {
        self.0.warnings()
    }

    fn count(&self) -> usize {
        self.0.truth().len()
    }

    fn given(&self) -> &Given {
        self.0.given()
    }

    fn division(&self) -> Division {
        self.0.division()
    }

    fn classes(&self) -> Option<&[usize]> {
        match self.0.truth() {
            Truth::Classes { labels, .. } => Some(labels),
            Truth::Numbers { .. } => None,
        }
    }

    fn fingerprint(&self) -> u64 {
        self.0.fingerprint()
    }

    fn prepare(&self, config: &E::Config, train: &[usize]) -> Result<Prepared<E::Preparation>, TaskError> {
        let truth = self.0.truth();
        if let Truth::Classes { names, labels } = truth {
            let first = train.first().map(|&item| labels[item]);
            if train.iter().all(|&item| Some(labels[item]) == first) {
                let name = first.and_then(|label| names.get(label)).cloned().unwrap_or_default();
                return Err(TaskError::Input(format!(
                    "all examples to learn from are of one class, {name:?}: there is nothing to tell apart"
                )));
            }
        }
        Ok(Prepared { answers: truth.answers(train), inputs: self.0.prepare(config, train)? })
    }

    fn check(preparation: &Prepared<E::Preparation>) -> Result<(), TaskError> {
        match &preparation.answers {
            Answers::Classes { names } if names.is_empty() => Err(TaskError::input("there are no classes")),
            Answers::Number { mean, deviation, .. } if !(mean.is_finite() && *deviation > 0.0) => {
                Err(TaskError::input("the mean and the deviation of the answers are no such numbers"))
            }
            _ => Ok(()),
        }
    }

    fn notes(&self, preparation: &Prepared<E::Preparation>) -> Vec<String> {
        self.0.notes(&preparation.inputs)
    }

    fn network(config: &E::Config, preparation: &Prepared<E::Preparation>) -> Result<E::Network> {
        E::network(config, &preparation.inputs, preparation.answers.outputs())
    }

    fn begin(config: &E::Config, network: &E::Network) -> Result<(), TaskError> {
        E::begin(config, network)
    }

    fn batches<'a>(
        &'a self,
        config: &'a E::Config,
        preparation: &'a Prepared<E::Preparation>,
        plan: Plan,
    ) -> Result<BatchesOf<'a, Self>, TaskError> {
        self.0.batches(config, &preparation.inputs, &preparation.answers, plan)
    }

    fn loss<'a>(
        &'a self,
        settings: &'a Settings<E::Config>,
        preparation: &'a Prepared<E::Preparation>,
        train: &[usize],
    ) -> Result<LossOf<'a, Self>, TaskError> {
        let training = &settings.training;
        let objective = match (&preparation.answers, self.0.truth()) {
            (Answers::Classes { names }, Truth::Classes { labels, .. }) => {
                let mut loss =
                    CrossEntropyLoss { label_smoothing: training.label_smoothing, ..CrossEntropyLoss::default() };
                if training.balance == Balance::Weights {
                    let own: Vec<usize> = train.iter().map(|&item| labels[item]).collect();
                    let weights = class_weights(&own, names.len()).map_err(TaskError::input)?;
                    let weights = weights.into_iter().map(|weight| weight as f32).collect();
                    loss.weight = Some(Tensor::from_vec(weights, [names.len()])?);
                }
                Objective::Classes(loss)
            }
            _ => Objective::Numbers,
        };
        Ok(Box::new(move |network, batch| objective.of(&E::forward(network, &batch.input)?, &batch.target)))
    }

    fn measures(
        &self,
        settings: &Settings<E::Config>,
        network: &E::Network,
        preparation: &Prepared<E::Preparation>,
        items: &[usize],
    ) -> Result<Measures, TaskError> {
        let said = self.said(settings, network, preparation, items)?;
        let evaluation = Evaluation::of(self.0.truth(), &preparation.answers, items, &said)?;
        let (loss, other) = match evaluation {
            Evaluation::Classes(report) => (report.log_loss, ("val_accuracy", report.accuracy)),
            Evaluation::Numbers(report) => (report.rmse, ("val_mae", report.mae)),
        };
        Ok([("val_loss", loss), other].map(|(name, value)| (name.to_string(), value)).into())
    }

    fn boosting(preparation: &Prepared<E::Preparation>) -> Boosting {
        match &preparation.answers {
            Answers::Classes { names } => Boosting::Classes(names.len()),
            Answers::Number { .. } => Boosting::Numbers,
        }
    }

    fn mistakes(
        &self,
        settings: &Settings<E::Config>,
        member: &E::Network,
        preparation: &Prepared<E::Preparation>,
        train: &[usize],
    ) -> Result<Vec<f64>, TaskError> {
        Ok(mistakes(self.0.truth(), train, &self.said(settings, member, preparation, train)?))
    }

    fn evaluate(&self, predictor: &Predictor<Self>, items: &[usize]) -> Result<Scored, TaskError> {
        let predicted = predictor.predict(&self.0, items)?;
        let evaluation = Evaluation::of(self.0.truth(), &predictor.preparation.answers, items, &predicted)?;
        Ok(Scored { evaluation, predicted })
    }

    fn columns(predictor: &Predictor<Self>) -> Vec<String> {
        match &predictor.preparation.answers {
            Answers::Classes { names } => [vec!["prediction".to_string()], names.clone()].concat(),
            Answers::Number { name, .. } => vec![name.clone()],
        }
    }

    fn predict(predictor: &Predictor<Self>, question: &Question, listener: &mut dyn Listener) -> Result<(), TaskError> {
        question.asks_files(Self::NAME)?;
        E::read(predictor, &question.files, question.skip_bad, &mut |asked| {
            let Asked { names, input, known, refused } = asked;
            refused.iter().for_each(|why| listener.warn(why));
            if names.is_empty() {
                return Ok(());
            }
            let answers = &predictor.preparation.answers;
            let found = predictor.of_input(&input)?;
            let rows = found.chunks(answers.outputs());
            for ((name, known), row) in names.into_iter().zip(&known).zip(rows) {
                listener.answer(prediction(answers, name, row, known.as_deref()))?;
            }
            Ok(())
        })
    }

    fn summary(
        network: &E::Network,
        config: &E::Config,
        preparation: &Prepared<E::Preparation>,
        items: usize,
    ) -> Result<Summary> {
        E::summary(network, config, &preparation.inputs, items)
    }

    fn facts(&self, preparation: &Prepared<E::Preparation>) -> (String, Vec<(&'static str, String)>) {
        match &preparation.answers {
            Answers::Classes { names } => {
                let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
                let more = if names.len() > shown.len() { ", …" } else { "" };
                let classes = format!("{}: {}{more}", names.len(), shown.join(", "));
                (format!("{} classes", names.len()), vec![("Classes", classes)])
            }
            Answers::Number { name, .. } => (name.clone(), Vec::new()),
        }
    }

    fn draw(&self, outcome: &Outcome<Self>, page: &mut Markup) -> Result<(), TaskError> {
        if let Some(Scored { evaluation, predicted }) = &outcome.test {
            let show = |item| self.0.show(item);
            draw_answers(self.0.truth(), evaluation, &outcome.tested, predicted, &show, page);
        }
        self.0.draw(outcome, page)
    }
}

/// What was said of an input, and what it is, if that is known.
fn prediction(answers: &Answers, input: String, said: &[f64], known: Option<&str>) -> Prediction {
    let names = match answers {
        Answers::Classes { names } => names,
        Answers::Number { .. } => {
            let value = said[0];
            return Prediction {
                input,
                text: short(value),
                cells: vec![value.to_string()],
                fields: json!({ "value": value }),
            };
        }
    };
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| said[b].total_cmp(&said[a]));
    let best = order[0];
    let percent = |class: usize| format!("{} {:.1} %", names[class], said[class] * 100.0);
    let others: Vec<String> = order.iter().skip(1).take(2).map(|&class| percent(class)).collect();
    let others = if others.is_empty() { String::new() } else { format!("   (then {})", others.join(", ")) };
    Prediction {
        input,
        text: format!("{}{others}", percent(best)),
        cells: std::iter::once(names[best].clone()).chain(said.iter().map(f64::to_string)).collect(),
        fields: json!({
            "label": names[best], "probability": said[best], "probabilities": said, "true_label": known,
        }),
    }
}
