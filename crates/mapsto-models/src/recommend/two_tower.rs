//! Two towers (Yi et al., *Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations*, 2019): a network of users and
//! one of items, whose outputs meet in a product alone, so that items can be looked up by their vectors.

use super::{RecommendShape, Side, biases, check_numbers, rows};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Dropout, Embedding, Init, Layer, Linear, Module, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`TwoTower`]; what is left out has the value of [`TwoTowerConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TwoTowerConfig {
    /// Numbers of a user and of an item below the towers.
    pub embedding: usize,
    /// Widths of the hidden layers of each tower.
    pub hidden: Vec<usize>,
    /// Numbers of a user and of an item above them.
    pub width: usize,
    /// Share of each embedding's and hidden layer's features that is dropped.
    pub dropout: f64,
}

impl Default for TwoTowerConfig {
    fn default() -> TwoTowerConfig {
        TwoTowerConfig { embedding: 64, hidden: vec![64], width: 32, dropout: 0.0 }
    }
}

/// Two towers of linear layers with rectifiers between them on embeddings, and a bias of each user and item.
#[derive(Module)]
pub struct TwoTower {
    user: Tower,
    item: Tower,
}

impl TwoTower {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &TwoTowerConfig, shape: RecommendShape) -> Result<TwoTower> {
        check_layers("hidden", config.hidden.len())?;
        config.hidden.iter().try_for_each(|&width| check_size("hidden width", width))?;
        check_size("embedding", config.embedding)?;
        check_size("width", config.width)?;
        Ok(TwoTower { user: Tower::new(config, shape.users)?, item: Tower::new(config, shape.items)? })
    }

    /// Users: see [`RecommendNet::users`](super::RecommendNet::users).
    ///
    /// # Errors
    /// Those of [`RecommendNet::users`](super::RecommendNet::users).
    #[track_caller]
    pub fn users(&self, users: &Tensor) -> Result<Side> {
        let _scope = scope(self);
        composed("TwoTower", || check_numbers("users", users).and_then(|()| self.user.side(users)))
    }

    /// Items: see [`RecommendNet::items`](super::RecommendNet::items).
    ///
    /// # Errors
    /// Those of [`RecommendNet::items`](super::RecommendNet::items).
    #[track_caller]
    pub fn items(&self, items: &Tensor) -> Result<Side> {
        let _scope = scope(self);
        composed("TwoTower", || check_numbers("items", items).and_then(|()| self.item.side(items)))
    }
}

/// One tower.
#[derive(Module)]
struct Tower {
    embedding: Embedding,
    bias: Embedding,
    layers: Vec<Linear>,
    dropout: Dropout,
}

impl Tower {
    fn new(config: &TwoTowerConfig, count: usize) -> Result<Tower> {
        let mut layers = Vec::new();
        let mut i = config.embedding;
        for &o in config.hidden.iter().chain([&config.width]) {
            layers.push(Linear::new(i, o)?);
            i = o;
        }
        Ok(Tower {
            embedding: rows(count, config.embedding, Init::Normal { mean: 0.0, std: 1.0 })?,
            bias: biases(count)?,
            layers,
            dropout: Dropout::new(config.dropout)?,
        })
    }

    fn side(&self, numbers: &Tensor) -> Result<Side> {
        let _scope = scope(self);
        let mut x = self.embedding.forward(numbers)?;
        for (place, layer) in self.layers.iter().enumerate() {
            let below = if place > 0 { x.relu()? } else { x };
            x = layer.forward(&self.dropout.forward(&below)?)?;
        }
        // The layers' biases would make something of the unknown.
        let known = numbers.ne(0)?.to_dtype(x.dtype())?.unsqueeze(1)?;
        Ok(Side { vectors: x.mul(known)?, bias: Some(self.bias.forward(numbers)?.squeeze(&[1])?) })
    }
}
