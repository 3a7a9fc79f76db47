//! Layers, a family a file.

mod linear;
mod sequential;
mod shape;

pub use linear::{Bilinear, BilinearConfig, Linear, LinearConfig};
pub use sequential::Sequential;
pub use shape::{Flatten, Identity, Unflatten};

use crate::Module;
use mapsto_tensor::{Result, Tensor};

/// A module that maps one tensor to one.
pub trait Layer: Module {
    /// The output for an input.
    ///
    /// # Errors
    /// An input that does not fit the layer.
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor>;
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        (**self).forward(x)
    }
}
