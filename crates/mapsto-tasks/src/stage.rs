//! One network learns.

use crate::error::TaskError;
use crate::observer::Observer;
use crate::plan::Plan;
use crate::rates::{factor, freeze};
use crate::settings::{Balance, Course, Method, Rule, Settings, Training};
use crate::task::{BatchesOf, Task};
use mapsto_data::Order;
use mapsto_nn::schedule::PlateauConfig;
use mapsto_nn::{AdamW, Average, Averaged, Module, Optimizer, Sgd, StateDict};
use mapsto_tensor::{Result, no_grad};
use mapsto_train::callbacks::{Evaluate, Events, KeepBest, Log, Plateau, Stopping, epoch_record};
use mapsto_train::early_stopping::EarlyStopping;
use mapsto_train::run_dir::MetricsLog;
use mapsto_train::{
    Callback, Checkpoint, Clock, Descent, Fit, Flow, Learner, Measures, Parts, Snapshot, Stateful, TrainError, Update,
};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How files of stages that are done end.
pub(crate) const DONE: &str = "done";
/// Batches from which running statistics of averaged weights are taken.
const STATISTICS: usize = 100;

/// What all stages of a run share.
pub(crate) struct Context<'a, T: Task> {
    pub settings: &'a Settings<T::Config>,
    pub task: &'a T,
    /// The folder of checkpoints.
    pub folder: PathBuf,
    /// The folder of TensorBoard's events.
    pub events: PathBuf,
    pub observer: &'a mut dyn Observer,
    pub interrupted: &'a dyn Fn() -> bool,
    pub log: MetricsLog,
}

/// What one network learns from.
pub(crate) struct Stage {
    pub name: String,
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    /// Shares by which examples are drawn; without them each comes once an epoch.
    pub weights: Option<Vec<f64>>,
    pub seed: u64,
}

pub(crate) type Student<'a, T> = Descent<'a, <T as Task>::Network, <T as Task>::Batch>;

/// Weights of networks: what a stage came to, or its snapshots so far.
#[derive(Default)]
struct Weights(Vec<StateDict>);

impl Stateful for Weights {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let mut count = self.0.len();
        parts.value("count", &mut count)?;
        self.0.resize_with(count, StateDict::new);
        self.0.iter_mut().enumerate().for_each(|(i, weights)| parts.tensors(&format!("{i}"), weights));
        Ok(())
    }
}

impl<T: Task> Context<'_, T> {
    /// Lets a network learn, or goes on where it was left, or takes what it has learned.
    pub fn learn(&mut self, stage: &Stage, preparation: &T::Preparation) -> Result<Vec<StateDict>, TaskError> {
        let done_path = self.folder.join(format!("{}.{DONE}", stage.name));
        let mut done = Weights::default();
        if done_path.exists() {
            Parts::restore(&mut done, &Snapshot::read(&done_path)?)?;
            return Ok(done.0);
        }
        done.0 = self.fit(stage, preparation)?;
        Parts::save(&mut done)?.write(&done_path)?;
        // What was needed to go on is not any more.
        let _ = std::fs::remove_file(self.checkpoint(stage));
        Ok(done.0)
    }

    fn checkpoint(&self, stage: &Stage) -> PathBuf {
        self.folder.join(format!("{}.safetensors", stage.name))
    }

    fn fit(&mut self, stage: &Stage, preparation: &T::Preparation) -> Result<Vec<StateDict>, TaskError> {
        let (settings, task, path) = (self.settings, self.task, self.checkpoint(stage));
        let training = &settings.training;
        if stage.train.is_empty() {
            return Err(TaskError::input("there are no examples to learn from"));
        }
        let plan = plan(training, task.classes(), stage);
        let batches = task.batches(&settings.config, preparation, plan)?;
        let mut student = student(task, settings, preparation, stage, batches.per_epoch())?;

        let average = settings.ensemble.method == Method::Average || training.average > 0.0;
        let mut evaluate = Evaluate(|student: &mut Student<'_, T>, _: &Clock| {
            if stage.validation.is_empty() {
                return Ok(Measures::new());
            }
            measured(student, settings, task, preparation, &stage.validation).map_err(|e| TrainError::Data(Box::new(e)))
        });
        let mut best = KeepBest::new("val_loss", false);
        let mut stopping = Stopping { measure: "val_loss".into(), rule: EarlyStopping::lowest(training.patience) };
        let plateau = PlateauConfig { patience: 5, ..PlateauConfig::default() };
        let mut plateau = Plateau::new("val_loss", plateau, |student: &mut Student<T>| &mut student.update.optimizer);
        let cycle = settings.epochs_of_a_cycle();
        let mut snapshots = Snapshots { every: cycle, taken: Weights::default() };
        let fields = json!({"stage": stage.name});
        let mut log = Log::new(&mut self.log, fields.clone());
        let mut events = Events::new(self.events.join(&stage.name));
        let checkpoint = Checkpoint { path, every: Duration::from_secs_f64(training.checkpoint_seconds) };
        let mut watch = Watch { observer: &mut *self.observer, fields, began: Instant::now(), stage: &stage.name };
        let mut callbacks: Vec<&mut dyn Callback<Student<'_, T>>> = vec![&mut evaluate];
        let validated = !stage.validation.is_empty();
        if training.schedule == Course::Plateau && validated {
            callbacks.push(&mut plateau);
        }
        match settings.ensemble.method {
            Method::Snapshot => callbacks.push(&mut snapshots),
            _ if validated && !average => callbacks.push(&mut best),
            _ => {}
        }
        if training.patience > 0 && validated && settings.ensemble.method != Method::Snapshot {
            callbacks.push(&mut stopping);
        }
        callbacks.push(&mut log);
        callbacks.push(&mut events);
        callbacks.push(&mut watch);
        let fit = Fit {
            batches: &*batches,
            epochs: cycle * settings.cycles(),
            callbacks,
            checkpoint: Some(checkpoint),
            interrupted: self.interrupted,
        };
        fit.run(&mut student)?;
        if average {
            settle::<T>(&mut student, &batches)?;
        }
        match settings.ensemble.method {
            Method::Snapshot => Ok(snapshots.taken.0),
            _ => Ok(vec![student.model.state_dict()?]),
        }
    }
}

/// The network of a run's settings, without values; settings that do not fit are the user's affair.
fn build<T: Task>(settings: &Settings<T::Config>, preparation: &T::Preparation) -> Result<T::Network, TaskError> {
    let refused = |error| TaskError::Input(format!("the network cannot be built by these settings: {error:#}"));
    T::network(&settings.config, preparation).map_err(refused)
}

/// Which of a stage's examples come when.
pub(crate) fn plan(training: &Training, classes: Option<&[usize]>, stage: &Stage) -> Plan {
    let order = match (&stage.weights, classes, training.balance) {
        (Some(weights), ..) => Order::Drawn { weights: weights.clone() },
        (None, Some(classes), Balance::Sampling) => {
            Order::Balanced { labels: stage.train.iter().map(|&item| classes[item]).collect() }
        }
        _ => Order::Shuffled,
    };
    Plan { items: stage.train.clone(), order, batch_size: training.batch_size, seed: stage.seed }
}

/// What moves a network's parameters.
pub(crate) fn optimizer(network: &impl Module, training: &Training) -> Result<Optimizer> {
    let Training { learning_rate, weight_decay, momentum, .. } = *training;
    // What is not a matrix or a kernel is not drawn to zero.
    Optimizer::grouped(network, |name, param| {
        let lr = learning_rate * factor(&training.rates, name);
        if lr == 0.0 {
            return None;
        }
        let weight_decay = if param.shape().rank() > 1 { weight_decay } else { 0.0 };
        Some(match training.optimizer {
            Rule::AdamW => AdamW { lr, weight_decay, ..AdamW::default() }.into(),
            Rule::Sgd => Sgd { lr, momentum, weight_decay, nesterov: momentum > 0.0, ..Sgd::default() }.into(),
        })
    })
}

/// A network that is to learn from a stage's examples, with all that its steps need.
pub(crate) fn student<'a, T: Task>(
    task: &'a T,
    settings: &'a Settings<T::Config>,
    preparation: &'a T::Preparation,
    stage: &Stage,
    per_epoch: u64,
) -> Result<Student<'a, T>, TaskError> {
    let model = build::<T>(settings, preparation)?.init(stage.seed)?;
    T::begin(&settings.config, &model)?;
    model.train();
    let training = &settings.training;
    freeze(&model, &training.rates)?;
    let optimizer = optimizer(&model, training)?;
    let total = settings.epochs_of_a_cycle() * settings.cycles() * per_epoch;
    let average = match settings.ensemble.method {
        Method::Average => {
            let last = settings.ensemble.members as u64 * per_epoch;
            Some((Averaged::new(&model, Average::Equal)?, total.saturating_sub(last)))
        }
        _ if training.average > 0.0 => {
            Some((Averaged::new(&model, Average::Exponential { decay: training.average })?, 0))
        }
        _ => None,
    };
    let clip_norm = (training.clip_norm > 0.0).then_some(training.clip_norm);
    let update = Update { optimizer, schedule: settings.schedule(per_epoch), clip_norm, average };
    Ok(Descent { model, loss: task.loss(settings, preparation, &stage.train)?, update })
}

/// The figures on the validation part.
fn measured<T: Task>(
    student: &mut Student<'_, T>,
    settings: &Settings<T::Config>,
    task: &T,
    preparation: &T::Preparation,
    items: &[usize],
) -> Result<Measures, TaskError> {
    let average = student.update.average.as_mut().map(|(average, _)| average).filter(|average| average.count() > 0);
    let swapped = match average {
        Some(average) => average.swap_in().map(|()| true)?,
        None => false,
    };
    student.model.eval();
    let measures = task.measures(settings, &student.model, preparation, items);
    student.model.train();
    if let Some((average, _)) = student.update.average.as_mut().filter(|_| swapped) {
        average.swap_out()?;
    }
    measures
}

/// Puts the averaged weights in, and lets running statistics follow them.
fn settle<T: Task>(student: &mut Student<'_, T>, batches: &BatchesOf<'_, T>) -> Result<(), TaskError> {
    let Some((average, _)) = student.update.average.as_mut().filter(|(average, _)| average.count() > 0) else {
        return Ok(());
    };
    average.swap_in()?;
    if student.model.named_buffers().is_empty() {
        return Ok(());
    }
    student.model.train();
    for batch in batches.epoch(0, 0)?.take(STATISTICS) {
        no_grad(|| (student.loss)(&student.model, &batch?).map_err(TaskError::from))?;
    }
    Ok(())
}

/// Keeps the weights at the end of each cycle of the rate.
struct Snapshots {
    every: u64,
    taken: Weights,
}

impl Stateful for Snapshots {
    fn visit(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.taken.visit(parts)
    }
}

impl<L: Learner> Callback<L> for Snapshots {
    fn epoch(&mut self, learner: &mut L, clock: &Clock, _: &mut Measures) -> Result<Flow, TrainError> {
        if (clock.epoch + 1).is_multiple_of(self.every) {
            let mut weights = Ok(StateDict::new());
            Parts::models(learner, &mut |_, model| weights = model.state_dict())?;
            self.taken.0.push(weights?);
        }
        Ok(Flow::GoOn)
    }
}

/// Tells the watcher.
struct Watch<'a> {
    observer: &'a mut dyn Observer,
    fields: Value,
    began: Instant,
    stage: &'a str,
}

impl Stateful for Watch<'_> {
    fn visit(&mut self, _: &mut Parts<'_>) -> Result<()> {
        Ok(())
    }
}

impl<L: Learner> Callback<L> for Watch<'_> {
    fn begin(&mut self, _: &mut L, clock: &Clock, _: bool) -> Result<(), TrainError> {
        self.began = Instant::now();
        let steps = clock.epochs * clock.per_epoch;
        self.observer.stage(self.stage, steps, clock.step).map_err(|e| TrainError::Data(Box::new(e)))
    }

    fn step(&mut self, _: &mut L, _: &Clock, measures: &Measures) -> Result<(), TrainError> {
        self.observer.step(measures);
        Ok(())
    }

    fn epoch(&mut self, _: &mut L, clock: &Clock, measures: &mut Measures) -> Result<Flow, TrainError> {
        let record = epoch_record(&self.fields, clock, measures, self.began.elapsed().as_secs_f64());
        self.observer.epoch(&record).map_err(|e| TrainError::Data(Box::new(e)))?;
        self.began = Instant::now();
        Ok(Flow::GoOn)
    }
}
