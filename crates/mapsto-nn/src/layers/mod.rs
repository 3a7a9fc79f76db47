//! Layers, a family a file.

mod activation;
mod additive;
mod attention;
mod cached;
mod conv;
mod distance;
mod dropout;
mod embedding;
mod incremental;
mod linear;
mod norm;
mod pool;
mod position;
mod recurrent;
mod reparam;
mod sequential;
mod shape;
mod sizes;
mod space;
mod transformer;

pub use activation::{
    Approximation, Celu, Elu, Gelu, Glu, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LogSigmoid,
    LogSoftmax, Mish, Prelu, Relu, Relu6, Rrelu, Selu, Sigmoid, Silu, Softmax, Softmax2d, Softmin, Softplus,
    Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
};
pub use additive::{AdditiveAttention, AdditiveAttentionConfig};
pub use attention::{AttentionMasks, MultiheadAttention, MultiheadAttentionConfig};
pub use cached::KeyValueCache;
pub use conv::*;
pub use distance::{CosineSimilarity, PairwiseDistance};
pub use dropout::{AlphaDropout, DropPath, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout};
pub use embedding::{BagMode, Embedding, EmbeddingBag, EmbeddingBagConfig, EmbeddingConfig};
pub use incremental::{KeysValues, TransformerDecoderCache};
use linear::yes;
pub use linear::{Bilinear, BilinearConfig, Linear, LinearConfig};
pub use norm::*;
pub use pool::*;
pub use position::{LearnedEncoding, PositionConfig, SinusoidalEncoding};
pub use recurrent::{
    Gru, GruCell, Lstm, LstmCell, RecurrentCellConfig, RecurrentConfig, Rnn, RnnCell, RnnNonlinearity,
};
pub use reparam::{SpectralNormConfig, spectral_norm, weight_norm};
pub use sequential::Sequential;
pub use shape::{Flatten, Identity, Unflatten};
pub use sizes::Sizes;
pub use space::*;
pub use transformer::{
    Transformer, TransformerActivation, TransformerConfig, TransformerDecoder, TransformerDecoderLayer,
    TransformerEncoder, TransformerEncoderLayer, TransformerLayerConfig, TransformerMasks, TransformerStackConfig,
};

use crate::{Module, Param};
use mapsto_tensor::{Error, Result, Tensor};

/// A module that maps one tensor to one.
pub trait Layer: Module {
    /// The output for an input.
    ///
    /// # Errors
    /// An input that does not fit the layer.
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// The output for an input, rectified: in one pass where the layer can do both.
    ///
    /// # Errors
    /// An input that does not fit the layer.
    #[track_caller]
    fn forward_relu(&self, x: &Tensor) -> Result<Tensor> {
        self.forward(x)?.relu()
    }

    /// Whether the layer can: in a [`Sequential`] it does where [`Relu`] follows.
    fn rectifies(&self) -> bool {
        false
    }

    /// Whether the layer is [`Relu`].
    fn is_relu(&self) -> bool {
        false
    }
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        (**self).forward(x)
    }

    #[track_caller]
    fn forward_relu(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        (**self).forward_relu(x)
    }

    fn rectifies(&self) -> bool {
        (**self).rectifies()
    }

    fn is_relu(&self) -> bool {
        (**self).is_relu()
    }
}

/// The most layers of a stack: beyond it a mistyped number would fill the memory before anyone could tell.
const MOST_LAYERS: usize = 10_000;

/// Fails unless a stack has so many layers as can be.
fn check_layers(num_layers: usize, least: usize) -> Result<()> {
    if (least..=MOST_LAYERS).contains(&num_layers) {
        return Ok(());
    }
    Err(Error::argument(format!("num_layers is {num_layers}, not in {least}..={MOST_LAYERS}")))
}

/// The value of a parameter that may not be there.
#[track_caller]
fn value(param: Option<&Param>) -> Result<Option<Tensor>> {
    match param {
        Some(param) => param.get().map(Some),
        None => Ok(None),
    }
}
