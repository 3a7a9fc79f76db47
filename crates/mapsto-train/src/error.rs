//! Why a training ended early.

use crate::run_dir::RunError;
use mapsto_tensor::Error;

/// Why a training ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The engine refused: a step, a measure, the state in a checkpoint.
    #[error("{0}")]
    Engine(#[from] Error),
    /// A run's folder or a file in it could not be read or written.
    #[error("{0}")]
    Run(#[from] RunError),
    /// A batch could not be made.
    #[error("{0}")]
    Data(Box<dyn std::error::Error + Send + Sync>),
    /// A loss or a gradient became NaN or infinite.
    #[error("{what} in step {step} of epoch {epoch}{found}; {mend}")]
    NotFinite {
        /// What became what.
        what: String,
        /// The step of the epoch, from 1.
        step: u64,
        /// The epoch, from 1.
        epoch: u64,
        /// The first operation and layer that produced it, where running the step again found them.
        found: String,
        /// What helps most often.
        mend: &'static str,
    },
    /// Somebody asked to stop; the checkpoint holds all that is needed to go on.
    #[error("interrupted in epoch {epoch}; everything up to its step {step} is saved")]
    Interrupted {
        /// The epoch, from 1.
        epoch: u64,
        /// Steps of the epoch that are done.
        step: u64,
    },
}
