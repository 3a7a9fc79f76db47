//! Histograms in TensorFlow's buckets.

/// The least positive limit, from which limits grow by a tenth up to the greatest.
const LEAST: f64 = 1e-12;
const GREATEST: f64 = 1e20;
const GROWTH: f64 = 1.1;

/// How often values of each size occur.
#[derive(Debug, PartialEq)]
pub(super) struct Histogram {
    pub min: f64,
    pub max: f64,
    pub count: f64,
    pub sum: f64,
    pub sum_of_squares: f64,
    /// The upper end of each bucket.
    pub limits: Vec<f64>,
    /// The number of values in each, the first one's being zero: its end is where values begin.
    pub counts: Vec<f64>,
}

impl Histogram {
    /// Of the values that are finite.
    pub fn of(values: &[f64]) -> Histogram {
        let finite = || values.iter().copied().filter(|x| x.is_finite());
        let limits = limits();
        // From each limit, with it, to the next, without it.
        let mut counts = vec![0.0; limits.len()];
        finite().for_each(|x| {
            counts[limits.partition_point(|&limit| limit <= x).saturating_sub(1).min(limits.len() - 2)] += 1.0
        });
        let first = counts.iter().position(|&count| count > 0.0);
        let last = counts.iter().rposition(|&count| count > 0.0);
        let (limits, counts) = match (first, last) {
            (Some(first), Some(last)) => {
                let counts = std::iter::once(0.0).chain(counts[first..=last].iter().copied()).collect();
                (limits[first..=last + 1].to_vec(), counts)
            }
            _ => (vec![0.0], vec![0.0]),
        };
        let count = finite().count();
        let fold = |start: f64, f: fn(f64, f64) -> f64| if count == 0 { 0.0 } else { finite().fold(start, f) };
        Histogram {
            min: fold(f64::INFINITY, f64::min),
            max: fold(f64::NEG_INFINITY, f64::max),
            count: count as f64,
            sum: finite().sum::<f64>() + 0.0,
            sum_of_squares: finite().map(|x| x * x).sum::<f64>() + 0.0,
            limits,
            counts,
        }
    }
}

fn limits() -> Vec<f64> {
    let positive: Vec<f64> = std::iter::successors(Some(LEAST), |x| Some(x * GROWTH))
        .take_while(|&x| x < GREATEST)
        .chain([f64::MAX])
        .collect();
    positive.iter().rev().map(|x| -x).chain([0.0]).chain(positive.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_is_counted_once() {
        let values = [0.0, 1e-13, -1e-13, 1.0, -1.0, 1e30, -1e30, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY];
        let histogram = Histogram::of(&values);
        assert_eq!((histogram.count, histogram.counts.iter().sum::<f64>()), (9.0, 9.0));
        assert_eq!((histogram.min, histogram.max), (f64::MIN, f64::MAX));
        assert_eq!(histogram.limits.len(), histogram.counts.len());
        assert!(histogram.limits.is_sorted() && histogram.counts[0] == 0.0);
        for nothing in [&[][..], &[f64::NAN]] {
            let histogram = Histogram::of(nothing);
            assert_eq!((histogram.count, histogram.min, histogram.max, histogram.sum), (0.0, 0.0, 0.0, 0.0));
        }
    }
}
