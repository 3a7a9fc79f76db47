//! Bags of words: which tokens a text has and how often, whatever their order (Joulin et al., *Bag of Tricks for Efficient Text
//! Classification*, 2017), weighted by tf-idf (Salton and Buckley, *Term-weighting approaches in automatic text retrieval*, 1988).

use super::TextShape;
use super::mask::check_texts;
use crate::parts::check_size;
use mapsto_nn::{Buffer, Dropout, Embedding, Init, Layer, Linear, Module, scope};
use mapsto_tensor::{DType, Result, Tensor, composed};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Settings of [`TextBag`]; what is left out has the value of [`TextBagConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextBagConfig {
    /// Numbers of a token.
    pub embedding: usize,
    /// Share of the features that is dropped.
    pub dropout: f64,
}

impl Default for TextBagConfig {
    fn default() -> TextBagConfig {
        TextBagConfig { embedding: 128, dropout: 0.7 }
    }
}

/// The sum of the vectors of a text's tokens, by their weights, and a linear layer. A token that stands in a text `c` times weighs `(1 + ln c)`
/// times its inverse document frequency; the weights of a text have the length 1.
#[derive(Module)]
pub struct TextBag {
    embedding: Embedding,
    /// The inverse document frequency of each token, `[tokens]`: one before it is learned.
    idf: Buffer,
    dropout: Dropout,
    head: Linear,
}

impl TextBag {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &TextBagConfig, input: TextShape, classes: usize) -> Result<TextBag> {
        check_size("embedding", config.embedding)?;
        let embedding = Embedding::new(input.tokens, config.embedding)?;
        embedding.weight.set_init(Init::Normal { mean: 0.0, std: 0.1 });
        Ok(TextBag {
            embedding,
            idf: Buffer::new([input.tokens], Init::Ones, DType::F32)?,
            dropout: Dropout::new(config.dropout)?,
            head: Linear::new(config.embedding, classes)?,
        })
    }

    pub(super) fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// Learns how much each token tells: `ln((1 + n) / (1 + df)) + 1`, where `df` of `n` texts have it, as scikit-learn does.
    ///
    /// # Errors
    /// Not a count for each token.
    pub fn set_document_frequencies(&self, documents: &[u32], texts: usize) -> Result<()> {
        let idf = |&having: &u32| ((1.0 + texts as f64) / (1.0 + f64::from(having))).ln() as f32 + 1.0;
        self.idf.set(&Tensor::from_vec(documents.iter().map(idf).collect(), [documents.len()])?)
    }

    /// The weight of each place, `[N, T]`, zero behind a text: a token's, in equal parts where it stands several times.
    fn weights(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let shape = *tokens.shape();
        let idf = self.idf.get()?.to_vec::<f32>()?;
        let (tokens, lengths) = (tokens.to_vec::<i64>()?, lengths.to_vec::<i64>()?);
        let mut weights = vec![0.0; tokens.len()];
        let texts = tokens.chunks(shape[1].max(1)).zip(weights.chunks_mut(shape[1].max(1)));
        for ((text, weights), &length) in texts.zip(&lengths) {
            let text = &text[..length as usize];
            let mut counts = HashMap::new();
            text.iter().for_each(|&token| *counts.entry(token).or_insert(0.0) += 1.0);
            let mut square = 0.0;
            for (weight, token) in weights.iter_mut().zip(text) {
                let count: f64 = counts[token];
                // A number that no token has is for the embedding to refuse.
                let idf = usize::try_from(*token).ok().and_then(|token| idf.get(token)).copied().unwrap_or(1.0);
                *weight = f64::from(idf) * (1.0 + count.ln()) / count;
                square += *weight * *weight * count;
            }
            weights.iter_mut().for_each(|weight| *weight /= square.sqrt());
        }
        Tensor::from_vec(weights.into_iter().map(|weight| weight as f32).collect(), shape)
    }

    /// The outputs: see [`TextNet::forward`](super::TextNet::forward).
    ///
    /// # Errors
    /// Those of [`TextNet::forward`](super::TextNet::forward).
    #[track_caller]
    pub fn forward(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("TextBag", || {
            check_texts(tokens, lengths)?;
            let weights = self.weights(tokens, lengths)?.unsqueeze(1)?;
            let x = weights.matmul(&self.embedding.forward(tokens)?)?.squeeze(&[1])?;
            self.head.forward(&self.dropout.forward(&x)?)
        })
    }
}
