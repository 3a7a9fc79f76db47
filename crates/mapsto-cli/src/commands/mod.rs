//! The commands, a file each.

pub mod activation;
pub mod data;
pub mod eval;
pub mod predict;
pub mod summary;
pub mod train;

use crate::failure::Failure;
use crate::tasks::{Saved, digits};

/// Fails for a model of a task that this version does not know.
fn unknown_task<T>(saved: &Saved) -> Result<T, Failure> {
    let path = saved.path.display();
    Err(Failure::user(format!("{path} is of the task {:?}, this version knows {:?}", saved.task, digits::NAME)))
}
