//! The operations, a block each: documentation, shape rule, kernel, gradient, attributes, samples and reference together.

mod activation;
mod arrange;
mod attention;
mod binary;
mod binary_cross_entropy;
mod broadcast;
mod cast;
mod compare;
mod concat;
mod cross_entropy;
mod ctc;
mod diagonal;
mod dropout;
mod einsum;
mod fft;
mod frames;
pub mod linalg;
mod linear;
mod logic;
mod matmul;
mod pad;
mod permute;
mod power;
mod recurrent;
mod reduce;
mod reshape;
mod slice;
mod softmax;
mod spectrogram;
mod unary;

pub use crate::backend::Border;
pub use activation::{
    Celu, Clamp, Elu, Gelu, GeluTanh, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LogSigmoid, Mish, Relu,
    Selu, Sigmoid, Silu, Softplus, Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
};
pub use arrange::{Contiguous, IntoSizes};
pub use attention::{Attention, AttentionOptions};
pub use binary::{Add, Atan2, Div, Either, FloorDivide, Hypot, Maximum, Minimum, Mul, Operand, Remainder, Sub};
pub use binary_cross_entropy::BinaryCrossEntropy;
pub use broadcast::BroadcastTo;
pub use cast::Cast;
pub use compare::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
pub use concat::Concat;
pub use cross_entropy::{CrossEntropy, CrossEntropyOptions, LossReduction};
pub use ctc::{Ctc, CtcBackward, CtcOptions};
pub use diagonal::{Diagonal, DiagonalEmbed, Place};
pub use dropout::Dropout;
pub use fft::{Fft, FftNorm, InverseRealFft, RealFft};
pub use frames::{Frames, OverlapAdd};
pub use linalg::{Cholesky, Eigh, Qr, Solve, Svd};
pub use linear::Linear;
pub use logic::Where;
pub use matmul::MatMul;
pub use pad::{Pad, PadMode, PadTranspose};
pub use permute::Permute;
pub(crate) use permute::permuted;
pub use power::{Pow, PowScalar};
pub use recurrent::{Cell, Recurrent, RecurrentStack};
pub use reduce::{Max, Mean, Min, Product, Sum};
pub use reshape::Reshape;
pub use slice::{Embed, Slice, Steps};
pub use softmax::{LogSoftmax, LogSumExp, Softmax};
pub use spectrogram::Stft;
pub use unary::{
    Abs, Acos, Acosh, Asin, Asinh, Atan, Atanh, Ceil, Cos, Cosh, Erf, Erfc, Exp, Exp2, ExpM1, Floor, Ln, Ln1p, Log2,
    Log10, Neg, Reciprocal, Round, Rsqrt, Sign, Sin, Sinh, Sqrt, Square, Tan, Trunc,
};

use crate::testing::Entry;
use binary::expect_numbers;

/// Every operation of this crate. Tests run over it: an operation that is not here does not exist.
pub fn registry() -> Vec<Entry> {
    let families = [
        attention::entries(),
        activation::entries(),
        arrange::entries(),
        binary::entries(),
        binary_cross_entropy::entries(),
        broadcast::entries(),
        cast::entries(),
        compare::entries(),
        concat::entries(),
        ctc::entries(),
        cross_entropy::entries(),
        diagonal::entries(),
        dropout::entries(),
        fft::entries(),
        frames::entries(),
        linalg::entries(),
        linear::entries(),
        logic::entries(),
        matmul::entries(),
        pad::entries(),
        permute::entries(),
        recurrent::entries(),
        power::entries(),
        reduce::entries(),
        reshape::entries(),
        slice::entries(),
        softmax::entries(),
        unary::entries(),
    ];
    families.into_iter().flatten().collect()
}
