//! The CPU's kernels. Nothing outside this folder reads a tensor's elements.

mod elementwise;
pub(crate) mod gemm;
mod index;
pub(crate) mod isa;
mod linalg;
#[allow(dead_code)] // Called by the kernels.
pub(crate) mod math;
mod matmul;
mod moments;
mod order;
mod pad;
mod reduce;
mod scan;
mod shape;
mod spectral;
pub(crate) mod strided;
pub(crate) mod threads;

/// The CPU as a device.
pub(crate) struct Cpu;

impl crate::backend::Backend for Cpu {}
