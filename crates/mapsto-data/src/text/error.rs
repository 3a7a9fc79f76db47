//! What can be wrong with texts.

use crate::folders::Unreadable;
use crate::table::TableError;
use std::io;
use std::path::PathBuf;

/// Letters of a name that are shown.
const SHOWN: usize = 40;

/// Why texts could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Bytes that are no text.
    #[error("{}:{line}: this is no UTF-8 text; save the file in UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A table that cannot be read, or lacks a column.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A line that is no JSON object.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A file of JSON lines without one.
    #[error("{} has no lines: write one JSON object a line, such as {{\"text\": \"...\", \"label\": \"...\"}}", .0.display())]
    NoLines(PathBuf),
    /// A folder without texts in folders.
    #[error("{} has no texts in folders: put those of each class into a folder of its own (txt)", path.display())]
    NoTexts {
        /// The folder.
        path: PathBuf,
    },
    /// A folder without texts.
    #[error("{} has no texts: put files .txt in UTF-8 into it", .0.display())]
    NoFiles(PathBuf),
    /// A column that was not named and is not found.
    #[error("{}: no column has {what}; there {} {}", path.display(), if names.len() == 1 { "is" } else { "are" }, shown(names))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What the column should have.
        what: String,
        /// The columns that there are.
        names: Vec<String>,
    },
    /// Rows or files without a text.
    #[error("{}: there is no text; leave {} out, or write one", these(names, *more), if names.len() + more == 1 { "it" } else { "them" })]
    Empty {
        /// The first of them.
        names: Vec<String>,
        /// How many there are besides.
        more: usize,
    },
    /// A row without a label.
    #[error("{0}: there is no label; leave it out, or give it one")]
    NoLabel(String),
    /// A row with an unknown part.
    #[error("{name}: {part:?} is no part; write train, val or test")]
    NoPart {
        /// The row.
        name: String,
        /// What stands there.
        part: String,
    },
    /// A class that is not where the network learns.
    #[error("{}: class {class:?} has no texts to train on", path.display())]
    NotTrained {
        /// The file or folder.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// Rows of which none has both texts.
    #[error("{}: no row has a text in both columns, {:?} and {:?}", path.display(), columns[0], columns[1])]
    NoPairs {
        /// The file.
        path: PathBuf,
        /// The columns of the sources and of the targets.
        columns: [String; 2],
    },
    /// One column for both texts of pairs.
    #[error("{}: the sources and the targets are both the column {name:?}; name another", path.display())]
    SameColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        name: String,
    },
    /// A share that cannot be.
    #[error("the share of {name} that are changed is {value}, not in 0..=1")]
    Share {
        /// Of what.
        name: &'static str,
        /// What was asked for.
        value: f64,
    },
}

impl From<Unreadable> for TextError {
    fn from(Unreadable { path, source }: Unreadable) -> TextError {
        TextError::Io { path, source }
    }
}

/// Names in quotes, cut where they are long: a line of a table without names may stand in their place.
fn shown(names: &[String]) -> String {
    let cut = |name: &String| match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}", format!("{}...", &name[..end])),
        None => format!("{name:?}"),
    };
    names.iter().map(cut).collect::<Vec<_>>().join(", ")
}

/// Some names, and how many more.
fn these(names: &[String], more: usize) -> String {
    let listed = names.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}
