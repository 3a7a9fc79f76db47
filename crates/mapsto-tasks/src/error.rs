//! Why a task failed.

use mapsto_tensor::{Category, Error};
use mapsto_train::TrainError;
use mapsto_train::metrics::MetricError;
use mapsto_train::run_dir::RunError;

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// What was given cannot be used: data, a setting, a file.
    #[error("{0}")]
    Input(String),
    /// The training ended early.
    #[error("{0}")]
    Train(TrainError),
    /// Something that should have worked did not.
    #[error("{0}")]
    Internal(String),
}

impl TaskError {
    /// What is wrong with something that was given.
    pub fn input(what: impl ToString) -> TaskError {
        TaskError::Input(what.to_string())
    }
}

impl From<Error> for TaskError {
    fn from(error: Error) -> TaskError {
        match error.category() {
            Category::Data | Category::Io | Category::Memory => TaskError::Input(format!("{error:#}")),
            _ => TaskError::Internal(error.to_string()),
        }
    }
}

impl From<TrainError> for TaskError {
    fn from(error: TrainError) -> TaskError {
        match error {
            TrainError::Engine(error) => error.into(),
            TrainError::Run(error) => error.into(),
            TrainError::Data(error) => TaskError::Input(error.to_string()),
            error => TaskError::Train(error),
        }
    }
}

impl From<RunError> for TaskError {
    fn from(error: RunError) -> TaskError {
        TaskError::Input(error.to_string())
    }
}

impl From<MetricError> for TaskError {
    fn from(error: MetricError) -> TaskError {
        TaskError::Internal(error.to_string())
    }
}
