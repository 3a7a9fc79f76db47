//! The binary `mapsto`.

mod bench;
mod commands;
mod failure;
mod interrupt;
mod output;
mod shell;
mod tasks;
mod watcher;

use clap::{CommandFactory, Parser, Subcommand};
use failure::Failure;
use mapsto_tensor::Isa;
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
        after_help = "Examples:\n  mapsto train digits\n  mapsto train table --data iris.csv --target species\n  mapsto train table --data houses.csv --target price --model mlp --cv 5 --ensemble bagging:5\n  mapsto train digits --epochs 40 --set seed=7 --set learning_rate=0.002 --run mine --json\n  mapsto train --resume runs/mine"
    )]
    Train(Box<commands::train::Arguments>),
    /// Evaluate a trained network
    #[command(after_help = "Examples:\n  mapsto eval runs/mine\n  mapsto eval runs/mine --data more.csv --json")]
    Eval(commands::eval::Arguments),
    /// Predict with a trained network
    #[command(
        after_help = "Examples:\n  mapsto predict runs/mine seven.png\n  mapsto predict runs/mine rows.csv --json"
    )]
    Predict(commands::predict::Arguments),
    /// List, compare and remove runs
    #[command(
        after_help = "Examples:\n  mapsto runs\n  mapsto runs compare runs/first runs/second\n  mapsto runs rm runs/first"
    )]
    Runs(commands::runs::Arguments),
    /// Look at data before training on it, or fetch some
    #[command(subcommand)]
    Data(commands::data::Command),
    /// Show a network's layers, shapes, parameters, operations, receptive fields and memory
    #[command(after_help = "Examples:\n  mapsto summary runs/mine\n  mapsto summary runs/mine --batch-size 1 --json")]
    Summary(commands::summary::Arguments),
    /// Draw activations: their values, their gradients, and where they saturate
    #[command(
        after_help = "Examples:\n  mapsto activation gelu relu\n  mapsto activation tanh --from -3 --to 3 --json"
    )]
    Activation(commands::activation::Arguments),
    /// Write what a shell completes commands by, or manual pages
    #[command(subcommand)]
    Generate(commands::generate::Command),
    /// Time whole training steps of reference networks, or forward passes of one example
    #[command(
        after_help = "Examples:\n  mapsto bench\n  mapsto bench cnn lstm_lm --threads 1 --json > before.jsonl\n  mapsto bench --threads 1 --baseline before.jsonl\n  mapsto bench --inference mlp resnet18"
    )]
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    // clap exits with 2 by itself where the arguments are wrong.
    let arguments = Arguments::parse();
    let run = || match &arguments.command {
        Command::Train(arguments) => commands::train::run(arguments),
        Command::Eval(arguments) => commands::eval::run(arguments),
        Command::Predict(arguments) => commands::predict::run(arguments),
        Command::Data(command) => commands::data::run(command),
        Command::Summary(arguments) => commands::summary::run(arguments),
        Command::Activation(arguments) => commands::activation::run(arguments),
        Command::Runs(arguments) => commands::runs::run(arguments),
        Command::Generate(command) => commands::generate::run(command, Arguments::command()),
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

/// Refuses what the engine would pass over in silence. A variable that is set to nothing is not set.
fn check_environment() -> Result<(), Failure> {
    let of = |name: &str| std::env::var_os(name).unwrap_or_default().to_string_lossy().into_owned();
    const THREADS: &str = "MAPSTO_NUM_THREADS";
    let threads = of(THREADS);
    if !threads.is_empty() && threads.trim().parse::<usize>().map_or(true, |threads| threads == 0) {
        let mend = "give a whole number from 1, or unset it for one thread a core";
        return Err(Failure::user(format!("{THREADS} is {threads:?}: {mend}")));
    }
    const ISA: &str = "MAPSTO_ISA";
    let (isa, names) = (of(ISA), Isa::ALL.map(Isa::name));
    if !isa.is_empty() && !names.contains(&isa.as_str()) {
        let mend = format!("give one of {}, or unset it for the widest that there is", names.join(", "));
        return Err(Failure::user(format!("{ISA} is {isa:?}: {mend}")));
    }
    const WINOGRAD: &str = "MAPSTO_WINOGRAD";
    let winograd = of(WINOGRAD);
    if !["", "on", "off"].contains(&winograd.as_str()) {
        let mend = "give on, or off for convolutions that round like sums of products";
        return Err(Failure::user(format!("{WINOGRAD} is {winograd:?}: {mend}")));
    }
    Ok(())
}
