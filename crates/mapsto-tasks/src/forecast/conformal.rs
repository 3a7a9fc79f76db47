//! Intervals that hold the share that they promise, by conformalised quantile regression (Romano, Patterson and Candès,
//! *Conformalized Quantile Regression*, 2019): they grow by a margin that would have been right on windows that the network did not
//! learn from. They never shrink: these windows chose the epoch and lie before the future, so what they promise is too good.

use super::{ASKED, Forecast, outputs};
use crate::error::TaskError;
use crate::predictor::Predictor;
use crate::task::finite;
use mapsto_models::forecast::QUANTILES;

/// Values outside of its intervals that a step ahead needs to have a margin of its own.
const OUTSIDE: f64 = 10.0;

impl Forecast {
    /// The margins that would have been right on these windows.
    pub(super) fn margins(&self, predictor: &Predictor<Forecast>, items: &[usize]) -> Result<Vec<f64>, TaskError> {
        let (config, preparation) = (&predictor.settings.config, &predictor.preparation);
        let (mut said, mut truth) = (Vec::new(), Vec::new());
        for some in items.chunks(ASKED) {
            let windows = self.windows(some);
            let (input, measured) = preparation.input(config, &self.histories, &self.spreads, &windows)?;
            truth.extend(finite(preparation.target(config, &self.histories, &windows, &measured)?)?);
            said.extend(outputs(predictor, &input)?);
        }
        Ok(margins(&said, &truth, [config.horizon, preparation.layout.targets.len()], config.level))
    }
}

/// The margins of intervals, `[horizon, targets]`, that hold the share `level` of what came `[N, horizon, targets]`, by what was said,
/// `[N, horizon, targets, 3]`. Each step ahead has its own, or, where there are few windows, each target.
fn margins(said: &[f64], truth: &[f64], [horizon, targets]: [usize; 2], level: f64) -> Vec<f64> {
    let mut scores = vec![Vec::new(); horizon * targets];
    for (place, (quantiles, truth)) in said.chunks(QUANTILES).zip(truth).enumerate() {
        scores[place % (horizon * targets)].push((quantiles[0] - truth).max(truth - quantiles[QUANTILES - 1]));
    }
    if scores[0].len() as f64 * (1.0 - level) >= OUTSIDE {
        return scores.into_iter().map(|scores| quantile(scores, level)).collect();
    }
    let pooled = |target: usize| scores.iter().skip(target).step_by(targets).flatten().copied().collect();
    let each: Vec<f64> = (0..targets).map(|target| quantile(pooled(target), level)).collect();
    (0..horizon * targets).map(|place| each[place % targets]).collect()
}

/// The ⌈(n + 1) level⌉-th of n numbers, which one more of their kind is not above with the probability `level`; of too few the greatest.
/// At least zero.
fn quantile(mut scores: Vec<f64>, level: f64) -> f64 {
    scores.sort_unstable_by(f64::total_cmp);
    let rank = ((scores.len() + 1) as f64 * level).ceil() as usize;
    scores[rank.clamp(1, scores.len()) - 1].max(0.0)
}

/// Moves the ends of intervals `[N, horizon, targets, 3]` outwards by their margins.
pub(super) fn widen(said: &mut [f64], margins: &[f64]) {
    for (quantiles, margin) in said.chunks_mut(QUANTILES).zip(margins.iter().cycle()) {
        quantiles[0] -= margin;
        quantiles[QUANTILES - 1] += margin;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapsto_tensor::Rng;
    use mapsto_train::metrics::coverage;

    /// Values about 0 with heavier tails than a normal distribution's, wider from step to step, of two targets.
    fn noise(windows: usize, seed: u64) -> Vec<f64> {
        let mut chance = Rng::new(seed);
        let mut all = Vec::new();
        for place in 0..windows * 6 {
            // Laplace's, by its inverse distribution function.
            let unit = 2.0 * chance.next_f64() - 1.0;
            let scale = (place % 6 / 2 + 1) as f64 * if place % 2 == 0 { 1.0 } else { 100.0 };
            all.push(-scale * unit.signum() * (1.0 - unit.abs()).ln());
        }
        all
    }

    /// The share of later values in intervals from -0.1 to 0.1 that were calibrated on so many windows, by step and target.
    fn covered(windows: usize, level: f64) -> Vec<f64> {
        let said = |windows: usize| [-0.1, 0.0, 0.1].repeat(windows * 6);
        let margins = margins(&said(windows), &noise(windows, 1), [3, 2], level);
        let (mut later, truth) = (said(4000), noise(4000, 2));
        widen(&mut later, &margins);
        let of = |place: usize| {
            let own = |end: usize| later.chunks(3).skip(place).step_by(6).map(|quantiles| quantiles[end]).collect();
            let truth: Vec<f64> = truth.iter().skip(place).step_by(6).copied().collect();
            let (lower, upper): (Vec<f64>, Vec<f64>) = (own(0), own(2));
            coverage(&truth, &lower, &upper).unwrap()
        };
        (0..6).map(of).collect()
    }

    #[test]
    fn each_step_and_target_holds_its_share() {
        for level in [0.5, 0.9] {
            for share in covered(1000, level) {
                assert!((share - level).abs() < 0.05, "{share} of {level}");
            }
        }
    }

    #[test]
    fn with_few_windows_a_target_holds_its_share_over_all_steps() {
        let all = covered(60, 0.9);
        for target in 0..2 {
            let mean = (all[target] + all[target + 2] + all[target + 4]) / 3.0;
            assert!((mean - 0.9).abs() < 0.05 && all[target] > all[target + 4] + 0.05, "{all:?}");
        }
    }

    #[test]
    fn ranks_are_those_of_the_paper_and_intervals_never_shrink() {
        let scores: Vec<f64> = (1..=19).rev().map(f64::from).collect();
        assert_eq!((quantile(scores.clone(), 0.9), quantile(scores, 0.5)), (18.0, 10.0));
        // Of too few the greatest.
        assert_eq!(quantile(vec![3.0, 5.0], 0.9), 5.0);
        assert_eq!(quantile(vec![-3.0, -5.0], 0.9), 0.0);
        let mut said = vec![1.0, 2.0, 5.0, 1.0, 2.0, 5.0];
        widen(&mut said, &[2.0, 0.5]);
        assert_eq!(said, [-1.0, 2.0, 7.0, 0.5, 2.0, 5.5]);
        widen(&mut said, &[]);
        assert_eq!(said, [-1.0, 2.0, 7.0, 0.5, 2.0, 5.5]);
    }
}
