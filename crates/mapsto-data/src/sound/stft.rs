//! Frames of a sound and their frequencies.

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::borrow::Cow;
use std::f64::consts::TAU;
use std::ops::Range;
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
    pub fn each(&self, samples: &[f32], give: impl FnMut(usize, &[Complex<f32>])) {
        let whole = self.filled(samples);
        self.some(&whole, 0, whole.len(), 0..self.frames(whole.len()), give);
    }

    /// A sound, followed by silence where it is shorter than its mirror image.
    pub fn filled<'a>(&self, samples: &'a [f32]) -> Cow<'a, [f32]> {
        let least = self.points / 2 + 1;
        match samples.len() >= least {
            true => Cow::Borrowed(samples),
            false => Cow::Owned([samples, &vec![0.0; least - samples.len()]].concat()),
        }
    }

    /// The samples of a frame, counted from the beginning of the sound; before it and behind its end they are mirrored.
    pub fn span(&self, frame: usize) -> Range<isize> {
        let start = (frame * self.hop) as isize - (self.points / 2) as isize;
        start..start + self.points as isize
    }

    /// Gives these frames of a sound of `len` samples, of which `held` are those from `begin` on that the frames read.
    pub fn some(
        &self,
        held: &[f32],
        begin: usize,
        len: usize,
        frames: Range<usize>,
        mut give: impl FnMut(usize, &[Complex<f32>]),
    ) {
        let half = self.points / 2;
        let zero = Complex::new(0.0, 0.0);
        let (mut frame, mut pairs) = (vec![0.0; self.points], vec![zero; half]);
        let (mut spectrum, mut scratch) = (vec![zero; half + 1], vec![zero; self.forward.get_inplace_scratch_len()]);
        for number in frames {
            let start = self.span(number).start;
            let place = usize::try_from(start).ok().and_then(|start| start.checked_sub(begin));
            match place.and_then(|place| held.get(place..place + self.points)) {
                Some(inside) => frame.copy_from_slice(inside),
                None => {
                    for (i, x) in frame.iter_mut().enumerate() {
                        *x = held[mirrored(start + i as isize, len) - begin];
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

    /// The sound of `len` samples whose frames are nearest to these in least squares, as `torch.istft`.
    pub fn inverse(&self, frames: &[Vec<Complex<f32>>], len: usize) -> Vec<f32> {
        let (points, half) = (self.points, self.points / 2);
        let backward = FftPlanner::new().plan_fft_inverse(points);
        let total = (points + self.hop * frames.len()).max(len + points);
        let (mut sum, mut weights) = (vec![0.0; total], vec![0.0; total]);
        for (number, spectrum) in frames.iter().enumerate() {
            let mirrored = spectrum[1..half].iter().rev().map(Complex::conj);
            let mut frame: Vec<Complex<f32>> = spectrum.iter().copied().chain(mirrored).collect();
            // The first and middle frequency of a real sound are real.
            frame[0].im = 0.0;
            frame[half].im = 0.0;
            backward.process(&mut frame);
            for (i, (x, &weight)) in frame.iter().zip(&self.window).enumerate() {
                sum[number * self.hop + i] += x.re / points as f32 * weight;
                weights[number * self.hop + i] += weight * weight;
            }
        }
        let inside = sum.iter().zip(&weights).skip(half).take(len);
        inside.map(|(x, &weight)| if weight > 1e-11 { x / weight } else { 0.0 }).collect()
    }
}

/// The place whose mirror image stands at `at`; the ends themselves are not repeated.
fn mirrored(at: isize, len: usize) -> usize {
    let last = len as isize - 1;
    (last - (last - at.abs()).abs()) as usize
}
