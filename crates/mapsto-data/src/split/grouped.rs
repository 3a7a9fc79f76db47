//! Parts in which groups stay whole.

use super::{Folds, SplitError, check_folds, draw, folds_of, places, wanted};
use std::cmp::Reverse;

/// Divides the items `0..groups.len()` at random into `(train, test)`, all items of a group on the same side: people,
/// patients, recordings of which a network should know nothing that it is tested on.
///
/// Groups go to the test part in a random order, each that brings it nearer to `len * test_fraction` items; one at least
/// does, and one stays. Both parts come back in ascending order. `below(n)` is the only randomness, as in
/// [`stratified_split`](super::stratified_split).
///
/// # Errors
/// Those of [`stratified_split`](super::stratified_split), and [`SplitError::OneGroup`] for fewer than two groups.
pub fn grouped_split(
    groups: &[usize],
    test_fraction: f64,
    below: &mut impl FnMut(u64) -> u64,
) -> Result<(Vec<usize>, Vec<usize>), SplitError> {
    let wanted = wanted(groups.len(), test_fraction)?;
    let mut order = places(groups);
    if order.len() < 2 {
        return Err(SplitError::OneGroup(order.len()));
    }
    // The first group is in the test part whatever its size, the last one never.
    let last = order.len() - 1;
    draw(&mut order, last + 1, below)?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (i, items) in order.into_iter().enumerate() {
        let nearer = (test.len() + items.len()).abs_diff(wanted) < test.len().abs_diff(wanted);
        let part = if i == 0 || (nearer && i < last) { &mut test } else { &mut train };
        part.extend(items);
    }
    train.sort_unstable();
    test.sort_unstable();
    Ok((train, test))
}

/// Divides the items `0..groups.len()` into `folds` folds of about the same size, all items of a group in the same one.
///
/// Gives `(train, test)` of each fold, both in ascending order; every item is in the test part of one fold. Groups go to the
/// fold that is smallest so far, the largest group first, as in scikit-learn's `GroupKFold`; those of the same size in a
/// random order. `below(n)` is the only randomness, as in [`grouped_split`].
///
/// # Errors
/// [`SplitError::Folds`] unless `2 <= folds` and there are as many groups; [`SplitError::Random`] when `below(n)` gives `n` or
/// more.
pub fn grouped_k_fold(groups: &[usize], folds: usize, below: &mut impl FnMut(u64) -> u64) -> Result<Folds, SplitError> {
    let mut order = places(groups);
    check_folds(folds, "groups", order.len())?;
    let count = order.len();
    draw(&mut order, count, below)?;
    order.sort_by_key(|items| Reverse(items.len()));
    let (mut fold_of, mut sizes) = (vec![0; groups.len()], vec![0; folds]);
    for items in order {
        let smallest = (0..folds).min_by_key(|&fold| sizes[fold]).unwrap_or(0);
        sizes[smallest] += items.len();
        items.iter().for_each(|&item| fold_of[item] = smallest);
    }
    Ok(folds_of(&fold_of, folds))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_folds, source};
    use super::*;

    #[test]
    fn groups_stay_whole() {
        let mut below = source(1);
        for sizes in [vec![1, 1], vec![5, 1], vec![3; 20], (1..30).collect(), vec![100, 1, 1, 1]] {
            let groups: Vec<usize> = sizes.iter().enumerate().flat_map(|(g, &size)| vec![7 * g; size]).collect();
            let (train, test) = grouped_split(&groups, 0.25, &mut below).unwrap();
            let of = |part: &[usize]| part.iter().map(|&i| groups[i]).collect::<std::collections::BTreeSet<_>>();
            assert!(of(&train).is_disjoint(&of(&test)) && !train.is_empty() && !test.is_empty(), "{sizes:?}");
            let mut all = [train, test.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..groups.len()).collect::<Vec<_>>());
            if sizes == vec![3; 20] {
                assert_eq!(test.len(), 15);
            }
        }
        assert_eq!(grouped_split(&[4, 4, 4], 0.5, &mut below), Err(SplitError::OneGroup(1)));
        assert_eq!(grouped_split(&[4, 5], 0.5, &mut |n| n), Err(SplitError::Random { below: 2, got: 2 }));
    }

    #[test]
    fn folds_of_whole_groups_are_of_about_the_same_size() {
        for sizes in [vec![1, 1], vec![3; 20], (1..30).collect(), vec![100, 1, 1, 1]] {
            let groups: Vec<usize> = sizes.iter().enumerate().flat_map(|(g, &size)| vec![7 * g; size]).collect();
            for folds in 2..sizes.len().min(6) {
                let all = grouped_k_fold(&groups, folds, &mut source(3)).unwrap();
                assert_folds(&all, groups.len());
                for (train, test) in &all {
                    assert!(test.iter().all(|&i| train.iter().all(|&j| groups[i] != groups[j])));
                }
                let tested = || all.iter().map(|(_, test)| test.len());
                let largest = sizes.iter().max().copied().unwrap_or(0);
                assert!(tested().max().unwrap() - tested().min().unwrap() <= largest);
            }
        }
        let groups: Vec<usize> = (0..60).map(|i| i / 3).collect();
        let of = |seed| grouped_k_fold(&groups, 3, &mut source(seed)).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let too_many = grouped_k_fold(&[4, 5, 5], 3, &mut source(0)).unwrap_err().to_string();
        assert!(too_many.ends_with("no more folds than groups: 3 folds of 2 groups"), "{too_many}");
    }
}
