//! Steps that are a series' own, and those that fill the batch up.

use super::SeriesShape;
use mapsto_tensor::{DType, Error, Result, Tensor};

/// How many steps of each series are its own.
pub(super) struct Steps {
    /// Truth values `[N, 1, T]`.
    own: Tensor,
    /// `[N, 1]` of `f32`.
    count: Tensor,
}

impl Steps {
    /// Fails unless these are series `[N, channels, T]` and lengths from 1 to `T`.
    pub fn new(series: &Tensor, lengths: &Tensor, input: SeriesShape) -> Result<Steps> {
        let (shape, channels) = (series.shape(), input.channels);
        if shape.rank() != 3 || shape[1] != channels || shape[2] == 0 {
            return Err(Error::shape(format!("takes series [N, {channels}, T], not {shape}")));
        }
        if lengths.shape()[..] != [shape[0]] {
            return Err(Error::shape(format!("takes {} lengths, one a series, not {}", shape[0], lengths.shape())));
        }
        if lengths.dtype() != DType::I64 {
            return Err(Error::dtype(format!("lengths are {}, not i64", lengths.dtype()))
                .mend("convert them with to_dtype(DType::I64)"));
        }
        let all = lengths.to_vec::<i64>()?;
        if let Some(place) = all.iter().position(|&length| length < 1 || length > shape[2] as i64) {
            let (length, most) = (all[place], shape[2]);
            return Err(Error::argument(format!("the length of series {place} is {length}, not in 1..={most}")));
        }
        let own = Tensor::arange(0, shape[2] as i64, 1)?.lt(lengths.reshape([shape[0], 1, 1])?)?;
        Ok(Steps { own, count: lengths.to_dtype(series.dtype())?.unsqueeze(1)? })
    }

    /// `x` with zeros at steps that are not a series' own.
    pub fn mask(&self, x: &Tensor) -> Result<Tensor> {
        self.own.where_(x, 0.0)
    }

    /// The mean of each channel `[N, C, T]` over a series' own steps, `[N, C]`.
    pub fn mean(&self, x: &Tensor) -> Result<Tensor> {
        self.mask(x)?.sum_axes(&[2], false)?.div(&self.count)
    }

    /// Which steps are none of a series' own, `[N, T]`.
    pub fn others(&self) -> Result<Tensor> {
        self.own.squeeze(&[1])?.logical_not()
    }
}
