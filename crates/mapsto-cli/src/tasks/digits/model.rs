//! The network that reads digits.

use mapsto_data::Digits;
use mapsto_nn::{BatchNorm2d, Conv2d, ConvConfig, Dropout, Flatten, Linear, MaxPool2d, Relu, Sequential, sequential};
use mapsto_tensor::Result;
use serde::{Deserialize, Serialize};

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Channels of the first convolution; the others have twice as many.
    pub channels: usize,
    /// The share of features that is dropped before the last layer.
    pub dropout: f64,
}

impl Default for NetworkConfig {
    fn default() -> NetworkConfig {
        NetworkConfig { channels: 32, dropout: 0.3 }
    }
}

impl NetworkConfig {
    /// Three convolutions with batch norm and ReLU, max-pooling after the second and the third, a linear layer:
    /// `[N, 1, 8, 8]` to logits `[N, 10]`.
    pub fn build(&self) -> Result<Sequential> {
        let (first, more) = (self.channels, self.channels.saturating_mul(2));
        let block = |from, to| -> Result<Sequential> {
            let conv = Conv2d::from_config(&ConvConfig::new(from, to, 3).padding(1).no_bias())?;
            Ok(sequential![conv, BatchNorm2d::new(to)?, Relu])
        };
        let features = more.saturating_mul(Digits::HEIGHT / 4 * (Digits::WIDTH / 4));
        Ok(sequential![
            block(1, first)?,
            block(first, more)?,
            MaxPool2d::new(2)?,
            block(more, more)?,
            MaxPool2d::new(2)?,
            Flatten::default(),
            Dropout::new(self.dropout)?,
            Linear::new(features, Digits::CLASSES)?,
        ])
    }
}
