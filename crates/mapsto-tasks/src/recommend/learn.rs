//! What a network learns from: batches, and the losses that they have.

use super::config::{Feedback, RecommendConfig, Sampling};
use super::preparation::{RecommendPreparation, Recommender};
use mapsto_models::{Query, RecommendModel, RecommendNet, Side};
use mapsto_nn::MseLoss;
use mapsto_tensor::CrossEntropyOptions;
use mapsto_tensor::{Error, Result, Rng, Tensor};
use mapsto_train::Loss;

/// Users with an item each.
pub struct RecommendBatch {
    /// The users.
    pub query: Query,
    /// The items that they liked, or rated: `[P]`.
    pub items: Tensor,
    /// The ratings as the network is to tell them, where they are learned: `[P]`.
    pub ratings: Option<Tensor>,
    /// Items that were drawn: `[n]`.
    pub negatives: Option<Tensor>,
}

/// Histories as networks learn from them: each in windows, so that each item is told once from those before it.
pub(super) struct Windows {
    /// Each user's items with whether they were liked, behind the beginning.
    histories: Vec<Vec<(u32, bool)>>,
    /// Of which user, and from where to where, the items are that a network reads; it tells the next of each.
    windows: Vec<(usize, usize, usize)>,
}

impl Windows {
    /// Of items with whether they were liked, in the order of time, for networks that read so many.
    pub fn of(histories: Vec<Vec<(u32, bool)>>, length: usize) -> Windows {
        let with_beginning = |history: Vec<(u32, bool)>| [vec![(0, false)], history].concat();
        let histories: Vec<Vec<(u32, bool)>> = histories.into_iter().map(with_beginning).collect();
        let mut windows = Vec::new();
        for (user, history) in histories.iter().enumerate() {
            let mut end = history.len() - 1;
            // From the end: where a window is short, it is the first.
            while end > 0 {
                let start = end.saturating_sub(length);
                if history[start + 1..=end].iter().any(|(_, liked)| *liked) {
                    windows.push((user, start, end));
                }
                end = start;
            }
        }
        Windows { histories, windows }
    }

    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// What is read of some windows, and the items that it is to tell.
    pub fn batch(&self, numbers: &[usize]) -> Result<(Query, Tensor)> {
        let windows: Vec<_> = numbers.iter().map(|&number| self.windows[number]).collect();
        let read: Vec<Vec<u32>> = windows
            .iter()
            .map(|&(user, start, end)| self.histories[user][start..end].iter().map(|(item, _)| *item).collect())
            .collect();
        let steps = read.iter().map(Vec::len).max().unwrap_or(0);
        let (mut places, mut items) = (Vec::new(), Vec::new());
        for (row, &(user, start, end)) in windows.iter().enumerate() {
            for (step, &(item, liked)) in self.histories[user][start + 1..=end].iter().enumerate() {
                if liked {
                    places.push(row * steps + step);
                    items.push(item);
                }
            }
        }
        Ok((histories(&read, &places)?, numbers_of(&items)?))
    }
}

/// The query for histories, asked after these places.
pub(super) fn histories(read: &[Vec<u32>], places: &[usize]) -> Result<Query> {
    let steps = read.iter().map(Vec::len).max().unwrap_or(0);
    let mut items = vec![0i64; read.len() * steps];
    for (history, row) in read.iter().zip(items.chunks_mut(steps.max(1))) {
        row.iter_mut().zip(history).for_each(|(place, &item)| *place = item.into());
    }
    Ok(Query::Histories {
        items: Tensor::from_vec(items, [read.len(), steps])?,
        lengths: Tensor::from_vec(read.iter().map(|history| history.len() as i64).collect(), [read.len()])?,
        places: Tensor::from_vec(places.iter().map(|&place| place as i64).collect(), [places.len()])?,
    })
}

/// How many items a network reads.
pub(super) fn length(model: &RecommendModel) -> usize {
    match model {
        RecommendModel::Sequence(config) => config.length,
        RecommendModel::Mf(_) | RecommendModel::TwoTower(_) => 0,
    }
}

/// Numbers as a network takes them.
pub(super) fn numbers_of(numbers: &[u32]) -> Result<Tensor> {
    Tensor::from_vec(numbers.iter().map(|&number| i64::from(number)).collect(), [numbers.len()])
}

/// Items to stand behind those that are liked, if they are drawn.
pub(super) fn negatives(config: &RecommendConfig, items: usize, mut chance: Rng) -> Result<Option<Tensor>> {
    let is_drawn = config.feedback == Feedback::Implicit && config.sampling == Sampling::Uniform;
    is_drawn.then(|| Tensor::randint(1, items as i64, [config.negatives], &mut chance)).transpose()
}

/// What is made small.
pub(super) struct Objective {
    sampling: Sampling,
    l2: f64,
    /// All items, but for the unknown.
    all: Tensor,
    /// The logarithm of the share that each item has of what is learned.
    log_shares: Tensor,
}

impl Objective {
    /// Of items that come so often, by number; 0 is the unknown.
    pub fn new(config: &RecommendConfig, counts: &[usize]) -> Result<Objective> {
        let total: usize = counts.iter().sum();
        let share = |&count: &usize| (count.max(1) as f64 / total.max(1) as f64).ln() as f32;
        Ok(Objective {
            sampling: config.sampling,
            l2: config.l2,
            all: Tensor::arange(1, counts.len() as i64, 1)?,
            log_shares: Tensor::from_vec(counts.iter().map(share).collect(), [counts.len()])?,
        })
    }

    /// The loss of a batch.
    pub fn loss(&self, network: &Recommender, batch: &RecommendBatch) -> Result<Loss> {
        let network = &network.network;
        let (users, items) = (network.users(&batch.query)?, network.items(&batch.items)?);
        let mut value = match &batch.ratings {
            Some(ratings) => MseLoss::default().forward(&users.beside(&items)?, ratings)?,
            None => {
                let (logits, target) = self.logits(network, &users, &items, batch)?;
                logits.cross_entropy(&target, &CrossEntropyOptions::default())?
            }
        };
        if self.l2 > 0.0 {
            value = value.add(squares(&users)?.add(squares(&items)?)?.mul(self.l2)?)?;
        }
        Ok(Loss { value, items: batch.items.numel() as f64, measures: Vec::new() })
    }

    /// Scores of items for each user, and which of them is the user's own.
    fn logits(
        &self,
        network: &RecommendNet,
        users: &Side,
        items: &Side,
        batch: &RecommendBatch,
    ) -> Result<(Tensor, Tensor)> {
        match (self.sampling, &batch.negatives) {
            (Sampling::All, _) => Ok((users.against(&network.items(&self.all)?)?, batch.items.sub(1)?)),
            (Sampling::Uniform, None) => Err(Error::argument("the batch has no items that were drawn")),
            (Sampling::Uniform, Some(drawn)) => {
                let own = users.beside(items)?.unsqueeze(1)?;
                let same = batch.items.unsqueeze(1)?.eq(drawn.unsqueeze(0)?)?;
                let others = users.against(&network.items(drawn)?)?.masked_fill(&same, f64::NEG_INFINITY)?;
                Ok((Tensor::concat(&[&own, &others], 1)?, batch.items.zeros_like()?))
            }
            (Sampling::Batch, _) => {
                // What comes often stands against many, so that its scores are made less by the logarithm of its share (Yi et al. 2019).
                let places = Tensor::arange(0, batch.items.numel() as i64, 1)?;
                let logits = users.against(items)?.sub(self.log_shares.index_select(0, &batch.items)?)?;
                let same = batch.items.unsqueeze(1)?.eq(batch.items.unsqueeze(0)?)?;
                let hidden = same.logical_and(&places.unsqueeze(1)?.ne(places.unsqueeze(0)?)?)?;
                Ok((logits.masked_fill(&hidden, f64::NEG_INFINITY)?, places))
            }
        }
    }
}

/// The squares of vectors and biases, summed over each and averaged over users or items.
fn squares(side: &Side) -> Result<Tensor> {
    let vectors = side.vectors.square()?.sum_axes(&[-1], false)?;
    side.bias.iter().try_fold(vectors, |sum, bias| sum.add(bias.square()?))?.mean()
}

/// Ratings as a network is to tell them.
pub(super) fn scaled(preparation: &RecommendPreparation, ratings: impl Iterator<Item = f64>) -> Result<Tensor> {
    let scaled: Vec<f32> = ratings.map(|rating| ((rating - preparation.mean) / preparation.deviation) as f32).collect();
    let count = scaled.len();
    Tensor::from_vec(scaled, [count])
}
