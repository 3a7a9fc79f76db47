//! How far probabilities are what they say.

use serde::Serialize;

use super::classification::{check_probabilities, most_likely};
use super::{MetricError, check_lengths};

/// Items whose probabilities are alike, of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// The mean of their probabilities.
    pub confidence: f64,
    /// The share of them of which it is true.
    pub accuracy: f64,
    /// How many they are.
    pub items: usize,
}

/// How often items of about the same probability are true, from the least probability to the greatest.
///
/// `truth` and `probabilities` are `[items]`. Items are sorted by probability into `bins` equal intervals, open below and closed
/// above; those without items are left out. Scikit-learn's `calibration_curve`.
///
/// # Errors
/// When the lengths differ, there are no items, a probability is not between 0 and 1, or `bins` is 0.
pub fn calibration_curve<T: Copy + Into<f64>>(
    truth: &[bool],
    probabilities: &[T],
    bins: usize,
) -> Result<Vec<CalibrationBin>, MetricError> {
    let metric = "calibration curve";
    check_lengths(metric, truth.len(), probabilities.len(), 1)?;
    let items: Vec<(f64, bool)> = probabilities.iter().map(|&p| p.into()).zip(truth.iter().copied()).collect();
    if let Some(item) = items.iter().position(|(p, _)| !(0.0..=1.0).contains(p)) {
        let wanted = "a probability between 0 and 1";
        return Err(MetricError::Value { metric, item, value: items[item].0, wanted });
    }
    sorted(metric, items.into_iter(), bins)
}

/// How often the most likely class is right where its probability is about the same: the reliability diagram of a classifier
/// (Guo et al. 2017, arXiv 1706.04599).
///
/// `probabilities` is `[items, classes]`; bins as in [`calibration_curve`]. Of equally likely classes the first counts.
///
/// # Errors
/// As [`log_loss`](super::log_loss), and when `bins` is 0.
pub fn reliability<T: Copy + Into<f64>>(
    truth: &[usize],
    probabilities: &[T],
    classes: usize,
    bins: usize,
) -> Result<Vec<CalibrationBin>, MetricError> {
    of_most_likely("reliability diagram", truth, probabilities, classes, bins)
}

/// How far confidence is from accuracy on average, 0 to 1 (Guo et al. 2017, arXiv 1706.04599).
///
/// `probabilities` is `[items, classes]`. The differences between accuracy and mean confidence of the bins of [`reliability`],
/// each counting by its share of the items. 15 bins are usual.
///
/// # Errors
/// As [`log_loss`](super::log_loss), and when `bins` is 0.
pub fn expected_calibration_error<T: Copy + Into<f64>>(
    truth: &[usize],
    probabilities: &[T],
    classes: usize,
    bins: usize,
) -> Result<f64, MetricError> {
    let bins = of_most_likely("expected calibration error", truth, probabilities, classes, bins)?;
    Ok(error_of(&bins))
}

/// The mean difference between accuracy and confidence.
pub(super) fn error_of(bins: &[CalibrationBin]) -> f64 {
    let items: usize = bins.iter().map(|bin| bin.items).sum();
    bins.iter().map(|bin| bin.items as f64 * (bin.accuracy - bin.confidence).abs()).sum::<f64>() / items as f64
}

fn of_most_likely<T: Copy + Into<f64>>(
    metric: &'static str,
    truth: &[usize],
    probabilities: &[T],
    classes: usize,
    bins: usize,
) -> Result<Vec<CalibrationBin>, MetricError> {
    let probabilities = check_probabilities(metric, truth, probabilities, classes)?;
    let items = truth.iter().zip(probabilities.chunks_exact(classes)).map(|(&label, row)| {
        let best = most_likely(row);
        (row[best], best == label)
    });
    sorted(metric, items, bins)
}

/// Probabilities and whether it was true, sorted into bins.
fn sorted(
    metric: &'static str,
    items: impl Iterator<Item = (f64, bool)>,
    bins: usize,
) -> Result<Vec<CalibrationBin>, MetricError> {
    if bins == 0 {
        return Err(MetricError::Setting { metric, setting: "bins", wanted: "at least 1".into(), got: bins });
    }
    let mut sums = vec![(0.0, 0usize, 0usize); bins];
    // The edges of NumPy's `linspace`, so that values on an edge fall where scikit-learn puts them.
    let edges: Vec<f64> = (1..bins).map(|edge| edge as f64 * (1.0 / bins as f64)).collect();
    for (p, is_true) in items {
        let (sum, right, count) = &mut sums[edges.partition_point(|&edge| edge < p)];
        (*sum, *right, *count) = (*sum + p, *right + usize::from(is_true), *count + 1);
    }
    let bin = |(sum, right, items): (f64, usize, usize)| CalibrationBin {
        confidence: sum / items as f64,
        accuracy: right as f64 / items as f64,
        items,
    };
    Ok(sums.into_iter().filter(|&(_, _, items)| items > 0).map(bin).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_of_a_hand_made_case() {
        // Four items at confidence 0.75, half of them right; one sure and right.
        let probabilities = [0.75f32, 0.25, 0.75, 0.25, 0.75, 0.25, 0.75, 0.25, 0.0, 1.0];
        let error = expected_calibration_error(&[0, 0, 1, 1, 1], &probabilities, 2, 10).unwrap();
        assert!((error - 0.2).abs() <= 1e-12, "4/5 of |0.5 - 0.75|: {error}");
        let bins = reliability(&[0, 0, 1, 1, 1], &probabilities, 2, 10).unwrap();
        let expected = [(0.75, 0.5, 4), (1.0, 1.0, 1)];
        assert_eq!(bins.iter().map(|bin| (bin.confidence, bin.accuracy, bin.items)).collect::<Vec<_>>(), expected);
        // On the edge of two bins, 0.5 belongs to the lower one: |1 - 0.5| and |0 - 0.75| do not cancel.
        assert_eq!(expected_calibration_error(&[0, 1], &[0.5, 0.5, 0.75, 0.25], 2, 2), Ok(0.625));
    }

    #[test]
    fn refuses_bad_input() {
        let error = expected_calibration_error(&[0], &[0.5, 0.5], 2, 0).unwrap_err();
        assert_eq!(error.to_string(), "expected calibration error: bins must be at least 1, got 0");
        let error = calibration_curve(&[true, false], &[0.5, f64::NAN], 5).unwrap_err();
        assert_eq!(error.to_string(), "calibration curve: item 1 has value NaN, not a probability between 0 and 1");
        let error = calibration_curve(&[true], &[0.5, 0.5], 5).unwrap_err();
        assert_eq!(error.to_string(), "calibration curve: 1 true values but 2 predicted ones");
    }
}
