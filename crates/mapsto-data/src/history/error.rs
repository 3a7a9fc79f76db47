//! What can be wrong with histories.

use crate::table::TableError;
use std::path::PathBuf;

/// Why histories could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A table that cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A table that has no histories.
    #[error("{}: {what}", path.display())]
    Whole {
        /// The table.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}
