//! Another pitch for the same length: the sound is stretched by a phase vocoder (Flanagan and Golden 1966; Laroche and Dolson 1999) and
//! played faster, all by torchaudio's settings.

use super::SoundError;
use super::resample::resample;
use super::stft::Stft;
use rustfft::num_complex::Complex;
use std::f64::consts::{PI, TAU};

/// Places of a transform, and samples from frame to frame.
const POINTS: usize = 512;
const HOP: usize = POINTS / 4;

/// The sound so many semitones higher, as `torchaudio.functional.pitch_shift` makes it.
pub(super) fn shift(samples: &[f32], rate: u32, semitones: f64) -> Result<Vec<f32>, SoundError> {
    let slower = 2f64.powf(-semitones / 12.0);
    let stft = Stft::new(POINTS, POINTS, HOP);
    let mut frames: Vec<Vec<Complex<f32>>> = Vec::with_capacity(stft.frames(samples.len()));
    stft.each(samples, |_, spectrum| frames.push(spectrum.to_vec()));
    let len = (samples.len() as f64 / slower).round_ties_even() as usize;
    let stretched = stft.inverse(&stretch(&frames, slower), len);
    let mut shifted = resample(&stretched, ((f64::from(rate) / slower) as u32).max(1), rate)?;
    shifted.resize(samples.len(), 0.0);
    Ok(shifted)
}

/// Frames `rate` apart: magnitudes between those of neighbours, phases that turn as fast as from one to the other.
fn stretch(frames: &[Vec<Complex<f32>>], rate: f64) -> Vec<Vec<Complex<f32>>> {
    let bins = POINTS / 2 + 1;
    let silence = vec![Complex::new(0.0, 0.0); bins];
    let frame = |i: usize| frames.get(i).unwrap_or(&silence);
    let mut phases: Vec<f64> = frame(0).iter().map(|x| f64::from(x.arg())).collect();
    let count = (frames.len() as f64 / rate).ceil() as usize;
    let mut out = Vec::with_capacity(count);
    for place in (0..count).map(|i| i as f64 * rate) {
        let (here, next, part) = (frame(place as usize), frame(place as usize + 1), place.fract());
        let value = |k: usize| {
            let norm = part * f64::from(next[k].norm()) + (1.0 - part) * f64::from(here[k].norm());
            let (sin, cos) = phases[k].sin_cos();
            Complex::new((norm * cos) as f32, (norm * sin) as f32)
        };
        out.push((0..bins).map(value).collect());
        for (k, phase) in phases.iter_mut().enumerate() {
            // What a frequency in the middle of its bin turns by from frame to frame.
            let usual = PI * HOP as f64 * k as f64 / (bins - 1) as f64;
            let more = f64::from(next[k].arg()) - f64::from(here[k].arg()) - usual;
            *phase += more - TAU * (more / TAU).round_ties_even() + usual;
        }
    }
    out
}
