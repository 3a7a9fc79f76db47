//! `mapsto train`.

use crate::failure::Failure;
use crate::interrupt;
use crate::output::{Output, complain};
use crate::shell;
use crate::tasks::{TASKS, task};
use crate::watcher::Watcher;
use clap::builder::{PossibleValue, PossibleValuesParser};
use mapsto_nn::{Module, chart};
use mapsto_tasks::{
    Begun, Ensemble, Figures, FoundRate, Outcome, Request, Run, Settings, Task, TaskError, find_rate, has_learned,
    task_of,
};
use mapsto_train::run_dir::RunDir;
use mapsto_train::{TrainError, short};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The folder that runs are saved in.
const RUNS: &str = "runs";
/// Rows and columns of the chart of a search for a rate.
const CHART: [usize; 2] = [10, 60];

#[derive(clap::Args)]
pub struct Arguments {
    /// What is learned; with --resume, what the run says
    #[arg(value_parser = tasks(), required_unless_present = "resume")]
    task: Option<String>,
    /// The data: a table, or a folder with one of pictures, sounds or texts for each class; each task says what else it reads
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The column of the table that is to be predicted
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// The network: mlp for tables, resnet20 for images, gru for texts, ...; of a name that there is not, all are told
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Weights that the network begins with, all but its last layer's: safetensors or a PyTorch checkpoint
    #[arg(long, value_name = "FILE")]
    pretrained: Option<PathBuf>,
    /// Pass over pictures and sounds that cannot be read, and rows of a table that have no target
    #[arg(long)]
    skip_bad: bool,
    /// Times that the examples are gone through
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// A setting in place of its default; all of them stand in the run's config.toml
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// First search the learning rate to train with: the one at which the loss falls fastest
    #[arg(long)]
    find_rate: bool,
    /// Before the training, train and test on so many parts in turn
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(2..=1000))]
    cv: Option<u16>,
    /// Several networks as one: bagging:N, boosting:N, snapshot:N, or average:N of the last N epochs' weights
    #[arg(long, value_name = "METHOD:N")]
    ensemble: Option<Ensemble>,
    /// The run's name; without one, the task, the date and a number
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// Go on with a run that was interrupted or killed
    #[arg(long, value_name = "RUN", conflicts_with_all = ["data", "target", "model", "pretrained", "skip_bad", "epochs", "set", "find_rate", "cv", "ensemble", "run", "runs"])]
    resume: Option<PathBuf>,
    /// The folder that runs are saved in
    #[arg(long, value_name = "FOLDER", default_value = RUNS)]
    runs: PathBuf,
    /// Threads to use; by default one for each core
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What `clap` knows of the tasks.
fn tasks() -> PossibleValuesParser {
    PossibleValuesParser::new(TASKS.iter().map(|task| PossibleValue::new(task.name()).help(task.about())))
}

/// Trains what the arguments say.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(threads) = arguments.threads {
        mapsto_tensor::set_num_threads(threads as usize);
    }
    interrupt::watch()?;
    if let Some(path) = &arguments.resume {
        let name = task_of(path)?;
        if let Some(given) = arguments.task.as_ref().filter(|given| **given != name) {
            return Err(Failure::user(format!("{} is a run of {name}, not of {given}", path.display())));
        }
        return task(&name, path)?.resume(arguments, path);
    }
    match &arguments.task {
        Some(name) => task(name, Path::new(name))?.train(arguments),
        None => Err(Failure::Internal("a task or --resume is asked for".into())),
    }
}

impl Arguments {
    fn request(&self) -> Request {
        Request {
            data: self.data.clone(),
            target: self.target.clone(),
            model: self.model.clone(),
            pretrained: self.pretrained.clone(),
            skip_bad: self.skip_bad,
            set: self.set.clone(),
        }
    }
}

/// Begins a run of the task.
pub fn begin<T: Task>(arguments: &Arguments) -> Result<(), Failure> {
    let request = arguments.request();
    let Begun { task, settings, notes } = T::begun(&request)?;
    let mut settings = request.settle(settings)?;
    settings.training.epochs = arguments.epochs.unwrap_or(settings.training.epochs);
    settings.folds = arguments.cv.map_or(settings.folds, usize::from);
    settings.ensemble = arguments.ensemble.unwrap_or(settings.ensemble);
    settings.check()?;
    if arguments.find_rate {
        settings.training.learning_rate = search_rate(arguments, &task, &settings)?;
    }
    let is_first = !arguments.runs.exists();
    let (folder, lock) = match &arguments.run {
        Some(name) => RunDir::create(&arguments.runs, name)?,
        None => RunDir::create_next(&arguments.runs, T::NAME)?,
    };
    let begun = Run::begin((folder.clone(), lock), settings).map_err(Failure::from);
    let done = begun.and_then(|run| go(arguments, &run, &task, &notes));
    match done {
        Err(failure) if matches!(failure, Failure::Interrupted(_)) => Err(failure),
        Err(failure) if has_learned(folder.path()) => Err(failure.and(&how_to_go_on::<T>(folder.path()))),
        Err(failure) => {
            // A folder in which nothing was learned is of no use, and takes a name.
            folder.remove().unwrap_or_else(|error| complain(&error.to_string()));
            if is_first {
                // Unless somebody else has begun a run there.
                let _ = std::fs::remove_dir(&arguments.runs);
            }
            Err(failure)
        }
        Ok(()) => Ok(()),
    }
}

fn how_to_go_on<T: Task>(run: &Path) -> String {
    let (mapsto, folder) = (shell::program(), shell::quoted(&run.display().to_string()));
    format!("go on with: {mapsto} train {} --resume {folder}", T::NAME)
}

/// Goes on with a run of the task.
pub fn resume<T: Task>(arguments: &Arguments, path: &Path) -> Result<(), Failure> {
    let run = Run::open(path)?;
    let task = T::open(&run.settings.config)?;
    go(arguments, &run, &task, &[])
}

/// Searches the learning rate, and shows what was seen on the way.
fn search_rate<T: Task>(arguments: &Arguments, task: &T, settings: &Settings<T::Config>) -> Result<f64, Failure> {
    let output = Output { json: arguments.json, goes_on: true };
    let found = find_rate(task, settings, &interrupt::is_asked)?;
    let Some(FoundRate { rate, curve }) = found else {
        return Err(Failure::Interrupted("interrupted in the search for a learning rate; nothing is saved".into()));
    };
    let losses: Vec<f64> = curve.iter().map(|(_, loss)| *loss).collect();
    let [first, last] = [curve.first(), curve.last()].map(|end| end.map_or(0.0, |(rate, _)| *rate));
    let drawn = chart(CHART, &[('●', &losses)]).join("\n");
    output.text(&format!(
        "{drawn}\nlosses of steps at rates from {} to {}; it falls fastest at {}, with which the training goes on",
        short(first),
        short(last),
        short(rate)
    ))?;
    output.event(&json!({"event": "rate", "rate": rate, "curve": curve}))?;
    Ok(rate)
}

/// Trains and tells what comes of it.
fn go<T: Task>(arguments: &Arguments, run: &Run<T::Config>, task: &T, notes: &[String]) -> Result<(), Failure> {
    let output = Output { json: arguments.json, goes_on: true };
    let (path, settings) = (run.folder.path(), &run.settings);
    let (folder, count, threads) = (path.display().to_string(), task.count(), mapsto_tensor::num_threads());
    output.event(&json!({
        "event": "start", "task": T::NAME, "run": folder, "settings": settings, "threads": threads, "examples": count,
    }))?;
    let seed = settings.training.seed;
    output.text(&format!("{count} examples, {threads} threads, seed {seed}; the run is {folder}"))?;
    notes.iter().chain(&task.warnings()).try_for_each(|note| output.text(note))?;
    let start = Instant::now();
    let mut watcher = Watcher::new(output, settings.folds > 1 || settings.ensemble.members > 1);
    let trained = run.train(task, &mut watcher, &interrupt::is_asked);
    watcher.finish();
    let outcome = match trained {
        Err(TaskError::Train(error @ TrainError::Interrupted { .. })) => {
            return Err(Failure::Interrupted(format!("{error}; {}", how_to_go_on::<T>(path))));
        }
        trained => trained?,
    };
    tell(output, path, &outcome, start.elapsed().as_secs_f64())
}

fn tell<T: Task>(output: Output, path: &Path, outcome: &Outcome<T>, seconds: f64) -> Result<(), Failure> {
    let folder = path.display().to_string();
    if !outcome.folds.is_empty() {
        output.text(&over_folds(&outcome.folds))?;
    }
    let parameters: usize = outcome.predictor.members.iter().map(Module::num_parameters).sum();
    let mut done = json!({"event": "done", "run": folder, "seconds": seconds, "parameters": parameters});
    match &outcome.test {
        Some(test) => {
            let items = outcome.tested.len();
            output.text(&format!(
                "\n{}\non {items} examples that it had not seen, after {seconds:.1} s\n",
                test.text()
            ))?;
            merge(&mut done, test.details());
            done["test"] = test.metrics();
        }
        None => output.text("nothing was held back to test on")?,
    }
    let more = if outcome.test.is_some() { "" } else { " --data MORE" };
    if !outcome.folds.is_empty() {
        done["folds"] = json!(outcome.folds);
    }
    let (mapsto, run) = (shell::program(), shell::quoted(&folder));
    let file = T::ASKED;
    output
        .text(&format!("saved in {folder}\n\nnext:\n  {mapsto} eval {run}{more}\n  {mapsto} predict {run} {file}"))?;
    output.event(&done)
}

/// Adds the fields of one object to another.
pub fn merge(to: &mut Value, from: Value) {
    if let (Some(to), Value::Object(from)) = (to.as_object_mut(), from) {
        to.extend(from);
    }
}

/// Means and deviations of the figures over the folds.
fn over_folds(folds: &[Value]) -> String {
    let names = folds[0].as_object().map(|figures| figures.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let figure = |name: &String| {
        let values: Vec<f64> = folds.iter().filter_map(|fold| fold[name].as_f64()).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        (!values.is_empty()).then(|| format!("  {name} {} ± {}", short(mean), short(deviation)))
    };
    let shown: Vec<String> = names.iter().filter_map(figure).collect();
    format!("over {} folds:\n{}", folds.len(), shown.join("\n"))
}
