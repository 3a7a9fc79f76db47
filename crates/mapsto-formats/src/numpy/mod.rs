//! Arrays of NumPy, read and written.

mod error;
mod header;
mod npy;
mod npz;

pub use error::NumpyError;
pub use npy::{npy_from, read_npy, write_npy};
pub use npz::{npz_from, read_npz, write_npz, write_npz_compressed};
