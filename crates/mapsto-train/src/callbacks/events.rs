//! The measures of each epoch, for TensorBoard.

use crate::error::TrainError;
use crate::fit::{Callback, Clock, Flow, Learner};
use crate::measures::Measures;
use crate::snapshot::{Parts, Stateful};
use mapsto_formats::EventWriter;
use mapsto_tensor::Result;
use std::path::PathBuf;

/// What the names of measures of the validation part begin with.
const VALIDATION: &str = "val_";

/// Writes a scalar of each measure and epoch into an event file of a folder, which TensorBoard shows as a run. A run that goes
/// on from a checkpoint goes on in the same file, from which first is cut off what is newer than the checkpoint.
pub struct Events {
    folder: PathBuf,
    /// The name of the file, and how long it is.
    file: String,
    length: u64,
    writer: Option<EventWriter>,
}

impl Events {
    /// Into a file in this folder, which is made when the run begins.
    pub fn new(folder: impl Into<PathBuf>) -> Events {
        Events { folder: folder.into(), file: String::new(), length: 0, writer: None }
    }
}

/// The tag of a measure: `loss/train` and `loss/validation` are shown together, other groups under names of their own.
fn tag(measure: &str) -> String {
    match measure.strip_prefix(VALIDATION) {
        Some(name) => format!("{name}/validation"),
        None if measure.contains('/') => measure.to_string(),
        None => format!("{measure}/train"),
    }
}

impl Stateful for Events {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.value("file", &mut self.file)?;
        parts.value("length", &mut self.length)
    }
}

impl<L: Learner> Callback<L> for Events {
    fn begin(&mut self, _: &mut L, _: &Clock, resumed: bool) -> Result<(), TrainError> {
        let data = |e: mapsto_formats::EventError| TrainError::Data(Box::new(e));
        let path = self.folder.join(&self.file);
        // Someone may have removed the file: that is no reason not to go on.
        let writer = if resumed && !self.file.is_empty() && path.is_file() {
            EventWriter::open(&path, self.length).map_err(data)?
        } else {
            EventWriter::create(&self.folder).map_err(data)?
        };
        let name = writer.path().file_name().map(|name| name.to_string_lossy().into_owned());
        (self.file, self.length) = (name.unwrap_or_default(), writer.length());
        self.writer = Some(writer);
        Ok(())
    }

    fn epoch(&mut self, _: &mut L, clock: &Clock, measures: &mut Measures) -> Result<Flow, TrainError> {
        if let Some(writer) = &mut self.writer {
            let mut write = || {
                for (measure, value) in measures.iter() {
                    writer.scalar(&tag(measure), clock.epoch + 1, *value as f32)?;
                }
                writer.flush()
            };
            write().map_err(|e| TrainError::Data(Box::new(e)))?;
            self.length = writer.length();
        }
        Ok(Flow::GoOn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::Step;
    use std::fs;

    struct Nothing;

    impl Stateful for Nothing {
        fn visit(&mut self, _: &mut Parts<'_>) -> Result<()> {
            Ok(())
        }
    }

    impl Learner for Nothing {
        type Batch = ();

        fn step(&mut self, (): &(), _: &mut Step<'_>) -> Result<()> {
            Ok(())
        }
    }

    fn epochs(events: &mut Events, epochs: std::ops::Range<u64>) {
        for epoch in epochs {
            let clock = Clock { epoch, ..Clock::default() };
            let mut measures = Measures::from([("loss".to_string(), 1.0 / (epoch + 1) as f64)]);
            events.epoch(&mut Nothing, &clock, &mut measures).unwrap();
        }
    }

    /// The events without the times at which they were written.
    fn tags(path: &std::path::Path) -> (u64, usize) {
        let bytes = fs::read(path).unwrap();
        let tag = b"loss/train";
        (bytes.len() as u64, bytes.windows(tag.len()).filter(|window| window == tag).count())
    }

    #[test]
    fn tags_are_grouped() {
        let tags = ["loss", "val_loss", "gradient/0.weight", "rate"].map(tag);
        assert_eq!(tags, ["loss/train", "loss/validation", "gradient/0.weight", "rate/train"]);
    }

    #[test]
    fn what_is_newer_than_the_checkpoint_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let mut events = Events::new(folder.path());
        Callback::<Nothing>::begin(&mut events, &mut Nothing, &clock, false).unwrap();
        epochs(&mut events, 0..2);
        let saved = Parts::save(&mut events).unwrap();
        let path = folder.path().join(&events.file);
        let at_checkpoint = tags(&path);
        epochs(&mut events, 2..5);
        drop(events);
        assert_eq!(tags(&path).1, 5);
        let mut again = Events::new(folder.path());
        Parts::restore(&mut again, &saved).unwrap();
        Callback::<Nothing>::begin(&mut again, &mut Nothing, &clock, true).unwrap();
        assert_eq!(tags(&path), at_checkpoint);
        epochs(&mut again, 2..3);
        assert_eq!((tags(&path).1, fs::read_dir(folder.path()).unwrap().count()), (3, 1));
        // Without its file, it begins another.
        fs::remove_file(&path).unwrap();
        let mut again = Events::new(folder.path());
        Parts::restore(&mut again, &saved).unwrap();
        Callback::<Nothing>::begin(&mut again, &mut Nothing, &clock, true).unwrap();
        epochs(&mut again, 2..3);
        assert_eq!(tags(&folder.path().join(&again.file)).1, 1);
    }
}
