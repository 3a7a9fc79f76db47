//! The binary `mapsto`.

mod bench;
mod failure;
mod output;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// Trains, evaluates and runs neural networks.
#[derive(Parser)]
#[command(name = "mapsto", version, about, arg_required_else_help = true)]
#[command(after_help = "Try: mapsto train digits")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Time whole training steps of reference networks
    #[command(after_help = "Examples:\n  mapsto bench\n  mapsto bench cnn lstm_lm --threads 1 --json")]
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    // clap exits with 2 by itself where the arguments are wrong.
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Pipe) => ExitCode::SUCCESS, // the reader has seen enough, as with `| head`
        Err(failure) => {
            output::complain(&failure.to_string());
            failure.exit_code()
        }
    }
}
