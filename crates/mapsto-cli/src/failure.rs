//! Why a command failed, and its exit code: 2 for the user's mistake, 1 for ours, 130 for Ctrl-C.

use crate::interrupt;
use mapsto_tasks::TaskError;
use mapsto_tensor::{Category, Error};
use mapsto_train::run_dir::RunError;
use std::fmt;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// What the user gave cannot be used.
    User(String),
    /// Something that should have worked did not.
    Internal(String),
    /// Whoever read standard output has stopped reading.
    Pipe,
    /// The user pressed Ctrl-C; what is saved, and how to go on.
    Interrupted(String),
}

impl Failure {
    /// The user's mistake, in words.
    pub fn user(what: impl Into<String>) -> Failure {
        Failure::User(what.into())
    }

    /// What is wrong with a file that the user gave, whichever part of the engine noticed it.
    pub fn of_file(error: Error) -> Failure {
        Failure::User(format!("{error:#}"))
    }

    /// With more to say: what can be done now.
    pub fn and(self, more: &str) -> Failure {
        match self {
            Failure::User(what) => Failure::User(format!("{what}; {more}")),
            Failure::Internal(what) => Failure::Internal(format!("{what}; {more}")),
            Failure::Interrupted(what) => Failure::Interrupted(format!("{what}; {more}")),
            Failure::Pipe => Failure::Pipe,
        }
    }

    /// The exit code that stands for it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::User(_) => ExitCode::from(2),
            Failure::Internal(_) => ExitCode::from(1),
            Failure::Pipe => ExitCode::SUCCESS,
            Failure::Interrupted(_) => ExitCode::from(interrupt::EXIT_CODE),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::User(what) => f.write_str(what),
            Failure::Internal(what) => write!(f, "internal error: {what}"),
            Failure::Pipe => f.write_str("standard output is closed"),
            Failure::Interrupted(what) => f.write_str(what),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error.category() {
            Category::Data | Category::Io | Category::Memory => Failure::of_file(error),
            _ => Failure::Internal(error.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        Failure::User(error.to_string())
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Failure {
        match error {
            TaskError::Internal(what) => Failure::Internal(what),
            error => Failure::User(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    /// An error of standard output, the only stream that is written without a file's name at hand.
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::Pipe,
            _ => Failure::User(format!("cannot write to standard output: {error}")),
        }
    }
}
