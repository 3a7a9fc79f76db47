//! Language: what comes next in texts, and texts that are gone on with.

mod corpus;
mod reader;
mod windows;
mod write;

pub use reader::Reader;
pub use windows::Window;
pub use write::Writing;

use crate::error::TaskError;
use crate::models::{self, Models};
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::question::{Listener, Prediction, Question};
use crate::report::Markup;
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Settings, Training};
use crate::task::{BatchesOf, Division, Figures, Given, LossOf, Task};
use crate::weights::{begin_with, earlier};
use corpus::Corpus;
use mapsto_data::{Order, TokenKind, Tokenizer, read_corpus};
use mapsto_models::{LanguageModel, LanguageNet, LanguageShape, Mixture};
use mapsto_nn::{CrossEntropyLoss, StateDict, Summary};
use mapsto_tensor::{Result, Rng};
use mapsto_train::metrics::LanguageReport;
use mapsto_train::{Labelled, Measures, Objective, short};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Steps that a training has by default, about.
const STEPS: usize = 1500;
/// The fewest and most epochs by default.
const EPOCHS: [usize; 2] = [1, 50];
/// Characters of a token that is a piece of a word, about.
const CHARACTERS: usize = 3;
/// The most tokens of a window.
const LONGEST: usize = 65_536;
/// The most tokens that are learned.
const MOST_TOKENS: usize = 1_000_000;
/// The most places that are read on from.
const MOST_STREAMS: usize = 65_536;
/// Tokens that are learned at most, where nothing else is asked for: characters, and pieces of words.
const USUAL: [usize; 2] = [10_000, 2_048];
/// Texts that the report shows, their tokens, and the characters of their prompts.
const SHOWN: [usize; 3] = [3, 200, 40];

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmConfig {
    /// A file of text, or a folder of files `.txt`.
    pub data: PathBuf,
    /// What tokens are: characters, or pieces of words (bpe).
    pub tokens: TokenKind,
    /// The most tokens that are learned; at 0 10,000 characters, or 2,048 pieces of words.
    pub vocabulary: usize,
    /// Tokens that it learns from at once. A transformer can look no further back.
    pub length: usize,
    /// At 0 windows of all texts come in an order by chance, and nothing is remembered from one to the next. Else so many places are read on
    /// from side by side, as a step's examples in place of `batch_size`, and what a recurrent network remembers of each goes on from window
    /// to window; gradients do not.
    pub streams: usize,
    /// The network.
    pub model: LanguageModel,
    /// An earlier run that it goes on from, with its tokens; none if empty.
    #[serde(default)]
    pub pretrained: PathBuf,
}

impl LmConfig {
    /// Says which setting cannot be.
    fn check(&self) -> Result<(), TaskError> {
        if self.tokens == TokenKind::Words {
            let why = "of words in lower case no text can be written";
            return Err(TaskError::Input(format!("tokens is words, it must be characters or bpe: {why}")));
        }
        let settings = [
            ("length", self.length, 1, LONGEST),
            ("vocabulary", self.vocabulary, 0, MOST_TOKENS),
            ("streams", self.streams, 0, MOST_STREAMS),
        ];
        match settings.into_iter().find(|(_, value, least, most)| !(*least..=*most).contains(value)) {
            Some((name, value, least, most)) => {
                Err(TaskError::Input(format!("{name} is {value}, it must be from {least} to {most}")))
            }
            None => Ok(()),
        }
    }

    /// The most tokens that are learned.
    fn vocabulary(&self) -> usize {
        match (self.vocabulary, self.tokens) {
            (0, TokenKind::Bpe) => USUAL[1],
            (0, _) => USUAL[0],
            (asked, _) => asked,
        }
    }
}

/// What was learned of the texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmPreparation {
    tokenizer: Tokenizer,
    /// Whether it has learned from several texts, and so where texts end.
    ends: bool,
}

/// How well a network tells texts.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LmEvaluation {
    /// Perplexity, and what else goes with it.
    #[serde(flatten)]
    pub report: LanguageReport,
    /// The share of tokens that stand for characters which the network does not know.
    pub unknown: f64,
}

impl Figures for LmEvaluation {
    fn metrics(&self) -> Value {
        let LanguageReport { loss, perplexity, bits_per_character, accuracy, .. } = self.report;
        json!({
            "perplexity": perplexity, "bits_per_character": bits_per_character, "loss": loss, "accuracy": accuracy,
            "unknown": self.unknown,
        })
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        let LanguageReport { perplexity, bits_per_character, accuracy, .. } = self.report;
        let figures = [("bits per character", bits_per_character), ("perplexity", perplexity), ("accuracy", accuracy)];
        figures.into_iter().map(|(name, value)| (name, short(value))).collect()
    }

    fn details(&self) -> Value {
        json!({ "tokens": self.report.tokens, "characters": self.report.characters })
    }
}

/// Texts to learn language from.
pub struct Lm {
    corpus: Corpus,
    given: Given,
    fingerprint: u64,
}

impl Lm {
    fn read(path: &Path) -> Result<Lm, TaskError> {
        let corpus = Corpus::of(read_corpus(path).map_err(TaskError::input)?);
        let given = Given { train: (0..corpus.len()).collect(), ..Given::default() };
        Ok(Lm { given, fingerprint: corpus.fingerprint(), corpus })
    }

    /// Settings of texts that nothing is known of yet.
    fn defaults(config: LmConfig) -> Settings<LmConfig> {
        let learning_rate = if matches!(config.model, LanguageModel::Transformer(_)) { 1e-3 } else { 3e-3 };
        let training =
            Training { batch_size: 32, learning_rate, clip_norm: 1.0, test: 0.1, warmup: 0.05, ..Training::default() };
        Settings::new(Self::NAME, training, config)
    }

    /// How well a network tells some of the texts.
    fn scored(
        &self,
        config: &LmConfig,
        networks: &Mixture<'_, LanguageNet>,
        preparation: &LmPreparation,
        items: &[usize],
    ) -> Result<LmEvaluation, TaskError> {
        let stream = self.corpus.stream(&preparation.tokenizer, items)?;
        let known = preparation.tokenizer.len();
        let report = windows::score(networks, &stream, config.length, known, config.streams > 0)?;
        Ok(LmEvaluation { report, unknown: stream.unknown as f64 / stream.tokens.len() as f64 })
    }
}

impl Task for Lm {
    const NAME: &'static str = "lm";
    const ABOUT: &'static str = "Language: what comes next in texts";
    const ASKED: &'static str = "--text \"How it begins\"";
    const MODELS: Option<Models> = Some(models::LANGUAGE);
    type Config = LmConfig;
    type Preparation = LmPreparation;
    type Network = Reader;
    type Batch = Labelled<Window>;
    type Evaluation = LmEvaluation;

    fn begun(request: &Request) -> Result<Begun<Lm>, TaskError> {
        request.takes(Self::NAME, &["--data", "--model", "--pretrained"])?;
        let mut config = LmConfig {
            data: request.data("a file of text in UTF-8, or a folder of files .txt")?,
            tokens: TokenKind::Characters,
            vocabulary: 0,
            length: 128,
            streams: 0,
            model: request.model("language", "lstm", LanguageModel::named, LanguageModel::NAMES)?,
            pretrained: request.pretrained()?,
        };
        if !config.pretrained.as_os_str().is_empty() {
            let LmConfig { tokens, length, model, .. } = earlier::<Lm>(&config.pretrained)?.0.config;
            config = LmConfig { tokens, length, model, ..config };
        }
        // What tokens are decides how many steps go through the texts once.
        let mut settings = request.settle(Lm::defaults(config))?;
        let lm = Lm::open(&settings.config)?;
        let characters = lm.corpus.characters();
        let tokens = if settings.config.tokens == TokenKind::Bpe { characters / CHARACTERS } else { characters };
        let batch = if settings.config.streams > 0 { settings.config.streams } else { settings.training.batch_size };
        let per_epoch = tokens / (settings.config.length * batch).max(1);
        settings.training.epochs = (STEPS / per_epoch.max(1)).clamp(EPOCHS[0], EPOCHS[1]) as u64;
        let texts = if lm.corpus.texts() == 1 { "text".into() } else { format!("{} texts", lm.corpus.texts()) };
        let note = format!("{texts} of {characters} characters; the last of them are for validation and test");
        Ok(Begun { task: lm, settings, notes: vec![note] })
    }

    fn open(config: &LmConfig) -> Result<Lm, TaskError> {
        config.check()?;
        Lm::read(&config.data)
    }

    fn open_for(predictor: &Predictor<Lm>, data: Option<&Path>, _: bool) -> Result<Lm, TaskError> {
        match data {
            Some(path) => Lm::read(path),
            None => Lm::open(&predictor.settings.config),
        }
    }

    fn count(&self) -> usize {
        self.corpus.len()
    }

    fn given(&self) -> &Given {
        &self.given
    }

    fn division(&self) -> Division {
        Division::Times((0..self.corpus.len()).map(|place| place as f64).collect())
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn prepare(&self, config: &LmConfig, train: &[usize]) -> Result<LmPreparation, TaskError> {
        let tokenizer = if config.pretrained.as_os_str().is_empty() {
            let learned = Tokenizer::learn(config.tokens, &self.corpus.sample(train), config.vocabulary());
            learned.map_err(TaskError::input)?
        } else {
            earlier::<Lm>(&config.pretrained)?.1.tokenizer
        };
        Ok(LmPreparation { tokenizer, ends: self.corpus.stretches(train).len() > 1 })
    }

    fn notes(&self, preparation: &LmPreparation) -> Vec<String> {
        vec![format!("{} tokens", preparation.tokenizer.len())]
    }

    fn network(config: &LmConfig, preparation: &LmPreparation) -> Result<Reader> {
        let shape = LanguageShape { tokens: preparation.tokenizer.len(), length: config.length };
        Reader::new(config.model.build(shape)?, config.streams)
    }

    fn begin(config: &LmConfig, reader: &Reader) -> Result<(), TaskError> {
        // Where the earlier run was in its streams means nothing in others.
        let network =
            |values: StateDict| values.into_iter().filter(|(name, _)| !name.starts_with("carried.")).collect();
        begin_with(&config.pretrained, None, &reader.network, network)
    }

    fn batches<'a>(
        &'a self,
        config: &'a LmConfig,
        preparation: &'a LmPreparation,
        plan: Plan,
    ) -> Result<BatchesOf<'a, Lm>, TaskError> {
        let tokens = self.corpus.stream(&preparation.tokenizer, &plan.items)?.tokens;
        let (length, streams) = (config.length, config.streams);
        if windows::count(tokens.len(), length) < streams.max(1) {
            let (count, wanted) = (tokens.len(), length.saturating_mul(streams.max(1)).saturating_add(1));
            let of = if streams > 0 { "windows side by side" } else { "a window" };
            return Err(TaskError::Input(format!(
                "the texts to learn from have {count} tokens, fewer than the {wanted} of {of} and what follows: give more text, or set a \
                 smaller length"
            )));
        }
        if streams > 0 {
            if matches!(plan.order, Order::Drawn { .. }) {
                let what = "boosting draws windows by what was told badly, streams reads them one after another";
                return Err(TaskError::Input(format!("{what}: leave out --set streams={streams}")));
            }
            let (each, start) = windows::side_by_side(tokens.len(), streams, length);
            let items = (0..each * streams).collect();
            let plan = Plan { items, order: Order::InOrder, batch_size: streams, ..plan };
            let gather = move |some: &[usize], _: Rng| {
                let starts: Vec<usize> = some.iter().map(|&window| start(window)).collect();
                let [tokens, target] = windows::windows(&tokens, &starts, length)?;
                Ok(Labelled { input: Window { tokens, begins: some.first() == Some(&0) }, target })
            };
            return Ok(Box::new(Gathered::new(&plan, gather)?));
        }
        let plan = Plan { items: (0..windows::count(tokens.len(), length)).collect(), ..plan };
        let gather = move |some: &[usize], mut chance: Rng| {
            let start = |&window: &usize| windows::moved(window, tokens.len(), length, &mut chance);
            let starts: Vec<usize> = some.iter().map(start).collect();
            let [tokens, target] = windows::windows(&tokens, &starts, length)?;
            Ok(Labelled { input: Window { tokens, begins: true }, target })
        };
        Ok(Box::new(Gathered::new(&plan, gather)?))
    }

    fn loss<'a>(
        &'a self,
        settings: &'a Settings<LmConfig>,
        preparation: &'a LmPreparation,
        _: &[usize],
    ) -> Result<LossOf<'a, Lm>, TaskError> {
        let label_smoothing = settings.training.label_smoothing;
        let objective = Objective::Classes(CrossEntropyLoss { label_smoothing, ..CrossEntropyLoss::default() });
        let known = preparation.tokenizer.len();
        Ok(Box::new(move |reader, Labelled { input: Window { tokens, begins }, target }| {
            let mut memory = reader.remembered(*begins)?;
            let (logits, places) = (reader.network.step(tokens, &mut memory)?, target.numel());
            let loss = objective.of(&logits.reshape([places, known])?, &target.reshape([places])?)?;
            // A step that fails is made again, to be looked at: it begins as it did.
            if loss.value.detach().item::<f32>()?.is_finite() {
                reader.carry(&memory)?;
            }
            Ok(loss)
        }))
    }

    fn measures(
        &self,
        settings: &Settings<LmConfig>,
        reader: &Reader,
        preparation: &LmPreparation,
        items: &[usize],
    ) -> Result<Measures, TaskError> {
        let LmEvaluation { report, .. } =
            self.scored(&settings.config, &Mixture::one(&reader.network), preparation, items)?;
        let measures = [
            ("val_loss", report.loss),
            ("val_perplexity", report.perplexity),
            ("val_bits_per_character", report.bits_per_character),
            ("val_accuracy", report.accuracy),
        ];
        Ok(measures.map(|(name, value)| (name.to_string(), value)).into())
    }

    fn evaluate(&self, predictor: &Predictor<Lm>, items: &[usize]) -> Result<LmEvaluation, TaskError> {
        self.scored(&predictor.settings.config, &networks(predictor)?, &predictor.preparation, items)
    }

    fn columns(_: &Predictor<Lm>) -> Vec<String> {
        vec!["prompt".into(), "continuation".into()]
    }

    fn predict(predictor: &Predictor<Lm>, question: &Question, listener: &mut dyn Listener) -> Result<(), TaskError> {
        let writing: Writing = question.settle()?;
        writing.check()?;
        let mut prompts: Vec<(String, String)> = Vec::new();
        prompts.extend(question.texts.iter().enumerate().map(|(i, text)| (format!("text {}", i + 1), text.clone())));
        for path in &question.files {
            for text in read_corpus(path).map_err(TaskError::input)? {
                let lines = text.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
                prompts.extend(lines.map(|(i, line)| (format!("{}:{}", text.name, i + 1), line.to_string())));
            }
        }
        if prompts.is_empty() {
            return Err(TaskError::input("give a text to go on with by --text, or files with one a line"));
        }
        let (networks, chance) = (networks(predictor)?, Rng::new(writing.seed).split("text"));
        for (i, (input, prompt)) in prompts.into_iter().enumerate() {
            let (tokens, unknown) = write::read(&predictor.preparation.tokenizer, &prompt)?;
            unknown.iter().for_each(|why| listener.warn(why));
            listener.piece(&prompt)?;
            let (chance, piece) = (chance.fork(i as u64), &mut |letters: &str| listener.piece(letters));
            let (text, count) = write::go_on(&networks, &predictor.preparation, &writing, tokens, chance, piece)?;
            listener.answer(Prediction {
                input,
                text: format!("{prompt}{text}"),
                fields: json!({ "prompt": prompt, "continuation": text, "tokens": count }),
                cells: vec![prompt, text],
            })?;
        }
        Ok(())
    }

    fn summary(reader: &Reader, config: &LmConfig, _: &LmPreparation, items: usize) -> Result<Summary> {
        models::of_language(reader, &reader.network, config.length, items)
    }

    fn facts(&self, preparation: &LmPreparation) -> (String, Vec<(&'static str, String)>) {
        let texts = format!("{} of {} characters in all", self.corpus.texts(), self.corpus.characters());
        let tokens = preparation.tokenizer.len().to_string();
        ("the next token".into(), vec![("Texts", texts), ("Tokens", tokens)])
    }

    fn draw(&self, outcome: &Outcome<Lm>, page: &mut Markup) -> Result<(), TaskError> {
        let Outcome { predictor, tested, .. } = outcome;
        let [texts, length, letters] = SHOWN;
        let (writing, networks) = (Writing { length, ..Writing::default() }, networks(predictor)?);
        let note =
            format!("Begun as the text does that it was tested on, at a temperature of {}.", writing.temperature);
        page.text("h2", &[], "What it writes");
        page.text("p", &[("class", "note")], &note);
        for number in 0..texts.min(tested.len()) {
            let place = tested.len() * number / texts.min(tested.len());
            let prompt = self.corpus.stretches(&tested[place..=place]).concat();
            let prompt: String = prompt.chars().take(letters).collect();
            // A prompt of which nothing is known shows nothing.
            let Ok((tokens, _)) = write::read(&predictor.preparation.tokenizer, &prompt) else { continue };
            let chance = Rng::new(writing.seed).split("report").fork(number as u64);
            let (text, _) = write::go_on(&networks, &predictor.preparation, &writing, tokens, chance, &mut |_| Ok(()))?;
            page.element("pre", &[("class", "text"), ("tabindex", "0")], |pre| {
                pre.told("b", &[], &prompt);
                pre.told("span", &[], &text);
            });
        }
        Ok(())
    }
}

/// The networks that tell what comes next.
fn networks(predictor: &Predictor<Lm>) -> Result<Mixture<'_, LanguageNet>, TaskError> {
    predictor.mixture(|reader| &reader.network)
}

#[cfg(test)]
mod tests;
