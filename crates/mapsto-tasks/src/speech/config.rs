//! What decides how speech is heard and learned.

use super::decoding::Decoding;
use crate::error::TaskError;
use crate::sounds::Change;
use mapsto_data::{LogMel, SoundStep, SpecAugment, Spectrograph, TokenKind};
use mapsto_models::SpeechModel;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The longest that a sound may be, in seconds.
const LONGEST: f64 = 3600.0;
/// The most symbols that are learned.
const MOST_SYMBOLS: usize = 1 << 20;

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechConfig {
    /// A table of paths and texts, folders with files `*.trans.txt`, or a folder of sounds for each word.
    pub data: PathBuf,
    /// Seconds that a sound may last, unless it is heard piece by piece.
    pub seconds: f64,
    /// What symbols are, in which texts are written.
    pub tokens: TokenKind,
    /// The most symbols that are learned.
    pub vocabulary: usize,
    /// Texts are written in small letters.
    pub lowercase: bool,
    /// A file of weights to begin with, all but the last layer's; none if empty.
    pub pretrained: PathBuf,
    /// Sounds that cannot be read or learned from are passed over.
    pub skip_bad: bool,
    /// Megabytes of sounds that are kept in memory.
    pub cache_mb: usize,
    /// How symbols become a text.
    pub decoding: Decoding,
    /// What is made of a sound.
    pub features: LogMel,
    /// The network.
    pub model: SpeechModel,
    /// What is hidden of it in training.
    pub masks: SpecAugment,
    /// How sounds are changed at random in training.
    pub steps: Vec<SoundStep>,
}

impl SpeechConfig {
    /// Says which setting cannot be.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        let wrong = |setting: &str, value: String, wanted: String| {
            Err(TaskError::Input(format!("{setting} is {value}, it must be {wanted}")))
        };
        if !(self.seconds > 0.0 && self.seconds <= LONGEST) {
            return wrong("seconds", self.seconds.to_string(), format!("above 0 and at most {LONGEST}"));
        }
        if !(1..=MOST_SYMBOLS).contains(&self.vocabulary) {
            return wrong("vocabulary", self.vocabulary.to_string(), format!("from 1 to {MOST_SYMBOLS}"));
        }
        self.decoding.check()?;
        Spectrograph::new(&self.features).map_err(TaskError::input)?;
        Change::new(&self.steps, &self.masks).map(|_| ())
    }

    /// Why a sound of so many seconds is too long, if it is.
    pub(super) fn too_long(&self, seconds: f64) -> Option<String> {
        let most = self.seconds;
        (seconds > most)
            .then(|| format!("it lasts {seconds:.1} seconds, more than {most} (seconds): cut it into utterances"))
    }
}
