//! What a training run needs around its steps: metrics, progress, and the folder it leaves behind.

pub mod metrics;
pub mod progress;
pub mod run_dir;
