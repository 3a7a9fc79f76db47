//! Points of many dimensions as points of two, to be looked at.

mod pca;
mod tsne;

pub use pca::pca;
pub use tsne::{TsneConfig, tsne};
