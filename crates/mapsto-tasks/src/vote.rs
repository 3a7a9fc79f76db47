//! Several answers as one.

use crate::saved::Combination;

/// What several networks answer as one.
pub fn combine(each: &[Vec<f64>], how: &Combination) -> Vec<f64> {
    if let [only] = each {
        return only.clone();
    }
    let total: f64 = how.weights.iter().sum();
    let places = 0..each.first().map_or(0, Vec::len);
    if !how.median {
        let mean = |place: usize| each.iter().zip(&how.weights).map(|(one, w)| one[place] * w).sum::<f64>() / total;
        return places.map(mean).collect();
    }
    let median = |place: usize| {
        let mut sorted: Vec<(f64, f64)> = each.iter().zip(&how.weights).map(|(one, &w)| (one[place], w)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0.0;
        let reaches = |(_, weight): &&(f64, f64)| {
            sum += weight;
            sum >= total / 2.0
        };
        sorted.iter().find(reaches).map_or(f64::NAN, |(value, _)| *value)
    };
    places.map(median).collect()
}
