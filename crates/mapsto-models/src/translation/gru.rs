//! Recurrent networks that learn where to look (Bahdanau, Cho and Bengio, *Neural Machine Translation by Jointly Learning to Align
//! and Translate*, 2015).

use super::{TranslationShape, check_targets};
use crate::parts::{check_layers, check_size};
use crate::text::mask::{before, check_texts};
use mapsto_nn::{
    AdditiveAttention, AdditiveAttentionConfig, Dropout, Embedding, Gru, GruCell, Init, Layer, Linear, Module,
    RecurrentConfig, scope,
};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`TranslationGru`]; what is left out has the value of [`TranslationGruConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TranslationGruConfig {
    /// Numbers of a token.
    pub embedding: usize,
    /// Numbers of a state, of each direction of the encoder and of the decoder.
    pub hidden: usize,
    /// Layers of the encoder, one upon the other.
    pub layers: usize,
    /// Share of the embeddings, of the features between layers and of those before the last layer that is dropped.
    pub dropout: f64,
}

impl Default for TranslationGruConfig {
    fn default() -> TranslationGruConfig {
        TranslationGruConfig { embedding: 128, hidden: 192, layers: 1, dropout: 0.2 }
    }
}

/// An encoder of gated recurrent units in both directions, a decoder of one whose state asks the encoder's states by additive
/// attention before each step, and a layer over state, context and last token, with tanh, before the last one.
#[derive(Module)]
pub struct TranslationGru {
    source: Embedding,
    encoder: Gru,
    bridge: Linear,
    target: Embedding,
    attention: AdditiveAttention,
    decoder: GruCell,
    combine: Linear,
    dropout: Dropout,
    head: Linear,
}

/// What a [`TranslationGru`] knows of sources and of the targets so far.
pub struct TranslationGruState {
    encoded: Encoded,
    /// The decoder's, `[N, H]`.
    hidden: Tensor,
}

/// What the decoder asks.
#[derive(Clone)]
struct Encoded {
    /// `[N, S, 2 H]`.
    memory: Tensor,
    /// The memory as states are compared with it, `[N, S, H]`.
    projected: Tensor,
    /// Which of it fills up, `[N, S]`.
    padding: Tensor,
}

impl TranslationGru {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &TranslationGruConfig, shape: TranslationShape) -> Result<TranslationGru> {
        let TranslationGruConfig { embedding: size, hidden, layers, dropout } = *config;
        check_size("embedding", size)?;
        check_size("hidden", hidden)?;
        check_size("layers", layers)?;
        check_layers("layers", layers)?;
        let between = if layers > 1 { dropout } else { 0.0 };
        let encoder = RecurrentConfig::new(size, hidden).num_layers(layers).bidirectional().dropout(between);
        let embedding = |tokens: usize| -> Result<Embedding> {
            let embedding = Embedding::new(tokens, size)?;
            embedding.weight.set_init(Init::Normal { mean: 0.0, std: 0.1 });
            Ok(embedding)
        };
        let asked = AdditiveAttentionConfig { query_size: hidden, key_size: 2 * hidden, hidden_size: hidden };
        Ok(TranslationGru {
            source: embedding(shape.source)?,
            encoder: Gru::from_config(&encoder.batch_first())?,
            bridge: Linear::new(2 * hidden, hidden)?,
            target: embedding(shape.target)?,
            attention: AdditiveAttention::from_config(&asked)?,
            decoder: GruCell::new(size + 2 * hidden, hidden)?,
            combine: Linear::new(hidden + 2 * hidden + size, hidden)?,
            dropout: Dropout::new(dropout)?,
            head: Linear::new(hidden, shape.target)?,
        })
    }

    /// The logits: see [`TranslationNet::forward`](super::TranslationNet::forward).
    ///
    /// # Errors
    /// Those of [`TranslationNet::forward`](super::TranslationNet::forward).
    #[track_caller]
    pub fn forward(&self, source: &Tensor, lengths: &Tensor, target: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("TranslationGru", || Ok(self.run(source, lengths, target)?.0))
    }

    /// Where it looks: see [`TranslationNet::attention`](super::TranslationNet::attention).
    ///
    /// # Errors
    /// Those of [`TranslationNet::forward`](super::TranslationNet::forward).
    #[track_caller]
    pub fn attention(&self, source: &Tensor, lengths: &Tensor, target: &Tensor) -> Result<Tensor> {
        composed("TranslationGru", || Ok(self.run(source, lengths, target)?.1))
    }

    /// Logits and weights of attention.
    fn run(&self, source: &Tensor, lengths: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
        let TranslationGruState { encoded, mut hidden } = self.begin(source, lengths)?;
        check_targets(target, source.shape()[0])?;
        let embedded = self.dropout.forward(&self.target.forward(target)?)?;
        let (mut states, mut contexts, mut looks) = (Vec::new(), Vec::new(), Vec::new());
        for token in embedded.split(1, 1)? {
            let (state, context, weights) = self.advance(&token.squeeze(&[1])?, &hidden, &encoded)?;
            hidden = state.clone();
            states.push(state);
            contexts.push(context);
            looks.push(weights);
        }
        let [states, contexts, looks] =
            [states, contexts, looks].map(|all| Tensor::stack(&all.iter().collect::<Vec<_>>(), 1));
        Ok((self.logits(&states?, &contexts?, &embedded)?, looks?))
    }

    /// What is known before the first token.
    pub(super) fn begin(&self, source: &Tensor, lengths: &Tensor) -> Result<TranslationGruState> {
        check_texts(source, lengths)?;
        let embedded = self.dropout.forward(&self.source.forward(source)?)?;
        let (memory, last) = self.encoder.forward_packed(&embedded, lengths, None)?;
        // Of the last layer, the state at the end of each direction.
        let layers = last.shape()[0];
        let ends = last.narrow(0, layers - 2, 2)?.transpose(0, 1)?.flatten(1, 2)?;
        let encoded = Encoded {
            projected: self.attention.key.forward(&memory)?,
            padding: before(lengths, source.shape()[1])?.logical_not()?,
            memory,
        };
        Ok(TranslationGruState { encoded, hidden: self.bridge.forward(&ends)?.tanh()? })
    }

    /// The state `[N, H]`, the context `[N, 2 H]` and where it looks `[N, S]` behind embedded tokens `[N, E]`.
    fn advance(&self, token: &Tensor, hidden: &Tensor, encoded: &Encoded) -> Result<(Tensor, Tensor, Tensor)> {
        let Encoded { memory, projected, padding } = encoded;
        let (context, weights) = self.attention.attend(&hidden.unsqueeze(1)?, memory, projected, Some(padding))?;
        let context = context.squeeze(&[1])?;
        let state = self.decoder.forward(&Tensor::concat(&[token, &context], -1)?, Some(hidden))?;
        Ok((state, context, weights.squeeze(&[1])?))
    }

    fn logits(&self, states: &Tensor, contexts: &Tensor, embedded: &Tensor) -> Result<Tensor> {
        let all = Tensor::concat(&[states, contexts, embedded], -1)?;
        self.head.forward(&self.dropout.forward(&self.combine.forward(&all)?.tanh()?)?)
    }

    /// The logits `[N, tokens]` behind the last tokens `[N]`, and the state with them.
    pub(super) fn step(&self, last: &Tensor, state: &TranslationGruState) -> Result<(Tensor, TranslationGruState)> {
        let embedded = self.target.forward(last)?;
        let (hidden, context, _) = self.advance(&embedded, &state.hidden, &state.encoded)?;
        let logits = self.logits(&hidden, &context, &embedded)?;
        Ok((logits, TranslationGruState { encoded: state.encoded.clone(), hidden }))
    }
}

impl TranslationGruState {
    /// Some of its rows.
    pub(super) fn select(&self, rows: &Tensor) -> Result<TranslationGruState> {
        let Encoded { memory, projected, padding } = &self.encoded;
        let encoded = Encoded {
            memory: memory.index_select(0, rows)?,
            projected: projected.index_select(0, rows)?,
            padding: padding.index_select(0, rows)?,
        };
        Ok(TranslationGruState { encoded, hidden: self.hidden.index_select(0, rows)? })
    }
}
