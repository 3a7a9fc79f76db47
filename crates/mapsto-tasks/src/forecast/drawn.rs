//! The part of the report that shows forecasts.

use super::{Backtest, Forecast, Window};
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::report::{Line, Markup, Plot};
use mapsto_models::forecast::QUANTILES;
use mapsto_train::short;

/// Series whose last window is drawn.
pub(super) const SERIES: usize = 6;
/// Targets of a window that are drawn.
const TARGETS: usize = 4;
/// Steps of the past that are drawn, for each that was forecast.
const PAST: usize = 3;

impl Forecast {
    /// Draws the last windows of the backtest, errors by how far ahead they are, and a table of the targets.
    pub(super) fn draw_backtest(
        &self,
        backtest: &Backtest,
        predictor: &Predictor<Forecast>,
        page: &mut Markup,
    ) -> Result<(), TaskError> {
        let (config, targets) = (&predictor.settings.config, &backtest.targets);
        page.text("h2", &[], "Backtest");
        page.element("div", &[("class", "figures")], |figures| {
            for (window, said) in &backtest.last {
                for target in 0..targets.len().min(TARGETS) {
                    self.window(*window, said, target, config.horizon, config.level, predictor).draw(figures);
                }
            }
            let line = |place: usize, name: &str| {
                let points =
                    (1..).zip(&backtest.ahead).map(|(step, errors)| [f64::from(step), errors[place]]).collect();
                Line { name: name.to_string(), colour: place, dashed: place == 1, points }
            };
            let plot = Plot {
                title: "Errors ahead".into(),
                note: format!("The mean of {} origins.", backtest.origins),
                axes: ["steps ahead".into(), "mean absolute error".into()],
                lines: vec![line(0, "network"), line(1, "seasonal naive")],
                ..Plot::default()
            };
            plot.draw(figures);
        });
        page.table(["target", "MAE", "naive MAE", "RMSE", "MASE", "sMAPE", "coverage", "width"], |body| {
            for one in targets {
                let report = &one.report;
                let mase = report.mase.map_or("–".into(), short);
                let [mae, naive, rmse, width] = [report.mae, report.naive_mae, report.rmse, report.width].map(short);
                let [smape, coverage] = [report.smape, 100.0 * report.coverage].map(|share| format!("{share:.1} %"));
                body.row(&one.target, [mae, naive, rmse, mase, smape, coverage, width]);
            }
        });
        Ok(())
    }

    /// A window: what came before, what came, and what was said of it.
    fn window(
        &self,
        window: Window,
        said: &[f64],
        target: usize,
        horizon: usize,
        level: f64,
        predictor: &Predictor<Forecast>,
    ) -> Plot {
        let history = &self.histories.all[window.series as usize];
        let (clock, origin) = (self.histories.clock, window.origin as usize);
        let layout = &predictor.preparation.layout;
        let name = &layout.targets[target].column;
        let truth = origin.saturating_sub(PAST * horizon)..origin + horizon;
        let truth = truth.map(|step| [step as f64 - origin as f64 + 1.0, history.values[target][step]]).collect();
        let of = |quantile: usize| {
            let place = |step: usize| said[(step * layout.targets.len() + target) * QUANTILES + quantile];
            (0..horizon).map(|step| [step as f64 + 1.0, place(step)]).collect()
        };
        let line = |name: &str, colour: usize, dashed: bool, points: Vec<[f64; 2]>| Line {
            name: name.to_string(),
            colour,
            dashed,
            points,
        };
        let of_series = if history.name.is_empty() { String::new() } else { format!("{}: ", history.name) };
        Plot {
            title: format!("{of_series}{name}"),
            note: format!("The first step ahead is {}.", clock.text(clock.at(history.start, origin))),
            axes: ["steps ahead".into(), name.clone()],
            lines: vec![
                line("what came", 0, false, truth),
                line("forecast", 1, false, of(1)),
                line(&format!("{:.0} % interval", 100.0 * level), 1, true, of(0)),
                line("", 1, true, of(2)),
            ],
            ..Plot::default()
        }
    }
}
