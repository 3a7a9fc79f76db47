//! Tensors, recorded operations and gradients of any order.

mod backend;
mod bytes;
mod checkpoint;
mod cpu;
mod creation;
mod dtype;
mod error;
mod finite;
mod grad;
mod index;
mod memory;
mod op;
pub mod ops;
mod print;
mod random;
mod record;
mod shape;
mod tensor;
pub mod testing;
pub mod update;

pub use checkpoint::checkpoint;
pub use cpu::conv::{set_winograd, winograd};
pub use cpu::isa::{Isa, isa};
pub use cpu::threads::{num_threads, set_num_threads};
pub use dtype::{DType, Element, Scalar};
pub use error::{Category, Error, Result};
pub use finite::{NotFinite, watch_finite};
pub use grad::{GradOptions, Gradients, enable_grad, grad, is_recording, no_grad};
pub use index::{Ellipsis, Index, Indices, NewAxis, Stride, Term};
pub use memory::{Memory, MemoryStats, memory_stats, release_memory, reset_peak_memory};
pub use op::{
    Attribute, Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Span, Specs, apply, apply_one, composed,
    expect_float, expect_inputs, expect_same_dtype,
};
pub use ops::{CrossEntropyOptions, LossReduction, linalg};
pub use random::Rng;
pub use record::{Origin, Record, Step, ValueId};
pub use shape::{Axes, IntoShape, MAX_RANK, Shape, Spec};
pub use tensor::{Moment, Nested, Tensor, Writing, moment};
