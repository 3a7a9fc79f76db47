//! `mapsto predict`.

use super::unknown_task;
use crate::failure::Failure;
use crate::output::{Output, warn};
use crate::show::short;
use mapsto_tasks::digits::DigitsExamples;
use mapsto_tasks::image::{ImageExamples, ReadPictures, list_pictures, read_pictures};
use mapsto_tasks::table::{TableExamples, read_inputs};
use mapsto_tasks::{Answers, Examples, Predictor, Saved, Truth};
use serde_json::json;
use std::path::PathBuf;

/// Pictures that go through the network at once.
const CHUNK: usize = 32;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, or the model file in it
    run: PathBuf,
    /// What the run was trained for: tables, pictures, folders of pictures
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Pass over pictures that cannot be read
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
    if arguments.skip_bad && saved.task != ImageExamples::NAME {
        return Err(Failure::user(format!("--skip-bad means nothing to {}", saved.task)));
    }
    match saved.task.as_str() {
        DigitsExamples::NAME => {
            let predictor = Predictor::<DigitsExamples>::load(&saved)?;
            let show = Shown::new(arguments, &predictor.answers)?;
            let examples = DigitsExamples::read(&arguments.files)?;
            let items: Vec<usize> = (0..examples.places.len()).collect();
            let found = predictor.predict(&examples, &items)?;
            let known = match examples.truth() {
                Truth::Classes { names, labels } if examples.is_labelled => Some((names, labels)),
                _ => None,
            };
            for (item, row) in items.iter().zip(found.chunks(predictor.answers.outputs())) {
                let truth = known.map(|(names, labels)| names[labels[*item]].as_str());
                show.one(&examples.places[*item], row, truth)?;
            }
            Ok(())
        }
        ImageExamples::NAME => {
            let predictor = Predictor::<ImageExamples>::load(&saved)?;
            let show = Shown::new(arguments, &predictor.answers)?;
            let (config, normalisation) = (&predictor.settings.config, &predictor.preparation);
            for paths in list_pictures(&arguments.files)?.chunks(CHUNK) {
                let ReadPictures { input, read, refused } = read_pictures(config, normalisation, paths)?;
                match refused.first() {
                    Some(why) if !arguments.skip_bad => {
                        return Err(Failure::user(format!("{why}; --skip-bad passes over what cannot be read")));
                    }
                    _ => refused.iter().for_each(|why| warn(why)),
                }
                if read.is_empty() {
                    continue;
                }
                let found = predictor.of_input(&input)?;
                for (index, row) in read.into_iter().zip(found.chunks(predictor.answers.outputs())) {
                    show.one(&paths[index].display().to_string(), row, None)?;
                }
            }
            Ok(())
        }
        TableExamples::NAME => {
            let predictor = Predictor::<TableExamples>::load(&saved)?;
            let show = Shown::new(arguments, &predictor.answers)?;
            for path in &arguments.files {
                let (_, input) = read_inputs(&predictor.preparation, path)?;
                let found = predictor.of_input(&input)?;
                for (row, answer) in found.chunks(predictor.answers.outputs()).enumerate() {
                    show.one(&format!("{} row {}", path.display(), row + 1), answer, None)?;
                }
            }
            Ok(())
        }
        task => Err(unknown_task(&saved.path.display().to_string(), task)),
    }
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
