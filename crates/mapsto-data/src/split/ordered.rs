//! Parts in the order of time.

use super::{Folds, SplitError, check_folds, wanted};

/// Divides the items `0..times.len()` into `(earlier, later)`, without chance: a forecast is tested on what came after all that
/// it has learned from.
///
/// The later part holds about `len * test_fraction` items. Items of the same time stay together: those at the cut are in the
/// earlier part, unless nothing would be left of the later one. Both parts come back in the order of time, ties in the order of the items.
///
/// # Errors
/// [`SplitError::Fraction`] and [`SplitError::TooFew`] as in [`stratified_split`](super::stratified_split), the latter
/// also where all times are the same;
/// [`SplitError::NoTime`] for a time that is not a number.
pub fn ordered_split(times: &[f64], test_fraction: f64) -> Result<(Vec<usize>, Vec<usize>), SplitError> {
    let wanted = wanted(times.len(), test_fraction)?;
    let mut order = by_time(times)?;
    let starts = |&cut: &usize| times[order[cut - 1]] < times[order[cut]];
    let cut = times.len() - wanted;
    let cut = (cut..times.len()).find(starts).or_else(|| (1..cut).rev().find(starts)).ok_or(SplitError::TooFew(1))?;
    let later = order.split_off(cut);
    Ok((order, later))
}

/// Divides the items `0..times.len()` into `folds` tests of a forecast, without chance: each learns from what came before.
///
/// Gives `(earlier, later)` of each fold, both in the order of time. The later parts are `len / (folds + 1)` items each, one behind
/// the other up to the last item. The earlier part is everything before the later one but `gap` items, which a forecast of
/// something further ahead may not know yet; items of the same time as the first of the later part are never in it. With
/// distinct times, these are the folds of scikit-learn's `TimeSeriesSplit`.
///
/// # Errors
/// [`SplitError::Folds`] unless `2 <= folds < times.len()`; [`SplitError::NoEarlier`] where a fold has nothing to learn from;
/// [`SplitError::NoTime`] for a time that is not a number.
pub fn ordered_k_fold(times: &[f64], folds: usize, gap: usize) -> Result<Folds, SplitError> {
    let items = times.len();
    check_folds(folds, "items but the first", items.saturating_sub(1))?;
    let order = by_time(times)?;
    let size = items / (folds + 1);
    let fold = |fold: usize| {
        let start = items - (folds - fold) * size;
        let known = order[..start].partition_point(|&item| times[item] < times[order[start]]);
        let earlier = &order[..known.min(start.saturating_sub(gap))];
        match earlier.is_empty() {
            true => Err(SplitError::NoEarlier { fold, folds, gap }),
            false => Ok((earlier.to_vec(), order[start..start + size].to_vec())),
        }
    };
    (0..folds).map(fold).collect()
}

/// The items in the order of time, ties in their own order.
fn by_time(times: &[f64]) -> Result<Vec<usize>, SplitError> {
    if let Some(item) = times.iter().position(|time| time.is_nan()) {
        return Err(SplitError::NoTime(item));
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    // Zeros are equal whatever their sign.
    order.sort_by(|&a, &b| (times[a] + 0.0).total_cmp(&(times[b] + 0.0)));
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_part_comes_after_the_earlier() {
        let (earlier, later) = ordered_split(&[3.0, 1.0, 2.0, 0.0], 0.25).unwrap();
        assert_eq!((earlier, later), (vec![3, 1, 2], vec![0]));
        // Ties at the cut go to the earlier part, or to the later one where nothing else would be left of it.
        assert_eq!(ordered_split(&[0.0, 1.0, 1.0, 2.0], 0.5).unwrap(), (vec![0, 1, 2], vec![3]));
        assert_eq!(ordered_split(&[0.0, 1.0, 1.0, 1.0], 0.25).unwrap(), (vec![0], vec![1, 2, 3]));
        assert_eq!(ordered_split(&[1.0, 1.0], 0.5), Err(SplitError::TooFew(1)));
        assert_eq!(ordered_split(&[1.0, f64::NAN], 0.5), Err(SplitError::NoTime(1)));
        assert_eq!(ordered_split(&[1.0, 2.0], 1.0), Err(SplitError::Fraction(1.0)));
    }

    #[test]
    fn folds_go_forward_in_time() {
        // Blocks of one item, so that four come before the first of them.
        let times = [5.0, 1.0, 4.0, 2.0, 3.0, 0.0, 6.0];
        let (first, second) = ((vec![5, 1, 3, 4], vec![2]), (vec![5, 1, 3, 4, 2], vec![0]));
        assert_eq!(ordered_k_fold(&times, 3, 0).unwrap(), [first, second, (vec![5, 1, 3, 4, 2, 0], vec![6])]);
        // Nothing is learned from an item of the same time as one that is tested.
        let tied = ordered_k_fold(&[0.0, 1.0, 1.0, 1.0, 2.0, -0.0], 2, 0).unwrap();
        assert_eq!(tied, [(vec![0, 5], vec![1, 2]), (vec![0, 5], vec![3, 4])]);
        assert_eq!(
            ordered_k_fold(&[0.0, 1.0, 2.0, 3.0], 4, 0),
            Err(SplitError::Folds { folds: 4, what: "items but the first", got: 3 })
        );
        let said = ordered_k_fold(&[0.0, 1.0, 2.0], 2, 1).unwrap_err().to_string();
        assert_eq!(
            said,
            "fold 0 of 2 has no item to learn from 1 or more items before those that it is tested on; ask for fewer folds or a smaller gap"
        );
        let said = ordered_k_fold(&[1.0; 6], 2, 0).unwrap_err().to_string();
        assert_eq!(
            said,
            "fold 0 of 2 has no item to learn from that is earlier than those that it is tested on; ask for fewer folds"
        );
        assert_eq!(ordered_k_fold(&[0.0, f64::NAN, 1.0], 2, 0), Err(SplitError::NoTime(1)));
    }
}
