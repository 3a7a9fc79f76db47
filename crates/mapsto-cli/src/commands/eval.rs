//! `mapsto eval`.

use super::train::merge;
use crate::failure::Failure;
use crate::output::{Output, warn};
use crate::tasks::task;
use mapsto_tasks::{Figures, Predictor, Saved, Task, test_part};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// Data with answers to evaluate on, instead of the part that the run kept back
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Pass over what cannot be read
    #[arg(long)]
    skip_bad: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Evaluates the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.run)?;
    task(&saved.task, &saved.path)?.eval(arguments, &saved)
}

/// Evaluates a network of the task.
pub fn evaluate<T: Task>(arguments: &Arguments, saved: &Saved) -> Result<(), Failure> {
    super::check_skip_bad::<T>(arguments.skip_bad)?;
    let predictor = Predictor::<T>::load(saved)?;
    let data = arguments.data.as_deref();
    let task = T::open_for(&predictor, data, arguments.skip_bad)?;
    task.warnings().iter().for_each(|warning| warn(warning));
    let (items, name) = match data {
        Some(path) => (task.given().everything(), path.display().to_string()),
        None => (test_part(&task, &predictor.settings, saved.folder())?, "the part that the run kept back".to_string()),
    };
    if items.is_empty() {
        return Err(Failure::user("the run kept nothing back to test on: give --data"));
    }
    let evaluation = task.evaluate(&predictor, &items)?;
    let output = Output { json: arguments.json, goes_on: false };
    output.text(&format!("{} on {name}: {} examples\n\n{}", saved.path.display(), items.len(), evaluation.text()))?;
    let mut event = json!({
        "event": "evaluation", "run": saved.folder().display().to_string(), "data": name, "items": items.len(),
        "metrics": evaluation.metrics(),
    });
    merge(&mut event, evaluation.details());
    output.event(&event)
}
