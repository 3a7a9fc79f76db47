//! The binary `mapsto`.

mod bench;
mod commands;
mod failure;
mod interrupt;
mod output;
mod shell;
mod tasks;

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
    /// Train a network; what it learned is saved in a run's folder
    #[command(
        subcommand,
        after_help = "Examples:\n  mapsto train digits\n  mapsto train digits --epochs 40 --seed 7 --run mine --json"
    )]
    Train(commands::train::Task),
    /// Evaluate a trained network
    #[command(after_help = "Examples:\n  mapsto eval runs/mine\n  mapsto eval runs/mine --data more.csv --json")]
    Eval(commands::eval::Arguments),
    /// Predict with a trained network
    #[command(
        after_help = "Examples:\n  mapsto predict runs/mine seven.png\n  mapsto predict runs/mine digits.csv --json"
    )]
    Predict(commands::predict::Arguments),
    /// Show a network's layers, shapes, parameters, operations, receptive fields and memory
    #[command(after_help = "Examples:\n  mapsto summary runs/mine\n  mapsto summary runs/mine --batch-size 1 --json")]
    Summary(commands::summary::Arguments),
    /// Time whole training steps of reference networks
    #[command(after_help = "Examples:\n  mapsto bench\n  mapsto bench cnn lstm_lm --threads 1 --json")]
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    // clap exits with 2 by itself where the arguments are wrong.
    let arguments = Arguments::parse();
    let run = || match &arguments.command {
        Command::Train(task) => commands::train::run(task),
        Command::Eval(arguments) => commands::eval::run(arguments),
        Command::Predict(arguments) => commands::predict::run(arguments),
        Command::Summary(arguments) => commands::summary::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
    };
    match check_environment().and_then(|()| run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Pipe) => ExitCode::SUCCESS, // the reader has seen enough, as with `| head`
        Err(failure) => {
            output::complain(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// Refuses what the engine would pass over in silence.
fn check_environment() -> Result<(), Failure> {
    const THREADS: &str = "MAPSTO_NUM_THREADS";
    let asked = std::env::var_os(THREADS).unwrap_or_default();
    let asked = asked.to_string_lossy();
    // Set to nothing is not set.
    if asked.is_empty() || asked.trim().parse::<usize>().is_ok_and(|threads| threads > 0) {
        return Ok(());
    }
    Err(Failure::user(format!("{THREADS} is {asked:?}: give a whole number from 1, or unset it for one thread a core")))
}
