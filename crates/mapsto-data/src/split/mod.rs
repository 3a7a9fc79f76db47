//! Dividing data into parts: once, or into folds of which each is the test part in turn.

mod grouped;
mod ordered;
mod plain;
mod stratified;

pub use grouped::{grouped_k_fold, grouped_split};
pub use ordered::{ordered_k_fold, ordered_split};
pub use plain::k_fold;
pub use stratified::{stratified_k_fold, stratified_split};

use std::collections::BTreeMap;

/// `(train, test)` of each fold of a cross-validation.
pub type Folds = Vec<(Vec<usize>, Vec<usize>)>;

/// Why data could not be divided.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The fraction leaves one part without a share.
    #[error("test fraction must lie between 0 and 1, both excluded, got {0}")]
    Fraction(f64),
    /// Two parts need two items.
    #[error("a split needs at least 2 items, got {0}")]
    TooFew(usize),
    /// A group stays whole, and one cannot stand on both sides.
    #[error("a split by groups needs at least 2 groups, got {0}")]
    OneGroup(usize),
    /// More folds than items or groups to share among them, or one.
    #[error("a cross-validation needs 2 folds or more and no more folds than {what}: {folds} folds of {got} {what}")]
    Folds {
        /// The folds asked for.
        folds: usize,
        /// What is shared among them.
        what: &'static str,
        /// How many there are.
        got: usize,
    },
    /// The first folds leave nothing to learn from.
    #[error(
        "fold {fold} of {folds} has no item to learn from{}; ask for fewer folds{}",
        if *gap > 0 { format!(" {gap} or more items before those that it is tested on") } else { " that is earlier than those that it is tested on".into() },
        if *gap > 0 { " or a smaller gap" } else { "" }
    )]
    NoEarlier {
        /// The fold, from 0.
        fold: usize,
        /// The folds asked for.
        folds: usize,
        /// Items that are left out before those of the test.
        gap: usize,
    },
    /// A time that is not known has no place in an order.
    #[error("item {0} has no time: leave it out")]
    NoTime(usize),
    /// The random source broke its promise.
    #[error("the random source gave {got} where a number below {below} was asked for")]
    Random {
        /// The bound asked for.
        below: u64,
        /// The number given.
        got: u64,
    },
}

/// Items of the test part: at least one, and not all.
fn wanted(total: usize, test_fraction: f64) -> Result<usize, SplitError> {
    if !(test_fraction > 0.0 && test_fraction < 1.0) {
        return Err(SplitError::Fraction(test_fraction));
    }
    if total < 2 {
        return Err(SplitError::TooFew(total));
    }
    Ok(((total as f64 * test_fraction).round() as usize).clamp(1, total - 1))
}

/// Puts `count` items drawn at random in front (the first steps of a Fisher-Yates shuffle).
fn draw<T>(items: &mut [T], count: usize, below: &mut impl FnMut(u64) -> u64) -> Result<(), SplitError> {
    for i in 0..count {
        let rest = (items.len() - i) as u64;
        let drawn = below(rest);
        if drawn >= rest {
            return Err(SplitError::Random { below: rest, got: drawn });
        }
        items.swap(i, i + drawn as usize);
    }
    Ok(())
}

/// Where the items of each label are, the least label first.
fn places(labels: &[usize]) -> Vec<Vec<usize>> {
    let mut counts = BTreeMap::<usize, usize>::new();
    labels.iter().for_each(|label| *counts.entry(*label).or_default() += 1);
    let mut places: BTreeMap<usize, Vec<usize>> =
        counts.into_iter().map(|(label, count)| (label, Vec::with_capacity(count))).collect();
    for (item, &label) in labels.iter().enumerate() {
        places.entry(label).or_default().push(item);
    }
    places.into_values().collect()
}

/// Fails unless `folds` parts can each have one of `got` things, or more.
fn check_folds(folds: usize, what: &'static str, got: usize) -> Result<(), SplitError> {
    if folds < 2 || folds > got { Err(SplitError::Folds { folds, what, got }) } else { Ok(()) }
}

/// The items of each fold in turn as the test part, all others as the training part, both in ascending order.
///
/// `fold_of` has the fold of each item.
fn folds_of(fold_of: &[usize], folds: usize) -> Folds {
    (0..folds).map(|fold| (0..fold_of.len()).partition(|&item| fold_of[item] != fold)).collect()
}

#[cfg(test)]
mod testing {
    use super::Folds;

    /// A small generator (SplitMix64), enough to shuffle with.
    pub fn source(mut state: u64) -> impl FnMut(u64) -> u64 {
        move |n| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % n
        }
    }

    /// Fails unless every item is tested once and learned from in all other folds, and parts ascend.
    pub fn assert_folds(folds: &Folds, items: usize) {
        let mut tested = vec![0; items];
        for (train, test) in folds {
            assert!(train.is_sorted() && test.is_sorted() && !test.is_empty() && !train.is_empty());
            test.iter().for_each(|&item| tested[item] += 1);
            let mut all = [&train[..], test].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..items));
        }
        assert!(tested.iter().all(|&times| times == 1), "{tested:?}");
    }
}
