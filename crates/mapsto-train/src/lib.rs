//! What a training run needs around its steps: metrics, progress, when to stop, and the folder it leaves behind.

pub mod early_stopping;
pub mod metrics;
pub mod progress;
pub mod run_dir;
