//! Models that tell what is said, features `[N, 1, rows, frames]` to log-probabilities of symbols at each step, and the registry that
//! builds one by its settings.

pub mod deep_speech;
mod stream;

pub use deep_speech::{DeepSpeech, DeepSpeechConfig};
pub use stream::SpeechStream;

use crate::audio::AudioShape;
use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_tensor::{Result, composed};
use serde::{Deserialize, Serialize};

/// An architecture for speech and its settings, as it is saved with the weights: a table with the key `architecture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum SpeechModel {
    /// See [`DeepSpeech`].
    DeepSpeech(DeepSpeechConfig),
    /// The same that never looks ahead: see [`DeepSpeech`] and [`SpeechStream`].
    Streaming(DeepSpeechConfig),
}

named! { SpeechModel:
    "deepspeech" => SpeechModel::DeepSpeech(DeepSpeechConfig::default()),
    "streaming" => SpeechModel::Streaming(DeepSpeechConfig::default()),
}

impl SpeechModel {
    /// The network for features of these rows, whose parameters have no values yet: [`mapsto_nn::Module::init`] or a saved state gives them. Of its
    /// symbols, number 0 is CTC's blank.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, input: AudioShape, symbols: usize) -> Result<DeepSpeech> {
        let (name, config, is_causal) = match self {
            SpeechModel::DeepSpeech(config) => ("DeepSpeech", config, false),
            SpeechModel::Streaming(config) => ("Streaming", config, true),
        };
        composed(name, || {
            check_size("the number of rows", input.rows)?;
            check_size("the number of symbols", symbols)?;
            check_parameters(DeepSpeech::new(config, input, symbols, is_causal)?)
        })
    }

    /// The name of the last layer in the network's tree, the one that has an output for each symbol.
    pub fn head_prefix(&self) -> &'static str {
        "head"
    }
}
