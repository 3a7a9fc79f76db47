//! `mapsto data`: what a user's data is, before anything is trained on it, and public data to begin with.

mod fetch;
mod preview;

use crate::failure::Failure;
use crate::output::Output;
use crate::show::short;
use mapsto_data::{
    ColumnSummary, Detail, ImageFolder, ImageInspection, Inspection, ListColumns, Part, Table, TableOptions,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Widest name that is shown whole.
const NAME: usize = 28;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Tell what a table or a folder of pictures holds and what looks wrong in it
    #[command(
        after_help = "Examples:\n  mapsto data inspect table.csv\n  mapsto data inspect table.csv --target price --json\n  mapsto data inspect photos"
    )]
    Inspect(InspectArguments),
    /// Write a sheet of pictures as they are and as they are changed by chance
    #[command(
        after_help = "Examples:\n  mapsto data preview photos\n  mapsto data preview photos --augment strong --out strong.png\n  mapsto data preview list.csv --step rotate --count 3 --seed 7\n  mapsto data preview photos --augment mine.toml\n\nA file has steps with their settings:\n  steps = [\n    { name = \"random_resized_crop\", height = 160, width = 160, scale = [0.25, 1.0] },\n    { name = \"colour_jitter\", brightness = 0.2, hue = 0.05 },\n  ]"
    )]
    Preview(preview::Arguments),
    /// Fetch a public dataset, check it and lay it out for training; or list those that there are
    #[command(
        after_help = "Examples:\n  mapsto data fetch\n  mapsto data fetch mnist && mapsto train image --data mnist\n  mapsto data fetch adult --to census --json\n\nFiles are checked by their SHA-256, and those that are there are kept. What broke off goes on where it was.\n\nEnvironment:\n  MAPSTO_MIRROR             stands in place of scheme and host of every address: http://localhost:8000, https://HOST/PATH\n  HTTPS_PROXY, HTTP_PROXY   proxies; NO_PROXY names hosts that need none\n  SSL_CERT_FILE             certificates in place of the system's"
    )]
    Fetch(fetch::Arguments),
}

#[derive(clap::Args)]
pub struct InspectArguments {
    /// A table: CSV, Parquet, or text with tabs, semicolons or bars between the fields; or a folder with one of pictures for each class, or a table
    /// of paths and labels of pictures
    path: PathBuf,
    /// The column of the table that is to be predicted
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Inspect(arguments) => inspect(arguments),
        Command::Preview(arguments) => preview::run(arguments),
        Command::Fetch(arguments) => fetch::run(arguments),
    }
}

fn inspect(arguments: &InspectArguments) -> Result<(), Failure> {
    let (path, target) = (&arguments.path, arguments.target.as_deref());
    let output = Output { json: arguments.json, goes_on: false };
    let event = json!({"event": "inspection", "path": path, "target": target});
    if path.is_dir() {
        if target.is_some() {
            return Err(Failure::user("--target names a column of a table: the classes of pictures are their folders"));
        }
        let folder = ImageFolder::read(path).map_err(|error| Failure::user(error.to_string()))?;
        return tell_pictures(&folder, output, event);
    }
    // A table all of whose paths are files is one of pictures.
    if target.is_none()
        && let Ok(folder) = ImageFolder::read_list(path, &ListColumns::default())
    {
        return tell_pictures(&folder, output, event);
    }
    let wrong = |error: mapsto_data::TableError| Failure::user(error.to_string());
    let table = Table::read(path, &TableOptions::default()).map_err(wrong)?;
    let inspection = table.inspect(target).map_err(wrong)?;
    output.text(&text(&inspection))?;
    output.event(&joined(event, &inspection)?)
}

fn tell_pictures(folder: &ImageFolder, output: Output, event: Value) -> Result<(), Failure> {
    let inspection = folder.inspect();
    output.text(&text_of_pictures(&inspection))?;
    output.event(&joined(event, &inspection)?)
}

/// An event with what was found in it.
fn joined(mut event: Value, found: &impl Serialize) -> Result<Value, Failure> {
    let found = serde_json::to_value(found).map_err(|error| Failure::Internal(error.to_string()))?;
    if let (Some(event), Value::Object(found)) = (event.as_object_mut(), found) {
        event.extend(found);
    }
    Ok(event)
}

fn text_of_pictures(inspection: &ImageInspection) -> String {
    let ImageInspection { pictures, classes, height, width, others, findings } = inspection;
    let range =
        |[least, most]: [usize; 2]| if least == most { least.to_string() } else { format!("{least} to {most}") };
    let mut head = format!("{pictures} pictures of {} classes", classes.len());
    if let (Some(height), Some(width)) = (height, width) {
        head += &format!(", {} high and {} wide", range(*height), range(*width));
    }
    if *others > 0 {
        head += &format!("; other files: {others}");
    }
    let parts = [(Part::Train, "train"), (Part::Validation, "validation"), (Part::Test, "test")];
    let parts = parts.iter().filter(|(part, _)| classes.values().any(|of| of.contains_key(part)));
    let parts: Vec<_> = parts.collect();
    let longest = classes.keys().map(|name| name.chars().count()).max().unwrap_or(0).clamp(5, NAME);
    let mut lines = vec![head, String::new(), format!("{:<longest$}", "class")];
    parts.iter().for_each(|(_, name)| lines[2] += &format!("  {name:>10}"));
    for (name, of) in classes {
        let mut line = format!("{:<longest$}", name.chars().take(NAME).collect::<String>());
        parts.iter().for_each(|(part, _)| line += &format!("  {:>10}", of.get(part).unwrap_or(&0)));
        lines.push(line);
    }
    lines.push(String::new());
    lines.extend(remarks(findings));
    lines.join("\n")
}

/// What looks wrong, a line each.
fn remarks(findings: &[impl std::fmt::Display]) -> Vec<String> {
    match findings {
        [] => vec!["nothing looks wrong".into()],
        findings => findings.iter().map(|finding| format!("! {finding}")).collect(),
    }
}

fn text(inspection: &Inspection) -> String {
    let Inspection { rows, columns, findings } = inspection;
    let mut lines = vec![format!("{rows} rows, {} columns", columns.len()), String::new()];
    let width = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0).clamp(6, NAME);
    lines.push(format!("{:<width$}  {:<8}  {:>8}  {:>8}  values", "column", "kind", "missing", "distinct"));
    for column in columns {
        let name: String = column.name.chars().take(NAME).collect();
        let ColumnSummary { kind, missing, distinct, detail, .. } = column;
        let kind = kind.name();
        lines.push(format!("{name:<width$}  {kind:<8}  {missing:>8}  {distinct:>8}  {}", values(detail)));
    }
    lines.push(String::new());
    lines.extend(remarks(findings));
    lines.join("\n")
}

/// A column's values in a few words.
fn values(detail: &Detail) -> String {
    match detail {
        Detail::Range { min, max, mean, std } => {
            let [min, max, mean, std] = [min, max, mean, std].map(|x| short(*x));
            format!("{min} to {max}, mean {mean}, deviation {std}")
        }
        Detail::Period { first, last } => format!("{first} to {last}"),
        Detail::Common { common } => {
            let shown =
                |(name, rows): &(String, usize)| format!("{} ({rows})", name.chars().take(NAME).collect::<String>());
            common.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        Detail::Nothing {} => String::new(),
    }
}
