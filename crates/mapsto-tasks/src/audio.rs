//! Sounds: which class each is of.

use crate::answered::Answered;
use crate::error::TaskError;
use crate::examples::{Answers, Ask, Asked, Examples, LabelledBatches, Truth};
use crate::fingerprint::Fingerprint;
use crate::models::{self, Models};
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::report::Shown;
use crate::request::{Begun, Request};
use crate::settings::{Settings, Training};
use crate::skipped;
use crate::sounds::{ASKED, Change, Heard, SoundBatches, SoundInput, SoundScale, asked, given, suited};
use crate::task::Given;
use crate::weights::begin_with;
use mapsto_data::{
    ListColumns, LogMel, Part, Sound, SoundError, SoundFolder, SoundStep, SpecAugment, Spectrogram, Spectrograph,
};
use mapsto_models::{AudioModel, AudioNet, AudioShape};
use mapsto_nn::Summary;
use mapsto_tensor::{Result, Tensor};
use mapsto_train::Labelled;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest that a sound may be heard, in seconds.
const LONGEST: f64 = 3600.0;

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioConfig {
    /// A folder with one of sounds for each class, or a table of paths and labels.
    pub data: PathBuf,
    /// Seconds that are heard of each sound, from its beginning.
    pub seconds: f64,
    /// A file of weights to begin with, all but the last layer's; none if empty.
    pub pretrained: PathBuf,
    /// Sounds that cannot be read are passed over.
    pub skip_bad: bool,
    /// Megabytes of sounds that are kept in memory.
    pub cache_mb: usize,
    /// What is made of a sound.
    pub features: LogMel,
    /// The network.
    pub model: AudioModel,
    /// What is hidden of it in training.
    pub masks: SpecAugment,
    /// How sounds are changed at random in training.
    pub steps: Vec<SoundStep>,
}

impl AudioConfig {
    /// Says which setting cannot be.
    fn check(&self) -> Result<(), TaskError> {
        if !(self.seconds > 0.0 && self.seconds <= LONGEST) {
            let value = self.seconds;
            return Err(TaskError::Input(format!("seconds is {value}, it must be above 0 and at most {LONGEST}")));
        }
        Spectrograph::new(&self.features).map_err(TaskError::input)?;
        Change::new(&self.steps, &self.masks).map(|_| ())
    }

    /// Samples of a sound that are heard.
    fn samples(&self) -> usize {
        ((self.seconds * f64::from(self.features.rate)) as usize).max(1)
    }
}

/// Sounds with their classes.
pub struct AudioExamples {
    heard: Arc<Heard>,
    truth: Truth,
    given: Given,
    fingerprint: u64,
    /// Frames of each sound.
    lengths: Vec<usize>,
    skipped: Vec<String>,
}

impl AudioExamples {
    /// Reads every sound once, so that a damaged one is not found in the middle of a run.
    fn read_all(path: &Path, config: &AudioConfig, skip_bad: bool) -> Result<AudioExamples, TaskError> {
        config.check()?;
        let folder = listed(path)?;
        let labels: Vec<usize> = folder.items.iter().map(|item| item.class).collect();
        let parts: Vec<Part> = folder.items.iter().map(|item| item.part).collect();
        let mut fingerprint = Fingerprint::new();
        for item in &folder.items {
            fingerprint.add(item.path.as_os_str().as_encoded_bytes());
            let bytes = fs::metadata(&item.path).map_or(0, |metadata| metadata.len());
            fingerprint.add(&[item.class as u64, bytes].map(u64::to_le_bytes).concat());
        }
        let paths = folder.items.into_iter().map(|item| item.path).collect();
        let heard = Arc::new(Heard::new(paths, &config.features, config.samples(), config.cache_mb));
        let (mut lengths, mut bad, mut why) = (Vec::new(), Vec::new(), Vec::new());
        for (index, frames) in heard.frames()?.into_iter().enumerate() {
            lengths.push(*frames.as_ref().unwrap_or(&0));
            if let Err(error) = frames {
                bad.push(index);
                why.push(error);
            }
        }
        skipped::refuse(&why, skip_bad)?;
        let given = given(&parts, &bad);
        let skipped = bad.iter().map(|&index| heard.paths[index].display().to_string()).collect();
        let truth = Truth::Classes { names: folder.classes, labels };
        Ok(AudioExamples { heard, truth, given, fingerprint: fingerprint.value(), lengths, skipped })
    }

    /// Settings of sounds that nothing is known of yet.
    fn defaults(config: AudioConfig) -> Settings<AudioConfig> {
        let training = Training { batch_size: 32, epochs: 30, weight_decay: 0.05, ..Training::default() };
        Settings::new(Self::NAME, training, config)
    }
}

/// A sound as it is heard.
fn heard(path: &Path, config: &AudioConfig) -> Result<Sound, SoundError> {
    let mut sound = Sound::read(path)?.resample(config.features.rate)?;
    sound.samples.truncate(config.samples());
    Ok(sound)
}

/// The sounds at a path, of a folder or a table.
fn listed(path: &Path) -> Result<SoundFolder, TaskError> {
    let read =
        if path.is_dir() { SoundFolder::read(path) } else { SoundFolder::read_list(path, &ListColumns::default()) };
    read.map_err(TaskError::input)
}

impl Examples for AudioExamples {
    const NAME: &'static str = "audio";
    const ABOUT: &'static str = "The classes of sounds";
    const SKIPS_BAD: bool = true;
    const FILE: &'static str = "SOUND.wav";
    const MODELS: Option<Models> = Some(models::AUDIO);
    type Config = AudioConfig;
    type Preparation = SoundScale;
    type Input = SoundInput;
    type Network = AudioNet;

    fn begun(request: &Request) -> Result<Begun<Answered<Self>>, TaskError> {
        request.takes(Self::NAME, &["--data", "--model", "--pretrained", "--skip-bad"])?;
        let data = request.data("a folder with one of sounds for each class, or a table of paths and labels")?;
        let folder = listed(&data)?;
        let config = AudioConfig {
            features: suited(folder.items.into_iter().map(|item| item.path)),
            data,
            seconds: 10.0,
            pretrained: request.pretrained()?,
            skip_bad: request.skip_bad,
            cache_mb: 1024,
            model: request.model("sounds", "mel_cnn", AudioModel::named, AudioModel::NAMES)?,
            masks: SpecAugment::default(),
            steps: vec![
                SoundStep::Speed { factor: [0.9, 1.1] },
                SoundStep::Shift { share: 0.1 },
                SoundStep::Noise { decibels: [15.0, 40.0], probability: 0.5 },
            ],
        };
        // What decides how sounds are read has to be known before they are.
        let settings = request.settle(AudioExamples::defaults(config))?;
        let examples = AudioExamples::open(&settings.config)?;
        let classes = examples.truth.answers(&[]).outputs();
        let AudioConfig { features, seconds, .. } = &settings.config;
        let heard = format!("{} samples a second, {seconds} seconds at most", features.rate);
        Ok(Begun {
            task: Answered(examples),
            settings,
            notes: vec![format!("{classes} classes; sounds are heard at {heard}")],
        })
    }

    fn open(config: &AudioConfig) -> Result<AudioExamples, TaskError> {
        AudioExamples::read_all(&config.data, config, config.skip_bad)
    }

    fn open_for(
        predictor: &Predictor<Answered<Self>>,
        data: Option<&Path>,
        skip_bad: bool,
    ) -> Result<AudioExamples, TaskError> {
        let config = &predictor.settings.config;
        let Some(path) = data else {
            return AudioExamples::read_all(&config.data, config, config.skip_bad || skip_bad);
        };
        let examples = AudioExamples::read_all(path, config, skip_bad)?;
        let truth = predictor.preparation.answers.truth_of(&examples.truth);
        let truth = truth.map_err(|what| TaskError::Input(format!("{}: {what}", path.display())))?;
        Ok(AudioExamples { truth, ..examples })
    }

    fn read(
        predictor: &Predictor<Answered<Self>>,
        files: &[PathBuf],
        skip_bad: bool,
        ask: Ask<'_, SoundInput>,
    ) -> Result<(), TaskError> {
        let config = &predictor.settings.config;
        let spectrograph = Spectrograph::new(&config.features).map_err(TaskError::input)?;
        for paths in asked(files)?.chunks(ASKED) {
            let (mut names, mut found, mut refused) = (Vec::new(), Vec::new(), Vec::new());
            for path in paths {
                match heard(path, config).and_then(|sound| spectrograph.of(&sound)) {
                    Ok(spectrogram) => {
                        names.push(path.display().to_string());
                        found.push(spectrogram);
                    }
                    Err(why) if skip_bad => refused.push(why.to_string()),
                    Err(why) => {
                        return Err(TaskError::Input(format!("{why}; --skip-bad passes over what cannot be read")));
                    }
                }
            }
            let input = SoundInput::of(&found, &predictor.preparation.inputs)?;
            ask(Asked { refused, ..Asked::unknown(names, input) })?;
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        skipped::warnings(["sound", "sounds"], &self.skipped)
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

    fn prepare(&self, _: &AudioConfig, train: &[usize]) -> Result<SoundScale, TaskError> {
        SoundScale::learn(&self.heard, train)
    }

    fn network(config: &AudioConfig, preparation: &SoundScale, outputs: usize) -> Result<AudioNet> {
        config.model.build(AudioShape { rows: preparation.rows() }, outputs)
    }

    fn begin(config: &AudioConfig, network: &AudioNet) -> Result<(), TaskError> {
        begin_with(&config.pretrained, Some(config.model.head_prefix()), network, |values| values)
    }

    fn forward(network: &AudioNet, input: &SoundInput) -> Result<Tensor> {
        network.forward(&input.features, &input.frames)
    }

    fn input(&self, _: &AudioConfig, preparation: &SoundScale, items: &[usize]) -> Result<SoundInput, TaskError> {
        self.heard.input(items, preparation)
    }

    fn batches<'a>(
        &'a self,
        config: &'a AudioConfig,
        preparation: &'a SoundScale,
        answers: &'a Answers,
        plan: Plan,
    ) -> Result<LabelledBatches<'a, SoundInput>, TaskError> {
        let gather = |items: &[usize], spectrograms: &[Spectrogram]| {
            let input = SoundInput::of(spectrograms, preparation)?;
            Ok(Labelled { input, target: self.truth.target(items, answers)? })
        };
        let change = Change::new(&config.steps, &config.masks)?;
        Ok(Box::new(SoundBatches::new(&self.heard, &self.lengths, change, plan, gather)?))
    }

    fn summary(network: &AudioNet, config: &AudioConfig, preparation: &SoundScale, items: usize) -> Result<Summary> {
        // Of a second.
        let frames = 1 + config.features.rate as usize / config.features.hop;
        models::of_sounds(network, [preparation.rows(), frames], items, |x| network.forward(&x[0], &x[1]))
    }

    fn chunk(&self) -> usize {
        ASKED
    }

    fn show(&self, item: usize) -> Result<Shown, TaskError> {
        let sound = self.heard.sound(item).map_err(TaskError::input)?;
        let path = &self.heard.paths[item];
        Ok(Shown::Row(vec![
            ("sound".to_string(), path.display().to_string()),
            ("seconds".to_string(), mapsto_train::short(sound.seconds())),
        ]))
    }
}
