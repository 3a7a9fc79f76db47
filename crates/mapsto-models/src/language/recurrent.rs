//! Recurrent language models (Mikolov et al., *Recurrent Neural Network Based Language Model*, 2010).

use super::{LanguageShape, Memory, check_tokens};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Dropout, Embedding, Gru, Init, Layer, Linear, Lstm, Module, RecurrentConfig, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`LanguageRecurrent`]; what is left out has the value of [`LanguageRecurrentConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageRecurrentConfig {
    /// Numbers of a token.
    pub embedding: usize,
    /// Numbers of a state.
    pub hidden: usize,
    /// Layers one upon the other.
    pub layers: usize,
    /// Share of the embeddings, of the outputs between layers and of the last ones that is dropped.
    pub dropout: f64,
}

impl Default for LanguageRecurrentConfig {
    fn default() -> LanguageRecurrentConfig {
        LanguageRecurrentConfig { embedding: 128, hidden: 256, layers: 1, dropout: 0.1 }
    }
}

/// Embeddings, a recurrent network, and a linear layer.
#[derive(Module)]
pub struct LanguageRecurrent {
    embedding: Embedding,
    rnn: Unit,
    dropout: Dropout,
    head: Linear,
}

/// What reads the text.
#[derive(Module)]
enum Unit {
    Lstm(Lstm),
    Gru(Gru),
}

impl LanguageRecurrent {
    /// With long short-term memory.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn lstm(config: &LanguageRecurrentConfig, input: LanguageShape) -> Result<LanguageRecurrent> {
        LanguageRecurrent::new(config, input, |config| Ok(Unit::Lstm(Lstm::from_config(config)?)))
    }

    /// With gated recurrent units.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn gru(config: &LanguageRecurrentConfig, input: LanguageShape) -> Result<LanguageRecurrent> {
        LanguageRecurrent::new(config, input, |config| Ok(Unit::Gru(Gru::from_config(config)?)))
    }

    fn new(
        config: &LanguageRecurrentConfig,
        input: LanguageShape,
        unit: impl Fn(&RecurrentConfig) -> Result<Unit>,
    ) -> Result<LanguageRecurrent> {
        let LanguageRecurrentConfig { embedding: size, hidden, layers, dropout } = *config;
        check_size("embedding", size)?;
        check_size("hidden", hidden)?;
        check_size("layers", layers)?;
        check_layers("layers", layers)?;
        let between = if layers > 1 { dropout } else { 0.0 };
        let recurrent = RecurrentConfig::new(size, hidden).num_layers(layers).dropout(between).batch_first();
        let embedding = Embedding::new(input.tokens, size)?;
        embedding.weight.set_init(Init::Normal { mean: 0.0, std: 0.1 });
        Ok(LanguageRecurrent {
            embedding,
            rnn: unit(&recurrent)?,
            dropout: Dropout::new(dropout)?,
            head: Linear::new(hidden, input.tokens)?,
        })
    }

    /// The shape of each state of so many texts.
    pub(super) fn states(&self, texts: usize) -> Vec<[usize; 3]> {
        let (count, config) = match &self.rnn {
            Unit::Lstm(unit) => (2, unit.config()),
            Unit::Gru(unit) => (1, unit.config()),
        };
        vec![[config.num_layers, texts, config.hidden_size]; count]
    }

    /// The logits: see [`LanguageNet::step`](super::LanguageNet::step).
    ///
    /// # Errors
    /// Those of [`LanguageNet::step`](super::LanguageNet::step).
    #[track_caller]
    pub(super) fn step(&self, tokens: &Tensor, memory: &mut Memory) -> Result<Tensor> {
        let _scope = scope(self);
        composed("LanguageRecurrent", || {
            check_tokens(tokens)?;
            memory.check(1, tokens.shape()[0])?;
            let x = self.dropout.forward(&self.embedding.forward(tokens)?)?;
            let (x, states) = match (&self.rnn, &memory.states[..]) {
                (Unit::Lstm(unit), states) => {
                    let state = if let [h, c] = states { Some((h, c)) } else { None };
                    let (x, (h, c)) = unit.forward(&x, state)?;
                    (x, vec![h, c])
                }
                (Unit::Gru(unit), states) => {
                    let (x, h) = unit.forward(&x, states.first())?;
                    (x, vec![h])
                }
            };
            memory.states = states;
            self.head.forward(&self.dropout.forward(&x)?)
        })
    }
}
