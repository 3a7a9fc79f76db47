//! Pictures: files, folders, changes by chance.

mod arrays;
mod augment;
mod decode;
mod folder;
mod inspect;
mod list;
mod mix;
mod normalise;
mod numpy;
mod set;

pub use crate::folders::Part;
pub use augment::{AugmentError, Augmentation, Fill, Interpolation, Padding, Policy, Preset, Step};
pub use decode::{Channels, Picture};
pub use folder::{ImageFolder, Item};
pub use inspect::{ImageFinding, ImageInspection};
pub use list::ListColumns;
pub use mix::{Mix, MixError};
pub use normalise::Normalisation;
pub use set::{ImageSamples, ImageSet, Sample};

use crate::folders::Unreadable;
use crate::idx::IdxError;
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
    /// A table of pictures without a column that it needs.
    #[error("{}: no column has {missing}; there are {}", path.display(), quoted(names))]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// What the column would hold.
        missing: String,
        /// Columns that there are.
        names: Vec<String>,
    },
    /// A line of a table of pictures that is wrong.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A table of pictures with names alone.
    #[error("{} lists no pictures: there is a line of names and nothing else", path.display())]
    EmptyList {
        /// The table.
        path: PathBuf,
    },
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

impl From<Unreadable> for ImageError {
    fn from(Unreadable { path, source }: Unreadable) -> ImageError {
        ImageError::Io { path, source }
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
