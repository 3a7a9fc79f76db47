//! Tables over time: the numbers of the steps to come, with intervals.

mod ahead;
mod backtest;
mod config;
mod conformal;
mod drawn;
mod windows;

pub use backtest::Backtest;
pub use config::{Duplicates, ForecastConfig};
pub use windows::{ForecastInput, Window};

use crate::error::TaskError;
use crate::fingerprint::Fingerprint;
use crate::models::{self, Models};
use crate::moments::moments;
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::question::{Listener, Question};
use crate::report::Markup;
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Settings, Training};
use crate::task::{BatchesOf, Division, Given, LossOf, Task, finite};
use crate::vote::combine;
use mapsto_data::{Clock, ClockStep, Histories, Layout, season};
use mapsto_models::forecast::QUANTILES;
use mapsto_models::{ForecastModel, ForecastNet};
use mapsto_nn::{LossReduction, PinballLoss, Summary};
use mapsto_tensor::{Error, Result, Rng, no_grad};
use mapsto_train::metrics::coverage;
use mapsto_train::{Labelled, Loss, Measures};
use serde::{Deserialize, Serialize};
use std::path::Path;
use windows::{Spread, spreads};

/// Steps of learning that a training has by default, about.
const STEPS: usize = 1500;
/// The fewest and most epochs by default.
const EPOCHS: [usize; 2] = [5, 200];
/// Windows that a network is asked about at once.
const ASKED: usize = 256;
/// The most windows of a table.
const MOST_WINDOWS: usize = 1 << 28;

/// What was learned of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastPreparation {
    /// What the columns are.
    layout: Layout,
    /// Its points in time.
    clock: Clock,
    /// Steps of a season.
    season: usize,
    /// Seasons of the calendar that the network is told of, in seconds.
    cycles: Vec<f64>,
    /// The mean of each variable whose future is known.
    means: Vec<f64>,
    /// Their standard deviations; 1 where one has one value.
    deviations: Vec<f64>,
    /// By how much the intervals grow, `[horizon, targets]`, in units of the network's outputs; none if they are not calibrated.
    #[serde(default)]
    margins: Vec<f64>,
}

/// Windows of one or several series over time.
pub struct Forecast {
    histories: Histories,
    spreads: Vec<Vec<Spread>>,
    windows: Vec<Window>,
    given: Given,
    fingerprint: u64,
    /// Steps that are forecast.
    horizon: usize,
    /// Series that are too short for a window.
    short: Vec<String>,
}

impl Forecast {
    fn of(histories: Histories, config: &ForecastConfig) -> Result<Forecast, TaskError> {
        let (mut windows, mut short) = (Vec::new(), Vec::new());
        let mut fingerprint = Fingerprint::new();
        for (series, history) in histories.all.iter().enumerate() {
            let count = (history.length + 1).saturating_sub(config.context.saturating_add(config.horizon));
            if count == 0 {
                short.push(history.name.clone());
            }
            if windows.len() + count > MOST_WINDOWS {
                return Err(TaskError::Input(format!("there are more than {MOST_WINDOWS} windows: take fewer rows")));
            }
            let first = config.context as u32;
            windows.extend((0..count as u32).map(|place| Window { series: series as u32, origin: first + place }));
            fingerprint.add(history.name.as_bytes());
            fingerprint.add(&history.start.to_le_bytes());
            history.values.iter().flatten().for_each(|value| fingerprint.add(&value.to_le_bytes()));
        }
        if windows.is_empty() {
            let ForecastConfig { context, horizon, .. } = config;
            let longest = histories.all.iter().map(|one| one.length).max().unwrap_or(0);
            return Err(TaskError::Input(format!(
                "{}: there are {longest} steps at most, a window takes {context} of the past and {horizon} to come: \
                 set a smaller context or horizon",
                config.data.display()
            )));
        }
        let given = Given { train: (0..windows.len()).collect(), ..Given::default() };
        let spreads = spreads(&histories);
        let (fingerprint, horizon) = (fingerprint.value(), config.horizon);
        Ok(Forecast { histories, spreads, windows, given, fingerprint, horizon, short })
    }

    /// Settings of a table that nothing is known of yet.
    fn defaults(config: ForecastConfig) -> Settings<ForecastConfig> {
        let training = Training { batch_size: 32, learning_rate: 3e-3, clip_norm: 1.0, ..Training::default() };
        Settings::new(Self::NAME, training, config)
    }

    fn windows(&self, items: &[usize]) -> Vec<Window> {
        items.iter().map(|&item| self.windows[item]).collect()
    }

    /// What networks say of windows as one, in the targets' units: quantiles `[N, horizon, targets, 3]`, calibrated if they are.
    fn said(&self, predictor: &Predictor<Forecast>, windows: &[Window]) -> Result<Vec<f64>, TaskError> {
        let (config, preparation) = (&predictor.settings.config, &predictor.preparation);
        let mut all = Vec::new();
        for some in windows.chunks(ASKED) {
            let (input, measured) = preparation.input(config, &self.histories, &self.spreads, some)?;
            let mut said = outputs(predictor, &input)?;
            conformal::widen(&mut said, &preparation.margins);
            all.extend(preparation.unscaled(config, said, &measured));
        }
        Ok(all)
    }
}

/// What networks say as one, in the units of their outputs and not calibrated.
fn outputs(predictor: &Predictor<Forecast>, input: &ForecastInput) -> Result<Vec<f64>, TaskError> {
    let each = predictor.members.iter().map(|member| finite(no_grad(|| member.forward(&input.past, &input.future))?));
    Ok(combine(&each.collect::<Result<Vec<_>, TaskError>>()?, &predictor.combination))
}

/// The quantiles that are forecast of an interval that is to hold this share.
fn quantiles(level: f64) -> Vec<f64> {
    let tail = (1.0 - level) / 2.0;
    vec![tail, 0.5, 1.0 - tail]
}

impl Task for Forecast {
    const NAME: &'static str = "forecast";
    const ABOUT: &'static str = "The steps to come of series over time, with intervals";
    const ASKED: &'static str = "HISTORY.csv";
    const MODELS: Option<Models> = Some(models::FORECAST);
    type Config = ForecastConfig;
    type Preparation = ForecastPreparation;
    type Network = ForecastNet;
    type Batch = Labelled<ForecastInput>;
    type Evaluation = Backtest;

    fn begun(request: &Request) -> Result<Begun<Forecast>, TaskError> {
        request.takes(Self::NAME, &["--data", "--target", "--model"])?;
        let missing =
            || TaskError::input("--target is missing: name the column that is to be forecast, or several with commas");
        let config = ForecastConfig {
            data: request.data("a table with a column of times: CSV, TSV, Parquet")?,
            target: request.target.clone().ok_or_else(missing)?,
            time: String::new(),
            series: String::new(),
            known: Vec::new(),
            ignore: Vec::new(),
            duplicates: Duplicates::Refuse,
            calendar: true,
            context: 0,
            horizon: 0,
            level: 0.9,
            season: 0,
            stride: 1,
            model: request.model("forecasts", "linear", ForecastModel::named, ForecastModel::NAMES)?,
        };
        // What decides how the table is read has to be known before the rest suits it.
        let mut settings = request.settle(Forecast::defaults(config))?;
        let asked = settings.config.clone();
        let histories = asked.read()?;
        settings.config = asked.suited(&histories);
        settings.config.check()?;
        let task = Forecast::of(histories, &settings.config)?;
        let epochs = STEPS * settings.training.batch_size / task.windows.len().max(1);
        settings.training.epochs = epochs.clamp(EPOCHS[0], EPOCHS[1]) as u64;
        let ForecastConfig { context, horizon, .. } = &settings.config;
        let (count, step) = (task.histories.all.len(), task.histories.clock.step_text());
        let note = format!("series: {count}; a step: {step}; {horizon} steps are forecast from the {context} before");
        Ok(Begun { task, settings, notes: vec![note] })
    }

    fn open(config: &ForecastConfig) -> Result<Forecast, TaskError> {
        config.check()?;
        Forecast::of(config.read()?, config)
    }

    fn open_for(predictor: &Predictor<Forecast>, data: Option<&Path>, _: bool) -> Result<Forecast, TaskError> {
        let own = &predictor.settings.config;
        let config = ForecastConfig { data: data.unwrap_or(&own.data).to_owned(), ..own.clone() };
        Forecast::of(read_like(predictor, &config.data)?, &config)
    }

    fn warnings(&self) -> Vec<String> {
        let mut all = self.histories.notes.clone();
        if let Some(first) = self.short.first() {
            all.push(format!(
                "{} series are too short for a window and are left out, first {first:?}",
                self.short.len()
            ));
        }
        all
    }

    fn count(&self) -> usize {
        self.windows.len()
    }

    fn given(&self) -> &Given {
        &self.given
    }

    fn division(&self) -> Division {
        let span = |window: &Window| {
            let at = |steps| self.histories.clock.at(self.histories.all[window.series as usize].start, steps);
            [at(window.origin as usize), at(window.origin as usize + self.horizon - 1)]
        };
        Division::Spans(self.windows.iter().map(span).collect())
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn prepare(&self, config: &ForecastConfig, train: &[usize]) -> Result<ForecastPreparation, TaskError> {
        // The steps of each series that training windows see.
        let mut ends = vec![0; self.histories.all.len()];
        for window in self.windows(train) {
            let end: &mut usize = &mut ends[window.series as usize];
            *end = (*end).max(window.origin as usize + config.horizon);
        }
        let seen: Vec<(&mapsto_data::History, usize)> =
            self.histories.all.iter().zip(ends).filter(|(_, end)| *end > 0).collect();
        let of = |variable: usize| {
            let all = seen.iter().flat_map(|(history, end)| history.first(variable, *end)).copied();
            let [mean, deviation] = moments(all);
            (mean, if deviation > 0.0 { deviation } else { 1.0 })
        };
        let layout = self.histories.layout.clone();
        let first = layout.targets.len() + layout.past.len();
        let (means, deviations) = (first..first + layout.known.len()).map(of).unzip();
        let clock = self.histories.clock;
        let found = || season(&seen.iter().map(|(history, end)| history.first(0, *end)).collect::<Vec<_>>(), &clock);
        let longest = seen.iter().map(|(_, end)| *end).max().unwrap_or(0);
        let cycles = if config.calendar { clock.cycles(longest) } else { Vec::new() };
        let season = if config.season > 0 { config.season } else { found() };
        Ok(ForecastPreparation { layout, clock, season, cycles, means, deviations, margins: Vec::new() })
    }

    fn check(preparation: &ForecastPreparation) -> Result<(), TaskError> {
        let ForecastPreparation { layout, clock, season, cycles, means, deviations, margins } = preparation;
        let known = layout.known.len();
        let positive = |values: &[f64]| values.iter().all(|value| *value > 0.0 && value.is_finite());
        let step = match clock.step {
            ClockStep::Even(step) => step,
            ClockStep::Months(months) | ClockStep::MonthEnds(months) => f64::from(months),
        };
        let fits = [means.len(), deviations.len()] == [known; 2]
            && !layout.targets.is_empty()
            && *season > 0
            && positive(deviations)
            && positive(cycles)
            && positive(&[step])
            && means.iter().all(|mean| mean.is_finite())
            && margins.iter().all(|margin| *margin >= 0.0 && margin.is_finite());
        if fits { Ok(()) } else { Err(TaskError::input("what was learned of the table does not fit together")) }
    }

    fn notes(&self, preparation: &ForecastPreparation) -> Vec<String> {
        let what = match preparation.season {
            1 => "no season was found: the last number is the naive forecast".to_string(),
            season => format!("a season has {season} steps: the numbers of the last one are the naive forecast"),
        };
        vec![what]
    }

    fn network(config: &ForecastConfig, preparation: &ForecastPreparation) -> Result<ForecastNet> {
        let shape = preparation.shape(config);
        let (margins, fits) = (preparation.margins.len(), shape.horizon.checked_mul(shape.targets));
        if margins > 0 && Some(margins) != fits {
            return Err(Error::argument(format!("{margins} margins of intervals do not fit the horizon")));
        }
        config.model.build(shape)
    }

    fn batches<'a>(
        &'a self,
        config: &'a ForecastConfig,
        preparation: &'a ForecastPreparation,
        plan: Plan,
    ) -> Result<BatchesOf<'a, Forecast>, TaskError> {
        let gather = move |items: &[usize], _: Rng| -> Result<Labelled<ForecastInput>, TaskError> {
            let windows = self.windows(items);
            let (input, measured) = preparation.input(config, &self.histories, &self.spreads, &windows)?;
            Ok(Labelled { input, target: preparation.target(config, &self.histories, &windows, &measured)? })
        };
        Ok(Box::new(Gathered::new(&plan, gather)?))
    }

    fn loss<'a>(
        &'a self,
        settings: &'a Settings<ForecastConfig>,
        _: &'a ForecastPreparation,
        _: &[usize],
    ) -> Result<LossOf<'a, Forecast>, TaskError> {
        let loss = PinballLoss { quantiles: quantiles(settings.config.level), reduction: LossReduction::Mean };
        Ok(Box::new(move |network, batch: &Labelled<ForecastInput>| {
            let outputs = network.forward(&batch.input.past, &batch.input.future)?;
            let items = batch.target.shape()[0] as f64;
            Ok(Loss { value: loss.forward(&outputs, &batch.target)?, items, measures: Vec::new() })
        }))
    }

    fn measures(
        &self,
        settings: &Settings<ForecastConfig>,
        network: &ForecastNet,
        preparation: &ForecastPreparation,
        items: &[usize],
    ) -> Result<Measures, TaskError> {
        let config = &settings.config;
        let loss = PinballLoss { quantiles: quantiles(config.level), reduction: LossReduction::Mean };
        let (mut sum, mut truth, mut ends) = (0.0, Vec::new(), [Vec::new(), Vec::new()]);
        for some in items.chunks(ASKED) {
            let windows = self.windows(some);
            let (input, measured) = preparation.input(config, &self.histories, &self.spreads, &windows)?;
            let target = preparation.target(config, &self.histories, &windows, &measured)?;
            let outputs = no_grad(|| network.forward(&input.past, &input.future))?;
            sum += finite(no_grad(|| loss.forward(&outputs, &target))?)?[0] * some.len() as f64;
            truth.extend(finite(target)?);
            for quantiles in finite(outputs)?.chunks(QUANTILES) {
                ends[0].push(quantiles[0]);
                ends[1].push(quantiles[QUANTILES - 1]);
            }
        }
        let covered = coverage(&truth, &ends[0], &ends[1])?;
        Ok([("val_loss", sum / items.len() as f64), ("val_coverage", covered)]
            .map(|(name, x)| (name.to_string(), x))
            .into())
    }

    fn calibrate(
        &self,
        predictor: &mut Predictor<Forecast>,
        validation: &[usize],
    ) -> Result<Option<String>, TaskError> {
        if validation.is_empty() {
            let mend = "they are as wide as the network learned them (leave out --set validation=0)";
            return Ok(Some(format!("the intervals are not calibrated, for there is no validation part: {mend}")));
        }
        predictor.preparation.margins = self.margins(predictor, validation)?;
        Ok(None)
    }

    fn evaluate(&self, predictor: &Predictor<Forecast>, items: &[usize]) -> Result<Backtest, TaskError> {
        let windows = backtest::origins(&self.windows(items), predictor.settings.config.stride);
        let said = self.said(predictor, &windows)?;
        Backtest::of(&self.histories, predictor, windows, &said)
    }

    fn columns(_: &Predictor<Forecast>) -> Vec<String> {
        ["time", "target", "forecast", "lower", "upper"].map(str::to_string).into()
    }

    fn predict(
        predictor: &Predictor<Forecast>,
        question: &Question,
        listener: &mut dyn Listener,
    ) -> Result<(), TaskError> {
        question.asks_files(Self::NAME)?;
        for path in &question.files {
            let histories = read_like(predictor, path)?;
            histories.notes.iter().for_each(|note| listener.warn(note));
            ahead::tell(predictor, path, histories, listener)?;
        }
        Ok(())
    }

    fn summary(
        network: &ForecastNet,
        config: &ForecastConfig,
        preparation: &ForecastPreparation,
        items: usize,
    ) -> Result<Summary> {
        models::of_forecast(network, preparation.shape(config), items)
    }

    fn facts(&self, preparation: &ForecastPreparation) -> (String, Vec<(&'static str, String)>) {
        let ForecastPreparation { layout, clock, season, margins, .. } = preparation;
        let calibrated = if margins.is_empty() { "not calibrated" } else { "calibrated on the validation part" };
        let names = |all: &[mapsto_data::Variable]| {
            let mut names: Vec<&str> = all.iter().map(|variable| &variable.column[..]).collect();
            names.dedup();
            names.join(", ")
        };
        let mut facts = vec![
            ("Series", self.histories.all.len().to_string()),
            ("Step", clock.step_text()),
            ("Season", format!("{season} steps")),
            ("Intervals", calibrated.to_string()),
        ];
        for (name, variables) in [("Known of the past", &layout.past), ("Known of the future", &layout.known)] {
            if !variables.is_empty() {
                facts.push((name, names(variables)));
            }
        }
        (names(&layout.targets), facts)
    }

    fn draw(&self, outcome: &Outcome<Forecast>, page: &mut Markup) -> Result<(), TaskError> {
        match &outcome.test {
            Some(backtest) => self.draw_backtest(backtest, &outcome.predictor, page),
            None => Ok(()),
        }
    }
}

/// Reads a table as that which the network learned from.
fn read_like(predictor: &Predictor<Forecast>, path: &Path) -> Result<Histories, TaskError> {
    let ForecastPreparation { layout, clock, .. } = &predictor.preparation;
    let average = predictor.settings.config.duplicates == Duplicates::Mean;
    Histories::read_like(path, layout, *clock, average).map_err(TaskError::input)
}
