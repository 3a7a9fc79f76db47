//! The seam between operations and devices: what a device must compute.
//!
//! Operations check shapes and types, then call these; a kernel may rely on what its method documents. Tensors that
//! come in may have any layout; those that go out are new and row-major unless a method says otherwise.

mod norm;
mod pool;
mod sequence;

pub(crate) use norm::{BatchNormKernels, RowNormKernels, Rows};
pub(crate) use pool::{GridSampleKernels, PoolKernels, ResampleKernels, Windows};

pub(crate) use sequence::{
    AttentionArgs, AttentionGrads, CtcArgs, RecurrentArgs, RecurrentGrads, RecurrentOut, SequenceKernels,
};

use crate::dtype::{DType, Scalar};
use crate::error::Result;
use crate::ops::{ConvSettings, KernelAxis};
use crate::shape::{Layout, Shape};
use crate::tensor::Tensor;
use crate::update::{Norm, Slot};

/// Everything that a device computes, a family a trait.
pub(crate) trait Backend:
    BatchNormKernels
    + RowNormKernels
    + GridSampleKernels
    + PoolKernels
    + ResampleKernels
    + SequenceKernels
    + ElementwiseKernels
    + ReduceKernels
    + MatmulKernels
    + ShapeKernels
    + ConvKernels
    + ActivationKernels
    + PadKernels
    + SpectralKernels
    + LinalgKernels
    + SoftmaxKernels
    + CrossEntropyKernels
    + CreationKernels
    + IndexKernels
    + OrderKernels
    + ScanKernels
    + MomentKernels
    + UpdateKernels
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
    ExpM1,
    Exp2,
    Ln,
    Ln1p,
    Log2,
    Log10,
    Sqrt,
    Rsqrt,
    Reciprocal,
    Cube,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    Erfc,
    Floor,
    Ceil,
    /// To the nearest integer, halves to the even one.
    Round,
    Trunc,
}

/// Functions of one float with settings, and their gradients in one pass. The gradient reads the input, or the output
/// where a variant says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Activation {
    /// Reads the output.
    Relu,
    LeakyRelu {
        slope: f64,
    },
    /// `scale * x` above zero, `scale * alpha * (exp(rate * x) - 1)` below.
    Elu {
        alpha: f64,
        scale: f64,
        rate: f64,
    },
    Gelu,
    GeluTanh,
    Silu,
    Mish,
    Softsign,
    Softshrink {
        lambda: f64,
    },
    Hardshrink {
        lambda: f64,
    },
    /// Reads the output; no gradient at the bounds.
    Hardtanh {
        min: f64,
        max: f64,
    },
    Hardsigmoid,
    Hardswish,
    Threshold {
        threshold: f64,
        value: f64,
    },
    Tanhshrink,
    Softplus {
        beta: f64,
        threshold: f64,
    },
    /// Reads the output.
    Sigmoid,
    LogSigmoid,
    /// Reads the output.
    Tanh,
}

/// Activations; float types.
pub(crate) trait ActivationKernels {
    /// The function of each element.
    fn activation(&self, f: Activation, x: &Tensor) -> Result<Tensor>;
    /// `g f'(x)` from what the function's gradient reads, and `g` of the same shape and type.
    fn activation_gradient(&self, f: Activation, kept: &Tensor, g: &Tensor) -> Result<Tensor>;
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
    /// Integers wrap; a negative exponent gives zero unless the base is one or minus one.
    Pow,
    /// Float types only.
    Atan2,
    /// Float types only.
    Hypot,
    /// With the divisor's sign; integers by zero give zero.
    Remainder,
    /// Rounded down; integers by zero give zero.
    FloorDivide,
    /// `ln(1 + e^a) - a b`; float types only.
    LogisticLoss,
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
    /// A tensor of `shape` with `x` at the places `part` of its row-major layout, which are distinct, and `around`
    /// everywhere else.
    fn embed(&self, x: &Tensor, shape: Shape, part: &Layout, around: Scalar) -> Result<Tensor>;
    /// Tensors of one type and of equal shapes but for `axis`, joined along it.
    fn concat(&self, tensors: &[&Tensor], axis: usize) -> Result<Tensor>;
}

/// Convolutions with zero padding, and patches; float types. Where a method gives an image or a kernel, `shape` is it.
pub(crate) trait ConvKernels {
    /// `[N, C, *size]` with `[O, C / groups, *kernel]` and perhaps a bias `[O]` to `shape` = `[N, O, *places]`.
    fn conv(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        settings: &ConvSettings,
        shape: Shape,
    ) -> Result<Tensor>;
    /// The transpose: `[N, O, *places]` with the same kernels and perhaps a bias `[C]` to `shape` = `[N, C, *size]`.
    fn conv_transpose(
        &self,
        y: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        settings: &ConvSettings,
        shape: Shape,
    ) -> Result<Tensor>;
    /// `[N, C, *size]` and `[N, O, *places]` to `shape` = `[O, C / groups, *kernel]`, always by the same tree.
    fn conv_weight_grad(&self, x: &Tensor, y: &Tensor, settings: &ConvSettings, shape: Shape) -> Result<Tensor>;
    /// `[N, C, H, W]` to `shape` = `[N, C * kh * kw, places]`.
    fn unfold(&self, x: &Tensor, axes: &[KernelAxis; 2], kernel: &[usize; 2], shape: Shape) -> Result<Tensor>;
    /// `[N, C * kh * kw, places]` to `shape` = `[N, C, H, W]`, sums in the order of the kernel's elements.
    fn fold(&self, x: &Tensor, axes: &[KernelAxis; 2], kernel: &[usize; 2], shape: Shape) -> Result<Tensor>;
}

/// Parameters moved in place, and norms over lists of tensors.
pub(crate) trait UpdateKernels {
    /// Moves every parameter by its rule; shapes and types fit. A variable stays one, under a new identity.
    fn update(&self, slots: &mut [Slot<'_>]) -> Result<()>;
    /// The norm of each tensor, of any float types.
    fn norms(&self, tensors: &[&Tensor], norm: Norm) -> Result<Vec<f64>>;
}

/// Which element a place in a border copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// The mirror image, the edge itself not repeated.
    Reflect,
    /// The edge.
    Replicate,
    /// The other end.
    Circular,
}

/// Borders made of the tensor's own elements.
pub(crate) trait PadKernels {
    /// `x` with borders of (before, after) places that fill `shape`; any type.
    fn pad(&self, x: &Tensor, shape: Shape, pads: &[(usize, usize)], border: Border) -> Result<Tensor>;
    /// The transpose: the middle, with each place of the border added to the element it copies; float types.
    fn pad_transpose(&self, x: &Tensor, pads: &[(usize, usize)], border: Border) -> Result<Tensor>;
}

/// Fourier transforms and frames along the last axis; complex numbers are a last axis of two; float types.
pub(crate) trait SpectralKernels {
    /// `scale * sum_j x_j e^(-2 pi i j k / n)`, with the other sign if `inverse`: `[..., n, 2]` to the same shape.
    fn fft(&self, x: &Tensor, inverse: bool, scale: f64) -> Result<Tensor>;
    /// The first half of the transform of real numbers: `[..., n]` to `shape` = `[..., n / 2 + 1, 2]`.
    fn rfft(&self, x: &Tensor, shape: Shape, scale: f64) -> Result<Tensor>;
    /// The real numbers whose transform begins with `x`, without its factor of 1 / n: `[..., n / 2 + 1, 2]` to
    /// `shape` = `[..., n]`.
    fn irfft(&self, x: &Tensor, shape: Shape, scale: f64) -> Result<Tensor>;
    /// Frames `[..., count, size]`, each added `hop` places after the one before, to `shape` = `[..., n]`.
    fn overlap_add(&self, x: &Tensor, shape: Shape, hop: usize) -> Result<Tensor>;
}

/// Factorisations of matrices `[..., m, n]`; `f32` and `f64`, the former computed in the latter.
pub(crate) trait LinalgKernels {
    /// `x` in `a x = b`: `[..., n, n]` and `[..., n, k]` of equal leading axes.
    fn solve(&self, a: &Tensor, b: &Tensor) -> Result<Tensor>;
    /// The lower triangle `l` in `l l^T = a`.
    fn cholesky(&self, a: &Tensor) -> Result<Tensor>;
    /// `q` `[..., m, r]` and `r` `[..., r, n]` with `r = min(m, n)`.
    fn qr(&self, a: &Tensor) -> Result<[Tensor; 2]>;
    /// Eigenvalues, ascending, and eigenvectors as columns, of symmetric matrices of which the lower triangle is read.
    fn eigh(&self, a: &Tensor) -> Result<[Tensor; 2]>;
    /// `u` `[..., m, r]`, singular values `[..., r]`, descending, and `v^T` `[..., r, n]`.
    fn svd(&self, a: &Tensor) -> Result<[Tensor; 3]>;
}

/// Along one axis; float types.
pub(crate) trait SoftmaxKernels {
    /// `exp(x) / sum(exp(x))`, or its logarithm.
    fn softmax(&self, x: &Tensor, axis: usize, log: bool) -> Result<Tensor>;
    /// The gradient with respect to the input, from the output `y` and its gradient.
    fn softmax_gradient(&self, y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor>;
    /// `ln(sum(exp(x)))`, the axis gone; -inf of nothing.
    fn logsumexp(&self, x: &Tensor, axis: usize) -> Result<Tensor>;
}

/// How cross entropies are taken of logits `[n, classes, ...]` or `[classes]`, with targets of the same shape but for
/// the classes.
#[derive(Clone, Copy)]
pub(crate) struct CrossEntropyTask<'a> {
    /// Logits, or logarithms of probabilities where `lse` is absent.
    pub logits: &'a Tensor,
    /// `i64`; each a class or `ignore`.
    pub targets: &'a Tensor,
    /// A weight for each class.
    pub weight: Option<&'a Tensor>,
    /// The logarithm of the sum of exponentials, in the shape of the targets.
    pub lse: Option<&'a Tensor>,
    /// The target that counts nothing.
    pub ignore: i64,
    /// The share of the target that is spread over all classes.
    pub smoothing: f64,
}

/// Cross entropies with classes as targets; `f32` and `f64`.
pub(crate) trait CrossEntropyKernels {
    /// The loss of each target, and its class's weight (zero where ignored). Fails on a target that is no class.
    fn cross_entropy(&self, task: &CrossEntropyTask<'_>) -> Result<[Tensor; 2]>;
    /// The gradient with respect to the logits from that of the losses.
    fn cross_entropy_gradient(&self, task: &CrossEntropyTask<'_>, g: &Tensor) -> Result<Tensor>;
}

/// Tensors out of nothing; random ones from a key, element `i` from the words at `offset + i` of its stream.
pub(crate) trait CreationKernels {
    /// `start`, `start + step`, ...; floats are computed in `f64`.
    fn ramp(&self, start: Scalar, step: Scalar, count: usize, dtype: DType) -> Result<Tensor>;
    /// Uniform numbers of `[0, 1)`; float types.
    fn uniform(&self, shape: Shape, dtype: DType, key: u64, offset: u64) -> Result<Tensor>;
    /// Standard normal numbers; float types.
    fn normal(&self, shape: Shape, dtype: DType, key: u64, offset: u64) -> Result<Tensor>;
    /// Integers of `low..low + range` as `i64`, from two words each.
    fn integers(&self, shape: Shape, low: i64, range: u64, key: u64, offset: u64) -> Result<Tensor>;
    /// Truth values: whether a word is at least `threshold`.
    fn at_least(&self, shape: Shape, threshold: u64, key: u64, offset: u64) -> Result<Tensor>;
    /// `scale * x` where a word is at least `threshold`, zero elsewhere; float types.
    fn dropout(&self, x: &Tensor, threshold: u64, scale: f64, key: u64, offset: u64) -> Result<Tensor>;
}

/// What happens to an element that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// The new value stands; of several the last in row-major order.
    Replace,
    /// They add up, in row-major order. Truth values: or.
    Add,
    /// The greatest stands; NaN if any is.
    Max,
}

/// Elements at places that indices name. Indices are `i64` of any layout, negative ones count from the end; one outside
/// its axis is an error that names it.
pub(crate) trait IndexKernels {
    /// The same indices, none negative and all below `size`; `axis` is for the message.
    fn resolve(&self, indices: &Tensor, axis: usize, size: usize) -> Result<Tensor>;
    /// `out[.., i, ..] = x[.., indices[.., i, ..], ..]`; `indices` reaches no further than `x` along other axes.
    fn gather(&self, x: &Tensor, axis: usize, indices: &Tensor) -> Result<Tensor>;
    /// A copy of `x` with `source` written to the places that [`gather`](IndexKernels::gather) would read.
    fn scatter(&self, f: Write, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor>;
    /// The slices of `x` along `axis` that the flattened indices name, into `shape`.
    fn select_slices(&self, x: &Tensor, axis: usize, indices: &Tensor, shape: Shape) -> Result<Tensor>;
    /// A copy of `x` with the slices of `source` added to those that the flattened indices name, in their order.
    fn add_slices(&self, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor>;
    /// The indices of the elements that are not zero, in row-major order: `i64` `[count, rank]`.
    fn nonzero(&self, x: &Tensor) -> Result<Tensor>;
    /// A row-major copy of `x` with `value` (broadcast) written to the places of `part`, distinct ones of the copy.
    fn assign(&self, x: &Tensor, part: &Layout, value: &Tensor) -> Result<Tensor>;
    /// Matrices (the last two axes) with zeros on one side of a diagonal: below it if `upper`, otherwise above.
    fn triangle(&self, x: &Tensor, upper: bool, diagonal: i64) -> Result<Tensor>;
}

/// Elements compared with each other: NaN is greater than every number, -0 equals 0.
pub(crate) trait OrderKernels {
    /// The places of the `count` first elements along `axis` in ascending or descending order; equals keep their order.
    fn order(&self, x: &Tensor, axis: usize, descending: bool, count: usize) -> Result<Tensor>;
    /// Along `axis`, the first place that holds the value in `values` (the same shape with `axis` of size one), which
    /// must be there; NaN is found as NaN.
    fn first_place(&self, x: &Tensor, axis: usize, values: &Tensor) -> Result<Tensor>;
    /// For each value, how many elements of the ascending `sorted` are less, or not greater if `right`; one type.
    fn count_less(&self, sorted: &Tensor, values: &Tensor, right: bool) -> Result<Tensor>;
}

/// How elements accumulate along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    Sum,
    Product,
}

/// Running results along an axis, from its end if `reverse`. Floats (accumulated in double precision) and `i64`.
pub(crate) trait ScanKernels {
    /// Each element with all before it.
    fn scan(&self, f: Scan, x: &Tensor, axis: usize, reverse: bool) -> Result<Tensor>;
    /// `y[i] = a[i] y[i - 1] + b[i]`, where nothing comes before the first; one type, one shape.
    fn recur(&self, a: &Tensor, b: &Tensor, axis: usize, reverse: bool) -> Result<Tensor>;
}

/// Moments along axes.
pub(crate) trait MomentKernels {
    /// The sum of squared distances from the mean over `axes` (sorted), divided by `divisor`, into `shape`; floats.
    fn variance(&self, x: &Tensor, axes: &[usize], divisor: f64, shape: Shape) -> Result<Tensor>;
}
