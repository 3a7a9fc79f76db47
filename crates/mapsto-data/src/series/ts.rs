//! Files `.ts` of aeon and sktime: lines of settings that begin with `@`, then a series a line. Commas part the numbers of a channel, colons
//! the channels, and the class stands behind the last colon.

use super::{Found, Series, SeriesError};
use crate::lines::{Lines, NoLines};
use crate::printable::quoted;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// How names of such files end.
pub(super) const EXTENSION: &str = "ts";
/// The most channels of a series.
const MOST_CHANNELS: usize = 10_000;

/// What the lines before the series say.
#[derive(Default)]
struct Head {
    /// Whether a class stands behind each series.
    has_labels: bool,
    /// The classes, where they are named.
    classes: Vec<String>,
}

impl Head {
    /// Takes a line in; what says nothing that is needed is passed over.
    fn take(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let key = words.next().unwrap_or_default().to_ascii_lowercase();
        let is_true = |word: Option<&str>| word.is_some_and(|word| word.eq_ignore_ascii_case("true"));
        match key.as_str() {
            "@timestamps" if is_true(words.next()) => {
                Err("series with points in time are not read: write numbers at equal distances".into())
            }
            "@targetlabel" if is_true(words.next()) => {
                Err("the answers are numbers (@targetLabel true): classes are told of series".into())
            }
            "@classlabel" => {
                self.has_labels = is_true(words.next());
                self.classes = words.map(str::to_string).collect();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A series with its class.
    fn series(&self, name: &str, line: &str) -> Result<(Series, Option<String>), String> {
        let mut parts: Vec<&str> = line.split(':').take(MOST_CHANNELS + 2).collect();
        let mut label = None;
        if self.has_labels {
            let missing = "there is no class behind the last colon, which @classLabel promises";
            let class = parts.pop().filter(|_| !parts.is_empty()).map(str::trim);
            let class = class.filter(|class| !class.is_empty()).ok_or(missing)?;
            if !self.classes.is_empty() && !self.classes.iter().any(|known| known == class) {
                let known = self.classes.join(" ");
                return Err(format!("{} is no class that @classLabel names: {known}", quoted(class)));
            }
            label = Some(class.to_string());
        }
        if parts.len() > MOST_CHANNELS {
            return Err(format!("there are more than {MOST_CHANNELS} channels"));
        }
        let mut channels = Vec::new();
        for part in parts {
            channels.push(part.split(',').map(number).collect::<Result<Vec<f64>, String>>()?);
        }
        Ok((Series::new(name.to_string(), &mut channels)?, label))
    }
}

/// A number, NaN where one is missing.
fn number(text: &str) -> Result<f64, String> {
    match text.trim() {
        "?" => Ok(f64::NAN),
        text => text.parse().map_err(|_| format!("{} is no number; write ? where one is missing", quoted(text))),
    }
}

pub(super) fn read(path: &Path) -> Result<Found, SeriesError> {
    let io = |source| SeriesError::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(Lines::new(File::open(path).map_err(io)?));
    let whole = |what: &str| SeriesError::Whole { path: path.to_owned(), what: what.into() };
    let (mut head, mut in_data) = (Head::default(), false);
    let (mut series, mut labels, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1u64.. {
        bytes.clear();
        file.get_mut().begin();
        let name = format!("{}:{number}", path.display());
        let wrong = |what: String| SeriesError::Row { name: name.clone(), what };
        let refused = |error: io::Error| match NoLines::of(&error) {
            Some(NoLines::Nul { line }) => {
                let (name, what) = (format!("{}:{line}", path.display()), "a NUL byte: this is no text".into());
                SeriesError::Row { name, what }
            }
            Some(NoLines::Long) => wrong("this line has no end in sight; is this a file of series?".into()),
            None => io(error),
        };
        if file.read_until(b'\n', &mut bytes).map_err(refused)? == 0 {
            break;
        }
        let text = str::from_utf8(&bytes).map_err(|_| wrong("this is no UTF-8 text".into()))?;
        let line = if number == 1 { text.trim_start_matches('\u{feff}') } else { text }.trim();
        if line.is_empty() || line.starts_with(['#', '%']) {
            continue;
        }
        if in_data {
            let (one, label) = head.series(&name, line).map_err(wrong)?;
            series.push(one);
            labels.push(label);
        } else if line.eq_ignore_ascii_case("@data") {
            in_data = true;
        } else if line.starts_with('@') {
            head.take(line).map_err(wrong)?;
        } else {
            return Err(wrong("a series stands before the line @data".into()));
        }
    }
    match (in_data, series.is_empty()) {
        (false, _) => Err(whole("there is no line @data, behind which the series stand")),
        (_, true) => Err(whole("there are no series behind @data")),
        _ => Ok(Found { series, labels, parts: None, column: None }),
    }
}
