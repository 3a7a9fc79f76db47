//! `mapsto generate`: completions and manual pages, from the same definition as the commands and their help.

use crate::failure::Failure;
use crate::output::Output;
use clap_complete::Shell;
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum Command {
    /// What a shell completes commands by, on standard output
    #[command(
        after_help = "Example: mapsto generate completions bash > ~/.local/share/bash-completion/completions/mapsto"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Manual pages, one for each command
    #[command(after_help = "Example: mapsto generate manual ~/.local/share/man/man1")]
    Manual {
        /// The folder that they are written to
        folder: PathBuf,
    },
}

/// Writes what the command asks for.
pub fn run(command: &Command, mut definition: clap::Command) -> Result<(), Failure> {
    match command {
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut definition, "mapsto", &mut text);
            let output = Output { json: false, goes_on: false };
            output.text(String::from_utf8_lossy(&text).trim_end())
        }
        Command::Manual { folder } => {
            let refused =
                |e: std::io::Error| Failure::user(format!("cannot write manual pages to {}: {e}", folder.display()));
            std::fs::create_dir_all(folder).map_err(refused)?;
            clap_mangen::generate_to(definition, folder).map_err(refused)?;
            let output = Output { json: false, goes_on: false };
            output.event(&json!({"event": "manual", "folder": folder}))
        }
    }
}
