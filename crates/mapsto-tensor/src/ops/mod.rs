//! The operations, a block each: documentation, shape rule, kernel, gradient, attributes, samples and reference together.

mod arrange;
mod binary;
mod broadcast;
mod cast;
mod compare;
mod concat;
mod diagonal;
mod einsum;
mod fft;
mod frames;
pub mod linalg;
mod linear;
mod matmul;
mod norm;
mod pad;
mod permute;
mod pool;
mod reduce;
mod reshape;
mod resize;
mod slice;
mod spectrogram;
mod unary;

pub use crate::backend::Border;
pub use arrange::{Contiguous, IntoSizes};
pub use binary::{Add, Div, Maximum, Minimum, Mul, Operand, Sub};
pub use broadcast::BroadcastTo;
pub use cast::Cast;
pub use compare::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
pub use concat::Concat;
pub use diagonal::{Diagonal, DiagonalEmbed, Place};
pub use fft::{Fft, FftNorm, InverseRealFft, RealFft};
pub use frames::{Frames, OverlapAdd};
pub use linalg::{Cholesky, Eigh, Qr, Solve, Svd};
pub use linear::Linear;
pub use matmul::MatMul;
pub use norm::{BatchNorm, BatchNormInference, GroupNorm, LayerNorm, RmsNorm};
pub use pad::{Pad, PadMode, PadTranspose};
pub use permute::Permute;
pub(crate) use permute::permuted;
pub use pool::{AdaptiveAvgPool, AdaptiveMaxPool, AddAtPlaces, AvgPool, MaxPool, TakePlaces, Window};
pub use reduce::{Max, Mean, Min, Product, Sum};
pub use reshape::Reshape;
pub use resize::{GridSample, GridSampleGradient, Interpolation, Outside, Resample, Resize, Sampling, Taps};
pub use slice::{Embed, Slice, Steps};
pub use spectrogram::Stft;
pub use unary::{Abs, Exp, Ln, Neg, Sign, Sqrt, Square, Tanh};

use crate::testing::Entry;
use binary::expect_numbers;

/// Every operation of this crate. Tests run over it: an operation that is not here does not exist.
pub fn registry() -> Vec<Entry> {
    let families = [
        arrange::entries(),
        binary::entries(),
        broadcast::entries(),
        cast::entries(),
        compare::entries(),
        concat::entries(),
        linear::entries(),
        diagonal::entries(),
        fft::entries(),
        frames::entries(),
        linalg::entries(),
        matmul::entries(),
        norm::entries(),
        pad::entries(),
        permute::entries(),
        pool::entries(),
        reduce::entries(),
        reshape::entries(),
        resize::entries(),
        slice::entries(),
        unary::entries(),
    ];
    families.into_iter().flatten().collect()
}
