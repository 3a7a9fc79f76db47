//! What a run tells while it goes on.

use crate::error::TaskError;
use mapsto_train::Measures;
use serde_json::Value;

/// Somebody who watches a run.
pub trait Observer {
    /// Something that a person should know before it begins.
    ///
    /// # Errors
    /// The watcher's own; the run ends.
    fn note(&mut self, _note: &str) -> Result<(), TaskError> {
        Ok(())
    }

    /// A network begins to learn, or goes on after `done` of so many steps.
    ///
    /// # Errors
    /// The watcher's own; the run ends.
    fn stage(&mut self, _name: &str, _steps: u64, _done: u64) -> Result<(), TaskError> {
        Ok(())
    }

    /// A step is done.
    fn step(&mut self, _measures: &Measures) {}

    /// An epoch is done: the line of the metrics file.
    ///
    /// # Errors
    /// The watcher's own; the run ends.
    fn epoch(&mut self, _record: &Value) -> Result<(), TaskError> {
        Ok(())
    }

    /// A network has learned, and was evaluated on something that it has not seen.
    ///
    /// # Errors
    /// The watcher's own; the run ends.
    fn stage_end(&mut self, _record: &Value) -> Result<(), TaskError> {
        Ok(())
    }
}

/// Nobody.
pub struct Unwatched;

impl Observer for Unwatched {}
