//! Training on the embedded digits.

use super::NAME;
use super::data::{Augmentation, Part};
use super::model::NetworkConfig;
use super::report::Evaluation;
use crate::failure::Failure;
use crate::output::{Output, complain};
use crate::tasks::{Saved, model_path, write_config};
use crate::{interrupt, shell};
use mapsto_data::Digits;
use mapsto_nn::schedule::{OneCycle, Schedule};
use mapsto_nn::{AdamW, CrossEntropyLoss, Layer, Module, Optimizer, Sequential};
use mapsto_tensor::{Rng, Tensor, num_threads};
use mapsto_train::progress::{Mode, Progress};
use mapsto_train::run_dir::RunDir;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Instant;

/// The folder of runs.
const RUNS: &str = "runs";
/// Images that a step can take: batch norm wants two.
const BATCH_SIZES: RangeInclusive<i64> = 2..=65_536;

#[derive(clap::Args)]
pub struct TrainArguments {
    /// Passes over the training images
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Images in a step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(BATCH_SIZES))]
    batch_size: u32,
    /// The highest learning rate
    #[arg(long, default_value_t = 4e-3, allow_negative_numbers = true)]
    lr: f64,
    /// What all chance comes from: first weights, order, changes of the images
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The run's name; without one, the task, the date and a number
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
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

/// All that decides a run's outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigitsConfig {
    pub seed: u64,
    pub epochs: u32,
    pub batch_size: u32,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub label_smoothing: f64,
    pub network: NetworkConfig,
    pub augmentation: Augmentation,
}

impl DigitsConfig {
    /// Says which setting of a file cannot be. Those of the network are left to its layers.
    pub fn check(&self) -> Result<(), String> {
        let batch = format!("from {} to {}", BATCH_SIZES.start(), BATCH_SIZES.end());
        let smoothing = self.label_smoothing;
        let settings = [
            ("epochs", self.epochs as f64, self.epochs > 0, "above zero"),
            ("batch_size", self.batch_size as f64, BATCH_SIZES.contains(&self.batch_size.into()), &batch),
            ("learning_rate", self.learning_rate, self.learning_rate > 0.0, "above zero"),
            ("weight_decay", self.weight_decay, self.weight_decay >= 0.0, "at least zero"),
            ("label_smoothing", smoothing, (0.0..=1.0).contains(&smoothing), "from 0 to 1"),
        ];
        match settings.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((name, value, _, wanted)) => Err(format!("{name} is {value}, it must be {wanted}")),
            None => Ok(()),
        }
    }

    /// The optimiser of a network.
    pub fn optimizer(&self, model: &Sequential) -> Result<Optimizer, Failure> {
        let algorithm = AdamW { lr: self.learning_rate, weight_decay: self.weight_decay, ..AdamW::default() };
        Ok(Optimizer::new(model, algorithm)?)
    }
}

/// Trains a network, evaluates it and saves it.
pub fn train(arguments: &TrainArguments) -> Result<(), Failure> {
    if !(arguments.lr > 0.0 && arguments.lr.is_finite()) {
        return Err(Failure::user(format!("--lr {} must be a number above zero", arguments.lr)));
    }
    if let Some(threads) = arguments.threads {
        mapsto_tensor::set_num_threads(threads as usize);
    }
    let config = DigitsConfig {
        seed: arguments.seed,
        epochs: arguments.epochs,
        batch_size: arguments.batch_size,
        learning_rate: arguments.lr,
        weight_decay: 0.02,
        label_smoothing: 0.05,
        network: NetworkConfig::default(),
        augmentation: Augmentation::default(),
    };
    interrupt::watch()?;
    let run = match &arguments.run {
        Some(name) => RunDir::create(&arguments.runs, name)?,
        None => RunDir::create_next(&arguments.runs, NAME)?,
    };
    let done = fill(&run, &config, Output { json: arguments.json, goes_on: true });
    // A folder without a model is of no use, and takes a name.
    if done.is_err() && !model_path(run.path()).exists() {
        run.remove().unwrap_or_else(|error| complain(&error.to_string()));
    }
    done
}

/// The whole of a run, in its folder.
fn fill(run: &RunDir, config: &DigitsConfig, output: Output) -> Result<(), Failure> {
    let folder = run.path().display().to_string();
    write_config(run.path(), NAME, config)?;
    let [train, test] = Part::both()?;
    let model = config.network.build()?.init(config.seed)?;
    let (parameters, threads) = (model.num_parameters(), num_threads());
    output.text(&format!(
        "{} images to train on, {} to test with; {parameters} parameters, {threads} threads, seed {}",
        train.len(),
        test.len(),
        config.seed
    ))?;
    output.event(&json!({
        "event": "start", "task": NAME, "run": folder, "config": config, "parameters": parameters,
        "threads": threads, "train_images": train.len(), "test_images": test.len(),
    }))?;

    let start = Instant::now();
    fit(&model, config, &train, run, output)?;
    let seconds = start.elapsed().as_secs_f64();
    model.eval();
    let evaluation = Evaluation::of(&model, &test)?;
    let saved = Saved {
        task: NAME.into(),
        config: serde_json::to_string(config).map_err(|e| Failure::Internal(e.to_string()))?,
        labels: (0..Digits::CLASSES).map(|digit| digit.to_string()).collect(),
        weights: model.state_dict()?,
        path: model_path(run.path()),
    };
    saved.write()?;
    run.metrics()?.append(&json!({ "event": "test", "seconds": seconds, "test": evaluation.to_json() }))?;

    output.text(&format!("\n{evaluation} on {} test images, after {seconds:.1} s of training\n", test.len()))?;
    let (mapsto, run) = (shell::program(), shell::quoted(&folder));
    output.text(&format!("saved in {folder}\n\nnext:\n  {mapsto} eval {run}\n  {mapsto} predict {run} PICTURE.png"))?;
    output.event(&json!({ "event": "done", "run": folder, "seconds": seconds, "test": evaluation.to_json() }))
}

/// All steps of training.
fn fit(model: &Sequential, config: &DigitsConfig, train: &Part, run: &RunDir, output: Output) -> Result<(), Failure> {
    let mut metrics = run.metrics()?;
    let batch = (config.batch_size as usize).min(train.len());
    // A last batch that is not full waits for the next epoch's order: batch norm wants whole batches.
    let batches = train.len() / batch;
    let total_steps = batches as u64 * config.epochs as u64;
    let schedule = Schedule::OneCycle(OneCycle {
        max_lr: config.learning_rate,
        total_steps,
        momenta: None,
        ..OneCycle::default()
    });
    let mut optimizer = config.optimizer(model)?;
    let criterion = CrossEntropyLoss { label_smoothing: config.label_smoothing, ..CrossEntropyLoss::default() };
    let chance = Rng::new(config.seed);
    let mut progress = Progress::new(total_steps, Mode::detect(output.json));
    for epoch in 1..=config.epochs as u64 {
        let start = Instant::now();
        let order = chance.split("order").fork(epoch).permutation(train.len())?;
        let mut changes = chance.split("augmentation").fork(epoch);
        let (mut loss_sum, mut right) = (0.0, 0);
        for (step, items) in (0u64..).zip(order.chunks_exact(batch)) {
            interrupt::check()?;
            let labels: Vec<i64> = items.iter().map(|&item| train.labels[item] as i64).collect();
            let index = Tensor::from_vec(items.iter().map(|&item| item as i64).collect(), [batch])?;
            let images = config.augmentation.apply(&train.images.index_select(0, &index)?, &mut changes)?;
            let logits = model.forward(&images)?;
            let loss = criterion.forward(&logits, &Tensor::from_vec(labels.clone(), [batch])?)?;
            optimizer.follow(&schedule, (epoch - 1) * batches as u64 + step)?;
            optimizer.step(&loss.backward()?)?;

            let value = loss.item::<f32>()? as f64;
            if !value.is_finite() {
                let mend = format!("try a lower rate than --lr {:?}", config.learning_rate);
                return Err(Failure::user(format!("the loss became {value} in epoch {epoch}; {mend}")));
            }
            let hits = logits
                .detach()
                .argmax_axis(-1, false)?
                .to_vec::<i64>()?
                .iter()
                .zip(&labels)
                .filter(|(a, b)| a == b)
                .count();
            loss_sum += value;
            right += hits;
            progress.step(value, Some(hits as f64 / batch as f64));
        }
        let (loss, accuracy) = (loss_sum / batches as f64, right as f64 / (batches * batch) as f64);
        let seconds = start.elapsed().as_secs_f64();
        let record =
            json!({ "event": "epoch", "epoch": epoch, "loss": loss, "accuracy": accuracy, "seconds": seconds });
        metrics.append(&record)?;
        output.event(&record)?;
        progress.epoch(&format!("epoch {epoch:>3}   loss {loss:.4}   accuracy {:.2} %", accuracy * 100.0));
    }
    progress.finish();
    Ok(())
}
