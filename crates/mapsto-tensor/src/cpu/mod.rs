//! The CPU's kernels. Nothing outside this folder reads a tensor's elements.

mod activation;
mod attention;
mod creation;
mod cross_entropy;
mod ctc;
mod elementwise;
pub(crate) mod gemm;
pub(crate) mod isa;
mod linalg;
#[allow(dead_code)] // Called by the kernels.
pub(crate) mod math;
mod matmul;
mod pad;
pub(crate) mod power;
pub(crate) mod real;
mod recurrent;
mod reduce;
mod sequence;
mod shape;
mod softmax;
mod spectral;
pub(crate) mod strided;
pub(crate) mod threads;
mod unary;
mod update;

/// The CPU as a device.
pub(crate) struct Cpu;

impl crate::backend::Backend for Cpu {}
