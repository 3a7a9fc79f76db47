//! What can be wrong with a table.

use super::Kind;
use crate::printable::quoted;
use crate::stored::StoreError;
use std::io;
use std::path::PathBuf;

/// Why a table could not be read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A temporary file that cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file has no text.
    #[error("{} is empty: a table is a line of names and lines of values", .0.display())]
    Empty(PathBuf),
    /// The file has names alone.
    #[error("{} has a line of names and no line of values", .0.display())]
    NoRows(PathBuf),
    /// Bytes that are no text.
    #[error("{}:{line}: this is no UTF-8 text; save the table as CSV in UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A byte of numbers and programs.
    #[error("{}:{line}: a NUL byte: this is no text, or UTF-16; save the table as CSV in UTF-8", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A line, or fields in quotes over several, larger than what a table needs.
    #[error("{}:{line}: this line has no end in sight; is a quote not closed, or is this no table?", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// More columns than what a table needs.
    #[error("{} has {columns} fields in its first line; a table may have {most}. Does {delimiter:?} stand between them?", path.display())]
    Wide {
        /// The file.
        path: PathBuf,
        /// Fields of the first line.
        columns: usize,
        /// Columns that a table may have.
        most: usize,
        /// What stands between fields.
        delimiter: char,
    },
    /// What columns of a file make no table.
    #[error("{}: {source}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: Box<TableError>,
    },
    /// A line with more or fewer fields than the first.
    #[error(
        "{}:{line}: {got} {}, the first line has {expected}; {}",
        path.display(), if *got == 1 { "field" } else { "fields" }, mend(*got, *expected, *delimiter)
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Fields of the line.
        got: u64,
        /// Fields of the first line.
        expected: u64,
        /// What stands between fields.
        delimiter: char,
    },
    /// A file that begins like Parquet and is damaged.
    #[error("cannot read {} as Parquet: {reason}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
    /// A column of a Parquet file that is none of a table.
    #[error("{}: column {column:?} {reason}", path.display())]
    ParquetColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it is, and what to do.
        reason: String,
    },
    /// A file of NumPy's that is damaged, or holds something else than numbers.
    #[error(transparent)]
    NumpyFile(mapsto_formats::FormatError),
    /// An array of NumPy's that is no table.
    #[error("{}: {what}", path.display())]
    Numpy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A value of another kind than the column must have.
    #[error("{}: {} in row {row} of column {column:?} is no {}", path.display(), quoted(text), kind.name())]
    Value {
        /// The file.
        path: PathBuf,
        /// The row of values, from 1.
        row: usize,
        /// The column.
        column: String,
        /// What stands there.
        text: String,
        /// What should.
        kind: Kind,
    },
    /// A column of another kind than what was learned needs.
    #[error("column {column:?} is a {}, and was a {} in the table that was learned from: give it values of that kind", got.name(), expected.name())]
    Kind {
        /// The column.
        column: String,
        /// Its kind.
        got: Kind,
        /// The kind that was learned.
        expected: Kind,
    },
    /// A row that the table does not have.
    #[error("there is no row {row}: the table has {rows}, from 0")]
    NoRow {
        /// What was asked for.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// A category that has no name.
    #[error("column {0:?} has a category without a name")]
    NoName(String),
    /// Nothing to learn from.
    #[error("an encoding is learned from rows, and got none")]
    NoLearning,
    /// A table of nothing.
    #[error("a table needs a column")]
    NoColumns,
    /// Columns of several lengths.
    #[error("column {name:?} has {got} values, the first column {expected}")]
    Lengths {
        /// The column.
        name: String,
        /// Its length.
        got: usize,
        /// The first column's.
        expected: usize,
    },
    /// A name is taken.
    #[error("two columns are named {0:?}: rename one")]
    Twice(String),
    /// There is no such column.
    #[error("there is no column {name:?}; did you mean {}?", listed(nearest))]
    NoColumn {
        /// What was asked for.
        name: String,
        /// The nearest names.
        nearest: Vec<String>,
    },
}

/// What a line of another length most likely wants.
fn mend(got: u64, expected: u64, delimiter: char) -> String {
    if got > expected {
        format!("put quotes around fields that hold {delimiter:?}")
    } else {
        format!("is it cut off, or is something else than {delimiter:?} between its fields?")
    }
}

/// "a", "b" or "c".
fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
