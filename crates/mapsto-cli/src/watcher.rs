//! A run as it is watched: a bar or lines on standard error, JSON lines on standard output.

use crate::failure::Failure;
use crate::output::Output;
use mapsto_tasks::{Observer, TaskError};
use mapsto_train::Measures;
use mapsto_train::progress::{Mode, Progress};
use mapsto_train::short;
use serde_json::{Value, json};

/// Shows a run.
pub struct Watcher {
    output: Output,
    progress: Option<Progress>,
    stages: bool,
}

impl Watcher {
    /// Of a run of one network, or of several stages, which then are named.
    pub fn new(output: Output, stages: bool) -> Watcher {
        Watcher { output, progress: None, stages }
    }

    /// The run is over.
    pub fn finish(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
    }
}

fn told(failure: Failure) -> TaskError {
    TaskError::Input(failure.to_string())
}

/// An epoch's measures: on what was learned from, then on what was not.
fn epoch_line(record: &Value) -> String {
    let of = |name: &str| record.get(name).and_then(Value::as_f64);
    let plain = |shown: &str, name: &str| of(name).map(|value| format!("{shown} {}", short(value)));
    let share = |name: &str| of(name).map(|value| format!("accuracy {:.2} %", value * 100.0));
    let known = |figures: [Option<String>; 3]| figures.into_iter().flatten().collect::<Vec<_>>().join("   ");
    let learned = known([plain("loss", "loss"), share("accuracy"), None]);
    // Of numbers it is the root of the mean square, in their own units.
    let loss = if of("val_mae").is_some() { "RMSE" } else { "loss" };
    let mut held_back = known([plain(loss, "val_loss"), share("val_accuracy"), plain("MAE", "val_mae")]);
    for (name, value) in record.as_object().into_iter().flatten() {
        let other = name.strip_prefix("val_").filter(|name| !["loss", "accuracy", "mae"].contains(name));
        if let (Some(name), Some(value)) = (other, value.as_f64()) {
            held_back += &format!("   {} {}", name.replace('_', " "), short(value));
        }
    }
    let line = format!("epoch {:>3}   {learned}", record["epoch"].as_u64().unwrap_or(0));
    if held_back.is_empty() { line } else { format!("{line}   validation: {held_back}") }
}

impl Observer for Watcher {
    fn note(&mut self, note: &str) -> Result<(), TaskError> {
        self.output.text(note).map_err(told)?;
        self.output.event(&json!({"event": "note", "text": note})).map_err(told)
    }

    fn stage(&mut self, name: &str, steps: u64, done: u64) -> Result<(), TaskError> {
        self.finish();
        let mut progress = Progress::new(steps, done, Mode::detect(self.output.json));
        if self.stages {
            progress.line(name);
        }
        self.progress = Some(progress);
        Ok(())
    }

    fn step(&mut self, measures: &Measures) {
        let loss = measures.get("loss").copied().unwrap_or(f64::NAN);
        if let Some(progress) = &mut self.progress {
            progress.step(loss, measures.get("accuracy").copied());
        }
    }

    fn epoch(&mut self, record: &Value) -> Result<(), TaskError> {
        let of = |name: &str| record.get(name).and_then(Value::as_f64);
        let line = epoch_line(record);
        if let Some(progress) = &mut self.progress {
            // The error of numbers is not on the scale of the loss.
            let validation = of("val_loss").filter(|_| of("val_mae").is_none());
            progress.epoch(&line, of("loss"), validation);
        }
        self.output.event(record).map_err(told)
    }

    fn stage_end(&mut self, record: &Value) -> Result<(), TaskError> {
        self.finish();
        self.output.event(record).map_err(told)?;
        let figures = record.get("test").and_then(Value::as_object).into_iter().flatten();
        let shown = figures.filter_map(|(name, value)| Some(format!("{name} {}", short(value.as_f64()?))));
        let shown: Vec<String> = shown.take(4).collect();
        match record["event"].as_str() {
            Some("fold") => self
                .output
                .text(&format!("fold {} of {}: {}", record["fold"], record["folds"], shown.join("   ")))
                .map_err(told),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_tells_what_was_measured_on_what() {
        let classes = json!({"epoch": 7, "loss": 0.5, "accuracy": 0.75, "val_loss": 0.625, "val_accuracy": 0.5});
        let shown = "epoch   7   loss 0.5   accuracy 75.00 %   validation: loss 0.625   accuracy 50.00 %";
        assert_eq!(epoch_line(&classes), shown);
        let numbers = json!({"epoch": 12, "loss": 0.5, "val_loss": 30.5, "val_mae": 20.25});
        assert_eq!(epoch_line(&numbers), "epoch  12   loss 0.5   validation: RMSE 30.5   MAE 20.25");
        assert_eq!(epoch_line(&json!({"epoch": 100, "loss": 0.5})), "epoch 100   loss 0.5");
        let other = json!({"epoch": 1, "loss": 0.5, "val_loss": 0.25, "val_word_errors": 0.125});
        assert_eq!(epoch_line(&other), "epoch   1   loss 0.5   validation: loss 0.25   word errors 0.125");
    }
}
