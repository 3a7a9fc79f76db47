//! Pooling over the last axes: greatest elements and means of windows and regions.

mod avg;
mod max;
mod window;

pub use avg::{AdaptiveAvgPool, AvgPool};
pub use max::{AdaptiveMaxPool, AddAtPlaces, MaxPool, TakePlaces};
pub use window::Window;
pub(crate) use window::spatial;

use crate::testing::Entry;

pub(super) fn entries() -> Vec<Entry> {
    avg::entries().into_iter().chain(max::entries()).collect()
}
