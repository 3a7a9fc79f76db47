//! `mapsto summary`.

use super::unknown_task;
use crate::failure::Failure;
use crate::output::Output;
use mapsto_tasks::digits::DigitsExamples;
use mapsto_tasks::image::ImageExamples;
use mapsto_tasks::table::TableExamples;
use mapsto_tasks::{Examples, Predictor, Saved};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// Inputs that go through the network at once; by default as many as in training
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch_size: Option<u32>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Summarises the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.run)?;
    match saved.task.as_str() {
        DigitsExamples::NAME => summarise::<DigitsExamples>(arguments, &saved),
        ImageExamples::NAME => summarise::<ImageExamples>(arguments, &saved),
        TableExamples::NAME => summarise::<TableExamples>(arguments, &saved),
        task => Err(unknown_task(&saved.path.display().to_string(), task)),
    }
}

fn summarise<E: Examples>(arguments: &Arguments, saved: &Saved) -> Result<(), Failure> {
    let predictor = Predictor::<E>::load(saved)?;
    let batch = arguments.batch_size.map_or(predictor.settings.training.batch_size, |size| size as usize);
    let summary = predictor.summary(batch)?;
    let output = Output { json: arguments.json, goes_on: false };
    if predictor.members.len() > 1 {
        output.text(&format!("each of {} networks:", predictor.members.len()))?;
    }
    output.text(&summary.to_string())?;
    output.event(&json!({
        "event": "summary", "run": saved.folder(), "networks": predictor.members.len(), "summary": summary,
    }))
}
