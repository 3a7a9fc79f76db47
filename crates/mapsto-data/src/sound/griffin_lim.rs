//! From spectrograms back to sounds.

use super::mel::Filter;
use super::spectrograph::{Log, Spectrogram, Spectrograph};
use super::{MOST, Sound, SoundError, check};
use mapsto_tensor::Rng;
use rustfft::num_complex::Complex;
use std::f32::consts::TAU;

/// Steps in which the powers of frequencies are found from those of bands.
const UNMIXING: usize = 40;
/// How far a step goes on in the direction of the one before.
const MOMENTUM: f32 = 0.99;
/// What keeps quotients finite.
const LEAST: f32 = 1e-16;
/// The greatest logarithm that is taken back: more would be louder than any file can hold.
const LOUDEST: f32 = 40.0;
/// Steps, at most.
const MOST_STEPS: usize = 10_000;

impl Spectrograph {
    /// A sound whose log-mel spectrogram is near this one: `(frames - 1) hop` samples. The powers of frequencies are those, none below zero, whose bands are
    /// nearest in least squares (Lee and Seung, *Algorithms for Non-negative Matrix Factorization*, 2001); the phases are found
    /// in so many steps, from ones by chance that are always the same (Griffin and Lim 1984, in the quick form of Perraudin, Balazs and
    /// Søndergaard, *A Fast Griffin-Lim Algorithm*, 2013).
    ///
    /// # Errors
    /// Cepstral coefficients, which do not hold enough; other rows than the settings have bands; fewer than two frames; too many.
    pub fn sound(&self, spectrogram: &Spectrogram, steps: usize) -> Result<Sound, SoundError> {
        let (mels, hop) = (self.settings.mels, self.settings.hop);
        let &Spectrogram { rows, frames, ref values } = spectrogram;
        check(self.cosines.is_none(), "features", "coefficients", "are a log-mel spectrogram to make a sound of")?;
        check(rows == mels && values.len() == rows * frames, "rows", rows, format!("are the {mels} bands"))?;
        check((1..=MOST_STEPS).contains(&steps), "steps", steps, format!("lies in 1..={MOST_STEPS}"))?;
        let samples = frames.saturating_sub(1).saturating_mul(hop);
        check(samples > 0, "frames", frames, "is at least 2")?;
        check(
            samples.saturating_mul(self.stft.points / hop + 1) <= MOST,
            "frames",
            frames,
            "gives a sound of fewer samples",
        )?;
        let magnitudes: Vec<Vec<f32>> = (0..frames)
            .map(|frame| {
                let bands: Vec<f32> =
                    (0..mels).map(|mel| self.settings.log.power(values[mel * frames + frame])).collect();
                self.unmixed(&bands).into_iter().map(f32::sqrt).collect()
            })
            .collect();
        Ok(Sound { rate: self.settings.rate, samples: self.phased(&magnitudes, samples, steps) })
    }

    /// Powers of frequencies, whose bands are nearest to these.
    fn unmixed(&self, bands: &[f32]) -> Vec<f32> {
        let bins = self.stft.bins();
        let back = |bands: &[f32]| {
            let mut bins = vec![0.0; bins];
            for (Filter { first, weights }, band) in self.filters.iter().zip(bands) {
                bins[*first..].iter_mut().zip(weights).for_each(|(bin, weight)| *bin += weight * band);
            }
            bins
        };
        let forth = |bins: &[f32]| -> Vec<f32> {
            let heard = |filter: &Filter| {
                bins[filter.first..].iter().zip(&filter.weights).map(|(bin, weight)| bin * weight).sum()
            };
            self.filters.iter().map(heard).collect()
        };
        let wanted = back(bands);
        let mut powers = wanted.clone();
        for _ in 0..UNMIXING {
            let found = back(&forth(&powers));
            for ((power, wanted), found) in powers.iter_mut().zip(&wanted).zip(&found) {
                *power *= wanted / (found + LEAST);
            }
        }
        powers
    }

    /// The samples of a sound whose frequencies have about these magnitudes.
    fn phased(&self, magnitudes: &[Vec<f32>], samples: usize, steps: usize) -> Vec<f32> {
        let mut chance = Rng::new(0);
        let turned = |magnitude: &f32| Complex::from_polar(*magnitude, TAU * chance.next_f32());
        let mut frames: Vec<Vec<Complex<f32>>> = Vec::with_capacity(magnitudes.len());
        let mut turned = turned;
        magnitudes.iter().for_each(|frame| frames.push(frame.iter().map(&mut turned).collect()));
        let mut before: Vec<Vec<Complex<f32>>> = Vec::new();
        for _ in 0..steps {
            let sound = self.stft.inverse(&frames, samples);
            let mut heard: Vec<Vec<Complex<f32>>> = Vec::with_capacity(frames.len());
            self.stft.each(&sound, |_, spectrum| heard.push(spectrum.to_vec()));
            for (number, (frame, magnitudes)) in frames.iter_mut().zip(magnitudes).enumerate() {
                let Some(heard) = heard.get(number) else { break };
                for (k, (place, magnitude)) in frame.iter_mut().zip(magnitudes).enumerate() {
                    let past = before.get(number).map_or(Complex::new(0.0, 0.0), |past| past[k]);
                    let ahead = heard[k] - past * (MOMENTUM / (1.0 + MOMENTUM));
                    *place = ahead * (magnitude / (ahead.norm() + LEAST));
                }
            }
            before = heard;
        }
        self.stft.inverse(&frames, samples)
    }
}

impl Log {
    /// The power of which this is the logarithm.
    fn power(self, value: f32) -> f32 {
        match self {
            Log::Natural { offset } => (value.min(LOUDEST).exp() - offset as f32).max(0.0),
            Log::Decibels { .. } => 10f32.powf((value / 10.0).min(LOUDEST / std::f32::consts::LN_10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LogMel;
    use super::*;

    /// A voice of many harmonics whose pitch moves, half a second.
    fn voice() -> Sound {
        let sample = |i: usize| {
            let t = i as f32 / 8000.0;
            let turns = 130.0 * t + 40.0 * t * t;
            (1..20).map(|harmonic| (TAU * turns * harmonic as f32).sin() / harmonic as f32).sum::<f32>() * 0.2
        };
        Sound { rate: 8000, samples: (0..4000).map(sample).collect() }
    }

    #[test]
    fn a_sound_comes_back_from_its_spectrogram() {
        let settings = LogMel { rate: 8000, points: 256, window: 200, hop: 80, mels: 40, ..LogMel::default() };
        let spectrograph = Spectrograph::new(&settings).unwrap();
        let wanted = spectrograph.of(&voice()).unwrap();
        let off = |steps: usize| {
            let sound = spectrograph.sound(&wanted, steps).unwrap();
            assert_eq!((sound.rate, sound.samples.len()), (8000, 4000));
            let found = spectrograph.of(&sound).unwrap();
            let difference = wanted.values.iter().zip(&found.values).map(|(a, b)| (a - b).abs()).sum::<f32>();
            difference / wanted.values.len() as f32
        };
        let (one, many) = (off(1), off(60));
        assert!(many < 0.25 && many < one / 2.0, "{one} and {many} nepers");
    }

    #[test]
    fn what_is_no_spectrogram_is_refused() {
        let spectrograph = Spectrograph::new(&LogMel::default()).unwrap();
        let of = |rows: usize, frames: usize, steps| {
            spectrograph.sound(&Spectrogram { rows, frames, values: vec![0.0; rows * frames] }, steps)
        };
        assert!(of(64, 3, 2).is_ok());
        for wrong in [of(63, 3, 2), of(64, 1, 2), of(64, 0, 2), of(64, 3, 0)] {
            assert!(matches!(wrong, Err(SoundError::Setting { .. })), "{wrong:?}");
        }
        // Values that no sound has do not become NaN.
        let wild = Spectrogram { rows: 64, frames: 4, values: [f32::MAX, -f32::MAX].repeat(128) };
        assert!(spectrograph.sound(&wild, 3).unwrap().samples.iter().all(|sample| sample.is_finite()));
    }
}
