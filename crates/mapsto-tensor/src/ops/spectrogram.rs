//! Short-time Fourier transforms and the windows for them: methods composed of the other operations.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::composed;
use crate::ops::{FftNorm, PadMode};
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use std::f64::consts::TAU;

/// How [`Tensor::stft`] and [`Tensor::istft`] frame a signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stft {
    /// Points of each transform.
    pub points: usize,
    /// Places from one frame's start to the next.
    pub hop: usize,
    /// Frames centred at multiples of `hop`, the signal padded by half a frame at both ends in this mode; `None`: the
    /// first frame begins where the signal does.
    pub center: Option<PadMode>,
    /// Whether transforms are scaled by 1 / sqrt(points).
    pub normalized: bool,
    /// Whether only the first half is given, the rest being its mirror image. The inverse reads no more than that half.
    pub onesided: bool,
}

impl Stft {
    /// Frames of `points` places every `hop`, centred, mirrored at the ends, not normalised, one-sided: PyTorch's
    /// defaults.
    pub fn new(points: usize, hop: usize) -> Stft {
        Stft { points, hop, center: Some(PadMode::Reflect), normalized: false, onesided: true }
    }

    fn norm(&self) -> FftNorm {
        if self.normalized { FftNorm::Ortho } else { FftNorm::Backward }
    }

    fn check(&self) -> Result<()> {
        if self.points == 0 || self.hop == 0 || isize::try_from(self.points).is_err() {
            return Err(Error::argument(format!("frames of {} places every {} are none", self.points, self.hop)));
        }
        Ok(())
    }

    /// The window in the middle of a frame, zeros around it; ones if there is none.
    fn window(&self, window: Option<&Tensor>, dtype: DType) -> Result<Tensor> {
        let Some(window) = window else { return Tensor::ones([self.points], dtype) };
        if window.rank() != 1 || window.numel() > self.points {
            let message = format!("a window of shape {} does not fit {} points", window.shape(), self.points);
            return Err(Error::shape(message));
        }
        let rest = (self.points - window.numel()) as isize;
        window.to_dtype(dtype)?.pad(&[(rest / 2, rest - rest / 2)], PadMode::ZEROS)
    }
}

/// Spectrograms.
impl Tensor {
    /// The short-time Fourier transform of signals: `[..., n]` to `[..., points / 2 + 1, frames, 2]` (`points` instead of
    /// the half if not one-sided), the last axis real and imaginary part. Each frame is multiplied by the window, a
    /// vector of at most `points` numbers.
    ///
    /// # Errors
    /// Frames of no places; a window longer than a frame; a signal shorter than a frame, or than its padding.
    #[track_caller]
    pub fn stft(&self, window: Option<&Tensor>, options: &Stft) -> Result<Tensor> {
        composed("stft", || {
            options.check()?;
            let mut x = self.to_dtype(self.dtype().to_float())?;
            if let Some(mode) = options.center {
                let half = (options.points / 2) as isize;
                x = x.pad(&[(half, half)], mode)?;
            }
            let mut frames = x.frames(options.points, options.hop)?;
            if window.is_some() {
                frames = frames.mul(options.window(window, x.dtype())?)?;
            }
            let spectrum = if options.onesided {
                frames.rfft(None, -1, options.norm())?
            } else {
                frames.unsqueeze(-1)?.pad(&[(0, 1)], PadMode::ZEROS)?.fft(None, -1, options.norm())?
            };
            spectrum.transpose(-3, -2)
        })
    }

    /// The signal `[..., len]` whose short-time Fourier transform this is (the one nearest to it in least squares):
    /// frames are transformed back, multiplied by the window, added, and divided by the sum of the squared windows.
    /// Without `len` the result ends where the padding of the last frame begins.
    ///
    /// # Errors
    /// A tensor that is not a transform by these options; windows that leave a place of the signal out.
    #[track_caller]
    pub fn istft(&self, window: Option<&Tensor>, options: &Stft, len: Option<usize>) -> Result<Tensor> {
        composed("istft", || {
            options.check()?;
            let bins = if options.onesided { options.points / 2 + 1 } else { options.points };
            let shape = *self.shape();
            if shape.rank() < 3 || shape[shape.rank() - 3] != bins || shape[shape.rank() - 2] == 0 {
                let wants = format!("[..., {bins}, frames, 2]");
                return Err(Error::shape(format!("{shape} is not a transform of {} points: {wants}", options.points)));
            }
            // A real signal is told by the first half alone.
            let half = self.narrow(-3, 0, options.points / 2 + 1)?.transpose(-3, -2)?;
            let frames = half.irfft(Some(options.points), -1, options.norm())?;
            let count = shape[shape.rank() - 2];
            let total = (count - 1).checked_mul(options.hop).and_then(|n| n.checked_add(options.points));
            let total = total.ok_or_else(|| Error::memory("the signal is longer than memory"))?;
            let window = options.window(window, frames.dtype())?;
            let signal = frames.mul(&window)?.overlap_add(options.hop, total)?;
            let weights = window.square()?.broadcast_to([count, options.points])?.overlap_add(options.hop, total)?;
            let start = if options.center.is_some() { options.points / 2 } else { 0 };
            let wanted = len.unwrap_or(total.saturating_sub(2 * start));
            let reached = wanted.min(total - start);
            let weights = weights.narrow(-1, start, reached)?;
            if reached > 0 && !(weights.detach().abs()?.min()?.to_dtype(DType::F64)?.item::<f64>()? > 1e-11) {
                return Err(Error::argument(
                    "the windows leave places of the signal out: their squares add up to zero",
                )
                .mend("use a smaller hop, or a window without zeros"));
            }
            let signal = signal.narrow(-1, start, reached)?.div(&weights)?;
            let missing = isize::try_from(wanted - reached).map_err(|_| Error::memory("the length is too large"))?;
            signal.pad(&[(0, missing)], PadMode::ZEROS)
        })
    }
}

/// `sum_i weights[i] * cos(i * angle)` at `len` places: periodic windows leave out the place where the next begins.
#[track_caller]
fn cosine_window(op: &'static str, len: usize, periodic: bool, weights: &[f64], dtype: DType) -> Result<Tensor> {
    let turns = if periodic { len } else { len.saturating_sub(1) }.max(1) as f64;
    let value = |i: usize| {
        let angle = TAU * i as f64 / turns;
        weights.iter().enumerate().map(|(k, weight)| weight * (k as f64 * angle).cos()).sum()
    };
    composed(op, || {
        let mut out = Writing::<f64>::new(Shape::new(&[len])?)?;
        out.as_mut().iter_mut().enumerate().for_each(|(i, x)| *x = if len == 1 { 1.0 } else { value(i) });
        out.finish().to_dtype(dtype)
    })
}

/// Windows: `periodic` ones for transforms, symmetric ones for filters.
impl Tensor {
    /// Hann's window, a raised cosine.
    ///
    /// # Errors
    /// A length that memory cannot hold.
    #[track_caller]
    pub fn hann_window(len: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosine_window("hann_window", len, periodic, &[0.5, -0.5], dtype)
    }

    /// Hamming's window, a cosine raised so that the nearest side lobe vanishes.
    ///
    /// # Errors
    /// A length that memory cannot hold.
    #[track_caller]
    pub fn hamming_window(len: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosine_window("hamming_window", len, periodic, &[0.54, -0.46], dtype)
    }

    /// Blackman's window, of two cosines.
    ///
    /// # Errors
    /// A length that memory cannot hold.
    #[track_caller]
    pub fn blackman_window(len: usize, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosine_window("blackman_window", len, periodic, &[0.42, -0.5, 0.08], dtype)
    }
}
