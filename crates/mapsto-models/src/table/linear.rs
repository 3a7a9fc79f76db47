//! Linear, logistic and softmax regression.

use super::{TableShape, check_columns, embedding, rows};
use mapsto_nn::{Embedding, Init, Layer, Linear, Module, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`LinearModel`]: there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearModelConfig {}

/// `y = x weightᵀ + bias`, plus for each column of categories a learned value for each code and output. With a squared loss
/// it is linear regression, with one output and binary cross-entropy logistic, with cross-entropy softmax regression. The
/// losses are convex, so all begins at zero.
#[derive(Module)]
pub struct LinearModel {
    linear: Linear,
    categories: Vec<Embedding>,
    #[module(skip)]
    input: TableShape,
}

impl LinearModel {
    /// For tables of these columns.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    pub(super) fn new(input: &TableShape, outputs: usize) -> Result<LinearModel> {
        let linear = Linear::new(input.numbers, outputs)?;
        [Some(&linear.weight), linear.bias.as_ref()]
            .into_iter()
            .flatten()
            .for_each(|param| param.set_init(Init::Zeros));
        let categories = input.categories.iter().map(|&codes| embedding(codes, outputs, Init::Zeros));
        Ok(LinearModel { linear, categories: categories.collect::<Result<_>>()?, input: input.clone() })
    }

    /// The outputs: see [`TableNet::forward`](super::TableNet::forward).
    ///
    /// # Errors
    /// Those of [`TableNet::forward`](super::TableNet::forward).
    #[track_caller]
    pub fn forward(&self, numbers: &Tensor, categories: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("Linear", || {
            check_columns(numbers, categories, &self.input)?;
            let y = self.linear.forward(numbers)?;
            rows(&self.categories, categories)?.iter().try_fold(y, |y, values| y.add(values))
        })
    }
}
