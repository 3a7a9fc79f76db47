//! Layers, a family a file.

mod activation;
mod distance;
mod dropout;
mod embedding;
mod linear;
mod sequential;
mod shape;

pub use activation::{
    Approximation, Celu, Elu, Gelu, Glu, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LogSigmoid,
    LogSoftmax, Mish, Prelu, Relu, Relu6, Rrelu, Selu, Sigmoid, Silu, Softmax, Softmax2d, Softmin, Softplus,
    Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
};
pub use distance::{CosineSimilarity, PairwiseDistance};
pub use dropout::{AlphaDropout, DropPath, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout};
pub use embedding::{BagMode, Embedding, EmbeddingBag, EmbeddingBagConfig, EmbeddingConfig};
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
