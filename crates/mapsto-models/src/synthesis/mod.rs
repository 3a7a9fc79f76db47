//! Models that speak: tokens `[N, T]` to bands of spectrograms `[N, F, bands]`, and the registry that builds one by its settings.

mod align;
pub mod parallel;

pub use parallel::{Losses, Parallel, ParallelConfig, Spoken};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_tensor::{Result, composed};
use serde::{Deserialize, Serialize};

/// What a model reads and says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynthesisShape {
    /// How many tokens there are.
    pub tokens: usize,
    /// Bands of a spectrogram.
    pub bands: usize,
}

/// An architecture that speaks and its settings, as it is saved with the weights: a table with the key `architecture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum SynthesisModel {
    /// See [`Parallel`].
    Parallel(ParallelConfig),
}

named! { SynthesisModel:
    "parallel" => SynthesisModel::Parallel(ParallelConfig::default()),
}

impl SynthesisModel {
    /// The network, whose parameters have no values yet: [`Module::init`](mapsto_nn::Module::init) or a saved state gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, shape: SynthesisShape) -> Result<Parallel> {
        composed("Parallel", || {
            check_size("the number of tokens", shape.tokens)?;
            check_size("the number of bands", shape.bands)?;
            let SynthesisModel::Parallel(config) = self;
            check_parameters(Parallel::new(config, shape)?)
        })
    }
}
