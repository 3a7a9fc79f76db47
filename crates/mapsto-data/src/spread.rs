//! How far numbers lie apart.

use std::cmp::Ordering;

/// The least, the median (of an even number the lower one) and the greatest; none of nothing.
pub(crate) fn spread<T: Copy + PartialOrd>(mut numbers: Vec<T>) -> Option<[T; 3]> {
    numbers.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let middle = numbers.len().saturating_sub(1) / 2;
    numbers.last().map(|most| [numbers[0], numbers[middle], *most])
}
