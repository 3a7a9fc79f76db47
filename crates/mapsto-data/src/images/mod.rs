//! Pictures: files, folders, changes by chance.

mod augment;
mod decode;
mod folder;
mod inspect;
mod mix;

pub use augment::{AugmentError, Augmentation, Fill, Interpolation, Padding, Policy, Preset, Step};
pub use decode::{Channels, Picture};
pub use folder::{ImageFolder, Item, Part};
pub use inspect::{ImageFinding, ImageInspection};
pub use mix::{Mix, MixError};

use std::io;
use std::path::PathBuf;

/// Why pictures could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that is no picture, or a damaged one.
    #[error("{} is no whole picture: {why}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        why: String,
    },
    /// A folder without pictures in folders.
    #[error("{} has no pictures in folders: put those of each class into a folder of its own ({})", path.display(), folder::EXTENSIONS.join(", "))]
    NoPictures {
        /// The folder.
        path: PathBuf,
    },
    /// A class that is not where the network learns.
    #[error("{}: class {class:?} has no pictures to train on", path.display())]
    NotTrained {
        /// The folder.
        path: PathBuf,
        /// The class.
        class: String,
    },
}
