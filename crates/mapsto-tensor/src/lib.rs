//! Tensors, recorded operations and gradients of any order.

mod cpu;
pub use cpu::isa::{Isa, isa};
