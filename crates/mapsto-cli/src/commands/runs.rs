//! `mapsto runs`.

use crate::failure::Failure;
use crate::output::Output;
use mapsto_tasks::{CONFIG_FILE, MODEL_FILE, TEST_FILE};
use mapsto_train::run_dir::{METRICS_FILE, RunDir};
use mapsto_train::short;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Figures that a list shows, those that a run has.
const FIGURES: [&str; 7] = ["accuracy", "f1_macro", "auc", "log_loss", "rmse", "mae", "r2"];

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The folder that runs are saved in
    #[arg(long, global = true, value_name = "FOLDER", default_value = "runs")]
    runs: PathBuf,
    /// One JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// All runs, with what they came to (this is the default)
    List,
    /// Settings and figures in which runs differ
    Compare {
        /// The runs' folders
        #[arg(required = true, num_args = 2..)]
        folders: Vec<PathBuf>,
    },
    /// Remove runs
    Rm {
        /// The runs' folders
        #[arg(required = true)]
        folders: Vec<PathBuf>,
    },
}

/// What a run's folder tells.
struct Known {
    path: PathBuf,
    /// Settings and figures, by path.
    values: Vec<(String, Value)>,
    state: &'static str,
    epochs: usize,
}

/// Does what the arguments say.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = Output { json: arguments.json, goes_on: false };
    match &arguments.command {
        None | Some(Command::List) => list(&arguments.runs, output),
        Some(Command::Compare { folders }) => {
            compare(&folders.iter().map(|path| known(path)).collect::<Result<Vec<_>, _>>()?, output)
        }
        Some(Command::Rm { folders }) => {
            // All are looked at before the first goes.
            let all = folders.iter().map(|path| RunDir::open(path, CONFIG_FILE)).collect::<Result<Vec<_>, _>>()?;
            for folder in all {
                let path = folder.path().to_owned();
                let lock = folder.lock()?;
                folder.remove()?;
                drop(lock);
                output.text(&format!("removed {}", path.display()))?;
                output.event(&json!({"event": "removed", "run": path}))?;
            }
            Ok(())
        }
    }
}

fn known(path: &Path) -> Result<Known, Failure> {
    let folder = RunDir::open(path, CONFIG_FILE)?;
    let config = path.join(CONFIG_FILE);
    let wrong = |e: &dyn std::fmt::Display| Failure::user(format!("{} cannot be used: {e}", config.display()));
    let text = fs::read_to_string(&config).map_err(|e| wrong(&e))?;
    let config: Value = toml::from_str(&text).map_err(|e: toml::de::Error| wrong(&e.message()))?;
    let mut values = Vec::new();
    flatten("", &config, &mut values);
    if let Some(test) = fs::read(path.join(TEST_FILE)).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok())
    {
        values.extend(FIGURES.iter().filter_map(|name| Some((format!("test.{name}"), test.get(*name)?.clone()))));
    }
    let state = match (path.join(MODEL_FILE).exists(), folder.lock()) {
        (true, _) => "done",
        (false, Err(_)) => "running",
        (false, Ok(_)) => "stopped",
    };
    let epochs = fs::read_to_string(path.join(METRICS_FILE)).map_or(0, |text| text.lines().count());
    Ok(Known { path: path.to_owned(), values, state, epochs })
}

/// All values of a tree by path.
fn flatten(above: &str, value: &Value, all: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&if above.is_empty() { name.clone() } else { format!("{above}.{name}") }, value, all);
            }
        }
        value => all.push((above.to_string(), value.clone())),
    }
}

impl Known {
    fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    fn shown(&self, name: &str) -> String {
        match self.value(name) {
            None | Some(Value::Null) => "-".into(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if number.is_f64() => short(number.as_f64().unwrap_or(f64::NAN)),
            Some(value) => value.to_string(),
        }
    }
}

fn list(runs: &Path, output: Output) -> Result<(), Failure> {
    let mut paths: Vec<PathBuf> = match fs::read_dir(runs) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::user(format!("cannot read {}: {error}", runs.display()))),
    };
    paths.retain(|path| path.join(CONFIG_FILE).is_file());
    paths.sort();
    let mut all = Vec::new();
    for path in &paths {
        // One that cannot be read does not hide the others.
        match known(path) {
            Ok(known) => all.push(known),
            Err(error) => crate::output::complain(&error.to_string()),
        }
    }
    let has = |name: &&str| all.iter().any(|run| run.value(&format!("test.{name}")).is_some_and(|v| !v.is_null()));
    let figures: Vec<&str> = FIGURES.iter().copied().filter(has).collect();
    let mut rows =
        vec![["run", "task", "state", "epochs"].into_iter().chain(figures.iter().copied()).map(String::from).collect()];
    for run in &all {
        let head = [run.path.display().to_string(), run.shown("task"), run.state.into(), run.epochs.to_string()];
        rows.push(head.into_iter().chain(figures.iter().map(|name| run.shown(&format!("test.{name}")))).collect());
        let test: serde_json::Map<String, Value> = FIGURES
            .iter()
            .filter_map(|name| Some((name.to_string(), run.value(&format!("test.{name}"))?.clone())))
            .collect();
        output.event(&json!({
            "event": "run", "run": run.path, "task": run.value("task"), "state": run.state, "epochs": run.epochs, "test": test,
        }))?;
    }
    if all.is_empty() {
        return output.text(&format!("there are no runs in {}", runs.display()));
    }
    output.text(&table(&rows))
}

fn compare(runs: &[Known], output: Output) -> Result<(), Failure> {
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.values.iter().map(|(name, _)| name)).collect();
    let differs = |name: &&String| runs.iter().any(|run| run.value(name) != runs[0].value(name));
    // Figures last.
    let (figures, settings): (Vec<&String>, Vec<&String>) =
        names.into_iter().filter(differs).partition(|name| name.starts_with("test."));
    let mut rows =
        vec![std::iter::once(String::new()).chain(runs.iter().map(|run| run.path.display().to_string())).collect()];
    for name in settings.into_iter().chain(figures) {
        rows.push(std::iter::once(name.clone()).chain(runs.iter().map(|run| run.shown(name))).collect());
        let values: Vec<Option<&Value>> = runs.iter().map(|run| run.value(name)).collect();
        output.event(&json!({"event": "difference", "name": name, "values": values}))?;
    }
    if rows.len() == 1 {
        return output.text("no setting and no figure differs");
    }
    output.text(&table(&rows))
}

/// Rows in columns.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
