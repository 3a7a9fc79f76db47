//! What decides how speech is learned to be said.

use crate::error::TaskError;
use mapsto_data::{LogMel, Spectrograph};
use mapsto_models::SynthesisModel;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The longest that a sound may be, in seconds.
const LONGEST: f64 = 120.0;

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynthesizeConfig {
    /// A table of paths and texts, folders with files `*.trans.txt`, or a folder of sounds for each word.
    pub data: PathBuf,
    /// The only speaker that is learned from; all of them if empty.
    pub speaker: String,
    /// Seconds that a sound may last.
    pub seconds: f64,
    /// Texts are written in small letters.
    pub lowercase: bool,
    /// Sounds that cannot be read or learned from are passed over.
    pub skip_bad: bool,
    /// Megabytes of sounds that are kept in memory.
    pub cache_mb: usize,
    /// What is made of a sound, and a sound of.
    pub features: LogMel,
    /// The network.
    pub model: SynthesisModel,
}

impl SynthesizeConfig {
    /// Says which setting cannot be.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        if !(self.seconds > 0.0 && self.seconds <= LONGEST) {
            let value = self.seconds;
            return Err(TaskError::Input(format!("seconds is {value}, it must be above 0 and at most {LONGEST}")));
        }
        Spectrograph::new(&self.features).map(|_| ()).map_err(TaskError::input)
    }
}
