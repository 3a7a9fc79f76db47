//! What can be wrong with series.

use crate::folders::Unreadable;
use crate::table::TableError;
use std::io;
use std::path::PathBuf;

/// Why series could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A table that cannot be read, or lacks a column.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A line or row that is wrong.
    #[error("{name}: {what}")]
    Row {
        /// The file with the line or row.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A file or folder that holds no series.
    #[error("{}: {what}", path.display())]
    Whole {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A class that is not where the network learns.
    #[error("{}: class {class:?} has no series to train on", path.display())]
    NotTrained {
        /// The file.
        path: PathBuf,
        /// The class.
        class: String,
    },
}

impl From<Unreadable> for SeriesError {
    fn from(Unreadable { path, source }: Unreadable) -> SeriesError {
        SeriesError::Io { path, source }
    }
}
