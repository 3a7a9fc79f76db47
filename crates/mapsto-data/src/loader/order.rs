//! In which order an epoch takes items.

use mapsto_tensor::Rng;

/// Batches of which the items are sorted by length together.
const WINDOW: usize = 50;

/// In which order an epoch takes items.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// As they are numbered.
    InOrder,
    /// Each once, in an order of the epoch's own.
    Shuffled,
    /// As many draws as there are items, each class equally often (to one), in an order of the epoch's own. The items of a class come
    /// equally often, too (to one): those of small classes several times, of large ones not all.
    Balanced {
        /// The class of each item.
        labels: Vec<usize>,
    },
    /// As many draws as there are items, with replacement.
    Drawn {
        /// The share of each item, of any sum above zero.
        weights: Vec<f64>,
    },
    /// Each once, in an order of the epoch's own in which a batch's items are of similar lengths, so that little fills them up: all are
    /// shuffled, 50 batches at a time sorted, and the batches shuffled. The last batch, if it is shorter, has items of any length.
    Bucketed {
        /// The length of each item.
        lengths: Vec<usize>,
    },
}

/// An item's turn: which, and how often it was drawn before in its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub item: usize,
    pub again: u32,
}

impl Order {
    /// The turns of an epoch of `len` items in batches of `batch_size`.
    pub(super) fn turns(&self, len: usize, batch_size: usize, mut chance: Rng) -> Vec<Turn> {
        let once = |item| Turn { item, again: 0 };
        let items = match self {
            Order::InOrder => return (0..len).map(once).collect(),
            Order::Shuffled => {
                let mut turns: Vec<Turn> = (0..len).map(once).collect();
                chance.shuffle(&mut turns);
                return turns;
            }
            Order::Bucketed { lengths } => {
                return bucketed(lengths, batch_size, &mut chance).into_iter().map(once).collect();
            }
            Order::Balanced { labels } => {
                let mut items = balanced(labels, &mut chance);
                chance.shuffle(&mut items);
                items
            }
            Order::Drawn { weights } => drawn(weights, &mut chance),
        };
        let mut drawn = vec![0; len];
        let turn = |item: usize| {
            drawn[item] += 1;
            Turn { item, again: drawn[item] - 1 }
        };
        items.into_iter().map(turn).collect()
    }
}

fn drawn(weights: &[f64], chance: &mut Rng) -> Vec<usize> {
    let mut total = 0.0;
    let add = |weight: &f64| {
        total += weight;
        total
    };
    let sums: Vec<f64> = weights.iter().map(add).collect();
    // Rounding may put a draw behind the last sum.
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    let mut draw = || {
        let at = chance.next_f64() * total;
        sums.partition_point(|sum| *sum <= at).min(last)
    };
    (0..weights.len()).map(|_| draw()).collect()
}

fn balanced(labels: &[usize], chance: &mut Rng) -> Vec<usize> {
    let mut classes: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
    labels.iter().enumerate().for_each(|(item, &label)| classes.entry(label).or_default().push(item));
    let mut classes: Vec<Vec<usize>> = classes.into_values().collect();
    // Which classes come once more, and which items of each, is a matter of chance.
    chance.shuffle(&mut classes);
    classes.iter_mut().for_each(|items| chance.shuffle(items));
    let count = classes.len();
    (0..labels.len()).map(|i| (&classes[i % count], i / count)).map(|(items, i)| items[i % items.len()]).collect()
}

fn bucketed(lengths: &[usize], batch_size: usize, chance: &mut Rng) -> Vec<usize> {
    let mut items: Vec<usize> = (0..lengths.len()).collect();
    chance.shuffle(&mut items);
    let whole = items.len() - items.len() % batch_size;
    let (whole, rest) = items.split_at_mut(whole);
    let window = WINDOW.saturating_mul(batch_size);
    whole.chunks_mut(window).for_each(|items| items.sort_by_key(|&item| lengths[item]));
    let mut batches: Vec<&[usize]> = whole.chunks(batch_size).collect();
    chance.shuffle(&mut batches);
    batches.push(rest);
    batches.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_items_come_equally_often() {
        let labels: Vec<usize> = [vec![7; 3], vec![2; 50], vec![9; 20]].concat();
        let order = Order::Balanced { labels: labels.clone() };
        let turns = order.turns(73, 4, Rng::new(1));
        assert_eq!(turns.len(), 73);
        let of = |class: usize| turns.iter().filter(|turn| labels[turn.item] == class).count();
        assert!([7, 2, 9].iter().all(|&class| (24..=25).contains(&of(class))));
        let count = |item: usize| turns.iter().filter(|turn| turn.item == item).count();
        assert!((0..3).all(|item| (8..=9).contains(&count(item))) && (3..53).all(|item| count(item) <= 1));
        let again: Vec<u32> = turns.iter().filter(|turn| turn.item == 0).map(|turn| turn.again).collect();
        assert!(again.iter().zip(0..).all(|(&again, i)| again == i));
        assert_ne!(turns, order.turns(73, 4, Rng::new(2)));
        assert!(turns[..20].iter().any(|turn| labels[turn.item] != labels[turns[0].item]));
    }

    #[test]
    fn weights_are_shares() {
        let order = Order::Drawn { weights: vec![0.0, 3.0, 1.0, 0.0] };
        let mut counts = [0; 4];
        (0..1000).flat_map(|epoch| order.turns(4, 4, Rng::new(epoch))).for_each(|turn| counts[turn.item] += 1);
        assert_eq!((counts[0], counts[3]), (0, 0));
        assert!((counts[1] as f64 / 4000.0 - 0.75).abs() < 0.03, "{counts:?}");
    }

    #[test]
    fn shuffled_takes_each_once() {
        let turns = Order::Shuffled.turns(100, 4, Rng::new(3));
        let mut items: Vec<usize> = turns.iter().map(|turn| turn.item).collect();
        assert!(turns.iter().all(|turn| turn.again == 0) && !items.is_sorted());
        items.sort_unstable();
        assert!(items.into_iter().eq(0..100));
        assert!(Order::InOrder.turns(5, 4, Rng::new(3)).iter().map(|turn| turn.item).eq(0..5));
        assert!(Order::Balanced { labels: vec![] }.turns(0, 4, Rng::new(3)).is_empty());
    }

    #[test]
    fn batches_are_of_similar_lengths() {
        let mut chance = Rng::new(4);
        let lengths: Vec<usize> = (0..1003).map(|_| chance.below(500) as usize).collect();
        let order = Order::Bucketed { lengths: lengths.clone() };
        let turns = order.turns(1003, 10, Rng::new(1));
        let mut items: Vec<usize> = turns.iter().map(|turn| turn.item).collect();
        assert_ne!(turns, order.turns(1003, 10, Rng::new(2)));
        assert_eq!(turns, order.turns(1003, 10, Rng::new(1)));
        let spread = |batch: &[usize]| {
            let of = || batch.iter().map(|&item| lengths[item]);
            of().max().unwrap() - of().min().unwrap()
        };
        let batches: Vec<&[usize]> = items[..1000].chunks(10).collect();
        // In windows of 50 batches, neighbours in length are 500 / 500 apart.
        let mean = batches.iter().map(|batch| spread(batch)).sum::<usize>() as f64 / 100.0;
        assert!(mean < 15.0, "{mean}");
        let shortest: Vec<usize> = batches.iter().map(|batch| lengths[batch[0]]).collect();
        assert!(!shortest[..50].is_sorted() && !shortest[50..].is_sorted());
        items.sort_unstable();
        assert!(items.into_iter().eq(0..1003));
        assert_eq!(order.turns(1003, usize::MAX, Rng::new(1)).len(), 1003);
        assert!(Order::Bucketed { lengths: vec![] }.turns(0, 4, Rng::new(1)).is_empty());
    }
}
