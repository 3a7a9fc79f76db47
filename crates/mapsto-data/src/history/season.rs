//! How many steps a season has.

use super::{Clock, History};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// The most steps of a history that are looked at, from its end.
const MOST_STEPS: usize = 1 << 17;
/// The most histories that are looked at.
const MOST_HISTORIES: usize = 32;
/// The least correlation of a season, and its least times the correlation of what has none.
const LEAST: [f64; 2] = [0.1, 3.0];
/// The share of a season by which one of the calendar may differ from what is found.
const NEAR: f64 = 0.05;
/// Seasons of the calendar, in seconds.
pub(super) const CALENDAR: [f64; 3] = [86_400.0, 7.0 * 86_400.0, 365.2425 * 86_400.0];

/// Steps of a season: the lag of the greatest autocorrelation beyond the first one that is not positive, after a parabola was taken off each
/// history; 1 where none stands out. Of dates, a day, a week or a year is taken where it is nearly that. Histories are the first numbers of a
/// variable.
pub fn season(histories: &[&[f64]], clock: &Clock) -> usize {
    let mut sums: Vec<f64> = Vec::new();
    let (mut count, mut steps) = (0.0, 0.0);
    for values in histories.iter().take(MOST_HISTORIES) {
        let values = without_trend(&values[values.len().saturating_sub(MOST_STEPS)..]);
        let correlations = autocorrelation(&values);
        let Some(power) = correlations.first().copied().filter(|power| *power > 0.0 && power.is_finite()) else {
            continue;
        };
        sums.resize(sums.len().max(correlations.len()), 0.0);
        sums.iter_mut().zip(&correlations).for_each(|(sum, correlation)| *sum += correlation / power);
        count += 1.0;
        steps += values.len() as f64;
    }
    let least = f64::max(LEAST[0], LEAST[1] / f64::sqrt(steps / f64::max(count, 1.0)));
    let Some(crossing) = sums.iter().position(|sum| *sum <= 0.0) else { return 1 };
    let is_peak = |lag: &usize| {
        let next = sums.get(lag + 1).copied().unwrap_or(f64::INFINITY);
        sums[*lag] >= sums[lag - 1] && sums[*lag] >= next && sums[*lag] / count > least
    };
    let peaks = (crossing + 1..sums.len()).filter(is_peak);
    let found = peaks.max_by(|a, b| sums[*a].total_cmp(&sums[*b]).then(b.cmp(a)));
    found.map_or(1, |lag| clock.calendar_near(lag))
}

impl History {
    /// The first so many numbers of a variable; all if there are fewer.
    pub fn first(&self, variable: usize, count: usize) -> &[f64] {
        let values = &self.values[variable][..self.length];
        &values[..count.min(values.len())]
    }
}

impl Clock {
    /// A season of the calendar that has about so many steps, or so many.
    fn calendar_near(&self, steps: usize) -> usize {
        let of = |seconds: f64| seconds / self.length();
        let near = |own: &f64| (own - steps as f64).abs() <= NEAR * own && *own >= 2.0;
        CALENDAR.into_iter().map(of).filter(|_| self.dated).find(near).map_or(steps, |own| own.round() as usize)
    }

    /// The seasons of the calendar that steps are fine enough for, and that so many steps hold at least twice: their lengths in seconds.
    pub fn cycles(&self, steps: usize) -> Vec<f64> {
        let step = self.length();
        let fits = |season: &f64| 2.0 * step < *season && steps as f64 * step >= 2.0 * season;
        CALENDAR.into_iter().filter(|_| self.dated).filter(fits).collect()
    }
}

/// Sums of products of numbers with those so many steps later, up to half their number, by the Fourier transform.
fn autocorrelation(values: &[f64]) -> Vec<f64> {
    // As many zeros behind them, so that the end does not meet the beginning.
    let size = (2 * values.len()).next_power_of_two();
    let mut buffer: Vec<Complex<f64>> = values.iter().map(|value| Complex::new(*value, 0.0)).collect();
    buffer.resize(size, Complex::default());
    let mut planner = FftPlanner::new();
    planner.plan_fft_forward(size).process(&mut buffer);
    buffer.iter_mut().for_each(|x| *x = Complex::new(x.norm_sqr(), 0.0));
    planner.plan_fft_inverse(size).process(&mut buffer);
    let lags = values.len().div_ceil(2);
    buffer.iter().take(lags).map(|x| x.re / size as f64).collect()
}

/// Numbers less the parabola that lies nearest to them.
fn without_trend(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let square = (0..values.len()).map(|i| (i as f64 - middle).powi(2)).sum::<f64>() / count.max(1.0);
    // These three are orthogonal.
    let bases: [&dyn Fn(f64) -> f64; 3] = [&|_| 1.0, &|t| t, &|t| t * t - square];
    let mut rest = values.to_vec();
    for basis in bases {
        let at = |i: usize| basis(i as f64 - middle);
        let power: f64 = (0..values.len()).map(|i| at(i).powi(2)).sum();
        let share = rest.iter().enumerate().map(|(i, value)| value * at(i)).sum::<f64>() / power;
        if share.is_finite() {
            rest.iter_mut().enumerate().for_each(|(i, value)| *value -= share * at(i));
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::super::Step;
    use super::*;

    const PLAIN: Clock = Clock { step: Step::Even(1.0), dated: false };

    fn wave(count: usize, period: f64, noise: f64) -> Vec<f64> {
        let mut state = 1u64;
        let mut chance = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        let value =
            |i: usize| (i as f64 / period * std::f64::consts::TAU).sin() + noise * chance() + 0.001 * (i * i) as f64;
        (0..count).map(value).collect()
    }

    #[test]
    fn seasons_are_found() {
        assert_eq!(season(&[&wave(200, 12.0, 1.0)], &PLAIN), 12);
        assert_eq!(season(&[&wave(150, 7.0, 0.5), &wave(90, 7.0, 0.5)], &PLAIN), 7);
        let days = Clock { step: Step::Even(86_400.0), dated: true };
        assert_eq!(season(&[&wave(1200, 361.0, 1.0)], &days), 365);
        assert_eq!(season(&[&wave(100, 5.0, 0.1)[..4]], &PLAIN), 1);
    }

    #[test]
    fn what_has_no_season_has_one_step() {
        let noise: Vec<f64> = wave(300, 1e9, 1.0).iter().enumerate().map(|(i, x)| x - 0.001 * (i * i) as f64).collect();
        assert_eq!(season(&[&noise], &PLAIN), 1);
        assert_eq!(season(&[&[1.0; 50]], &PLAIN), 1);
        assert_eq!(season(&[], &PLAIN), 1);
        assert_eq!(season(&[&[]], &PLAIN), 1);
    }

    #[test]
    fn correlations_are_sums_of_products() {
        let found = autocorrelation(&[1.0, -2.0, 3.0, 0.5, 4.0]);
        let expected = [30.25, -2.0 - 6.0 + 1.5 + 2.0, 3.0 - 1.0 + 12.0];
        assert_eq!(found.len(), 3);
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
        assert!(autocorrelation(&[]).is_empty());
    }

    #[test]
    fn cycles_fit_the_steps() {
        let of = |step: f64, steps: usize| Clock { step: Step::Even(step), dated: true }.cycles(steps).len();
        assert_eq!((of(3600.0, 24 * 30), of(86_400.0, 1000), of(86_400.0, 100), of(60.0, 100)), (2, 2, 1, 0));
        assert_eq!(Clock { step: Step::Months(1), dated: true }.cycles(60).len(), 1);
        assert!(PLAIN.cycles(1000).is_empty());
    }
}
