//! Several networks that become one.

use crate::error::TaskError;
use crate::examples::{Answers, Examples, Given, Truth};
use crate::predictor::answers as answers_of;
use crate::run::network;
use crate::saved::Combination;
use crate::settings::Method;
use crate::stage::{Context, Stage};
use mapsto_nn::StateDict;
use mapsto_tensor::Rng;
use serde_json::json;

/// The least and greatest of a member's mistakes that boosting counts: the logarithm of none is infinite.
const ERROR: f64 = 1e-6;

/// Trains the network, or the members of an ensemble one after another; gives their weights, and how they count.
pub(crate) fn learn<E: Examples>(
    context: &mut Context<'_, E>,
    parts: &Given,
    preparation: &E::Preparation,
    answers: &Answers,
) -> Result<(Vec<StateDict>, Combination), TaskError> {
    let ensemble = context.settings.ensemble;
    let first = context.settings.training.seed;
    let seed = Rng::new(first);
    let stage = |number: usize, train: Vec<usize>, weights: Option<Vec<f64>>| Stage {
        name: format!("member-{}", number + 1),
        train,
        validation: parts.validation.clone(),
        weights,
        // The first member's seed is the run's own: an ensemble of one is the network.
        seed: if number == 0 { first } else { seed.fork(number as u64).key() },
    };
    match ensemble.method {
        Method::Single | Method::Snapshot | Method::Average => {
            let stage = Stage { name: "network".into(), ..stage(0, parts.train.clone(), None) };
            let weights = context.learn(&stage, preparation, answers)?;
            let combination = Combination::mean(weights.len());
            Ok((weights, combination))
        }
        Method::Bagging => {
            let mut members = Vec::new();
            for number in 0..ensemble.members {
                let mut rng = seed.split("bagging").fork(number as u64);
                let count = parts.train.len();
                let drawn = (0..count).map(|_| parts.train[rng.below(count as u64) as usize]).collect();
                members.extend(context.learn(&stage(number, drawn, None), preparation, answers)?);
            }
            let combination = Combination::mean(members.len());
            Ok((members, combination))
        }
        Method::Boosting => {
            let mut shares = vec![1.0 / parts.train.len() as f64; parts.train.len()];
            let (mut members, mut weights) = (Vec::new(), Vec::new());
            for number in 0..ensemble.members {
                let stage = stage(number, parts.train.clone(), Some(shares.clone()));
                let learned = context.learn(&stage, preparation, answers)?;
                let round = mistakes(context, &learned[0], parts, preparation, answers)?;
                let Some(weight) = reweigh(&mut shares, &round, answers) else {
                    // No better than chance: it does not count, and nothing more can be learned from its mistakes.
                    if members.is_empty() {
                        (members, weights) = (learned, vec![1.0]);
                    }
                    break;
                };
                members.extend(learned);
                weights.push(weight);
                context.observer.stage_end(&json!({"event": "member", "member": number + 1, "weight": weight}))?;
            }
            let median = matches!(answers, Answers::Number { .. });
            Ok((members, Combination { weights, median }))
        }
    }
}

/// How wrong a member is on each training example, from 0 to 1.
fn mistakes<E: Examples>(
    context: &Context<'_, E>,
    weights: &StateDict,
    parts: &Given,
    preparation: &E::Preparation,
    answers: &Answers,
) -> Result<Vec<f64>, TaskError> {
    let (settings, examples) = (context.settings, context.examples);
    let member = network::<E>(settings, preparation, answers, weights)?;
    let mut said = Vec::new();
    for chunk in parts.train.chunks(examples.chunk().max(1)) {
        said.extend(answers_of::<E>(&member, &examples.input(&settings.config, preparation, chunk)?, answers)?);
    }
    Ok(match examples.truth() {
        Truth::Classes { labels, names } => {
            let best =
                |row: &[f64]| (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
            let right = said.chunks(names.len()).zip(&parts.train).map(|(row, &item)| best(row) == labels[item]);
            right.map(|right| f64::from(u8::from(!right))).collect()
        }
        Truth::Numbers { values, .. } => {
            let off: Vec<f64> =
                said.iter().zip(&parts.train).map(|(said, &item)| (said - values[item]).abs()).collect();
            let most = off.iter().fold(0.0, |most: f64, &off| most.max(off));
            off.into_iter().map(|off| if most > 0.0 { off / most } else { 0.0 }).collect()
        }
    })
}

/// The weight of a member with these mistakes, and shares of the examples for the next one; none for a member that is no better
/// than chance. SAMME for classes, R2 (with the linear loss) for numbers.
fn reweigh(shares: &mut [f64], mistakes: &[f64], answers: &Answers) -> Option<f64> {
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
