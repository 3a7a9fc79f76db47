//! Rows of JSON lines.

use super::TextError;
use super::rows::{Places, Rows, Written};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The most fields of different names.
const MOST_FIELDS: usize = 1000;

/// Reads one JSON object a line; fields that are no texts, numbers or truth values count as missing. Empty lines are passed over.
pub(super) fn read(path: &Path) -> Result<Rows, TextError> {
    let io = |source| TextError::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let (mut columns, mut known): (Vec<Written>, HashMap<String, usize>) = Default::default();
    let (mut lines, mut bytes) = (Vec::new(), Vec::new());
    for line in 1.. {
        bytes.clear();
        if file.read_until(b'\n', &mut bytes).map_err(io)? == 0 {
            break;
        }
        let wrong = |what: String| TextError::Line { path: path.to_owned(), line, what };
        let text = str::from_utf8(&bytes).map_err(|_| TextError::NotText { path: path.to_owned(), line })?;
        // Some editors begin files with a mark of the encoding.
        let text = if line == 1 { text.trim_start_matches('\u{feff}') } else { text }.trim();
        if text.is_empty() {
            continue;
        }
        let fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(wrong("this is no JSON object; write one a line, {\"text\": \"...\", ...}".into())),
            Err(error) => return Err(wrong(no_json(&error))),
        };
        let row = lines.len();
        lines.push(line);
        for (name, value) in fields {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            let place = *known.entry(name).or_insert_with_key(|name| {
                columns.push(Written { name: name.clone(), cells: Vec::new() });
                columns.len() - 1
            });
            if place == MOST_FIELDS {
                return Err(wrong(format!("there are more than {MOST_FIELDS} different fields up to here")));
            }
            columns[place].cells.push((row, text));
        }
    }
    if lines.is_empty() {
        return Err(TextError::NoLines(path.to_owned()));
    }
    Ok(Rows { count: lines.len(), columns, places: Places::Lines(path.to_owned(), lines) })
}

/// What the parser says, without its own count of lines.
fn no_json(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(&said[..], |(what, _)| what);
    format!("this is no JSON object: {what} at byte {}", error.column())
}
