//! Recurrent networks with attention over their states (Yang et al., *Hierarchical Attention Networks for Document
//! Classification*, 2016, of one level).

use super::TextShape;
use super::mask::{before, check_texts};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Dropout, Embedding, Gru, Init, Layer, Linear, Lstm, Module, RecurrentConfig, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`TextRecurrent`]; what is left out has the value of [`TextRecurrentConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextRecurrentConfig {
    /// Numbers of a token.
    pub embedding: usize,
    /// Numbers of a state.
    pub hidden: usize,
    /// Layers one upon the other.
    pub layers: usize,
    /// Whether texts are also read from their ends.
    pub bidirectional: bool,
    /// Share of the embeddings, of the features between layers and of the text's features that is dropped.
    pub dropout: f64,
}

impl Default for TextRecurrentConfig {
    fn default() -> TextRecurrentConfig {
        TextRecurrentConfig { embedding: 128, hidden: 128, layers: 1, bidirectional: true, dropout: 0.3 }
    }
}

/// A recurrent network, the mean of its states weighted by the softmax of a learned score, and a linear layer.
#[derive(Module)]
pub struct TextRecurrent {
    embedding: Embedding,
    rnn: Unit,
    attention: Linear,
    dropout: Dropout,
    head: Linear,
}

/// What reads the text.
#[derive(Module)]
enum Unit {
    Lstm(Lstm),
    Gru(Gru),
}

impl TextRecurrent {
    /// With long short-term memory.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn lstm(config: &TextRecurrentConfig, input: TextShape, classes: usize) -> Result<TextRecurrent> {
        TextRecurrent::new(config, input, classes, |config| Ok(Unit::Lstm(Lstm::from_config(config)?)))
    }

    /// With gated recurrent units.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn gru(config: &TextRecurrentConfig, input: TextShape, classes: usize) -> Result<TextRecurrent> {
        TextRecurrent::new(config, input, classes, |config| Ok(Unit::Gru(Gru::from_config(config)?)))
    }

    fn new(
        config: &TextRecurrentConfig,
        input: TextShape,
        classes: usize,
        unit: impl Fn(&RecurrentConfig) -> Result<Unit>,
    ) -> Result<TextRecurrent> {
        let TextRecurrentConfig { embedding: size, hidden, layers, bidirectional, dropout } = *config;
        check_size("embedding", size)?;
        check_size("hidden", hidden)?;
        check_size("layers", layers)?;
        check_layers("layers", layers)?;
        let between = if layers > 1 { dropout } else { 0.0 };
        let recurrent = RecurrentConfig { bidirectional, dropout: between, ..RecurrentConfig::new(size, hidden) };
        let features = if bidirectional { 2 * hidden } else { hidden };
        let embedding = Embedding::new(input.tokens, size)?;
        embedding.weight.set_init(Init::Normal { mean: 0.0, std: 0.1 });
        Ok(TextRecurrent {
            embedding,
            rnn: unit(&recurrent.num_layers(layers).batch_first())?,
            attention: Linear::new(features, 1)?,
            dropout: Dropout::new(dropout)?,
            head: Linear::new(features, classes)?,
        })
    }

    /// The outputs: see [`TextNet::forward`](super::TextNet::forward).
    ///
    /// # Errors
    /// Those of [`TextNet::forward`](super::TextNet::forward).
    #[track_caller]
    pub fn forward(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("TextRecurrent", || {
            let (states, weights) = self.attend(tokens, lengths)?;
            let text = weights.unsqueeze(1)?.matmul(&states)?.squeeze(&[1])?;
            self.head.forward(&self.dropout.forward(&text)?)
        })
    }

    /// How much each token's state counts, `[N, T]`: shares.
    ///
    /// # Errors
    /// Those of [`TextRecurrent::forward`].
    #[track_caller]
    pub fn attention(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        composed("TextRecurrent", || Ok(self.attend(tokens, lengths)?.1))
    }

    /// The states `[N, T, features]`, and how much each counts `[N, T]`.
    fn attend(&self, tokens: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        check_texts(tokens, lengths)?;
        let x = self.dropout.forward(&self.embedding.forward(tokens)?)?;
        let states = match &self.rnn {
            Unit::Lstm(unit) => unit.forward_packed(&x, lengths, None)?.0,
            Unit::Gru(unit) => unit.forward_packed(&x, lengths, None)?.0,
        };
        let scores = self.attention.forward(&states)?.squeeze(&[2])?;
        let hidden = before(lengths, tokens.shape()[1])?.logical_not()?;
        let weights = scores.masked_fill(&hidden, f64::NEG_INFINITY)?.softmax(1)?;
        Ok((states, weights))
    }

    pub(super) fn embedding(&self) -> &Embedding {
        &self.embedding
    }
}
