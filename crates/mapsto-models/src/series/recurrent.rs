//! Long short-term memory with attention over its states (Yang et al., *Hierarchical Attention Networks for Document Classification*,
//! 2016, of one level).

use super::SeriesShape;
use super::mask::Steps;
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Dropout, Layer, Linear, Lstm, Module, RecurrentConfig, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`SeriesRecurrent`]; what is left out has the value of [`SeriesRecurrentConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesRecurrentConfig {
    /// Numbers of a state.
    pub hidden: usize,
    /// Layers one upon the other.
    pub layers: usize,
    /// Whether series are also read from their ends.
    pub bidirectional: bool,
    /// Share of the features between layers and of the series' features that is dropped.
    pub dropout: f64,
}

impl Default for SeriesRecurrentConfig {
    fn default() -> SeriesRecurrentConfig {
        SeriesRecurrentConfig { hidden: 64, layers: 1, bidirectional: true, dropout: 0.2 }
    }
}

/// A recurrent network, the mean of its states weighted by the softmax of a learned score, and a linear layer.
#[derive(Module)]
pub struct SeriesRecurrent {
    rnn: Lstm,
    attention: Linear,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    input: SeriesShape,
}

impl SeriesRecurrent {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &SeriesRecurrentConfig, input: SeriesShape, classes: usize) -> Result<SeriesRecurrent> {
        let SeriesRecurrentConfig { hidden, layers, bidirectional, dropout } = *config;
        check_size("hidden", hidden)?;
        check_size("layers", layers)?;
        check_layers("layers", layers)?;
        let between = if layers > 1 { dropout } else { 0.0 };
        let recurrent =
            RecurrentConfig { bidirectional, dropout: between, ..RecurrentConfig::new(input.channels, hidden) };
        let features = if bidirectional { 2 * hidden } else { hidden };
        Ok(SeriesRecurrent {
            rnn: Lstm::from_config(&recurrent.num_layers(layers).batch_first())?,
            attention: Linear::new(features, 1)?,
            dropout: Dropout::new(dropout)?,
            head: Linear::new(features, classes)?,
            input,
        })
    }

    /// The logits: see [`SeriesNet::forward`](super::SeriesNet::forward).
    ///
    /// # Errors
    /// Those of [`SeriesNet::forward`](super::SeriesNet::forward).
    #[track_caller]
    pub fn forward(&self, series: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("SeriesRecurrent", || {
            let steps = Steps::new(series, lengths, self.input)?;
            let (states, _) = self.rnn.forward_packed(&series.transpose(1, 2)?, lengths, None)?;
            let scores = self.attention.forward(&states)?.squeeze(&[2])?;
            let weights = scores.masked_fill(&steps.others()?, f64::NEG_INFINITY)?.softmax(1)?;
            let features = weights.unsqueeze(1)?.matmul(&states)?.squeeze(&[1])?;
            self.head.forward(&self.dropout.forward(&features)?)
        })
    }
}
