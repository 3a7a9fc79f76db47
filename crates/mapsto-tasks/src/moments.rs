//! The mean and the deviation of numbers.

/// What rounding may leave of a constant, as a share of it.
const ROUNDING: f64 = 1e-12;

/// The mean and the standard deviation of all numbers; 0 and 0 of none.
pub(crate) fn moments(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let (count, sum) = values.clone().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    if count == 0.0 {
        return [0.0; 2];
    }
    let mean = sum / count;
    let deviation = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    [mean, if deviation > ROUNDING * mean.abs() { deviation } else { 0.0 }]
}

#[cfg(test)]
mod tests {
    use super::moments;

    #[test]
    fn what_does_not_vary_has_no_deviation() {
        assert_eq!(moments([1.0, 3.0].into_iter()), [2.0, 1.0]);
        assert_eq!(moments([0.1; 3].into_iter())[1], 0.0);
        assert_eq!(moments(std::iter::empty()), [0.0, 0.0]);
    }
}
