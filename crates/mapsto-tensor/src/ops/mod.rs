//! The operations, a block each: documentation, shape rule, kernel, gradient, attributes, samples and reference together.

mod attention;
mod arrange;
mod binary;
mod broadcast;
mod cast;
mod compare;
mod concat;
mod ctc;
mod linear;
mod diagonal;
mod einsum;
mod fft;
mod frames;
pub mod linalg;
mod matmul;
mod pad;
mod permute;
mod recurrent;
mod reduce;
mod reshape;
mod slice;
mod spectrogram;
mod unary;

pub use attention::{Attention, AttentionOptions};
pub use arrange::{Contiguous, IntoSizes};
pub use binary::{Add, Div, Maximum, Minimum, Mul, Operand, Sub};
pub use broadcast::BroadcastTo;
pub use cast::Cast;
pub use compare::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
pub use concat::Concat;
pub use ctc::{Ctc, CtcBackward, CtcOptions};
pub use linear::Linear;
pub use diagonal::{Diagonal, DiagonalEmbed, Place};
pub use fft::{Fft, FftNorm, InverseRealFft, RealFft};
pub use frames::{Frames, OverlapAdd};
pub use linalg::{Cholesky, Eigh, Qr, Solve, Svd};
pub use matmul::MatMul;
pub use crate::backend::Border;
pub use pad::{Pad, PadMode, PadTranspose};
pub use permute::Permute;
pub use recurrent::{Cell, Recurrent, RecurrentStack};
pub(crate) use permute::permuted;
pub use reduce::{Max, Mean, Min, Product, Sum};
pub use reshape::Reshape;
pub use slice::{Embed, Slice, Steps};
pub use spectrogram::Stft;
pub use unary::{Abs, Exp, Ln, Neg, Sign, Sqrt, Square, Tanh};

use crate::testing::Entry;
use binary::expect_numbers;

/// Every operation of this crate. Tests run over it: an operation that is not here does not exist.
pub fn registry() -> Vec<Entry> {
    let families = [
        attention::entries(),
        arrange::entries(),
        binary::entries(),
        broadcast::entries(),
        cast::entries(),
        compare::entries(),
        concat::entries(),
        ctc::entries(),
        linear::entries(),
        diagonal::entries(),
        fft::entries(),
        frames::entries(),
        linalg::entries(),
        matmul::entries(),
        pad::entries(),
        permute::entries(),
        recurrent::entries(),
        reduce::entries(),
        reshape::entries(),
        slice::entries(),
        unary::entries(),
    ];
    families.into_iter().flatten().collect()
}
