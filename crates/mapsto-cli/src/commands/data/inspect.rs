//! `mapsto data inspect`: what data hold, and what looks wrong in them.

mod tasked;

use crate::failure::Failure;
use crate::output::Output;
use mapsto_data::{
    ColumnSummary, Detail, FileError, Finding, ImageError, ImageInspection, Inspection, Part, SoundFolder, Table,
    TableError, TableOptions, TextColumns, TextSet, Utterance, printable,
};
use mapsto_train::short;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Widest name that is shown whole.
const NAME: usize = 28;
/// Columns, classes or findings that a person reads.
const LINES: usize = 40;

#[derive(clap::Args)]
pub struct Arguments {
    /// A table: CSV, Parquet, NumPy's arrays, or text with tabs, semicolons or bars between the fields; or pictures: a folder with one
    /// for each class, a table of paths and labels, a folder of IDX files, or an archive of NumPy's (.npz); or folders of sounds or
    /// texts; series with classes (.ts, or a folder with NAME_TRAIN.ts); sounds with transcripts as LibriSpeech's (*.trans.txt)
    path: PathBuf,
    /// The column of the table that is to be predicted
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Read the data as this task does, where the same file could be a table like others: pairs of texts (translate), ratings
    /// (recommend), sounds and what is said in them (speech, synthesize), a series a row (series), running text (lm)
    #[arg(long, value_name = "TASK", conflicts_with = "target")]
    task: Option<tasked::Kind>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { path, target, task, json } = arguments;
    let output = Output { json: *json, goes_on: false };
    let event = json!({"event": "inspection", "path": path.to_string_lossy(), "target": target});
    let is_ts = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("ts"));
    let found = is_ts.then_some(tasked::Kind::Series).filter(|_| target.is_none());
    if let Some(kind) = task.or(found) {
        return tasked::tell(kind, path, output, event);
    }
    if target.is_some() && path.is_dir() {
        return Err(Failure::user("--target names a column of a table: the classes of pictures are their folders"));
    }
    let pictures = if target.is_none() { ImageInspection::of(path) } else { Ok(None) };
    let no_list = match pictures {
        Ok(Some(found)) => {
            output.text(&text_of_pictures(&found))?;
            return output.event(&joined(event, &found)?);
        }
        Ok(None) => None,
        // It may be a table for something else.
        Err(ImageError::Files(FileError::NoColumn { missing, .. })) => {
            Some(Finding::PictureList { why: format!("no column has {missing}") })
        }
        // A folder without pictures may be one of sounds or of texts.
        Err(ImageError::Files(none @ FileError::None { .. })) => return other_folder(path, none, output, event),
        Err(error) => return Err(Failure::user(error.to_string())),
    };
    let wrong = |error: TableError| Failure::user(error.to_string());
    let table = Table::read(path, &TableOptions::default()).map_err(wrong)?;
    let mut inspection = table.inspect(target.as_deref()).map_err(wrong)?;
    inspection.findings.extend(no_list);
    output.text(&text(&inspection))?;
    output.event(&joined(event, &inspection)?)
}

/// A folder of sounds, of texts or of series.
fn other_folder(path: &Path, no_pictures: FileError, output: Output, event: Value) -> Result<(), Failure> {
    // Its folders are speakers, no classes.
    if Utterance::has_transcripts(path) {
        return tasked::tell(tasked::Kind::Speech, path, output, event);
    }
    if let Ok(folder) = SoundFolder::read(path) {
        let found = folder.inspect();
        let mut head = format!("{} of ", counted(found.sounds, "sound", "sounds"));
        head += &counted(found.classes.len(), "class", "classes");
        if let Some(seconds) = found.seconds {
            let [least, median, most] = seconds.map(short);
            head += &format!(", {least} to {most} seconds, half of them at most {median}");
        }
        output.text(&text_of_classes(head, &found.classes, &found.findings))?;
        return output.event(&joined(event, &found)?);
    }
    if let Ok(set) = TextSet::read(path, &TextColumns::default()) {
        let found = set.inspect();
        let mut head = format!("{} of ", counted(found.texts, "text", "texts"));
        head += &counted(found.classes.len(), "class", "classes");
        if let Some([least, median, most]) = found.words {
            head += &format!(", {least} to {most} words, half of them at most {median}");
        }
        output.text(&text_of_classes(head, &found.classes, &found.findings))?;
        return output.event(&joined(event, &found)?);
    }
    if let Some(kind) = tasked::of_folder(path) {
        return tasked::tell(kind, path, output, event);
    }
    Err(Failure::user(no_pictures.to_string()))
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
    let mut head =
        format!("{} of {}", counted(*pictures, "picture", "pictures"), counted(classes.len(), "class", "classes"));
    if let (Some(height), Some(width)) = (height, width) {
        head += &format!(", {} high and {} wide", range(*height), range(*width));
    }
    if *others > 0 {
        head += &format!("; other files: {others}");
    }
    text_of_classes(head, classes, findings)
}

/// How many examples each class has in each part, and what looks wrong.
fn text_of_classes(
    head: String,
    classes: &BTreeMap<String, BTreeMap<Part, usize>>,
    findings: &[impl Display],
) -> String {
    let parts = [(Part::Train, "train"), (Part::Validation, "validation"), (Part::Test, "test")];
    let parts = parts.iter().filter(|(part, _)| classes.values().any(|of| of.contains_key(part)));
    let parts: Vec<_> = parts.collect();
    let longest = classes.keys().map(|class| name(class).chars().count()).max().unwrap_or(0).max(5);
    let mut lines = vec![head, String::new(), format!("{:<longest$}", "class")];
    parts.iter().for_each(|(_, name)| lines[2] += &format!("  {name:>10}"));
    lines.extend(first(classes, |(class, of)| {
        let counts: String = parts.iter().map(|(part, _)| format!("  {:>10}", of.get(part).unwrap_or(&0))).collect();
        format!("{:<longest$}{counts}", name(class))
    }));
    lines.push(String::new());
    lines.extend(remarks(findings));
    lines.join("\n")
}

/// What looks wrong, a line each.
fn remarks(findings: &[impl Display]) -> Vec<String> {
    match findings {
        [] => vec!["nothing looks wrong".into()],
        findings => first(findings, |finding| format!("! {finding}")),
    }
}

fn text(inspection: &Inspection) -> String {
    let Inspection { rows, columns, findings } = inspection;
    let head = format!("{}, {}", counted(*rows, "row", "rows"), counted(columns.len(), "column", "columns"));
    let width = columns.iter().take(LINES).map(|column| name(&column.name).chars().count()).max().unwrap_or(0).max(6);
    let titles = format!("{:<width$}  {:<8}  {:>8}  {:>8}  values", "column", "kind", "missing", "distinct");
    let mut lines = vec![head, String::new(), titles];
    lines.extend(first(columns, |column| {
        let ColumnSummary { kind, missing, distinct, detail, .. } = column;
        let (name, kind) = (name(&column.name), kind.name());
        format!("{name:<width$}  {kind:<8}  {missing:>8}  {distinct:>8}  {}", values(detail))
    }));
    lines.push(String::new());
    lines.extend(remarks(findings));
    lines.join("\n")
}

/// A line for each of the first, and one that counts the others.
fn first<T>(all: impl IntoIterator<Item = T>, line: impl Fn(T) -> String) -> Vec<String> {
    let mut all = all.into_iter();
    let mut lines: Vec<String> = all.by_ref().take(LINES).map(line).collect();
    let rest = all.count();
    if rest > 0 {
        lines.push(format!("and {rest} more (--json shows all)"));
    }
    lines
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A name of a file as a table in a terminal has room for it.
fn name(name: &str) -> String {
    printable(name).chars().take(NAME).collect()
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
            let shown = |(category, rows): &(String, usize)| format!("{} ({rows})", name(category));
            common.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        Detail::Nothing {} => String::new(),
    }
}
