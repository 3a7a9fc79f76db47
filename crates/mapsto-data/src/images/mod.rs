//! Pictures: files, folders, changes by chance.

mod arrays;
mod augment;
mod decode;
mod inspect;
mod mix;
mod normalise;
mod numpy;
mod set;

pub(crate) use augment::draw;
pub use augment::{AugmentError, Augmentation, Fill, Interpolation, Padding, Policy, Preset, Step};
pub use decode::{Channels, Picture};
pub use inspect::{ImageFinding, ImageInspection};
pub use mix::{Mix, MixError};
pub use normalise::Normalisation;
pub use set::{ImageSamples, ImageSet, Sample};

use crate::files::{ClassFolder, FileError, FileKind, Part};
use crate::idx::IdxError;
use std::io;
use std::path::PathBuf;

/// Pictures, as a kind of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {}

impl FileKind for Pictures {
    const ONE: &'static str = "picture";
    const MANY: &'static str = "pictures";
    const EXTENSIONS: &'static [&'static str] = &["png", "jpg", "jpeg", "bmp", "webp", "pgm", "ppm", "pnm"];
    const COLUMNS: &'static [&'static str] = &["image", "image_path", "picture", "img"];
}

/// Folders of pictures, one for each class; perhaps inside folders `train`, `validation` and `test`.
pub type ImageFolder = ClassFolder<Pictures>;

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
    /// Pictures that could not be listed.
    #[error(transparent)]
    Files(#[from] FileError),
    /// An IDX file that is none.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// An archive of NumPy's that is none, or damaged.
    #[error(transparent)]
    Numpy(mapsto_formats::FormatError),
    /// An IDX file of pictures without its labels.
    #[error("{} has no labels: {labels} should be beside it", path.display())]
    NoLabels {
        /// The pictures.
        path: PathBuf,
        /// The name that the labels should have.
        labels: String,
    },
    /// Arrays that are something else than pictures and labels.
    #[error("{}: {what}", path.display())]
    Array {
        /// The pictures.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An index that a set does not have.
    #[error("there is no picture {index}: the set has {pictures}, counted from 0")]
    NoItem {
        /// The index.
        index: usize,
        /// Number of pictures.
        pictures: usize,
    },
    /// A picture that an augmentation cannot change.
    #[error("{name}: {source}")]
    Augment {
        /// What the picture is called.
        name: String,
        /// The reason.
        source: AugmentError,
    },
    /// A picture that does not fit to means or to memory.
    #[error("a picture of {shape:?} (channels, height, width) does not fit to {means} means and {numbers} numbers")]
    Size {
        /// Channels, height, width.
        shape: [usize; 3],
        /// Number of means.
        means: usize,
        /// Numbers that there is room for.
        numbers: usize,
    },
}
