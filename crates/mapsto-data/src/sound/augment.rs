//! Random changes of sounds that leave what is heard, so that a network hears other sounds in every epoch.

use super::{Sound, SoundError, check, pitch, resample};
use crate::images::draw::{happens, range};
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// Steps that a speed is rounded to in 1: few of them, as each has its own kernels.
const SPEEDS: f64 = 100.0;

/// A change of sounds, with its settings. In configurations it is a table with the step's `name`, as in
/// `{ name = "speed", factor = [0.9, 1.1] }`; what is left out has the value that is documented. Numbers are drawn uniformly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SoundStep {
    /// White noise.
    Noise {
        /// Least and greatest ratio of the sound's mean power to the noise's, in decibels: 10 to 40.
        #[serde(default = "ratio")]
        decibels: [f64; 2],
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// Louder or softer.
    Gain {
        /// Least and greatest, in decibels: -6 to 6.
        #[serde(default = "gain")]
        decibels: [f64; 2],
    },
    /// Earlier or later, with silence where nothing was.
    Shift {
        /// A share of the sound's length, both ways, at most: 0.1.
        #[serde(default = "tenth")]
        share: f64,
    },
    /// Faster and higher, or slower and lower: played at another rate. The length changes.
    Speed {
        /// Least and greatest, rounded to hundredths: 0.9 to 1.1.
        #[serde(default = "factor")]
        factor: [f64; 2],
    },
    /// Higher or lower, with the same length: as `torchaudio.functional.pitch_shift`.
    Pitch {
        /// Least and greatest: -2 to 2.
        #[serde(default = "semitones")]
        semitones: [f64; 2],
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
}

/// Values that are used where a configuration has none.
macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => { $(fn $name() -> $type { $value })* };
}
defaults! {
    ratio: [f64; 2] = [10.0, 40.0];
    half: f64 = 0.5;
    gain: [f64; 2] = [-6.0, 6.0];
    tenth: f64 = 0.1;
    factor: [f64; 2] = [0.9, 1.1];
    semitones: [f64; 2] = [-2.0, 2.0];
}

/// Changes of a sound, one after another. In configurations it is a table with `steps`, a list of [`SoundStep`]s.
///
/// ```
/// use mapsto_data::{Sound, SoundAugmentation, SoundStep};
/// use mapsto_tensor::Rng;
/// let augmentation = SoundAugmentation::new(vec![SoundStep::Speed { factor: [2.0, 2.0] }])?;
/// let sound = Sound { rate: 8000, samples: vec![0.5; 100] };
/// assert_eq!(augmentation.apply(sound, &Rng::new(0))?.samples.len(), 50);
/// # Ok::<(), mapsto_data::SoundError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct SoundAugmentation {
    steps: Vec<SoundStep>,
}

/// What a configuration says, whatever that is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    steps: Vec<SoundStep>,
}

impl TryFrom<Unchecked> for SoundAugmentation {
    type Error = SoundError;

    fn try_from(said: Unchecked) -> Result<SoundAugmentation, SoundError> {
        SoundAugmentation::new(said.steps)
    }
}

impl SoundAugmentation {
    /// Steps in their order; none leave sounds as they are.
    ///
    /// # Errors
    /// [`SoundError::Setting`] for the first setting that makes no sense.
    pub fn new(steps: Vec<SoundStep>) -> Result<SoundAugmentation, SoundError> {
        steps.iter().try_for_each(SoundStep::check)?;
        Ok(SoundAugmentation { steps })
    }

    /// The steps, in their order.
    pub fn steps(&self) -> &[SoundStep] {
        &self.steps
    }

    /// Changes a sound. The stream alone decides how: each step draws from one of its own.
    ///
    /// # Errors
    /// [`SoundError::TooLong`].
    pub fn apply(&self, sound: Sound, chance: &Rng) -> Result<Sound, SoundError> {
        let mut numbered = self.steps.iter().zip(0..);
        numbered.try_fold(sound, |sound, (step, i)| step.apply(sound, &mut chance.fork(i)))
    }
}

impl SoundStep {
    fn check(&self) -> Result<(), SoundError> {
        let within = |setting, range: [f64; 2], [low, high]: [f64; 2]| {
            let sensible = low <= range[0] && range[0] <= range[1] && range[1] <= high;
            check(sensible, setting, format!("{range:?}"), format!("rises within {low} to {high}"))
        };
        let chance = |p: f64| check((0.0..=1.0).contains(&p), "probability", p, "lies in 0 to 1");
        match *self {
            SoundStep::Noise { decibels, probability } => {
                within("decibels", decibels, [-100.0, 100.0])?;
                chance(probability)
            }
            SoundStep::Gain { decibels } => within("decibels", decibels, [-100.0, 100.0]),
            SoundStep::Shift { share } => check((0.0..=1.0).contains(&share), "share", share, "lies in 0 to 1"),
            SoundStep::Speed { factor } => within("factor", factor, [0.1, 10.0]),
            SoundStep::Pitch { semitones, probability } => {
                within("semitones", semitones, [-24.0, 24.0])?;
                chance(probability)
            }
        }
    }

    fn apply(&self, mut sound: Sound, chance: &mut Rng) -> Result<Sound, SoundError> {
        match *self {
            SoundStep::Noise { decibels, probability } => {
                if happens(chance, probability) {
                    add_noise(&mut sound.samples, range(chance, decibels), chance);
                }
            }
            SoundStep::Gain { decibels } => {
                let gain = amplitude(range(chance, decibels)) as f32;
                sound.samples.iter_mut().for_each(|x| *x *= gain);
            }
            SoundStep::Shift { share } => {
                let most = share * sound.samples.len() as f64;
                shift(&mut sound.samples, range(chance, [-most, most]).round() as isize);
            }
            SoundStep::Speed { factor } => {
                let speed = (range(chance, factor) * SPEEDS).round() as u32;
                sound.samples = resample::resample(&sound.samples, speed, SPEEDS as u32)?;
            }
            SoundStep::Pitch { semitones, probability } => {
                if happens(chance, probability) {
                    sound.samples = pitch::shift(&sound.samples, sound.rate, range(chance, semitones))?;
                }
            }
        }
        Ok(sound)
    }
}

/// The amplitude whose power is so many decibels.
fn amplitude(decibels: f64) -> f64 {
    10f64.powf(decibels / 20.0)
}

/// Adds white noise whose mean power is so many decibels below the sound's.
fn add_noise(samples: &mut [f32], decibels: f64, chance: &mut Rng) {
    let power = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    let scale = power.sqrt() / amplitude(decibels);
    samples.iter_mut().for_each(|x| *x += (scale * chance.normal()) as f32);
}

/// Moves a sound so many samples later (earlier if below 0).
fn shift(samples: &mut [f32], by: isize) {
    let far = by.unsigned_abs().min(samples.len());
    if by >= 0 {
        samples.rotate_right(far);
        samples[..far].fill(0.0);
    } else {
        samples.rotate_left(far);
        let len = samples.len();
        samples[len - far..].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(samples: &[f32]) -> f64 {
        samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64
    }

    #[test]
    fn noise_has_the_ratio_that_was_drawn() {
        let quiet: Vec<f32> = (0..20_000).map(|i| 0.1 * (i as f32 * 0.1).sin()).collect();
        for decibels in [-10.0, 0.0, 20.0] {
            let mut samples = quiet.clone();
            add_noise(&mut samples, decibels, &mut Rng::new(1));
            let noise: Vec<f32> = samples.iter().zip(&quiet).map(|(x, y)| x - y).collect();
            let ratio = 10.0 * (power(&quiet) / power(&noise)).log10();
            assert!((ratio - decibels).abs() < 0.2, "{ratio}, not {decibels}");
        }
        let mut silent = vec![0.0; 10];
        add_noise(&mut silent, 0.0, &mut Rng::new(1));
        assert_eq!(silent, [0.0; 10]);
    }

    #[test]
    fn what_is_shifted_out_is_silent() {
        let shifted = |by| {
            let mut samples = [1.0, 2.0, 3.0, 4.0];
            shift(&mut samples, by);
            samples
        };
        assert_eq!(shifted(1), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(shifted(-3), [4.0, 0.0, 0.0, 0.0]);
        assert_eq!((shifted(0), shifted(9)), ([1.0, 2.0, 3.0, 4.0], [0.0; 4]));
        assert_eq!(shifted(-9), [0.0; 4]);
    }
}
