//! Windows of histories as networks take them.

use super::{ForecastConfig, ForecastPreparation};
use crate::moments::moments;
use mapsto_data::{Histories, History};
use mapsto_models::ForecastShape;
use mapsto_models::forecast::QUANTILES;
use mapsto_tensor::{Result, Tensor};
use std::f64::consts::TAU;

/// Waves of a season of the calendar, a sine and a cosine each.
const HARMONICS: usize = 2;
/// The least share of a history's deviation that a window is measured by: what hardly moves in it would be huge otherwise.
const LEAST: f64 = 0.1;

/// A window: its first forecast step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which history.
    pub series: u32,
    /// The step that comes behind what is seen.
    pub origin: u32,
}

/// What a network takes of some windows.
#[derive(Clone, Debug)]
pub struct ForecastInput {
    /// `[N, context, targets + past + known]`.
    pub past: Tensor,
    /// `[N, horizon, known]`.
    pub future: Tensor,
}

/// The mean and the deviation by which the targets of windows are measured, window by window.
pub(super) type Measured = Vec<[f64; 2]>;

/// The deviation of all numbers of a history that come before each of its steps.
pub(super) struct Spread(Vec<f64>);

impl Spread {
    pub fn of(values: &[f64]) -> Spread {
        let (mut mean, mut squares) = (0.0, 0.0);
        // Welford's sums, which lose nothing to rounding.
        let deviation = |(count, value): (usize, &f64)| {
            let count = (count + 1) as f64;
            let before = value - mean;
            mean += before / count;
            squares += before * (value - mean);
            (squares / count).sqrt()
        };
        Spread(std::iter::once(0.0).chain(values.iter().enumerate().map(deviation)).collect())
    }

    /// What a window is measured by that ends at `origin`: its mean, and its deviation, but at least some of that of all that came before.
    pub fn measure(&self, values: &[f64], context: usize, origin: usize) -> [f64; 2] {
        let [mean, deviation] = moments(values[origin - context..origin].iter().copied());
        let deviation = deviation.max(LEAST * self.0[origin]);
        [mean, if deviation > 0.0 { deviation } else { 1.0 }]
    }
}

impl ForecastPreparation {
    /// What a network is given and tells.
    pub(super) fn shape(&self, config: &ForecastConfig) -> ForecastShape {
        let layout = &self.layout;
        ForecastShape {
            context: config.context,
            horizon: config.horizon,
            targets: layout.targets.len(),
            past: layout.past.len(),
            known: layout.known.len() + self.cycles.len() * 2 * HARMONICS,
        }
    }

    /// Windows as a network takes them, and what their targets are measured by: `[window][target]`.
    pub(super) fn input(
        &self,
        config: &ForecastConfig,
        histories: &Histories,
        spreads: &[Vec<Spread>],
        windows: &[Window],
    ) -> Result<(ForecastInput, Measured)> {
        let shape = self.shape(config);
        let ForecastShape { context, horizon, targets, past, known } = shape;
        let inputs = targets + past + known;
        let mut all_past = Vec::with_capacity(windows.len() * context * inputs);
        let mut all_future = Vec::with_capacity(windows.len() * horizon * known);
        let mut measured = Vec::with_capacity(windows.len() * targets);
        for window in windows {
            let (history, origin) = (&histories.all[window.series as usize], window.origin as usize);
            let own = spreads[window.series as usize].iter().zip(&history.values);
            let measure: Vec<[f64; 2]> = own.map(|(spread, values)| spread.measure(values, context, origin)).collect();
            for step in origin - context..origin {
                let own = measure.iter().zip(&history.values);
                all_past.extend(own.map(|([mean, deviation], values)| ((values[step] - mean) / deviation) as f32));
                self.known(histories, history, step, &mut all_past);
            }
            for step in origin..origin + horizon {
                self.known(histories, history, step, &mut all_future);
            }
            measured.extend_from_slice(&measure[..targets]);
        }
        let input = ForecastInput {
            past: Tensor::from_vec(all_past, [windows.len(), context, inputs])?,
            future: Tensor::from_vec(all_future, [windows.len(), horizon, known])?,
        };
        Ok((input, measured))
    }

    /// What came, measured as the windows are: `[N, horizon, targets]`.
    pub(super) fn target(
        &self,
        config: &ForecastConfig,
        histories: &Histories,
        windows: &[Window],
        measured: &Measured,
    ) -> Result<Tensor> {
        let (horizon, targets) = (config.horizon, self.layout.targets.len());
        let mut all = Vec::with_capacity(windows.len() * horizon * targets);
        for (window, measure) in windows.iter().zip(measured.chunks(targets)) {
            let (history, origin) = (&histories.all[window.series as usize], window.origin as usize);
            for step in origin..origin + horizon {
                let own = measure.iter().zip(&history.values);
                all.extend(own.map(|([mean, deviation], values)| ((values[step] - mean) / deviation) as f32));
            }
        }
        Tensor::from_vec(all, [windows.len(), horizon, targets])
    }

    /// Quantiles `[N, horizon, targets, 3]` in the targets' own units.
    pub(super) fn unscaled(&self, config: &ForecastConfig, mut quantiles: Vec<f64>, measured: &Measured) -> Vec<f64> {
        let targets = self.layout.targets.len();
        let windows = quantiles.chunks_mut(config.horizon * targets * QUANTILES).zip(measured.chunks(targets));
        for (window, measure) in windows {
            for (values, [mean, deviation]) in window.chunks_mut(QUANTILES).zip(measure.iter().cycle()) {
                values.iter_mut().for_each(|value| *value = *value * deviation + mean);
            }
        }
        quantiles
    }

    /// What is known of a step whenever it is: variables, and where it lies in the seasons of the calendar.
    fn known(&self, histories: &Histories, history: &History, step: usize, to: &mut Vec<f32>) {
        let first = self.layout.targets.len() + self.layout.past.len();
        for (values, (mean, deviation)) in history.values[first..].iter().zip(self.means.iter().zip(&self.deviations)) {
            to.push(((values[step] - mean) / deviation) as f32);
        }
        if self.cycles.is_empty() {
            return;
        }
        let time = histories.clock.at(history.start, step);
        for cycle in &self.cycles {
            let turn = (time / cycle).rem_euclid(1.0) * TAU;
            for harmonic in 1..=HARMONICS {
                let (sine, cosine) = (turn * harmonic as f64).sin_cos();
                to.extend([sine as f32, cosine as f32]);
            }
        }
    }
}

/// The spread of all that is known of the past alone, of each history.
pub(super) fn spreads(histories: &Histories) -> Vec<Vec<Spread>> {
    let count = histories.layout.targets.len() + histories.layout.past.len();
    let of = |history: &History| history.values[..count].iter().map(|values| Spread::of(values)).collect();
    histories.all.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_measured_by_what_came_before() {
        let values = [1e9 + 1.0, 1e9 + 3.0, 1e9 + 5.0, 1e9 + 5.0, 1e9 + 5.0];
        let spread = Spread::of(&values);
        assert_eq!(spread.measure(&values, 2, 2), [1e9 + 2.0, 1.0]);
        // Nothing moves in the last two steps: a tenth of the deviation of all counts.
        let [mean, deviation] = spread.measure(&values, 2, 5);
        assert!(mean == 1e9 + 5.0 && (deviation - 0.1 * 2.56f64.sqrt()).abs() < 1e-6, "{deviation}");
        assert_eq!(Spread::of(&[7.0; 4]).measure(&[7.0; 4], 2, 4), [7.0, 1.0]);
    }
}
