//! `mapsto summary`.

use crate::failure::Failure;
use crate::output::Output;
use crate::tasks::task;
use mapsto_models::{ImageModel, ImageShape, TableModel, TableShape};
use mapsto_nn::{AdamW, Module, Optimizer, Summary};
use mapsto_tasks::{Predictor, Saved, Task};
use mapsto_tensor::{DType, Error, Result as TensorResult, Tensor};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Columns of the table that a model is shown for, where nothing else is asked for.
const COLUMNS: usize = 16;

#[derive(clap::Args)]
pub struct Arguments {
    /// A run's folder, the model file in it, or the name of a model: resnet18, mobilenet_v2, mlp, ...
    #[arg(value_name = "RUN|MODEL")]
    what: PathBuf,
    /// Inputs that go through the network at once; by default as many as in training, and 1 of a model
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch_size: Option<u32>,
    /// What a model takes: channels, height and width of pictures, as 3x224x224, or the number of a table's columns
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
    let each = each.collect::<Option<Vec<usize>>>().filter(|each| matches!(each.len(), 1 | 3));
    each.map(Sizes).ok_or_else(|| "give three sizes of pictures, as 3x224x224, or the number of columns".into())
}

/// Summarises the network that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.what;
    let name = path.to_str().filter(|_| !path.exists());
    if let Some(name) = name
        && let Some(found) = of_model(arguments, name)
    {
        // The sizes are the user's: so is whatever is wrong with them.
        let summary = found.map_err(|error| Failure::user(format!("{error:#}")))?;
        let output = Output { json: arguments.json, goes_on: false };
        output.text(&summary.to_string())?;
        return output.event(&json!({"event": "summary", "model": name, "summary": summary}));
    }
    if name.is_some_and(|name| Path::new(name).components().count() == 1) {
        let names = [ImageModel::NAMES, TableModel::NAMES].concat().join(", ");
        return Err(Failure::user(format!("{} is no run and no model: models are {names}", path.display())));
    }
    if arguments.input.is_some() || arguments.outputs.is_some() {
        return Err(Failure::user("--input and --outputs mean nothing to a run: it has sizes of its own"));
    }
    let saved = Saved::read(path)?;
    task(&saved.task, &saved.path)?.summary(arguments, &saved)
}

/// The summary of the model of this name, if there is one.
fn of_model(arguments: &Arguments, name: &str) -> Option<TensorResult<Summary>> {
    let (items, outputs) =
        (arguments.batch_size.unwrap_or(1) as usize, arguments.outputs.map(|outputs| outputs as usize));
    let input = arguments.input.as_ref().map(|sizes| &sizes.0[..]);
    let image = ImageModel::named(name).map(|model| of_image_model(model, input, outputs, items));
    image.or_else(|| TableModel::named(name).map(|model| of_table_model(&model, input, outputs, items)))
}

fn of_image_model(
    model: ImageModel,
    input: Option<&[usize]>,
    outputs: Option<usize>,
    items: usize,
) -> TensorResult<Summary> {
    let (home, classes) = model.home();
    let shape = match input {
        None => home,
        Some(&[channels, height, width]) => ImageShape { channels, height, width },
        Some(_) => return Err(Error::argument("the model takes pictures: give three sizes, as 3x224x224")),
    };
    let network = model.fitted_to(shape.height, shape.width).build(shape, outputs.unwrap_or(classes))?.init(0)?;
    network.train();
    let pictures = Tensor::zeros([items, shape.channels, shape.height, shape.width], DType::F32)?;
    Summary::of(&network, &pictures)?.with_optimizer(&Optimizer::new(&network, AdamW::default())?)
}

fn of_table_model(
    model: &TableModel,
    input: Option<&[usize]>,
    outputs: Option<usize>,
    items: usize,
) -> TensorResult<Summary> {
    let numbers = match input {
        None => COLUMNS,
        Some(&[columns]) => columns,
        Some(_) => return Err(Error::argument("the model takes tables: give the number of columns")),
    };
    let shape = TableShape { numbers, categories: Vec::new() };
    let network = model.build(&shape, outputs.unwrap_or(1))?.init(0)?;
    network.train();
    let rows = [Tensor::zeros([items, numbers], DType::F32)?, Tensor::zeros([items, 0], DType::I64)?];
    let summary = Summary::of_forward(&network, &[&rows[0], &rows[1]], |x| Ok(vec![network.forward(&x[0], &x[1])?]))?;
    summary.with_optimizer(&Optimizer::new(&network, AdamW::default())?)
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
