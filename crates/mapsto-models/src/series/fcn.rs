//! A fully convolutional network (Wang, Yan and Oates, *Time Series Classification from Scratch with Deep Neural Networks: A Strong
//! Baseline*, 2017).

use super::mask::Steps;
use super::{SeriesShape, normalised};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Dropout, Layer, Linear, Module, Sequential, scope};
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`SeriesFcn`]; what is left out has the value of [`SeriesFcnConfig::default`], with half the paper's channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesFcnConfig {
    /// Channels of each convolution.
    pub channels: Vec<usize>,
    /// Steps that each convolution sees at a time.
    pub kernels: Vec<usize>,
    /// Share of the features that is dropped before the last layer.
    pub dropout: f64,
}

impl Default for SeriesFcnConfig {
    fn default() -> SeriesFcnConfig {
        SeriesFcnConfig { channels: vec![64, 128, 64], kernels: vec![8, 5, 3], dropout: 0.0 }
    }
}

/// Convolutions that keep the number of steps, each with batch normalisation and ReLU; the mean over the steps; a linear layer.
#[derive(Module)]
pub struct SeriesFcn {
    blocks: Vec<Sequential>,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    input: SeriesShape,
}

impl SeriesFcn {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &SeriesFcnConfig, input: SeriesShape, classes: usize) -> Result<SeriesFcn> {
        let SeriesFcnConfig { channels, kernels, dropout } = config;
        check_layers("channels", channels.len())?;
        if channels.is_empty() || channels.len() != kernels.len() {
            let (channels, kernels) = (channels.len(), kernels.len());
            let problem =
                format!("there are {channels} numbers of channels and {kernels} kernels: give one each a layer");
            return Err(Error::argument(problem));
        }
        let (mut blocks, mut i) = (Vec::new(), input.channels);
        for (&o, &kernel) in channels.iter().zip(kernels) {
            check_size("channels", o)?;
            check_size("a kernel", kernel)?;
            blocks.push(normalised(i, o, kernel)?);
            i = o;
        }
        Ok(SeriesFcn { blocks, dropout: Dropout::new(*dropout)?, head: Linear::new(i, classes)?, input })
    }

    /// The logits: see [`SeriesNet::forward`](super::SeriesNet::forward).
    ///
    /// # Errors
    /// Those of [`SeriesNet::forward`](super::SeriesNet::forward).
    #[track_caller]
    pub fn forward(&self, series: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("SeriesFcn", || {
            let steps = Steps::new(series, lengths, self.input)?;
            let mut x = steps.mask(series)?;
            for block in &self.blocks {
                x = steps.mask(&block.forward(&x)?.relu()?)?;
            }
            self.head.forward(&self.dropout.forward(&steps.mean(&x)?)?)
        })
    }
}
