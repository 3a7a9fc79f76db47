//! `mapsto eval`.

use super::train::merge;
use super::unknown_task;
use crate::failure::Failure;
use crate::output::{Output, warn};
use crate::show;
use mapsto_tasks::digits::DigitsExamples;
use mapsto_tasks::image::ImageExamples;
use mapsto_tasks::table::TableExamples;
use mapsto_tasks::{Examples, Predictor, Saved, test_part};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// Data with answers to evaluate on, instead of the part that the run kept back
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Pass over pictures that cannot be read
    #[arg(long)]
    skip_bad: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Evaluates the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.run)?;
    let output = Output { json: arguments.json, goes_on: false };
    let data = arguments.data.as_deref();
    if arguments.skip_bad && saved.task != ImageExamples::NAME {
        return Err(Failure::user(format!("--skip-bad means nothing to {}", saved.task)));
    }
    match saved.task.as_str() {
        DigitsExamples::NAME => evaluate(&saved, data, output, |_, data| match data {
            None => Ok(DigitsExamples::embedded()?),
            Some(path) => {
                let examples = DigitsExamples::read(&[path])?;
                if !examples.is_labelled {
                    let mend = "give the digit as the 65th value, or use `mapsto predict`";
                    return Err(Failure::user(format!(
                        "{}: the digit it shows is not told; {mend}",
                        examples.places[0]
                    )));
                }
                Ok(examples)
            }
        }),
        ImageExamples::NAME => evaluate(&saved, data, output, |predictor: &Predictor<ImageExamples>, data| {
            let mut config = predictor.settings.config.clone();
            config.skip_bad |= arguments.skip_bad;
            let examples = match data {
                None => ImageExamples::open(&config)?,
                Some(path) => ImageExamples::open_for(predictor, path, arguments.skip_bad)?,
            };
            examples.skipped_note().iter().for_each(|note| warn(note));
            Ok(examples)
        }),
        TableExamples::NAME => evaluate(&saved, data, output, |predictor, data| {
            Ok(TableExamples::read_for(predictor, data.unwrap_or(&predictor.settings.config.data))?)
        }),
        task => Err(unknown_task(&saved.path.display().to_string(), task)),
    }
}

fn evaluate<E: Examples>(
    saved: &Saved,
    data: Option<&Path>,
    output: Output,
    read: impl FnOnce(&Predictor<E>, Option<&Path>) -> Result<E, Failure>,
) -> Result<(), Failure> {
    let predictor = Predictor::<E>::load(saved)?;
    let examples = read(&predictor, data)?;
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
    output.text(&format!(
        "{} on {name}: {} examples\n\n{}",
        saved.path.display(),
        items.len(),
        show::text(&evaluation)?
    ))?;
    let mut event = json!({
        "event": "evaluation", "run": saved.folder().display().to_string(), "data": name, "items": items.len(), "metrics": evaluation.metrics(),
    });
    merge(&mut event, show::details(&evaluation));
    output.event(&event)
}
