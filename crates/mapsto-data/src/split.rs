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
    if !(test_fraction > 0.0 && test_fraction < 1.0) {
        return Err(SplitError::Fraction(test_fraction));
    }
    let total = labels.len();
    if total < 2 {
        return Err(SplitError::TooFew(total));
    }

    let mut by_label = BTreeMap::<usize, Vec<usize>>::new();
    for (item, &label) in labels.iter().enumerate() {
        by_label.entry(label).or_default().push(item);
    }
    let mut classes: Vec<Class> = by_label.into_values().map(|items| Class { items, taken: 0 }).collect();
    let wanted = ((total as f64 * test_fraction).round() as usize).clamp(1, total - 1);
    apportion(&mut classes, wanted, total);

    let (mut train, mut test) = (Vec::with_capacity(total - wanted), Vec::with_capacity(wanted));
    for Class { mut items, taken } in classes {
        // The first `taken` steps of a Fisher-Yates shuffle draw the test items; the order of the rest is not used.
        for i in 0..taken {
            let rest = (items.len() - i) as u64;
            let drawn = below(rest);
            if drawn >= rest {
                return Err(SplitError::Random { below: rest, got: drawn });
            }
            items.swap(i, i + drawn as usize);
        }
        test.extend_from_slice(&items[..taken]);
        train.extend_from_slice(&items[taken..]);
    }
    train.sort_unstable();
    test.sort_unstable();
    Ok((train, test))
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
}
