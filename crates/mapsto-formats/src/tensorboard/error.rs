//! What can be wrong with events.

use mapsto_tensor::{Error, Shape};
use std::io;
use std::path::PathBuf;

/// Why events could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The operating system refused.
    #[error("cannot write events to {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of another kind.
    #[error("{} is no whole event file of TensorBoard: nothing was changed; write to another file", .0.display())]
    Other(PathBuf),
    /// A picture of other sizes or numbers than a PNG has.
    #[error("image {tag:?}: a picture is u8[height, width, 1 or 3], none of them 0; this is {dtype}{shape}")]
    Image {
        /// Where it was to be shown.
        tag: String,
        /// Its type.
        dtype: mapsto_tensor::DType,
        /// Its shape.
        shape: Box<Shape>,
    },
    /// A picture that cannot be encoded.
    #[error("image {tag:?}: {why}")]
    Png {
        /// Where it was to be shown.
        tag: String,
        /// The encoder's reason.
        why: String,
    },
    /// A tensor that cannot be read.
    #[error("{tag:?}: {source:#}")]
    Tensor {
        /// Where it was to be shown.
        tag: String,
        /// The reason.
        source: Error,
    },
}
