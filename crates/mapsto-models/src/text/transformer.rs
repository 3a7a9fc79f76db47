//! A transformer's encoder (Vaswani et al., *Attention Is All You Need*, 2017) with normalised inputs of its parts (Xiong et
//! al., *On Layer Normalization in the Transformer Architecture*, 2020).

use super::TextShape;
use super::mask::{before, check_texts, mean};
use crate::parts::{transformer_stack, unit_embedding};
use crate::positions::{Encoding, Positions};
use mapsto_nn::{AttentionMasks, Dropout, Embedding, Layer, Linear, Module, TransformerEncoder, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`TextTransformer`]; what is left out has the value of [`TextTransformerConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextTransformerConfig {
    /// Numbers of a token.
    pub width: usize,
    /// Heads of attention, which share these evenly.
    pub heads: usize,
    /// Layers one upon the other.
    pub layers: usize,
    /// Features between the two linear layers of a layer.
    pub feedforward: usize,
    /// Share of features and of weights of attention that is dropped.
    pub dropout: f64,
    /// What tells the places of tokens.
    pub positions: Positions,
}

impl Default for TextTransformerConfig {
    fn default() -> TextTransformerConfig {
        TextTransformerConfig {
            width: 128,
            heads: 4,
            layers: 2,
            feedforward: 256,
            dropout: 0.1,
            positions: Positions::Sinusoidal,
        }
    }
}

/// Embeddings (times the root of their width) and positions, layers with GELU between their linear layers, the mean over the
/// text, and a linear layer.
#[derive(Module)]
pub struct TextTransformer {
    embedding: Embedding,
    positions: Encoding,
    encoder: TransformerEncoder,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    scale: f64,
}

impl TextTransformer {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &TextTransformerConfig, input: TextShape, classes: usize) -> Result<TextTransformer> {
        let TextTransformerConfig { width, heads, layers, feedforward, dropout, positions } = *config;
        let stack = transformer_stack([width, heads, feedforward], layers, dropout)?;
        let scale = (width as f64).sqrt();
        let embedding = unit_embedding(input.tokens, width)?;
        Ok(TextTransformer {
            embedding,
            positions: Encoding::new(positions, width, input.length)?,
            encoder: TransformerEncoder::from_config(&stack)?,
            dropout: Dropout::new(dropout)?,
            head: Linear::new(width, classes)?,
            scale,
        })
    }

    pub(super) fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// The outputs: see [`TextNet::forward`](super::TextNet::forward).
    ///
    /// # Errors
    /// Those of [`TextNet::forward`](super::TextNet::forward).
    #[track_caller]
    pub fn forward(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("TextTransformer", || {
            let (x, hidden) = self.embed(tokens, lengths)?;
            let masks = AttentionMasks { key_padding_mask: Some(&hidden), ..AttentionMasks::default() };
            let x = self.encoder.forward_masked(&x, &masks)?;
            self.head.forward(&self.dropout.forward(&mean(&x, lengths)?)?)
        })
    }

    /// Where it looks: see [`TextNet::self_attention`](super::TextNet::self_attention).
    ///
    /// # Errors
    /// Those of [`TextNet::forward`](super::TextNet::forward).
    #[track_caller]
    pub fn self_attention(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Vec<Tensor>> {
        composed("TextTransformer", || {
            let (x, hidden) = self.embed(tokens, lengths)?;
            let masks = AttentionMasks { key_padding_mask: Some(&hidden), ..AttentionMasks::default() };
            self.encoder.attention(&x, &masks)
        })
    }

    /// Tokens as features at their places `[N, T, E]`, and which of them fill up `[N, T]`.
    fn embed(&self, tokens: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        check_texts(tokens, lengths)?;
        let x = self.embedding.forward(tokens)?.mul(self.scale)?;
        let x = self.positions.forward_from(&x, 0)?;
        Ok((self.dropout.forward(&x)?, before(lengths, tokens.shape()[1])?.logical_not()?))
    }
}
