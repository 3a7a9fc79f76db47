//! The CPU's kernels. Nothing outside this folder reads a tensor's elements.

mod batch_norm;
mod elementwise;
pub(crate) mod gemm;
mod grid_sample;
pub(crate) mod isa;
mod linalg;
#[allow(dead_code)] // Called by the kernels.
pub(crate) mod math;
mod matmul;
mod norm;
mod pad;
mod pool;
pub(crate) mod real;
mod reduce;
mod resample;
mod shape;
mod spectral;
pub(crate) mod strided;
pub(crate) mod threads;

/// The CPU as a device.
pub(crate) struct Cpu;

impl crate::backend::Backend for Cpu {}
