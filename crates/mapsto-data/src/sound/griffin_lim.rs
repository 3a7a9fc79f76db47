//! Sounds out of spectrograms.

use super::stft::Stft;
use super::{Sound, SoundError, Spectrogram, Spectrograph, check};
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

/// The most passes.
const MOST_ITERATIONS: usize = 10_000;
/// Passes by which bands become frequencies.
const PASSES: usize = 60;
/// What is added to what is divided by, as torchaudio has it.
const TINY: f32 = 1e-16;

/// Griffin and Lim's algorithm (*Signal Estimation from Modified Short-Time Fourier Transform*, 1984), with the momentum of Perraudin
/// et al. (*A Fast Griffin-Lim Algorithm*, 2013): it looks for phases with which frames of these magnitudes are those of a sound. As
/// `torchaudio.functional.griffinlim`, from phases of zero on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GriffinLim {
    /// Passes: 32.
    pub iterations: usize,
    /// How much of the last change is made once more, below 1: 0.99.
    pub momentum: f64,
}

impl Default for GriffinLim {
    fn default() -> GriffinLim {
        GriffinLim { iterations: 32, momentum: 0.99 }
    }
}

impl GriffinLim {
    /// Fails unless the settings make sense.
    ///
    /// # Errors
    /// [`SoundError::Setting`]
    pub fn check(&self) -> Result<(), SoundError> {
        let most = format!("is at most {MOST_ITERATIONS}");
        check(self.iterations <= MOST_ITERATIONS, "iterations", self.iterations, most)?;
        check((0.0..1.0).contains(&self.momentum), "momentum", self.momentum, "lies from 0 to below 1")
    }

    /// The sound of `len` samples for these magnitudes, frame by frame.
    fn sound(&self, stft: &Stft, magnitudes: &[Vec<f32>], len: usize) -> Vec<f32> {
        let momentum = (self.momentum / (1.0 + self.momentum)) as f32;
        let mut frames: Vec<Vec<Complex<f32>>> =
            magnitudes.iter().map(|frame| frame.iter().map(|&x| Complex::new(x, 0.0)).collect()).collect();
        let mut before: Vec<Vec<Complex<f32>>> =
            magnitudes.iter().map(|frame| vec![Complex::new(0.0, 0.0); frame.len()]).collect();
        for _ in 0..self.iterations {
            stft.each(&stft.inverse(&frames, len), |number, spectrum| {
                let Some(frame) = frames.get_mut(number) else { return };
                for (k, (x, &new)) in frame.iter_mut().zip(spectrum).enumerate() {
                    let turned = new - before[number][k] * momentum;
                    *x = turned / (turned.norm() + TINY) * magnitudes[number][k];
                    before[number][k] = new;
                }
            });
        }
        stft.inverse(&frames, len)
    }
}

impl Spectrograph {
    /// A sound that has about this log-mel spectrogram: the powers of frequencies whose bands are nearest to these, by multiplicative
    /// updates (Lee and Seung 2001) that keep them positive, and phases by [`GriffinLim`]. Of `n` frames it has `(n - 1) * hop` samples.
    ///
    /// # Errors
    /// Settings that make no sense; cepstral coefficients; a spectrogram of other bands or with numbers that are not finite; a sound of
    /// more than 2²⁸ samples.
    pub fn sound(&self, spectrogram: &Spectrogram, phases: &GriffinLim) -> Result<Sound, SoundError> {
        phases.check()?;
        let &Spectrogram { rows, frames, ref values } = spectrogram;
        let settings = self.settings();
        if self.rows() != settings.mels || rows != settings.mels || values.len() != rows * frames {
            let what =
                format!("{rows} rows of {frames} frames are not {} bands of a log-mel spectrogram", settings.mels);
            return Err(SoundError::NoInverse(what));
        }
        if let Some(place) = values.iter().position(|x| !x.is_finite()) {
            return Err(SoundError::NoInverse(format!("number {place} is {}", values[place])));
        }
        let len = frames.saturating_sub(1).saturating_mul(settings.hop);
        if len == 0 || len > super::MOST {
            return Err(SoundError::NoInverse(format!("{frames} frames are {len} samples")));
        }
        let magnitudes: Vec<Vec<f32>> = (0..frames)
            .map(|frame| {
                let bands: Vec<f32> = (0..rows).map(|row| settings.log.undone(values[row * frames + frame])).collect();
                self.frequencies(&bands).into_iter().map(f32::sqrt).collect()
            })
            .collect();
        Ok(Sound { rate: settings.rate, samples: phases.sound(self.stft(), &magnitudes, len) })
    }

    /// Powers of frequencies that the filters make these bands of, nearly.
    fn frequencies(&self, bands: &[f32]) -> Vec<f32> {
        let filters = self.filters();
        let spread = |bands: &[f32]| {
            let mut powers = vec![0.0f32; self.stft().bins()];
            for (filter, band) in filters.iter().zip(bands) {
                let heard = powers[filter.first..].iter_mut().zip(&filter.weights);
                heard.for_each(|(power, weight)| *power += weight * band);
            }
            powers
        };
        let wanted = spread(bands);
        // Frequencies that no band hears stay silent.
        let mut powers: Vec<f32> = wanted.iter().map(|&x| if x > 0.0 { 1.0 } else { 0.0 }).collect();
        for _ in 0..PASSES {
            let heard: Vec<f32> = filters
                .iter()
                .map(|filter| {
                    powers[filter.first..].iter().zip(&filter.weights).map(|(power, weight)| power * weight).sum()
                })
                .collect();
            let found = spread(&heard);
            for ((power, wanted), found) in powers.iter_mut().zip(&wanted).zip(&found) {
                *power *= wanted / (found + TINY);
            }
        }
        powers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::LogMel;
    use serde::Deserialize;
    use std::f64::consts::TAU;

    #[derive(Deserialize)]
    struct Case {
        points: usize,
        window: usize,
        hop: usize,
        samples: usize,
        iterations: usize,
        momentum: f64,
        values: Vec<f32>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        griffin_lims: Vec<Case>,
    }

    /// The same as in `tools/sound_fixtures.py`.
    fn chirp(n: usize) -> Vec<f32> {
        let mut state = 1u64;
        let sample = |i: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (noise, place) = ((state >> 52) as f64 - 2048.0, i as f64);
            let tone = (20000.0 * (TAU * (0.01 * place + 1e-5 * place * place)).sin()).floor();
            if i < n - n / 8 { ((tone + noise) / 32768.0) as f32 } else { 0.0 }
        };
        (0..n).map(sample).collect()
    }

    fn magnitudes(stft: &Stft, samples: &[f32]) -> Vec<Vec<f32>> {
        let mut all = Vec::new();
        stft.each(samples, |_, spectrum| all.push(spectrum.iter().map(|x| x.norm()).collect()));
        all
    }

    #[test]
    fn sounds_are_torchaudios() {
        let text = include_str!("../../tests/fixtures/sound.json");
        let cases = serde_json::from_str::<Fixture>(text).unwrap().griffin_lims;
        assert_eq!(cases.len(), 3);
        for Case { points, window, hop, samples, iterations, momentum, values } in cases {
            let stft = Stft::new(points, window, hop);
            let ours = GriffinLim { iterations, momentum }.sound(&stft, &magnitudes(&stft, &chirp(samples)), samples);
            assert_eq!(ours.len(), values.len());
            // Passes with momentum make the rounding of f32 greater.
            let far = ours.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far <= if iterations > 10 { 1e-2 } else { 1e-4 }, "{points}, {iterations}: {far}");
        }
    }

    #[test]
    fn more_passes_come_nearer() {
        let stft = Stft::new(128, 128, 32);
        let wanted = magnitudes(&stft, &chirp(2000));
        let off = |iterations: usize| {
            let sound = GriffinLim { iterations, momentum: 0.99 }.sound(&stft, &wanted, 2000);
            let found = magnitudes(&stft, &sound);
            let pairs = || wanted.iter().flatten().zip(found.iter().flatten());
            let error: f32 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
            (error / pairs().map(|(a, _)| a * a).sum::<f32>()).sqrt()
        };
        let [first, some, many] = [0, 10, 100].map(off);
        assert!(first > 1.5 * some && some > 1.1 * many && many < 0.3, "{first}, {some}, {many}");
    }

    #[test]
    fn a_sound_has_its_spectrogram_again() {
        let settings = LogMel { rate: 8000, points: 256, window: 256, hop: 64, mels: 40, ..LogMel::default() };
        let spectrograph = Spectrograph::new(&settings).unwrap();
        let before = spectrograph.of(&Sound { rate: 8000, samples: chirp(4096) }).unwrap();
        let sound = spectrograph.sound(&before, &GriffinLim::default()).unwrap();
        assert_eq!((sound.samples.len(), sound.rate), (4096, 8000));
        let after = spectrograph.of(&sound).unwrap();
        let off: f32 = before.values.iter().zip(&after.values).map(|(a, b)| (a - b).abs()).sum();
        let mean = off / before.values.len() as f32;
        assert!(mean < 0.5, "logarithms of powers are {mean} off");
    }

    #[test]
    fn what_has_no_sound_is_refused() {
        let spectrograph = Spectrograph::new(&LogMel { mels: 4, ..LogMel::default() }).unwrap();
        let said = |rows, frames, value: f32, phases: GriffinLim| {
            let spectrogram = Spectrogram { rows, frames, values: vec![value; rows * frames] };
            spectrograph.sound(&spectrogram, &phases).unwrap_err().to_string()
        };
        let usual = GriffinLim::default();
        assert!(said(5, 3, 0.0, usual).contains("5 rows of 3 frames are not 4 bands of a log-mel spectrogram"));
        assert!(said(4, 3, f32::NAN, usual).contains("number 0 is NaN"));
        assert!(said(4, 1, 0.0, usual).contains("1 frames are 0 samples"));
        assert!(said(4, 3, 0.0, GriffinLim { momentum: 1.0, ..usual }).contains("momentum lies from 0 to below 1"));
        assert!(said(4, 3, 0.0, GriffinLim { iterations: 10_001, ..usual }).contains("iterations is at most 10000"));
        // Silence, and powers that no sound has, are no trouble.
        let loud = Spectrogram { rows: 4, frames: 3, values: [f32::MAX, -f32::MAX].repeat(6) };
        assert!(spectrograph.sound(&loud, &usual).unwrap().samples.iter().all(|x| x.is_finite()));
    }
}
