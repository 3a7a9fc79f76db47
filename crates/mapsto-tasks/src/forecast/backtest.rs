//! How good forecasts of the past are.

use super::{Forecast, Window};
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::task::Figures;
use mapsto_data::{Histories, History};
use mapsto_models::forecast::QUANTILES;
use mapsto_train::metrics::{ForecastReport, Forecasts, seasonal_scale};
use mapsto_train::short;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Forecasts from origins in the past, beside what came and the season before.
#[derive(Clone, Debug, Serialize)]
pub struct Backtest {
    /// All targets together.
    #[serde(flatten)]
    pub report: ForecastReport,
    /// Origins that forecasts were made from.
    pub origins: usize,
    /// Each target.
    pub targets: Vec<Target>,
    /// Mean absolute errors so many steps ahead, and those of the seasonal naive.
    pub ahead: Vec<[f64; 2]>,
    /// The last window of some series, and what was said of it, for the report.
    #[serde(skip)]
    pub(super) last: Vec<(Window, Vec<f64>)>,
}

/// How good forecasts of a target are.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// Its column.
    pub target: String,
    /// Its figures.
    #[serde(flatten)]
    pub report: ForecastReport,
}

/// The windows whose origins lie `stride` steps apart, from the first of each series on.
pub(super) fn origins(windows: &[Window], stride: usize) -> Vec<Window> {
    let mut firsts: HashMap<u32, u32> = HashMap::new();
    for window in windows {
        let first = firsts.entry(window.series).or_insert(window.origin);
        *first = window.origin.min(*first);
    }
    let is_one = |window: &&Window| ((window.origin - firsts[&window.series]) as usize).is_multiple_of(stride);
    windows.iter().filter(is_one).copied().collect()
}

/// What the season before had of a step; where nothing is known of it, the last number.
pub(super) fn naive(history: &History, target: usize, origin: usize, step: usize, season: usize) -> f64 {
    let values = &history.values[target];
    let seasons = (step - origin) / season + 1;
    let before = season.checked_mul(seasons).and_then(|steps| step.checked_sub(steps));
    before.map_or(values[origin - 1], |place| values[place])
}

impl Backtest {
    /// Of what was said of windows: quantiles `[N, horizon, targets, 3]` in the targets' units.
    pub(super) fn of(
        histories: &Histories,
        predictor: &Predictor<Forecast>,
        windows: Vec<Window>,
        said: &[f64],
    ) -> Result<Backtest, TaskError> {
        let (config, preparation) = (&predictor.settings.config, &predictor.preparation);
        let (season, layout) = (preparation.season, &preparation.layout);
        let targets = layout.targets.len();
        // What came before the first origin of each series is what its errors are measured by.
        let mut firsts: HashMap<u32, usize> = HashMap::new();
        for window in &windows {
            let first = firsts.entry(window.series).or_insert(window.origin as usize);
            *first = (*first).min(window.origin as usize);
        }
        let scale = |(series, first): (&u32, &usize)| {
            let history = &histories.all[*series as usize];
            let of = |target| seasonal_scale(history.first(target, *first), season).unwrap_or(f64::NAN);
            (*series, (0..targets).map(of).collect::<Vec<f64>>())
        };
        let scales: HashMap<u32, Vec<f64>> = firsts.iter().map(scale).collect();
        let mut each = vec![Forecasts::default(); targets];
        let mut ahead = vec![[0.0; 2]; config.horizon];
        for (window, said) in windows.iter().zip(said.chunks(config.horizon * targets * QUANTILES)) {
            let (history, origin) = (&histories.all[window.series as usize], window.origin as usize);
            for (place, quantiles) in said.chunks(QUANTILES).enumerate() {
                let (step, target) = (origin + place / targets, place % targets);
                let (truth, naive) = (history.values[target][step], naive(history, target, origin, step, season));
                let to = &mut each[target];
                to.truth.push(truth);
                to.lower.push(quantiles[0]);
                to.median.push(quantiles[1]);
                to.upper.push(quantiles[2]);
                to.naive.push(naive);
                to.scale.push(scales[&window.series][target]);
                let errors = &mut ahead[place / targets];
                *errors = [errors[0] + (truth - quantiles[1]).abs(), errors[1] + (truth - naive).abs()];
            }
        }
        let count = (windows.len() * targets).max(1) as f64;
        ahead.iter_mut().for_each(|errors| *errors = errors.map(|sum| sum / count));
        let mut all = Forecasts::default();
        let mut reports = Vec::new();
        for (target, forecasts) in layout.targets.iter().zip(each) {
            let report = ForecastReport::of(&forecasts, config.level)?;
            reports.push(Target { target: target.column.clone(), report });
            all.truth.extend(forecasts.truth);
            all.median.extend(forecasts.median);
            all.lower.extend(forecasts.lower);
            all.upper.extend(forecasts.upper);
            all.naive.extend(forecasts.naive);
            all.scale.extend(forecasts.scale);
        }
        let mut last: HashMap<u32, usize> = HashMap::new();
        for (place, window) in windows.iter().enumerate() {
            let later = |at: &usize| windows[*at].origin >= window.origin;
            if !last.get(&window.series).is_some_and(later) {
                last.insert(window.series, place);
            }
        }
        let mut last: Vec<usize> = last.into_values().collect();
        last.sort_by_key(|place| windows[*place].series);
        let size = config.horizon * targets * QUANTILES;
        let last = last.into_iter().take(super::drawn::SERIES);
        let last = last.map(|place| (windows[place], said[place * size..][..size].to_vec())).collect();
        let report = ForecastReport::of(&all, config.level)?;
        Ok(Backtest { report, origins: windows.len(), targets: reports, ahead, last })
    }
}

fn figures(report: &ForecastReport) -> Value {
    json!({
        "mae": report.mae, "rmse": report.rmse, "smape": report.smape, "mase": report.mase,
        "pinball": report.pinball, "coverage": report.coverage, "width": report.width, "naive_mae": report.naive_mae,
    })
}

impl Figures for Backtest {
    fn metrics(&self) -> Value {
        figures(&self.report)
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        let ForecastReport { mae, mase, coverage, level, width, naive_mae, .. } = &self.report;
        let first = [("mean absolute error", short(*mae)), ("of the seasonal naive", short(*naive_mae))];
        let mase = mase.map(|mase| ("MASE", short(mase)));
        let share = format!("{:.1} % of {:.0} %", 100.0 * coverage, 100.0 * level);
        let last = [("in the interval", share), ("its width", short(*width))];
        first.into_iter().chain(mase).chain(last).collect()
    }

    fn details(&self) -> Value {
        let target = |one: &Target| {
            let mut figures = figures(&one.report);
            figures["target"] = json!(one.target);
            figures
        };
        json!({
            "origins": self.origins, "level": self.report.level, "ahead": self.ahead,
            "targets": self.targets.iter().map(target).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_lie_apart_in_each_series() {
        let windows: Vec<Window> =
            (0..2).flat_map(|series| (10 + series..16).map(move |origin| Window { series, origin })).collect();
        let places: Vec<(u32, u32)> = origins(&windows, 3).iter().map(|w| (w.series, w.origin)).collect();
        assert_eq!(places, [(0, 10), (0, 13), (1, 11), (1, 14)]);
        assert_eq!(origins(&windows, 1), windows);
    }

    #[test]
    fn the_season_before_is_the_naive_forecast() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        let history = History { name: String::new(), start: 0.0, length: 10, values: vec![values] };
        let of = |season| (6..10).map(|step| naive(&history, 0, 6, step, season)).collect::<Vec<f64>>();
        assert_eq!(of(1), [5.0; 4]);
        assert_eq!(of(3), [3.0, 4.0, 5.0, 3.0]);
        assert_eq!(of(6), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(of(8), [5.0, 5.0, 0.0, 1.0]);
    }
}
