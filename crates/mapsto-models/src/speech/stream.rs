//! A sound whose frames come piece by piece.

use super::deep_speech::{DeepSpeech, KERNELS, STRIDE, by_step};
use mapsto_nn::{Conv2d, Layer};
use mapsto_tensor::{DType, Error, Result, Tensor, composed, no_grad};

/// What a causal network, evaluating, says of a sound whose frames come piece by piece: a step as soon as its frame is there. All pieces
/// together are what the network says of the whole sound, but for rounding.
///
/// It remembers the frames that the convolutions will read again, and the state of the recurrent units.
pub struct SpeechStream<'a> {
    network: &'a DeepSpeech,
    first: Held,
    second: Held,
    state: Option<Tensor>,
}

/// Frames before a convolution.
struct Held {
    frames: Tensor,
    kernel: usize,
    stride: usize,
}

impl Held {
    /// Zeros before the first frame.
    fn new(channels: usize, rows: usize, kernel: usize, stride: usize) -> Result<Held> {
        Ok(Held { frames: Tensor::zeros([1, channels, rows, kernel - 1], DType::F32)?, kernel, stride })
    }

    /// Takes more frames; gives what the convolution makes of them, unless it is nothing yet.
    fn push(&mut self, conv: &Conv2d, more: &Tensor) -> Result<Option<Tensor>> {
        let all = Tensor::concat(&[&self.frames, more], 3)?;
        let len = all.shape()[3];
        let Some(rest) = len.checked_sub(self.kernel) else {
            self.frames = all;
            return Ok(None);
        };
        let count = rest / self.stride + 1;
        let read = all.narrow(3, 0, (count - 1) * self.stride + self.kernel)?;
        // A copy: what was read needs not stay in memory.
        self.frames = all.narrow(3, count * self.stride, len - count * self.stride)?.contiguous()?;
        conv.forward(&read).map(Some)
    }
}

impl<'a> SpeechStream<'a> {
    pub(super) fn new(network: &'a DeepSpeech) -> Result<SpeechStream<'a>> {
        let (channels, rows) = (network.conv1.config().out_channels, network.input.rows);
        let first = Held::new(1, rows, KERNELS[0], STRIDE)?;
        let second = Held::new(channels, rows.div_ceil(2), KERNELS[1], 1)?;
        Ok(SpeechStream { network, first, second, state: None })
    }

    /// Takes more frames, features `[1, 1, rows, frames]`; gives the log-probabilities `[steps, symbols]` of the steps that they begin.
    ///
    /// # Errors
    /// Other shapes or types.
    #[track_caller]
    pub fn push(&mut self, features: &Tensor) -> Result<Option<Tensor>> {
        composed("SpeechStream", || {
            let (network, shape) = (self.network, features.shape());
            let rows = network.input.rows;
            if shape.rank() != 4 || shape[..3] != [1, 1, rows] {
                return Err(Error::shape(format!("takes features [1, 1, {rows}, frames], not {shape}")));
            }
            no_grad(|| {
                let Some(x) = self.first.push(&network.conv1, features)? else { return Ok(None) };
                let x = network.norm1.forward_relu(&x)?;
                let Some(x) = self.second.push(&network.conv2, &x)? else { return Ok(None) };
                let x = network.norm2.forward_relu(&x)?;
                let (states, last) = network.rnn.forward(&by_step(&x)?, self.state.as_ref())?;
                self.state = Some(last);
                network.told(&states)?.squeeze(&[0]).map(Some)
            })
        })
    }
}
