//! The file of a trained network: its weights, and all that is needed to build it again and to use it.

use crate::error::TaskError;
use mapsto_nn::{StateDict, read_state, write_state};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of a run's model file.
pub const MODEL_FILE: &str = "model.safetensors";
/// The format that is written. A file of a greater one is of a newer version.
const FORMAT: u64 = 2;

/// How the members of an ensemble count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combination {
    /// The weight of each.
    pub weights: Vec<f64>,
    /// The weighted median counts, not the mean.
    pub median: bool,
}

impl Combination {
    /// Of one, or of several that count alike.
    pub fn mean(members: usize) -> Combination {
        Combination { weights: vec![1.0; members], median: false }
    }
}

/// A trained network with what is needed to build it again and to use it.
#[derive(Clone)]
pub struct Saved {
    /// The task that it was trained for.
    pub task: String,
    /// The settings of its run.
    pub settings: Value,
    /// What makes its inputs, and reads its outputs.
    pub preparation: Value,
    /// How several networks become one.
    pub combination: Combination,
    /// The weights; of several networks, behind their numbers: `0.`
    pub weights: StateDict,
    /// The file.
    pub path: PathBuf,
}

impl Saved {
    /// Reads the model file of a run's folder, or the file itself.
    ///
    /// # Errors
    /// A file that is not there, is damaged, or was written by a newer version or something else.
    pub fn read(run: &Path) -> Result<Saved, TaskError> {
        let path = if run.is_dir() { run.join(MODEL_FILE) } else { run.to_path_buf() };
        if !path.exists() {
            let what = if run.is_dir() { format!("has no {MODEL_FILE}") } else { "is not there".into() };
            let mend = "give the folder that `mapsto train` named, or the model file in it";
            return Err(TaskError::Input(format!("{} {what}; {mend}", run.display())));
        }
        let mut file = read_state(&path).map_err(|e| TaskError::Input(format!("{e:#}")))?;
        let mut text = |key: &str| {
            let missing = || TaskError::Input(format!("{} was not saved by mapsto: it names no {key}", path.display()));
            file.metadata.remove(key).ok_or_else(missing)
        };
        let format = text("format")?;
        if format.parse::<u64>() != Ok(FORMAT) {
            let what = format!("{} is of format {format:?}, this version knows {FORMAT}", path.display());
            return Err(TaskError::Input(format!("{what}: use the version of mapsto that wrote it, or a newer one")));
        }
        let (task, settings) = (text("task")?, text("settings")?);
        let (preparation, combination) = (text("preparation")?, text("combination")?);
        let saved = Saved {
            task,
            settings: parsed(&path, "settings", &settings)?,
            preparation: parsed(&path, "preparation", &preparation)?,
            combination: parsed(&path, "combination", &combination)?,
            weights: file.tensors,
            path: path.clone(),
        };
        saved.check()?;
        Ok(saved)
    }

    /// Says what no network can have.
    fn check(&self) -> Result<(), TaskError> {
        let weights = &self.combination.weights;
        if weights.is_empty() || weights.iter().any(|weight| !(*weight >= 0.0)) || !(weights.iter().sum::<f64>() > 0.0)
        {
            return Err(self.wrong("combination", "the weights of its members are no shares"));
        }
        Ok(())
    }

    /// Writes it: the same network gives the same bytes.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn write(&self) -> Result<(), TaskError> {
        let json = |what: &str, value: Result<String, serde_json::Error>| value.map_err(|e| self.wrong(what, e));
        let metadata = BTreeMap::from([
            ("mapsto".to_string(), env!("CARGO_PKG_VERSION").to_string()),
            ("format".to_string(), FORMAT.to_string()),
            ("task".to_string(), self.task.clone()),
            ("settings".to_string(), self.settings.to_string()),
            ("preparation".to_string(), self.preparation.to_string()),
            ("combination".to_string(), json("combination", serde_json::to_string(&self.combination))?),
        ]);
        Ok(write_state(&self.path, &self.weights, &metadata)?)
    }

    /// The weights of a member.
    pub fn member(&self, member: usize) -> StateDict {
        if self.combination.weights.len() == 1 {
            return self.weights.clone();
        }
        let own = |(name, value): (&String, &mapsto_tensor::Tensor)| {
            Some((name.strip_prefix(&format!("{member}."))?.to_string(), value.clone()))
        };
        self.weights.iter().filter_map(own).collect()
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }

    /// Says that a part of it is of no use.
    pub fn wrong(&self, what: &str, why: impl std::fmt::Display) -> TaskError {
        wrong(&self.path, what, &why)
    }

    /// One of its JSON parts.
    ///
    /// # Errors
    /// Another form than expected.
    pub fn part<T: DeserializeOwned>(&self, what: &str, value: &Value) -> Result<T, TaskError> {
        serde_json::from_value(value.clone()).map_err(|e| self.wrong(what, e))
    }
}

fn parsed<T: DeserializeOwned>(path: &Path, what: &str, text: &str) -> Result<T, TaskError> {
    serde_json::from_str(text).map_err(|e| wrong(path, what, &e))
}

fn wrong(path: &Path, what: &str, why: &dyn std::fmt::Display) -> TaskError {
    TaskError::Input(format!("{}: its {what} cannot be used: {why}", path.display()))
}
