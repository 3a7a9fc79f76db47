//! Pooling over the last axes: greatest elements and means of windows and regions.

mod avg;
mod max;
mod window;

pub use avg::{AdaptiveAvgPool, AvgPool};
pub use max::{AddAtPlaces, AdaptiveMaxPool, MaxPool, TakePlaces};
pub(crate) use window::spatial;
pub use window::Window;

use crate::testing::Entry;

pub(super) fn entries() -> Vec<Entry> {
    avg::entries().into_iter().chain(max::entries()).collect()
}
