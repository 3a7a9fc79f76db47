//! `mapsto data fetch`: public datasets, ready to train on.

use crate::failure::Failure;
use crate::interrupt;
use crate::output::Output;
use crate::shell::quoted;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mapsto_data::{CATALOGUE, DataSet, FetchError, FetchOptions, FetchStep, Reads, fetch};
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The variable that names a mirror.
const MIRROR: &str = "MAPSTO_MIRROR";
const TEMPLATE: &str = "{msg} {bar:30.green} {bytes}/{total_bytes} {bytes_per_sec}  left {eta}";

#[derive(clap::Args)]
pub struct Arguments {
    /// The set; without one, all are listed
    name: Option<String>,
    /// The folder that it is put into; without one, a folder of its name here
    #[arg(long, value_name = "FOLDER", requires = "name")]
    to: Option<PathBuf>,
    /// List the sets with size, licence, source, and the command that trains on them
    #[arg(long, conflicts_with = "name")]
    list: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Does what the arguments say.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(name) = &arguments.name else {
        return list(Output { json: arguments.json, goes_on: false });
    };
    let set = CATALOGUE.iter().find(|set| set.name == name).ok_or_else(|| {
        let names: Vec<&str> = CATALOGUE.iter().map(|set| set.name).collect();
        Failure::user(format!("there is no set {name:?}: give one of {}", names.join(", ")))
    })?;
    let folder = arguments.to.clone().unwrap_or_else(|| PathBuf::from(name));
    // A variable that is set to nothing is not set.
    let mirror = std::env::var(MIRROR).ok().filter(|mirror| !mirror.is_empty());
    let output = Output { json: arguments.json, goes_on: true };
    interrupt::watch()?;
    let bar = bar(arguments.json);
    let placed = fetch(set, &folder, &FetchOptions { mirror, ..FetchOptions::default() }, &mut |step| show(&bar, step));
    bar.finish_and_clear();
    for (placed, file) in placed?.iter().zip(set.files) {
        for path in &placed.paths {
            let state = if placed.kept { "there already" } else { "fetched" };
            output.text(&format!("{}: {state}", path.display()))?;
        }
        output.event(&json!({"event": "file", "url": placed.url, "bytes": file.bytes, "sha256": file.sha256,
                             "paths": placed.paths, "kept": placed.kept}))?;
    }
    let train = training(set, &folder);
    output.text(&format!("{} is in {}; its licence: {}; now: {train}", set.name, folder.display(), set.licence))?;
    output
        .event(&json!({"event": "fetched", "set": set.name, "folder": folder, "licence": set.licence, "train": train}))
}

fn list(output: Output) -> Result<(), Failure> {
    for set in CATALOGUE {
        let bytes: u64 = set.files.iter().map(|file| file.bytes).sum();
        let train = training(set, Path::new(set.name));
        output.text(&format!("{:<14}{:>11}   {}", set.name, HumanBytes(bytes).to_string(), set.about))?;
        output.text(&format!("{:<28}{} ({})", "", set.home, set.licence))?;
        output.text(&format!("{:<28}{train}", ""))?;
        let files = set.files.iter().map(|file| json!({"url": file.url, "bytes": file.bytes, "sha256": file.sha256}));
        output.event(
            &json!({"event": "set", "set": set.name, "about": set.about, "licence": set.licence, "home": set.home,
                             "bytes": bytes, "files": files.collect::<Vec<_>>(), "train": train}),
        )?;
    }
    Ok(())
}

/// The command that trains on a set in a folder.
fn training(set: &DataSet, folder: &Path) -> String {
    let of = |path: &Path| quoted(&path.display().to_string());
    match set.reads {
        Reads::Pictures => format!("mapsto train image --data {}", of(folder)),
        Reads::Table { file, target } => {
            format!("mapsto train table --data {} --target {}", of(&folder.join(file)), quoted(target))
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
fn bar(json: bool) -> ProgressBar {
    let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(TEMPLATE).expect("a test parses the template");
    ProgressBar::with_draw_target(Some(0), target).with_style(style)
}

fn show(bar: &ProgressBar, step: FetchStep<'_>) -> ControlFlow<()> {
    let FetchStep { file, unpacking, done, bytes } = step;
    let message = if unpacking { format!("unpacking {file}") } else { file.to_string() };
    if bar.message() != message {
        bar.set_message(message);
        bar.set_length(bytes);
        bar.set_position(done);
        bar.reset_eta();
    }
    bar.set_position(done);
    if interrupt::is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Failure {
        match error {
            FetchError::Stopped => Failure::Interrupted(error.to_string()),
            error => Failure::User(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
