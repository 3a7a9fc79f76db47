//! Models of sounds, features `[N, 1, rows, frames]` and how many frames of each sound are its own to `[N, classes]`, and the registry
//! that builds one by its settings.

pub mod keyword_cnn;
pub(crate) mod mask;
pub mod mel_cnn;

pub use keyword_cnn::{KeywordCnn, KeywordCnnConfig};
pub use mel_cnn::{MelCnn, MelCnnConfig};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::Module;
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The features that a model takes; of frames it takes any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioShape {
    /// Numbers of a frame: bands of a mel spectrogram, or cepstral coefficients.
    pub rows: usize,
}

/// An architecture for sounds and its settings, as it is saved with the weights: a table with the key `architecture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum AudioModel {
    /// See [`MelCnn`].
    MelCnn(MelCnnConfig),
    /// See [`KeywordCnn`].
    KeywordCnn(KeywordCnnConfig),
}

named! { AudioModel:
    "mel_cnn" => AudioModel::MelCnn(MelCnnConfig::default()),
    "keyword_cnn" => AudioModel::KeywordCnn(KeywordCnnConfig::default()),
}

impl AudioModel {
    /// The network for features of these rows, whose parameters have no values yet: [`Module::init`] or a saved state gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, input: AudioShape, classes: usize) -> Result<AudioNet> {
        composed(self.kind(), || {
            check_size("the number of rows", input.rows)?;
            check_size("the number of classes", classes)?;
            check_parameters(match self {
                AudioModel::MelCnn(config) => AudioNet::MelCnn(MelCnn::new(config, input, classes)?),
                AudioModel::KeywordCnn(config) => AudioNet::KeywordCnn(KeywordCnn::new(config, input, classes)?),
            })
        })
    }

    /// The name of the last layer in the network's tree, the one that has an output for each class.
    pub fn head_prefix(&self) -> &'static str {
        "head"
    }

    /// The name of the architecture in errors.
    fn kind(&self) -> &'static str {
        match self {
            AudioModel::MelCnn(_) => "MelCnn",
            AudioModel::KeywordCnn(_) => "KeywordCnn",
        }
    }
}

/// A network for sounds.
#[derive(Module)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it is not moved about")]
pub enum AudioNet {
    /// Convolutions of a spectrogram.
    MelCnn(MelCnn),
    /// A small one, of depthwise-separable convolutions.
    KeywordCnn(KeywordCnn),
}

impl AudioNet {
    /// The logits `[N, classes]` of features `[N, 1, rows, frames]` of `f32` and how many frames of each sound are its own, `[N]` of
    /// `i64`, at least 1; what follows them is not heard.
    ///
    /// An evaluating network gives a sound the same logits, but for rounding, whatever it is padded with and to which length. While
    /// training, batch normalisation counts what it makes of the padding in its means and variances: sounds of about one length in a
    /// batch keep that small.
    ///
    /// # Errors
    /// Other shapes or types.
    #[track_caller]
    pub fn forward(&self, features: &Tensor, frames: &Tensor) -> Result<Tensor> {
        match self {
            AudioNet::MelCnn(network) => network.forward(features, frames),
            AudioNet::KeywordCnn(network) => network.forward(features, frames),
        }
    }
}
