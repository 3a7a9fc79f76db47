//! Datasets that travel in the binary, and ways to divide data.

mod digits;
mod split;

pub use digits::{Digits, digits};
pub use split::{SplitError, stratified_split};
