//! Models of who likes what, and the registry that builds one by its settings. Users and items have vectors; how much a user likes an
//! item is the product of theirs, with what the user and the item add by themselves.

pub mod factors;
pub mod sequence;
pub mod two_tower;

pub use factors::{Factors, FactorsConfig};
pub use sequence::{Reader, Sequence, SequenceConfig};
pub use two_tower::{TwoTower, TwoTowerConfig};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::{Embedding, Init, Module};
use mapsto_tensor::{DType, Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Who and what there is: numbers from 0, which stands for the unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecommendShape {
    /// Users, the unknown among them.
    pub users: usize,
    /// Items, the unknown among them.
    pub items: usize,
}

/// An architecture for recommendation and its settings, as it is saved with the weights: a table with the key `architecture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum RecommendModel {
    /// See [`Factors`].
    Mf(FactorsConfig),
    /// See [`TwoTower`].
    TwoTower(TwoTowerConfig),
    /// See [`Sequence`].
    Sequence(SequenceConfig),
}

named! { RecommendModel:
    "mf" => RecommendModel::Mf(FactorsConfig::default()),
    "two_tower" => RecommendModel::TwoTower(TwoTowerConfig::default()),
    "sequence" => RecommendModel::Sequence(SequenceConfig::default()),
}

impl RecommendModel {
    /// The network for these users and items, whose parameters have no values yet: [`Module::init`] or a saved state gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, shape: RecommendShape) -> Result<RecommendNet> {
        composed("RecommendModel", || {
            check_size("the number of users", shape.users)?;
            check_size("the number of items", shape.items)?;
            check_parameters(match self {
                RecommendModel::Mf(config) => RecommendNet::Mf(Factors::new(config, shape)?),
                RecommendModel::TwoTower(config) => RecommendNet::TwoTower(TwoTower::new(config, shape)?),
                RecommendModel::Sequence(config) => RecommendNet::Sequence(Sequence::new(config, shape)?),
            })
        })
    }
}

/// Who is asked for.
#[derive(Clone, Debug)]
pub enum Query {
    /// Users by their numbers, `[P]` of `i64`.
    Users(Tensor),
    /// What users liked, one item after the other.
    Histories {
        /// Numbers of items, `[N, T]` of `i64`, filled up with zeros.
        items: Tensor,
        /// How many of them are the history's, `[N]` of `i64`, from 1.
        lengths: Tensor,
        /// After which of the `N * T` items, counted row by row, users are asked for: `[P]` of `i64`.
        places: Tensor,
    },
}

/// Users or items as a network has them.
#[derive(Clone, Debug)]
pub struct Side {
    /// `[P, width]`.
    pub vectors: Tensor,
    /// What each adds by itself, `[P]`; none where it adds nothing.
    pub bias: Option<Tensor>,
}

impl Side {
    /// How much each of these users likes the item beside it, `[P]`.
    ///
    /// # Errors
    /// Another number of items.
    #[track_caller]
    pub fn beside(&self, items: &Side) -> Result<Tensor> {
        let score = self.vectors.mul(&items.vectors)?.sum_axes(&[-1], false)?;
        let biases = [&self.bias, &items.bias].into_iter().flatten();
        biases.into_iter().try_fold(score, |score, bias| score.add(bias))
    }

    /// How much each of these users likes each of the items, `[P, items]`.
    ///
    /// # Errors
    /// Vectors of another width.
    #[track_caller]
    pub fn against(&self, items: &Side) -> Result<Tensor> {
        let score = self.vectors.linear(&items.vectors, items.bias.as_ref())?;
        self.bias.as_ref().map_or(Ok(score.clone()), |bias| score.add(bias.unsqueeze(1)?))
    }
}

/// A network for recommendation.
#[derive(Module)]
pub enum RecommendNet {
    /// Biased matrix factorisation.
    Mf(Factors),
    /// A tower of users and one of items.
    TwoTower(TwoTower),
    /// A reader of histories.
    Sequence(Sequence),
}

impl RecommendNet {
    /// The users that are asked for. The unknown one adds nothing to what is known of items.
    ///
    /// # Errors
    /// A query of the other kind; numbers that no user or item has.
    #[track_caller]
    pub fn users(&self, query: &Query) -> Result<Side> {
        match (self, query) {
            (RecommendNet::Mf(network), Query::Users(users)) => network.users(users),
            (RecommendNet::TwoTower(network), Query::Users(users)) => network.users(users),
            (RecommendNet::Sequence(network), Query::Histories { items, lengths, places }) => {
                network.users(items, lengths, places)
            }
            (RecommendNet::Sequence(_), _) => Err(Error::argument("this network takes histories, not users")),
            _ => Err(Error::argument("this network takes users, not histories")),
        }
    }

    /// Items by their numbers, `[P]` of `i64`. The unknown one adds nothing to what is known of users.
    ///
    /// # Errors
    /// Numbers that no item has.
    #[track_caller]
    pub fn items(&self, items: &Tensor) -> Result<Side> {
        match self {
            RecommendNet::Mf(network) => network.items(items),
            RecommendNet::TwoTower(network) => network.items(items),
            RecommendNet::Sequence(network) => network.items(items),
        }
    }
}

/// A learned row for each number; that of the unknown is zero until it is trained.
fn rows(count: usize, width: usize, init: Init) -> Result<Embedding> {
    let table = Embedding::new(count, width)?;
    table.weight.set_init(Init::ZeroRow { row: 0, of: Box::new(init) });
    Ok(table)
}

/// What each adds by itself: nothing at first.
fn biases(count: usize) -> Result<Embedding> {
    let table = Embedding::new(count, 1)?;
    table.weight.set_init(Init::Zeros);
    Ok(table)
}

/// Fails unless these are numbers `[P]`.
fn check_numbers(what: &str, numbers: &Tensor) -> Result<()> {
    if numbers.dtype() != DType::I64 {
        return Err(Error::dtype(format!("{what} are {}, not i64", numbers.dtype()))
            .mend("convert them with to_dtype(DType::I64)"));
    }
    if numbers.rank() != 1 {
        return Err(Error::shape(format!("takes {what} [P], not {}", numbers.shape())));
    }
    Ok(())
}
