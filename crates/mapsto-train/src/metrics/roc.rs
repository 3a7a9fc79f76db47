//! The area under the receiver operating characteristic.

use super::{MetricError, check_lengths, check_table};

/// The chance that a random true item scores above a random false one, equal scores counting half: 1 is perfect, 0.5 is
/// guessing.
///
/// `truth` and `scores` are `[items]`; only the order of the scores matters. Computed from mid-ranks (Mann and Whitney
/// 1947).
///
/// # Errors
/// When the lengths differ, a score is NaN, or `truth` is all true or all false.
pub fn roc_auc<T: Copy + Into<f64>>(truth: &[bool], scores: &[T]) -> Result<f64, MetricError> {
    let metric = "ROC AUC";
    check_lengths(metric, truth.len(), scores.len(), 2)?;
    let mut items: Vec<(f64, bool)> = scores.iter().map(|&score| score.into()).zip(truth.iter().copied()).collect();
    if let Some(item) = items.iter().position(|(score, _)| score.is_nan()) {
        return Err(MetricError::Value { metric, item, value: f64::NAN, wanted: "a number" });
    }
    area(metric, 1, &mut items)
}

/// The mean over classes of [`roc_auc`] of that class against all others.
///
/// `scores` is `[items, classes]`: probabilities, or scores that compare between items.
///
/// # Errors
/// When shapes do not match, a label is out of range, a score is NaN, or a class has no items or all of them.
pub fn roc_auc_ovr<T: Copy + Into<f64>>(truth: &[usize], scores: &[T], classes: usize) -> Result<f64, MetricError> {
    let areas = class_areas(truth, scores, classes)?;
    Ok(areas.iter().sum::<f64>() / classes as f64)
}

/// As [`roc_auc_ovr`], each class weighted by its number of items.
///
/// # Errors
/// As [`roc_auc_ovr`].
pub fn roc_auc_ovr_weighted<T: Copy + Into<f64>>(
    truth: &[usize],
    scores: &[T],
    classes: usize,
) -> Result<f64, MetricError> {
    let areas = class_areas(truth, scores, classes)?;
    Ok(truth.iter().map(|&label| areas[label]).sum::<f64>() / truth.len() as f64)
}

/// The area of each class against all others.
fn class_areas<T: Copy + Into<f64>>(truth: &[usize], scores: &[T], classes: usize) -> Result<Vec<f64>, MetricError> {
    let metric = "one-vs-rest ROC AUC";
    let scores = check_table(metric, truth, scores, classes)?;
    let of_class = |class: usize| {
        let column = scores.iter().skip(class).step_by(classes);
        let mut items: Vec<(f64, bool)> = column.copied().zip(truth.iter().map(|&label| label == class)).collect();
        area(metric, class, &mut items)
    };
    (0..classes).map(of_class).collect()
}

/// The area for `(score, is of the class)` items without NaN.
fn area(metric: &'static str, class: usize, items: &mut [(f64, bool)]) -> Result<f64, MetricError> {
    let total = items.len();
    let own = items.iter().filter(|(_, own)| *own).count();
    if own == 0 || own == total {
        return Err(MetricError::OneSided { metric, class, items: own, total });
    }
    items.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // Pairs in which the item of the class wins, in halves so that ties stay whole numbers.
    let (mut others_below, mut half_wins) = (0u128, 0u128);
    for tied in items.chunk_by(|a, b| a.0 == b.0) {
        let own_here = tied.iter().filter(|(_, own)| *own).count() as u128;
        let others_here = tied.len() as u128 - own_here;
        half_wins += own_here * (2 * others_below + others_here);
        others_below += others_here;
    }
    Ok(half_wins as f64 / 2.0 / (own as f64 * (total - own) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_ties() {
        let truth = [false, false, true, true];
        assert_eq!(roc_auc(&truth, &[0.1f32, 0.4, 0.35, 0.8]), Ok(0.75));
        assert_eq!(roc_auc(&truth, &[1.0; 4]), Ok(0.5));
        assert_eq!(roc_auc(&truth, &[3, 4, 1, 2]), Ok(0.0));
        assert_eq!(roc_auc(&truth, &[0.0, -0.0, 0.0, -0.0]), Ok(0.5), "both zeros are equal");
    }

    #[test]
    fn refuses_bad_input() {
        assert_eq!(
            roc_auc(&[true, true], &[0.1, 0.2]).unwrap_err().to_string(),
            "ROC AUC: class 1 has 2 of 2 items; it needs some, but not all"
        );
        assert_eq!(
            roc_auc_ovr(&[0, 1], &[0.5; 6], 3).unwrap_err().to_string(),
            "one-vs-rest ROC AUC: class 2 has 0 of 2 items; it needs some, but not all"
        );
        assert_eq!(
            roc_auc(&[true, false], &[0.1, f64::NAN]).unwrap_err().to_string(),
            "ROC AUC: item 1 has value NaN, not a number"
        );
        assert_eq!(
            roc_auc(&[true, false], &[0.1]).unwrap_err().to_string(),
            "ROC AUC: 2 true values but 1 predicted ones"
        );
        assert!(roc_auc(&[], &[] as &[f32]).is_err());
    }
}
