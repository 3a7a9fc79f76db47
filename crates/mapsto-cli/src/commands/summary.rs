//! `mapsto summary`.

use super::unknown_task;
use crate::failure::Failure;
use crate::output::Output;
use crate::tasks::{Saved, digits};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// Inputs that go through the network at once; by default as many as in training
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch_size: Option<u32>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Summarises the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.run)?;
    let output = Output { json: arguments.json, goes_on: false };
    match saved.task.as_str() {
        digits::NAME => digits::summarise(&saved, arguments.batch_size, output),
        _ => unknown_task(&saved),
    }
}
