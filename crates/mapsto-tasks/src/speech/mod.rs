//! Speech: what is said.

mod config;
mod decoding;
mod listen;
mod score;
mod utterances;

pub use config::SpeechConfig;
pub use decoding::{Decode, Decoding};
pub use score::{SpeechScore, Understood};
pub use utterances::Speech;

use crate::error::TaskError;
use crate::models::{self, Models};
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::question::{Listener, Question};
use crate::report::Markup;
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Settings, Training};
use crate::sounds::{Change, SoundBatches, SoundInput, SoundScale, suited};
use crate::task::{BatchesOf, Division, Given, LossOf, Task};
use crate::weights::begin_with;
use mapsto_data::{LogMel, SoundStep, SpecAugment, Spectrogram, TokenKind, Tokenizer, Utterance};
use mapsto_models::speech::DeepSpeech;
use mapsto_models::{AudioShape, Mixture, SpeechModel};
use mapsto_nn::{CtcLoss, Summary};
use mapsto_tensor::{Result, Tensor};
use mapsto_train::{Loss, Measures};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Bands of a frame, by default.
const MELS: usize = 40;

/// What was learned of sounds and texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechPreparation {
    scale: SoundScale,
    /// Texts to symbols; number 0 is CTC's blank.
    tokenizer: Tokenizer,
}

/// Sounds with what is said in them, as a step takes them.
pub struct SpeechBatch {
    input: SoundInput,
    /// Those of all texts behind each other.
    symbols: Tensor,
    /// `[N]`, how many are each text's.
    lengths: Tensor,
}

impl Speech {
    /// Settings of utterances that nothing is known of yet.
    fn defaults(config: SpeechConfig) -> Settings<SpeechConfig> {
        let usual = Training { batch_size: 16, epochs: 15, learning_rate: 3e-3, ..Training::default() };
        Settings::new(Self::NAME, Training { clip_norm: 5.0, ..usual }, config)
    }
}

impl Task for Speech {
    const NAME: &'static str = "speech";
    const ABOUT: &'static str = "What is said in sounds";
    const SKIPS_BAD: bool = true;
    const ASKED: &'static str = "SOUND.wav";
    const MODELS: Option<Models> = Some(models::SPEECH);
    type Config = SpeechConfig;
    type Preparation = SpeechPreparation;
    type Network = DeepSpeech;
    type Batch = SpeechBatch;
    type Evaluation = SpeechScore;

    fn begun(request: &Request) -> Result<Begun<Speech>, TaskError> {
        request.takes(Self::NAME, &["--data", "--model", "--pretrained", "--skip-bad"])?;
        let data = request.data(
            "a table of sounds and what is said in them (path, text), folders with files *.trans.txt, or a folder of sounds for each word",
        )?;
        let utterances = Utterance::list(&data).map_err(TaskError::input)?;
        let config = SpeechConfig {
            features: LogMel { mels: MELS, ..suited(utterances.into_iter().map(|one| one.path)) },
            data,
            seconds: 30.0,
            tokens: TokenKind::Characters,
            vocabulary: 1000,
            lowercase: true,
            pretrained: request.pretrained()?,
            skip_bad: request.skip_bad,
            cache_mb: 1024,
            decoding: Decoding { decode: Decode::Greedy, beam: 16 },
            model: request.model("speech", "deepspeech", SpeechModel::named, SpeechModel::NAMES)?,
            // A letter lasts less than a tenth of a second.
            masks: SpecAugment { time_width: 8, time_share: 0.1, ..SpecAugment::default() },
            steps: vec![
                SoundStep::Speed { factor: [0.9, 1.1] },
                SoundStep::Noise { decibels: [15.0, 40.0], probability: 0.5 },
            ],
        };
        // What decides how sounds are read has to be known before they are.
        let settings = request.settle(Speech::defaults(config))?;
        let task = Speech::open(&settings.config)?;
        let items = task.given.everything();
        let hop = settings.config.features.hop as f64 / f64::from(settings.config.features.rate);
        let seconds = items.iter().map(|&item| task.frames[item] as f64).sum::<f64>() * hop;
        let rate = settings.config.features.rate;
        let note =
            format!("{} utterances, {seconds:.0} seconds; sounds are heard at {rate} samples a second", items.len());
        Ok(Begun { task, settings, notes: vec![note] })
    }

    fn open(config: &SpeechConfig) -> Result<Speech, TaskError> {
        Speech::read_all(&config.data, config, config.skip_bad)
    }

    fn open_for(predictor: &Predictor<Speech>, data: Option<&Path>, skip_bad: bool) -> Result<Speech, TaskError> {
        let config = &predictor.settings.config;
        let skip_bad = skip_bad || (data.is_none() && config.skip_bad);
        let mut speech = Speech::read_all(data.unwrap_or(&config.data), config, skip_bad)?;
        let unknown = speech.unknown(&predictor.preparation.tokenizer)?;
        speech.warnings.extend(unknown);
        Ok(speech)
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn count(&self) -> usize {
        self.texts.len()
    }

    fn given(&self) -> &Given {
        &self.given
    }

    fn division(&self) -> Division {
        self.division.clone()
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn prepare(&self, config: &SpeechConfig, train: &[usize]) -> Result<SpeechPreparation, TaskError> {
        let tokenizer = Tokenizer::learn(config.tokens, &self.right(train), config.vocabulary);
        Ok(SpeechPreparation {
            scale: SoundScale::learn(&self.heard, train)?,
            tokenizer: tokenizer.map_err(TaskError::input)?,
        })
    }

    fn check(preparation: &SpeechPreparation) -> Result<(), TaskError> {
        preparation.scale.check()?;
        match preparation.tokenizer.special().pad {
            Some(0) => Ok(()),
            _ => Err(TaskError::input("number 0 of its symbols is not the one that fills up")),
        }
    }

    fn notes(&self, preparation: &SpeechPreparation) -> Vec<String> {
        let tokenizer = &preparation.tokenizer;
        let is_short = |item: &usize| {
            let symbols = self.symbols(tokenizer, *item).unwrap_or_default();
            // Between equal symbols there is a blank.
            let needed = symbols.len() + symbols.windows(2).filter(|pair| pair[0] == pair[1]).count();
            needed > DeepSpeech::steps(self.frames[*item])
        };
        let short: Vec<usize> = self.given.everything().into_iter().filter(is_short).collect();
        let told = short.first().map(|&first| match short.len() {
            1 => format!("1 sound is too short for what is said in it, and teaches nothing: {}", self.name(first)),
            count => {
                let first = self.name(first);
                format!("{count} sounds are too short for what is said in them, and teach nothing, the first of them {first}")
            }
        });
        let unknown = self.unknown(tokenizer).ok().flatten();
        let symbols = format!("{} symbols", tokenizer.len());
        std::iter::once(symbols).chain(told).chain(unknown).collect()
    }

    fn network(config: &SpeechConfig, preparation: &SpeechPreparation) -> Result<DeepSpeech> {
        config.model.build(AudioShape { rows: preparation.scale.rows() }, preparation.tokenizer.len())
    }

    fn begin(config: &SpeechConfig, network: &DeepSpeech) -> Result<(), TaskError> {
        begin_with(&config.pretrained, Some(config.model.head_prefix()), network, |values| values)
    }

    fn batches<'a>(
        &'a self,
        config: &'a SpeechConfig,
        preparation: &'a SpeechPreparation,
        plan: Plan,
    ) -> Result<BatchesOf<'a, Speech>, TaskError> {
        let gather = |items: &[usize], spectrograms: &[Spectrogram]| {
            let (symbols, lengths) = self.targets(&preparation.tokenizer, items)?;
            Ok(SpeechBatch { input: SoundInput::of(spectrograms, &preparation.scale)?, symbols, lengths })
        };
        let change = Change::new(&config.steps, &config.masks)?;
        Ok(Box::new(SoundBatches::new(&self.heard, &self.frames, change, plan, gather)?))
    }

    fn loss<'a>(
        &'a self,
        _: &'a Settings<SpeechConfig>,
        _: &'a SpeechPreparation,
        _: &[usize],
    ) -> Result<LossOf<'a, Speech>, TaskError> {
        Ok(Box::new(|network, batch| {
            let SpeechBatch { input, symbols, lengths } = batch;
            let (log_probs, steps) = network.forward(&input.features, &input.frames)?;
            let loss = CtcLoss { zero_infinity: true, ..CtcLoss::default() };
            let value = loss.forward(&log_probs.transpose(0, 1)?, symbols, &steps, lengths)?;
            Ok(Loss { value, items: lengths.numel() as f64, measures: Vec::new() })
        }))
    }

    fn measures(
        &self,
        settings: &Settings<SpeechConfig>,
        network: &DeepSpeech,
        preparation: &SpeechPreparation,
        items: &[usize],
    ) -> Result<Measures, TaskError> {
        // The quick way while learning.
        let decoding = Decoding { decode: Decode::Greedy, ..settings.config.decoding };
        let score = SpeechScore::of(
            &self.right(items),
            self.understood(decoding, &Mixture::one(network), preparation, items)?,
        )?;
        let figures = [("val_loss", score.loss), ("val_wer", score.wer), ("val_cer", score.cer)];
        Ok(figures.map(|(name, value)| (name.to_string(), value)).into())
    }

    fn evaluate(&self, predictor: &Predictor<Speech>, items: &[usize]) -> Result<SpeechScore, TaskError> {
        let Predictor { settings, preparation, .. } = predictor;
        let networks = predictor.mixture(|network| network)?;
        let understood = self.understood(settings.config.decoding, &networks, preparation, items)?;
        SpeechScore::of(&self.right(items), understood)
    }

    fn columns(_: &Predictor<Speech>) -> Vec<String> {
        ["text", "probability", "seconds"].map(String::from).into()
    }

    fn predict(
        predictor: &Predictor<Speech>,
        question: &Question,
        listener: &mut dyn Listener,
    ) -> Result<(), TaskError> {
        listen::predict(predictor, question, listener)
    }

    fn summary(
        network: &DeepSpeech,
        config: &SpeechConfig,
        preparation: &SpeechPreparation,
        items: usize,
    ) -> Result<Summary> {
        // Of a second.
        let frames = 1 + config.features.rate as usize / config.features.hop;
        models::of_sounds(network, [preparation.scale.rows(), frames], items, |x| Ok(network.forward(&x[0], &x[1])?.0))
    }

    fn facts(&self, preparation: &SpeechPreparation) -> (String, Vec<(&'static str, String)>) {
        ("what is said".into(), vec![("Symbols", preparation.tokenizer.len().to_string())])
    }

    fn draw(&self, outcome: &Outcome<Speech>, page: &mut Markup) -> Result<(), TaskError> {
        if let Some(test) = &outcome.test {
            let of = |&item: &usize| (self.name(item), self.texts[item].as_str());
            score::draw(test, &outcome.tested.iter().map(of).collect::<Vec<_>>(), page);
        }
        Ok(())
    }
}
