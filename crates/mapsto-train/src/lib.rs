//! Training: the loop, what comes between its steps, checkpoints from which it goes on to the same bytes, metrics, progress, and
//! the folder that a run leaves behind.

pub mod callbacks;
mod descent;
pub mod early_stopping;
mod error;
mod fit;
mod measures;
pub mod metrics;
pub mod progress;
pub mod projection;
pub mod run_dir;
mod short;
mod snapshot;
mod supervised;
mod update;
mod watch;

pub use descent::{Descent, Loss};
pub use error::TrainError;
pub use fit::{BatchIter, Batches, Callback, Checkpoint, Clock, Fit, Flow, Learner, Step};
pub use measures::{Means, Measures};
pub use short::short;
pub use snapshot::{Parts, Snapshot, Stateful};
pub use supervised::{Labelled, Objective};
pub use update::Update;
