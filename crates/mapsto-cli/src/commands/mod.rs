//! The commands, a file each.

pub mod eval;
pub mod predict;
pub mod summary;
pub mod train;
