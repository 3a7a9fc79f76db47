//! Why an array was refused.

use crate::pickle::shown;
use std::io;

/// Why a file of NumPy could not be read, or a tensor not be written as one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NumpyError {
    /// The system refused, or the file ends too early.
    #[error("{}", if .0.kind() == io::ErrorKind::UnexpectedEof {
        "the file ends too early: it is cut off".to_string()
    } else {
        format!("cannot read on: {}", .0)
    })]
    Io(#[from] io::Error),
    /// Other bytes than those that the format begins with.
    #[error("this is no array of NumPy: it begins with {0:02x?}, not with 93 4e 55 4d 50 59 (\\x93NUMPY)")]
    Magic(Vec<u8>),
    /// A version that came later.
    #[error("the format's version is {major}.{minor}; 1.0, 2.0 and 3.0 are known")]
    Version {
        /// The first number.
        major: u8,
        /// The second.
        minor: u8,
    },
    /// A header that is too long.
    #[error("the header claims {length} bytes, more than {most}: the file is damaged, or an array of records")]
    Long {
        /// What it claims.
        length: u32,
        /// The limit.
        most: u32,
    },
    /// A header that is no dict of `descr`, `fortran_order` and `shape`.
    #[error("the header {:?} is not as NumPy writes it: {what}", shown(header))]
    Header {
        /// The header.
        header: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Python objects.
    #[error(
        "the array holds Python objects (dtype=object), which are pickles: refused; save it in NumPy with another dtype"
    )]
    Objects,
    /// Elements that tensors do not have.
    #[error("the array holds elements of type {:?}, which tensors do not have; convert it in NumPy with astype", shown(.0))]
    Lacking(String),
    /// Fewer bytes than the shape promises, or more.
    #[error("shape {sizes:?} promises {expected} bytes of numbers, there are {got}: the file is cut off or damaged")]
    Length {
        /// The shape.
        sizes: Vec<usize>,
        /// What it promises.
        expected: u64,
        /// What there is, or that there is more.
        got: String,
    },
    /// A tensor that cannot be made.
    #[error("{0:#}")]
    Tensor(mapsto_tensor::Error),
    /// Elements that NumPy does not have.
    #[error("NumPy has no bf16; convert the tensor with to_dtype(DType::F32) first")]
    Bf16,
    /// The archive is damaged.
    #[error("the archive is damaged, or of another kind than numpy.savez writes: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// An entry of an archive.
    #[error("array {:?}: {why}", shown(name))]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong.
        #[source]
        why: Box<NumpyError>,
    },
    /// Something else than an array.
    #[error("its entry {:?} is no array (.npy)", shown(.0))]
    NoArray(String),
    /// More than a file of this length can hold.
    #[error("its arrays take more than {most} bytes, more than a file of its length can hold")]
    Bomb {
        /// The limit.
        most: u64,
    },
}
