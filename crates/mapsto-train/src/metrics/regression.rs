//! Metrics of predicted numbers; inputs `[items]`.

use super::{MetricError, check_lengths};

/// Mean squared error, in the square of the values' unit.
///
/// # Errors
/// When the lengths differ, there are no items, or a value is not finite.
pub fn mse<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    mean_error("mse", truth, predicted, |error| error * error)
}

/// Root of the mean squared error, in the values' unit.
///
/// # Errors
/// As [`mse`].
pub fn rmse<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    mean_error("rmse", truth, predicted, |error| error * error).map(f64::sqrt)
}

/// Mean absolute error, in the values' unit.
///
/// # Errors
/// As [`mse`].
pub fn mae<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    mean_error("mae", truth, predicted, f64::abs)
}

/// Mean absolute error as a share of the true value: 0.1 is ten per cent.
///
/// A true value nearer to 0 than `f64::EPSILON` counts as that, as in scikit-learn: one 0 makes the mean huge.
///
/// # Errors
/// As [`mse`].
pub fn mape<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    let (truth, predicted) = check_numbers("mape", truth, predicted, 1)?;
    let share = |(truth, predicted): (&f64, &f64)| (predicted - truth).abs() / truth.abs().max(f64::EPSILON);
    Ok(truth.iter().zip(&predicted).map(share).sum::<f64>() / truth.len() as f64)
}

/// Median absolute error, in the values' unit: of an even number of items, the mean of the two in the middle.
///
/// # Errors
/// As [`mse`].
pub fn median_absolute_error<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    let mut errors = absolute_errors("median absolute error", truth, predicted)?;
    errors.sort_unstable_by(f64::total_cmp);
    let (low, high) = (errors[(errors.len() - 1) / 2], errors[errors.len() / 2]);
    Ok(low + (high - low) / 2.0)
}

/// The greatest absolute error, in the values' unit.
///
/// # Errors
/// As [`mse`].
pub fn max_error<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    Ok(absolute_errors("max error", truth, predicted)?.into_iter().fold(0.0, f64::max))
}

/// Coefficient of determination: 1 is perfect, 0 is as good as the mean of `truth`, below 0 is worse.
///
/// For a constant `truth` it is 1 when every prediction is right and 0 otherwise, as in scikit-learn.
///
/// # Errors
/// As [`mse`], and for fewer than two items.
pub fn r2<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    let (truth, predicted) = check_numbers("r2", truth, predicted, 2)?;
    let residual: f64 = truth.iter().zip(&predicted).map(|(truth, predicted)| (truth - predicted).powi(2)).sum();
    Ok(explained(residual, &truth))
}

/// The share of the variance of `truth` that the predictions explain: [`r2`] as if they were right on average.
///
/// For a constant `truth` it is 1 when all predictions are off by the same and 0 otherwise, as in scikit-learn.
///
/// # Errors
/// As [`r2`].
pub fn explained_variance<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<f64, MetricError> {
    let (truth, predicted) = check_numbers("explained variance", truth, predicted, 2)?;
    let errors: Vec<f64> = truth.iter().zip(&predicted).map(|(truth, predicted)| truth - predicted).collect();
    Ok(explained(spread(&errors), &truth))
}

/// What a residual sum of squares leaves of the spread of `truth`.
fn explained(residual: f64, truth: &[f64]) -> f64 {
    match spread(truth) {
        0.0 => f64::from(u8::from(residual == 0.0)),
        spread => 1.0 - residual / spread,
    }
}

/// The sum of the squared distances from the mean.
fn spread(values: &[f64]) -> f64 {
    // Asked of the values: the mean of equal values may be off by a rounding.
    if values.iter().all(|&value| value == values[0]) {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

fn absolute_errors<T: Copy + Into<f64>>(
    metric: &'static str,
    truth: &[T],
    predicted: &[T],
) -> Result<Vec<f64>, MetricError> {
    let (truth, predicted) = check_numbers(metric, truth, predicted, 1)?;
    Ok(truth.iter().zip(&predicted).map(|(truth, predicted)| (predicted - truth).abs()).collect())
}

fn mean_error<T: Copy + Into<f64>>(
    metric: &'static str,
    truth: &[T],
    predicted: &[T],
    cost: fn(f64) -> f64,
) -> Result<f64, MetricError> {
    let (truth, predicted) = check_numbers(metric, truth, predicted, 1)?;
    let sum: f64 = truth.iter().zip(&predicted).map(|(truth, predicted)| cost(predicted - truth)).sum();
    Ok(sum / truth.len() as f64)
}

/// Checks both inputs and gives them in `f64`.
pub(super) fn check_numbers<T: Copy + Into<f64>>(
    metric: &'static str,
    truth: &[T],
    predicted: &[T],
    least: usize,
) -> Result<(Vec<f64>, Vec<f64>), MetricError> {
    check_lengths(metric, truth.len(), predicted.len(), least)?;
    let finite = |values: &[T]| -> Result<Vec<f64>, MetricError> {
        let values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(item) => Err(MetricError::Value { metric, item, value: values[item], wanted: "a finite number" }),
            None => Ok(values),
        }
    };
    Ok((finite(truth)?, finite(predicted)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_of_a_constant_whose_mean_rounds() {
        assert_eq!(r2(&[0.1; 10], &[0.1; 10]), Ok(1.0));
        assert_eq!(r2(&[0.1; 10], &[0.2; 10]), Ok(0.0));
    }

    #[test]
    fn refuses_bad_input() {
        let message = |result: Result<f64, MetricError>| result.unwrap_err().to_string();
        assert_eq!(message(mse::<f32>(&[], &[])), "mse: 0 items given, at least 1 needed");
        assert_eq!(message(mae(&[1.0], &[1.0, 2.0])), "mae: 1 true values but 2 predicted ones");
        assert_eq!(message(max_error::<f64>(&[], &[])), "max error: 0 items given, at least 1 needed");
        assert_eq!(message(mape(&[1.0], &[f64::NAN])), "mape: item 0 has value NaN, not a finite number");
        assert_eq!(message(r2(&[1.0], &[1.0])), "r2: 1 items given, at least 2 needed");
        assert_eq!(message(rmse(&[1.0, f32::NAN], &[1.0, 2.0])), "rmse: item 1 has value NaN, not a finite number");
        assert_eq!(message(mse(&[1.0], &[f64::INFINITY])), "mse: item 0 has value inf, not a finite number");
    }
}
