//! CPU kernels.

pub(crate) mod isa;
#[allow(dead_code)] // Called by the kernels.
pub(crate) mod math;
