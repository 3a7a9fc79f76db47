//! Frames that are a sound's own, and those that fill the batch up.

use super::AudioShape;
use mapsto_tensor::{DType, Error, Result, Tensor};

/// How many frames of each sound are its own.
pub(crate) struct Frames {
    /// `[N, 1, 1, 1]` of `i64`.
    count: Tensor,
}

impl Frames {
    /// Fails unless features and frames are what a network takes.
    pub fn new(features: &Tensor, frames: &Tensor, input: AudioShape) -> Result<Frames> {
        let (shape, rows) = (features.shape(), input.rows);
        let fits = shape.rank() == 4 && shape[1] == 1 && shape[2] == rows && shape[3] > 0;
        if !fits {
            return Err(Error::shape(format!("takes features [N, 1, {rows}, frames], not {shape}")));
        }
        if frames.shape()[..] != [shape[0]] {
            return Err(Error::shape(format!("takes {} numbers of frames, not {}", shape[0], frames.shape())));
        }
        if frames.dtype() != DType::I64 {
            return Err(Error::dtype(format!("numbers of frames are {}, not i64", frames.dtype()))
                .mend("convert them with to_dtype(DType::I64)"));
        }
        Ok(Frames { count: frames.reshape([shape[0], 1, 1, 1])? })
    }

    /// With so many more for each sound.
    pub fn plus(&self, more: i64) -> Result<Frames> {
        Ok(Frames { count: self.count.add(more)? })
    }

    /// Whether places of `x`, which stand `step` frames apart, are a sound's own: `[N, 1, 1, places]`.
    fn own(&self, x: &Tensor, step: usize) -> Result<Tensor> {
        let (places, step) = (x.shape()[3] as i64, step as i64);
        Tensor::arange(0, places * step, step)?.lt(&self.count)
    }

    /// `x` with zeros at places that are not a sound's own.
    pub fn mask(&self, x: &Tensor, step: usize) -> Result<Tensor> {
        self.own(x, step)?.where_(x, 0.0)
    }

    /// The mean of each channel, `[N, channels]`, over rows and a sound's own places; the others are zero.
    pub fn mean(&self, masked: &Tensor, step: usize) -> Result<Tensor> {
        let places = self.own(masked, step)?.to_dtype(masked.dtype())?.sum_axes(&[1, 2, 3], false)?;
        let count = places.clamp_min(1.0)?.mul(masked.shape()[2] as f64)?;
        masked.sum_axes(&[2, 3], false)?.div(count.unsqueeze(1)?)
    }
}
