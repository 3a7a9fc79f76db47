//! What was learned of the data before the network learns: who and what there is, and what each user has had.

use crate::error::TaskError;
use mapsto_data::Ratings;
use mapsto_models::{RecommendNet, RecommendShape};
use mapsto_nn::{Buffer, Init, Module};
use mapsto_tensor::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The most bytes of names: they stand in the head of the model file, which has a limit.
const MOST_NAMES: usize = 50_000_000;

/// What was learned of the rows to learn from. Users and items have numbers from 1; 0 is the unknown.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecommendPreparation {
    /// The users, sorted.
    pub users: Vec<String>,
    /// The items, sorted.
    pub items: Vec<String>,
    /// The titles of items, where there are some; empty for those without.
    pub titles: Vec<String>,
    /// The ratings' mean.
    pub mean: f64,
    /// Their standard deviation; 1 where they are all the same.
    pub deviation: f64,
    /// The lowest and the highest of them.
    pub range: [f64; 2],
    /// How many rows there were.
    pub rows: usize,
    /// Known while a network is made for the first time; it keeps them.
    #[serde(skip)]
    pub histories: Option<Histories>,
}

/// What each user has had, in the order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histories {
    /// Where each user's items begin, by number, and where the last one's end.
    offsets: Vec<usize>,
    /// Numbers of items.
    items: Vec<u32>,
}

impl Histories {
    /// Of pairs of numbers in the order of time.
    pub fn of(users: usize, pairs: &[(u32, u32)]) -> Histories {
        let mut offsets = vec![0; users + 1];
        pairs.iter().for_each(|(user, _)| offsets[*user as usize + 1] += 1);
        (1..offsets.len()).for_each(|user| offsets[user] += offsets[user - 1]);
        let (mut next, mut items) = (offsets.clone(), vec![0; pairs.len()]);
        for &(user, item) in pairs {
            items[next[user as usize]] = item;
            next[user as usize] += 1;
        }
        Histories { offsets, items }
    }

    /// What a user has had.
    pub fn user(&self, user: usize) -> &[u32] {
        &self.items[self.offsets[user]..self.offsets[user + 1]]
    }

    /// Numbers of users, that of the unknown among them.
    pub fn users(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How often each item was had.
    pub fn counts(&self, items: usize) -> Vec<usize> {
        let mut counts = vec![0; items];
        self.items.iter().for_each(|&item| counts[item as usize] += 1);
        counts
    }
}

impl RecommendPreparation {
    /// Of some rows, in the order of time.
    pub(super) fn of(ratings: &Ratings, rows: &[usize]) -> std::result::Result<RecommendPreparation, TaskError> {
        let (users, user_of) = numbered(&ratings.users.names, rows.iter().map(|&row| ratings.users.codes[row]));
        let (items, item_of) = numbered(&ratings.items.names, rows.iter().map(|&row| ratings.items.codes[row]));
        let bytes: usize = users.iter().chain(&items).map(|name| name.len() + 4).sum();
        if bytes > MOST_NAMES {
            let what = format!("the names of users and items are {bytes} bytes long, {MOST_NAMES} are the most");
            return Err(TaskError::Input(format!("{what}: give them shorter ones, such as numbers")));
        }
        let number =
            |&row: &usize| (user_of[ratings.users.codes[row] as usize], item_of[ratings.items.codes[row] as usize]);
        let pairs: Vec<(u32, u32)> = rows.iter().map(number).collect();
        let values: Vec<f64> = rows.iter().map(|&row| ratings.ratings.as_ref().map_or(1.0, |all| all[row])).collect();
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let range = values
            .iter()
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &value| [low.min(value), high.max(value)]);
        Ok(RecommendPreparation {
            histories: Some(Histories::of(users.len() + 1, &pairs)),
            titles: Vec::new(),
            users,
            items,
            mean,
            deviation: if variance > 0.0 { variance.sqrt() } else { 1.0 },
            range,
            rows: rows.len(),
        })
    }

    /// Who and what a network of it knows.
    pub fn shape(&self) -> RecommendShape {
        RecommendShape { users: self.users.len() + 1, items: self.items.len() + 1 }
    }

    /// The numbers of users by name.
    pub fn user_numbers(&self) -> HashMap<&str, u32> {
        self.users.iter().map(String::as_str).zip(1..).collect()
    }

    /// The numbers of items by name.
    pub fn item_numbers(&self) -> HashMap<&str, u32> {
        self.items.iter().map(String::as_str).zip(1..).collect()
    }

    /// An item as a person reads it.
    pub fn told(&self, item: usize) -> &str {
        let title = self.titles.get(item - 1).filter(|title| !title.is_empty());
        title.unwrap_or(&self.items[item - 1])
    }

    /// A network's output as a rating: no lower and no higher than those that there were.
    pub fn rating(&self, output: f64) -> f64 {
        (output * self.deviation + self.mean).clamp(self.range[0], self.range[1])
    }

    /// Says what none can have.
    pub(super) fn check(&self) -> std::result::Result<(), TaskError> {
        let refused = |what: &str| Err(TaskError::Input(what.into()));
        if !(self.mean.is_finite() && self.deviation.is_finite() && self.range[0] <= self.range[1]) {
            return refused("its ratings are no numbers");
        }
        if !self.titles.is_empty() && self.titles.len() != self.items.len() {
            return refused("it has not a title for each item");
        }
        Ok(())
    }
}

/// Names of what occurs, and the number of each; 0 of what does not.
fn numbered(names: &[String], codes: impl Iterator<Item = u32>) -> (Vec<String>, Vec<u32>) {
    let mut numbers = vec![0; names.len()];
    codes.for_each(|code| numbers[code as usize] = 1);
    let mut known = Vec::new();
    for (name, number) in names.iter().zip(&mut numbers).filter(|(_, number)| **number > 0) {
        known.push(name.clone());
        *number = known.len() as u32;
    }
    (known, numbers)
}

/// A network that remembers what each user has had.
#[derive(Module)]
pub struct Recommender {
    /// The network.
    pub network: RecommendNet,
    /// Where each user's items begin, and where the last one's end: `[users + 1]`.
    offsets: Buffer,
    /// The items, `[rows]`.
    history: Buffer,
}

impl Recommender {
    /// A network with what it is to remember, if that is known.
    pub(super) fn new(network: RecommendNet, preparation: &RecommendPreparation) -> Result<Recommender> {
        let offsets = Buffer::new([preparation.users.len() + 2], Init::Zeros, DType::I64)?;
        let history = Buffer::new([preparation.rows], Init::Zeros, DType::I64)?;
        if let Some(known) = &preparation.histories {
            let starts: Vec<i64> = known.offsets.iter().map(|&offset| offset as i64).collect();
            offsets.set(&Tensor::from_vec(starts, *offsets.shape())?)?;
            let items: Vec<i64> = known.items.iter().map(|&item| item.into()).collect();
            history.set(&Tensor::from_vec(items, *history.shape())?)?;
        }
        Ok(Recommender { network, offsets, history })
    }

    /// What each user has had.
    ///
    /// # Errors
    /// A damaged file: items that there are not, places that are none.
    pub fn histories(&self, preparation: &RecommendPreparation) -> std::result::Result<Histories, TaskError> {
        let offsets = self.offsets.get()?.to_vec::<i64>()?;
        let items = self.history.get()?.to_vec::<i64>()?;
        let rises = offsets.first() == Some(&0) && offsets.windows(2).all(|two| two[0] <= two[1]);
        let known = 1..=preparation.items.len() as i64;
        if !rises || offsets.last() != Some(&(items.len() as i64)) || !items.iter().all(|item| known.contains(item)) {
            return Err(TaskError::input("the network's memory of what users had is damaged: train it again"));
        }
        Ok(Histories {
            offsets: offsets.into_iter().map(|offset| offset as usize).collect(),
            items: items.into_iter().map(|item| item as u32).collect(),
        })
    }
}
