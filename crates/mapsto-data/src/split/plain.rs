//! Folds at random.

use super::{Folds, SplitError, check_folds, draw, folds_of};

/// Divides the items `0..items` into `folds` folds at random, whose sizes differ by one at most.
///
/// Gives `(train, test)` of each fold, both in ascending order; every item is in the test part of one fold. `below(n)` gives a
/// uniform number in `0..n` and is the only randomness; where it always gives 0, the folds are those of scikit-learn's `KFold`
/// without shuffling.
///
/// # Errors
/// [`SplitError::Folds`] unless `2 <= folds <= items`; [`SplitError::Random`] when `below(n)` gives `n` or more.
pub fn k_fold(items: usize, folds: usize, below: &mut impl FnMut(u64) -> u64) -> Result<Folds, SplitError> {
    check_folds(folds, "items", items)?;
    let mut order: Vec<usize> = (0..items).collect();
    draw(&mut order, items, below)?;
    let mut fold_of = vec![0; items];
    let longer = items % folds;
    for (place, &item) in order.iter().enumerate() {
        // The first folds have the items that are left over, one each.
        let (size, longest) = (items / folds, longer * (items / folds + 1));
        fold_of[item] = if place < longest { place / (size + 1) } else { longer + (place - longest) / size };
    }
    Ok(folds_of(&fold_of, folds))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_folds, source};
    use super::*;

    #[test]
    fn every_item_is_tested_once() {
        for (items, folds) in [(2, 2), (10, 3), (11, 5), (7, 7), (100, 2)] {
            let all = k_fold(items, folds, &mut source(items as u64)).unwrap();
            assert_folds(&all, items);
            assert!(all.iter().all(|(_, test)| [items / folds, items.div_ceil(folds)].contains(&test.len())));
        }
        assert_eq!(k_fold(30, 3, &mut source(1)), k_fold(30, 3, &mut source(1)));
        assert_ne!(k_fold(30, 3, &mut source(1)), k_fold(30, 3, &mut source(2)));
    }

    #[test]
    fn folds_without_items_are_refused() {
        for (items, folds) in [(0, 2), (5, 0), (5, 1), (5, 6)] {
            let expected = Err(SplitError::Folds { folds, what: "items", got: items });
            assert_eq!(k_fold(items, folds, &mut source(0)), expected);
        }
        assert_eq!(k_fold(4, 2, &mut |n| n), Err(SplitError::Random { below: 4, got: 4 }));
    }
}
