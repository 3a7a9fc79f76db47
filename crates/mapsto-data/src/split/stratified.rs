//! Parts that keep the share of each class.

use super::{Folds, SplitError, check_folds, draw, folds_of, places, wanted};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One class: where its items are, and how many of them the test part takes.
struct Class {
    items: Vec<usize>,
    taken: usize,
}

impl Class {
    /// A class of two or more shows on both sides; a single item goes to either.
    fn least(&self) -> usize {
        usize::from(self.items.len() >= 2)
    }

    fn most(&self) -> usize {
        self.items.len() - self.least()
    }

    /// How far the class is below its fair share `len * test / total`, times `total`: exact in integers.
    fn lack(&self, test: usize, total: usize) -> i128 {
        self.items.len() as i128 * test as i128 - self.taken as i128 * total as i128
    }
}

/// Divides the items `0..labels.len()` at random into `(train, test)`, keeping each class's share in both.
///
/// The test part holds `round(len * test_fraction)` items, at least one and not all. Each class gives its share of them,
/// rounded by largest remainder (lower label first when equal). A class with two or more items has at least one on each
/// side; where classes are so many that the count cannot hold, the count gives way to this. Both parts come back in
/// ascending order.
///
/// `below(n)` gives a uniform number in `0..n` and is the only randomness: the same numbers give the same split.
///
/// # Errors
/// [`SplitError::Fraction`] unless `0 < test_fraction < 1`; [`SplitError::TooFew`] for fewer than two labels;
/// [`SplitError::Random`] when `below(n)` gives `n` or more.
pub fn stratified_split(
    labels: &[usize],
    test_fraction: f64,
    below: &mut impl FnMut(u64) -> u64,
) -> Result<(Vec<usize>, Vec<usize>), SplitError> {
    let total = labels.len();
    let wanted = wanted(total, test_fraction)?;
    let mut classes: Vec<Class> = places(labels).into_iter().map(|items| Class { items, taken: 0 }).collect();
    apportion(&mut classes, wanted, total);

    let (mut train, mut test) = (Vec::with_capacity(total - wanted), Vec::with_capacity(wanted));
    for Class { mut items, taken } in classes {
        draw(&mut items, taken, below)?;
        test.extend_from_slice(&items[..taken]);
        train.extend_from_slice(&items[taken..]);
    }
    train.sort_unstable();
    test.sort_unstable();
    Ok((train, test))
}

/// Divides the items `0..labels.len()` into `folds` folds at random, keeping each class's share in all of them: the folds' sizes,
/// and their numbers of items of each class, differ by one at most.
///
/// Gives `(train, test)` of each fold, both in ascending order; every item is in the test part of one fold. A class with
/// fewer items than there are folds is missing from the test part of some. `below(n)` is the only randomness, as in
/// [`stratified_split`]; where it always gives 0, the folds are those of scikit-learn's `StratifiedKFold` without shuffling.
///
/// # Errors
/// [`SplitError::Folds`] unless `2 <= folds <= labels.len()`; [`SplitError::Random`] when `below(n)` gives `n` or more.
pub fn stratified_k_fold(
    labels: &[usize],
    folds: usize,
    below: &mut impl FnMut(u64) -> u64,
) -> Result<Folds, SplitError> {
    check_folds(folds, "items", labels.len())?;
    let mut classes = places(labels);
    classes.sort_by_key(|items| items[0]);
    let mut fold_of = vec![0; labels.len()];
    let mut start = 0;
    for items in &classes {
        // Dealt out in one round after the other, where the class before it stopped: each fold gets its share of all.
        let mut dealt: Vec<usize> = (0..items.len()).map(|i| (start + i) % folds).collect();
        dealt.sort_unstable();
        draw(&mut dealt, items.len(), below)?;
        items.iter().zip(dealt).for_each(|(&item, fold)| fold_of[item] = fold);
        start += items.len();
    }
    Ok(folds_of(&fold_of, folds))
}

/// Sets how many items each class gives so that they sum to `wanted`, or as near as every class's limits allow.
fn apportion(classes: &mut [Class], wanted: usize, total: usize) {
    for class in classes.iter_mut() {
        let floor = (class.items.len() as u128 * wanted as u128 / total as u128) as usize;
        class.taken = floor.clamp(class.least(), class.most());
    }
    let mut sum: usize = classes.iter().map(|class| class.taken).sum();

    // Too few: the classes furthest below their share give one more each, which is the largest-remainder rule.
    let mut poorest: BinaryHeap<_> =
        classes.iter().enumerate().map(|(c, class)| (class.lack(wanted, total), Reverse(c))).collect();
    while sum < wanted
        && let Some((_, Reverse(c))) = poorest.pop()
    {
        let class = &mut classes[c];
        if class.taken < class.most() {
            class.taken += 1;
            sum += 1;
            poorest.push((class.lack(wanted, total), Reverse(c)));
        }
    }

    // Too many, because small classes were lifted to one: those furthest above their share give one less.
    let mut richest: BinaryHeap<_> =
        classes.iter().enumerate().map(|(c, class)| (Reverse(class.lack(wanted, total)), c)).collect();
    while sum > wanted
        && let Some((_, c)) = richest.pop()
    {
        let class = &mut classes[c];
        if class.taken > class.least() {
            class.taken -= 1;
            sum -= 1;
            richest.push((Reverse(class.lack(wanted, total)), c));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_folds, source};
    use super::*;

    fn split(labels: &[usize], fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
        stratified_split(labels, fraction, &mut source(seed)).unwrap()
    }

    /// Labels with `sizes[c]` items of class `c`, mixed.
    fn labels(sizes: &[usize]) -> Vec<usize> {
        let longest = *sizes.iter().max().unwrap();
        (0..longest).flat_map(|i| (0..sizes.len()).filter(move |&c| i < sizes[c])).collect()
    }

    fn counts(labels: &[usize], part: &[usize], classes: usize) -> Vec<usize> {
        (0..classes).map(|c| part.iter().filter(|&&i| labels[i] == c).count()).collect()
    }

    #[test]
    fn rounds_by_largest_remainder() {
        let labels = labels(&[53, 26, 21]);
        let (train, test) = split(&labels, 0.25, 1);
        // Shares 13.25, 6.5, 5.25: the one item left over goes to the middle class.
        assert_eq!(counts(&labels, &test, 3), [13, 7, 5]);
        assert_eq!(counts(&labels, &train, 3), [40, 19, 16]);
    }

    #[test]
    fn keeps_its_promises_on_many_shapes() {
        let mut random = source(7);
        for case in 0..400 {
            let sizes: Vec<usize> = (0..1 + random(8)).map(|_| 1 + random(30) as usize).collect();
            let (labels, fraction) = (labels(&sizes), (1 + random(98)) as f64 / 100.0);
            if labels.len() < 2 {
                continue;
            }
            let (train, test) = split(&labels, fraction, case);

            let mut all = [train.clone(), test.clone()].concat();
            all.sort_unstable();
            assert!(all.iter().copied().eq(0..labels.len()), "every item once: {sizes:?} {fraction}");
            assert!(train.is_sorted() && test.is_sorted());

            let (in_train, in_test) = (counts(&labels, &train, sizes.len()), counts(&labels, &test, sizes.len()));
            for (c, &size) in sizes.iter().enumerate().filter(|&(_, &size)| size >= 2) {
                assert!(in_train[c] >= 1 && in_test[c] >= 1, "class {c} of {size} on both sides: {sizes:?} {fraction}");
            }
            let lowest = sizes.iter().filter(|&&size| size >= 2).count().max(1);
            let wanted = ((labels.len() as f64 * fraction).round() as usize).clamp(lowest, labels.len() - lowest);
            assert_eq!(test.len(), wanted, "{sizes:?} {fraction}");
        }
    }

    #[test]
    fn small_classes_stand_on_both_sides() {
        let labels = labels(&[2, 2, 96]);
        let (_, test) = split(&labels, 0.1, 3);
        assert_eq!(counts(&labels, &test, 3), [1, 1, 8]);
        let (train, _) = split(&labels, 0.95, 3);
        assert_eq!(counts(&labels, &train, 3), [1, 1, 3]);
        // Ten pairs at 10 %: two items would leave eight classes out, so the count gives way.
        let pairs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].repeat(2);
        assert_eq!(split(&pairs, 0.1, 3).1.len(), 10);
        // Single items only: the count holds, and no part is empty.
        assert_eq!(split(&[5, usize::MAX], 0.01, 3).1.len(), 1);
        assert_eq!(split(&[9, 8, 7, 6, 5], 0.4, 3).1.len(), 2);
    }

    #[test]
    fn depends_on_the_random_source_alone() {
        let labels = labels(&[40, 30, 30]);
        assert_eq!(split(&labels, 0.3, 11), split(&labels, 0.3, 11));
        assert_ne!(split(&labels, 0.3, 11), split(&labels, 0.3, 12));
        // Each item is drawn about as often as any other.
        let mut drawn = [0; 100];
        (0..1000).for_each(|seed| split(&labels, 0.3, seed).1.iter().for_each(|&i| drawn[i] += 1));
        assert!(drawn.iter().all(|count| (230..370).contains(count)), "{drawn:?}");
    }

    #[test]
    fn refuses_bad_input() {
        for fraction in [0.0, 1.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
            let error = stratified_split(&[0, 1], fraction, &mut source(0)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("test fraction must lie between 0 and 1, both excluded, got {fraction}")
            );
        }
        assert_eq!(stratified_split(&[], 0.5, &mut source(0)), Err(SplitError::TooFew(0)));
        assert_eq!(stratified_split(&[3], 0.5, &mut source(0)), Err(SplitError::TooFew(1)));
        let broken = stratified_split(&[1, 1, 1], 0.5, &mut |n| n);
        assert_eq!(broken, Err(SplitError::Random { below: 3, got: 3 }));
    }

    #[test]
    fn folds_keep_the_share_of_each_class() {
        let mut random = source(5);
        for case in 0..100 {
            let sizes: Vec<usize> = (0..1 + random(6)).map(|_| 1 + random(30) as usize).collect();
            let (labels, folds) = (labels(&sizes), 2 + random(5) as usize);
            if labels.len() < folds {
                continue;
            }
            let all = stratified_k_fold(&labels, folds, &mut source(case)).unwrap();
            assert_folds(&all, labels.len());
            let least_and_most = |counts: Vec<usize>| (counts.iter().min().copied(), counts.iter().max().copied());
            for (c, &size) in sizes.iter().enumerate() {
                let counts = all.iter().map(|(_, test)| counts(&labels, test, sizes.len())[c]).collect();
                assert_eq!(least_and_most(counts), (Some(size / folds), Some(size.div_ceil(folds))), "{sizes:?}");
            }
            let sizes = all.iter().map(|(_, test)| test.len()).collect();
            assert_eq!(least_and_most(sizes), (Some(labels.len() / folds), Some(labels.len().div_ceil(folds))));
        }
        let labels = labels(&[40, 30]);
        let of = |seed| stratified_k_fold(&labels, 3, &mut source(seed)).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let too_many = stratified_k_fold(&[0, 1], 3, &mut source(0)).unwrap_err().to_string();
        let needs = "a cross-validation needs 2 folds or more and no more folds than items: 3 folds of 2 items";
        assert_eq!(too_many, needs);
    }
}
