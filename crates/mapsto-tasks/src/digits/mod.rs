//! Handwritten digits, embedded in the program: the smallest whole task.

mod input;

use crate::answered::Answered;
use crate::error::TaskError;
use crate::examples::{Answers, Ask, Asked, Examples, LabelledBatches, Truth};
use crate::fingerprint::Fingerprint;
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::report::Shown;
use crate::request::{Begun, Request};
use crate::settings::{Settings, Training};
use crate::task::Given;
use input::PIXELS;
use mapsto_data::{Channels, Digits, Picture, digits, stratified_split};
use mapsto_nn::{
    BatchNorm2d, Conv2d, ConvConfig, Dropout, Flatten, Layer, Linear, MaxPool2d, Relu, Sequential, Summary, sequential,
};
use mapsto_tensor::ops::{Outside, Sampling};
use mapsto_tensor::{DType, Result, Rng, Tensor};
use mapsto_train::Labelled;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The share of images that only the last evaluation sees.
const TEST_SHARE: f64 = 0.2;

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigitsConfig {
    /// Channels of the first convolution; the others have twice as many.
    pub channels: usize,
    /// The share of features that is dropped before the last layer.
    pub dropout: f64,
    /// Training images are turned by up to so many degrees to either side,
    pub degrees: f64,
    /// scaled along each axis by up to this share up or down,
    pub scale: f64,
    /// and moved along each axis by up to this share of the image.
    pub shift: f64,
}

impl Default for DigitsConfig {
    fn default() -> DigitsConfig {
        DigitsConfig { channels: 32, dropout: 0.3, degrees: 10.0, scale: 0.1, shift: 0.06 }
    }
}

impl DigitsConfig {
    /// Images turned, scaled and moved, each in its own way.
    fn change(&self, images: &Tensor, mut rng: Rng) -> Result<Tensor> {
        let mut maps = Vec::with_capacity(images.shape()[0] * 6);
        let mut within = |limit: f64| (2.0 * rng.next_f64() - 1.0) * limit;
        for _ in 0..images.shape()[0] {
            let (sin, cos) = within(self.degrees).to_radians().sin_cos();
            let (x, y) = (1.0 + within(self.scale), 1.0 + within(self.scale));
            // The grid spans from -1 to 1: a share of the image is twice as much.
            let (right, down) = (2.0 * within(self.shift), 2.0 * within(self.shift));
            maps.extend([cos * x, -sin * y, right, sin * x, cos * y, down].map(|v| v as f32));
        }
        let maps = Tensor::from_vec(maps, [images.shape()[0], 2, 3])?;
        let grid = maps.affine_grid(&[Digits::HEIGHT, Digits::WIDTH], false)?;
        images.grid_sample(&grid, Sampling::Linear, Outside::Zeros, false)
    }
}

/// Images of digits with what they are.
pub struct DigitsExamples {
    /// `[N, 1, 8, 8]`, from 0 (paper) to 1 (ink).
    images: Tensor,
    truth: Truth,
    given: Given,
    fingerprint: u64,
    /// Where each is from.
    pub places: Vec<String>,
    /// Whether something said what each is.
    pub is_labelled: bool,
}

impl DigitsExamples {
    /// The embedded ones.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn embedded() -> Result<DigitsExamples, TaskError> {
        let Digits { images, labels } = digits();
        let pixels: Vec<f32> = images.into_iter().map(f32::from).collect();
        let labels: Vec<usize> = labels.into_iter().map(usize::from).collect();
        let mut rng = Rng::new(0);
        let (train, test) = stratified_split(&labels, TEST_SHARE, &mut |n| rng.below(n))
            .map_err(|e| TaskError::Internal(e.to_string()))?;
        let places = (1..=labels.len()).map(|number| format!("digit {number}")).collect();
        let given = Given { train, validation: Vec::new(), test };
        DigitsExamples::of(&pixels, labels, given, places, true)
    }

    /// Those in a user's files: pictures, one digit each, and tables, one a line, perhaps with the digit that it is.
    ///
    /// # Errors
    /// A file that cannot be read, or in which there are no digits.
    pub fn read_files(paths: &[impl AsRef<Path>]) -> Result<DigitsExamples, TaskError> {
        let mut items = Vec::new();
        for path in paths {
            items.extend(input::read(path.as_ref())?);
        }
        let pixels: Vec<f32> = items.iter().flat_map(|item| item.pixels).collect();
        let is_labelled = items.iter().all(|item| item.label.is_some());
        let labels: Vec<usize> = items.iter().map(|item| item.label.unwrap_or(0)).collect();
        let places = items.into_iter().map(|item| item.place).collect();
        let given = Given { test: (0..labels.len()).collect(), ..Given::default() };
        DigitsExamples::of(&pixels, labels, given, places, is_labelled)
    }

    fn of(
        pixels: &[f32],
        labels: Vec<usize>,
        given: Given,
        places: Vec<String>,
        is_labelled: bool,
    ) -> Result<DigitsExamples, TaskError> {
        let mut fingerprint = Fingerprint::new();
        pixels.iter().for_each(|pixel| fingerprint.add(&pixel.to_le_bytes()));
        let scaled: Vec<f32> = pixels.iter().map(|pixel| pixel / f32::from(Digits::MAX)).collect();
        let images = Tensor::from_vec(scaled, [pixels.len() / PIXELS, 1, Digits::HEIGHT, Digits::WIDTH])?;
        let names = (0..Digits::CLASSES).map(|digit| digit.to_string()).collect();
        let truth = Truth::Classes { names, labels };
        Ok(DigitsExamples { images, truth, given, fingerprint: fingerprint.value(), places, is_labelled })
    }

    /// Settings that suit them.
    pub fn settings() -> Settings<DigitsConfig> {
        let training = Training {
            test: TEST_SHARE,
            validation: 0.0,
            epochs: 30,
            learning_rate: 4e-3,
            warmup: 0.3,
            weight_decay: 0.02,
            label_smoothing: 0.05,
            ..Training::default()
        };
        Settings::new(Self::NAME, training, DigitsConfig::default())
    }

    fn gather(&self, items: &[usize]) -> Result<Tensor> {
        let rows = Tensor::from_vec(items.iter().map(|&item| item as i64).collect(), [items.len()])?;
        self.images.index_select(0, &rows)
    }
}

impl Examples for DigitsExamples {
    const NAME: &'static str = "digits";
    const ABOUT: &'static str = "Handwritten digits, embedded: a small convolutional network";
    const FILE: &'static str = "PICTURE.png";
    type Config = DigitsConfig;
    type Preparation = ();
    type Input = Tensor;
    type Network = Sequential;

    fn begun(request: &Request) -> Result<Begun<Answered<Self>>, TaskError> {
        request.takes(Self::NAME, &[])?;
        let examples = DigitsExamples::embedded()?;
        Ok(Begun { task: Answered(examples), settings: DigitsExamples::settings(), notes: Vec::new() })
    }

    fn open(_: &DigitsConfig) -> Result<DigitsExamples, TaskError> {
        DigitsExamples::embedded()
    }

    fn open_for(_: &Predictor<Answered<Self>>, data: Option<&Path>, _: bool) -> Result<DigitsExamples, TaskError> {
        let Some(path) = data else { return DigitsExamples::embedded() };
        let examples = DigitsExamples::read_files(&[path])?;
        if !examples.is_labelled {
            let what = format!("{}: the digit it shows is not told", examples.places[0]);
            return Err(TaskError::Input(format!("{what}; give the digit as the 65th value, or use `mapsto predict`")));
        }
        Ok(examples)
    }

    fn read(_: &Predictor<Answered<Self>>, files: &[PathBuf], _: bool, ask: Ask<'_, Tensor>) -> Result<(), TaskError> {
        let DigitsExamples { images, truth, places, is_labelled, .. } = DigitsExamples::read_files(files)?;
        let known = match truth {
            Truth::Classes { names, labels } if is_labelled => {
                labels.iter().map(|&label| Some(names[label].clone())).collect()
            }
            _ => vec![None; places.len()],
        };
        ask(Asked { names: places, input: images, known, refused: Vec::new() })
    }

    fn truth(&self) -> &Truth {
        &self.truth
    }

    fn given(&self) -> &Given {
        &self.given
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn prepare(&self, _: &DigitsConfig, _: &[usize]) -> Result<(), TaskError> {
        Ok(())
    }

    /// Three convolutions with batch norm and ReLU, max-pooling after the second and the third, a linear layer.
    fn network(config: &DigitsConfig, _: &(), outputs: usize) -> Result<Sequential> {
        let (first, more) = (config.channels, config.channels.saturating_mul(2));
        let block = |from, to| -> Result<Sequential> {
            let conv = Conv2d::from_config(&ConvConfig::new(from, to, 3).padding(1).no_bias())?;
            Ok(sequential![conv, BatchNorm2d::new(to)?, Relu])
        };
        let features = more.saturating_mul(Digits::HEIGHT / 4 * (Digits::WIDTH / 4));
        Ok(sequential![
            block(1, first)?,
            block(first, more)?,
            MaxPool2d::new(2)?,
            block(more, more)?,
            MaxPool2d::new(2)?,
            Flatten::default(),
            Dropout::new(config.dropout)?,
            Linear::new(features, outputs)?,
        ])
    }

    fn forward(network: &Sequential, input: &Tensor) -> Result<Tensor> {
        network.forward(input)
    }

    fn input(&self, _: &DigitsConfig, _: &(), items: &[usize]) -> Result<Tensor, TaskError> {
        Ok(self.gather(items)?)
    }

    fn batches<'a>(
        &'a self,
        config: &'a DigitsConfig,
        _: &'a (),
        answers: &'a Answers,
        plan: Plan,
    ) -> Result<LabelledBatches<'a, Tensor>, TaskError> {
        let gather = move |items: &[usize], chance: Rng| -> Result<Labelled<Tensor>, TaskError> {
            let input = config.change(&self.gather(items)?, chance)?;
            Ok(Labelled { input, target: self.truth.target(items, answers)? })
        };
        Ok(Box::new(Gathered::new(&plan, gather)?))
    }

    fn summary(network: &Sequential, _: &DigitsConfig, _: &(), items: usize) -> Result<Summary> {
        Summary::of(network, &Tensor::zeros([items, 1, Digits::HEIGHT, Digits::WIDTH], DType::F32)?)
    }

    fn show(&self, item: usize) -> Result<Shown, TaskError> {
        let ink: Vec<f32> = self.gather(&[item])?.to_vec()?;
        // Dark ink on white paper.
        let pixels = ink.iter().map(|ink| (255.0 * (1.0 - ink)).round() as u8).collect();
        let picture = Picture { height: Digits::HEIGHT, width: Digits::WIDTH, channels: Channels::Grey, pixels };
        Ok(Shown::Picture { name: self.places[item].clone(), picture })
    }
}
