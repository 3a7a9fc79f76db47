//! Dividing labelled data into a training and a test part.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

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
    let mut by_label = BTreeMap::<usize, Vec<usize>>::new();
    for (item, &label) in labels.iter().enumerate() {
        by_label.entry(label).or_default().push(item);
    }
    let mut classes: Vec<Class> = by_label.into_values().map(|items| Class { items, taken: 0 }).collect();
    apportion(&mut classes, wanted, total);

    let (mut train, mut test) = (Vec::with_capacity(total - wanted), Vec::with_capacity(wanted));
    for Class { mut items, taken } in classes {
        // The first `taken` steps of a Fisher-Yates shuffle draw the test items; the order of the rest is not used.
        for i in 0..taken {
            let drawn = draw(items.len() - i, below)?;
            items.swap(i, i + drawn);
        }
        test.extend_from_slice(&items[..taken]);
        train.extend_from_slice(&items[taken..]);
    }
    train.sort_unstable();
    test.sort_unstable();
    Ok((train, test))
}

/// Divides the items `0..groups.len()` at random into `(train, test)`, all items of a group on the same side: people,
/// patients, recordings of which a network should know nothing that it is tested on.
///
/// Groups go to the test part in a random order, each that brings it nearer to `len * test_fraction` items; one at least
/// does, and one stays. Both parts come back in ascending order. `below(n)` is the only randomness, as in
/// [`stratified_split`].
///
/// # Errors
/// Those of [`stratified_split`], and [`SplitError::OneGroup`] for fewer than two groups.
pub fn grouped_split(
    groups: &[usize],
    test_fraction: f64,
    below: &mut impl FnMut(u64) -> u64,
) -> Result<(Vec<usize>, Vec<usize>), SplitError> {
    let wanted = wanted(groups.len(), test_fraction)?;
    let mut by_group = BTreeMap::<usize, Vec<usize>>::new();
    for (item, &group) in groups.iter().enumerate() {
        by_group.entry(group).or_default().push(item);
    }
    let mut order: Vec<Vec<usize>> = by_group.into_values().collect();
    if order.len() < 2 {
        return Err(SplitError::OneGroup(order.len()));
    }
    for i in 0..order.len() {
        let drawn = draw(order.len() - i, below)?;
        order.swap(i, i + drawn);
    }
    // The first group is in the test part whatever its size, the last one never.
    let last = order.len() - 1;
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

/// Divides the items `0..times.len()` into `(earlier, later)`, without chance: a forecast is tested on what came after all that
/// it has learned from.
///
/// The later part holds about `len * test_fraction` items. Items of the same time stay together: those at the cut are in the
/// earlier part, unless nothing would be left of the later one. Both parts come back in the order of time, ties in the order of the items.
///
/// # Errors
/// [`SplitError::Fraction`] and [`SplitError::TooFew`] as in [`stratified_split`], the latter also where all times are the same;
/// [`SplitError::NoTime`] for a time that is not a number.
pub fn ordered_split(times: &[f64], test_fraction: f64) -> Result<(Vec<usize>, Vec<usize>), SplitError> {
    let wanted = wanted(times.len(), test_fraction)?;
    if let Some(item) = times.iter().position(|time| time.is_nan()) {
        return Err(SplitError::NoTime(item));
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
    let starts = |&cut: &usize| times[order[cut - 1]] < times[order[cut]];
    let cut = times.len() - wanted;
    let cut = (cut..times.len()).find(starts).or_else(|| (1..cut).rev().find(starts)).ok_or(SplitError::TooFew(1))?;
    let later = order.split_off(cut);
    Ok((order, later))
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

/// A number from 0 to below `rest`.
fn draw(rest: usize, below: &mut impl FnMut(u64) -> u64) -> Result<usize, SplitError> {
    let rest = rest as u64;
    let drawn = below(rest);
    if drawn >= rest {
        return Err(SplitError::Random { below: rest, got: drawn });
    }
    Ok(drawn as usize)
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
    use super::*;

    /// A small generator (SplitMix64), enough to shuffle with.
    fn source(mut state: u64) -> impl FnMut(u64) -> u64 {
        move |n| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % n
        }
    }

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
    fn groups_stay_whole() {
        let mut state = 1u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % n
        };
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
}
