//! Normalisation.

use crate::error::Result;
use crate::tensor::Tensor;

/// A tensor as `[samples, groups, cells, run]`: each (sample, group) is normalised on its own, and the `run` elements of a
/// cell share one weight and bias of the `groups * cells`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub samples: usize,
    pub groups: usize,
    pub cells: usize,
    pub run: usize,
}

/// Normalisation of rows. Float types; statistics are `f64` for `f64`, otherwise `f32`.
pub(crate) trait RowNormKernels {
    /// `[y, mean, 1 / sqrt(variance + eps)]`; statistics `[samples * groups]`. Not `centred`: the mean is zero and the
    /// variance the mean square.
    fn row_norm(
        &self,
        x: &Tensor,
        affine: [Option<&Tensor>; 2],
        rows: Rows,
        eps: f64,
        centred: bool,
    ) -> Result<[Tensor; 3]>;
    /// Gradients with respect to the input, and those to weight and bias `[blocks, groups * cells]`, still to be summed over
    /// blocks of samples.
    fn row_norm_backward(
        &self,
        g: &Tensor,
        x: &Tensor,
        weight: Option<&Tensor>,
        statistics: [&Tensor; 2],
        rows: Rows,
        centred: bool,
    ) -> Result<[Tensor; 3]>;
}

/// Normalisation of channels. Float types; statistics are `f64` for `f64`, otherwise `f32`.
pub(crate) trait BatchNormKernels {
    /// `[n, c, ...]` normalised over all axes but the second, and with `relu` rectified: `[y, mean, variance,
    /// 1 / sqrt(variance + eps), that times the weight]`.
    fn batch_norm(&self, x: &Tensor, affine: [Option<&Tensor>; 2], eps: f64, relu: bool) -> Result<[Tensor; 5]>;
    /// Gradients with respect to input, weight and bias, from the mean, `1 / sqrt(variance + eps)` and that times the weight.
    fn batch_norm_backward(
        &self,
        g: &Tensor,
        x: &Tensor,
        affine: [Option<&Tensor>; 2],
        statistics: [&Tensor; 3],
        relu: bool,
    ) -> Result<[Tensor; 3]>;
    /// `[n, c, ...]` normalised by a mean and a variance for each channel, and with `relu` rectified.
    fn channel_affine(
        &self,
        x: &Tensor,
        mean: &Tensor,
        variance: &Tensor,
        affine: [Option<&Tensor>; 2],
        eps: f64,
        relu: bool,
    ) -> Result<Tensor>;
}
