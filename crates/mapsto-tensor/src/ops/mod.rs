//! The operations, a block each: documentation, shape rule, kernel, gradient, attributes, samples and reference together.

mod attention;
mod binary;
mod broadcast;
mod cast;
mod compare;
mod concat;
mod ctc;
mod linear;
mod matmul;
mod permute;
mod recurrent;
mod reduce;
mod reshape;
mod slice;
mod unary;

pub use attention::{Attention, AttentionOptions};
pub use binary::{Add, Div, Maximum, Minimum, Mul, Operand, Sub};
pub use broadcast::BroadcastTo;
pub use cast::Cast;
pub use compare::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
pub use concat::Concat;
pub use ctc::{Ctc, CtcBackward, CtcOptions};
pub use linear::Linear;
pub use matmul::MatMul;
pub use permute::Permute;
pub use recurrent::{Cell, Recurrent, RecurrentStack};
pub use reduce::{Max, Mean, Min, Product, Sum};
pub use reshape::Reshape;
pub use slice::{Embed, Slice, Steps};
pub use unary::{Abs, Exp, Ln, Neg, Sign, Sqrt, Square, Tanh};

use crate::testing::Entry;
use binary::expect_numbers;

/// Every operation of this crate. Tests run over it: an operation that is not here does not exist.
pub fn registry() -> Vec<Entry> {
    let families = [
        attention::entries(),
        binary::entries(),
        broadcast::entries(),
        cast::entries(),
        compare::entries(),
        concat::entries(),
        ctc::entries(),
        linear::entries(),
        matmul::entries(),
        permute::entries(),
        recurrent::entries(),
        reduce::entries(),
        reshape::entries(),
        slice::entries(),
        unary::entries(),
    ];
    families.into_iter().flatten().collect()
}
