//! The measures of each epoch, in a run's metrics file.

use crate::error::TrainError;
use crate::fit::{Callback, Clock, Flow, Learner};
use crate::measures::Measures;
use crate::run_dir::MetricsLog;
use crate::snapshot::{Parts, Stateful};
use mapsto_tensor::Result;
use serde_json::{Value, json};
use std::time::Instant;

/// Writes a line for each epoch. A run that goes on from a checkpoint first cuts off the lines that are newer than it.
pub struct Log<'a> {
    file: &'a mut MetricsLog,
    fields: Value,
    length: u64,
    began: Instant,
}

impl<'a> Log<'a> {
    /// Into this file; every line has these fields of an object, too.
    pub fn new(file: &'a mut MetricsLog, fields: Value) -> Log<'a> {
        Log { length: file.len(), file, fields, began: Instant::now() }
    }
}

/// The line of an epoch; `waited` are the seconds in which its steps waited for their batches.
pub fn epoch_record(fields: &Value, clock: &Clock, measures: &Measures, seconds: f64) -> Value {
    let waited = clock.waited.as_secs_f64();
    let (epoch, step) = (clock.epoch + 1, clock.step);
    let mut record = json!({"event": "epoch", "epoch": epoch, "step": step, "seconds": seconds, "waited": waited});
    if let (Some(record), Some(fields)) = (record.as_object_mut(), fields.as_object()) {
        record.extend(fields.clone());
        record.extend(measures.iter().map(|(name, value)| (name.clone(), json!(value))));
    }
    record
}

impl Stateful for Log<'_> {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.length = self.file.len();
        parts.value("length", &mut self.length)
    }
}

impl<L: Learner> Callback<L> for Log<'_> {
    fn begin(&mut self, _: &mut L, _: &Clock, resumed: bool) -> Result<(), TrainError> {
        self.began = Instant::now();
        if resumed { Ok(self.file.truncate(self.length)?) } else { Ok(()) }
    }

    fn epoch(&mut self, _: &mut L, clock: &Clock, measures: &mut Measures) -> Result<Flow, TrainError> {
        let record = epoch_record(&self.fields, clock, measures, self.began.elapsed().as_secs_f64());
        self.file.append(&record)?;
        self.began = Instant::now();
        Ok(Flow::GoOn)
    }
}
