//! The CPU's kernels. Nothing outside this folder reads a tensor's elements.

mod activation;
mod attention;
mod batch_norm;
pub mod conv;
mod creation;
mod cross_entropy;
mod ctc;
mod elementwise;
pub(crate) mod gemm;
mod grid_sample;
mod index;
pub(crate) mod isa;
mod lanes;
mod linalg;
pub(crate) mod math;
mod matmul;
mod moments;
mod norm;
mod order;
mod pad;
mod pool;
pub(crate) mod power;
pub(crate) mod real;
mod recurrent;
mod reduce;
mod resample;
mod scan;
mod sequence;
mod shape;
mod softmax;
pub(crate) mod spectral;
pub(crate) mod strided;
pub(crate) mod threads;
mod unary;
mod update;

/// The CPU as a device.
pub(crate) struct Cpu;

impl crate::backend::Backend for Cpu {}
