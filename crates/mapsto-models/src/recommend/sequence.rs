//! Networks that read what a user liked, in order, and tell what comes next: with attention (Kang and McAuley, *Self-Attentive Sequential
//! Recommendation*, 2018) or gated recurrent units (Hidasi et al., *Session-based Recommendations with Recurrent Neural Networks*, 2016).

use super::{RecommendShape, Side, biases, check_numbers};
use crate::parts::{check_layers, check_positions, check_size, transformer_stack, unit_embedding};
use mapsto_nn::{
    AttentionMasks, Dropout, Embedding, Gru, Layer, LayerNorm, LearnedEncoding, Module, PositionConfig,
    RecurrentConfig, TransformerEncoder, TransformerStackConfig, scope,
};
use mapsto_tensor::{DType, Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`Sequence`]; what is left out has the value of [`SequenceConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceConfig {
    /// What reads histories.
    pub reader: Reader,
    /// The most items of a history that are read: the last ones.
    pub length: usize,
    /// Numbers of an item and of what was read.
    pub width: usize,
    /// Layers one upon the other.
    pub layers: usize,
    /// Heads of attention, which share the width evenly.
    pub heads: usize,
    /// Share of features and of weights of attention that is dropped.
    pub dropout: f64,
}

impl Default for SequenceConfig {
    fn default() -> SequenceConfig {
        SequenceConfig { reader: Reader::Attention, length: 50, width: 64, layers: 2, heads: 2, dropout: 0.2 }
    }
}

/// What reads histories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// A transformer's encoder in which each item sees those before it, with learned positions: SASRec.
    #[default]
    Attention,
    /// Gated recurrent units: GRU4Rec.
    Gru,
}

/// A vector of each item, a reader of histories of them whose outputs are the users, and a bias of each item. Item 0 is how every history
/// begins, so that a user of whom nothing is known has a vector, too.
#[derive(Module)]
pub struct Sequence {
    item_embedding: Embedding,
    item_bias: Embedding,
    dropout: Dropout,
    reader: Unit,
    norm: LayerNorm,
}

/// The reader.
#[derive(Module)]
enum Unit {
    Attention { positions: LearnedEncoding, encoder: TransformerEncoder },
    Gru { gru: Gru },
}

impl Sequence {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &SequenceConfig, shape: RecommendShape) -> Result<Sequence> {
        let SequenceConfig { reader, length, width, layers, heads, dropout } = *config;
        for (name, size) in [("length", length), ("width", width), ("layers", layers), ("heads", heads)] {
            check_size(name, size)?;
        }
        check_layers("layers", layers)?;
        check_positions(length, width)?;
        // What a product of two vectors comes to is about one at first.
        let item_embedding = unit_embedding(shape.items, width)?;
        let reader = match reader {
            Reader::Attention => {
                let stack = transformer_stack([width, heads, 2 * width], layers, dropout)?;
                let stack = TransformerStackConfig { norm: false, ..stack };
                Unit::Attention {
                    positions: LearnedEncoding::from_config(&PositionConfig::new(width, length).batch_first())?,
                    encoder: TransformerEncoder::from_config(&stack)?,
                }
            }
            Reader::Gru => {
                let between = if layers > 1 { dropout } else { 0.0 };
                let config = RecurrentConfig::new(width, width).num_layers(layers).dropout(between).batch_first();
                Unit::Gru { gru: Gru::from_config(&config)? }
            }
        };
        let (dropout, norm) = (Dropout::new(dropout)?, LayerNorm::new(width)?);
        Ok(Sequence { item_embedding, item_bias: biases(shape.items)?, dropout, reader, norm })
    }

    /// Users by their histories: see [`RecommendNet::users`](super::RecommendNet::users).
    ///
    /// # Errors
    /// Those of [`RecommendNet::users`](super::RecommendNet::users).
    #[track_caller]
    pub fn users(&self, items: &Tensor, lengths: &Tensor, places: &Tensor) -> Result<Side> {
        let _scope = scope(self);
        composed("Sequence", || {
            check_numbers("lengths", lengths)?;
            check_numbers("places", places)?;
            let &[histories, steps] = &items.shape()[..] else {
                return Err(Error::shape(format!("takes items [N, T], not {}", items.shape())));
            };
            if items.dtype() != DType::I64 || lengths.shape()[..] != [histories] {
                let what = format!("takes items [N, T] of i64 with lengths [N], not {}", items.shape());
                return Err(Error::shape(format!("{what} of {} with {}", items.dtype(), lengths.shape())));
            }
            let x = self.item_embedding.forward(items)?;
            let states = match &self.reader {
                Unit::Attention { positions, encoder } => {
                    let x = self.dropout.forward(&positions.forward(&x)?)?;
                    // What fills a history up stands behind it, where no item of it looks.
                    encoder.forward_masked(&x, &AttentionMasks::causal())?
                }
                Unit::Gru { gru } => gru.forward_packed(&self.dropout.forward(&x)?, lengths, None)?.0,
            };
            let all = states.reshape([histories * steps, states.shape()[2]])?;
            Ok(Side { vectors: self.norm.forward(&all.index_select(0, places)?)?, bias: None })
        })
    }

    /// Items: see [`RecommendNet::items`](super::RecommendNet::items).
    ///
    /// # Errors
    /// Those of [`RecommendNet::items`](super::RecommendNet::items).
    #[track_caller]
    pub fn items(&self, items: &Tensor) -> Result<Side> {
        let _scope = scope(self);
        composed("Sequence", || {
            check_numbers("items", items)?;
            let bias = self.item_bias.forward(items)?.squeeze(&[1])?;
            Ok(Side { vectors: self.item_embedding.forward(items)?, bias: Some(bias) })
        })
    }
}
