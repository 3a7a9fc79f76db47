//! `mapsto data`: what a user's data is, before anything is trained on it.

use crate::failure::Failure;
use crate::output::Output;
use mapsto_data::{ColumnSummary, Detail, Inspection, Table, TableOptions};
use serde_json::json;
use std::path::PathBuf;

/// Widest name that is shown whole.
const NAME: usize = 28;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Tell what a table holds and what looks wrong in it
    #[command(
        after_help = "Examples:\n  mapsto data inspect table.csv\n  mapsto data inspect table.csv --target price --json"
    )]
    Inspect(InspectArguments),
}

#[derive(clap::Args)]
pub struct InspectArguments {
    /// The table: CSV, or text with tabs, semicolons or bars between the fields
    path: PathBuf,
    /// The column that is to be predicted
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(command: &Command) -> Result<(), Failure> {
    let Command::Inspect(arguments) = command;
    let path = &arguments.path;
    let wrong = |error: mapsto_data::TableError| Failure::user(error.to_string());
    let table = Table::read(path, &TableOptions::default()).map_err(wrong)?;
    let inspection = table.inspect(arguments.target.as_deref()).map_err(wrong)?;
    let output = Output { json: arguments.json, goes_on: false };
    output.text(&text(&inspection))?;
    let mut event = json!({"event": "inspection", "path": path, "target": arguments.target});
    let found = serde_json::to_value(&inspection).map_err(|error| Failure::Internal(error.to_string()))?;
    if let (Some(event), serde_json::Value::Object(found)) = (event.as_object_mut(), found) {
        event.extend(found);
    }
    output.event(&event)
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
    match findings.is_empty() {
        true => lines.push("nothing looks wrong".into()),
        false => lines.extend(findings.iter().map(|finding| format!("! {finding}"))),
    }
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

/// Four digits of a number.
fn short(x: f64) -> String {
    let size = x.abs();
    if size >= 1e6 || (size < 1e-3 && x != 0.0) {
        return format!("{x:.3e}");
    }
    let digits = (3 - size.max(1.0).log10().floor() as i32).max(0) as usize;
    let text = format!("{x:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let all = [0.0, 1.0, 12.3456, -0.25, 4200.7, 123456.0, 1.5e9, 1e-7];
        assert_eq!(all.map(short), ["0", "1", "12.35", "-0.25", "4201", "123456", "1.500e9", "1.000e-7"]);
    }
}
