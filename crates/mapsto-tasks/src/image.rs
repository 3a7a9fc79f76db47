//! Pictures: which class each is of.

use crate::answered::Answered;
use crate::error::TaskError;
use crate::examples::{Answers, Ask, Asked, Examples, LabelledBatches, Truth};
use crate::fingerprint::Fingerprint;
use crate::models::{self, Models};
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::report::Shown;
use crate::request::{Begun, Request};
use crate::settings::{Rule, Settings, Training};
use crate::skipped;
use crate::task::Given;
use crate::weights::begin_with;
use mapsto_data::{
    Augmentation, Batch, Channels, ImageFolder, ImageSamples, ImageSet, Loader, LoaderOptions, Mix, Normalisation,
    Part, Picture, Preset, Step,
};
use mapsto_models::{ImageModel, ImageShape};
use mapsto_nn::{Layer, Summary};
use mapsto_tensor::{DType, Result, Rng, Tensor};
use mapsto_train::{BatchIter, Batches, Labelled, TrainError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pictures whose longer side has at most so many pixels keep their size.
const SMALL: usize = 64;
/// The sides that larger pictures are brought to.
const SIDE: usize = 224;
/// The longest side that a network takes.
const LARGEST: usize = 4096;
/// The network of small pictures.
const SMALL_MODEL: &str = "resnet20";
/// The network of large ones.
const LARGE_MODEL: &str = "resnet18";
/// Pictures whose shorter side has more pixels are large.
const SMALL_SIDE: usize = 64;
/// Pictures that a network is asked about at once.
const ASKED: usize = 32;
/// Pictures that are looked at to know the size of all.
const LOOKED_AT: usize = 16;

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// A folder with one of pictures for each class, a table of paths and labels, or a folder of IDX files.
    pub data: PathBuf,
    /// Rows of pixels that the network takes.
    pub height: usize,
    /// Pixels of a row that it takes.
    pub width: usize,
    /// Channels that it takes: 1 of grey pictures, 3 of coloured ones.
    pub channels: usize,
    /// The network.
    pub model: ImageModel,
    /// A file of weights to begin with, all but the last layer's: safetensors or a PyTorch checkpoint; none if empty.
    pub pretrained: PathBuf,
    /// How pictures are changed at random.
    pub augment: Preset,
    /// Whether that may turn left into right.
    pub flip: bool,
    /// Steps that change pictures in place of [`ImageConfig::augment`]'s, where there are any.
    pub steps: Vec<Step>,
    /// Mixup's alpha; none at 0.
    pub mixup: f64,
    /// Cutmix's alpha, in every other batch where mixup is on, too; none at 0.
    pub cutmix: f64,
    /// Pictures that cannot be read are passed over.
    pub skip_bad: bool,
    /// Megabytes of decoded pictures that are kept.
    pub cache_mb: usize,
}

impl ImageConfig {
    /// Of these data, with what suits small coloured pictures.
    pub fn new(data: PathBuf, model: ImageModel) -> ImageConfig {
        ImageConfig {
            data,
            height: 0,
            width: 0,
            channels: 0,
            model,
            pretrained: PathBuf::new(),
            augment: Preset::Light,
            flip: true,
            steps: Vec::new(),
            mixup: 0.0,
            cutmix: 0.0,
            skip_bad: false,
            cache_mb: 1024,
        }
    }

    /// Says which setting cannot be.
    ///
    /// # Errors
    /// A setting outside its domain.
    pub fn check(&self) -> Result<(), TaskError> {
        let alpha = |x: f64| x >= 0.0 && x.is_finite();
        let side = |x: usize| x <= LARGEST;
        let settings = [
            ("channels", self.channels as f64, matches!(self.channels, 0 | 1 | 3), "1 for grey, or 3 for colours"),
            ("height", self.height as f64, side(self.height), "at most 4096"),
            ("width", self.width as f64, side(self.width), "at most 4096"),
            ("mixup", self.mixup, alpha(self.mixup), "at least zero"),
            ("cutmix", self.cutmix, alpha(self.cutmix), "at least zero"),
        ];
        match settings.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((name, value, _, wanted)) => Err(TaskError::Input(format!("{name} is {value}, it must be {wanted}"))),
            None => Ok(()),
        }
    }

    fn shape(&self) -> ImageShape {
        ImageShape { channels: self.channels, height: self.height, width: self.width }
    }

    fn pixels(&self) -> usize {
        self.channels * self.height * self.width
    }

    fn read_as(&self) -> Channels {
        if self.channels == 1 { Channels::Grey } else { Channels::Rgb }
    }

    /// How training pictures are changed.
    fn augmentation(&self) -> Result<Augmentation, TaskError> {
        let steps = if self.steps.is_empty() {
            let preset = Augmentation::preset(self.augment, self.height, self.width).map_err(TaskError::input)?;
            let stays = |step: &&Step| self.flip || !matches!(step, Step::HorizontalFlip { .. });
            preset.steps().iter().filter(stays).cloned().collect()
        } else {
            let exact = [Step::Resize { height: self.height, width: self.width }];
            self.steps.iter().cloned().chain(exact).collect()
        };
        Augmentation::new(steps).map_err(TaskError::input)
    }

    /// How pictures are brought to the network's size.
    fn plain(&self) -> Result<Augmentation, TaskError> {
        Augmentation::preset(Preset::None, self.height, self.width).map_err(TaskError::input)
    }

    fn mix(&self, number: u64) -> Option<Mix> {
        match (self.mixup > 0.0, self.cutmix > 0.0) {
            (true, true) if number % 2 == 1 => Some(Mix::Cutmix { alpha: self.cutmix }),
            (true, _) => Some(Mix::Mixup { alpha: self.mixup }),
            (false, true) => Some(Mix::Cutmix { alpha: self.cutmix }),
            (false, false) => None,
        }
    }
}

/// Pictures with their classes.
pub struct ImageExamples {
    set: Arc<ImageSet>,
    truth: Truth,
    given: Given,
    fingerprint: u64,
    /// Pictures that cannot be read and are passed over.
    skipped: Vec<String>,
}

impl ImageExamples {
    fn of(set: Arc<ImageSet>, given: Given) -> ImageExamples {
        let labels: Vec<usize> = (0..set.len()).map(|index| set.class(index)).collect();
        let mut fingerprint = Fingerprint::new();
        for (index, label) in labels.iter().enumerate() {
            let name = set.name(index);
            fingerprint.add(name.as_bytes());
            let bytes = fs::metadata(&name).map_or(0, |metadata| metadata.len());
            fingerprint.add(&[*label as u64, bytes].map(u64::to_le_bytes).concat());
        }
        let truth = Truth::Classes { names: set.classes().to_vec(), labels };
        let fingerprint = fingerprint.value();
        ImageExamples { set, truth, given, fingerprint, skipped: Vec::new() }
    }

    /// The pictures.
    pub fn set(&self) -> &ImageSet {
        &self.set
    }

    /// Settings of data that nothing is known of yet.
    pub fn defaults(config: ImageConfig) -> Settings<ImageConfig> {
        let training = Training {
            optimizer: Rule::Sgd,
            learning_rate: 0.05,
            weight_decay: 5e-4,
            label_smoothing: 0.1,
            checkpoint_seconds: 60.0,
            ..Training::default()
        };
        Settings::new(Self::NAME, training, config)
    }

    /// Settings that suit the pictures: the size and channels that they have, and a network for that size.
    ///
    /// # Errors
    /// Pictures that cannot be read, in all of a sample.
    pub fn settings(&self, mut config: ImageConfig) -> Result<Settings<ImageConfig>, TaskError> {
        if config.channels == 0 {
            config.channels = self.set.channels().count();
            config.flip &= config.channels > 1;
        }
        if config.height == 0 || config.width == 0 {
            let mut sides = Vec::new();
            let mut refused = None;
            for place in 0..LOOKED_AT.min(self.set.len()) {
                match self.set.picture(place * self.set.len() / LOOKED_AT.min(self.set.len())) {
                    Ok(picture) => sides.push([picture.height, picture.width]),
                    Err(error) => refused = Some(error),
                }
            }
            let Some(&[height, width]) = sides.first() else {
                return Err(refused.map_or_else(|| TaskError::input("there are no pictures"), TaskError::input));
            };
            let alike = sides.iter().all(|sides| *sides == [height, width]) && height.max(width) <= SMALL;
            (config.height, config.width) = if alike { (height, width) } else { (SIDE, SIDE) };
        }
        config.model = config.model.fitted_to(config.height, config.width);
        let mut settings = ImageExamples::defaults(config);
        if self.set.len() >= 20_000 {
            (settings.training.batch_size, settings.training.learning_rate) = (128, 0.1);
        }
        Ok(settings)
    }

    /// Pictures as the network takes them, in their order.
    fn gather(
        config: &ImageConfig,
        normalisation: &Normalisation,
        batch: Batch<ImageSamples>,
    ) -> Result<(Vec<f32>, Vec<usize>), TaskError> {
        let pixels = config.pixels();
        let (mut all, mut items) = (room(batch.len(), pixels)?, Vec::with_capacity(batch.len()));
        for (sample, place) in batch.into_iter().zip(all.chunks_exact_mut(pixels)) {
            let sample = sample.map_err(TaskError::input)?;
            normalisation.write_chw(&sample.picture, place).map_err(TaskError::input)?;
            items.push(sample.index);
        }
        Ok((all, items))
    }
}

/// Room for the numbers of some pictures.
fn room(pictures: usize, pixels: usize) -> Result<Vec<f32>, TaskError> {
    let mut all = Vec::new();
    let refused = |_| {
        let what = format!("there is no memory for {pictures} pictures of {pixels} numbers at once");
        TaskError::Input(format!("{what}: set a smaller batch_size, height or width"))
    };
    all.try_reserve_exact(pictures * pixels).map_err(refused)?;
    all.resize(pictures * pixels, 0.0);
    Ok(all)
}

/// Pictures of files, as a network takes them.
struct ReadPictures {
    /// `[N, channels, height, width]`, of those that could be read.
    input: Tensor,
    /// Which of the files these are.
    read: Vec<usize>,
    /// Why the others could not.
    refused: Vec<String>,
}

/// Reads pictures from files.
///
/// # Errors
/// A refusal of memory.
fn read_pictures(
    config: &ImageConfig,
    normalisation: &Normalisation,
    paths: &[PathBuf],
) -> Result<ReadPictures, TaskError> {
    let (plain, pixels) = (config.plain()?, config.pixels());
    let mut all = room(paths.len(), pixels)?;
    let (mut read, mut refused) = (Vec::new(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let place = &mut all[read.len() * pixels..][..pixels];
        let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let picture = Picture::read(path, config.read_as()).map_err(|e| e.to_string());
        let picture = picture.and_then(|picture| plain.apply(picture, &Rng::new(0)).map_err(|e| wrong(&e)));
        match picture.and_then(|picture| normalisation.write_chw(&picture, place).map_err(|e| wrong(&e))) {
            Ok(()) => read.push(index),
            Err(why) => refused.push(why),
        }
    }
    all.truncate(read.len() * pixels);
    let input = Tensor::from_vec(all, [read.len(), config.channels, config.height, config.width])?;
    Ok(ReadPictures { input, read, refused })
}

/// The pictures that paths name: files, and all pictures in folders.
///
/// # Errors
/// A path that is not there; a folder without pictures.
fn list_pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TaskError> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            all.extend(ImageFolder::list(path).map_err(TaskError::input)?);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

/// The batches of a training.
struct PictureBatches<'a> {
    loader: Loader<ImageSamples>,
    config: &'a ImageConfig,
    normalisation: &'a Normalisation,
    truth: &'a Truth,
    answers: &'a Answers,
}

impl PictureBatches<'_> {
    fn gather(&self, batch: Batch<ImageSamples>, number: u64, chance: &Rng) -> Result<Labelled<Tensor>, TaskError> {
        let (mut pixels, items) = ImageExamples::gather(self.config, self.normalisation, batch)?;
        let shape = [items.len(), self.config.channels, self.config.height, self.config.width];
        let target = match (self.config.mix(number), self.truth) {
            (Some(mix), Truth::Classes { labels, names }) => {
                let labels: Vec<usize> = items.iter().map(|&item| labels[item]).collect();
                let mut chance = chance.fork(number);
                let soft =
                    mix.apply(&mut pixels, shape, &labels, names.len(), &mut chance).map_err(TaskError::input)?;
                Tensor::from_vec(soft, [items.len(), names.len()])?
            }
            _ => self.truth.target(&items, self.answers)?,
        };
        Ok(Labelled { input: Tensor::from_vec(pixels, shape)?, target })
    }
}

impl Batches for PictureBatches<'_> {
    type Batch = Labelled<Tensor>;

    fn per_epoch(&self) -> u64 {
        self.loader.batches() as u64
    }

    fn epoch<'a>(&'a self, epoch: u64, first: u64) -> Result<BatchIter<'a, Labelled<Tensor>>, TrainError> {
        let chance = Rng::new(self.loader.options().seed).split("mix").fork(epoch);
        let gather =
            move |(number, batch)| self.gather(batch, number, &chance).map_err(|e| TrainError::Data(Box::new(e)));
        Ok(Box::new((first..).zip(self.loader.epoch(epoch, first as usize)).map(gather)))
    }
}

impl Examples for ImageExamples {
    const NAME: &'static str = "image";
    const ABOUT: &'static str = "The classes of pictures";
    const SKIPS_BAD: bool = true;
    const FILE: &'static str = "PICTURE.png";
    const MODELS: Option<Models> = Some(models::IMAGE);
    type Config = ImageConfig;
    type Preparation = Normalisation;
    type Input = Tensor;
    type Network = Box<dyn Layer>;

    fn begun(request: &Request) -> Result<Begun<Answered<Self>>, TaskError> {
        request.takes(Self::NAME, &["--data", "--model", "--pretrained", "--skip-bad"])?;
        let data = request.data("a folder with one of pictures for each class, or a table of paths and labels")?;
        let model = |usual| request.model("images", usual, ImageModel::named, ImageModel::NAMES);
        // What decides how pictures are read has to be known before the rest suits them.
        let mut blank = request.settle(ImageExamples::defaults(ImageConfig::new(data, model(SMALL_MODEL)?)))?;
        blank.config.skip_bad |= request.skip_bad;
        blank.config.pretrained = request.pretrained()?;
        let examples = ImageExamples::open(&blank.config)?;
        let mut settings = examples.settings(blank.config)?;
        if settings.config.height.min(settings.config.width) > SMALL_SIDE {
            settings.config.model = model(LARGE_MODEL)?;
        }
        let ImageConfig { height, width, channels, .. } = settings.config;
        let classes = examples.truth.answers(&[]).outputs();
        let seen = format!("{classes} classes; pictures are taken {height} high and {width} wide, {channels} channels");
        Ok(Begun { task: Answered(examples), settings, notes: vec![seen] })
    }

    /// Every picture is read once, so that a damaged one is not found in the middle of a run; as many as
    /// [`ImageConfig::cache_mb`] has room for are kept.
    fn open(config: &ImageConfig) -> Result<ImageExamples, TaskError> {
        config.check()?;
        let set = ImageSet::open(&config.data).map_err(TaskError::input)?;
        let set = if config.channels > 0 { set.with_channels(config.read_as()) } else { set };
        let set = Arc::new(set.keep(config.cache_mb.saturating_mul(1 << 20)));
        let bad = unreadable(&set, config.skip_bad)?;
        let of = |part: Part| set.part(part).into_iter().filter(|item| bad.binary_search(item).is_err()).collect();
        let given = Given { train: of(Part::Train), validation: of(Part::Validation), test: of(Part::Test) };
        let skipped = bad.iter().map(|&index| set.name(index)).collect();
        Ok(ImageExamples { skipped, ..ImageExamples::of(set, given) })
    }

    fn open_for(
        predictor: &Predictor<Answered<Self>>,
        data: Option<&Path>,
        skip_bad: bool,
    ) -> Result<ImageExamples, TaskError> {
        let config = &predictor.settings.config;
        let Some(path) = data else {
            return ImageExamples::open(&ImageConfig { skip_bad: config.skip_bad || skip_bad, ..config.clone() });
        };
        let set = ImageSet::open(path).map_err(TaskError::input)?.with_channels(config.read_as());
        let set = Arc::new(set.keep(config.cache_mb.saturating_mul(1 << 20)));
        let bad = unreadable(&set, skip_bad)?;
        let test = (0..set.len()).filter(|item| bad.binary_search(item).is_err()).collect();
        let skipped = bad.iter().map(|&index| set.name(index)).collect();
        let given = Given { test, ..Given::default() };
        let examples = ImageExamples { skipped, ..ImageExamples::of(set, given) };
        let truth = predictor.preparation.answers.truth_of(&examples.truth);
        let truth = truth.map_err(|what| TaskError::Input(format!("{}: {what}", path.display())))?;
        Ok(ImageExamples { truth, ..examples })
    }

    fn read(
        predictor: &Predictor<Answered<Self>>,
        files: &[PathBuf],
        skip_bad: bool,
        ask: Ask<'_, Tensor>,
    ) -> Result<(), TaskError> {
        for paths in list_pictures(files)?.chunks(ASKED) {
            let ReadPictures { input, read, refused } =
                read_pictures(&predictor.settings.config, &predictor.preparation.inputs, paths)?;
            if let Some(why) = refused.first().filter(|_| !skip_bad) {
                return Err(TaskError::Input(format!("{why}; --skip-bad passes over what cannot be read")));
            }
            let names = read.iter().map(|&index| paths[index].display().to_string()).collect();
            ask(Asked { refused, ..Asked::unknown(names, input) })?;
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        skipped::warnings(["picture", "pictures"], &self.skipped)
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

    fn prepare(&self, _: &ImageConfig, train: &[usize]) -> Result<Normalisation, TaskError> {
        Normalisation::learn(&self.set, train).map_err(TaskError::input)
    }

    fn network(config: &ImageConfig, _: &Normalisation, outputs: usize) -> Result<Box<dyn Layer>> {
        config.model.build(config.shape(), outputs)
    }

    fn begin(config: &ImageConfig, network: &Box<dyn Layer>) -> Result<(), TaskError> {
        begin_with(&config.pretrained, Some(config.model.head_prefix()), network, |values| values)
    }

    fn forward(network: &Box<dyn Layer>, input: &Tensor) -> Result<Tensor> {
        network.forward(input)
    }

    fn input(&self, config: &ImageConfig, normalisation: &Normalisation, items: &[usize]) -> Result<Tensor, TaskError> {
        let samples =
            ImageSamples::new(Arc::clone(&self.set), items.to_vec(), config.plain()?).map_err(TaskError::input)?;
        let options = LoaderOptions { batch_size: items.len().max(1), ..LoaderOptions::default() };
        let loader = Loader::new(Arc::new(samples), options).map_err(TaskError::input)?;
        let batch: Batch<ImageSamples> = loader.epoch(0, 0).flatten().collect();
        let (pixels, items) = ImageExamples::gather(config, normalisation, batch)?;
        Ok(Tensor::from_vec(pixels, [items.len(), config.channels, config.height, config.width])?)
    }

    fn batches<'a>(
        &'a self,
        config: &'a ImageConfig,
        normalisation: &'a Normalisation,
        answers: &'a Answers,
        plan: Plan,
    ) -> Result<LabelledBatches<'a, Tensor>, TaskError> {
        let options = plan.options();
        let samples =
            ImageSamples::new(Arc::clone(&self.set), plan.items, config.augmentation()?).map_err(TaskError::input)?;
        let loader = Loader::new(Arc::new(samples), options).map_err(TaskError::input)?;
        Ok(Box::new(PictureBatches { loader, config, normalisation, truth: &self.truth, answers }))
    }

    fn summary(network: &Box<dyn Layer>, config: &ImageConfig, _: &Normalisation, items: usize) -> Result<Summary> {
        Summary::of(network, &Tensor::zeros([items, config.channels, config.height, config.width], DType::F32)?)
    }

    fn chunk(&self) -> usize {
        128
    }

    fn show(&self, item: usize) -> Result<Shown, TaskError> {
        Ok(Shown::Picture { name: self.set.name(item), picture: self.set.picture(item).map_err(TaskError::input)? })
    }
}

/// The pictures of a set that cannot be read, if they are to be passed over.
fn unreadable(set: &Arc<ImageSet>, skip_bad: bool) -> Result<Vec<usize>, TaskError> {
    let all = (0..set.len()).collect();
    let samples = ImageSamples::new(Arc::clone(set), all, Augmentation::default()).map_err(TaskError::input)?;
    let loader = Loader::new(Arc::new(samples), LoaderOptions::default()).map_err(TaskError::input)?;
    let read = loader.epoch(0, 0).flatten().enumerate();
    let (bad, why): (Vec<usize>, Vec<String>) =
        read.filter_map(|(index, sample)| Some((index, sample.err()?.to_string()))).unzip();
    skipped::refuse(&why, skip_bad)?;
    Ok(bad)
}
