//! Series of numbers: which class each is of.

use crate::answered::Answered;
use crate::error::TaskError;
use crate::examples::{Answers, Ask, Asked, Examples, LabelledBatches, Truth};
use crate::fingerprint::Fingerprint;
use crate::models::{self, Models};
use crate::moments::moments;
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::report::Shown;
use crate::request::{Begun, Request};
use crate::settings::{Settings, Training};
use crate::task::Given;
use crate::weights::begin_with;
use mapsto_data::{Order, Part, Series, SeriesColumns, SeriesSet, read_series};
use mapsto_models::{SeriesModel, SeriesNet, SeriesShape};
use mapsto_nn::Summary;
use mapsto_tensor::{Result, Rng, Tensor};
use mapsto_train::Labelled;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Steps of learning that a training has by default, about.
const STEPS: usize = 1500;
/// The fewest and most epochs by default.
const EPOCHS: [usize; 2] = [20, 400];
/// Sets of fewer series spare none to choose the best epoch by.
const SPARE: usize = 1000;
/// The most steps of a series that may be read.
const LONGEST: usize = 1 << 20;
/// Series that a network is asked about at once.
const ASKED: usize = 64;
/// Characters of a series as it is shown.
const SHOWN: usize = 48;
/// What they are, from the least value to the greatest.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What numbers are measured by, before a network sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scaling {
    /// The mean and deviation of each channel over the training series.
    Training,
    /// Those of each channel of each series by itself.
    Series,
    /// Nothing.
    None,
}

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesConfig {
    /// A file `.ts` or a wide table, or a folder with one whose name ends in `_TRAIN`.
    pub data: PathBuf,
    /// The column of the classes, of a table; found if empty.
    pub target: String,
    /// Columns of a table that are neither classes nor steps.
    pub ignore: Vec<String>,
    /// The most steps of a series; what follows is not read.
    pub length: usize,
    /// What numbers are measured by.
    pub scaling: Scaling,
    /// The network.
    pub model: SeriesModel,
    /// A file of weights to begin with, all but the last layer's; none if empty.
    pub pretrained: PathBuf,
}

impl SeriesConfig {
    /// Says which setting cannot be.
    fn check(&self) -> Result<(), TaskError> {
        match self.length {
            1..=LONGEST => Ok(()),
            length => Err(TaskError::Input(format!("length is {length}, it must be from 1 to {LONGEST}"))),
        }
    }

    fn columns(&self) -> SeriesColumns {
        let label = (!self.target.is_empty()).then(|| self.target.clone());
        SeriesColumns { label, ignore: self.ignore.clone() }
    }
}

/// What was learned of the series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesPreparation {
    /// The column that the classes were found in, of a table.
    column: Option<String>,
    /// The mean of each channel.
    means: Vec<f64>,
    /// The standard deviation of each channel; 1 where it has one value.
    deviations: Vec<f64>,
}

/// What a network takes of some series.
#[derive(Clone, Debug)]
pub struct SeriesInput {
    /// `[N, channels, T]`, filled up with zeros.
    pub series: Tensor,
    /// `[N]`, how many steps are the series' own.
    pub lengths: Tensor,
}

/// The mean and the deviation that numbers are measured by: 1 where they are all the same.
fn measure(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let [mean, deviation] = moments(values);
    [mean, if deviation > 0.0 { deviation } else { 1.0 }]
}

impl SeriesPreparation {
    /// The beginnings of series, as a network takes them.
    fn input(&self, config: &SeriesConfig, series: &[&Series]) -> Result<SeriesInput> {
        let lengths: Vec<usize> = series.iter().map(|one| one.len().min(config.length)).collect();
        let (channels, longest) = (self.means.len(), lengths.iter().copied().max().unwrap_or(0));
        let mut all = vec![0.0f32; series.len() * channels * longest];
        let places = all.chunks_mut((channels * longest).max(1));
        for ((one, &length), place) in series.iter().zip(&lengths).zip(places) {
            let rows = one.values.chunks(one.len().max(1)).zip(place.chunks_mut(longest.max(1)));
            for (channel, (values, to)) in rows.enumerate() {
                let values = &values[..length];
                let [mean, deviation] = match config.scaling {
                    Scaling::Training => [self.means[channel], self.deviations[channel]],
                    Scaling::Series => measure(values.iter().copied()),
                    Scaling::None => [0.0, 1.0],
                };
                to.iter_mut().zip(values).for_each(|(to, x)| *to = ((x - mean) / deviation) as f32);
            }
        }
        let lengths = lengths.iter().map(|&length| length as i64).collect();
        Ok(SeriesInput {
            series: Tensor::from_vec(all, [series.len(), channels, longest])?,
            lengths: Tensor::from_vec(lengths, [series.len()])?,
        })
    }
}

/// Series with their classes.
pub struct SeriesExamples {
    set: SeriesSet,
    truth: Truth,
    given: Given,
    fingerprint: u64,
    /// The most steps that are read.
    length: usize,
}

impl SeriesExamples {
    fn of(set: SeriesSet, length: usize) -> SeriesExamples {
        let mut fingerprint = Fingerprint::new();
        for (one, &label) in set.series.iter().zip(&set.labels) {
            one.values.iter().for_each(|value| fingerprint.add(&value.to_le_bytes()));
            fingerprint.add(set.classes[label].as_bytes());
        }
        let truth = Truth::Classes { names: set.classes.clone(), labels: set.labels.clone() };
        let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(|part| set.part(part));
        let given = Given { train, validation, test };
        SeriesExamples { truth, given, fingerprint: fingerprint.value(), set, length }
    }

    /// Settings of series that nothing is known of yet.
    fn defaults(config: SeriesConfig) -> Settings<SeriesConfig> {
        let training = Training { batch_size: 16, clip_norm: 1.0, ..Training::default() };
        Settings::new(Self::NAME, training, config)
    }

    fn series(&self, items: &[usize]) -> Vec<&Series> {
        items.iter().map(|&item| &self.set.series[item]).collect()
    }
}

impl Examples for SeriesExamples {
    const NAME: &'static str = "series";
    const ABOUT: &'static str = "The classes of series of numbers";
    const FILE: &'static str = "MORE.ts";
    const MODELS: Option<Models> = Some(models::SERIES);
    type Config = SeriesConfig;
    type Preparation = SeriesPreparation;
    type Input = SeriesInput;
    type Network = SeriesNet;

    fn begun(request: &Request) -> Result<Begun<Answered<Self>>, TaskError> {
        request.takes(Self::NAME, &["--data", "--target", "--model", "--pretrained"])?;
        let config = SeriesConfig {
            data: request
                .data("series with classes: a file .ts, a wide table, or a folder with NAME_TRAIN and NAME_TEST")?,
            target: request.target.clone().unwrap_or_default(),
            ignore: Vec::new(),
            length: 4096,
            scaling: Scaling::Training,
            model: request.model("series", "cnn", SeriesModel::named, SeriesModel::NAMES)?,
            pretrained: request.pretrained()?,
        };
        // What decides how series are read has to be known before the rest suits them.
        let mut settings = request.settle(SeriesExamples::defaults(config))?;
        let examples = SeriesExamples::open(&settings.config)?;
        let count = examples.given.train.len();
        if count < SPARE {
            settings.training.validation = 0.0;
        }
        let epochs = STEPS * settings.training.batch_size / count.max(1);
        settings.training.epochs = epochs.clamp(EPOCHS[0], EPOCHS[1]) as u64;
        let lengths = || examples.set.series.iter().map(Series::len);
        let [shortest, longest] = [lengths().min(), lengths().max()].map(Option::unwrap_or_default);
        let steps = if shortest == longest { format!("{longest}") } else { format!("{shortest} to {longest}") };
        let (classes, channels) = (examples.set.classes.len(), examples.set.channels());
        let told = if channels == 1 { "channel" } else { "channels" };
        let note =
            format!("{classes} classes; {} series of {steps} steps, {channels} {told}", examples.set.series.len());
        Ok(Begun { task: Answered(examples), settings, notes: vec![note] })
    }

    fn open(config: &SeriesConfig) -> Result<SeriesExamples, TaskError> {
        config.check()?;
        let set = SeriesSet::open(&config.data, &config.columns()).map_err(TaskError::input)?;
        Ok(SeriesExamples::of(set, config.length))
    }

    fn open_for(
        predictor: &Predictor<Answered<Self>>,
        data: Option<&Path>,
        _: bool,
    ) -> Result<SeriesExamples, TaskError> {
        let (own, preparation) = (&predictor.settings.config, &predictor.preparation.inputs);
        let Some(path) = data else { return SeriesExamples::open(own) };
        let mut columns = own.columns();
        columns.label = columns.label.or_else(|| preparation.column.clone());
        let set = SeriesSet::open(path, &columns).map_err(TaskError::input)?;
        let wrong = |what: String| TaskError::Input(format!("{}: {what}", path.display()));
        check_channels(preparation, set.channels()).map_err(wrong)?;
        let mut examples = SeriesExamples::of(set, own.length);
        examples.truth = predictor.preparation.answers.truth_of(&examples.truth).map_err(wrong)?;
        Ok(examples)
    }

    fn read(
        predictor: &Predictor<Answered<Self>>,
        files: &[PathBuf],
        _: bool,
        ask: Ask<'_, SeriesInput>,
    ) -> Result<(), TaskError> {
        let (settings, preparation) = (&predictor.settings, &predictor.preparation.inputs);
        let mut columns = settings.config.columns();
        columns.label = columns.label.or_else(|| preparation.column.clone());
        for path in files {
            let found = read_series(path, &columns).map_err(TaskError::input)?;
            let channels = found.first().map_or(0, |(one, _)| one.channels);
            check_channels(preparation, channels)
                .map_err(|what| TaskError::Input(format!("{}: {what}", path.display())))?;
            for some in found.chunks(ASKED) {
                let series: Vec<&Series> = some.iter().map(|(one, _)| one).collect();
                let input = preparation.input(&settings.config, &series)?;
                let names = series.iter().map(|one| one.name.clone()).collect();
                let known = some.iter().map(|(_, label)| label.clone()).collect();
                ask(Asked { known, ..Asked::unknown(names, input) })?;
            }
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let with_gaps: Vec<&Series> = self.set.series.iter().filter(|one| one.filled > 0).collect();
        let gaps = with_gaps.first().map(|first| {
            let (numbers, series) = (with_gaps.iter().map(|one| one.filled).sum::<usize>(), with_gaps.len());
            format!(
                "missing numbers are filled by straight lines: {numbers} in {series} series, first in {}",
                first.name
            )
        });
        let cut = self.set.series.iter().filter(|one| one.len() > self.length).count();
        let cut = (cut > 0).then(|| {
            let (all, length) = (self.set.series.len(), self.length);
            format!("{cut} of {all} series are longer than {length} steps: what follows is not read (--set length=N)")
        });
        gaps.into_iter().chain(cut).collect()
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

    fn prepare(&self, config: &SeriesConfig, train: &[usize]) -> Result<SeriesPreparation, TaskError> {
        let of = |channel: usize| {
            let values = move |one: &'_ Series| {
                let start = channel * one.len();
                start..start + one.len().min(config.length)
            };
            let all = self.series(train).into_iter();
            measure(all.flat_map(move |one| one.values[values(one)].iter().copied()))
        };
        let (means, deviations) = (0..self.set.channels()).map(of).map(|[mean, deviation]| (mean, deviation)).unzip();
        Ok(SeriesPreparation { column: self.set.column.clone(), means, deviations })
    }

    fn network(config: &SeriesConfig, preparation: &SeriesPreparation, outputs: usize) -> Result<SeriesNet> {
        config.model.build(SeriesShape { channels: preparation.means.len() }, outputs)
    }

    fn begin(config: &SeriesConfig, network: &SeriesNet) -> Result<(), TaskError> {
        begin_with(&config.pretrained, Some(config.model.head_prefix()), network, |values| values)
    }

    fn forward(network: &SeriesNet, input: &SeriesInput) -> Result<Tensor> {
        network.forward(&input.series, &input.lengths)
    }

    fn input(
        &self,
        config: &SeriesConfig,
        preparation: &SeriesPreparation,
        items: &[usize],
    ) -> Result<SeriesInput, TaskError> {
        Ok(preparation.input(config, &self.series(items))?)
    }

    fn batches<'a>(
        &'a self,
        config: &'a SeriesConfig,
        preparation: &'a SeriesPreparation,
        answers: &'a Answers,
        mut plan: Plan,
    ) -> Result<LabelledBatches<'a, SeriesInput>, TaskError> {
        let lengths: Vec<usize> = self.series(&plan.items).iter().map(|one| one.len().min(config.length)).collect();
        // Of equal lengths, batches are drawn freely.
        if plan.order == Order::Shuffled && lengths.windows(2).any(|pair| pair[0] != pair[1]) {
            plan.order = Order::Bucketed { lengths };
        }
        let gather = move |items: &[usize], _: Rng| -> Result<Labelled<SeriesInput>, TaskError> {
            let input = preparation.input(config, &self.series(items))?;
            Ok(Labelled { input, target: self.truth.target(items, answers)? })
        };
        Ok(Box::new(Gathered::new(&plan, gather)?))
    }

    fn summary(
        network: &SeriesNet,
        config: &SeriesConfig,
        preparation: &SeriesPreparation,
        items: usize,
    ) -> Result<Summary> {
        models::of_series(network, [preparation.means.len(), config.length.min(SUMMARISED)], items)
    }

    fn chunk(&self) -> usize {
        ASKED
    }

    fn show(&self, item: usize) -> Result<Shown, TaskError> {
        let one = &self.set.series[item];
        let channels = one.values.chunks(one.len().max(1)).enumerate();
        let lines = channels.map(|(channel, values)| (format!("channel {}", channel + 1), drawn(values)));
        let name = ("series".to_string(), one.name.clone());
        Ok(Shown::Row([name, ("steps".to_string(), one.len().to_string())].into_iter().chain(lines).collect()))
    }
}

/// Steps of the series that the summary is of, where they may be longer.
const SUMMARISED: usize = 128;

/// Says so if the network was trained on series of other channels.
fn check_channels(preparation: &SeriesPreparation, channels: usize) -> Result<(), String> {
    match preparation.means.len() {
        own if own == channels => Ok(()),
        own => Err(format!("the series have {channels} channels, those that the network learned from {own}")),
    }
}

/// Numbers as a line of bars, the mean of several where they are many.
fn drawn(values: &[f64]) -> String {
    let count = values.len().min(SHOWN);
    let piece = |place: usize| {
        let piece = &values[place * values.len() / count..(place + 1) * values.len() / count];
        piece.iter().sum::<f64>() / piece.len() as f64
    };
    let means: Vec<f64> = (0..count).map(piece).collect();
    let (low, high) =
        means.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    let height = |x: &f64| ((x - low) / (high - low) * (HEIGHTS.len() - 1) as f64).round() as usize;
    means.iter().map(|x| HEIGHTS[height(x)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_drawn_between_their_least_and_greatest_value() {
        assert_eq!(drawn(&[0.0, 7.0, 3.0]), "▁█▄");
        assert_eq!(drawn(&[5.0, 5.0]), "▁▁");
        assert_eq!(drawn(&(0..96).map(f64::from).collect::<Vec<_>>()).chars().count(), SHOWN);
    }
}
