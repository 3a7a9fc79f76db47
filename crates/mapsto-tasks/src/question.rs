//! What a network is asked, and who listens to what it says.

use crate::error::TaskError;
use crate::settings::assign;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;

/// What a network is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// About files.
    pub files: Vec<PathBuf>,
    /// About texts.
    pub texts: Vec<String>,
    /// How it is to answer, as `key=value`.
    pub set: Vec<String>,
    /// What cannot be read is passed over.
    pub skip_bad: bool,
}

impl Question {
    /// Fails unless it is about files alone, and asks for no other answers than the task gives.
    ///
    /// # Errors
    /// Texts or settings, which mean nothing to the task; no files.
    pub fn asks_files(&self, task: &str) -> Result<(), TaskError> {
        if !self.texts.is_empty() {
            return Err(TaskError::Input(format!("--text means nothing to {task}: give files")));
        }
        if let Some(setting) = self.set.first() {
            return Err(TaskError::Input(format!("--set {setting} means nothing to the predictions of {task}")));
        }
        match self.files.is_empty() {
            true => Err(TaskError::input("give files to predict")),
            false => Ok(()),
        }
    }

    /// Settings of how to answer: the usual ones, with those that were asked for in their place.
    ///
    /// # Errors
    /// A key that is no setting; a value that does not fit.
    pub fn settle<S: Default + Serialize + DeserializeOwned>(&self) -> Result<S, TaskError> {
        self.set.iter().try_fold(S::default(), |settings, assignment| assign(&settings, assignment))
    }
}

/// What a network says of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// What the input is called.
    pub input: String,
    /// For a person.
    pub text: String,
    /// For a table, a cell for each of [`Task::columns`](crate::Task::columns).
    pub cells: Vec<String>,
    /// For a program: an object.
    pub fields: Value,
}

/// Who takes what a network says.
pub trait Listener {
    /// All that it says of an input.
    ///
    /// # Errors
    /// The listener's own.
    fn answer(&mut self, prediction: Prediction) -> Result<(), TaskError>;

    /// A piece of an answer that grows, as soon as it is there; the answer at the end holds it once more.
    ///
    /// # Errors
    /// The listener's own.
    fn piece(&mut self, _text: &str) -> Result<(), TaskError> {
        Ok(())
    }

    /// What a person should know: why an input could not be read, where that is passed over.
    fn warn(&mut self, why: &str);
}
