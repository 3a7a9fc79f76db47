//! Files with classes: those in a folder for each class, or that a table lists. What pictures and sounds share.

mod folder;
mod list;
mod repeats;

pub use crate::folders::Part;
pub use folder::{ClassFolder, Item};
pub use list::ListColumns;
pub(crate) use list::{Listed, lists};
pub(crate) use repeats::{Balance, Repeat, hash, look, repeated, same, unbalanced};

use crate::folders::Unreadable;
use std::io;
use std::path::{Path, PathBuf};

/// A kind of files.
pub trait FileKind {
    /// What one is called.
    const ONE: &'static str;
    /// What several are called.
    const MANY: &'static str;
    /// How their names end, in any case.
    const EXTENSIONS: &'static [&'static str];
    /// What columns of their paths are called, beside `path` and `file`.
    const COLUMNS: &'static [&'static str];
}

/// Why files could not be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A folder without such files in folders.
    #[error("{} has no {kind} in folders: put those of each class into a folder of its own ({extensions})", path.display())]
    None {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        kind: &'static str,
        /// How the names of such files end.
        extensions: String,
    },
    /// A class that is not where the network learns.
    #[error("{}: class {class:?} has no {kind} to train on", path.display())]
    NotTrained {
        /// The folder or table.
        path: PathBuf,
        /// The class.
        class: String,
        /// What is missing.
        kind: &'static str,
    },
    /// A table without a column that it needs.
    #[error("{}: no column has {missing}; there are {}", path.display(), quoted(names))]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// What the column would hold.
        missing: String,
        /// Columns that there are.
        names: Vec<String>,
    },
    /// A line of a table that is wrong.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A table with names of columns alone.
    #[error("{} lists no {kind}: there is a line of names and nothing else", path.display())]
    EmptyList {
        /// The table.
        path: PathBuf,
        /// What it should list.
        kind: &'static str,
    },
}

impl From<Unreadable> for FileError {
    fn from(Unreadable { path, source }: Unreadable) -> FileError {
        FileError::Io { path, source }
    }
}

impl FileError {
    fn none<K: FileKind>(path: &Path) -> FileError {
        FileError::None { path: path.to_owned(), kind: K::MANY, extensions: K::EXTENSIONS.join(", ") }
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
