//! A run as it is watched: a bar or lines on standard error, JSON lines on standard output.

use crate::failure::Failure;
use crate::output::Output;
use crate::show::short;
use mapsto_tasks::{Observer, TaskError};
use mapsto_train::Measures;
use mapsto_train::progress::{Mode, Progress};
use serde_json::Value;

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

impl Observer for Watcher {
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
        let mut line = format!("epoch {:>3}", record["epoch"]);
        for (name, shown) in [("loss", "loss"), ("val_loss", "validation"), ("val_mae", "validation MAE")] {
            if let Some(value) = of(name) {
                line += &format!("   {shown} {}", short(value));
            }
        }
        for (name, shown) in [("accuracy", "accuracy"), ("val_accuracy", "validation")] {
            if let Some(value) = of(name) {
                line += &format!("   {shown} {:.2} %", value * 100.0);
            }
        }
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
