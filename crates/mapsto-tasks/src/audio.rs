//! Sounds: which class each is of.

use crate::answered::Answered;
use crate::error::TaskError;
use crate::examples::{Answers, Ask, Asked, Examples, LabelledBatches, Truth};
use crate::fingerprint::Fingerprint;
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::report::Shown;
use crate::request::{Begun, Request};
use crate::settings::{Settings, Training};
use crate::skipped;
use crate::task::Given;
use crate::weights::read_weights;
use mapsto_data::{
    Batch, Dataset, ListColumns, Loader, LoaderOptions, LogMel, Order, Part, Sound, SoundAugmentation, SoundError,
    SoundFolder, SoundStep, SpecAugment, Spectrogram, Spectrograph,
};
use mapsto_models::{AudioModel, AudioNet, AudioShape, load_all_but};
use mapsto_nn::Summary;
use mapsto_tensor::{DType, Result, Rng, Tensor};
use mapsto_train::{BatchIter, Batches, Labelled, TrainError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Seconds of a window, and from frame to frame.
const WINDOW: [f64; 2] = [0.025, 0.010];
/// Samples of a second that features are made of, at most, by default.
const RATE: u32 = 16_000;
/// Sounds that the means and deviations of features are learned from, at most.
const LEARNED_FROM: usize = 4096;
/// Sounds that a network is asked about at once.
const ASKED: usize = 32;
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
        self.masks.check().map_err(TaskError::input)?;
        SoundAugmentation::new(self.steps.clone()).map(|_| ()).map_err(TaskError::input)
    }

    /// A sound as it is heard.
    fn heard(&self, path: &Path) -> Result<Sound, SoundError> {
        let mut sound = Sound::read(path)?.resample(self.features.rate)?;
        sound.samples.truncate(((self.seconds * f64::from(sound.rate)) as usize).max(1));
        Ok(sound)
    }
}

/// What was learned of the features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioPreparation {
    /// The mean of each row.
    means: Vec<f32>,
    /// The standard deviation of each row.
    deviations: Vec<f32>,
}

/// What a network takes of some sounds.
#[derive(Clone, Debug)]
pub struct AudioInput {
    /// `[N, 1, rows, frames]`, filled up with zeros.
    pub features: Tensor,
    /// `[N]`, how many frames are the sound's own.
    pub frames: Tensor,
}

impl AudioInput {
    fn of(spectrograms: &[Spectrogram], preparation: &AudioPreparation) -> Result<AudioInput> {
        let (count, rows) = (spectrograms.len(), preparation.means.len());
        let longest = spectrograms.iter().map(|one| one.frames).max().unwrap_or(0);
        let mut all = vec![0.0; count * rows * longest];
        for (one, place) in spectrograms.iter().zip(all.chunks_mut((rows * longest).max(1))) {
            let lines = one.values.chunks(one.frames.max(1)).zip(place.chunks_mut(longest.max(1)));
            for ((line, to), (mean, deviation)) in lines.zip(preparation.means.iter().zip(&preparation.deviations)) {
                to.iter_mut().zip(line).for_each(|(to, x)| *to = (x - mean) / deviation);
            }
        }
        let frames = spectrograms.iter().map(|one| one.frames as i64).collect();
        Ok(AudioInput {
            features: Tensor::from_vec(all, [count, 1, rows, longest])?,
            frames: Tensor::from_vec(frames, [count])?,
        })
    }
}

/// Sounds of files, as they are heard; as many as there is room for stay in memory.
struct Heard {
    paths: Vec<PathBuf>,
    config: AudioConfig,
    kept: Vec<OnceLock<Sound>>,
    /// Bytes that may be added.
    left: AtomicUsize,
}

impl Heard {
    fn new(paths: Vec<PathBuf>, config: &AudioConfig) -> Heard {
        let kept = std::iter::repeat_with(OnceLock::new).take(paths.len()).collect();
        let left = AtomicUsize::new(config.cache_mb.saturating_mul(1 << 20));
        Heard { paths, config: config.clone(), kept, left }
    }

    fn sound(&self, index: usize) -> Result<Sound, SoundError> {
        if let Some(sound) = self.kept[index].get() {
            return Ok(sound.clone());
        }
        let sound = self.config.heard(&self.paths[index])?;
        let rest = |left: usize| left.checked_sub(sound.samples.len() * size_of::<f32>());
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok() {
            // Another worker may have been faster with the same sound.
            let _ = self.kept[index].set(sound.clone());
        }
        Ok(sound)
    }
}

/// Spectrograms of some sounds, changed at random if asked.
struct Spectrograms {
    heard: Arc<Heard>,
    items: Vec<usize>,
    spectrograph: Spectrograph,
    change: Option<(SoundAugmentation, SpecAugment)>,
}

impl Spectrograms {
    fn new(heard: &Arc<Heard>, items: Vec<usize>, is_changed: bool) -> Result<Spectrograms, TaskError> {
        let config = &heard.config;
        let augmentation = SoundAugmentation::new(config.steps.clone()).map_err(TaskError::input)?;
        let spectrograph = Spectrograph::new(&config.features).map_err(TaskError::input)?;
        let change = is_changed.then(|| (augmentation, config.masks.clone()));
        Ok(Spectrograms { heard: Arc::clone(heard), items, spectrograph, change })
    }
}

impl Dataset for Spectrograms {
    type Item = (usize, Spectrogram);
    type Error = SoundError;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn item(&self, index: usize, chance: Rng) -> Result<(usize, Spectrogram), SoundError> {
        let item = self.items[index];
        let sound = self.heard.sound(item)?;
        let Some((augmentation, masks)) = &self.change else { return Ok((item, self.spectrograph.of(&sound)?)) };
        let mut spectrogram = self.spectrograph.of(&augmentation.apply(sound, &chance.split("sound"))?)?;
        masks.apply(&mut spectrogram, &chance.split("masks"));
        Ok((item, spectrogram))
    }

    fn name(&self, index: usize) -> String {
        self.heard.paths[self.items[index]].display().to_string()
    }
}

/// The sounds of a batch, with their numbers.
fn whole(batch: Batch<Spectrograms>) -> Result<(Vec<usize>, Vec<Spectrogram>), TaskError> {
    let all = batch.into_iter().map(|one| one.map_err(TaskError::input));
    Ok(all.collect::<Result<Vec<_>, TaskError>>()?.into_iter().unzip())
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
        let heard = Arc::new(Heard::new(folder.items.into_iter().map(|item| item.path).collect(), config));
        let all = Spectrograms::new(&heard, (0..labels.len()).collect(), false)?;
        let loader = Loader::new(Arc::new(all), LoaderOptions::default()).map_err(TaskError::input)?;
        let (mut lengths, mut bad, mut why) = (Vec::new(), Vec::new(), Vec::new());
        for (index, one) in loader.epoch(0, 0).flatten().enumerate() {
            match one {
                Ok((_, spectrogram)) => lengths.push(spectrogram.frames),
                Err(error) => {
                    lengths.push(0);
                    bad.push(index);
                    why.push(error.to_string());
                }
            }
        }
        skipped::refuse(&why, skip_bad)?;
        let of = |wanted: Part| {
            let mine = |&index: &usize| parts[index] == wanted && bad.binary_search(&index).is_err();
            (0..labels.len()).filter(mine).collect()
        };
        let given = Given { train: of(Part::Train), validation: of(Part::Validation), test: of(Part::Test) };
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

/// The sounds at a path, of a folder or a table.
fn listed(path: &Path) -> Result<SoundFolder, TaskError> {
    let read =
        if path.is_dir() { SoundFolder::read(path) } else { SoundFolder::read_list(path, &ListColumns::default()) };
    read.map_err(TaskError::input)
}

/// Windows and steps of usual lengths, at the rate of the first sound that can be read, if that is not above the usual.
fn suited(paths: impl Iterator<Item = PathBuf>) -> LogMel {
    let rate = paths.take(ASKED).find_map(|path| Sound::read(&path).ok()).map_or(RATE, |sound| sound.rate.min(RATE));
    let [window, hop] = WINDOW.map(|seconds| ((seconds * f64::from(rate)) as usize).max(1));
    LogMel { rate, window, hop, points: window.next_power_of_two().max(2), ..LogMel::default() }
}

/// The batches of a training.
struct AudioBatches<'a> {
    loader: Loader<Spectrograms>,
    preparation: &'a AudioPreparation,
    truth: &'a Truth,
    answers: &'a Answers,
}

impl AudioBatches<'_> {
    fn gather(&self, batch: Batch<Spectrograms>) -> Result<Labelled<AudioInput>, TaskError> {
        let (items, spectrograms) = whole(batch)?;
        let input = AudioInput::of(&spectrograms, self.preparation)?;
        Ok(Labelled { input, target: self.truth.target(&items, self.answers)? })
    }
}

impl Batches for AudioBatches<'_> {
    type Batch = Labelled<AudioInput>;

    fn per_epoch(&self) -> u64 {
        self.loader.batches() as u64
    }

    fn epoch<'a>(&'a self, epoch: u64, first: u64) -> Result<BatchIter<'a, Labelled<AudioInput>>, TrainError> {
        let gather = |batch| self.gather(batch).map_err(|e| TrainError::Data(Box::new(e)));
        Ok(Box::new(self.loader.epoch(epoch, first as usize).map(gather)))
    }
}

impl Examples for AudioExamples {
    const NAME: &'static str = "audio";
    const ABOUT: &'static str = "The classes of sounds";
    const SKIPS_BAD: bool = true;
    const FILE: &'static str = "SOUND.wav";
    type Config = AudioConfig;
    type Preparation = AudioPreparation;
    type Input = AudioInput;
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
        ask: Ask<'_, AudioInput>,
    ) -> Result<(), TaskError> {
        let config = &predictor.settings.config;
        let spectrograph = Spectrograph::new(&config.features).map_err(TaskError::input)?;
        let mut paths = Vec::new();
        for path in files {
            match path.is_dir() {
                true => paths.extend(SoundFolder::list(path).map_err(TaskError::input)?),
                false => paths.push(path.clone()),
            }
        }
        for paths in paths.chunks(ASKED) {
            let (mut names, mut found, mut refused) = (Vec::new(), Vec::new(), Vec::new());
            for path in paths {
                match config.heard(path).and_then(|sound| spectrograph.of(&sound)) {
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
            let input = AudioInput::of(&found, &predictor.preparation.inputs)?;
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

    fn prepare(&self, _: &AudioConfig, train: &[usize]) -> Result<AudioPreparation, TaskError> {
        let step = train.len().div_ceil(LEARNED_FROM).max(1);
        let some = Spectrograms::new(&self.heard, train.iter().copied().step_by(step).collect(), false)?;
        let rows = some.spectrograph.rows();
        let loader = Loader::new(Arc::new(some), LoaderOptions::default()).map_err(TaskError::input)?;
        let (mut sums, mut squares, mut count) = (vec![0.0f64; rows], vec![0.0f64; rows], 0.0);
        for batch in loader.epoch(0, 0) {
            for one in whole(batch)?.1 {
                count += one.frames as f64;
                for (row, line) in one.values.chunks(one.frames).enumerate() {
                    sums[row] += line.iter().map(|&x| f64::from(x)).sum::<f64>();
                    squares[row] += line.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
                }
            }
        }
        let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let deviation = |(square, mean): (&f64, &f64)| (square / count - mean * mean).max(0.0).sqrt();
        let deviations =
            squares.iter().zip(&means).map(deviation).map(|x| if x > 0.0 { x as f32 } else { 1.0 }).collect();
        Ok(AudioPreparation { means: means.into_iter().map(|mean| mean as f32).collect(), deviations })
    }

    fn network(config: &AudioConfig, preparation: &AudioPreparation, outputs: usize) -> Result<AudioNet> {
        config.model.build(AudioShape { rows: preparation.means.len() }, outputs)
    }

    fn begin(config: &AudioConfig, network: &AudioNet) -> Result<(), TaskError> {
        if config.pretrained.as_os_str().is_empty() {
            return Ok(());
        }
        let values = read_weights(&config.pretrained)?;
        load_all_but(config.model.head_prefix(), network, &values)
            .map_err(|e| TaskError::Input(format!("{}: {e:#}", config.pretrained.display())))
    }

    fn forward(network: &AudioNet, input: &AudioInput) -> Result<Tensor> {
        network.forward(&input.features, &input.frames)
    }

    fn input(&self, _: &AudioConfig, preparation: &AudioPreparation, items: &[usize]) -> Result<AudioInput, TaskError> {
        let some = Spectrograms::new(&self.heard, items.to_vec(), false)?;
        let options = LoaderOptions { batch_size: items.len().max(1), ..LoaderOptions::default() };
        let loader = Loader::new(Arc::new(some), options).map_err(TaskError::input)?;
        let (_, spectrograms) = whole(loader.epoch(0, 0).flatten().collect())?;
        Ok(AudioInput::of(&spectrograms, preparation)?)
    }

    fn batches<'a>(
        &'a self,
        _: &'a AudioConfig,
        preparation: &'a AudioPreparation,
        answers: &'a Answers,
        mut plan: Plan,
    ) -> Result<LabelledBatches<'a, AudioInput>, TaskError> {
        if plan.order == Order::Shuffled {
            plan.order = Order::Bucketed { lengths: plan.items.iter().map(|&item| self.lengths[item]).collect() };
        }
        let options = plan.options();
        let spectrograms = Spectrograms::new(&self.heard, plan.items, true)?;
        let loader = Loader::new(Arc::new(spectrograms), options).map_err(TaskError::input)?;
        Ok(Box::new(AudioBatches { loader, preparation, truth: &self.truth, answers }))
    }

    fn summary(
        network: &AudioNet,
        config: &AudioConfig,
        preparation: &AudioPreparation,
        items: usize,
    ) -> Result<Summary> {
        // Of a second.
        let frames = 1 + config.features.rate as usize / config.features.hop;
        let features = Tensor::zeros([items, 1, preparation.means.len(), frames], DType::F32)?;
        let frames = Tensor::from_vec(vec![frames as i64; items], [items])?;
        Summary::of_forward(network, &[&features, &frames], |x| Ok(vec![network.forward(&x[0], &x[1])?]))
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
