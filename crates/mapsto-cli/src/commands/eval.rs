//! `mapsto eval`.

use super::unknown_task;
use crate::failure::Failure;
use crate::output::Output;
use crate::tasks::{Saved, digits};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// Labelled data to evaluate on, instead of the task's own test part
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Evaluates the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.run)?;
    let output = Output { json: arguments.json, goes_on: false };
    match saved.task.as_str() {
        digits::NAME => digits::evaluate(&saved, arguments.data.as_deref(), output),
        _ => unknown_task(&saved),
    }
}
