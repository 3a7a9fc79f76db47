//! The operations, a block each: documentation, shape rule, kernel, gradient, attributes, samples and reference together.

mod arrange;
mod assign;
mod binary;
mod broadcast;
mod cast;
mod compare;
mod composed;
mod concat;
mod diagonal;
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
mod order;
mod pad;
mod permute;
mod reduce;
mod reshape;
mod scan;
mod slice;
mod spectrogram;
mod triangle;
mod unary;
mod variance;

pub use crate::backend::Border;
pub use arrange::{Contiguous, IntoSizes};
pub use assign::Assign;
pub use binary::{Add, Div, Either, Maximum, Minimum, Mul, Operand, Sub};
pub use broadcast::BroadcastTo;
pub use cast::Cast;
pub use compare::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
pub use concat::Concat;
pub use diagonal::{Diagonal, DiagonalEmbed, Place};
pub use fft::{Fft, FftNorm, InverseRealFft, RealFft};
pub use frames::{Frames, OverlapAdd};
pub use gather::{Gather, Scatter, ScatterAdd, ScatterMax};
pub use index_select::{Embedding, IndexAdd, IndexSelect};
pub use linalg::{Cholesky, Eigh, Qr, Solve, Svd};
pub use linear::Linear;
pub use logic::{All, Any};
pub use matmul::MatMul;
pub use norm::Norm;
pub use order::{Argmax, Argmin, Argsort, SearchSorted, TopK};
pub use pad::{Pad, PadMode, PadTranspose};
pub use permute::Permute;
pub(crate) use permute::permuted;
pub use reduce::{Max, Mean, Min, Product, Sum};
pub use reshape::Reshape;
pub use scan::{Cumprod, Cumsum, LinearRecurrence};
pub use slice::{Embed, Slice, Steps};
pub use spectrogram::Stft;
pub use triangle::Triangle;
pub use unary::{Abs, Exp, Ln, Neg, Sign, Sqrt, Square, Tanh};
pub use variance::{Std, Var};

pub use crate::index::WrapIndex;

use crate::testing::Entry;
use binary::expect_numbers;
pub(crate) use gather::{as_indices, expect_indices};

/// Every operation of this crate. Tests run over it: an operation that is not here does not exist.
pub fn registry() -> Vec<Entry> {
    let families = [
        assign::entries(),
        arrange::entries(),
        binary::entries(),
        broadcast::entries(),
        cast::entries(),
        compare::entries(),
        concat::entries(),
        gather::entries(),
        index_select::entries(),
        logic::entries(),
        matmul::entries(),
        norm::entries(),
        order::entries(),
        linear::entries(),
        diagonal::entries(),
        fft::entries(),
        frames::entries(),
        linalg::entries(),
        pad::entries(),
        permute::entries(),
        reduce::entries(),
        reshape::entries(),
        scan::entries(),
        slice::entries(),
        triangle::entries(),
        crate::index::entries(),
        unary::entries(),
        variance::entries(),
    ];
    families.into_iter().flatten().collect()
}
