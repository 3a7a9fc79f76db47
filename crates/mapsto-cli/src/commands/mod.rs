//! The commands, a file each.

pub mod activation;
pub mod data;
pub mod eval;
pub mod generate;
pub mod predict;
pub mod runs;
pub mod summary;
pub mod train;

use crate::failure::Failure;
use mapsto_tasks::Examples;
use mapsto_tasks::digits::DigitsExamples;
use mapsto_tasks::image::ImageExamples;
use mapsto_tasks::table::TableExamples;

/// What to say of a task that this version does not know.
fn unknown_task(path: &str, task: &str) -> Failure {
    let known = [DigitsExamples::NAME, ImageExamples::NAME, TableExamples::NAME].join(", ");
    Failure::user(format!("{path} is of the task {task:?}, this version knows {known}"))
}
