//! Whether pictures come as quickly as a small network takes them: `cargo bench -p mapsto-tasks --bench fed -- FOLDER [EPOCHS]`.
//!
//! FOLDER holds pictures of 32 x 32 in folders, a class each, such as CIFAR-10's training part. The network is the workload `cnn` of
//! `mapsto bench`, with its batches of 64; pictures are read from their files in every epoch, cropped and mirrored by chance. Beside it stand
//! the same steps on one batch that lies ready.

use mapsto_data::{Augmentation, ImageSamples, ImageSet, Loader, LoaderOptions, Normalisation, Order, Preset, Sample};
use mapsto_nn::{
    Adam, BatchNorm2d, Conv2d, ConvConfig, CrossEntropyLoss, Flatten, Layer, Linear, MaxPool2d, Module, Optimizer,
    Relu, Sequential,
};
use mapsto_tensor::{Result, Tensor};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BATCH: usize = 64;
const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

fn network(classes: usize) -> Result<Sequential> {
    let mut layers = Sequential::new();
    for [i, o] in [[3, 32], [32, 64], [64, 64]] {
        layers = layers
            .push(Conv2d::from_config(&ConvConfig::new(i, o, 3).padding(1))?)
            .push(BatchNorm2d::new(o)?)
            .push(Relu)
            .push(MaxPool2d::new(2)?);
    }
    layers.push(Flatten::default()).push(Linear::new(1024, classes)?).init(1)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(folder) = arguments.first() else {
        println!("give a folder with folders of pictures");
        return Ok(());
    };
    let epochs: u64 = arguments.get(1).map_or(Ok(1), |epochs| epochs.parse())?;
    let set = Arc::new(ImageSet::open(Path::new(folder))?);
    let all: Vec<usize> = (0..set.len()).collect();
    let normalisation = Normalisation::learn(&set, &all)?;
    let augmentation = Augmentation::preset(Preset::Light, SIDE, SIDE)?;
    let samples = ImageSamples::new(Arc::clone(&set), all, augmentation)?;
    let options =
        LoaderOptions { batch_size: BATCH, order: Order::Shuffled, drop_last: true, ..LoaderOptions::default() };
    let loader = Loader::new(Arc::new(samples), options)?;

    let model = network(set.classes().len())?;
    let mut optimizer = Optimizer::new(&model, Adam::default())?;
    let mut step = |pixels: &Tensor, classes: &Tensor| -> Result<()> {
        let loss = CrossEntropyLoss::default().forward(&model.forward(pixels)?, classes)?;
        optimizer.step(&loss.backward()?)
    };
    let mut ready = None;
    for epoch in 0..epochs {
        let (began, mut waited) = (Instant::now(), Duration::ZERO);
        let mut batches = loader.epoch(epoch, 0);
        loop {
            let asked = Instant::now();
            let Some(batch) = batches.next() else { break };
            let (mut pixels, mut classes) = (vec![0.0f32; BATCH * PIXELS], Vec::with_capacity(BATCH));
            for (sample, place) in batch.into_iter().zip(pixels.chunks_exact_mut(PIXELS)) {
                let Sample { picture, class, .. } = sample.map_err(|error| error.to_string())?;
                normalisation.write_chw(&picture, place)?;
                classes.push(class as i64);
            }
            let pixels = Tensor::from_vec(pixels, [BATCH, 3, SIDE, SIDE])?;
            let classes = Tensor::from_vec(classes, [BATCH])?;
            waited += asked.elapsed();
            step(&pixels, &classes)?;
            ready = Some((pixels, classes));
        }
        let (steps, seconds) = (loader.batches(), began.elapsed().as_secs_f64());
        let fed = 1000.0 * seconds / steps as f64;
        let share = 100.0 * waited.as_secs_f64() / seconds;
        println!("{steps} steps of {BATCH} pictures: {fed:.2} ms a step, of which waiting {share:.1} %");
    }
    let Some((pixels, classes)) = ready else { return Ok(()) };
    let began = Instant::now();
    for _ in 0..loader.batches() {
        step(&pixels, &classes)?;
    }
    println!(
        "on a batch that lies ready: {:.2} ms a step",
        1000.0 * began.elapsed().as_secs_f64() / loader.batches() as f64
    );
    Ok(())
}
