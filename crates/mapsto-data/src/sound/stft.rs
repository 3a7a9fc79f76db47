//! Frames of a sound and their frequencies.

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::TAU;
use std::sync::Arc;

/// Fourier transforms of frames that are centred at multiples of `hop`; the sound is mirrored at its ends.
#[derive(Clone)]
pub(super) struct Stft {
    pub points: usize,
    pub hop: usize,
    /// Hann's, periodic, in the middle of `points` places.
    pub window: Vec<f32>,
    /// Of half the points: two neighbouring samples are one complex number.
    forward: Arc<dyn Fft<f32>>,
    /// `e^(-2 pi i k / points)` of each frequency.
    turns: Vec<Complex<f32>>,
}

impl Stft {
    /// `points` is even and at least 2, `window` at most that, `hop` at least 1.
    pub fn new(points: usize, window: usize, hop: usize) -> Stft {
        let mut all = vec![0.0; points];
        let hann = |i: usize| (0.5 - 0.5 * (TAU * i as f64 / window as f64).cos()) as f32;
        all[(points - window) / 2..].iter_mut().take(window).enumerate().for_each(|(i, x)| *x = hann(i));
        if window == 1 {
            all[(points - window) / 2] = 1.0;
        }
        let turn = |k: usize| {
            let (sin, cos) = (TAU * k as f64 / points as f64).sin_cos();
            Complex::new(cos as f32, -sin as f32)
        };
        let forward = FftPlanner::new().plan_fft_forward(points / 2);
        Stft { points, hop, window: all, forward, turns: (0..points / 2).map(turn).collect() }
    }

    /// Frequencies of a frame, from 0 to half the rate.
    pub fn bins(&self) -> usize {
        self.points / 2 + 1
    }

    /// Frames of so many samples.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.hop
    }

    /// Gives each frame, by its number, with its frequencies.
    pub fn each(&self, samples: &[f32], mut give: impl FnMut(usize, &[Complex<f32>])) {
        let half = self.points / 2;
        // What is shorter than its mirror image ends in silence.
        let padded;
        let samples = if samples.len() > half {
            samples
        } else {
            padded = [samples, &vec![0.0; half + 1 - samples.len()]].concat();
            &padded
        };
        let zero = Complex::new(0.0, 0.0);
        let (mut frame, mut pairs) = (vec![0.0; self.points], vec![zero; half]);
        let (mut spectrum, mut scratch) = (vec![zero; half + 1], vec![zero; self.forward.get_inplace_scratch_len()]);
        for number in 0..self.frames(samples.len()) {
            let start = (number * self.hop) as isize - half as isize;
            let inside = usize::try_from(start).ok().and_then(|start| samples.get(start..start + self.points));
            match inside {
                Some(inside) => frame.copy_from_slice(inside),
                None => {
                    for (i, x) in frame.iter_mut().enumerate() {
                        *x = samples[mirrored(start + i as isize, samples.len())];
                    }
                }
            }
            frame.iter_mut().zip(&self.window).for_each(|(x, weight)| *x *= weight);
            pairs.iter_mut().zip(frame.as_chunks().0).for_each(|(pair, &[re, im])| *pair = Complex::new(re, im));
            self.forward.process_with_scratch(&mut pairs, &mut scratch);
            // What even and odd samples give are apart by their symmetries; the first frequency and the last are real.
            for k in 1..half {
                let (a, b) = (pairs[k], pairs[half - k].conj());
                let odd = a - b;
                spectrum[k] = (a + b + Complex::new(odd.im, -odd.re) * self.turns[k]) * 0.5;
            }
            spectrum[0] = Complex::new(pairs[0].re + pairs[0].im, 0.0);
            spectrum[half] = Complex::new(pairs[0].re - pairs[0].im, 0.0);
            give(number, &spectrum);
        }
    }
}

/// The place whose mirror image stands at `at`; the ends themselves are not repeated.
fn mirrored(at: isize, len: usize) -> usize {
    let last = len as isize - 1;
    (last - (last - at.abs()).abs()) as usize
}
