//! `mapsto predict`.

use crate::failure::Failure;
use crate::output::{Output, warn};
use crate::tasks::task;
use mapsto_tasks::{Listener, Prediction, Predictor, Question, Saved, Task, TaskError};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// What the run was trained for: tables, pictures, folders of pictures, texts
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A text in place of a file, for runs that take texts; may be given several times
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,
    /// How to answer, in place of what is usual: temperature, beam, ...
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Pass over what cannot be read
    #[arg(long)]
    skip_bad: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// A table: input, prediction and, of classes, the probability of each
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Predicts with the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.run)?;
    task(&saved.task, &saved.path)?.predict(arguments, &saved)
}

/// Predicts with a network of the task.
pub fn predict<T: Task>(arguments: &Arguments, saved: &Saved) -> Result<(), Failure> {
    super::check_skip_bad::<T>(arguments.skip_bad)?;
    let predictor = Predictor::<T>::load(saved)?;
    let output = Output { json: arguments.json, goes_on: false };
    let mut shown = Shown { output, csv: arguments.csv, streams: false, refused: None };
    if shown.csv {
        let columns = T::columns(&predictor);
        shown.output.text(&line(["input"].into_iter().chain(columns.iter().map(String::as_str))))?;
    }
    let question = Question {
        files: arguments.files.clone(),
        texts: arguments.text.clone(),
        set: arguments.set.clone(),
        skip_bad: arguments.skip_bad,
    };
    let answered = T::predict(&predictor, &question, &mut shown);
    // What standard output refuses is no mistake of the data.
    shown.refused.map_or_else(|| Ok(answered?), Err)
}

/// How predictions are shown.
struct Shown {
    output: Output,
    csv: bool,
    /// Whether the answer that grows is being shown.
    streams: bool,
    refused: Option<Failure>,
}

impl Shown {
    fn one(&mut self, prediction: &Prediction) -> Result<(), Failure> {
        let Prediction { input, text, cells, fields } = prediction;
        if self.csv {
            let cells = [input.as_str()].into_iter().chain(cells.iter().map(String::as_str));
            return self.output.text(&line(cells));
        }
        match std::mem::take(&mut self.streams) {
            true => self.output.text("")?,
            false => self.output.text(&format!("{input}: {text}"))?,
        }
        let mut event = json!({"event": "prediction", "input": input});
        super::train::merge(&mut event, fields.clone());
        self.output.event(&event)
    }

    fn keep(&mut self, shown: Result<(), Failure>) -> Result<(), TaskError> {
        shown.map_err(|failure| {
            let told = TaskError::Internal(failure.to_string());
            self.refused = Some(failure);
            told
        })
    }
}

impl Listener for Shown {
    fn answer(&mut self, prediction: Prediction) -> Result<(), TaskError> {
        let shown = self.one(&prediction);
        self.keep(shown)
    }

    fn piece(&mut self, text: &str) -> Result<(), TaskError> {
        if self.csv {
            return Ok(());
        }
        self.streams = true;
        let shown = self.output.piece(text).and_then(|()| self.output.event(&json!({"event": "piece", "text": text})));
        self.keep(shown)
    }

    fn warn(&mut self, why: &str) {
        warn(why);
    }
}

/// A line of CSV.
fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_string(),
    };
    cells.into_iter().map(quoted).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(line(["a", "b,c", "say \"x\"", ""]), "a,\"b,c\",\"say \"\"x\"\"\",");
    }
}
