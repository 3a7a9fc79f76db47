//! Texts: which class each is of.

mod pretrained;
mod report;

use crate::answered::Answered;
use crate::error::TaskError;
use crate::examples::{Answers, Ask, Asked, Examples, LabelledBatches, Truth};
use crate::fingerprint::Fingerprint;
use crate::models::{self, Models};
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::report::{Markup, Shown};
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Settings, Training};
use crate::task::Given;
use crate::weights::begin_with;
use mapsto_data::{Order, Part, Synonyms, TextAugmentation, TextColumns, TextSet, TokenKind, Tokenizer, read_texts};
use mapsto_models::text::Bert;
use mapsto_models::{TextModel, TextNet, TextShape};
use mapsto_nn::Summary;
use mapsto_tensor::{Result, Rng, Tensor};
use mapsto_train::Labelled;
use pretrained::Origin;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Steps that a training has by default, about.
const STEPS: usize = 1500;
/// Those of bags of words, which are quick.
const BAG_STEPS: usize = 3000;
/// The fewest and most epochs by default.
const EPOCHS: [usize; 2] = [4, 30];
/// The most tokens of a text.
const LONGEST: usize = 65_536;
/// The most tokens that are learned.
const MOST_TOKENS: usize = 1_000_000;
/// Texts that a network is asked about at once.
const ASKED: usize = 64;

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextConfig {
    /// A table, JSON lines, or a folder with one of texts for each class.
    pub data: PathBuf,
    /// The column of the classes; found if empty.
    pub target: String,
    /// The column of the texts; that with the longest if empty.
    pub text: String,
    /// What tokens are, where they are learned from the texts.
    pub tokens: TokenKind,
    /// The most tokens that are learned.
    pub vocabulary: usize,
    /// The most tokens of a text; what follows is not read.
    pub length: usize,
    /// The network.
    pub model: TextModel,
    /// What the network begins with: a folder with a pretrained encoder (`model.safetensors`, `tokenizer.json`, `config.json`), an earlier
    /// run, or a file of weights; nothing if empty.
    pub pretrained: PathBuf,
    /// The share of texts that are changed by chance in each epoch: words left out, swapped, put in, or replaced.
    pub augment: f64,
    /// The share of the words of such a text that are changed.
    pub augment_share: f64,
    /// A file of words that mean the same, a line each time; none if empty.
    pub synonyms: PathBuf,
}

impl TextConfig {
    /// Says which setting cannot be.
    fn check(&self) -> Result<(), TaskError> {
        let settings = [("length", self.length, LONGEST), ("vocabulary", self.vocabulary, MOST_TOKENS)];
        match settings.into_iter().find(|(_, value, most)| !(1..=*most).contains(value)) {
            Some((name, value, most)) => {
                Err(TaskError::Input(format!("{name} is {value}, it must be from 1 to {most}")))
            }
            None => Ok(()),
        }
    }

    fn columns(&self) -> TextColumns {
        let named = |name: &String| (!name.is_empty()).then(|| name.clone());
        TextColumns { text: named(&self.text), label: named(&self.target), part: None }
    }

    fn augmentation(&self) -> Result<Option<TextAugmentation>, TaskError> {
        let synonyms = match self.synonyms.as_os_str().is_empty() {
            true => Synonyms::default(),
            false => Synonyms::open(&self.synonyms).map_err(TaskError::input)?,
        };
        let augmentation = TextAugmentation::new(self.augment, self.augment_share, synonyms);
        let augmentation = augmentation.map_err(TaskError::input)?;
        Ok((self.augment > 0.0).then_some(augmentation))
    }
}

/// What was learned of the texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextPreparation {
    tokenizer: Tokenizer,
    /// The column that the texts were found in; none of files.
    column: Option<String>,
    /// How many of how many texts have each token, where a network begins with it. It is part of the network's state, not saved here.
    #[serde(skip)]
    documents: Option<(Vec<u32>, usize)>,
}

/// What a network takes of some texts.
#[derive(Clone, Debug)]
pub struct TextInput {
    /// `[N, T]`, numbers of tokens, filled up with zeros.
    pub tokens: Tensor,
    /// `[N]`, how many of them are the text's.
    pub lengths: Tensor,
}

impl TextInput {
    /// Of the tokens of each text.
    pub(crate) fn of(texts: &[&[u32]]) -> Result<TextInput> {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut tokens = vec![0i64; texts.len() * longest];
        for (text, place) in texts.iter().zip(tokens.chunks_mut(longest.max(1))) {
            place.iter_mut().zip(*text).for_each(|(place, &token)| *place = token.into());
        }
        let lengths = texts.iter().map(|text| text.len() as i64).collect();
        Ok(TextInput {
            tokens: Tensor::from_vec(tokens, [texts.len(), longest])?,
            lengths: Tensor::from_vec(lengths, [texts.len()])?,
        })
    }
}

/// Texts with their classes.
pub struct TextExamples {
    set: TextSet,
    truth: Truth,
    given: Given,
    fingerprint: u64,
}

impl TextExamples {
    fn of(set: TextSet) -> TextExamples {
        let mut fingerprint = Fingerprint::new();
        for (text, &label) in set.texts.iter().zip(&set.labels) {
            fingerprint.add(text.as_bytes());
            fingerprint.add(set.classes[label].as_bytes());
        }
        let truth = Truth::Classes { names: set.classes.clone(), labels: set.labels.clone() };
        let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(|part| set.part(part));
        TextExamples { truth, given: Given { train, validation, test }, fingerprint: fingerprint.value(), set }
    }

    /// Settings of texts that nothing is known of yet.
    fn defaults(config: TextConfig) -> Settings<TextConfig> {
        let usual = Training { batch_size: 32, learning_rate: 1e-3, weight_decay: 0.05, ..Training::default() };
        let training = match config.model {
            TextModel::Bert(_) => Training { learning_rate: 5e-5, clip_norm: 1.0, ..usual },
            TextModel::Transformer(_) => Training { learning_rate: 5e-4, clip_norm: 1.0, ..usual },
            TextModel::Bag(_) => Training { learning_rate: 5e-3, weight_decay: 0.0, ..usual },
            _ => Training { clip_norm: 1.0, ..usual },
        };
        Settings::new(Self::NAME, training, config)
    }

    /// The tokens of some texts.
    fn encoded(
        &self,
        config: &TextConfig,
        preparation: &TextPreparation,
        items: &[usize],
    ) -> Result<Vec<Vec<u32>>, TaskError> {
        let tokens = |&item: &usize| {
            let refused = |e| TaskError::Input(format!("{}: {e}", self.set.name(item)));
            preparation.tokenizer.encode(&self.set.texts[item], config.length).map_err(refused)
        };
        items.iter().map(tokens).collect()
    }
}

/// Tokens behind each other, as a network takes them.
fn gathered(texts: &[Vec<u32>]) -> Result<TextInput, TaskError> {
    Ok(TextInput::of(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>())?)
}

impl Examples for TextExamples {
    const NAME: &'static str = "text";
    const ABOUT: &'static str = "The classes of texts";
    const FILE: &'static str = "MORE.csv";
    const MODELS: Option<Models> = Some(models::TEXT);
    type Config = TextConfig;
    type Preparation = TextPreparation;
    type Input = TextInput;
    type Network = TextNet;

    fn begun(request: &Request) -> Result<Begun<Answered<Self>>, TaskError> {
        request.takes(Self::NAME, &["--data", "--target", "--model", "--pretrained"])?;
        let pretrained = request.pretrained()?;
        let origin = Origin::at(&pretrained)?;
        let model = request.model("texts", "gru", TextModel::named, TextModel::NAMES)?;
        // Long texts and rare words cost a bag little.
        let (vocabulary, length) = if matches!(model, TextModel::Bag(_)) { (60_000, 2048) } else { (20_000, 256) };
        let mut config = TextConfig {
            data: request
                .data("texts with classes: a table, JSON lines, or a folder with one of .txt files for each class")?,
            target: request.target.clone().unwrap_or_default(),
            text: String::new(),
            tokens: TokenKind::Words,
            vocabulary,
            length,
            model,
            pretrained,
            augment: 0.0,
            augment_share: 0.1,
            synonyms: PathBuf::new(),
        };
        let fits = matches!((&origin, &config.model), (Origin::Encoder(_), TextModel::Bert(_)));
        if request.model.is_none() || fits {
            origin.settle(&mut config)?;
        }
        // What decides how texts are read has to be known before the rest suits them.
        let mut settings = request.settle(TextExamples::defaults(config))?;
        let examples = TextExamples::open(&settings.config)?;
        let texts = examples.set.len();
        let steps = if matches!(settings.config.model, TextModel::Bag(_)) { BAG_STEPS } else { STEPS };
        let epochs = steps * settings.training.batch_size / texts.max(1);
        settings.training.epochs = epochs.clamp(EPOCHS[0], EPOCHS[1]) as u64;
        let classes = examples.set.classes.len();
        let column = examples.set.column().map(|column| format!(" of the column {column:?}")).unwrap_or_default();
        let note = format!("{classes} classes; texts{column}, of which {} tokens are read", settings.config.length);
        Ok(Begun { task: Answered(examples), settings, notes: vec![note] })
    }

    fn open(config: &TextConfig) -> Result<TextExamples, TaskError> {
        config.check()?;
        config.augmentation()?;
        Ok(TextExamples::of(TextSet::open(&config.data, &config.columns()).map_err(TaskError::input)?))
    }

    fn open_for(
        predictor: &Predictor<Answered<Self>>,
        data: Option<&Path>,
        _: bool,
    ) -> Result<TextExamples, TaskError> {
        let own = &predictor.settings.config;
        let Some(path) = data else { return TextExamples::open(own) };
        let mut columns = own.columns();
        columns.text = columns.text.or_else(|| predictor.preparation.inputs.column.clone()).filter(|_| !path.is_dir());
        let set = TextSet::open(path, &columns).map_err(TaskError::input)?;
        let mut examples = TextExamples::of(set);
        examples.truth = predictor
            .preparation
            .answers
            .truth_of(&examples.truth)
            .map_err(|what| TaskError::Input(format!("{}: {what}", path.display())))?;
        Ok(examples)
    }

    fn read(
        predictor: &Predictor<Answered<Self>>,
        files: &[PathBuf],
        _: bool,
        ask: Ask<'_, TextInput>,
    ) -> Result<(), TaskError> {
        let (settings, preparation) = (&predictor.settings, &predictor.preparation.inputs);
        for path in files {
            let texts = read_texts(path, preparation.column.as_deref()).map_err(TaskError::input)?;
            for texts in texts.chunks(ASKED) {
                let tokens = |text: &mapsto_data::Text| {
                    let refused = |e| TaskError::Input(format!("{}: {e}", text.name));
                    preparation.tokenizer.encode(&text.text, settings.config.length).map_err(refused)
                };
                let tokens = texts.iter().map(tokens).collect::<Result<Vec<_>, TaskError>>()?;
                let names = texts.iter().map(|text| text.name.clone()).collect();
                ask(Asked::unknown(names, gathered(&tokens)?))?;
            }
        }
        Ok(())
    }

    fn truth(&self) -> &Truth {
        &self.truth
    }

    fn given(&self) -> &Given {
        &self.given
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn prepare(&self, config: &TextConfig, train: &[usize]) -> Result<TextPreparation, TaskError> {
        let column = self.set.column().map(str::to_string);
        let tokenizer = match Origin::at(&config.pretrained)?.tokenizer()? {
            Some(tokenizer) => tokenizer,
            None => {
                let texts: Vec<&str> = train.iter().map(|&item| self.set.texts[item].as_str()).collect();
                Tokenizer::learn(config.tokens, &texts, config.vocabulary).map_err(TaskError::input)?
            }
        };
        let mut preparation = TextPreparation { tokenizer, column, documents: None };
        if matches!(config.model, TextModel::Bag(_)) {
            let mut documents = vec![0; preparation.tokenizer.len()];
            for mut tokens in self.encoded(config, &preparation, train)? {
                tokens.sort_unstable();
                tokens.dedup();
                for token in tokens {
                    documents[token as usize] += 1;
                }
            }
            preparation.documents = Some((documents, train.len()));
        }
        Ok(preparation)
    }

    fn network(config: &TextConfig, preparation: &TextPreparation, outputs: usize) -> Result<TextNet> {
        let shape = TextShape { tokens: preparation.tokenizer.len(), length: config.length };
        let network = config.model.build(shape, outputs)?;
        if let (TextNet::Bag(bag), Some((documents, texts))) = (&network, &preparation.documents) {
            bag.set_document_frequencies(documents, *texts)?;
        }
        Ok(network)
    }

    fn begin(config: &TextConfig, network: &TextNet) -> Result<(), TaskError> {
        let is_bert = matches!(config.model, TextModel::Bert(_));
        let own = |values| if is_bert { Bert::values(values) } else { values };
        begin_with(&config.pretrained, Some(config.model.head_prefix()), network, own)
    }

    fn forward(network: &TextNet, input: &TextInput) -> Result<Tensor> {
        network.forward(&input.tokens, &input.lengths)
    }

    fn input(
        &self,
        config: &TextConfig,
        preparation: &TextPreparation,
        items: &[usize],
    ) -> Result<TextInput, TaskError> {
        gathered(&self.encoded(config, preparation, items)?)
    }

    fn batches<'a>(
        &'a self,
        config: &'a TextConfig,
        preparation: &'a TextPreparation,
        answers: &'a Answers,
        mut plan: Plan,
    ) -> Result<LabelledBatches<'a, TextInput>, TaskError> {
        let augmentation = config.augmentation()?;
        // By item, so that one that comes several times is encoded once.
        let mut encoded: Vec<Vec<u32>> = vec![Vec::new(); self.set.len()];
        let mut items = plan.items.clone();
        items.sort_unstable();
        items.dedup();
        for (&item, tokens) in items.iter().zip(self.encoded(config, preparation, &items)?) {
            encoded[item] = tokens;
        }
        if plan.order == Order::Shuffled {
            plan.order = Order::Bucketed { lengths: plan.items.iter().map(|&item| encoded[item].len()).collect() };
        }
        let gather = move |items: &[usize], chance: Rng| -> Result<Labelled<TextInput>, TaskError> {
            let target = self.truth.target(items, answers)?;
            let Some(augmentation) = &augmentation else {
                let tokens: Vec<&[u32]> = items.iter().map(|&item| &encoded[item][..]).collect();
                return Ok(Labelled { input: TextInput::of(&tokens)?, target });
            };
            let changed = |(place, &item): (usize, &usize)| {
                let text = augmentation.apply(&self.set.texts[item], &mut chance.fork(place as u64));
                preparation.tokenizer.encode(&text, config.length).map_err(TaskError::input)
            };
            let tokens = items.iter().enumerate().map(changed).collect::<Result<Vec<_>, TaskError>>()?;
            Ok(Labelled { input: gathered(&tokens)?, target })
        };
        Ok(Box::new(Gathered::new(&plan, gather)?))
    }

    fn summary(network: &TextNet, config: &TextConfig, _: &TextPreparation, items: usize) -> Result<Summary> {
        models::of_text(network, config.length, items)
    }

    fn chunk(&self) -> usize {
        ASKED
    }

    fn draw(&self, outcome: &Outcome<Answered<Self>>, page: &mut Markup) -> Result<(), TaskError> {
        report::draw(self, outcome, page)
    }

    fn show(&self, item: usize) -> Result<Shown, TaskError> {
        Ok(Shown::Row(vec![(self.set.name(item), self.set.texts[item].clone())]))
    }
}
