//! The operations, a block each: documentation, shape rule, kernel, gradient, attributes, samples and reference together.

mod activation;
mod arrange;
mod assign;
mod attention;
mod binary;
mod binary_cross_entropy;
mod broadcast;
mod cast;
mod compare;
mod composed;
mod concat;
mod conv;
mod cross_entropy;
mod ctc;
mod detach;
mod diagonal;
mod dropout;
mod einsum;
mod fft;
mod frames;
mod gather;
mod index_select;
pub mod linalg;
mod linear;
mod logic;
mod matmul;
mod norm;
mod normalization;
mod order;
mod pad;
mod permute;
mod pool;
mod power;
mod recurrent;
mod reduce;
mod reshape;
mod resize;
mod scan;
mod slice;
mod softmax;
mod spectrogram;
mod split;
mod triangle;
mod truth;
mod unary;
mod variance;

pub use crate::backend::Border;
pub use crate::index::WrapIndex;
pub use activation::{
    Celu, Clamp, Elu, Gelu, GeluTanh, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LogSigmoid, Mish, Relu,
    Selu, Sigmoid, Silu, Softplus, Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
};
pub use arrange::{Contiguous, IntoSizes};
pub use assign::Assign;
pub use attention::{Attention, AttentionOptions};
pub use binary::{Add, Atan2, Div, Either, FloorDivide, Hypot, Maximum, Minimum, Mul, Operand, Remainder, Sub};
pub use binary_cross_entropy::BinaryCrossEntropy;
pub use broadcast::BroadcastTo;
pub use cast::Cast;
pub use compare::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
pub use concat::Concat;
pub use conv::{
    Conv, ConvOptions, ConvSettings, ConvTranspose, ConvWeightGrad, Fold, KernelAxis, PerAxis, Spatial, Unfold,
};
pub(crate) use cross_entropy::class_axis;
pub use cross_entropy::{CrossEntropy, CrossEntropyOptions, LossReduction};
pub use ctc::{Ctc, CtcBackward, CtcOptions};
pub use detach::Detach;
pub use diagonal::{Diagonal, DiagonalEmbed, Place};
pub use dropout::Dropout;
pub use fft::{Fft, FftNorm, InverseRealFft, RealFft};
pub use frames::{Frames, OverlapAdd};
pub use gather::{Gather, Scatter, ScatterAdd, ScatterMax};
pub(crate) use gather::{as_indices, expect_indices};
pub use index_select::{Embedding, IndexAdd, IndexSelect};
pub use linalg::{Cholesky, Eigh, Qr, Solve, Svd};
pub use linear::Linear;
pub use logic::Where;
pub use matmul::MatMul;
pub use norm::Norm;
pub use normalization::{BatchNorm, BatchNormInference, GroupNorm, LayerNorm, RmsNorm};
pub use order::{Argmax, Argmin, Argsort, SearchSorted, TopK};
pub use pad::{Pad, PadMode, PadTranspose};
pub use permute::Permute;
pub(crate) use permute::permuted;
pub use pool::{AdaptiveAvgPool, AdaptiveMaxPool, AddAtPlaces, AvgPool, MaxPool, TakePlaces, Window};
pub use power::{Pow, PowScalar};
pub use recurrent::{Cell, Recurrent, RecurrentStack};
pub use reduce::{Max, Mean, Min, Product, Sum};
pub use reshape::Reshape;
pub use resize::{GridSample, GridSampleGradient, Interpolation, Outside, Resample, Resize, Sampling, Taps};
pub use scan::{Cumprod, Cumsum, LinearRecurrence};
pub use slice::{Embed, Slice, Steps};
pub use softmax::{LogSoftmax, LogSumExp, Softmax};
pub use spectrogram::Stft;
pub use split::Split;
pub use triangle::Triangle;
pub use truth::{All, Any};
pub use unary::{
    Abs, Acos, Acosh, Asin, Asinh, Atan, Atanh, Ceil, Cos, Cosh, Erf, Erfc, Exp, Exp2, ExpM1, Floor, Ln, Ln1p, Log2,
    Log10, Neg, Reciprocal, Round, Rsqrt, Sign, Sin, Sinh, Sqrt, Square, Tan, Trunc,
};
pub use variance::{Std, Var};

use crate::testing::Entry;
use binary::expect_numbers;

/// Every operation of this crate but that of [`checkpoint`](crate::checkpoint), which is a record of others. Tests run over
/// it.
pub fn registry() -> Vec<Entry> {
    let families = [
        activation::entries(),
        arrange::entries(),
        assign::entries(),
        attention::entries(),
        binary::entries(),
        binary_cross_entropy::entries(),
        broadcast::entries(),
        cast::entries(),
        compare::entries(),
        concat::entries(),
        conv::entries(),
        cross_entropy::entries(),
        ctc::entries(),
        detach::entries(),
        diagonal::entries(),
        dropout::entries(),
        fft::entries(),
        frames::entries(),
        gather::entries(),
        index_select::entries(),
        linalg::entries(),
        linear::entries(),
        logic::entries(),
        matmul::entries(),
        norm::entries(),
        normalization::entries(),
        order::entries(),
        pad::entries(),
        permute::entries(),
        pool::entries(),
        power::entries(),
        recurrent::entries(),
        reduce::entries(),
        reshape::entries(),
        resize::entries(),
        scan::entries(),
        slice::entries(),
        split::entries(),
        softmax::entries(),
        triangle::entries(),
        truth::entries(),
        unary::entries(),
        variance::entries(),
        crate::index::entries(),
    ];
    families.into_iter().flatten().collect()
}
