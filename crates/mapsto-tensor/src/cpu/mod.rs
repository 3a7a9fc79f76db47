//! CPU kernels.

pub(crate) mod gemm;
pub(crate) mod isa;
pub(crate) mod threads;
