//! Numbers in place of missing ones.

/// Puts numbers in place of NaN: those on the straight line between the neighbours; before the first number and behind the last one,
/// these. Gives how many, or none where there is no number at all.
pub(crate) fn fill(values: &mut [f64]) -> Option<usize> {
    let mut last: Option<usize> = None;
    let mut filled = 0;
    for place in 0..values.len() {
        if values[place].is_nan() {
            filled += 1;
            continue;
        }
        let from = last.map_or(0, |last| last + 1);
        let (start, end) = (last.map_or(values[place], |last| values[last]), values[place]);
        let steps = (place + 1 - from) as f64;
        for gap in from..place {
            let share = (gap + 1 - from) as f64 / steps;
            values[gap] = start * (1.0 - share) + end * share;
        }
        last = Some(place);
    }
    let last = last?;
    let value = values[last];
    values[last + 1..].fill(value);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn gaps_lie_on_straight_lines() {
        let nan = f64::NAN;
        let mut values = [nan, 1.0, nan, nan, 4.0, 2.0, nan, 6.0, nan, nan];
        assert_eq!(fill(&mut values), Some(6));
        assert_eq!(values, [1.0, 1.0, 2.0, 3.0, 4.0, 2.0, 4.0, 6.0, 6.0, 6.0]);
        assert_eq!(fill(&mut values), Some(0));
        assert_eq!(fill(&mut [nan, nan]), None);
        assert_eq!(fill(&mut []), None);
        let mut huge = [-f64::MAX, nan, f64::MAX];
        assert!(fill(&mut huge).is_some() && huge[1].is_finite());
    }
}
