//! `mapsto eval`.

use super::train::merge;
use crate::failure::Failure;
use crate::output::{Output, warn};
use crate::show;
use crate::tasks::task;
use mapsto_tasks::{Examples, Predictor, Saved, test_part};
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
pub fn evaluate<E: Examples>(arguments: &Arguments, saved: &Saved) -> Result<(), Failure> {
    super::check_skip_bad::<E>(arguments.skip_bad)?;
    let predictor = Predictor::<E>::load(saved)?;
    let data = arguments.data.as_deref();
    let examples = E::open_for(&predictor, data, arguments.skip_bad)?;
    examples.warnings().iter().for_each(|warning| warn(warning));
    let (items, name) = match data {
        Some(path) => (examples.given().everything(), path.display().to_string()),
        None => {
            (test_part(&examples, &predictor.settings, saved.folder())?, "the part that the run kept back".to_string())
        }
    };
    if items.is_empty() {
        return Err(Failure::user("the run kept nothing back to test on: give --data"));
    }
    let (evaluation, _) = predictor.evaluate(&examples, &items)?;
    let output = Output { json: arguments.json, goes_on: false };
    output.text(&format!(
        "{} on {name}: {} examples\n\n{}",
        saved.path.display(),
        items.len(),
        show::text(&evaluation)?
    ))?;
    let mut event = json!({
        "event": "evaluation", "run": saved.folder().display().to_string(), "data": name, "items": items.len(),
        "metrics": evaluation.metrics(),
    });
    merge(&mut event, show::details(&evaluation));
    output.event(&event)
}
