//! Several networks that become one.

use crate::boosting::{self, Boosting};
use crate::error::TaskError;
use crate::run::network;
use crate::saved::Combination;
use crate::settings::Method;
use crate::stage::{Context, Stage};
use crate::task::{Given, Task};
use mapsto_nn::StateDict;
use mapsto_tensor::Rng;
use serde_json::json;

/// Trains the network, or the members of an ensemble one after another; gives their weights, and how they count.
pub(crate) fn learn<T: Task>(
    context: &mut Context<'_, T>,
    parts: &Given,
    preparation: &T::Preparation,
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
            let weights = context.learn(&stage, preparation)?;
            let combination = Combination::mean(weights.len());
            Ok((weights, combination))
        }
        Method::Bagging => {
            let mut members = Vec::new();
            for number in 0..ensemble.members {
                let mut rng = seed.split("bagging").fork(number as u64);
                let count = parts.train.len();
                let drawn = (0..count).map(|_| parts.train[rng.below(count as u64) as usize]).collect();
                members.extend(context.learn(&stage(number, drawn, None), preparation)?);
            }
            let combination = Combination::mean(members.len());
            Ok((members, combination))
        }
        Method::Boosting => {
            let (settings, task) = (context.settings, context.task);
            let count = boosting::count(task, settings, preparation, &parts.train)?;
            let how = T::boosting(preparation);
            let mut shares = vec![1.0 / count as f64; count];
            let (mut members, mut weights) = (Vec::new(), Vec::new());
            for number in 0..ensemble.members {
                let stage = stage(number, parts.train.clone(), Some(shares.clone()));
                let learned = context.learn(&stage, preparation)?;
                let member = network::<T>(settings, preparation, &learned[0])?;
                let mistakes = task.mistakes(settings, &member, preparation, &parts.train)?;
                let Some(weight) = boosting::reweigh(&mut shares, &mistakes, how) else {
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
            Ok((members, Combination { weights, median: how == Boosting::Numbers }))
        }
    }
}
