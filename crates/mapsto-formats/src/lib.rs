//! Files of others: PyTorch's checkpoints, NumPy's arrays, TensorBoard's events. Bytes in, bytes out; nothing in a file is
//! ever executed, and what a file claims is held against its length before memory is taken.

mod elements;
mod error;
mod numpy;
mod pickle;
mod tensorboard;
mod torch;

pub use error::FormatError;
pub use numpy::{NumpyError, npy_from, npz_from, read_npy, read_npz, write_npy, write_npz, write_npz_compressed};
pub use pickle::{PickleError, unpickle_from};
pub use tensorboard::{EventError, EventWriter};
pub use torch::{TorchError, TorchFile, TorchState, read_torch};
