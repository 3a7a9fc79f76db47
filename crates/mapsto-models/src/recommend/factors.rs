//! Biased matrix factorisation (Koren, Bell and Volinsky, *Matrix Factorization Techniques for Recommender Systems*, 2009).

use super::{RecommendShape, Side, biases, check_numbers, rows};
use crate::parts::check_size;
use mapsto_nn::{Embedding, Init, Layer, Module, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`Factors`]; what is left out has the value of [`FactorsConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FactorsConfig {
    /// Numbers of a user and of an item.
    pub width: usize,
}

impl Default for FactorsConfig {
    fn default() -> FactorsConfig {
        FactorsConfig { width: 64 }
    }
}

/// A vector and a bias of each user and each item: `b_u + b_i + p_u · q_i`.
#[derive(Module)]
pub struct Factors {
    user_embedding: Embedding,
    item_embedding: Embedding,
    user_bias: Embedding,
    item_bias: Embedding,
}

impl Factors {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &FactorsConfig, shape: RecommendShape) -> Result<Factors> {
        check_size("width", config.width)?;
        let small = || Init::Normal { mean: 0.0, std: 0.1 };
        Ok(Factors {
            user_embedding: rows(shape.users, config.width, small())?,
            item_embedding: rows(shape.items, config.width, small())?,
            user_bias: biases(shape.users)?,
            item_bias: biases(shape.items)?,
        })
    }

    /// Users: see [`RecommendNet::users`](super::RecommendNet::users).
    ///
    /// # Errors
    /// Those of [`RecommendNet::users`](super::RecommendNet::users).
    #[track_caller]
    pub fn users(&self, users: &Tensor) -> Result<Side> {
        let _scope = scope(self);
        composed("Factors", || side("users", users, &self.user_embedding, &self.user_bias))
    }

    /// Items: see [`RecommendNet::items`](super::RecommendNet::items).
    ///
    /// # Errors
    /// Those of [`RecommendNet::items`](super::RecommendNet::items).
    #[track_caller]
    pub fn items(&self, items: &Tensor) -> Result<Side> {
        let _scope = scope(self);
        composed("Factors", || side("items", items, &self.item_embedding, &self.item_bias))
    }
}

fn side(what: &str, numbers: &Tensor, vectors: &Embedding, bias: &Embedding) -> Result<Side> {
    check_numbers(what, numbers)?;
    Ok(Side { vectors: vectors.forward(numbers)?, bias: Some(bias.forward(numbers)?.squeeze(&[1])?) })
}
