//! Convolutions over texts (Kim, *Convolutional Neural Networks for Sentence Classification*, 2014).

use super::TextShape;
use super::mask::{before, check_texts};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Conv1d, ConvConfig, Dropout, Embedding, Init, Layer, Linear, Module, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`TextCnn`]; what is left out has the value of [`TextCnnConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextCnnConfig {
    /// Numbers of a token.
    pub embedding: usize,
    /// Tokens that the filters of a kind see at a time.
    pub widths: Vec<usize>,
    /// Filters of each width.
    pub filters: usize,
    /// Share of the features that is dropped.
    pub dropout: f64,
}

impl Default for TextCnnConfig {
    fn default() -> TextCnnConfig {
        TextCnnConfig { embedding: 128, widths: vec![3, 4, 5], filters: 100, dropout: 0.5 }
    }
}

/// Filters of several widths, of each the greatest answer in the text, and a linear layer. Before and behind a text lie as many
/// zeros as a filter can see. Embeddings begin uniform within 0.25, as Kim's do.
#[derive(Module)]
pub struct TextCnn {
    embedding: Embedding,
    convolutions: Vec<Conv1d>,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    widths: Vec<usize>,
}

impl TextCnn {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &TextCnnConfig, input: TextShape, classes: usize) -> Result<TextCnn> {
        let TextCnnConfig { embedding: size, widths, filters, dropout } = config;
        check_size("embedding", *size)?;
        check_size("filters", *filters)?;
        check_size("the number of widths", widths.len())?;
        check_layers("widths", widths.len())?;
        widths.iter().try_for_each(|&width| check_size("a width", width))?;
        let embedding = Embedding::new(input.tokens, *size)?;
        embedding.weight.set_init(Init::symmetric(0.25));
        let convolution = |&width| Conv1d::from_config(&ConvConfig::new(*size, *filters, width).padding(width - 1));
        Ok(TextCnn {
            embedding,
            convolutions: widths.iter().map(convolution).collect::<Result<_>>()?,
            dropout: Dropout::new(*dropout)?,
            head: Linear::new(filters.saturating_mul(widths.len()), classes)?,
            widths: widths.clone(),
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
        composed("TextCnn", || {
            check_texts(tokens, lengths)?;
            let x = self.embedding.forward(tokens)?;
            let held = before(lengths, x.shape()[1])?.unsqueeze(2)?.to_dtype(x.dtype())?;
            let x = x.mul(held)?.transpose(1, 2)?;
            let mut features = Vec::new();
            for (convolution, width) in self.convolutions.iter().zip(&self.widths) {
                let answers = convolution.forward(&x)?.relu()?;
                // Windows that see the text; no answer is less than the zero of the others.
                let seen = before(&lengths.add(*width as i64 - 1)?, answers.shape()[2])?.unsqueeze(1)?;
                features.push(answers.mul(seen.to_dtype(answers.dtype())?)?.max_axes(&[2], false)?);
            }
            let features = Tensor::concat(&features.iter().collect::<Vec<_>>(), 1)?;
            self.head.forward(&self.dropout.forward(&features)?)
        })
    }
}
