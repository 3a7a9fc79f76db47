//! The operations, a block each: documentation, shape rule, kernel, gradient, attributes, samples and reference together.

mod arrange;
mod assign;
mod binary;
mod broadcast;
mod cast;
mod compare;
mod concat;
mod gather;
mod index_select;
mod logic;
mod matmul;
mod norm;
mod order;
mod permute;
mod reduce;
mod reshape;
mod scan;
mod slice;
mod triangle;
mod unary;
mod variance;

pub use assign::Assign;
pub use binary::{Add, Div, Either, Maximum, Minimum, Mul, Operand, Sub};
pub use broadcast::BroadcastTo;
pub use cast::Cast;
pub use compare::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
pub use concat::Concat;
pub use gather::{Gather, Scatter, ScatterAdd, ScatterMax};
pub use index_select::{Embedding, IndexAdd, IndexSelect};
pub use logic::{All, Any};
pub use matmul::MatMul;
pub use norm::Norm;
pub use order::{Argmax, Argmin, Argsort, SearchSorted, TopK};
pub use permute::Permute;
pub use reduce::{Max, Mean, Min, Product, Sum};
pub use reshape::Reshape;
pub use scan::{Cumprod, Cumsum, LinearRecurrence};
pub use slice::{Embed, Slice, Steps};
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
