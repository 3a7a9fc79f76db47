//! Tables in the form of C4.5, as UCI keeps them.

use super::wrong;
use crate::fetch::FetchError;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes the rows of a file as CSV below a line of names.
pub(super) fn make(from: &Path, to: &Path, columns: &[&str]) -> Result<(), FetchError> {
    let text = fs::read_to_string(from).map_err(FetchError::io("read", from))?;
    let io = FetchError::io("write", to);
    let out = BufWriter::new(File::create(to).map_err(&io)?);
    let mut table = csv::Writer::from_writer(out);
    let failed = |error: csv::Error| io(std::io::Error::other(error));
    table.write_record(columns).map_err(failed)?;
    for (number, line) in text.lines().enumerate() {
        let line = line.split('|').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.strip_suffix('.').unwrap_or(line).split(',').map(str::trim).collect();
        if fields.len() != columns.len() {
            let number = number + 1;
            return Err(wrong(from, format!("line {number} has {} fields, not {}", fields.len(), columns.len())));
        }
        table.write_record(fields).map_err(failed)?;
    }
    let mut out = table.into_inner().map_err(|error| io(error.into_error()))?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(&io)
}
