//! Handwritten digits: the smallest whole task.

mod data;
mod input;
mod model;
mod report;
mod train;

pub use train::{TrainArguments, train};

use crate::failure::Failure;
use crate::output::Output;
use crate::tasks::Saved;
use data::{Part, pixels_to_images};
use mapsto_data::Digits;
use mapsto_nn::{LoadOptions, Module, Sequential, Summary};
use mapsto_tensor::Error;
use report::Evaluation;
use serde_json::json;
use std::path::{Path, PathBuf};
use train::DigitsConfig;

/// The name of the task.
pub const NAME: &str = "digits";

/// The network of a model file, ready to be used.
fn load(saved: &Saved) -> Result<(DigitsConfig, Sequential), Failure> {
    let config: DigitsConfig = saved.config()?;
    config.check().map_err(|what| saved.wrong("config", &what))?;
    if saved.labels.len() != Digits::CLASSES {
        let what = format!("there are {}, the network has {} outputs", saved.labels.len(), Digits::CLASSES);
        return Err(saved.wrong("labels", &what));
    }
    let told = |what| move |e: Error| saved.wrong(what, &format!("{e:#}"));
    let model = config.network.build().map_err(told("config"))?;
    // The weights first: their sizes are compared before anything of the configuration's sizes is made.
    model.load_state_dict(&saved.weights, &LoadOptions::default()).map_err(told("weights"))?;
    let model = model.init(config.seed)?;
    model.eval();
    Ok((config, model))
}

/// Summarises a step of training.
pub fn summarise(saved: &Saved, batch_size: Option<u32>, output: Output) -> Result<(), Failure> {
    let (config, model) = load(saved)?;
    model.train();
    let images = batch_size.unwrap_or(config.batch_size) as usize;
    let batch = pixels_to_images(&vec![0.0; images * input::PIXELS])?;
    let summary = Summary::of(&model, &batch)?.with_optimizer(&config.optimizer(&model)?)?;
    output.text(&summary.to_string())?;
    output.event(&json!({ "event": "summary", "run": saved.folder(), "summary": summary }))
}

/// Evaluates on the test part of the embedded digits, or on a labelled table.
pub fn evaluate(saved: &Saved, data: Option<&Path>, output: Output) -> Result<(), Failure> {
    let (_, model) = load(saved)?;
    let (part, name) = match data {
        None => (Part::test()?, "the test part of the embedded digits".to_string()),
        Some(path) => (labelled(path)?, path.display().to_string()),
    };
    let evaluation = Evaluation::of(&model, &part)?;
    output.text(&format!("{} on {name}: {} images\n", saved.path.display(), part.len()))?;
    output.text(&evaluation.to_string())?;
    output.event(&json!({
        "event": "done", "run": saved.folder(), "data": name, "images": part.len(), "test": evaluation.to_json(),
    }))
}

/// The images of a table that names the digit of each.
fn labelled(path: &Path) -> Result<Part, Failure> {
    let items = input::read(path)?;
    let mut pixels = Vec::with_capacity(items.len() * input::PIXELS);
    let mut labels = Vec::with_capacity(items.len());
    for item in items {
        let Some(label) = item.label else {
            let mend = "give the digit as the 65th value, or use `mapsto predict`";
            return Err(Failure::user(format!("{}: the digit it shows is not told; {mend}", item.place)));
        };
        pixels.extend(item.pixels);
        labels.push(label);
    }
    Ok(Part { images: pixels_to_images(&pixels)?, labels })
}

/// Predicts the digits in pictures and tables.
pub fn predict(saved: &Saved, files: &[PathBuf], output: Output) -> Result<(), Failure> {
    let (_, model) = load(saved)?;
    for path in files {
        let items = input::read(path)?;
        let pixels: Vec<f32> = items.iter().flat_map(|item| item.pixels).collect();
        let probabilities = data::logits(&model, &pixels_to_images(&pixels)?)?.softmax(-1)?.to_vec::<f32>()?;
        for (item, row) in items.iter().zip(probabilities.chunks_exact(Digits::CLASSES)) {
            let mut order: Vec<usize> = (0..Digits::CLASSES).collect();
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
            let label = |class: usize| &saved.labels[class];
            let percent = |class: usize| format!("{} {:.1} %", label(class), row[class] * 100.0);
            let others = format!("then {}, {}", percent(order[1]), percent(order[2]));
            output.text(&format!("{}: {}   ({others})", item.place, percent(order[0])))?;
            output.event(&json!({
                "event": "prediction", "input": item.place, "label": label(order[0]),
                "probability": row[order[0]], "probabilities": row, "true_label": item.label.map(label),
            }))?;
        }
    }
    Ok(())
}
