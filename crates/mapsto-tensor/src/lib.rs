//! Tensors, recorded operations and gradients of any order.

mod cpu;
pub use cpu::isa::{Isa, isa};

#[allow(dead_code)] // The fills are called by the operations.
mod random;
pub use random::Rng;
