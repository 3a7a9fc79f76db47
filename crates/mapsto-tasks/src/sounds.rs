//! Sounds of files as networks take them: what tasks of sounds share.

use crate::error::TaskError;
use crate::plan::Plan;
use crate::task::Given;
use mapsto_data::{
    Batch, Dataset, Loader, LoaderOptions, LogMel, Order, Part, Sound, SoundAugmentation, SoundError, SoundFolder,
    SoundStep, SpecAugment, Spectrogram, Spectrograph,
};
use mapsto_tensor::{Result, Rng, Tensor};
use mapsto_train::{BatchIter, Batches, TrainError};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Seconds of a window, and from frame to frame.
const WINDOW: [f64; 2] = [0.025, 0.010];
/// Samples of a second that features are made of, at most, by default.
const RATE: u32 = 16_000;
/// Sounds that the means and deviations of features are learned from, at most.
const LEARNED_FROM: usize = 4096;
/// Sounds that a network is asked about at once.
pub(crate) const ASKED: usize = 32;

/// What was learned of features: how they are moved and scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundScale {
    /// The mean of each row.
    pub(crate) means: Vec<f32>,
    /// The standard deviation of each row.
    pub(crate) deviations: Vec<f32>,
}

impl SoundScale {
    /// Of some sounds.
    pub(crate) fn learn(heard: &Arc<Heard>, items: &[usize]) -> Result<SoundScale, TaskError> {
        let step = items.len().div_ceil(LEARNED_FROM).max(1);
        let some = Spectrograms::new(heard, items.iter().copied().step_by(step).collect(), None)?;
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
        Ok(SoundScale { means: means.into_iter().map(|mean| mean as f32).collect(), deviations })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.means.len()
    }

    /// Fails unless its numbers can be.
    pub(crate) fn check(&self) -> Result<(), TaskError> {
        let SoundScale { means, deviations } = self;
        let fits = means.len() == deviations.len()
            && means.iter().all(|mean| mean.is_finite())
            && deviations.iter().all(|deviation| *deviation > 0.0 && deviation.is_finite());
        if fits { Ok(()) } else { Err(TaskError::input("the means and deviations of features are no such numbers")) }
    }
}

/// What a network takes of some sounds.
#[derive(Clone, Debug)]
pub struct SoundInput {
    /// `[N, 1, rows, frames]`, filled up with zeros.
    pub features: Tensor,
    /// `[N]`, how many frames are the sound's own.
    pub frames: Tensor,
}

impl SoundInput {
    pub(crate) fn of(spectrograms: &[Spectrogram], scale: &SoundScale) -> Result<SoundInput> {
        let (count, rows) = (spectrograms.len(), scale.rows());
        let longest = spectrograms.iter().map(|one| one.frames).max().unwrap_or(0);
        let mut all = vec![0.0; count * rows * longest];
        for (one, place) in spectrograms.iter().zip(all.chunks_mut((rows * longest).max(1))) {
            let lines = one.values.chunks(one.frames.max(1)).zip(place.chunks_mut(longest.max(1)));
            for ((line, to), (mean, deviation)) in lines.zip(scale.means.iter().zip(&scale.deviations)) {
                to.iter_mut().zip(line).for_each(|(to, x)| *to = (x - mean) / deviation);
            }
        }
        let frames = spectrograms.iter().map(|one| one.frames as i64).collect();
        Ok(SoundInput {
            features: Tensor::from_vec(all, [count, 1, rows, longest])?,
            frames: Tensor::from_vec(frames, [count])?,
        })
    }
}

/// Windows and steps of usual lengths, at the rate of the first sound that can be read, if that is not above the usual.
pub(crate) fn suited(paths: impl Iterator<Item = PathBuf>) -> LogMel {
    let rate = paths.take(ASKED).find_map(|path| Sound::read(&path).ok()).map_or(RATE, |sound| sound.rate.min(RATE));
    let [window, hop] = WINDOW.map(|seconds| ((seconds * f64::from(rate)) as usize).max(1));
    LogMel { rate, window, hop, points: window.next_power_of_two().max(2), ..LogMel::default() }
}

/// The sounds of files and folders that a network is asked about.
pub(crate) fn asked(files: &[PathBuf]) -> Result<Vec<PathBuf>, TaskError> {
    let mut paths = Vec::new();
    for path in files {
        match path.is_dir() {
            true => paths.extend(SoundFolder::list(path).map_err(TaskError::input)?),
            false => paths.push(path.clone()),
        }
    }
    Ok(paths)
}

/// Which examples are for what, without those that cannot be read, in order.
pub(crate) fn given(parts: &[Part], bad: &[usize]) -> Given {
    let of = |wanted: Part| {
        let mine = |&index: &usize| parts[index] == wanted && bad.binary_search(&index).is_err();
        (0..parts.len()).filter(mine).collect()
    };
    Given { train: of(Part::Train), validation: of(Part::Validation), test: of(Part::Test) }
}

/// Sounds of files at the rate of their features; as many as there is room for stay in memory.
pub(crate) struct Heard {
    pub paths: Vec<PathBuf>,
    features: LogMel,
    /// Samples after which nothing is heard.
    most: usize,
    kept: Vec<OnceLock<Sound>>,
    /// Bytes that may be added.
    left: AtomicUsize,
}

impl Heard {
    /// Of which at most so many samples are heard, and so many megabytes are kept.
    pub fn new(paths: Vec<PathBuf>, features: &LogMel, most: usize, cache_mb: usize) -> Heard {
        let kept = std::iter::repeat_with(OnceLock::new).take(paths.len()).collect();
        let left = AtomicUsize::new(cache_mb.saturating_mul(1 << 20));
        Heard { paths, features: features.clone(), most, kept, left }
    }

    pub fn sound(&self, index: usize) -> Result<Sound, SoundError> {
        if let Some(sound) = self.kept[index].get() {
            return Ok(sound.clone());
        }
        let mut sound = Sound::read(&self.paths[index])?.resample(self.features.rate)?;
        sound.samples.truncate(self.most);
        let rest = |left: usize| left.checked_sub(sound.samples.len() * size_of::<f32>());
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok() {
            // Another worker may have been faster with the same sound.
            let _ = self.kept[index].set(sound.clone());
        }
        Ok(sound)
    }

    /// The frames of every sound, or why it cannot be read: asked for once, so that a damaged one is not found in the middle of a run.
    pub fn frames(self: &Arc<Heard>) -> Result<Vec<Result<usize, String>>, TaskError> {
        let all = Spectrograms::new(self, (0..self.paths.len()).collect(), None)?;
        let loader = Loader::new(Arc::new(all), LoaderOptions::default()).map_err(TaskError::input)?;
        let all = loader.epoch(0, 0).flatten();
        Ok(all.map(|one| one.map(|(_, one)| one.frames).map_err(|error| error.to_string())).collect())
    }

    /// Some sounds as a network takes them.
    pub fn input(self: &Arc<Heard>, items: &[usize], scale: &SoundScale) -> Result<SoundInput, TaskError> {
        let some = Spectrograms::new(self, items.to_vec(), None)?;
        let options = LoaderOptions { batch_size: items.len().max(1), ..LoaderOptions::default() };
        let loader = Loader::new(Arc::new(some), options).map_err(TaskError::input)?;
        let (_, spectrograms) = whole(loader.epoch(0, 0).flatten().collect())?;
        Ok(SoundInput::of(&spectrograms, scale)?)
    }
}

/// How sounds, and what is made of them, are changed at random.
#[derive(Clone)]
pub(crate) struct Change {
    sounds: SoundAugmentation,
    masks: SpecAugment,
}

impl Change {
    /// Fails for settings that make no sense.
    pub fn new(steps: &[SoundStep], masks: &SpecAugment) -> Result<Change, TaskError> {
        masks.check().map_err(TaskError::input)?;
        let sounds = SoundAugmentation::new(steps.to_vec()).map_err(TaskError::input)?;
        Ok(Change { sounds, masks: masks.clone() })
    }
}

/// Spectrograms of some sounds, changed at random if asked.
pub(crate) struct Spectrograms {
    heard: Arc<Heard>,
    items: Vec<usize>,
    spectrograph: Spectrograph,
    change: Option<Change>,
}

impl Spectrograms {
    pub fn new(heard: &Arc<Heard>, items: Vec<usize>, change: Option<Change>) -> Result<Spectrograms, TaskError> {
        let spectrograph = Spectrograph::new(&heard.features).map_err(TaskError::input)?;
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
        let Some(change) = &self.change else { return Ok((item, self.spectrograph.of(&sound)?)) };
        let mut spectrogram = self.spectrograph.of(&change.sounds.apply(sound, &chance.split("sound"))?)?;
        change.masks.apply(&mut spectrogram, &chance.split("masks"));
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

/// Batches of changed sounds, and what is made of each: of the sounds' numbers and their spectrograms.
pub(crate) struct SoundBatches<F> {
    loader: Loader<Spectrograms>,
    gather: F,
}

impl<F> SoundBatches<F> {
    /// In the order of a plan; where it is shuffled, sounds of about as many frames come together.
    pub fn new(
        heard: &Arc<Heard>,
        frames: &[usize],
        change: Change,
        mut plan: Plan,
        gather: F,
    ) -> Result<SoundBatches<F>, TaskError> {
        if plan.order == Order::Shuffled {
            plan.order = Order::Bucketed { lengths: plan.items.iter().map(|&item| frames[item]).collect() };
        }
        let options = plan.options();
        let spectrograms = Spectrograms::new(heard, plan.items, Some(change))?;
        let loader = Loader::new(Arc::new(spectrograms), options).map_err(TaskError::input)?;
        Ok(SoundBatches { loader, gather })
    }
}

impl<B, F: Fn(&[usize], &[Spectrogram]) -> Result<B, TaskError>> Batches for SoundBatches<F> {
    type Batch = B;

    fn per_epoch(&self) -> u64 {
        self.loader.batches() as u64
    }

    fn epoch<'a>(&'a self, epoch: u64, first: u64) -> Result<BatchIter<'a, B>, TrainError> {
        let gather = |batch| {
            let made = whole(batch).and_then(|(items, spectrograms)| (self.gather)(&items, &spectrograms));
            made.map_err(|e| TrainError::Data(Box::new(e)))
        };
        Ok(Box::new(self.loader.epoch(epoch, first as usize).map(gather)))
    }
}
