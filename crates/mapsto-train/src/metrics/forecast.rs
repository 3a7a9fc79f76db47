//! Metrics of forecasts and of the intervals around them; inputs `[items]`.

use super::regression::check_numbers;
use super::{MetricError, check_lengths, mae, rmse};
use serde::Serialize;

/// Symmetric mean absolute percentage error, from 0 to 200: the mean of `200 |y - p| / (|y| + |p|)`, where `0 / 0` counts as 0 (Makridakis et
/// al., *The M4 Competition*, 2020).
///
/// # Errors
/// When the lengths differ, there are no items, or a value is not finite.
pub fn smape<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    let (truth, predicted) = check_numbers("smape", truth, predicted, 1)?;
    let share = |(truth, predicted): (&f64, &f64)| {
        let sum = truth.abs() + predicted.abs();
        if sum > 0.0 { 200.0 * ((truth - predicted).abs() / sum) } else { 0.0 }
    };
    Ok(truth.iter().zip(&predicted).map(share).sum::<f64>() / truth.len() as f64)
}

/// What absolute errors are measured by in the mean absolute scaled error (Hyndman and Koehler, *Another Look at Measures of Forecast
/// Accuracy*, 2006): the mean absolute difference of numbers that are a season of `season` steps apart. None where there are none, or where
/// all are the same.
pub fn seasonal_scale(history: &[f64], season: usize) -> Option<f64> {
    let later = history.get(season..).filter(|later| !later.is_empty() && season > 0)?;
    let sum: f64 = later.iter().zip(history).map(|(now, before)| (now - before).abs()).sum();
    Some(sum / later.len() as f64).filter(|scale| *scale > 0.0)
}

/// The mean pinball loss of predicted quantiles: `quantile` of an error where the truth is greater, `1 - quantile` of one where it is less.
///
/// # Errors
/// As [`smape`].
pub fn pinball<T: Copy + Into<f64>>(truth: &[T], predicted: &[T], quantile: f64) -> Result<f64, MetricError> {
    let (truth, predicted) = check_numbers("pinball", truth, predicted, 1)?;
    let loss = |(truth, predicted): (&f64, &f64)| {
        let error = truth - predicted;
        f64::max(quantile * error, (quantile - 1.0) * error)
    };
    Ok(truth.iter().zip(&predicted).map(loss).sum::<f64>() / truth.len() as f64)
}

/// The share of true values that lie in their intervals.
///
/// # Errors
/// As [`smape`].
pub fn coverage<T: Copy + Into<f64>>(truth: &[T], lower: &[T], upper: &[T]) -> Result<f64, MetricError> {
    let (truth, lower) = check_numbers("coverage", truth, lower, 1)?;
    check_lengths("coverage", truth.len(), upper.len(), 1)?;
    let inside = truth.iter().zip(&lower).zip(upper).filter(|((truth, lower), upper)| {
        let upper: f64 = (**upper).into();
        lower <= truth && **truth <= upper
    });
    Ok(inside.count() as f64 / truth.len() as f64)
}

/// Forecasts, and what came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecasts {
    /// What came.
    pub truth: Vec<f64>,
    /// The forecast medians.
    pub median: Vec<f64>,
    /// The lower ends of their intervals.
    pub lower: Vec<f64>,
    /// The upper ends.
    pub upper: Vec<f64>,
    /// What the season before had.
    pub naive: Vec<f64>,
    /// What errors are measured by, of each: [`seasonal_scale`] of its series. NaN where there is none.
    pub scale: Vec<f64>,
}

/// What forecasts are worth. In JSON `mae`, `mase`, `coverage` and so on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForecastReport {
    /// Number of values that were forecast.
    pub items: usize,
    /// Mean absolute error of the medians.
    pub mae: f64,
    /// Root of their mean squared error.
    pub rmse: f64,
    /// See [`smape`].
    pub smape: f64,
    /// The mean of absolute errors, each divided by what its series is measured by; below 1 they are less than one step of the seasonal
    /// naive in the past. None where no series has such a scale.
    pub mase: Option<f64>,
    /// The mean of [`pinball`] over the lower end, the median and the upper end.
    pub pinball: f64,
    /// The share of true values in their intervals.
    pub coverage: f64,
    /// The share that should be.
    pub level: f64,
    /// The mean width of the intervals.
    pub width: f64,
    /// Mean absolute error of the seasonal naive, on the same values.
    pub naive_mae: f64,
}

impl ForecastReport {
    /// Of forecasts whose intervals are meant to hold the share `level`.
    ///
    /// # Errors
    /// No items; lengths that differ; values that are not finite.
    pub fn of(forecasts: &Forecasts, level: f64) -> Result<ForecastReport, MetricError> {
        let Forecasts { truth, median, lower, upper, naive, scale } = forecasts;
        check_lengths("mase", truth.len(), scale.len(), 1)?;
        let tail = (1.0 - level) / 2.0;
        let losses = [pinball(truth, lower, tail)?, pinball(truth, median, 0.5)?, pinball(truth, upper, 1.0 - tail)?];
        let errors = truth.iter().zip(median).zip(scale).map(|((truth, median), scale)| (truth - median).abs() / scale);
        let scaled: Vec<f64> = errors.filter(|error| error.is_finite()).collect();
        Ok(ForecastReport {
            items: truth.len(),
            mae: mae(truth, median)?,
            rmse: rmse(truth, median)?,
            smape: smape(truth, median)?,
            mase: (!scaled.is_empty()).then(|| scaled.iter().sum::<f64>() / scaled.len() as f64),
            pinball: losses.iter().sum::<f64>() / losses.len() as f64,
            coverage: coverage(truth, lower, upper)?,
            level,
            width: lower.iter().zip(upper).map(|(lower, upper)| upper - lower).sum::<f64>() / truth.len() as f64,
            naive_mae: mae(truth, naive)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_measured_by_the_seasons_before() {
        let history = [1.0, 5.0, 2.0, 7.0, 4.0, 6.0];
        // |2 - 1|, |7 - 5|, |4 - 2| and |6 - 7|.
        assert_eq!(seasonal_scale(&history, 2), Some(1.5));
        assert_eq!(seasonal_scale(&history, 6), None);
        assert_eq!(seasonal_scale(&history, 0), None);
        assert_eq!(seasonal_scale(&[3.0; 5], 1), None);
    }

    #[test]
    fn shares_of_values_of_both_signs() {
        assert_eq!(smape(&[1.0, 0.0, -2.0], &[3.0, 0.0, 2.0]).unwrap(), 100.0);
        assert_eq!(smape(&[0.0], &[1e-300]).unwrap(), 200.0);
        assert!(smape::<f64>(&[], &[]).is_err() && smape(&[f64::NAN], &[1.0]).is_err());
    }

    #[test]
    fn quantiles_cost_what_they_miss() {
        // Above by 2 and below by 1, as scikit-learn's mean_pinball_loss has it.
        assert!((pinball(&[3.0, 1.0], &[1.0, 2.0], 0.9).unwrap() - (1.8 + 0.1) / 2.0).abs() < 1e-12);
        assert_eq!(coverage(&[1.0, 2.0, 3.0, 4.0], &[0.0, 2.0, 3.5, 0.0], &[1.0, 9.0, 4.0, 3.0]).unwrap(), 0.5);
    }

    #[test]
    fn a_report_tells_all_of_it() {
        let forecasts = Forecasts {
            truth: vec![2.0, 4.0],
            median: vec![1.0, 4.0],
            lower: vec![0.0, 3.0],
            upper: vec![1.5, 6.0],
            naive: vec![4.0, 4.0],
            scale: vec![2.0, f64::NAN],
        };
        let report = ForecastReport::of(&forecasts, 0.8).unwrap();
        assert_eq!((report.mae, report.naive_mae, report.mase, report.coverage), (0.5, 1.0, Some(0.5), 0.5));
        assert_eq!((report.width, report.items), (2.25, 2));
        // 0.1 * 2 and 0.1 * 1 below, half of 1 and 0 in the middle, 0.9 * 0.5 and 0.1 * 2 above.
        assert!((report.pinball - (0.15 + 0.25 + 0.325) / 3.0).abs() < 1e-12, "{}", report.pinball);
        assert!(ForecastReport::of(&Forecasts::default(), 0.8).is_err());
    }
}
