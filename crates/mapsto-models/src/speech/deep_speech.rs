//! Convolutions and recurrent layers with CTC (Amodei et al., *Deep Speech 2: End-to-End Speech Recognition in English and Mandarin*,
//! 2016, much smaller).

use super::SpeechStream;
use crate::audio::AudioShape;
use crate::audio::mask::Frames;
use crate::parts::{check_layers, check_size, convolution};
use mapsto_nn::{BatchNorm2d, Conv2d, ConvConfig, Dropout, Gru, Layer, Linear, Module, RecurrentConfig, scope};
use mapsto_tensor::ops::PadMode;
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Rows and frames of the kernels, odd numbers.
pub(super) const KERNELS: [usize; 2] = [7, 5];
/// Frames of a step.
pub(super) const STRIDE: usize = 2;

/// Settings of [`DeepSpeech`]; what is left out has the value of [`DeepSpeechConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepSpeechConfig {
    /// Channels of the convolutions.
    pub channels: usize,
    /// Numbers of a state.
    pub hidden: usize,
    /// Recurrent layers one upon the other.
    pub layers: usize,
    /// Share of the features between layers, and before the last one, that is dropped.
    pub dropout: f64,
}

impl Default for DeepSpeechConfig {
    fn default() -> DeepSpeechConfig {
        DeepSpeechConfig { channels: 16, hidden: 96, layers: 1, dropout: 0.2 }
    }
}

/// Two convolutions over rows and frames, of 7 x 7 that moves by 2 and of 5 x 5 that moves by 2 rows, each with batch normalisation and
/// ReLU; gated recurrent units in both directions; a linear layer.
///
/// One that is causal never looks ahead: frames before the beginning fill the convolutions up, none behind the end, and the units go in
/// one direction.
#[derive(Module)]
pub struct DeepSpeech {
    pub(super) conv1: Conv2d,
    pub(super) norm1: BatchNorm2d,
    pub(super) conv2: Conv2d,
    pub(super) norm2: BatchNorm2d,
    pub(super) rnn: Gru,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    pub(super) input: AudioShape,
    #[module(skip)]
    is_causal: bool,
}

impl DeepSpeech {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(
        config: &DeepSpeechConfig,
        input: AudioShape,
        symbols: usize,
        is_causal: bool,
    ) -> Result<DeepSpeech> {
        let &DeepSpeechConfig { channels, hidden, layers, dropout } = config;
        for (name, size) in [("channels", channels), ("hidden", hidden), ("layers", layers)] {
            check_size(name, size)?;
        }
        check_layers("layers", layers)?;
        let rows = KERNELS.iter().fold(input.rows, |rows, _| rows.div_ceil(2));
        let features = channels.checked_mul(rows).ok_or_else(|| Error::argument("channels are too many"))?;
        let conv = |i: usize, kernel: usize, frames: usize| {
            let ahead = if is_causal { 0 } else { kernel / 2 };
            let config =
                ConvConfig::new(i, channels, kernel).stride([2, frames]).padding([kernel / 2, ahead]).no_bias();
            convolution(config)
        };
        let between = if layers > 1 { dropout } else { 0.0 };
        let recurrent = RecurrentConfig::new(features, hidden).num_layers(layers).dropout(between).batch_first();
        let recurrent = if is_causal { recurrent } else { recurrent.bidirectional() };
        Ok(DeepSpeech {
            conv1: conv(1, KERNELS[0], STRIDE)?,
            norm1: BatchNorm2d::new(channels)?,
            conv2: conv(channels, KERNELS[1], 1)?,
            norm2: BatchNorm2d::new(channels)?,
            rnn: Gru::from_config(&recurrent)?,
            dropout: Dropout::new(dropout)?,
            head: Linear::new(if is_causal { hidden } else { 2 * hidden }, symbols)?,
            input,
            is_causal,
        })
    }

    /// Log-probabilities `[N, steps, symbols]` of features `[N, 1, rows, frames]` of `f32` and how many frames of each sound are its own,
    /// `[N]` of `i64`, at least 1; and how many of the steps are, `[N]`: [`DeepSpeech::steps`] of its frames. What follows them means
    /// nothing.
    ///
    /// An evaluating network gives a sound the same, but for rounding, whatever it is padded with and to which length. While training,
    /// batch normalisation counts what it makes of the padding in its means and variances: sounds of about one length in a batch keep
    /// that small.
    ///
    /// # Errors
    /// Other shapes or types; numbers of frames below 1 or above those that there are.
    #[track_caller]
    pub fn forward(&self, features: &Tensor, frames: &Tensor) -> Result<(Tensor, Tensor)> {
        let _scope = scope(self);
        composed("DeepSpeech", || {
            let own = Frames::new(features, frames, self.input)?;
            let (counts, most) = (frames.to_vec::<i64>()?, features.shape()[3] as i64);
            if let Some(sound) = counts.iter().position(|count| !(1..=most).contains(count)) {
                let count = counts[sound];
                return Err(Error::argument(format!(
                    "the number of frames of sound {sound} is {count}, not in 1..={most}"
                )));
            }
            let x = self.conv1.forward(&self.filled(&own.mask(features, 1)?, KERNELS[0])?)?;
            let x = own.mask(&self.norm1.forward_relu(&x)?, STRIDE)?;
            let x = self.conv2.forward(&self.filled(&x, KERNELS[1])?)?;
            let x = self.norm2.forward_relu(&x)?;
            let steps = counts.into_iter().map(|count| DeepSpeech::steps(count as usize) as i64).collect();
            let steps = Tensor::from_vec(steps, *frames.shape())?;
            let (states, _) = self.rnn.forward_packed(&by_step(&x)?, &steps, None)?;
            Ok((self.told(&states)?, steps))
        })
    }

    /// Steps of so many frames: how many symbols they can be, at most.
    pub fn steps(frames: usize) -> usize {
        frames.div_ceil(STRIDE)
    }

    /// With zeros before the first frame, if nothing else fills the convolution up.
    fn filled(&self, x: &Tensor, kernel: usize) -> Result<Tensor> {
        match self.is_causal {
            true => x.pad(&[(0, 0), (0, 0), (0, 0), (kernel as isize - 1, 0)], PadMode::ZEROS),
            false => Ok(x.clone()),
        }
    }

    /// Log-probabilities of states.
    pub(super) fn told(&self, states: &Tensor) -> Result<Tensor> {
        self.head.forward(&self.dropout.forward(states)?)?.log_softmax(-1)
    }

    /// Begins a sound whose frames come piece by piece, unless the network looks ahead.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn stream(&self) -> Result<Option<SpeechStream<'_>>> {
        self.is_causal.then(|| SpeechStream::new(self)).transpose()
    }
}

/// Channels and rows `[N, C, R, T]` of each step, `[N, T, C * R]`.
pub(super) fn by_step(x: &Tensor) -> Result<Tensor> {
    let &[count, channels, rows, steps] = &x.shape()[..] else {
        return Err(Error::shape(format!("features are [N, C, R, T], not {}", x.shape())));
    };
    x.permute(&[0, 3, 1, 2])?.reshape([count, steps, channels * rows])
}
