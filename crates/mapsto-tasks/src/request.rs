//! What a person asks a task to learn, and what comes of it before the run begins.

use crate::error::TaskError;
use crate::settings::Settings;
use crate::task::Task;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// What a person asks a task to learn. Not every part means something to every task.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The data.
    pub data: Option<PathBuf>,
    /// The column that is to be predicted.
    pub target: Option<String>,
    /// The network's name.
    pub model: Option<String>,
    /// Weights that the network begins with.
    pub pretrained: Option<PathBuf>,
    /// What cannot be read is passed over.
    pub skip_bad: bool,
    /// Settings, as `key=value`.
    pub set: Vec<String>,
}

/// A task that a run can begin with.
pub struct Begun<T: Task> {
    /// The task with its data.
    pub task: T,
    /// Settings that suit them; of these, [`Request::set`] is not yet applied.
    pub settings: Settings<T::Config>,
    /// What was decided, for a person.
    pub notes: Vec<String>,
}

impl Request {
    /// Fails for what was given and means nothing to a task that takes these options.
    ///
    /// # Errors
    /// The first such option.
    pub fn takes(&self, task: &str, options: &[&str]) -> Result<(), TaskError> {
        let given = [
            ("--data", self.data.is_some()),
            ("--target", self.target.is_some()),
            ("--model", self.model.is_some()),
            ("--pretrained", self.pretrained.is_some()),
            ("--skip-bad", self.skip_bad),
        ];
        match given.iter().find(|(name, given)| *given && !options.contains(name)) {
            Some((name, _)) => Err(TaskError::Input(format!("{name} means nothing to {task}"))),
            None => Ok(()),
        }
    }

    /// Where the data are, as a path that holds in any folder.
    ///
    /// # Errors
    /// None were given: they are told to be `what`; a path that is not there.
    pub fn data(&self, what: &str) -> Result<PathBuf, TaskError> {
        let missing = || TaskError::Input(format!("--data is missing: give {what}"));
        absolute(self.data.as_ref().ok_or_else(missing)?)
    }

    /// Where the weights to begin with are; empty if there are none.
    ///
    /// # Errors
    /// A path that is not there.
    pub fn pretrained(&self) -> Result<PathBuf, TaskError> {
        self.pretrained.as_deref().map_or_else(|| Ok(PathBuf::new()), absolute)
    }

    /// The model that was named, or else the one of this name.
    ///
    /// # Errors
    /// A name that is not among those that there are.
    pub fn model<M>(
        &self,
        task: &str,
        usual: &str,
        named: fn(&str) -> Option<M>,
        names: &[&str],
    ) -> Result<M, TaskError> {
        let name = self.model.as_deref().unwrap_or(usual);
        let none =
            || TaskError::Input(format!("there is no model {name:?} for {task}: give one of {}", names.join(", ")));
        named(name).ok_or_else(none)
    }

    /// Settings as they are asked for.
    ///
    /// # Errors
    /// Those of [`Settings::with`].
    pub fn settle<C: Serialize + DeserializeOwned>(&self, mut settings: Settings<C>) -> Result<Settings<C>, TaskError> {
        for assignment in &self.set {
            settings = settings.with(assignment)?;
        }
        Ok(settings)
    }
}

/// A path that holds in any folder, so that a run goes on from there.
fn absolute(path: &Path) -> Result<PathBuf, TaskError> {
    path.canonicalize().map_err(|e| TaskError::Input(format!("cannot read {}: {e}", path.display())))
}
