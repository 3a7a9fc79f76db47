//! A transformer's encoder and decoder (Vaswani et al., *Attention Is All You Need*, 2017) with normalised inputs of their parts
//! (Xiong et al., *On Layer Normalization in the Transformer Architecture*, 2020).

use super::{TranslationShape, check_targets};
use crate::parts::{check_positions, transformer_stack, unit_embedding};
use crate::text::mask::{before, check_texts};
use mapsto_nn::{
    AttentionMasks, Dropout, Embedding, Layer, Linear, Module, PositionConfig, SinusoidalEncoding, TransformerDecoder,
    TransformerDecoderCache, TransformerEncoder, scope,
};
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`TranslationTransformer`]; what is left out has the value of [`TranslationTransformerConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TranslationTransformerConfig {
    /// Numbers of a token.
    pub width: usize,
    /// Heads of attention, which share these evenly.
    pub heads: usize,
    /// Layers of the encoder, and as many of the decoder.
    pub layers: usize,
    /// Features between the two linear layers of a layer.
    pub feedforward: usize,
    /// Share of features and of weights of attention that is dropped.
    pub dropout: f64,
}

impl Default for TranslationTransformerConfig {
    fn default() -> TranslationTransformerConfig {
        TranslationTransformerConfig { width: 128, heads: 4, layers: 3, feedforward: 512, dropout: 0.1 }
    }
}

/// Embeddings (times the root of their width) and waves that tell places, an encoder, a decoder that sees what stands before, and
/// a linear layer.
#[derive(Module)]
pub struct TranslationTransformer {
    source: Embedding,
    target: Embedding,
    positions: SinusoidalEncoding,
    encoder: TransformerEncoder,
    decoder: TransformerDecoder,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    scale: f64,
}

/// What a [`TranslationTransformer`] knows of sources and of the targets so far.
#[derive(Clone)]
pub struct TranslationTransformerState {
    cache: TransformerDecoderCache,
    /// Which of the memory fills up, `[N, S]`.
    padding: Tensor,
    /// How many tokens of the targets there have been.
    length: usize,
}

impl TranslationTransformer {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(
        config: &TranslationTransformerConfig,
        shape: TranslationShape,
    ) -> Result<TranslationTransformer> {
        let TranslationTransformerConfig { width, heads, layers, feedforward, dropout } = *config;
        let stack = transformer_stack([width, heads, feedforward], layers, dropout)?;
        check_positions(shape.length, width)?;
        let scale = (width as f64).sqrt();
        Ok(TranslationTransformer {
            source: unit_embedding(shape.source, width)?,
            target: unit_embedding(shape.target, width)?,
            positions: SinusoidalEncoding::from_config(&PositionConfig::new(width, shape.length).batch_first())?,
            encoder: TransformerEncoder::from_config(&stack)?,
            decoder: TransformerDecoder::from_config(&stack)?,
            dropout: Dropout::new(dropout)?,
            head: Linear::new(width, shape.target)?,
            scale,
        })
    }

    /// The logits: see [`TranslationNet::forward`](super::TranslationNet::forward).
    ///
    /// # Errors
    /// Those of [`TranslationNet::forward`](super::TranslationNet::forward).
    #[track_caller]
    pub fn forward(&self, source: &Tensor, lengths: &Tensor, target: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("TranslationTransformer", || {
            let (memory, padding) = self.encode(source, lengths)?;
            check_targets(target, source.shape()[0])?;
            let x = self.embed(&self.target, target, 0)?;
            let seen = AttentionMasks { key_padding_mask: Some(&padding), ..AttentionMasks::default() };
            self.head.forward(&self.decoder.forward(&x, &memory, &AttentionMasks::causal(), &seen)?)
        })
    }

    /// Where it looks: see [`TranslationNet::attention`](super::TranslationNet::attention).
    ///
    /// # Errors
    /// Those of [`TranslationNet::forward`](super::TranslationNet::forward); no layers.
    #[track_caller]
    pub fn attention(&self, source: &Tensor, lengths: &Tensor, target: &Tensor) -> Result<Tensor> {
        composed("TranslationTransformer", || {
            let (memory, padding) = self.encode(source, lengths)?;
            check_targets(target, source.shape()[0])?;
            let seen = AttentionMasks { key_padding_mask: Some(&padding), ..AttentionMasks::default() };
            let mut x = self.embed(&self.target, target, 0)?;
            let causal = AttentionMasks::causal();
            let (last, before) = self
                .decoder
                .layers
                .split_last()
                .ok_or_else(|| Error::argument("a decoder without layers does not look"))?;
            for layer in before {
                x = layer.forward(&x, &memory, &causal, &seen)?;
            }
            last.attention(&x, &memory, &causal, &seen)
        })
    }

    /// The memory `[N, S, E]`, and which of it fills up `[N, S]`.
    fn encode(&self, source: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        check_texts(source, lengths)?;
        let padding = before(lengths, source.shape()[1])?.logical_not()?;
        let masks = AttentionMasks { key_padding_mask: Some(&padding), ..AttentionMasks::default() };
        let memory = self.encoder.forward_masked(&self.embed(&self.source, source, 0)?, &masks)?;
        Ok((memory, padding))
    }

    /// Tokens as features, the first of them at a place.
    fn embed(&self, embedding: &Embedding, tokens: &Tensor, first: usize) -> Result<Tensor> {
        let x = embedding.forward(tokens)?.mul(self.scale)?;
        self.dropout.forward(&self.positions.forward_from(&x, first)?)
    }

    /// What is known before the first token.
    pub(super) fn begin(&self, source: &Tensor, lengths: &Tensor) -> Result<TranslationTransformerState> {
        let (memory, padding) = self.encode(source, lengths)?;
        Ok(TranslationTransformerState { cache: self.decoder.cache(&memory)?, padding, length: 0 })
    }

    /// The logits `[N, tokens]` behind the last tokens `[N]`, and the state with them.
    pub(super) fn step(
        &self,
        last: &Tensor,
        state: &TranslationTransformerState,
    ) -> Result<(Tensor, TranslationTransformerState)> {
        let mut state = state.clone();
        let x = self.embed(&self.target, &last.unsqueeze(1)?, state.length)?;
        let x = self.decoder.step(&x, &mut state.cache, Some(&state.padding))?;
        state.length += 1;
        Ok((self.head.forward(&x.squeeze(&[1])?)?, state))
    }
}

impl TranslationTransformerState {
    /// Some of its rows.
    pub(super) fn select(&self, rows: &Tensor) -> Result<TranslationTransformerState> {
        Ok(TranslationTransformerState {
            cache: self.cache.select(rows)?,
            padding: self.padding.index_select(0, rows)?,
            length: self.length,
        })
    }
}
