//! What the next member of a boosted ensemble learns more of.

use crate::examples::{Answers, Truth};

/// The least and greatest of a member's mistakes that boosting counts: the logarithm of none is infinite.
const ERROR: f64 = 1e-6;

/// How wrong answers are on each of some examples, from 0 to 1.
pub(crate) fn mistakes(truth: &Truth, items: &[usize], said: &[f64]) -> Vec<f64> {
    match truth {
        Truth::Classes { labels, names } => {
            let best =
                |row: &[f64]| (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
            let right = said.chunks(names.len()).zip(items).map(|(row, &item)| best(row) == labels[item]);
            right.map(|right| f64::from(u8::from(!right))).collect()
        }
        Truth::Numbers { values, .. } => {
            let off: Vec<f64> = said.iter().zip(items).map(|(said, &item)| (said - values[item]).abs()).collect();
            let most = off.iter().fold(0.0, |most: f64, &off| most.max(off));
            off.into_iter().map(|off| if most > 0.0 { off / most } else { 0.0 }).collect()
        }
    }
}

/// The weight of a member with these mistakes, and shares of the examples for the next one; none for a member that is no better
/// than chance. SAMME for classes, R2 (with the linear loss) for numbers.
pub(crate) fn reweigh(shares: &mut [f64], mistakes: &[f64], answers: &Answers) -> Option<f64> {
    let error: f64 = shares.iter().zip(mistakes).map(|(share, mistake)| share * mistake).sum();
    let error = error.max(ERROR);
    let weight = match answers {
        Answers::Classes { names } => ((1.0 - error) / error).ln() + (names.len().max(2) as f64 - 1.0).ln(),
        Answers::Number { .. } => ((1.0 - error) / error).ln(),
    };
    if !(weight > 0.0) || error >= 1.0 {
        return None;
    }
    for (share, mistake) in shares.iter_mut().zip(mistakes) {
        *share *= match answers {
            Answers::Classes { .. } => (weight * mistake).exp(),
            Answers::Number { .. } => (error / (1.0 - error)).powf(1.0 - mistake),
        };
    }
    let sum: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= sum);
    Some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrong_counts_more() {
        let classes = Answers::Classes { names: vec!["a".into(), "b".into()] };
        let mut shares = vec![0.25; 4];
        let weight = reweigh(&mut shares, &[1.0, 0.0, 0.0, 0.0], &classes).unwrap();
        assert!((weight - 3f64.ln()).abs() <= 1e-12);
        // SAMME of two classes: the wrong ones have half of all weight afterwards.
        assert!((shares[0] - 0.5).abs() <= 1e-12 && (shares[1] - 1.0 / 6.0).abs() <= 1e-12, "{shares:?}");
        assert!(reweigh(&mut [0.5; 2], &[1.0, 1.0], &classes).is_none());
        let number = Answers::Number { name: "y".into(), mean: 0.0, deviation: 1.0 };
        let mut shares = vec![0.25; 4];
        let weight = reweigh(&mut shares, &[1.0, 0.0, 0.0, 0.0], &number).unwrap();
        // R2: beta = 1/3 for what was exact.
        assert!((weight - 3f64.ln()).abs() <= 1e-12 && (shares[0] - 0.5).abs() <= 1e-12, "{shares:?}");
    }
}
