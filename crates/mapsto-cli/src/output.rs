//! What goes to standard output, as text or as one JSON object a line, and complaints to standard error.

use crate::failure::Failure;
use mapsto_data::printable;
use serde_json::Value;
use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

/// Where a command speaks: text for a person, or JSON lines for a program, never both.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON lines.
    pub json: bool,
    /// Whether the command goes on when nobody reads any more: it has a result besides what it says.
    pub goes_on: bool,
}

impl Output {
    /// A line for a person; nothing in JSON.
    pub fn text(self, line: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.write(&line) }
    }

    /// A piece of a line that grows, at once; nothing in JSON.
    pub fn piece(self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        write!(stdout(), "{text}")?;
        Ok(stdout().flush()?)
    }

    /// An event for a program; nothing in text.
    pub fn event(self, event: &Value) -> Result<(), Failure> {
        if self.json { self.write(event) } else { Ok(()) }
    }

    fn write(self, line: &dyn Display) -> Result<(), Failure> {
        match writeln!(stdout(), "{line}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe && self.goes_on => Ok(()),
            written => Ok(written?),
        }
    }
}

/// What a person should know, on standard error: the command goes on.
pub fn warn(what: &str) {
    let _ = writeln!(stderr(), "warning: {}", printable(what));
}

/// One complaint on standard error. Where that is closed, too, there is nobody to tell.
pub fn complain(what: &str) {
    let _ = writeln!(stderr(), "error: {}", printable(what));
}
