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
use mapsto_tasks::Task;

/// Refuses `--skip-bad` where nothing is passed over.
fn check_skip_bad<T: Task>(asked: bool) -> Result<(), Failure> {
    if asked && !T::SKIPS_BAD {
        return Err(Failure::user(format!("--skip-bad means nothing to {}", T::NAME)));
    }
    Ok(())
}
