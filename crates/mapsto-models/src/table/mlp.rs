//! A multilayer perceptron with embeddings of categories (Guo and Berkhahn, *Entity Embeddings of Categorical Variables*,
//! 2016; Gorishniy et al., *Revisiting Deep Learning Models for Tabular Data*, 2021).

use super::{TableShape, check_columns, embedding, rows};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{BatchNorm1d, Dropout, Embedding, Init, Layer, LayerNorm, Linear, Module, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The widest embedding that the rule gives.
const WIDEST: usize = 50;

/// Settings of [`Mlp`]; what is left out has the value of [`MlpConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// Share of each hidden layer's features that is dropped.
    pub dropout: f64,
    /// What each hidden layer's features are normalised by, before the activation.
    pub norm: Norm,
    /// Whether a hidden layer adds to its input, where both have one width.
    pub residual: bool,
    /// Width of every embedding; if none, `min(50, (n + 1) / 2)` for a column of `n` codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_width: Option<usize>,
}

impl Default for MlpConfig {
    fn default() -> MlpConfig {
        MlpConfig {
            hidden: vec![100],
            activation: Activation::Relu,
            dropout: 0.2,
            norm: Norm::None,
            residual: false,
            embedding_width: None,
        }
    }
}

/// What follows a hidden layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The rectifier.
    #[default]
    Relu,
    /// The Gaussian error linear unit.
    Gelu,
    /// The sigmoid linear unit.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    #[track_caller]
    fn of(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => x.relu(),
            Activation::Gelu => x.gelu(),
            Activation::Silu => x.silu(),
            Activation::Tanh => x.tanh(),
        }
    }
}

/// What the features of a hidden layer are normalised by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Nothing.
    #[default]
    None,
    /// Each feature's statistics over the batch.
    Batch,
    /// Each row's own statistics.
    Layer,
}

/// Embeddings of the categories beside the numbers, hidden layers, and a last linear layer. Embeddings begin uniform within
/// `1 / sqrt(width)`, as Gorishniy's do, that of the unknown at zero; linear layers by their own rule.
#[derive(Module)]
pub struct Mlp {
    embeddings: Vec<Embedding>,
    layers: Vec<Hidden>,
    head: Linear,
    #[module(skip)]
    input: TableShape,
}

impl Mlp {
    /// By its settings, for tables of these columns.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &MlpConfig, input: &TableShape, outputs: usize) -> Result<Mlp> {
        check_layers("hidden", config.hidden.len())?;
        config.hidden.iter().try_for_each(|&width| check_size("hidden width", width))?;
        config.embedding_width.map_or(Ok(()), |width| check_size("embedding_width", width))?;
        let (mut embeddings, mut i) = (Vec::new(), input.numbers);
        for &codes in &input.categories {
            let width = config.embedding_width.unwrap_or(codes.div_ceil(2).min(WIDEST));
            embeddings.push(embedding(codes, width, Init::symmetric(1.0 / (width as f64).sqrt()))?);
            i = i.saturating_add(width);
        }
        let mut layers = Vec::new();
        for &o in &config.hidden {
            layers.push(Hidden::new(config, i, o)?);
            i = o;
        }
        Ok(Mlp { embeddings, layers, head: Linear::new(i, outputs)?, input: input.clone() })
    }

    /// The outputs: see [`TableNet::forward`](super::TableNet::forward).
    ///
    /// # Errors
    /// Those of [`TableNet::forward`](super::TableNet::forward).
    #[track_caller]
    pub fn forward(&self, numbers: &Tensor, categories: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("MLP", || {
            check_columns(numbers, categories, &self.input)?;
            let mut parts = rows(&self.embeddings, categories)?;
            parts.insert(0, numbers.clone());
            let mut x = Tensor::concat(&parts.iter().collect::<Vec<_>>(), 1)?;
            for layer in &self.layers {
                x = layer.forward(&x)?;
            }
            self.head.forward(&x)
        })
    }
}

/// A hidden layer.
#[derive(Module)]
struct Hidden {
    linear: Linear,
    norm: Option<Box<dyn Layer>>,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
    residual: bool,
}

impl Hidden {
    fn new(config: &MlpConfig, i: usize, o: usize) -> Result<Hidden> {
        let norm: Option<Box<dyn Layer>> = match config.norm {
            Norm::None => None,
            Norm::Batch => Some(Box::new(BatchNorm1d::new(o)?)),
            Norm::Layer => Some(Box::new(LayerNorm::new(o)?)),
        };
        Ok(Hidden {
            linear: Linear::new(i, o)?,
            norm,
            dropout: Dropout::new(config.dropout)?,
            activation: config.activation,
            residual: config.residual && i == o,
        })
    }
}

impl Layer for Hidden {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let mut y = self.linear.forward(x)?;
        if let Some(norm) = &self.norm {
            y = norm.forward(&y)?;
        }
        y = self.dropout.forward(&self.activation.of(&y)?)?;
        if self.residual { y.add(x) } else { Ok(y) }
    }
}
