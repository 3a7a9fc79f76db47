//! The loop: steps over the batches of an epoch, callbacks between, a checkpoint now and then.
//!
//! What a step does is the [`Learner`]'s affair: it may have several networks and optimisers. What comes between the epochs
//! (evaluation, stopping early, logs) is that of [`Callback`]s. Nothing but the position in the run, the parts that
//! [`Stateful`] shows and the seed decides what happens next: so a run that was killed at any moment goes on from
//! its checkpoint to the same bytes.

use crate::error::TrainError;
use crate::measures::{Means, Measures};
use crate::snapshot::{Parts, Snapshot, Stateful};
use crate::watch::{self, Streams};
use mapsto_tensor::Result;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is trained, and what a step of it does.
pub trait Learner: Stateful {
    /// What a step takes.
    type Batch;

    /// One step: forward passes, losses, their gradients, updates; what it measured is given to `step`.
    ///
    /// # Errors
    /// A refusal of the engine; [`TrainError::NotFinite`] by way of [`Step::check`].
    fn step(&mut self, batch: &Self::Batch, step: &mut Step<'_>) -> Result<()>;
}

/// Where the batches of an epoch come from.
pub trait Batches {
    /// What a step takes.
    type Batch;

    /// How many an epoch has.
    fn per_epoch(&self) -> u64;

    /// Those of an epoch from the batch `first` on, both counted from 0: the same ones whenever it is asked.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn epoch<'a>(&'a self, epoch: u64, first: u64) -> Result<BatchIter<'a, Self::Batch>, TrainError>;
}

/// Batches, or why one could not be made.
pub type BatchIter<'a, B> = Box<dyn Iterator<Item = Result<B, TrainError>> + 'a>;

/// Where a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The batch of the epoch, from 0.
    pub batch: u64,
    /// Steps since the beginning.
    pub step: u64,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// Batches of an epoch.
    pub per_epoch: u64,
    /// How long the steps of the epoch have waited for their batches; those of an earlier process do not count.
    #[serde(skip)]
    pub waited: Duration,
}

impl Clock {
    /// Whether the epoch's last batch is on.
    pub fn is_last_batch(&self) -> bool {
        self.batch + 1 >= self.per_epoch
    }
}

/// What a step is told, and what it tells.
pub struct Step<'a> {
    /// Where the run is.
    pub clock: Clock,
    means: &'a mut Means,
    latest: Measures,
    not_finite: Option<String>,
}

impl Step<'_> {
    /// Notes a measure, the mean of `items` items.
    pub fn measure(&mut self, name: &str, value: f64, items: f64) {
        self.means.add(name, value, items);
        self.latest.insert(name.to_string(), value);
    }

    /// Fails for a value that is NaN or infinite: then the loop looks for the operation that produced it.
    ///
    /// # Errors
    /// The value is NaN or infinite.
    pub fn check(&mut self, what: &str, value: f64) -> Result<f64> {
        if value.is_finite() {
            return Ok(value);
        }
        let what = format!("{what} became {value}");
        self.not_finite = Some(what.clone());
        Err(mapsto_tensor::Error::gradient(what))
    }
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    GoOn,
    /// The epochs that are left are not worth it.
    Stop,
}

/// What comes between steps and epochs.
pub trait Callback<L: Learner>: Stateful {
    /// The run begins, or goes on from a checkpoint.
    ///
    /// # Errors
    /// Those of the callback.
    fn begin(&mut self, _learner: &mut L, _clock: &Clock, _resumed: bool) -> Result<(), TrainError> {
        Ok(())
    }

    /// A step is done, with these measures.
    ///
    /// # Errors
    /// Those of the callback.
    fn step(&mut self, _learner: &mut L, _clock: &Clock, _measures: &Measures) -> Result<(), TrainError> {
        Ok(())
    }

    /// An epoch is done, with these measures, to which it may add.
    ///
    /// # Errors
    /// Those of the callback.
    fn epoch(&mut self, _learner: &mut L, _clock: &Clock, _measures: &mut Measures) -> Result<Flow, TrainError> {
        Ok(Flow::GoOn)
    }

    /// No epoch follows.
    ///
    /// # Errors
    /// Those of the callback.
    fn end(&mut self, _learner: &mut L, _clock: &Clock) -> Result<(), TrainError> {
        Ok(())
    }
}

/// A file from which an interrupted run goes on.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The file. When it is there, the run goes on from it.
    pub path: PathBuf,
    /// It is written at the end of each epoch, and within one when so much time has passed.
    pub every: Duration,
}

impl Checkpoint {
    /// The steps that were done when a checkpoint was written.
    ///
    /// # Errors
    /// A file that cannot be read, or is none.
    pub fn steps(path: &Path) -> Result<u64> {
        Ok(Snapshot::read(path)?.text::<Position>(POSITION)?.clock.step)
    }
}

/// A run of the loop.
pub struct Fit<'a, L: Learner> {
    /// Where batches come from.
    pub batches: &'a dyn Batches<Batch = L::Batch>,
    /// Times that all of them are gone through.
    pub epochs: u64,
    /// What comes between, in this order.
    pub callbacks: Vec<&'a mut dyn Callback<L>>,
    /// Where it goes on from, when it is interrupted.
    pub checkpoint: Option<Checkpoint>,
    /// Asked after every step whether to stop at once.
    pub interrupted: &'a dyn Fn() -> bool,
}

/// The checkpoint's name for where a run is.
const POSITION: &str = "position";

/// Where a run is, and what it has measured in the epoch.
#[derive(Default, Serialize, Deserialize)]
struct Position {
    clock: Clock,
    means: Means,
    stopped: bool,
}

/// All that a checkpoint holds.
struct Whole<'w, 'a, L: Learner> {
    position: &'w mut Position,
    learner: &'w mut L,
    callbacks: &'w mut [&'a mut dyn Callback<L>],
}

impl<L: Learner> Stateful for Whole<'_, '_, L> {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.value(POSITION, self.position)?;
        parts.inside("learner", self.learner)?;
        for (i, callback) in self.callbacks.iter_mut().enumerate() {
            parts.inside(&format!("callback {i}"), &mut **callback)?;
        }
        Ok(())
    }
}

impl<L: Learner> Fit<'_, L> {
    /// Runs it to its end, or goes on to it from the checkpoint. Gives the number of epochs that were run in all.
    ///
    /// # Errors
    /// Those of the learner, the batches and the callbacks; [`TrainError::Interrupted`], after all was saved.
    pub fn run(mut self, learner: &mut L) -> Result<u64, TrainError> {
        let mut position = Position::default();
        let resumed = self.resume(&mut position, learner)?;
        (position.clock.epochs, position.clock.per_epoch) = (self.epochs, self.batches.per_epoch());
        for callback in &mut self.callbacks {
            callback.begin(learner, &position.clock, resumed)?;
        }
        if !resumed {
            self.save(&mut position, learner)?;
        }
        let streams = Streams::of(learner)?;
        let mut saved = Instant::now();
        while position.clock.epoch < self.epochs && !position.stopped {
            let batches = self.batches;
            let mut coming = batches.epoch(position.clock.epoch, position.clock.batch)?;
            loop {
                let asked = Instant::now();
                let Some(batch) = coming.next() else { break };
                position.clock.waited += asked.elapsed();
                let measures = step(learner, &batch?, &mut position, &streams)?;
                for callback in &mut self.callbacks {
                    callback.step(learner, &position.clock, &measures)?;
                }
                position.clock.batch += 1;
                position.clock.step += 1;
                if (self.interrupted)() {
                    self.save(&mut position, learner)?;
                    let Clock { epoch, batch, .. } = position.clock;
                    return Err(TrainError::Interrupted { epoch: epoch + 1, step: batch });
                }
                if self.checkpoint.as_ref().is_some_and(|checkpoint| saved.elapsed() >= checkpoint.every) {
                    self.save(&mut position, learner)?;
                    saved = Instant::now();
                }
            }
            let mut measures = std::mem::take(&mut position.means).means();
            for callback in &mut self.callbacks {
                position.stopped |= callback.epoch(learner, &position.clock, &mut measures)? == Flow::Stop;
            }
            position.clock.epoch += 1;
            (position.clock.batch, position.clock.waited) = (0, Duration::ZERO);
            self.save(&mut position, learner)?;
            saved = Instant::now();
        }
        for callback in &mut self.callbacks {
            callback.end(learner, &position.clock)?;
        }
        Ok(position.clock.epoch)
    }

    fn resume(&mut self, position: &mut Position, learner: &mut L) -> Result<bool, TrainError> {
        let Some(path) = self.checkpoint.as_ref().map(|checkpoint| &checkpoint.path).filter(|path| path.exists())
        else {
            return Ok(false);
        };
        let mend = "without this checkpoint the training begins anew: remove it to do so";
        let within = |e: mapsto_tensor::Error| e.within(path.display().to_string()).mend(mend);
        let snapshot = Snapshot::read(path).map_err(|e| e.mend(mend))?;
        Parts::restore(&mut Whole { position, learner, callbacks: &mut self.callbacks }, &snapshot).map_err(within)?;
        Ok(true)
    }

    fn save(&mut self, position: &mut Position, learner: &mut L) -> Result<(), TrainError> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        let snapshot = Parts::save(&mut Whole { position, learner, callbacks: &mut self.callbacks })?;
        Ok(snapshot.write(&checkpoint.path)?)
    }
}

/// One step; where something became NaN or infinite, the same step again, to see what did first.
fn step<L: Learner>(
    learner: &mut L,
    batch: &L::Batch,
    position: &mut Position,
    streams: &Streams,
) -> Result<Measures, TrainError> {
    let before = streams.states();
    let mut step =
        Step { clock: position.clock, means: &mut position.means, latest: Measures::new(), not_finite: None };
    let Err(error) = learner.step(batch, &mut step) else { return Ok(step.latest) };
    let Some(what) = step.not_finite.take() else { return Err(error.into()) };
    streams.rewind(&before);
    let found = watch::first(learner, |learner| learner.step(batch, &mut step))?;
    Err(TrainError::NotFinite {
        what,
        step: position.clock.batch + 1,
        epoch: position.clock.epoch + 1,
        found: found.map_or_else(String::new, |found| format!(": {found}")),
        mend: "try a lower learning rate, or look at the data for huge values",
    })
}
