//! Settings of forecasts, and what is chosen of them for a table.

use crate::error::TaskError;
use mapsto_data::{Clock, ClockStep, Histories, HistoryColumns, season};
use mapsto_models::ForecastModel;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The most steps of a window.
const MOST_STEPS: usize = 65_536;
/// The share of a history that seasons are looked for in before the parts are known.
const EARLIER: f64 = 0.7;
/// Steps that are forecast by default, by what a step is at most, in seconds.
const HORIZONS: [(f64, usize); 7] = [
    (1800.0, 60),
    (6.0 * 3600.0, 24),
    (2.0 * 86_400.0, 14),
    (8.0 * 86_400.0, 13),
    (32.0 * 86_400.0, 12),
    (93.0 * 86_400.0, 8),
    (f64::INFINITY, 5),
];
/// Steps that are forecast by default where steps are plain numbers.
const HORIZON: usize = 12;

/// What is done about rows of one series and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// They are a mistake.
    Refuse,
    /// Their mean counts.
    Mean,
}

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastConfig {
    /// A table.
    pub data: PathBuf,
    /// The columns that are forecast, with commas between.
    pub target: String,
    /// The column of times; found if empty.
    pub time: String,
    /// The column that names several series; one series if empty.
    pub series: String,
    /// Columns whose future is known.
    pub known: Vec<String>,
    /// Columns that say nothing.
    pub ignore: Vec<String>,
    /// What is done about rows of one series and time.
    pub duplicates: Duplicates,
    /// Whether the day, the week and the year are told to the network.
    pub calendar: bool,
    /// Steps that the network looks back.
    pub context: usize,
    /// Steps that it forecasts.
    pub horizon: usize,
    /// The share of values that the intervals are to hold.
    pub level: f64,
    /// Steps of a season, for the seasonal naive beside it; found at 0.
    pub season: usize,
    /// Steps from one origin of the backtest to the next.
    pub stride: usize,
    /// The network.
    pub model: ForecastModel,
}

/// Names that stand in a list, or with commas between.
fn names(all: &[String]) -> Vec<String> {
    let split = all.iter().flat_map(|names| names.split(','));
    split.map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect()
}

impl ForecastConfig {
    /// Says which setting cannot be.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        let steps = [("context", self.context), ("horizon", self.horizon), ("stride", self.stride)];
        if let Some((name, value)) = steps.into_iter().find(|(_, value)| !(1..=MOST_STEPS).contains(value)) {
            return Err(TaskError::Input(format!("{name} is {value}, it must be from 1 to {MOST_STEPS}")));
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            let level = self.level;
            return Err(TaskError::Input(format!("level is {level}, it must be above 0 and below 1, as 0.9")));
        }
        Ok(())
    }

    pub(super) fn columns(&self) -> HistoryColumns {
        let named = |name: &String| (!name.is_empty()).then(|| name.clone());
        HistoryColumns {
            targets: names(std::slice::from_ref(&self.target)),
            time: named(&self.time),
            series: named(&self.series),
            known: names(&self.known),
            ignore: names(&self.ignore),
        }
    }

    /// Reads the table.
    pub(super) fn read(&self) -> Result<Histories, TaskError> {
        Histories::read(&self.data, &self.columns(), self.duplicates == Duplicates::Mean).map_err(TaskError::input)
    }

    /// The same with a horizon and a context that suit histories, where they are 0.
    pub(super) fn suited(mut self, histories: &Histories) -> ForecastConfig {
        let longest = histories.all.iter().map(|one| one.length).max().unwrap_or(0);
        if self.horizon == 0 {
            self.horizon = usual_horizon(&histories.clock).min(longest / 10).max(1);
        }
        if self.context == 0 {
            let early: Vec<&[f64]> =
                histories.all.iter().map(|one| one.first(0, (one.length as f64 * EARLIER) as usize)).collect();
            // Two seasons tell how this one differs from the last; but windows of which there are few teach little.
            let seasons = 2 * season(&early, &histories.clock);
            let wanted = if seasons <= longest / 5 { seasons.max(3 * self.horizon) } else { 3 * self.horizon };
            self.context = wanted.min(longest / 4).max(1);
        }
        self
    }
}

fn usual_horizon(clock: &Clock) -> usize {
    let length = match clock.step {
        ClockStep::Even(_) if !clock.dated => return HORIZON,
        _ => clock.length(),
    };
    HORIZONS.into_iter().find(|(most, _)| length <= *most).map_or(HORIZON, |(_, horizon)| horizon)
}
