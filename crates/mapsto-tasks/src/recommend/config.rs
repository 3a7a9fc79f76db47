//! The settings of the task.

use crate::error::TaskError;
use mapsto_data::RatingColumns;
use mapsto_models::RecommendModel;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The most items that are drawn against each step's own.
const MOST_NEGATIVES: usize = 1 << 20;
/// The most items of a list.
const MOST_LISTED: usize = 10_000;

/// The settings of the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecommendConfig {
    /// A table of users and items, with ratings and times if there are.
    pub data: PathBuf,
    /// The column of users; found if empty.
    pub user: String,
    /// The column of items; found if empty.
    pub item: String,
    /// The column of ratings; found if empty.
    pub rating: String,
    /// The column of times; found if empty.
    pub time: String,
    /// The network.
    pub model: RecommendModel,
    /// What is learned of the data.
    pub feedback: Feedback,
    /// How rows are divided.
    pub split: Split,
    /// The lowest rating that tells that an item was liked: rankings are to have such items first.
    pub liked: f64,
    /// What a liked item is to stand before, where rankings are learned.
    pub sampling: Sampling,
    /// How many items each step draws, where they are drawn.
    pub negatives: usize,
    /// How much the squares of the vectors and biases of a step's users and items count beside its loss.
    pub l2: f64,
    /// How many of the first items of a ranking count in its figures.
    pub k: usize,
    /// A table of items and their titles, for people to read; none if empty.
    pub titles: PathBuf,
}

/// What is learned of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feedback {
    /// The ratings: squares of what is wrong about them are made small.
    Explicit,
    /// Which items are liked: they are to rank before others.
    Implicit,
}

/// How rows are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// At random.
    Random,
    /// By time: what is tested is later than all that was learned from.
    Time,
    /// The last item of each user is tested, and the one before it is for validation.
    Last,
}

/// What a liked item is to stand before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// All other items.
    All,
    /// Items that are drawn in each step, all with the same chance.
    Uniform,
    /// The other items of the step, whose scores are made less by how often they come.
    Batch,
}

impl RecommendConfig {
    /// Which columns were asked for.
    pub(super) fn columns(&self) -> RatingColumns {
        let named = |name: &String| (!name.is_empty()).then(|| name.clone());
        RatingColumns {
            user: named(&self.user),
            item: named(&self.item),
            rating: named(&self.rating),
            time: named(&self.time),
        }
    }

    /// Whether the network reads histories.
    pub(super) fn reads_histories(&self) -> bool {
        matches!(self.model, RecommendModel::Sequence(_))
    }

    /// Says which setting cannot be.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        let refused = |what: String| Err(TaskError::Input(what));
        for (name, value, most) in [("negatives", self.negatives, MOST_NEGATIVES), ("k", self.k, MOST_LISTED)] {
            if !(1..=most).contains(&value) {
                return refused(format!("{name} is {value}, it must be from 1 to {most}"));
            }
        }
        if !self.liked.is_finite() {
            return refused(format!("liked is {}, it must be a rating", self.liked));
        }
        if !(self.l2 >= 0.0 && self.l2.is_finite()) {
            return refused(format!("l2 is {}, it must be at least zero", self.l2));
        }
        if self.reads_histories() && self.feedback == Feedback::Explicit {
            let mend = "give feedback=implicit, or the model mf or two_tower";
            return refused(format!("the model sequence tells which item comes next, not ratings: {mend}"));
        }
        if self.reads_histories() && self.split == Split::Random {
            return refused("the model sequence reads in the order of time: give split=last or split=time".into());
        }
        Ok(())
    }
}

/// How a network is to answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answering {
    /// How many items are recommended to each user.
    pub top: usize,
    /// Whether items that the user has had already are among them.
    pub seen: bool,
    /// The column of users in files; found if empty.
    pub user: String,
    /// The column of items in files; found if empty.
    pub item: String,
}

impl Default for Answering {
    fn default() -> Answering {
        Answering { top: 10, seen: false, user: String::new(), item: String::new() }
    }
}

impl Answering {
    /// Says which setting cannot be.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        if (1..=MOST_LISTED).contains(&self.top) {
            return Ok(());
        }
        Err(TaskError::Input(format!("top is {}, it must be from 1 to {MOST_LISTED}", self.top)))
    }
}
