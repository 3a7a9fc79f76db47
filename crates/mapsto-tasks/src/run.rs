//! A run from its settings to a trained, tested network in a folder; and on from where it was left.

use crate::ensemble;
use crate::error::TaskError;
use crate::observer::Observer;
use crate::predictor::Predictor;
use crate::report;
use crate::saved::{Combination, MODEL_FILE, Saved};
use crate::settings::Settings;
use crate::stage::{Context, DONE, Stage};
use crate::task::{Division, Figures, Given, Task};
use mapsto_data::{
    SplitError, grouped_k_fold, grouped_split, k_fold, ordered_k_fold, ordered_split, stratified_k_fold,
    stratified_split,
};
use mapsto_nn::{LoadOptions, Module, StateDict, write_atomic};
use mapsto_tensor::Rng;
use mapsto_train::Checkpoint;
use mapsto_train::run_dir::{RunDir, RunError, RunLock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The name of a run's settings.
pub const CONFIG_FILE: &str = "config.toml";
/// The name of the last evaluation.
pub const TEST_FILE: &str = "test.json";
/// The folder of what a run goes on from.
const CHECKPOINTS: &str = "checkpoint";
/// The folder of events for TensorBoard, with one of each network that learns.
const EVENTS: &str = "tensorboard";
/// What is known of the data of a run.
const DATA_FILE: &str = "data.json";
/// The fewest examples that a network learns from.
const LEAST_TRAIN: usize = 2;

/// A run's folder with its settings, held by this process.
pub struct Run<C> {
    /// The folder.
    pub folder: RunDir,
    /// The settings.
    pub settings: Settings<C>,
    _lock: RunLock,
}

/// What a run came to.
pub struct Outcome<T: Task> {
    /// The network.
    pub predictor: Predictor<T>,
    /// The examples that it was tested on.
    pub tested: Vec<usize>,
    /// How good it is; none where nothing was held back to test on.
    pub test: Option<T::Evaluation>,
    /// The figures of each fold of a cross-validation.
    pub folds: Vec<Value>,
}

/// Data that a run began with, so that it does not go on with others.
#[derive(Serialize, Deserialize, PartialEq)]
struct Known {
    examples: usize,
    fingerprint: String,
}

impl Known {
    fn of(task: &impl Task) -> Known {
        Known { examples: task.count(), fingerprint: format!("{:016x}", task.fingerprint()) }
    }

    /// What a run's folder tells, if it does.
    fn before(folder: &Path) -> Option<Known> {
        serde_json::from_slice(&fs::read(folder.join(DATA_FILE)).ok()?).ok()
    }
}

impl<C: Clone + Serialize + DeserializeOwned> Run<C> {
    /// Writes the settings into a new folder.
    ///
    /// # Errors
    /// Settings that cannot be; a refusal of the system.
    pub fn begin((folder, lock): (RunDir, RunLock), settings: Settings<C>) -> Result<Run<C>, TaskError> {
        settings.check()?;
        let path = folder.path().join(CONFIG_FILE);
        let text = toml::to_string(&settings).map_err(|e| TaskError::Internal(e.to_string()))?;
        write(&path, text.as_bytes())?;
        Ok(Run { folder, settings, _lock: lock })
    }

    /// Reads the settings of a run that was begun, and keeps other processes out of it.
    ///
    /// # Errors
    /// No run, or one that another process is in; settings that cannot be read, or that cannot be.
    pub fn open(path: &Path) -> Result<Run<C>, TaskError> {
        let folder = RunDir::open(path, CONFIG_FILE)?;
        let path = path.join(CONFIG_FILE);
        let wrong = |e: &dyn std::fmt::Display| TaskError::Input(format!("{} cannot be used: {e}", path.display()));
        let text = fs::read_to_string(&path).map_err(|e| wrong(&e))?;
        let settings: Settings<C> = toml::from_str(&text).map_err(|e| wrong(&e.message()))?;
        settings.check().map_err(|e| wrong(&e))?;
        let lock = folder.lock()?;
        folder.tidy()?;
        Ok(Run { folder, settings, _lock: lock })
    }
}

/// Whether something was learned in a run's folder that would be lost with it: a step that a checkpoint holds, or a whole stage.
pub fn has_learned(folder: &Path) -> bool {
    let holds = |entry: fs::DirEntry| {
        let path = entry.path();
        let is_checkpoint = path.extension().is_some_and(|extension| extension == "safetensors");
        // What cannot be read might be worth much.
        if is_checkpoint { Checkpoint::steps(&path).map_or(true, |steps| steps > 0) } else { is_done(&path) }
    };
    fs::read_dir(folder.join(CHECKPOINTS)).is_ok_and(|entries| entries.flatten().any(holds))
}

fn is_done(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == DONE)
}

/// The task that a run's settings name.
///
/// # Errors
/// No run; settings that cannot be read.
pub fn task_of(path: &Path) -> Result<String, TaskError> {
    #[derive(Deserialize)]
    struct Task {
        task: String,
    }
    let file = path.join(CONFIG_FILE);
    let text = fs::read_to_string(&file).map_err(|_| RunError::NoRun(path.to_owned()))?;
    let wrong = |e: toml::de::Error| TaskError::Input(format!("{} cannot be used: {}", file.display(), e.message()));
    Ok(toml::from_str::<Task>(&text).map_err(wrong)?.task)
}

impl<C: Clone + Serialize + DeserializeOwned> Run<C> {
    /// Trains, tests and saves; what was done before is not done again.
    ///
    /// # Errors
    /// Data that cannot be learned from, or that are not those of before; what the training ended by.
    pub fn train<T: Task<Config = C>>(
        &self,
        task: &T,
        observer: &mut dyn Observer,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Outcome<T>, TaskError> {
        let (settings, path) = (&self.settings, self.folder.path());
        let folder = path.join(CHECKPOINTS);
        make(&folder)?;
        let known = Known::of(task);
        match Known::before(path) {
            Some(before) if before != known => {
                let what = "the data have changed since the run began: begin a new one";
                return Err(TaskError::Input(format!("{}: {what}", path.display())));
            }
            Some(_) => {}
            None => write(&path.join(DATA_FILE), json!(known).to_string().as_bytes())?,
        }
        let parts = divide(task, settings)?;
        let mut context = Context {
            settings,
            task,
            folder,
            events: path.join(EVENTS),
            observer,
            interrupted,
            log: self.folder.metrics()?,
        };
        let preparation = task.prepare(&settings.config, &parts.train)?;
        task.notes(&preparation).iter().try_for_each(|note| context.observer.note(note))?;
        let folds = context.cross_validate(&parts)?;

        let (weights, combination) = ensemble::learn(&mut context, &parts, &preparation)?;
        let member = |weights: &StateDict| network::<T>(settings, &preparation, weights);
        let members = weights.iter().map(member).collect::<Result<Vec<_>, TaskError>>()?;
        let mut predictor = Predictor { settings: settings.clone(), preparation, members, combination };
        if let Some(note) = task.calibrate(&mut predictor, &parts.validation)? {
            context.observer.note(&note)?;
        }
        let saved = Saved {
            task: T::NAME.into(),
            settings: json!(settings),
            preparation: json!(predictor.preparation),
            combination: predictor.combination.clone(),
            weights: predictor.weights()?,
            path: path.join(MODEL_FILE),
        };
        saved.write()?;
        let mut test = None;
        if !parts.test.is_empty() {
            let evaluation = task.evaluate(&predictor, &parts.test)?;
            write(&path.join(TEST_FILE), json!(evaluation).to_string().as_bytes())?;
            test = Some(evaluation);
        }
        let outcome = Outcome { predictor, tested: parts.test, test, folds };
        report::of_run(path, task, &outcome, [parts.train.len(), parts.validation.len()])?;
        Ok(outcome)
    }
}

/// A network with these weights, ready to be used.
pub(crate) fn network<T: Task>(
    settings: &Settings<T::Config>,
    preparation: &T::Preparation,
    weights: &StateDict,
) -> Result<T::Network, TaskError> {
    let network = T::network(&settings.config, preparation)?;
    network.load_state_dict(weights, &LoadOptions::strict())?;
    let network = network.init(settings.training.seed)?;
    network.eval();
    Ok(network)
}

impl<T: Task> Context<'_, T> {
    /// Trains and tests on each fold of what is not kept for the last test.
    fn cross_validate(&mut self, parts: &Given) -> Result<Vec<Value>, TaskError> {
        let count = self.settings.folds;
        if count < 2 {
            return Ok(Vec::new());
        }
        let mut items = [&parts.train[..], &parts.validation].concat();
        items.sort_unstable();
        let mut found = Vec::new();
        for (number, (train, test)) in
            folds(self.task, &items, count, self.settings.training.split_seed)?.iter().enumerate()
        {
            let name = format!("fold-{}", number + 1);
            let (train, validation) = hold_back(self.task, train, self.settings, "validation of a fold")?;
            let preparation = self.task.prepare(&self.settings.config, &train)?;
            let seed = Rng::new(self.settings.training.seed).split(&name).key();
            let stage = Stage { name: name.clone(), train, validation, weights: None, seed };
            let weights = self.learn(&stage, &preparation)?;
            let members = weights.iter().map(|weights| network::<T>(self.settings, &preparation, weights));
            let members = members.collect::<Result<Vec<_>, TaskError>>()?;
            let combination = Combination::mean(members.len());
            let mut predictor = Predictor::<T> { settings: self.settings.clone(), preparation, members, combination };
            self.task.calibrate(&mut predictor, &stage.validation)?;
            let metrics = self.task.evaluate(&predictor, test)?.metrics();
            let record = json!({"event": "fold", "fold": number + 1, "folds": count, "test": metrics});
            self.observer.stage_end(&record)?;
            found.push(metrics);
        }
        Ok(found)
    }
}

/// The examples that the run in a folder has kept back to be tested on.
///
/// # Errors
/// Other examples than those that the run began with: which it kept back cannot be told.
pub fn test_part<T: Task>(task: &T, settings: &Settings<T::Config>, folder: &Path) -> Result<Vec<usize>, TaskError> {
    let what = match Known::before(folder) {
        Some(before) if before == Known::of(task) => return Ok(divide(task, settings)?.test),
        Some(_) => "the data have changed since the run began".to_string(),
        None => format!("there is no {DATA_FILE} to know the data by"),
    };
    let mend = "the part that the run kept back cannot be told: give data to evaluate on with --data";
    Err(TaskError::Input(format!("{}: {what}, so that {mend}", folder.display())))
}

/// Divides examples where their data do not.
pub(crate) fn divide<T: Task>(task: &T, settings: &Settings<T::Config>) -> Result<Given, TaskError> {
    let (given, share) = (task.given(), settings.training.test);
    let mut parts = if given.test.is_empty() && share > 0.0 {
        let (train, test) = split(task, &given.train, share, settings.training.split_seed, "test")?;
        Given { train, test, validation: given.validation.clone() }
    } else {
        given.clone()
    };
    if parts.validation.is_empty() {
        (parts.train, parts.validation) = hold_back(task, &parts.train, settings, "validation")?;
    }
    if parts.train.len() < LEAST_TRAIN {
        let found = parts.train.len();
        return Err(TaskError::Input(format!("{found} examples are left to learn from, {LEAST_TRAIN} are the least")));
    }
    Ok(parts)
}

/// Holds back what the best epoch is chosen by.
fn hold_back<T: Task>(
    task: &T,
    items: &[usize],
    settings: &Settings<T::Config>,
    what: &str,
) -> Result<(Vec<usize>, Vec<usize>), TaskError> {
    let training = &settings.training;
    if training.validation > 0.0 {
        split(task, items, training.validation, training.split_seed, what)
    } else {
        Ok((items.to_vec(), Vec::new()))
    }
}

/// Divides some examples into two parts.
fn split<T: Task>(
    task: &T,
    items: &[usize],
    share: f64,
    seed: u64,
    what: &str,
) -> Result<(Vec<usize>, Vec<usize>), TaskError> {
    let mut rng = Rng::new(seed).split(what);
    let below = &mut |n| rng.below(n);
    let (first, second) = match task.division() {
        Division::Random => stratified_split(&labels(task, items), share, below),
        Division::Groups(groups) => grouped_split(&of(&groups, items), share, below),
        Division::Times(times) => ordered_split(&of(&times, items), share),
        Division::Spans(spans) => {
            let spans = of(&spans, items);
            ordered_split(&starts(&spans), share).map(|parts| apart(&spans, parts))
        }
    }
    .map_err(|e| not_divided(what, &e))?;
    // In place: there may be very many.
    let items = |places: Vec<usize>| places.into_iter().map(|place| items[place]).collect();
    Ok((items(first), items(second)))
}

/// The folds of a cross-validation: what is learned from and what is tested on.
fn folds<T: Task>(task: &T, items: &[usize], count: usize, seed: u64) -> Result<mapsto_data::Folds, TaskError> {
    let mut rng = Rng::new(seed).split("folds");
    let below = &mut |n| rng.below(n);
    let found = match (task.division(), task.classes()) {
        (Division::Random, Some(classes)) => stratified_k_fold(&of(classes, items), count, below),
        (Division::Random, None) => k_fold(items.len(), count, below),
        (Division::Groups(groups), _) => grouped_k_fold(&of(&groups, items), count, below),
        (Division::Times(times), _) => ordered_k_fold(&of(&times, items), count, 0),
        (Division::Spans(spans), _) => {
            let spans = of(&spans, items);
            let folds = ordered_k_fold(&starts(&spans), count, 0);
            folds.map(|folds| folds.into_iter().map(|parts| apart(&spans, parts)).collect())
        }
    }
    .map_err(|e| not_divided("cross-validation", &e))?;
    Ok(found.into_iter().map(|(train, test)| (of(items, &train), of(items, &test))).collect())
}

/// Where examples begin.
fn starts(spans: &[[f64; 2]]) -> Vec<f64> {
    spans.iter().map(|[start, _]| *start).collect()
}

/// Leaves out of the earlier part what reaches into the later one.
fn apart(spans: &[[f64; 2]], (mut earlier, later): (Vec<usize>, Vec<usize>)) -> (Vec<usize>, Vec<usize>) {
    let first = later.iter().map(|&item| spans[item][0]).fold(f64::INFINITY, f64::min);
    earlier.retain(|&item| spans[item][1] < first);
    (earlier, later)
}

fn not_divided(what: &str, error: &SplitError) -> TaskError {
    TaskError::Input(format!("the examples cannot be divided for the {what}: {error}"))
}

/// Classes to keep the shares of; without any, all are of one.
fn labels(task: &impl Task, items: &[usize]) -> Vec<usize> {
    task.classes().map_or_else(|| vec![0; items.len()], |classes| of(classes, items))
}

fn of<T: Copy>(all: &[T], items: &[usize]) -> Vec<T> {
    items.iter().map(|&item| all[item]).collect()
}

/// Makes a folder, if it is not there.
fn make(path: &Path) -> Result<(), TaskError> {
    fs::create_dir_all(path).map_err(|e| TaskError::Input(format!("cannot make the folder {}: {e}", path.display())))
}

/// Writes a file: whole, or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), TaskError> {
    write_atomic(path, |out| out.write_all(content))
        .map_err(|e| TaskError::Input(format!("cannot write {}: {e}", path.display())))
}
