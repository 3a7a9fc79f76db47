//! Speech that is made: texts in, sounds out, learned from sounds with texts.

mod config;
mod score;
mod speak;

pub use config::SynthesizeConfig;
pub use score::SynthesizeScore;
pub use speak::Voice;

use crate::error::TaskError;
use crate::models::{self, Models};
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::question::{Listener, Question};
use crate::report::{Markup, draw_picture};
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Settings, Training};
use crate::sounds::{ASKED, Change, SoundBatches, SoundInput, SoundScale, suited};
use crate::task::{BatchesOf, Given, LossOf, Task, finite};
use crate::text::TextInput;
use crate::utterances::{Reading, Utterances};
use mapsto_data::{Channels, Picture, SpecAugment, Spectrogram, TokenKind, Tokenizer, Utterance};
use mapsto_models::synthesis::{Losses, Parallel};
use mapsto_models::{Mixture, SynthesisModel, SynthesisShape};
use mapsto_nn::Summary;
use mapsto_tensor::{Result, Tensor, no_grad};
use mapsto_train::{Loss, Measures};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Steps that a training has by default, about.
const STEPS: usize = 4000;
/// The fewest and most epochs by default.
const EPOCHS: [usize; 2] = [20, 300];
/// Deviations from the mean that are black, and white.
const DEVIATIONS: f32 = 2.5;
/// The most symbols that are learned.
const SYMBOLS: usize = 1 << 16;
/// The most tokens of a text.
const LONGEST: usize = 1 << 16;
/// Utterances of which the report shows spectrograms, and the most frames of them.
const SHOWN: [usize; 2] = [4, 400];

/// What was learned of sounds and texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynthesizePreparation {
    scale: SoundScale,
    tokenizer: Tokenizer,
}

impl SynthesizePreparation {
    /// What stands for the silence before and behind a text; it comes behind the tokens that were learned.
    fn silence(&self) -> i64 {
        self.tokenizer.len() as i64
    }

    /// Tokens of a text between silences.
    fn bounded(&self, tokens: &[u32]) -> Vec<i64> {
        let silence = self.silence();
        std::iter::once(silence).chain(tokens.iter().map(|&token| i64::from(token))).chain([silence]).collect()
    }
}

/// Texts, and the sounds of them, as a step takes them.
pub struct SynthesizeBatch {
    /// `[N, T]`, filled up.
    tokens: Tensor,
    /// `[N]`
    lengths: Tensor,
    /// `[N, F, bands]`, filled up.
    frames: Tensor,
    /// `[N]`
    counts: Tensor,
}

/// Sounds with what is said in them.
pub struct Synthesize(Utterances);

impl Synthesize {
    /// Reads every sound once, so that a damaged one is not found in the middle of a run.
    fn read_all(path: &Path, config: &SynthesizeConfig, skip_bad: bool) -> Result<Synthesize, TaskError> {
        config.check()?;
        let mut listed = Utterance::list(path).map_err(TaskError::input)?;
        if !config.speaker.is_empty() {
            listed.retain(|one| one.speaker.as_deref() == Some(&config.speaker));
            if listed.is_empty() {
                let who = &config.speaker;
                return Err(TaskError::Input(format!("{}: nothing is said by the speaker {who:?}", path.display())));
            }
        }
        let refuses = |frames: usize, text: &str| {
            let seconds = (frames.saturating_sub(1) * config.features.hop) as f64 / f64::from(config.features.rate);
            // Silence stands at both ends, and every character sounds for a frame at least.
            let (most, needed) = (config.seconds, text.chars().count() + 2);
            match () {
                () if seconds > most => Some(format!("it lasts {seconds:.1} seconds, more than {most} (seconds)")),
                () if frames < needed => {
                    Some(format!("{frames} frames are too few for {needed} characters and silences"))
                }
                () => None,
            }
        };
        let &SynthesizeConfig { ref features, cache_mb, lowercase, .. } = config;
        Reading { features, cache_mb, lowercase, skip_bad, refuses: &refuses }.read(listed).map(Synthesize)
    }

    /// Texts and sounds of some utterances, as a step takes them.
    fn batch(
        &self,
        preparation: &SynthesizePreparation,
        items: &[usize],
        input: &SoundInput,
    ) -> Result<SynthesizeBatch, TaskError> {
        let tokens = |&item: &usize| -> Result<Vec<u32>, TaskError> {
            let refused = |e| TaskError::Input(format!("{}: {e}", self.0.heard.paths[item].display()));
            let tokens = preparation.tokenizer.encode(&self.0.texts[item], LONGEST).map_err(refused)?;
            Ok(preparation.bounded(&tokens).into_iter().map(|token| token as u32).collect())
        };
        let tokens = items.iter().map(tokens).collect::<Result<Vec<_>, TaskError>>()?;
        let TextInput { tokens, lengths } = TextInput::of(&tokens.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let frames = input.features.squeeze(&[1])?.transpose(1, 2)?.contiguous()?;
        Ok(SynthesizeBatch { tokens, lengths, frames, counts: input.frames.clone() })
    }

    /// How near networks come to some utterances.
    fn score(
        &self,
        networks: &Mixture<'_, Parallel>,
        preparation: &SynthesizePreparation,
        items: &[usize],
    ) -> Result<SynthesizeScore, TaskError> {
        let (mut score, mut count) = (SynthesizeScore::default(), 0.0);
        // Those of about one length together.
        let mut order = items.to_vec();
        order.sort_by_key(|&item| self.0.frames[item]);
        for items in order.chunks(ASKED) {
            let batch = self.batch(preparation, items, &self.0.heard.input(items, &preparation.scale)?)?;
            let Losses { frames, durations, alignment } = no_grad(|| batch.losses(networks))?;
            let share = items.iter().map(|&item| self.0.frames[item] as f64).sum::<f64>();
            let of = |loss| Ok::<f64, TaskError>(finite(loss)?.first().copied().unwrap_or(f64::NAN) * share);
            score.frames += of(frames)?;
            score.durations += of(durations)?;
            score.alignment += of(alignment)?;
            count += share;
        }
        let SynthesizeScore { frames, durations, alignment } = score;
        Ok(SynthesizeScore { frames: frames / count, durations: durations / count, alignment: alignment / count })
    }
}

impl SynthesizeBatch {
    fn losses(&self, networks: &Mixture<'_, Parallel>) -> Result<Losses> {
        networks.losses(&self.tokens, &self.lengths, &self.frames, &self.counts)
    }
}

impl Task for Synthesize {
    const NAME: &'static str = "synthesize";
    const ABOUT: &'static str = "Speech from texts, as a voice says them";
    const SKIPS_BAD: bool = true;
    const ASKED: &'static str = "--text \"A TEXT\"";
    const MODELS: Option<Models> = Some(models::SYNTHESIS);
    type Config = SynthesizeConfig;
    type Preparation = SynthesizePreparation;
    type Network = Parallel;
    type Batch = SynthesizeBatch;
    type Evaluation = SynthesizeScore;

    fn begun(request: &Request) -> Result<Begun<Synthesize>, TaskError> {
        request.takes(Self::NAME, &["--data", "--model", "--skip-bad"])?;
        let data = request.data(
            "a table of sounds and what is said in them (path, text), folders with files *.trans.txt, or a folder of sounds for each word",
        )?;
        let utterances = Utterance::list(&data).map_err(TaskError::input)?;
        let config = SynthesizeConfig {
            features: suited(utterances.into_iter().map(|one| one.path)),
            data,
            speaker: String::new(),
            seconds: 15.0,
            lowercase: true,
            skip_bad: request.skip_bad,
            cache_mb: 1024,
            model: request.model("speech", "parallel", SynthesisModel::named, SynthesisModel::NAMES)?,
        };
        let usual = Training { batch_size: 16, learning_rate: 2e-3, clip_norm: 1.0, ..Training::default() };
        let usual = Training { test: 0.1, ..usual };
        // What decides how sounds are read has to be known before they are.
        let mut settings = request.settle(Settings::new(Self::NAME, usual, config))?;
        let task = Synthesize::open(&settings.config)?;
        let items = task.0.given.everything();
        let epochs = STEPS * settings.training.batch_size / items.len().max(1);
        settings.training.epochs = epochs.clamp(EPOCHS[0], EPOCHS[1]) as u64;
        let features = &settings.config.features;
        let hop = features.hop as f64 / f64::from(features.rate);
        let seconds = items.iter().map(|&item| task.0.frames[item] as f64).sum::<f64>() * hop;
        let note = format!("{} utterances, {seconds:.0} seconds, at {} samples a second", items.len(), features.rate);
        Ok(Begun { task, settings, notes: vec![note] })
    }

    fn open(config: &SynthesizeConfig) -> Result<Synthesize, TaskError> {
        Synthesize::read_all(&config.data, config, config.skip_bad)
    }

    fn open_for(predictor: &Predictor<Self>, data: Option<&Path>, skip_bad: bool) -> Result<Synthesize, TaskError> {
        let config = &predictor.settings.config;
        let skip_bad = skip_bad || (data.is_none() && config.skip_bad);
        Synthesize::read_all(data.unwrap_or(&config.data), config, skip_bad)
    }

    fn warnings(&self) -> Vec<String> {
        self.0.warnings.clone()
    }

    fn count(&self) -> usize {
        self.0.texts.len()
    }

    fn given(&self) -> &Given {
        &self.0.given
    }

    fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }

    fn prepare(&self, _: &SynthesizeConfig, train: &[usize]) -> Result<SynthesizePreparation, TaskError> {
        let texts: Vec<&str> = train.iter().map(|&item| self.0.texts[item].as_str()).collect();
        Ok(SynthesizePreparation {
            scale: SoundScale::learn(&self.0.heard, train)?,
            tokenizer: Tokenizer::learn(TokenKind::Characters, &texts, SYMBOLS).map_err(TaskError::input)?,
        })
    }

    fn check(preparation: &SynthesizePreparation) -> Result<(), TaskError> {
        preparation.scale.check()
    }

    fn network(config: &SynthesizeConfig, preparation: &SynthesizePreparation) -> Result<Parallel> {
        let tokens = preparation.tokenizer.len() + 1;
        config.model.build(SynthesisShape { tokens, bands: preparation.scale.rows() })
    }

    fn batches<'a>(
        &'a self,
        _: &'a SynthesizeConfig,
        preparation: &'a SynthesizePreparation,
        plan: Plan,
    ) -> Result<BatchesOf<'a, Self>, TaskError> {
        let gather = |items: &[usize], spectrograms: &[Spectrogram]| {
            self.batch(preparation, items, &SoundInput::of(spectrograms, &preparation.scale)?)
        };
        // A voice is learned as it is.
        let none = SpecAugment { frequency_masks: 0, time_masks: 0, ..SpecAugment::default() };
        let change = Change::new(&[], &none)?;
        Ok(Box::new(SoundBatches::new(&self.0.heard, &self.0.frames, change, plan, gather)?))
    }

    fn loss<'a>(
        &'a self,
        _: &'a Settings<SynthesizeConfig>,
        _: &'a SynthesizePreparation,
        _: &[usize],
    ) -> Result<LossOf<'a, Self>, TaskError> {
        Ok(Box::new(|network, batch| {
            let Losses { frames, durations, alignment } = batch.losses(&Mixture::one(network))?;
            let value = frames.add(&durations)?.add(alignment)?;
            Ok(Loss { value, items: batch.counts.numel() as f64, measures: Vec::new() })
        }))
    }

    fn measures(
        &self,
        _: &Settings<SynthesizeConfig>,
        network: &Parallel,
        preparation: &SynthesizePreparation,
        items: &[usize],
    ) -> Result<Measures, TaskError> {
        let score = self.score(&Mixture::one(network), preparation, items)?;
        Ok([("val_loss", score.loss()), ("val_frames", score.frames)]
            .map(|(name, value)| (name.to_string(), value))
            .into())
    }

    fn evaluate(&self, predictor: &Predictor<Self>, items: &[usize]) -> Result<SynthesizeScore, TaskError> {
        self.score(&predictor.mixture(|network| network)?, &predictor.preparation, items)
    }

    fn columns(_: &Predictor<Self>) -> Vec<String> {
        ["path", "seconds"].map(String::from).into()
    }

    fn predict(predictor: &Predictor<Self>, question: &Question, listener: &mut dyn Listener) -> Result<(), TaskError> {
        speak::predict(predictor, question, listener)
    }

    fn summary(
        network: &Parallel,
        _: &SynthesizeConfig,
        preparation: &SynthesizePreparation,
        items: usize,
    ) -> Result<Summary> {
        models::of_synthesis(network, [preparation.tokenizer.len() + 1, preparation.scale.rows()], items)
    }

    fn facts(&self, preparation: &SynthesizePreparation) -> (String, Vec<(&'static str, String)>) {
        let symbols = format!("{} characters", preparation.tokenizer.len());
        ("Speech".to_string(), vec![("Symbols", symbols)])
    }

    fn draw(&self, outcome: &Outcome<Self>, page: &mut Markup) -> Result<(), TaskError> {
        let (networks, preparation) = (outcome.predictor.mixture(|network| network)?, &outcome.predictor.preparation);
        let [most, longest] = SHOWN;
        let shown: Vec<usize> =
            outcome.tested.iter().copied().filter(|&item| self.0.frames[item] <= longest).take(most).collect();
        if shown.is_empty() {
            return Ok(());
        }
        page.text("h2", &[], "Spectrograms");
        page.text(
            "p",
            &[("class", "note")],
            "As it is said, and as it was said: bands from low to high, in deviations.",
        );
        let mut pairs = Vec::new();
        for &item in &shown {
            let tokens = preparation.tokenizer.encode(&self.0.texts[item], LONGEST).map_err(TaskError::input)?;
            let (said, _) = speak::spectrogram(&networks, preparation, &tokens, 1.0)?;
            let heard = self.0.heard.input(&[item], &preparation.scale)?.features.to_vec::<f32>()?;
            pairs.push((item, said, heard));
        }
        page.element("div", &[("class", "figures")], |figures| {
            for (item, said, heard) in &pairs {
                let name = speak::file_name(&self.0.heard.paths[*item]);
                for (how, values) in [("said", said), ("heard", heard)] {
                    let picture = pictured(values, preparation.scale.rows());
                    draw_picture(&format!("{}, {how}", self.0.texts[*item]), &name, &picture, figures);
                }
            }
        });
        Ok(())
    }
}

/// A scaled spectrogram `[rows, frames]` as a picture: low bands below, the darker the louder.
fn pictured(values: &[f32], rows: usize) -> Picture {
    let width = values.len() / rows.max(1);
    let shade = |x: &f32| (255.0 * (1.0 - (x + DEVIATIONS) / (2.0 * DEVIATIONS)).clamp(0.0, 1.0)) as u8;
    let pixels = values.chunks(width.max(1)).rev().flatten().map(shade).collect();
    Picture { height: rows, width, channels: Channels::Grey, pixels }
}
