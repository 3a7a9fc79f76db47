//! Translation: texts into texts, learned from pairs.

mod decoding;
mod report;
mod scores;

pub use decoding::{Decoding, Translation};
pub use scores::TranslateScores;

use crate::error::TaskError;
use crate::fingerprint::Fingerprint;
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::question::{Listener, Prediction, Question};
use crate::report::Markup;
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Settings, Training, assign};
use crate::task::{BatchesOf, Given, LossOf, Task};
use crate::text::TextInput;
use decoding::translate;
use mapsto_data::{Order, PairColumns, PairSet, Part, Text, TokenKind, Tokenizer, read_sources};
use mapsto_models::{TranslationModel, TranslationNet, TranslationShape};
use mapsto_nn::{CrossEntropyLoss, LossReduction, Summary};
use mapsto_tensor::{DType, Result, Tensor, no_grad};
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
/// Pairs of which a loss is measured at once.
const MEASURED: usize = 64;
/// Texts that are translated before they are told.
const TOLD: usize = 256;
/// The number that fills up, of sources and of targets: that of `[PAD]`.
const PAD: i64 = 0;

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

/// Numbers of tokens with a meaning of their own.
#[derive(Clone, Copy)]
struct Vocabulary {
    /// Begins targets.
    begin: u32,
    /// Ends targets.
    end: u32,
    /// How many tokens targets are of.
    targets: usize,
}

impl TranslatePreparation {
    /// Beginning and end come behind the tokens that were learned.
    fn vocabulary(&self) -> Vocabulary {
        let begin = self.target.len() as u32;
        Vocabulary { begin, end: begin + 1, targets: self.target.len() + 2 }
    }
}

/// Pairs, as a network takes them.
#[derive(Clone, Debug)]
pub struct TranslateBatch {
    /// Tokens of the sources, `[N, S]`, filled up.
    source: Tensor,
    /// How many of them are each source's, `[N]`.
    lengths: Tensor,
    /// Tokens of the targets behind their beginning, `[N, T]`, filled up.
    input: Tensor,
    /// What follows each, the end at last, `[N, T]`, filled up.
    output: Tensor,
    /// How many tokens follow, of all.
    tokens: usize,
}

/// Pairs of texts.
pub struct TranslateExamples {
    set: PairSet,
    given: Given,
    fingerprint: u64,
}

impl TranslateExamples {
    fn of(set: PairSet) -> TranslateExamples {
        let mut fingerprint = Fingerprint::new();
        for (source, target) in set.sources.iter().zip(&set.targets) {
            // What ends one text and begins the next is told apart.
            [source.as_bytes(), b"\t", target.as_bytes(), b"\n"].iter().for_each(|bytes| fingerprint.add(bytes));
        }
        let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(|part| set.part(part));
        TranslateExamples { given: Given { train, validation, test }, fingerprint: fingerprint.value(), set }
    }

    fn read(path: &Path, columns: &PairColumns) -> Result<TranslateExamples, TaskError> {
        Ok(TranslateExamples::of(PairSet::open(path, columns).map_err(TaskError::input)?))
    }

    /// Tokens of some texts of one side.
    fn encoded(
        &self,
        tokenizer: &Tokenizer,
        texts: &[String],
        items: &[usize],
        length: usize,
    ) -> Result<Vec<Vec<u32>>, TaskError> {
        let tokens = |&item: &usize| {
            let refused = |e| TaskError::Input(format!("{}: {e}", self.set.name(item)));
            tokenizer.encode(&texts[item], length).map_err(refused)
        };
        items.iter().map(tokens).collect()
    }

    fn sources(
        &self,
        config: &TranslateConfig,
        preparation: &TranslatePreparation,
        items: &[usize],
    ) -> Result<Vec<Vec<u32>>, TaskError> {
        self.encoded(&preparation.source, &self.set.sources, items, config.length)
    }

    fn targets(
        &self,
        config: &TranslateConfig,
        preparation: &TranslatePreparation,
        items: &[usize],
    ) -> Result<Vec<Vec<u32>>, TaskError> {
        self.encoded(&preparation.target, &self.set.targets, items, config.length)
    }

    /// The mean loss of a token of some pairs, without smoothing.
    fn loss_of(
        &self,
        config: &TranslateConfig,
        network: &TranslationNet,
        preparation: &TranslatePreparation,
        items: &[usize],
    ) -> Result<f64, TaskError> {
        let (sources, targets) = (self.sources(config, preparation, items)?, self.targets(config, preparation, items)?);
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|&place| sources[place].len() + targets[place].len());
        let loss = CrossEntropyLoss { ignore_index: PAD, reduction: LossReduction::Sum, ..CrossEntropyLoss::default() };
        let (vocabulary, mut sum, mut tokens) = (preparation.vocabulary(), 0.0, 0);
        for chunk in order.chunks(MEASURED) {
            let pairs: Vec<(&[u32], &[u32])> = chunk.iter().map(|&i| (&sources[i][..], &targets[i][..])).collect();
            let batch = gathered(&vocabulary, config.length, &pairs)?;
            let value = no_grad(|| loss.forward(&batch.logits(network)?, &batch.output.flatten(0, 1)?))?;
            sum += crate::task::finite(value)?.first().copied().unwrap_or(f64::NAN);
            tokens += batch.tokens;
        }
        Ok(sum / tokens as f64)
    }

    /// Says how a text that is too long is read, if it is.
    fn is_cut(tokenizer: &Tokenizer, text: &str, length: usize) -> bool {
        tokenizer.encode(text, length + 1).is_ok_and(|tokens| tokens.len() > length)
    }
}

impl TranslateBatch {
    /// The logits of what follows, `[N · T, tokens]`.
    fn logits(&self, network: &TranslationNet) -> Result<Tensor> {
        network.forward(&self.source, &self.lengths, &self.input)?.flatten(0, 1)
    }
}

/// Tokens of sources and of targets, as a network takes them. A target that is cut has no end.
fn gathered(vocabulary: &Vocabulary, length: usize, pairs: &[(&[u32], &[u32])]) -> Result<TranslateBatch, TaskError> {
    let sources: Vec<&[u32]> = pairs.iter().map(|(source, _)| *source).collect();
    let TextInput { tokens: source, lengths } = TextInput::of(&sources)?;
    let with = |first: Option<u32>, last: Option<u32>| -> Vec<Vec<u32>> {
        let target = |(_, target): &(&[u32], &[u32])| {
            first.into_iter().chain(target.iter().copied()).chain(last).take(length).collect()
        };
        pairs.iter().map(target).collect()
    };
    let (input, output) = (with(Some(vocabulary.begin), None), with(None, Some(vocabulary.end)));
    let [input, output] =
        [input, output].map(|texts| TextInput::of(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let (input, output) = (input?, output?);
    let tokens = output.lengths.sum()?.item::<i64>()? as usize;
    Ok(TranslateBatch { source, lengths, input: input.tokens, output: output.tokens, tokens })
}

impl Predictor<TranslateExamples> {
    /// The network, which stands alone.
    fn network(&self) -> Result<&TranslationNet, TaskError> {
        self.members.first().ok_or_else(|| TaskError::Internal("a run without a network".into()))
    }
}

impl Task for TranslateExamples {
    const NAME: &'static str = "translate";
    const ABOUT: &'static str = "Texts into another language, from pairs";
    const ASKED: &'static str = "--text \"A TEXT\"";
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
            let value = loss.forward(&batch.logits(network)?, &batch.output.flatten(0, 1)?)?;
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
        let loss = self.loss_of(&settings.config, network, preparation, items)?;
        Ok([("val_loss", loss), ("val_perplexity", loss.exp())].map(|(name, value)| (name.to_string(), value)).into())
    }

    fn evaluate(&self, predictor: &Predictor<Self>, items: &[usize]) -> Result<TranslateScores, TaskError> {
        let (network, preparation) = (predictor.network()?, &predictor.preparation);
        let config = &predictor.settings.config;
        let loss = self.loss_of(config, network, preparation, items)?;
        let sources = self.sources(config, preparation, items)?;
        let translations = translate(network, config, preparation, &config.decoding, &sources)?;
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
        let named = |text: &String| Text { name: text.clone(), text: text.clone() };
        let mut texts: Vec<Text> = question.texts.iter().map(named).collect();
        for path in &question.files {
            texts.extend(read_sources(path, &preparation.columns[0]).map_err(TaskError::input)?);
        }
        if texts.is_empty() {
            return Err(TaskError::input("give a text to translate with --text, or files with a text a line"));
        }
        for texts in texts.chunks(TOLD) {
            let mut sources = Vec::with_capacity(texts.len());
            for Text { name, text } in texts {
                let refused = |e| TaskError::Input(format!("{name}: {e}"));
                sources.push(preparation.source.encode(text, config.length).map_err(refused)?);
                if Self::is_cut(&preparation.source, text, config.length) {
                    listener.warn(&format!("{name}: only the first {} tokens are read", config.length));
                }
            }
            let translations = translate(predictor.network()?, config, preparation, &decoding, &sources)?;
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
        let tokens = Tensor::zeros([items, config.length], DType::I64)?;
        let lengths = Tensor::from_vec(vec![config.length as i64; items], [items])?;
        Summary::of_forward(network, &[&tokens, &lengths, &tokens], |x| Ok(vec![network.forward(&x[0], &x[1], &x[2])?]))
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
