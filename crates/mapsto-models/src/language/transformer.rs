//! A transformer that sees only what came before (Radford et al., *Improving Language Understanding by Generative Pre-Training*,
//! 2018), with normalised inputs of its parts (Xiong et al., *On Layer Normalization in the Transformer Architecture*, 2020).

use super::{LanguageShape, Memory, check_tokens};
use crate::parts::{transformer_stack, unit_embedding};
use crate::positions::{Encoding, Positions};
use mapsto_nn::{Dropout, Embedding, Layer, Linear, Module, TransformerEncoder, scope};
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`LanguageTransformer`]; what is left out has the value of [`LanguageTransformerConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageTransformerConfig {
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

impl Default for LanguageTransformerConfig {
    fn default() -> LanguageTransformerConfig {
        LanguageTransformerConfig {
            width: 128,
            heads: 4,
            layers: 4,
            feedforward: 512,
            dropout: 0.1,
            positions: Positions::Learned,
        }
    }
}

/// Embeddings (times the root of their width) and positions, layers with GELU between their linear layers, and a linear layer.
#[derive(Module)]
pub struct LanguageTransformer {
    embedding: Embedding,
    positions: Encoding,
    encoder: TransformerEncoder,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    scale: f64,
    length: usize,
}

impl LanguageTransformer {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &LanguageTransformerConfig, input: LanguageShape) -> Result<LanguageTransformer> {
        let LanguageTransformerConfig { width, heads, layers, feedforward, dropout, positions } = *config;
        let stack = transformer_stack([width, heads, feedforward], layers, dropout)?;
        let scale = (width as f64).sqrt();
        let embedding = unit_embedding(input.tokens, width)?;
        Ok(LanguageTransformer {
            embedding,
            positions: Encoding::new(positions, width, input.length)?,
            encoder: TransformerEncoder::from_config(&stack)?,
            dropout: Dropout::new(dropout)?,
            head: Linear::new(width, input.tokens)?,
            scale,
            length: input.length,
        })
    }

    /// The most tokens that it can read.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The logits: see [`LanguageNet::step`](super::LanguageNet::step).
    ///
    /// # Errors
    /// Those of [`LanguageNet::step`](super::LanguageNet::step).
    #[track_caller]
    pub(super) fn step(&self, tokens: &Tensor, memory: &mut Memory) -> Result<Tensor> {
        let _scope = scope(self);
        composed("LanguageTransformer", || {
            check_tokens(tokens)?;
            let room = self.length.saturating_sub(memory.read);
            if tokens.shape()[1] > room {
                let (new, read, most) = (tokens.shape()[1], memory.read, self.length);
                return Err(Error::shape(format!("{new} tokens behind {read} are more than its {most} positions"))
                    .mend("begin a new memory, with the last of them"));
            }
            let x = self.embedding.forward(tokens)?.mul(self.scale)?;
            let x = self.dropout.forward(&self.positions.forward_from(&x, memory.read)?)?;
            self.head.forward(&self.encoder.forward_cached(&x, &mut memory.caches)?)
        })
    }
}
