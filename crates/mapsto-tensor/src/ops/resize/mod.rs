//! Tensors resized, and sampled between their elements.

mod grid_sample;
mod interpolate;
mod taps;

pub use grid_sample::{GridSample, GridSampleGradient, Outside, Sampling};
pub use interpolate::{Interpolation, Resize};
pub use taps::{Resample, Taps};

use crate::testing::Entry;

pub(super) fn entries() -> Vec<Entry> {
    grid_sample::entries().into_iter().chain(interpolate::entries()).chain(taps::entries()).collect()
}
