//! `mapsto predict`.

use super::unknown_task;
use crate::failure::Failure;
use crate::output::Output;
use crate::tasks::{Saved, digits};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// Pictures (PNG, PNM), and tables (CSV) of 64 pixels a line
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Predicts with the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.run)?;
    let output = Output { json: arguments.json, goes_on: false };
    match saved.task.as_str() {
        digits::NAME => digits::predict(&saved, &arguments.files, output),
        _ => unknown_task(&saved),
    }
}
