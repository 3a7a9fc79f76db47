//! Translation: texts into texts, learned from pairs.

mod batch;
mod decoding;
mod examples;
mod report;
mod scores;

pub use batch::TranslateBatch;
pub use decoding::{Decoding, Translation};
pub use examples::TranslateExamples;
pub use scores::TranslateScores;

use crate::error::TaskError;
use crate::models::{self, Models};
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::question::{Listener, Prediction, Question};
use crate::report::Markup;
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Settings, Training, assign};
use crate::task::{BatchesOf, Given, LossOf, Task};
use batch::{PAD, Vocabulary, gathered};
use decoding::translate;
use mapsto_data::{Order, PairColumns, Text, TokenKind, Tokenizer, read_sources};
use mapsto_models::{Mixture, TranslationModel, TranslationNet, TranslationShape};
use mapsto_nn::{CrossEntropyLoss, Summary};
use mapsto_tensor::Result;
use mapsto_train::{Loss, Measures};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Steps that a training has by default, about.
const STEPS: usize = 4000;
/// The fewest and most epochs by default.
const EPOCHS: [usize; 2] = [5, 40];
/// The least length of texts: a token and the target's end.
const SHORTEST: usize = 2;
/// The most tokens of a text.
const LONGEST: usize = 4096;
/// The most tokens that are learned of a side.
const MOST_TOKENS: usize = 1_000_000;
/// Texts that are translated before they are told.
const TOLD: usize = 256;
/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslateConfig {
    /// A table or JSON lines.
    pub data: PathBuf,
    /// The column of the texts that are translated; found if empty.
    pub source: String,
    /// The column of their translations; found if empty.
    pub target: String,
    /// What tokens are.
    pub tokens: TokenKind,
    /// The most tokens that are learned of each side.
    pub vocabulary: usize,
    /// The most tokens of a text; what follows is not read.
    pub length: usize,
    /// The network.
    pub model: TranslationModel,
    /// How translations are searched.
    pub decoding: Decoding,
}

impl TranslateConfig {
    /// Says which setting cannot be.
    fn check(&self) -> Result<(), TaskError> {
        let settings = [("length", self.length, SHORTEST, LONGEST), ("vocabulary", self.vocabulary, 1, MOST_TOKENS)];
        if let Some((name, value, least, most)) =
            settings.into_iter().find(|(_, value, least, most)| value < least || value > most)
        {
            return Err(TaskError::Input(format!("{name} is {value}, it must be from {least} to {most}")));
        }
        self.decoding.check(self.length)
    }

    fn columns(&self) -> PairColumns {
        let named = |name: &String| (!name.is_empty()).then(|| name.clone());
        PairColumns { source: named(&self.source), target: named(&self.target) }
    }
}

/// What was learned of the texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslatePreparation {
    source: Tokenizer,
    target: Tokenizer,
    /// The columns that sources and targets were found in.
    columns: [String; 2],
    /// How many sources and targets were longer than is read.
    cut: [usize; 2],
}

impl TranslatePreparation {
    /// Beginning and end come behind the tokens that were learned.
    fn vocabulary(&self) -> Vocabulary {
        let begin = self.target.len() as u32;
        Vocabulary { begin, end: begin + 1, targets: self.target.len() + 2 }
    }
}

impl Task for TranslateExamples {
    const NAME: &'static str = "translate";
    const ABOUT: &'static str = "Texts into another language, from pairs";
    const ASKED: &'static str = "--text \"A TEXT\"";
    const MODELS: Option<Models> = Some(models::TRANSLATION);
    type Config = TranslateConfig;
    type Preparation = TranslatePreparation;
    type Network = TranslationNet;
    type Batch = TranslateBatch;
    type Evaluation = TranslateScores;

    fn begun(request: &Request) -> Result<Begun<TranslateExamples>, TaskError> {
        request.takes(Self::NAME, &["--data", "--target", "--model"])?;
        let model = request.model("translation", "gru", TranslationModel::named, TranslationModel::NAMES)?;
        let config = TranslateConfig {
            data: request.data("pairs of texts: a table with one of each side in a row, or JSON lines")?,
            source: String::new(),
            target: request.target.clone().unwrap_or_default(),
            tokens: TokenKind::Bpe,
            vocabulary: 4000,
            length: 100,
            model,
            decoding: Decoding::default(),
        };
        let usual = Training {
            batch_size: 64,
            learning_rate: 2e-3,
            label_smoothing: 0.1,
            clip_norm: 1.0,
            ..Training::default()
        };
        let training = match config.model {
            TranslationModel::Gru(_) => usual,
            TranslationModel::Transformer(_) => Training { learning_rate: 1e-3, ..usual },
        };
        // What decides how texts are read has to be known before the rest suits them.
        let mut settings = request.settle(Settings::new(Self::NAME, training, config))?;
        let task = TranslateExamples::open(&settings.config)?;
        let epochs = STEPS * settings.training.batch_size / task.set.len().max(1);
        settings.training.epochs = epochs.clamp(EPOCHS[0], EPOCHS[1]) as u64;
        let [source, target] = task.set.columns();
        let length = settings.config.length;
        let note = format!("from the column {source:?} to {target:?}; of a text {length} tokens are read");
        Ok(Begun { task, settings, notes: vec![note] })
    }

    fn open(config: &TranslateConfig) -> Result<TranslateExamples, TaskError> {
        config.check()?;
        TranslateExamples::read(&config.data, &config.columns())
    }

    fn open_for(predictor: &Predictor<Self>, data: Option<&Path>, _: bool) -> Result<TranslateExamples, TaskError> {
        let own = &predictor.settings.config;
        let Some(path) = data else { return TranslateExamples::open(own) };
        let [source, target] = predictor.preparation.columns.clone().map(Some);
        TranslateExamples::read(path, &PairColumns { source, target })
    }

    fn warnings(&self) -> Vec<String> {
        let left_out = self.set.left_out();
        let count = match left_out.len() {
            1 => "1 row lacks one of both texts and is left out: ".to_string(),
            count => format!("{count} rows lack one of both texts and are left out, the first of them "),
        };
        left_out.first().map(|first| count + first).into_iter().collect()
    }

    fn count(&self) -> usize {
        self.set.len()
    }

    fn given(&self) -> &Given {
        &self.given
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn prepare(&self, config: &TranslateConfig, train: &[usize]) -> Result<TranslatePreparation, TaskError> {
        let of = |texts: &[String]| -> Result<(Tokenizer, usize), TaskError> {
            let texts: Vec<&str> = train.iter().map(|&item| texts[item].as_str()).collect();
            let tokenizer = Tokenizer::learn(config.tokens, &texts, config.vocabulary).map_err(TaskError::input)?;
            let cut = texts.iter().filter(|text| Self::is_cut(&tokenizer, text, config.length)).count();
            Ok((tokenizer, cut))
        };
        let ((source, sources), (target, targets)) = (of(&self.set.sources)?, of(&self.set.targets)?);
        Ok(TranslatePreparation { source, target, columns: self.set.columns().clone(), cut: [sources, targets] })
    }

    fn check(preparation: &TranslatePreparation) -> Result<(), TaskError> {
        let TranslatePreparation { source, target, .. } = preparation;
        let pads = [source, target].map(|tokenizer| tokenizer.special().pad == Some(PAD as u32));
        if pads != [true, true] || target.len() > MOST_TOKENS {
            return Err(TaskError::input("the tokens of sources or targets are not those of a translation"));
        }
        Ok(())
    }

    fn notes(&self, preparation: &TranslatePreparation) -> Vec<String> {
        let [sources, targets] = preparation.cut;
        match sources + targets {
            0 => Vec::new(),
            _ => vec![format!(
                "{sources} sources and {targets} targets to learn from are longer than is read, and are cut"
            )],
        }
    }

    fn network(config: &TranslateConfig, preparation: &TranslatePreparation) -> Result<TranslationNet> {
        let (source, target) = (preparation.source.len(), preparation.vocabulary().targets);
        config.model.build(TranslationShape { source, target, length: config.length })
    }

    fn batches<'a>(
        &'a self,
        config: &'a TranslateConfig,
        preparation: &'a TranslatePreparation,
        mut plan: Plan,
    ) -> Result<BatchesOf<'a, Self>, TaskError> {
        let mut encoded: Vec<(Vec<u32>, Vec<u32>)> = vec![Default::default(); self.set.len()];
        let pairs = self.sources(config, preparation, &plan.items)?.into_iter();
        let pairs = pairs.zip(self.targets(config, preparation, &plan.items)?);
        plan.items.iter().zip(pairs).for_each(|(&item, pair)| encoded[item] = pair);
        if plan.order == Order::Shuffled {
            let length = |&item: &usize| encoded[item].0.len() + encoded[item].1.len();
            plan.order = Order::Bucketed { lengths: plan.items.iter().map(length).collect() };
        }
        let vocabulary = preparation.vocabulary();
        let gather = move |items: &[usize], _| {
            let pair = |&item: &usize| (&encoded[item].0[..], &encoded[item].1[..]);
            gathered(&vocabulary, config.length, &items.iter().map(pair).collect::<Vec<_>>())
        };
        Ok(Box::new(Gathered::new(&plan, gather)?))
    }

    fn loss<'a>(
        &'a self,
        settings: &'a Settings<TranslateConfig>,
        _: &'a TranslatePreparation,
        _: &[usize],
    ) -> Result<LossOf<'a, Self>, TaskError> {
        let label_smoothing = settings.training.label_smoothing;
        let loss = CrossEntropyLoss { label_smoothing, ignore_index: PAD, ..CrossEntropyLoss::default() };
        Ok(Box::new(move |network: &TranslationNet, batch: &TranslateBatch| {
            let value = loss.forward(&batch.logits(&Mixture::one(network))?, &batch.output.flatten(0, 1)?)?;
            Ok(Loss { value, items: batch.tokens as f64, measures: Vec::new() })
        }))
    }

    fn measures(
        &self,
        settings: &Settings<TranslateConfig>,
        network: &TranslationNet,
        preparation: &TranslatePreparation,
        items: &[usize],
    ) -> Result<Measures, TaskError> {
        let loss = self.loss_of(&settings.config, &Mixture::one(network), preparation, items)?;
        Ok([("val_loss", loss), ("val_perplexity", loss.exp())].map(|(name, value)| (name.to_string(), value)).into())
    }

    fn evaluate(&self, predictor: &Predictor<Self>, items: &[usize]) -> Result<TranslateScores, TaskError> {
        let (networks, preparation) = (predictor.mixture(|network| network)?, &predictor.preparation);
        let config = &predictor.settings.config;
        config.check()?;
        let loss = self.loss_of(config, &networks, preparation, items)?;
        let sources = self.sources(config, preparation, items)?;
        let translations = translate(&networks, config, preparation, &config.decoding, &sources)?;
        let right: Vec<&str> = items.iter().map(|&item| self.set.targets[item].as_str()).collect();
        TranslateScores::of(loss, &right, translations)
    }

    fn columns(_: &Predictor<Self>) -> Vec<String> {
        vec!["translation".to_string()]
    }

    fn predict(predictor: &Predictor<Self>, question: &Question, listener: &mut dyn Listener) -> Result<(), TaskError> {
        let Predictor { settings, preparation, .. } = predictor;
        let config = &settings.config;
        let decoding = question.set.iter().try_fold(config.decoding, |decoding, set| assign(&decoding, set))?;
        decoding.check(config.length)?;
        if question.texts.iter().any(|text| text.trim().is_empty()) {
            return Err(TaskError::input("a --text is empty: write what is to be translated"));
        }
        let named = |text: &String| Text { name: text.clone(), text: text.clone() };
        let mut texts: Vec<Text> = question.texts.iter().map(named).collect();
        for path in &question.files {
            texts.extend(read_sources(path, &preparation.columns[0]).map_err(TaskError::input)?);
        }
        if texts.is_empty() {
            return Err(TaskError::input("give a text to translate with --text, or files with a text a line"));
        }
        let networks = predictor.mixture(|network| network)?;
        for texts in texts.chunks(TOLD) {
            let mut sources = Vec::with_capacity(texts.len());
            for Text { name, text } in texts {
                let refused = |e| TaskError::Input(format!("{name}: {e}"));
                sources.push(preparation.source.encode(text, config.length).map_err(refused)?);
                if Self::is_cut(&preparation.source, text, config.length) {
                    listener.warn(&format!("{name}: only the first {} tokens are read", config.length));
                }
            }
            let translations = translate(&networks, config, preparation, &decoding, &sources)?;
            for (Text { name, .. }, translation) in texts.iter().zip(translations) {
                let Translation { text, log_probability, ended, .. } = translation;
                listener.answer(Prediction {
                    input: name.clone(),
                    cells: vec![text.clone()],
                    fields: json!({"translation": text, "log_probability": log_probability, "ended": ended}),
                    text,
                })?;
            }
        }
        Ok(())
    }

    fn summary(
        network: &TranslationNet,
        config: &TranslateConfig,
        _: &TranslatePreparation,
        items: usize,
    ) -> Result<Summary> {
        models::of_translation(network, config.length, items)
    }

    fn facts(&self, preparation: &TranslatePreparation) -> (String, Vec<(&'static str, String)>) {
        let [source, target] = &preparation.columns;
        let tokens = format!("{} of sources, {} of targets", preparation.source.len(), preparation.target.len());
        (format!("{source} → {target}"), vec![("Tokens", tokens)])
    }

    fn draw(&self, outcome: &Outcome<Self>, page: &mut Markup) -> Result<(), TaskError> {
        let Some(scores) = &outcome.test else { return Ok(()) };
        report::draw(self, &outcome.predictor, &outcome.tested, &scores.translations, page)
    }
}
