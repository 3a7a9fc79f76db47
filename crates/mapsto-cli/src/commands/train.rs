//! `mapsto train`.

use crate::failure::Failure;
use crate::interrupt;
use crate::output::{Output, complain};
use crate::watcher::Watcher;
use crate::{shell, show};
use mapsto_models::{ImageModel, TableModel};
use mapsto_nn::{Module, chart};
use mapsto_tasks::digits::DigitsExamples;
use mapsto_tasks::image::{ImageConfig, ImageExamples};
use mapsto_tasks::table::{Problem, TableConfig, TableExamples};
use mapsto_tasks::{Ensemble, Examples, FoundRate, Outcome, Run, Settings, TaskError, find_rate, has_learned, task_of};
use mapsto_train::TrainError;
use mapsto_train::run_dir::RunDir;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The network of small pictures.
const SMALL_MODEL: &str = "resnet20";
/// The network of large ones.
const LARGE_MODEL: &str = "resnet18";
/// Pictures whose shorter side has more pixels are large.
const SMALL_SIDE: usize = 64;
/// The folder that runs are saved in.
const RUNS: &str = "runs";
/// Rows and columns of the chart of a search for a rate.
const CHART: [usize; 2] = [10, 60];

#[derive(clap::Args)]
pub struct Arguments {
    /// What is learned; with --resume, what the run says
    #[arg(value_enum, required_unless_present = "resume")]
    task: Option<Task>,
    /// The data: a table for `table`; for `image` a folder with one of pictures for each class, a table of paths and labels, IDX files
    /// as MNIST's, or NumPy's .npz
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The column of the table that is to be predicted
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// The network: linear, logistic or mlp for tables; lenet, resnet20, mobilenet_v2, ... for images
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Weights that the network begins with, all but its last layer's: safetensors or a PyTorch checkpoint
    #[arg(long, value_name = "FILE")]
    pretrained: Option<PathBuf>,
    /// Pass over pictures that cannot be read
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

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Task {
    /// Handwritten digits, embedded: a small convolutional network
    Digits,
    /// The classes of pictures
    Image,
    /// A column of a table from the others
    Table,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Task::Digits => DigitsExamples::NAME,
            Task::Image => ImageExamples::NAME,
            Task::Table => TableExamples::NAME,
        }
    }
}

/// Trains what the arguments say.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(threads) = arguments.threads {
        mapsto_tensor::set_num_threads(threads as usize);
    }
    interrupt::watch()?;
    if let Some(path) = &arguments.resume {
        return resume(arguments, path);
    }
    match arguments.task {
        Some(Task::Digits) => {
            arguments.refuse(&["--data", "--target", "--model", "--pretrained", "--skip-bad"])?;
            let examples = DigitsExamples::embedded()?;
            begin(arguments, &examples, DigitsExamples::settings(), &[])
        }
        Some(Task::Image) => image(arguments),
        Some(Task::Table) => table(arguments),
        None => Err(Failure::Internal("a task or --resume is asked for".into())),
    }
}

impl Arguments {
    /// Fails for options that were given and mean nothing to the task.
    fn refuse(&self, meaningless: &[&str]) -> Result<(), Failure> {
        let given = [
            ("--data", self.data.is_some()),
            ("--target", self.target.is_some()),
            ("--model", self.model.is_some()),
            ("--pretrained", self.pretrained.is_some()),
            ("--skip-bad", self.skip_bad),
        ];
        match given.iter().find(|(name, given)| *given && meaningless.contains(name)) {
            Some((name, _)) => {
                Err(Failure::user(format!("{name} means nothing to {}", self.task.map_or("this task", Task::name))))
            }
            None => Ok(()),
        }
    }

    fn data(&self, what: &str) -> Result<PathBuf, Failure> {
        absolute(self.data.as_ref().ok_or_else(|| Failure::user(format!("--data is missing: give {what}")))?)
    }

    /// Settings as the arguments change them.
    fn settle<C: Clone + serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        mut settings: Settings<C>,
    ) -> Result<Settings<C>, Failure> {
        for assignment in &self.set {
            settings = settings.with(assignment)?;
        }
        settings.training.epochs = self.epochs.unwrap_or(settings.training.epochs);
        settings.folds = self.cv.map_or(settings.folds, usize::from);
        settings.ensemble = self.ensemble.unwrap_or(settings.ensemble);
        settings.training.check()?;
        Ok(settings)
    }
}

/// A path that holds in any folder, so that the run goes on from there.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|e| Failure::user(format!("cannot read {}: {e}", path.display())))
}

/// No such model.
fn no_model(name: &str, task: &str, names: &[&str]) -> Failure {
    Failure::user(format!("there is no model {name:?} for {task}: give one of {}", names.join(", ")))
}

fn image(arguments: &Arguments) -> Result<(), Failure> {
    arguments.refuse(&["--target"])?;
    let data = arguments.data("a folder with one of pictures for each class, or a table of paths and labels")?;
    let model = |name: &str| ImageModel::named(name).ok_or_else(|| no_model(name, "images", ImageModel::NAMES));
    let config = ImageConfig::new(data, model(arguments.model.as_deref().unwrap_or(SMALL_MODEL))?);
    // What decides how pictures are read has to be known before the rest suits them.
    let mut blank = ImageExamples::defaults(config);
    for assignment in &arguments.set {
        blank = blank.with(assignment)?;
    }
    blank.config.skip_bad |= arguments.skip_bad;
    if let Some(path) = &arguments.pretrained {
        blank.config.pretrained = absolute(path)?;
    }
    let examples = ImageExamples::open(&blank.config)?;
    let mut settings = examples.settings(blank.config)?;
    if arguments.model.is_none() && settings.config.height.min(settings.config.width) > SMALL_SIDE {
        settings.config.model = model(LARGE_MODEL)?;
    }
    let ImageConfig { height, width, channels, .. } = settings.config;
    let classes = examples.truth().answers(&[]).outputs();
    let mut notes =
        vec![format!("{classes} classes; pictures are taken {height} high and {width} wide, {channels} channels")];
    notes.extend(examples.skipped_note());
    begin(arguments, &examples, settings, &notes)
}

fn table(arguments: &Arguments) -> Result<(), Failure> {
    arguments.refuse(&["--pretrained", "--skip-bad"])?;
    let name = arguments.model.as_deref().unwrap_or("mlp");
    let model = TableModel::named(name).ok_or_else(|| no_model(name, "tables", TableModel::NAMES))?;
    let target = arguments.target.clone();
    let target = target.ok_or_else(|| Failure::user("--target is missing: name the column that is to be predicted"))?;
    let config = TableConfig {
        data: arguments.data("a table: CSV, TSV or Parquet")?,
        target,
        problem: Problem::Auto,
        group: String::new(),
        time: String::new(),
        ignore: Vec::new(),
        model,
    };
    // What decides how the table is read has to be known before the rest suits it.
    let mut blank = TableExamples::defaults(config);
    for assignment in &arguments.set {
        blank = blank.with(assignment)?;
    }
    let examples = TableExamples::read(&blank.config)?;
    let decided = match examples.decided {
        Problem::Regression => {
            "a number is predicted: a regression (for classes: --set problem=classification)".to_string()
        }
        _ => {
            let otherwise = if examples.target_is_numbers() { " (for numbers: --set problem=regression)" } else { "" };
            format!("classes are told apart: {} of them{otherwise}", examples.truth().answers(&[]).outputs())
        }
    };
    let decided = if blank.config.problem == Problem::Auto { vec![decided] } else { vec![] };
    let settings = examples.settings(blank.config);
    begin(arguments, &examples, settings, &decided)
}

fn begin<E: Examples>(
    arguments: &Arguments,
    examples: &E,
    settings: Settings<E::Config>,
    notes: &[String],
) -> Result<(), Failure> {
    let mut settings = arguments.settle(settings)?;
    if arguments.find_rate {
        settings.training.learning_rate = search_rate(arguments, examples, &settings)?;
    }
    let is_first = !arguments.runs.exists();
    let (folder, lock) = match &arguments.run {
        Some(name) => RunDir::create(&arguments.runs, name)?,
        None => RunDir::create_next(&arguments.runs, E::NAME)?,
    };
    let begun = Run::begin((folder.clone(), lock), settings).map_err(Failure::from);
    let done = begun.and_then(|run| go(arguments, &run, examples, notes));
    // A folder in which nothing was learned is of no use, and takes a name.
    if matches!(&done, Err(failure) if !matches!(failure, Failure::Interrupted(_))) && !has_learned(folder.path()) {
        folder.remove().unwrap_or_else(|error| complain(&error.to_string()));
        if is_first {
            // Unless somebody else has begun a run there.
            let _ = std::fs::remove_dir(&arguments.runs);
        }
    }
    done
}

/// Searches the learning rate, and shows what was seen on the way.
fn search_rate<E: Examples>(
    arguments: &Arguments,
    examples: &E,
    settings: &Settings<E::Config>,
) -> Result<f64, Failure> {
    let output = Output { json: arguments.json, goes_on: true };
    let found = find_rate(examples, settings, &interrupt::is_asked)?;
    let Some(FoundRate { rate, curve }) = found else {
        return Err(Failure::Interrupted("interrupted in the search for a learning rate; nothing is saved".into()));
    };
    let losses: Vec<f64> = curve.iter().map(|(_, loss)| *loss).collect();
    let [first, last] = [curve.first(), curve.last()].map(|end| end.map_or(0.0, |(rate, _)| *rate));
    let drawn = chart(CHART, &[('●', &losses)]).join("\n");
    output.text(&format!(
        "{drawn}\nlosses of steps at rates from {} to {}; it falls fastest at {}, with which the training goes on",
        show::short(first),
        show::short(last),
        show::short(rate)
    ))?;
    output.event(&json!({"event": "rate", "rate": rate, "curve": curve}))?;
    Ok(rate)
}

fn resume(arguments: &Arguments, path: &Path) -> Result<(), Failure> {
    let task = task_of(path)?;
    if let Some(given) = arguments.task.filter(|given| given.name() != task) {
        return Err(Failure::user(format!("{} is a run of {task}, not of {}", path.display(), given.name())));
    }
    match task.as_str() {
        DigitsExamples::NAME => go(arguments, &Run::open(path)?, &DigitsExamples::embedded()?, &[]),
        ImageExamples::NAME => {
            let run = Run::open(path)?;
            let examples = ImageExamples::open(&run.settings.config)?;
            go(arguments, &run, &examples, &[])
        }
        TableExamples::NAME => {
            let run = Run::open(path)?;
            let examples = TableExamples::read(&run.settings.config)?;
            go(arguments, &run, &examples, &[])
        }
        _ => Err(super::unknown_task(&path.display().to_string(), &task)),
    }
}

/// Trains and tells what comes of it.
fn go<E: Examples>(arguments: &Arguments, run: &Run<E::Config>, examples: &E, notes: &[String]) -> Result<(), Failure> {
    let output = Output { json: arguments.json, goes_on: true };
    let (path, settings) = (run.folder.path(), &run.settings);
    let (folder, count, threads) = (path.display().to_string(), examples.truth().len(), mapsto_tensor::num_threads());
    output.event(&json!({
        "event": "start", "task": E::NAME, "run": folder, "settings": settings, "threads": threads, "examples": count,
    }))?;
    let seed = settings.training.seed;
    output.text(&format!("{count} examples, {threads} threads, seed {seed}; the run is {folder}"))?;
    notes.iter().try_for_each(|note| output.text(note))?;
    let start = Instant::now();
    let mut watcher = Watcher::new(output, settings.folds > 1 || settings.ensemble.members > 1);
    let trained = run.train(examples, &mut watcher, &interrupt::is_asked);
    watcher.finish();
    let outcome = match trained {
        Err(TaskError::Train(error @ TrainError::Interrupted { .. })) => {
            let (mapsto, folder) = (shell::program(), shell::quoted(&folder));
            return Err(Failure::Interrupted(format!(
                "{error}; go on with: {mapsto} train {} --resume {folder}",
                E::NAME
            )));
        }
        trained => trained?,
    };
    tell(output, path, &outcome, start.elapsed().as_secs_f64())
}

fn tell<E: Examples>(output: Output, path: &Path, outcome: &Outcome<E>, seconds: f64) -> Result<(), Failure> {
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
                show::text(test)?
            ))?;
            merge(&mut done, show::details(test));
            done["test"] = test.metrics();
        }
        None => output.text("nothing was held back to test on")?,
    }
    let more = if outcome.test.is_some() { "" } else { " --data MORE" };
    if !outcome.folds.is_empty() {
        done["folds"] = json!(outcome.folds);
    }
    let (mapsto, run) = (shell::program(), shell::quoted(&folder));
    let file = if E::NAME == TableExamples::NAME { "MORE.csv" } else { "PICTURE.png" };
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
        (!values.is_empty()).then(|| format!("  {name} {} ± {}", show::short(mean), show::short(deviation)))
    };
    let shown: Vec<String> = names.iter().filter_map(figure).collect();
    format!("over {} folds:\n{}", folds.len(), shown.join("\n"))
}
