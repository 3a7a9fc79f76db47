//! All items ranked for users, in pieces so that memory is bounded.

use super::learn::{histories, length, numbers_of};
use super::preparation::{RecommendPreparation, Recommender};
use crate::error::TaskError;
use crate::task::finite;
use mapsto_models::{Mixture, Query, RecommendModel, RecommendNet, Side};
use mapsto_tensor::{Result, Tensor, no_grad};

/// Scores that are held at once, about.
const SCORES: usize = 1 << 22;
/// The most users that are asked for at once.
const MOST_USERS: usize = 256;
/// Pairs that are asked for at once.
const PAIRS: usize = 8192;

/// Who is asked for.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// The number; 0 is the unknown.
    pub number: u32,
    /// What is known to have been had, in the order of time.
    pub history: Vec<u32>,
}

/// Networks with their settings, to be asked.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub model: &'a RecommendModel,
    pub networks: &'a Mixture<'a, Recommender>,
    pub preparation: &'a RecommendPreparation,
}

impl Asked<'_> {
    /// The users as a network has them.
    fn users(&self, network: &RecommendNet, askers: &[&Asker]) -> Result<Side> {
        let query = match network {
            RecommendNet::Sequence(_) => {
                // The beginning is read where there is room for it.
                let recent = |asker: &&Asker| {
                    let whole = [&[0], &asker.history[..]].concat();
                    whole[whole.len().saturating_sub(length(self.model))..].to_vec()
                };
                let read: Vec<Vec<u32>> = askers.iter().map(recent).collect();
                let steps = read.iter().map(Vec::len).max().unwrap_or(0);
                let last = |(row, history): (usize, &Vec<u32>)| row * steps + history.len() - 1;
                histories(&read, &read.iter().enumerate().map(last).collect::<Vec<_>>())?
            }
            _ => Query::Users(numbers_of(&askers.iter().map(|asker| asker.number).collect::<Vec<_>>())?),
        };
        network.users(&query)
    }

    /// Calls `take` with the place of each asker and the scores of all items, that of item `i + 1` at `i`.
    ///
    /// # Errors
    /// Scores that are not finite; those of `take`.
    pub fn rank(
        &self,
        askers: &[Asker],
        take: &mut dyn FnMut(usize, &mut [f32]) -> Result<(), TaskError>,
    ) -> Result<(), TaskError> {
        let count = self.preparation.items.len();
        let numbers = Tensor::arange(1, count as i64 + 1, 1)?;
        let items = self.networks.networks().iter().map(|one| no_grad(|| one.network.items(&numbers)));
        let items = items.collect::<Result<Vec<_>>>()?;
        let at_once = (SCORES / count.max(1)).clamp(1, MOST_USERS);
        for (piece, askers) in askers.chunks(at_once).enumerate() {
            let askers: Vec<&Asker> = askers.iter().collect();
            let each = self.networks.networks().iter().zip(&items);
            let each = each.map(|(one, items)| self.users(&one.network, &askers)?.against(items));
            let scores = no_grad(|| self.networks.mean(each.collect::<Result<Vec<_>>>()?))?;
            let mut scores: Vec<f32> = finite(scores)?.into_iter().map(|score| score as f32).collect();
            for (row, scores) in scores.chunks_mut(count.max(1)).enumerate() {
                take(piece * at_once + row, scores)?;
            }
        }
        Ok(())
    }

    /// What the networks say of pairs: of users and numbers of items, 0 for the unknown.
    ///
    /// # Errors
    /// Outputs that are not finite.
    pub fn pairs(&self, pairs: &[(&Asker, u32)]) -> Result<Vec<f64>, TaskError> {
        let mut found = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(PAIRS) {
            let askers: Vec<&Asker> = pairs.iter().map(|(asker, _)| *asker).collect();
            let items: Vec<u32> = pairs.iter().map(|(_, item)| *item).collect();
            let items = numbers_of(&items)?;
            let each = self.networks.networks().iter();
            let each = each.map(|one| self.users(&one.network, &askers)?.beside(&one.network.items(&items)?));
            let scores = no_grad(|| self.networks.mean(each.collect::<Result<Vec<_>>>()?))?;
            found.extend(finite(scores)?);
        }
        Ok(found)
    }
}
