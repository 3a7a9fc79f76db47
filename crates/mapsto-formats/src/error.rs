//! What can be wrong with a file.

use crate::{NumpyError, TorchError};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The operating system did not open the file.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The operating system did not write the file.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Something is wrong with a checkpoint of PyTorch.
    #[error("{}: {why}", path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        why: TorchError,
    },
    /// Something is wrong with an array of NumPy, or with a tensor that shall become one.
    #[error("{}: {why}", path.display())]
    Numpy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        why: NumpyError,
    },
}

pub(crate) fn open(path: &Path) -> Result<BufReader<File>, FormatError> {
    let refused = |source| FormatError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(refused)?;
    // A folder opens as a file on Unix, and then cannot be read.
    match file.metadata().map_err(refused)?.is_dir() {
        true => Err(refused(io::Error::from(io::ErrorKind::IsADirectory))),
        false => Ok(BufReader::new(file)),
    }
}
