//! Windows that slide over planes, maps along axes, and samples at points.

use crate::error::Result;
use crate::ops::{GridSample, Taps};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What each output along one axis sees of its input: the places `first`, `first + step`, ... of which there are `count`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Windows {
    /// Size of the input's axis.
    pub size: usize,
    /// Distance of the places in a window.
    pub step: usize,
    /// First place and number of places for each output.
    pub reach: Vec<(usize, usize)>,
    /// Outputs `start..end` whose windows are whole and `stride` apart.
    pub regular: (usize, usize, usize),
}

/// Pooling by maxima. Float types only.
pub(crate) trait PoolKernels {
    /// The greatest element of each window over the last `windows.len()` axes (at most three), into `shape`, and its
    /// place in the plane of these axes as `i32`: of equal ones the first, of NaN the last, -1 where a window is empty.
    fn max_pool(&self, x: &Tensor, windows: &[Windows], shape: Shape) -> Result<[Tensor; 2]>;
    /// The first result of [`max_pool`](PoolKernels::max_pool) alone.
    fn max_pool_values(&self, x: &Tensor, windows: &[Windows], shape: Shape) -> Result<Tensor>;
    /// Elements of planes at places: for planes `x` `[..., plane]` and `places` (`i32`) of as many planes, flattened over
    /// the last `axes` axes. A place of -1 gives zero; one outside is an error.
    fn take_places(&self, x: &Tensor, places: &Tensor, axes: usize) -> Result<Tensor>;
    /// The transpose of `take_places`: zeros of `shape` with elements added at their places.
    fn add_at_places(&self, x: &Tensor, places: &Tensor, axes: usize, shape: Shape) -> Result<Tensor>;
}

/// Linear maps along axes. Float types only.
pub(crate) trait ResampleKernels {
    /// A linear map along each of the last `taps.len()` axes, into `shape`.
    fn resample(&self, x: &Tensor, taps: &[Taps], shape: Shape) -> Result<Tensor>;
}

/// Samples between elements. Float types only.
pub(crate) trait GridSampleKernels {
    /// Samples of `x` `[n, c, ...]` at the points of `grid` `[n, ..., axes]`, into `shape`.
    fn grid_sample(&self, op: &GridSample, x: &Tensor, grid: &Tensor, shape: Shape) -> Result<Tensor>;
    /// Gradients of `grid_sample` with respect to `x` and `grid`.
    fn grid_sample_backward(&self, op: &GridSample, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<[Tensor; 2]>;
}
