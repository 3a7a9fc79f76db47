//! `mapsto train`.

use crate::failure::Failure;
use crate::tasks::digits;

#[derive(clap::Subcommand)]
pub enum Task {
    /// Handwritten digits: a convolutional network on 1,797 embedded images
    Digits(digits::TrainArguments),
}

/// Trains what the arguments say.
pub fn run(task: &Task) -> Result<(), Failure> {
    match task {
        Task::Digits(arguments) => digits::train(arguments),
    }
}
