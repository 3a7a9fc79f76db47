//! `mapsto predict`.

use crate::failure::Failure;
use crate::output::{Output, warn};
use crate::show::short;
use crate::tasks::task;
use mapsto_tasks::{Answers, Examples, Predictor, Saved, TaskError};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// What the run was trained for: tables, pictures, folders of pictures
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
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
pub fn predict<E: Examples>(arguments: &Arguments, saved: &Saved) -> Result<(), Failure> {
    super::check_skip_bad::<E>(arguments.skip_bad)?;
    let predictor = Predictor::<E>::load(saved)?;
    let show = Shown::new(arguments, &predictor.answers)?;
    // What standard output refuses is no mistake of the data.
    let mut refused = None;
    let answered = E::read(&predictor, &arguments.files, arguments.skip_bad, &mut |asked| {
        asked.refused.iter().for_each(|why| warn(why));
        if asked.names.is_empty() {
            return Ok(());
        }
        let found = predictor.of_input(&asked.input)?;
        let rows = found.chunks(predictor.answers.outputs());
        for ((name, known), row) in asked.names.iter().zip(&asked.known).zip(rows) {
            if let Err(failure) = show.one(name, row, known.as_deref()) {
                let told = TaskError::Internal(failure.to_string());
                refused = Some(failure);
                return Err(told);
            }
        }
        Ok(())
    });
    refused.map_or_else(|| Ok(answered?), Err)
}

/// How predictions are shown.
struct Shown<'a> {
    answers: &'a Answers,
    output: Output,
    csv: bool,
}

impl<'a> Shown<'a> {
    fn new(arguments: &Arguments, answers: &'a Answers) -> Result<Shown<'a>, Failure> {
        let shown = Shown { answers, output: Output { json: arguments.json, goes_on: false }, csv: arguments.csv };
        if shown.csv {
            let head = match answers {
                Answers::Classes { names } => {
                    ["input", "prediction"].into_iter().chain(names.iter().map(String::as_str))
                }
                Answers::Number { name, .. } => return shown.output.text(&line(["input", name])).map(|()| shown),
            };
            shown.output.text(&line(head))?;
        }
        Ok(shown)
    }

    /// One prediction.
    fn one(&self, input: &str, answer: &[f64], truth: Option<&str>) -> Result<(), Failure> {
        let names = match self.answers {
            Answers::Classes { names } => names,
            Answers::Number { .. } => {
                let value = answer[0];
                if self.csv {
                    return self.output.text(&line([input, &value.to_string()]));
                }
                self.output.text(&format!("{input}: {}", short(value)))?;
                return self.output.event(&json!({"event": "prediction", "input": input, "value": value}));
            }
        };
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| answer[b].total_cmp(&answer[a]));
        let best = &names[order[0]];
        if self.csv {
            let shares: Vec<String> = answer.iter().map(f64::to_string).collect();
            let cells = [input, best].into_iter().chain(shares.iter().map(String::as_str));
            return self.output.text(&line(cells));
        }
        let percent = |class: usize| format!("{} {:.1} %", names[class], answer[class] * 100.0);
        let others: Vec<String> = order.iter().skip(1).take(2).map(|&class| percent(class)).collect();
        let others = if others.is_empty() { String::new() } else { format!("   (then {})", others.join(", ")) };
        self.output.text(&format!("{input}: {}{others}", percent(order[0])))?;
        self.output.event(&json!({
            "event": "prediction", "input": input, "label": best, "probability": answer[order[0]],
            "probabilities": answer, "true_label": truth,
        }))
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
