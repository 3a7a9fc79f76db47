//! Sounds: files, folders, features, changes by chance.

mod augment;
mod griffin_lim;
mod inspect;
mod inspect_utterances;
mod mel;
mod pitch;
mod read;
mod resample;
mod spec_augment;
mod spectrograph;
mod stft;
mod stream;
mod utterances;
mod vorbis;
mod write;

pub use augment::{SoundAugmentation, SoundStep};
pub use griffin_lim::GriffinLim;
pub use inspect::{SoundFinding, SoundInspection};
pub use inspect_utterances::UtteranceInspection;
pub use mel::{MelNorm, MelScale};
pub use read::Sound;
pub use spec_augment::SpecAugment;
pub use spectrograph::{Log, LogMel, Mfcc, Spectrogram, Spectrograph};
pub use stream::SpectrogramStream;
pub use utterances::Utterance;

use crate::files::{ClassFolder, FileError, FileKind};
use crate::text::TextError;
use std::io;
use std::path::PathBuf;

/// Samples of a second, at most.
const FASTEST: u32 = 1_000_000;
/// Samples of a sound, at most: those of one and a half hours at 48 kHz.
const MOST: usize = 1 << 28;

/// Sounds, as a kind of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sounds {}

impl FileKind for Sounds {
    const ONE: &'static str = "sound";
    const MANY: &'static str = "sounds";
    const EXTENSIONS: &'static [&'static str] = &["wav", "wave", "flac", "ogg", "oga"];
    const COLUMNS: &'static [&'static str] = &["sound", "sound_path", "audio", "audio_path", "wav"];
}

/// Folders of sounds, one for each class; perhaps inside folders `train`, `validation` and `test`.
pub type SoundFolder = ClassFolder<Sounds>;

/// Why sounds could not be read, or turned into features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that is no sound, or a damaged or empty one.
    #[error("{} is no whole sound: {why}", path.display())]
    Sound {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Sounds that could not be listed.
    #[error(transparent)]
    Files(#[from] FileError),
    /// A table of sounds and what is said in them that cannot be read.
    #[error(transparent)]
    Texts(#[from] TextError),
    /// A transcript that is wrong.
    #[error("{place}: {what}")]
    Transcript {
        /// The row or line.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// A folder without sounds of which it is known what is said.
    #[error(
        "{} has no sounds with what is said in them: give a table with the columns path and text, folders with files *.trans.txt \
         beside sounds, or a folder of sounds for each word",
        path.display()
    )]
    NoUtterances {
        /// The folder.
        path: PathBuf,
    },
    /// A setting that makes no sense.
    #[error("sound: {setting} {domain}, not {got}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        got: String,
        /// What it may be.
        domain: String,
    },
    /// A sound with another number of samples a second than the features are for.
    #[error("a sound of {got} samples a second is not for features of {wanted}: resample it")]
    Rate {
        /// The sound's.
        got: u32,
        /// The features'.
        wanted: u32,
    },
    /// What no sound can be made of.
    #[error("no sound can be made of this: {0}")]
    NoInverse(String),
    /// A sound without samples.
    #[error("a sound without samples has no features")]
    Empty,
    /// A result that would take more than a gigabyte.
    #[error("{samples} samples are too many for {what}: cut the sound into pieces")]
    TooLong {
        /// The sound's.
        samples: usize,
        /// What was asked for.
        what: String,
    },
}

/// Fails with the setting's name and value unless it is sensible.
fn check(
    sensible: bool,
    setting: &'static str,
    got: impl ToString,
    domain: impl Into<String>,
) -> Result<(), SoundError> {
    if sensible {
        return Ok(());
    }
    Err(SoundError::Setting { setting, got: got.to_string(), domain: domain.into() })
}
