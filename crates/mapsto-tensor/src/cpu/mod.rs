//! CPU kernels.

pub(crate) mod isa;
pub(crate) mod threads;
