//! Metrics of class scores and probabilities, `[items, classes]`.

use super::{MetricError, check_table};

/// How far a row of probabilities may be from summing to 1: half-precision softmax stays well within.
const SUM_TOLERANCE: f64 = 1e-2;

/// Share of the items whose true class is among the `k` highest scores.
///
/// `scores` is `[items, classes]`, probabilities or logits. Of equal scores the higher label ranks first, as in
/// scikit-learn, so a model that scores all classes alike gains nothing.
///
/// # Errors
/// When shapes do not match, there are no items, a label is out of range, a score is NaN, or `k` is not in
/// `1..=classes`.
pub fn top_k_accuracy<T: Copy + Into<f64>>(
    truth: &[usize],
    scores: &[T],
    classes: usize,
    k: usize,
) -> Result<f64, MetricError> {
    let metric = "top-k accuracy";
    let scores = check_table(metric, truth, scores, classes)?;
    if !(1..=classes).contains(&k) {
        return Err(MetricError::Setting { metric, setting: "k", wanted: format!("1 to {classes}"), got: k });
    }
    let hits = truth.iter().zip(scores.chunks_exact(classes)).filter(|&(&label, row)| {
        let own = row[label];
        let ahead = row.iter().enumerate().filter(|&(class, &score)| score > own || (score == own && class > label));
        ahead.count() < k
    });
    Ok(hits.count() as f64 / truth.len() as f64)
}

/// Mean negative logarithm (natural) of the probability given to the true class; 0 is perfect.
///
/// `probabilities` is `[items, classes]`. They are kept at least `f64::EPSILON` from 0 and 1, so one confident mistake
/// costs at most 36.
///
/// # Errors
/// When shapes do not match, there are no items, a label is out of range, or a row is no probability distribution.
pub fn log_loss<T: Copy + Into<f64>>(truth: &[usize], probabilities: &[T], classes: usize) -> Result<f64, MetricError> {
    let probabilities = check_probabilities("log-loss", truth, probabilities, classes)?;
    let losses = truth
        .iter()
        .zip(probabilities.chunks_exact(classes))
        .map(|(&label, row)| -row[label].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln());
    Ok(losses.sum::<f64>() / truth.len() as f64)
}

/// Mean squared distance between the probabilities and the truth as 0 and 1, summed over classes (Brier 1950); 0 is
/// perfect.
///
/// `probabilities` is `[items, classes]`. With two classes the sum is halved, as is the custom and scikit-learn's
/// default: the range is 0 to 1 then, and 0 to 2 with more classes.
///
/// # Errors
/// As [`log_loss`].
pub fn brier_score<T: Copy + Into<f64>>(
    truth: &[usize],
    probabilities: &[T],
    classes: usize,
) -> Result<f64, MetricError> {
    let probabilities = check_probabilities("Brier score", truth, probabilities, classes)?;
    let distances = truth.iter().zip(probabilities.chunks_exact(classes)).flat_map(|(&label, row)| {
        row.iter().enumerate().map(move |(class, p)| (p - f64::from(u8::from(class == label))).powi(2))
    });
    let scale = if classes == 2 { 0.5 } else { 1.0 };
    Ok(scale * distances.sum::<f64>() / truth.len() as f64)
}

/// `exp` of the mean negative logarithm of the probability given to the true class: among how many equally likely classes the
/// choice is as hard; 1 is perfect.
///
/// `probabilities` is `[items, classes]`, of a language model the next token's. As [`log_loss`], of which it is the exponential.
///
/// # Errors
/// As [`log_loss`].
pub fn perplexity<T: Copy + Into<f64>>(
    truth: &[usize],
    probabilities: &[T],
    classes: usize,
) -> Result<f64, MetricError> {
    log_loss(truth, probabilities, classes).map(f64::exp)
}

/// The first of the greatest values.
pub(super) fn most_likely(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// Checks labels against a `[truth.len(), classes]` table of distributions and gives the table in `f64`.
pub(super) fn check_probabilities<T: Copy + Into<f64>>(
    metric: &'static str,
    truth: &[usize],
    probabilities: &[T],
    classes: usize,
) -> Result<Vec<f64>, MetricError> {
    let probabilities = check_table(metric, truth, probabilities, classes)?;
    for (item, row) in probabilities.chunks_exact(classes).enumerate() {
        if let Some(&value) = row.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            let wanted = "a probability between 0 and 1; apply softmax to scores first";
            return Err(MetricError::Value { metric, item, value, wanted });
        }
        let sum: f64 = row.iter().sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(MetricError::Sum { metric, item, sum });
        }
    }
    Ok(probabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_gain_nothing() {
        assert_eq!(top_k_accuracy(&[0, 0, 2], &[0.5f32; 9], 3, 1), Ok(1.0 / 3.0));
        assert_eq!(top_k_accuracy(&[0], &[f64::NEG_INFINITY, 0.0], 2, 2), Ok(1.0));
    }

    #[test]
    fn refuses_bad_input() {
        let message = |truth: &[usize], table: &[f64]| log_loss(truth, table, 2).unwrap_err().to_string();
        assert_eq!(message(&[], &[]), "log-loss: 0 items given, at least 1 needed");
        assert_eq!(message(&[0, 1], &[0.5, 0.5]), "log-loss: 2 labels and 2 classes do not fit a table of 2 values");
        assert_eq!(message(&[2], &[0.5, 0.5]), "log-loss: item 0 has label 2, but there are 2 classes (0 to 1)");
        assert_eq!(message(&[0, 1], &[0.5, 0.5, f64::NAN, 1.0]), "log-loss: item 1 has value NaN, not a number");
        assert_eq!(
            message(&[0], &[3.0, -2.0]),
            "log-loss: item 0 has value 3, not a probability between 0 and 1; apply softmax to scores first"
        );
        assert_eq!(
            message(&[0], &[0.25, 0.5]),
            "log-loss: the probabilities of item 0 sum to 0.75, not 1; apply softmax to scores first"
        );
        for k in [0, 3] {
            let error = top_k_accuracy(&[0], &[0.5, 0.5], 2, k).unwrap_err();
            assert_eq!(error.to_string(), format!("top-k accuracy: k must be 1 to 2, got {k}"));
        }
        assert!(brier_score(&[0], &[] as &[f32], 0).is_err(), "no classes");
    }
}
