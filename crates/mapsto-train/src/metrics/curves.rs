//! Curves over all thresholds of a score: receiver operating characteristic, precision and recall.

use serde::Serialize;

use super::{MetricError, check_lengths};

/// A point of the receiver operating characteristic: what holds when items at or above a threshold are taken for true.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// The least score that is taken for true; none at the beginning, where no item is.
    pub threshold: Option<f64>,
    /// Share of the false items that are taken for true.
    pub false_positive_rate: f64,
    /// Share of the true items that are taken for true.
    pub true_positive_rate: f64,
}

/// A point of the curve of precision and recall: what holds when items at or above a threshold are taken for true.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrecisionRecallPoint {
    /// The least score that is taken for true; none at the beginning, where no item is.
    pub threshold: Option<f64>,
    /// Share of the items taken for true that are; 1 where none is taken.
    pub precision: f64,
    /// Share of the true items that are taken for true.
    pub recall: f64,
}

/// The receiver operating characteristic: a point for each distinct score, from (0, 0) to (1, 1).
///
/// `truth` and `scores` are `[items]`. Scikit-learn's `roc_curve` gives these points with `drop_intermediate=False`.
///
/// # Errors
/// When the lengths differ, a score is NaN, or `truth` is all true or all false.
pub fn roc_curve<T: Copy + Into<f64>>(truth: &[bool], scores: &[T]) -> Result<Vec<RocPoint>, MetricError> {
    let ranking = Ranking::of("ROC curve", truth, scores)?;
    let Ranking { own, total, .. } = ranking;
    if own == total {
        return Err(MetricError::OneSided { metric: "ROC curve", class: 1, items: own, total });
    }
    let start = RocPoint { threshold: None, false_positive_rate: 0.0, true_positive_rate: 0.0 };
    let point = |&(threshold, taken, right): &(f64, usize, usize)| RocPoint {
        threshold: Some(threshold),
        false_positive_rate: (taken - right) as f64 / (total - own) as f64,
        true_positive_rate: right as f64 / own as f64,
    };
    Ok(std::iter::once(start).chain(ranking.steps.iter().map(point)).collect())
}

/// Precision and recall for each distinct score, from recall 0 to 1.
///
/// `truth` and `scores` are `[items]`. Scikit-learn's `precision_recall_curve` gives these points in reverse.
///
/// # Errors
/// When the lengths differ, a score is NaN, or nothing of `truth` is true.
pub fn precision_recall_curve<T: Copy + Into<f64>>(
    truth: &[bool],
    scores: &[T],
) -> Result<Vec<PrecisionRecallPoint>, MetricError> {
    let ranking = Ranking::of("precision-recall curve", truth, scores)?;
    let start = PrecisionRecallPoint { threshold: None, precision: 1.0, recall: 0.0 };
    let point = |&(threshold, taken, right): &(f64, usize, usize)| PrecisionRecallPoint {
        threshold: Some(threshold),
        precision: right as f64 / taken as f64,
        recall: right as f64 / ranking.own as f64,
    };
    Ok(std::iter::once(start).chain(ranking.steps.iter().map(point)).collect())
}

/// The mean of the precisions at each distinct score, weighted by what each adds to the recall; 1 is perfect, the share of
/// true items is guessing.
///
/// `truth` and `scores` are `[items]`.
///
/// # Errors
/// When the lengths differ, a score is NaN, or nothing of `truth` is true.
pub fn average_precision<T: Copy + Into<f64>>(truth: &[bool], scores: &[T]) -> Result<f64, MetricError> {
    let Ranking { steps, own, .. } = Ranking::of("average precision", truth, scores)?;
    let mut before = 0;
    let parts = steps.iter().map(|&(_, taken, right)| {
        let added = right - std::mem::replace(&mut before, right);
        added as f64 * right as f64 / taken as f64
    });
    Ok(parts.sum::<f64>() / own as f64)
}

/// What is taken for true as the threshold falls.
struct Ranking {
    /// Each distinct score, falling, with the numbers of items and of true items at or above it.
    steps: Vec<(f64, usize, usize)>,
    /// Number of true items.
    own: usize,
    /// Number of items.
    total: usize,
}

impl Ranking {
    /// Of scores that are numbers, at least one of them of a true item.
    fn of<T: Copy + Into<f64>>(metric: &'static str, truth: &[bool], scores: &[T]) -> Result<Ranking, MetricError> {
        check_lengths(metric, truth.len(), scores.len(), 1)?;
        let mut items: Vec<(f64, bool)> = scores.iter().map(|&score| score.into()).zip(truth.iter().copied()).collect();
        if let Some(item) = items.iter().position(|(score, _)| score.is_nan()) {
            return Err(MetricError::Value { metric, item, value: f64::NAN, wanted: "a number" });
        }
        let own = truth.iter().filter(|&&own| own).count();
        if own == 0 {
            return Err(MetricError::OneSided { metric, class: 1, items: 0, total: items.len() });
        }
        items.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut taken, mut right) = (0, 0);
        let steps = items.chunk_by(|a, b| a.0 == b.0).map(|tied| {
            taken += tied.len();
            right += tied.iter().filter(|(_, own)| *own).count();
            (tied[0].0, taken, right)
        });
        Ok(Ranking { steps: steps.collect(), own, total: items.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_bad_input() {
        let said = [
            roc_curve(&[true, true], &[0.1, 0.2]).unwrap_err(),
            roc_curve(&[false], &[0.1]).unwrap_err(),
            precision_recall_curve(&[true, false], &[0.1, f32::NAN]).unwrap_err(),
            average_precision(&[true], &[0.1, 0.2]).unwrap_err(),
            average_precision(&[], &[] as &[f64]).unwrap_err(),
        ];
        let expected = [
            "ROC curve: class 1 has 2 of 2 items; it needs some, but not all",
            "ROC curve: class 1 has 0 of 1 items; it needs some, but not all",
            "precision-recall curve: item 1 has value NaN, not a number",
            "average precision: 1 true values but 2 predicted ones",
            "average precision: 0 items given, at least 1 needed",
        ];
        assert_eq!(said.map(|error| error.to_string()), expected);
    }

    #[test]
    fn equal_scores_are_one_step() {
        let flat = roc_curve(&[true, false, true], &[0.0, -0.0, 0.0]).unwrap();
        assert_eq!(flat.len(), 2);
        assert_eq!((flat[1].false_positive_rate, flat[1].true_positive_rate), (1.0, 1.0));
        assert_eq!(average_precision(&[true, true], &[0.5, 0.25]), Ok(1.0));
    }
}
