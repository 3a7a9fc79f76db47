//! What the next member of a boosted ensemble learns more of.

use crate::error::TaskError;
use crate::examples::Truth;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::task::{Task, finite};
use mapsto_data::Order;
use mapsto_tensor::no_grad;
use mapsto_train::TrainError;

/// The least of a member's mistakes that boosting counts: the logarithm of none is infinite.
const ERROR: f64 = 1e-6;
/// The share of the examples, by their weights, whose losses count as mistakes: those with the largest.
const HARDEST: f64 = 0.25;

/// What boosting takes for a mistake, and how its members become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boosting {
    /// Another class than the right one of so many; members count by their weighted mean. SAMME (Zhu et al. 2009).
    Classes(usize),
    /// How far a number is off beside the worst; members count by their weighted median. AdaBoost.R2 (Drucker 1997), the linear loss.
    Numbers,
    /// A loss among the largest quarter, for no loss is right or wrong by itself; members count by their mean. AdaBoost.RT (Solomatine and
    /// Shrestha 2004), with that bound for its threshold.
    Losses,
}

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

/// Which losses are among the largest, that have so large a share together: 1 for those, else 0.
fn hardest(losses: &[f64], shares: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..losses.len()).collect();
    order.sort_by(|&a, &b| losses[b].total_cmp(&losses[a]));
    let (mut hard, mut sum) = (vec![0.0; losses.len()], 0.0);
    for place in order {
        if sum >= HARDEST {
            break;
        }
        hard[place] = 1.0;
        sum += shares[place];
    }
    hard
}

/// The examples one by one, in their order.
fn one_by_one(train: &[usize]) -> Plan {
    Plan { items: train.to_vec(), order: Order::InOrder, batch_size: 1, seed: 0 }
}

/// How many examples batches of these are made of: a task may learn from windows of what it is given.
pub(crate) fn count<T: Task>(
    task: &T,
    settings: &Settings<T::Config>,
    preparation: &T::Preparation,
    train: &[usize],
) -> Result<usize, TaskError> {
    Ok(task.batches(&settings.config, preparation, one_by_one(train))?.per_epoch() as usize)
}

/// A network's loss on each example that batches of these are made of.
pub(crate) fn losses<T: Task>(
    task: &T,
    settings: &Settings<T::Config>,
    network: &T::Network,
    preparation: &T::Preparation,
    train: &[usize],
) -> Result<Vec<f64>, TaskError> {
    let batches = task.batches(&settings.config, preparation, one_by_one(train))?;
    let loss = task.loss(settings, preparation, train)?;
    let of = |batch: Result<T::Batch, TrainError>| {
        let batch = batch?;
        Ok(finite(no_grad(|| loss(network, &batch))?.value)?[0])
    };
    batches.epoch(0, 0)?.map(of).collect()
}

/// The weight of a member with these mistakes, or losses, and shares of the examples for the next one; none for a member that is no
/// better than chance.
pub(crate) fn reweigh(shares: &mut [f64], mistakes: &[f64], boosting: Boosting) -> Option<f64> {
    let hard = (boosting == Boosting::Losses).then(|| hardest(mistakes, shares));
    let mistakes = hard.as_deref().unwrap_or(mistakes);
    let error: f64 = shares.iter().zip(mistakes).map(|(share, mistake)| share * mistake).sum();
    let error = error.max(ERROR);
    let weight = match boosting {
        Boosting::Classes(count) => ((1.0 - error) / error).ln() + (count.max(2) as f64 - 1.0).ln(),
        Boosting::Numbers | Boosting::Losses => ((1.0 - error) / error).ln(),
    };
    if !(weight > 0.0) || error >= 1.0 {
        return None;
    }
    for (share, mistake) in shares.iter_mut().zip(mistakes) {
        *share *= match boosting {
            Boosting::Classes(_) | Boosting::Losses => (weight * mistake).exp(),
            Boosting::Numbers => (error / (1.0 - error)).powf(1.0 - mistake),
        };
    }
    let sum: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= sum);
    Some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answered::Answered;
    use crate::digits::{DigitsConfig, DigitsExamples};
    use mapsto_nn::Module;

    #[test]
    fn what_was_wrong_counts_more() {
        let mut shares = vec![0.25; 4];
        let weight = reweigh(&mut shares, &[1.0, 0.0, 0.0, 0.0], Boosting::Classes(2)).unwrap();
        assert!((weight - 3f64.ln()).abs() <= 1e-12);
        // SAMME of two classes: the wrong ones have half of all weight afterwards.
        assert!((shares[0] - 0.5).abs() <= 1e-12 && (shares[1] - 1.0 / 6.0).abs() <= 1e-12, "{shares:?}");
        assert!(reweigh(&mut [0.5; 2], &[1.0, 1.0], Boosting::Classes(2)).is_none());
        let mut shares = vec![0.25; 4];
        let weight = reweigh(&mut shares, &[1.0, 0.0, 0.0, 0.0], Boosting::Numbers).unwrap();
        // R2: beta = 1/3 for what was exact.
        assert!((weight - 3f64.ln()).abs() <= 1e-12 && (shares[0] - 0.5).abs() <= 1e-12, "{shares:?}");
    }

    #[test]
    fn the_largest_losses_are_mistakes() {
        let losses = [2.0, 9.0, 2.5, 3.0, 2.1, 2.2, 2.3, 2.4];
        assert_eq!(hardest(&losses, &[0.125; 8]), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let mut shares = vec![0.125; 8];
        let weight = reweigh(&mut shares, &losses, Boosting::Losses).unwrap();
        assert!((weight - 3f64.ln()).abs() <= 1e-12 && (shares[1] - 0.25).abs() <= 1e-12, "{shares:?}");
        // By their shares: now one is enough.
        assert_eq!(hardest(&losses, &shares), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn each_example_has_its_own_loss() {
        let mut settings = DigitsExamples::settings();
        settings.config = DigitsConfig { degrees: 0.0, scale: 0.0, shift: 0.0, ..settings.config };
        let (task, items) = (Answered(DigitsExamples::embedded().unwrap()), [5, 900, 17, 5]);
        let preparation = task.prepare(&settings.config, &items).unwrap();
        let network = Answered::<DigitsExamples>::network(&settings.config, &preparation).unwrap().init(1).unwrap();
        network.eval();
        let of = |items: &[usize]| losses(&task, &settings, &network, &preparation, items).unwrap();
        let all = of(&items);
        assert_eq!(all, items.map(|item| of(&[item])[0]));
        assert!(all[0] == all[3] && all[0] != all[1] && all[1] != all[2], "{all:?}");
        assert_eq!(count(&task, &settings, &preparation, &items).unwrap(), 4);
    }
}
