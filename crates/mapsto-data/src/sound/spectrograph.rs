//! Sounds as pictures: which pitches are there at which time.

use super::mel::{Filter, MelNorm, MelScale, filters};
use super::stft::Stft;
use super::{FASTEST, MOST, Sound, SoundError, check};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::ops::Range;
use std::sync::Arc;

/// Places of a frame, at most.
const MOST_POINTS: usize = 1 << 16;
/// Filters, at most.
const MOST_MELS: usize = 1024;
/// The greatest logarithm of a power that is taken back.
const LOUDEST: f32 = 40.0;

/// The logarithm that powers are told by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Log {
    /// `ln(power + offset)`.
    Natural {
        /// Above 0.
        offset: f64,
    },
    /// `10 log10(max(power, floor))`, as `torchaudio.transforms.AmplitudeToDB`.
    Decibels {
        /// Above 0.
        floor: f64,
        /// What is so far below the loudest place of the sound is raised to there, if given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<f64>,
    },
}

/// Settings of a log-mel spectrogram: the powers that frames of a sound have in bands of about equal width to the ear.
///
/// Frames are centred at multiples of `hop`, with the sound mirrored at both ends, in Hann's window: those of
/// `torchaudio.transforms.MelSpectrogram`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogMel {
    /// Samples of a second: 16000. Sounds are resampled to it.
    pub rate: u32,
    /// Places of a Fourier transform, an even number: 512.
    pub points: usize,
    /// Samples that the window spans, in the middle of these: 400.
    pub window: usize,
    /// Samples from frame to frame: 160.
    pub hop: usize,
    /// Bands: 64.
    pub mels: usize,
    /// The lowest frequency, in hertz: 0.
    pub f_min: f64,
    /// The highest; half the rate if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f_max: Option<f64>,
    /// The ear's scale: HTK's.
    pub scale: MelScale,
    /// How high the filters are: 1.
    pub norm: MelNorm,
    /// Natural, of powers plus a millionth.
    pub log: Log,
}

impl Default for LogMel {
    fn default() -> LogMel {
        LogMel {
            rate: 16_000,
            points: 512,
            window: 400,
            hop: 160,
            mels: 64,
            f_min: 0.0,
            f_max: None,
            scale: MelScale::Htk,
            norm: MelNorm::None,
            log: Log::Natural { offset: 1e-6 },
        }
    }
}

/// Settings of mel-frequency cepstral coefficients (Davis and Mermelstein 1980): the orthonormal cosine transform (DCT-II) of each
/// frame of a log-mel spectrogram, as `torchaudio.transforms.MFCC`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mfcc {
    /// How many are kept: 40.
    pub coefficients: usize,
    /// What they are made of: by default decibels, with a floor of 10⁻¹⁰ and a range of 80.
    pub mel: LogMel,
}

impl Default for Mfcc {
    fn default() -> Mfcc {
        let log = Log::Decibels { floor: 1e-10, range: Some(80.0) };
        Mfcc { coefficients: 40, mel: LogMel { log, ..LogMel::default() } }
    }
}

/// Numbers for each frame of a sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrogram {
    /// Bands or coefficients.
    pub rows: usize,
    /// Frames.
    pub frames: usize,
    /// `[rows, frames]`
    pub values: Vec<f32>,
}

/// Makes spectrograms by fixed settings. Each takes one thread; many threads may use one.
#[derive(Clone)]
pub struct Spectrograph {
    settings: LogMel,
    stft: Stft,
    filters: Arc<[Filter]>,
    /// `[coefficients, mels]` of the cosine transform.
    cosines: Option<Arc<[f32]>>,
}

impl Spectrograph {
    /// Of log-mel spectrograms.
    ///
    /// # Errors
    /// [`SoundError::Setting`] for the first setting that makes no sense.
    pub fn new(settings: &LogMel) -> Result<Spectrograph, SoundError> {
        let &LogMel { rate, points, window, hop, mels, f_min, f_max, scale, norm, log } = settings;
        let top = f64::from(rate) / 2.0;
        let f_max = f_max.unwrap_or(top);
        check((1..=FASTEST).contains(&rate), "rate", rate, format!("lies in 1..={FASTEST}"))?;
        let even = points.is_multiple_of(2) && (2..=MOST_POINTS).contains(&points);
        check(even, "points", points, format!("is even and lies in 2..={MOST_POINTS}"))?;
        check((1..=points).contains(&window), "window", window, format!("lies in 1..={points}, the points"))?;
        check((1..=MOST).contains(&hop), "hop", hop, format!("lies in 1..={MOST}"))?;
        check((1..=MOST_MELS).contains(&mels), "mels", mels, format!("lies in 1..={MOST_MELS}"))?;
        check(f_min >= 0.0 && f_min < f_max, "f_min", f_min, format!("lies from 0 to below f_max, {f_max}"))?;
        check(f_max <= top, "f_max", f_max, format!("is at most {top}, half the rate"))?;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        match log {
            Log::Natural { offset } => check(positive(offset), "offset", offset, "is above 0")?,
            Log::Decibels { floor, range } => {
                check(positive(floor), "floor", floor, "is above 0")?;
                check(range.is_none_or(positive), "range", range.unwrap_or_default(), "is above 0")?;
            }
        }
        let stft = Stft::new(points, window, hop);
        let filters = filters(scale, norm, [f_min, f_max], mels, stft.bins(), top).into();
        Ok(Spectrograph { settings: settings.clone(), stft, filters, cosines: None })
    }

    /// Of cepstral coefficients.
    ///
    /// # Errors
    /// [`SoundError::Setting`] for the first setting that makes no sense.
    pub fn mfcc(settings: &Mfcc) -> Result<Spectrograph, SoundError> {
        let (count, mels) = (settings.coefficients, settings.mel.mels);
        let plain = Spectrograph::new(&settings.mel)?;
        check((1..=mels).contains(&count), "coefficients", count, format!("lies in 1..={mels}, the mels"))?;
        let cosine = |at: usize| {
            let (k, n) = (at / mels, at % mels);
            let scale = (if k == 0 { 1.0 } else { 2.0 } / mels as f64).sqrt();
            (scale * (PI / mels as f64 * (n as f64 + 0.5) * k as f64).cos()) as f32
        };
        Ok(Spectrograph { cosines: Some((0..count * mels).map(cosine).collect()), ..plain })
    }

    /// The rate that sounds must have.
    pub fn rate(&self) -> u32 {
        self.settings.rate
    }

    /// Rows of each spectrogram.
    pub fn rows(&self) -> usize {
        self.cosines.as_ref().map_or(self.settings.mels, |cosines| cosines.len() / self.settings.mels)
    }

    /// The spectrogram of a sound: `1 + samples / hop` frames. What is shorter than half a transform is followed by silence.
    ///
    /// # Errors
    /// A sound of another rate, without samples, or so long that the result has more than 2²⁸ numbers.
    pub fn of(&self, sound: &Sound) -> Result<Spectrogram, SoundError> {
        let LogMel { rate, mels, .. } = self.settings;
        if sound.rate != rate {
            return Err(SoundError::Rate { got: sound.rate, wanted: rate });
        }
        let samples = sound.samples.len();
        if samples == 0 {
            return Err(SoundError::Empty);
        }
        let frames = self.stft.frames(samples.max(self.stft.points / 2 + 1));
        if frames.checked_mul(mels).is_none_or(|numbers| numbers > MOST) {
            return Err(SoundError::TooLong {
                samples,
                what: format!("{mels} bands at a hop of {}", self.settings.hop),
            });
        }
        let whole = self.stft.filled(&sound.samples);
        Ok(self.some(&whole, 0, whole.len(), 0..frames))
    }

    /// These frames of a sound of `len` samples, of which `held` are those from `begin` on: see [`Stft::some`].
    pub(super) fn some(&self, held: &[f32], begin: usize, len: usize, frames: Range<usize>) -> Spectrogram {
        let (mels, first, count) = (self.settings.mels, frames.start, frames.len());
        let mut values = vec![0.0; mels * count];
        let mut power = vec![0.0; self.stft.bins()];
        self.stft.some(held, begin, len, frames, |frame, spectrum| {
            power.iter_mut().zip(spectrum).for_each(|(power, x)| *power = x.norm_sqr());
            for (mel, filter) in self.filters.iter().enumerate() {
                let heard = power[filter.first..].iter().zip(&filter.weights);
                values[mel * count + frame - first] = heard.map(|(power, weight)| power * weight).sum();
            }
        });
        self.settings.log.apply(&mut values);
        let spectrogram = Spectrogram { rows: mels, frames: count, values };
        match &self.cosines {
            Some(cosines) => transformed(&spectrogram, cosines),
            None => spectrogram,
        }
    }

    pub(super) fn stft(&self) -> &Stft {
        &self.stft
    }

    pub(super) fn settings(&self) -> &LogMel {
        &self.settings
    }

    pub(super) fn filters(&self) -> &[Filter] {
        &self.filters
    }
}

impl Log {
    /// The power of a logarithm, which is at most what a file could hold by far.
    pub(super) fn undone(self, log: f32) -> f32 {
        match self {
            Log::Natural { offset } => (log.min(LOUDEST).exp() - offset as f32).max(0.0),
            Log::Decibels { .. } => (log / 10.0 * std::f32::consts::LN_10).min(LOUDEST).exp(),
        }
    }

    fn apply(self, powers: &mut [f32]) {
        match self {
            Log::Natural { offset } => powers.iter_mut().for_each(|power| *power = (*power + offset as f32).ln()),
            Log::Decibels { floor, range } => {
                powers.iter_mut().for_each(|power| *power = 10.0 * power.max(floor as f32).log10());
                let Some(range) = range else { return };
                let least = powers.iter().fold(f32::NEG_INFINITY, |most, &x| most.max(x)) - range as f32;
                powers.iter_mut().for_each(|power| *power = power.max(least));
            }
        }
    }
}

/// The product of `[count, rows]` with a spectrogram.
fn transformed(of: &Spectrogram, matrix: &[f32]) -> Spectrogram {
    let &Spectrogram { rows, frames, ref values } = of;
    let count = matrix.len() / rows;
    let mut out = vec![0.0; count * frames];
    for (out, weights) in out.chunks_exact_mut(frames).zip(matrix.chunks_exact(rows)) {
        for (row, weight) in values.chunks_exact(frames).zip(weights) {
            out.iter_mut().zip(row).for_each(|(out, x)| *out += weight * x);
        }
    }
    Spectrogram { rows: count, frames, values: out }
}
