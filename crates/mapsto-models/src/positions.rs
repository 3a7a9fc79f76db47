//! What tells a transformer the places of tokens.

use crate::parts::check_positions;
use mapsto_nn::{LearnedEncoding, Module, PositionConfig, SinusoidalEncoding};
use mapsto_tensor::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// What tells a transformer the places of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Waves.
    #[default]
    Sinusoidal,
    /// A vector for each place, learned.
    Learned,
}

/// The layer of one of them.
#[derive(Module)]
pub(crate) enum Encoding {
    Sinusoidal(SinusoidalEncoding),
    Learned(LearnedEncoding),
}

impl Encoding {
    /// For so many places.
    pub fn new(positions: Positions, width: usize, length: usize) -> Result<Encoding> {
        check_positions(length, width)?;
        let config = PositionConfig::new(width, length).batch_first();
        Ok(match positions {
            Positions::Sinusoidal => Encoding::Sinusoidal(SinusoidalEncoding::from_config(&config)?),
            Positions::Learned => Encoding::Learned(LearnedEncoding::from_config(&config)?),
        })
    }

    /// Adds the positions from `first` on to `x`, `[N, T, E]`.
    pub fn forward_from(&self, x: &Tensor, first: usize) -> Result<Tensor> {
        match self {
            Encoding::Sinusoidal(encoding) => encoding.forward_from(x, first),
            Encoding::Learned(encoding) => encoding.forward_from(x, first),
        }
    }
}
