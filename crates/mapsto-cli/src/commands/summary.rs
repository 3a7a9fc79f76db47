//! `mapsto summary`.

use crate::failure::Failure;
use crate::output::Output;
use crate::tasks::{TASKS, task};
use mapsto_tasks::{Models, Predictor, Saved, Task};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, the model file in it, or the name of a model: resnet18, deepspeech, ...; with its task where several have one
    /// that is called so: text/gru
    #[arg(value_name = "RUN|MODEL")]
    what: PathBuf,
    /// Inputs that go through the network at once; by default as many as in training, and 1 of a model
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch_size: Option<u32>,
    /// What a model takes: channels, height and width of pictures (3x224x224), columns of a table (16), tokens and their number in a text
    /// (20000x256), bands and frames of a sound (64x101), channels and steps of a series (1x128), context and horizon of a forecast
    /// (36x12), users and items (1000x1000), tokens and bands of speech (40x64)
    #[arg(long, value_name = "SIZES", value_parser = sizes)]
    input: Option<Sizes>,
    /// How many classes or numbers a model gives
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    outputs: Option<u32>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Sizes, as 3x224x224.
#[derive(Clone, Debug)]
struct Sizes(Vec<usize>);

fn sizes(text: &str) -> Result<Sizes, String> {
    let each = text.split(['x', '×', ',']).map(|size| size.trim().parse().ok().filter(|&size| size > 0));
    let each = each.collect::<Option<Vec<usize>>>();
    each.map(Sizes).ok_or_else(|| "give whole numbers with an x between them, as 3x224x224".into())
}

/// Summarises the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.what;
    let name = path.to_str().filter(|_| !path.exists());
    if let Some(name) = name
        && let Some((models, model)) = model(name)?
    {
        let (input, outputs) = (arguments.input.as_ref(), arguments.outputs.map(|outputs| outputs as usize));
        let items = arguments.batch_size.unwrap_or(1) as usize;
        let found = models.summary(model, input.map(|sizes| &sizes.0[..]), outputs, items);
        // The sizes are the user's: so is whatever is wrong with them.
        let summary = found.map_err(|error| Failure::user(format!("{error:#}")))?;
        let output = Output { json: arguments.json, goes_on: false };
        output.text(&summary.to_string())?;
        return output.event(&json!({"event": "summary", "model": name, "summary": summary}));
    }
    if arguments.input.is_some() || arguments.outputs.is_some() {
        return Err(Failure::user("--input and --outputs mean nothing to a run: it has sizes of its own"));
    }
    let saved = Saved::read(path)?;
    task(&saved.task, &saved.path)?.summary(arguments, &saved)
}

/// The model of this name, perhaps with its task before it, and the models of its task; none of what can only be a path.
fn model(name: &str) -> Result<Option<(Models, &str)>, Failure> {
    let all = || TASKS.iter().filter_map(|task| Some((task.name(), task.models()?)));
    if let Some((task, model)) = name.split_once('/') {
        return match all().find(|(known, _)| *known == task) {
            Some((_, models)) if models.names.contains(&model) => Ok(Some((models, model))),
            Some((_, models)) => {
                Err(Failure::user(format!("{task} has no model {model:?}: its models are {}", models.names.join(", "))))
            }
            None => Ok(None),
        };
    }
    let found: Vec<(&str, Models)> = all().filter(|(_, models)| models.names.contains(&name)).collect();
    match found[..] {
        [(_, models)] => Ok(Some((models, name))),
        [] if Path::new(name).components().count() == 1 => {
            let names: Vec<String> =
                all().map(|(task, models)| format!("{task}/{}", models.names.join(", "))).collect();
            Err(Failure::user(format!("{name} is no run and no model: models are {}", names.join("; "))))
        }
        [] => Ok(None),
        _ => {
            let names: Vec<String> = found.iter().map(|(task, _)| format!("{task}/{name}")).collect();
            Err(Failure::user(format!("several tasks have a model {name}: give one of {}", names.join(", "))))
        }
    }
}

/// Summarises a network of the task.
pub fn summarise<T: Task>(arguments: &Arguments, saved: &Saved) -> Result<(), Failure> {
    let predictor = Predictor::<T>::load(saved)?;
    let batch = arguments.batch_size.map_or(predictor.settings.training.batch_size, |size| size as usize);
    let summary = predictor.summary(batch)?;
    let output = Output { json: arguments.json, goes_on: false };
    if predictor.members.len() > 1 {
        output.text(&format!("each of {} networks:", predictor.members.len()))?;
    }
    output.text(&summary.to_string())?;
    output.event(&json!({
        "event": "summary", "run": saved.folder().display().to_string(), "networks": predictor.members.len(), "summary": summary,
    }))
}
