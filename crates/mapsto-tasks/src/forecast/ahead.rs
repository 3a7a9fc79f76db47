//! The steps behind the ends of histories.

use super::windows::spreads;
use super::{ASKED, Forecast, ForecastConfig, Window};
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::question::{Listener, Prediction};
use crate::task::Given;
use mapsto_data::Histories;
use mapsto_models::forecast::QUANTILES;
use mapsto_train::short;
use serde_json::json;
use std::path::Path;

/// Tells the steps behind the ends of the histories of a table.
pub(super) fn tell(
    predictor: &Predictor<Forecast>,
    path: &Path,
    histories: Histories,
    listener: &mut dyn Listener,
) -> Result<(), TaskError> {
    let ForecastConfig { context, horizon, .. } = predictor.settings.config;
    let layout = &predictor.preparation.layout;
    let known = layout.targets.len() + layout.past.len();
    for history in &histories.all {
        let of = if history.name.is_empty() { String::new() } else { format!(" of {:?}", history.name) };
        let wrong = |what: String| Err(TaskError::Input(format!("{}: {what}", path.display())));
        if history.length < context {
            return wrong(format!("{} steps{of} are told, the network looks back on {context}", history.length));
        }
        let told = history.values[known..].iter().map(|values| values.len() - history.length).min();
        if told.is_some_and(|told| told < horizon) {
            let (names, told) = (&layout.known[0].column, told.unwrap_or(0));
            let mend = format!("add rows with their times, without {:?}", layout.targets[0].column);
            return wrong(format!("{names:?}{of} is known of {told} steps to come, not of {horizon}: {mend}"));
        }
    }
    let windows: Vec<Window> = (0u32..)
        .zip(&histories.all)
        .map(|(series, history)| Window { series, origin: history.length as u32 })
        .collect();
    let spreads = spreads(&histories);
    let given = Given::default();
    let task = Forecast { histories, spreads, windows, given, fingerprint: 0, horizon, short: Vec::new() };
    let (targets, clock) = (layout.targets.len(), task.histories.clock);
    for windows in task.windows.chunks(ASKED) {
        let said = task.said(predictor, windows)?;
        for (window, said) in windows.iter().zip(said.chunks(horizon * targets * QUANTILES)) {
            let history = &task.histories.all[window.series as usize];
            for (place, quantiles) in said.chunks(QUANTILES).enumerate() {
                let time = clock.text(clock.at(history.start, window.origin as usize + place / targets));
                let target = &layout.targets[place % targets].column;
                let (lower, median, upper) = (quantiles[0], quantiles[1], quantiles[2]);
                let input = if history.name.is_empty() { path.display().to_string() } else { history.name.clone() };
                let shown = [median, lower, upper].map(short);
                let numbers = [median, lower, upper].map(|x| x.to_string());
                listener.answer(Prediction {
                    input,
                    text: format!("{time}  {target} {}  ({} to {})", shown[0], shown[1], shown[2]),
                    cells: [vec![time.clone(), target.clone()], numbers.into()].concat(),
                    fields: json!({
                        "time": time, "target": target, "forecast": median, "lower": lower, "upper": upper,
                    }),
                })?;
            }
        }
    }
    Ok(())
}
