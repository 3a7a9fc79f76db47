//! The seam between operations and devices: what a device must compute.
//!
//! Operations check shapes and types, then call these; a kernel may rely on what its method documents. Tensors that
//! come in may have any layout; those that go out are new and row-major unless a method says otherwise.

mod sequence;

pub(crate) use sequence::{
    AttentionArgs, AttentionGrads, CtcArgs, RecurrentArgs, RecurrentGrads, RecurrentOut, SequenceKernels,
};

use crate::dtype::DType;
use crate::error::Result;
use crate::ops::Steps;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::update::{Norm, Slot};

/// Everything that a device computes, a family a trait.
pub(crate) trait Backend:
    ElementwiseKernels + ReduceKernels + MatmulKernels + ShapeKernels + UpdateKernels
    ElementwiseKernels + ReduceKernels + MatmulKernels + ShapeKernels + SequenceKernels
{
}

/// Functions of one number. Float types only, unless a variant says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    /// `-x`; integers too.
    Neg,
    /// Magnitude; integers too.
    Abs,
    /// -1, 0 or 1; integers too.
    Sign,
    /// `x * x`; integers too.
    Square,
    Exp,
    Ln,
    Sqrt,
    Tanh,
}

/// Functions of two numbers of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    /// Integers wrap; truth values: or.
    Add,
    /// Integers wrap.
    Sub,
    /// Integers wrap; truth values: and.
    Mul,
    /// Float types only.
    Div,
    /// The greater; NaN if either is. Truth values: or.
    Max,
    /// The lesser; NaN if either is. Truth values: and.
    Min,
}

/// Comparisons of two numbers of one type; the result is truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Element by element; shapes broadcast.
pub(crate) trait ElementwiseKernels: Send + Sync {
    /// A row-major copy of its own.
    fn copy(&self, x: &Tensor) -> Result<Tensor>;
    /// The tensor itself if row-major, otherwise a copy.
    fn contiguous(&self, x: &Tensor) -> Result<Tensor>;
    /// The same values in another type, as Rust's `as` converts; to truth: not zero.
    fn cast(&self, x: &Tensor, dtype: DType) -> Result<Tensor>;
    /// A function of each element.
    fn unary(&self, f: Unary, x: &Tensor) -> Result<Tensor>;
    /// A function of pairs; both of one type.
    fn binary(&self, f: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor>;
    /// A comparison of pairs; both of one type.
    fn compare(&self, f: Comparison, a: &Tensor, b: &Tensor) -> Result<Tensor>;
    /// `a` where `condition` (truth values) holds, otherwise `b`; `a` and `b` of one type.
    fn select(&self, condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor>;
}

/// How many numbers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    Sum,
    Product,
    /// NaN if any is; truth values: any.
    Max,
    /// NaN if any is; truth values: all.
    Min,
}

/// Along axes, always by the same tree whatever the number of threads.
pub(crate) trait ReduceKernels {
    /// Over `axes` (sorted, distinct) into `shape` (the input's with the axes of size one or gone). Nothing gives the
    /// neutral element: 0, 1, -inf (or the least integer), +inf.
    fn reduce(&self, f: Reduction, x: &Tensor, axes: &[usize], shape: Shape) -> Result<Tensor>;
}

/// Products of matrices.
pub(crate) trait MatmulKernels {
    /// `[..., m, k] x [..., k, n]`, batch axes broadcast into `shape` = `[..., m, n]`; float types.
    fn matmul(&self, a: &Tensor, b: &Tensor, shape: Shape) -> Result<Tensor>;
    /// `x wᵀ + b` for `x` = `[.., k]`, `w` = `[n, k]`, `b` = `[n]`, of one float type.
    fn linear(&self, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor>;
}

/// Elements moved, none changed; any type.
pub(crate) trait ShapeKernels {
    /// Zeros of `shape` with `x` at evenly spaced places of each axis.
    fn embed(&self, x: &Tensor, shape: Shape, steps: &[Steps]) -> Result<Tensor>;
    /// Tensors of one type and of equal shapes but for `axis`, joined along it.
    fn concat(&self, tensors: &[&Tensor], axis: usize) -> Result<Tensor>;
}

/// Parameters moved in place, and norms over lists of tensors.
pub(crate) trait UpdateKernels {
    /// Moves every parameter by its rule; shapes and types fit. A variable stays one, under a new identity.
    fn update(&self, slots: &mut [Slot<'_>]) -> Result<()>;
    /// The norm of each tensor, of any float types.
    fn norms(&self, tensors: &[&Tensor], norm: Norm) -> Result<Vec<f64>>;
}
