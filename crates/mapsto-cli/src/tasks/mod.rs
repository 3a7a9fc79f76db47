//! The tasks, a folder each, and the file that a trained network of any task is saved in.

pub mod digits;

use crate::failure::Failure;
use mapsto_nn::{StateDict, read_state, write_atomic, write_state};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of a run's model file.
const MODEL_FILE: &str = "model.safetensors";
/// The name of a run's configuration.
const CONFIG_FILE: &str = "config.toml";

/// A trained network with what is needed to build it again and to use it.
pub struct Saved {
    /// The task that it was trained for.
    pub task: String,
    /// The task's configuration, as JSON.
    pub config: String,
    /// What its outputs stand for.
    pub labels: Vec<String>,
    /// The weights.
    pub weights: StateDict,
    /// The file that it was read from or is to be written to.
    pub path: PathBuf,
}

impl Saved {
    /// Reads the model file of a run's folder, or the file itself.
    pub fn read(run: &Path) -> Result<Saved, Failure> {
        let path = if run.is_dir() { run.join(MODEL_FILE) } else { run.to_path_buf() };
        if !path.exists() {
            let what = if run.is_dir() { format!("has no {MODEL_FILE}") } else { "is not there".into() };
            let mend = "give the folder that `mapsto train` named, or the model file in it";
            return Err(Failure::user(format!("{} {what}; {mend}", run.display())));
        }
        let mut file = read_state(&path).map_err(Failure::of_file)?;
        let mut text = |key: &str| {
            let missing = || Failure::user(format!("{} was not saved by mapsto: it names no {key}", path.display()));
            file.metadata.remove(key).ok_or_else(missing)
        };
        let (task, config, labels) = (text("task")?, text("config")?, text("labels")?);
        let labels = serde_json::from_str(&labels).map_err(|e| wrong(&path, "labels", &e))?;
        Ok(Saved { task, config, labels, weights: file.tensors, path })
    }

    /// Writes it.
    pub fn write(&self) -> Result<(), Failure> {
        let labels = serde_json::to_string(&self.labels).map_err(|e| self.wrong("labels", &e))?;
        let metadata = BTreeMap::from([
            ("mapsto".to_string(), env!("CARGO_PKG_VERSION").to_string()),
            ("task".to_string(), self.task.clone()),
            ("config".to_string(), self.config.clone()),
            ("labels".to_string(), labels),
        ]);
        write_state(&self.path, &self.weights, &metadata).map_err(Failure::of_file)
    }

    /// The folder that it is in, to be shown.
    pub fn folder(&self) -> String {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new(".")).display().to_string()
    }

    /// Says that a part of it is of no use.
    pub fn wrong(&self, what: &str, error: &dyn std::fmt::Display) -> Failure {
        wrong(&self.path, what, error)
    }

    /// The task's configuration.
    pub fn config<C: DeserializeOwned>(&self) -> Result<C, Failure> {
        serde_json::from_str(&self.config).map_err(|e| self.wrong("config", &e))
    }
}

fn wrong(path: &Path, what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::user(format!("{}: its {what} cannot be used: {error}", path.display()))
}

/// What a run's `config.toml` holds.
#[derive(Serialize)]
struct RunConfig<'a, C> {
    mapsto: &'a str,
    task: &'a str,
    config: &'a C,
}

/// Writes a run's configuration for people to read.
pub fn write_config(run: &Path, task: &str, config: &impl Serialize) -> Result<(), Failure> {
    let config = RunConfig { mapsto: env!("CARGO_PKG_VERSION"), task, config };
    let path = run.join(CONFIG_FILE);
    let text = toml::to_string(&config).map_err(|e| wrong(&path, "content", &e))?;
    write_atomic(&path, |out| out.write_all(text.as_bytes()))
        .map_err(|e| Failure::user(format!("cannot write {}: {e}", path.display())))
}

/// The model file of a run's folder.
pub fn model_path(run: &Path) -> PathBuf {
    run.join(MODEL_FILE)
}
