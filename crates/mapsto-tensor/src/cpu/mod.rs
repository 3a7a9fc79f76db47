//! CPU kernels.

pub(crate) mod isa;
