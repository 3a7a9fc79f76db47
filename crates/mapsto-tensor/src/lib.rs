//! Tensors, recorded operations and gradients of any order.

mod cpu;
pub use cpu::isa::{Isa, isa};
pub use cpu::threads::{num_threads, set_num_threads};
