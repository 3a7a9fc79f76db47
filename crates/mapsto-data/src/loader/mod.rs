//! Batches of items that threads prepare ahead.

mod order;
mod work;

pub use order::Order;
pub use work::Batches;

use mapsto_tensor::{Rng, num_threads};
use std::fmt;
use std::sync::Arc;

/// The most threads of a loader.
const MOST_WORKERS: usize = 1024;

/// Items by number.
pub trait Dataset: Send + Sync + 'static {
    /// What an item is.
    type Item: Send + 'static;
    /// Why there is none.
    type Error: Send + fmt::Display + 'static;

    /// How many items there are.
    fn len(&self) -> usize;

    /// Whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An item. What is drawn at random comes from the stream alone.
    ///
    /// # Errors
    /// What is wrong with this item.
    fn item(&self, index: usize, chance: Rng) -> Result<Self::Item, Self::Error>;

    /// What people call an item whose loading panicked; an error says so itself.
    fn name(&self, index: usize) -> String {
        format!("item {index}")
    }
}

/// How epochs are cut into batches.
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderOptions {
    /// Items of a batch.
    pub batch_size: usize,
    /// In which order items come.
    pub order: Order,
    /// Whether the last batch is left out where it is shorter.
    pub drop_last: bool,
    /// What the orders and the items' streams are drawn from.
    pub seed: u64,
    /// Threads that prepare items; 0 and 1 stand for the thread that asks for batches.
    pub workers: usize,
    /// Batches that are prepared ahead at most.
    pub ahead: usize,
}

impl Default for LoaderOptions {
    /// Batches of 32 in order, all of them, as many threads as operations take, two batches ahead.
    fn default() -> Self {
        let workers = num_threads().min(MOST_WORKERS);
        LoaderOptions { batch_size: 32, order: Order::InOrder, drop_last: false, seed: 0, workers, ahead: 2 }
    }
}

/// Why there is no loader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// Batches of no items.
    #[error("a batch must have at least one item")]
    NoBatch,
    /// More threads than a machine has.
    #[error("{0} workers are too many; give at most {MOST_WORKERS}, or leave it out for as many as operations take")]
    Workers(usize),
    /// Shares that nothing can be drawn by.
    #[error("a drawn order needs a share of each of {0} items, from zero, and one above it")]
    Weights(usize),
    /// As many labels as there are items, it should be.
    #[error("a balanced order needs the label of each of {items} items, there are {labels} labels")]
    Labels {
        /// Items of the dataset.
        items: usize,
        /// Labels that were given.
        labels: usize,
    },
    /// As many lengths as there are items, it should be.
    #[error("an order by length needs the length of each of {items} items, there are {lengths} lengths")]
    Lengths {
        /// Items of the dataset.
        items: usize,
        /// Lengths that were given.
        lengths: usize,
    },
}

/// Why an item could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError<E: fmt::Display> {
    /// The dataset's own reason.
    #[error("{error}")]
    Failed {
        /// The item's number.
        index: usize,
        /// The reason.
        error: E,
    },
    /// The dataset's code panicked.
    #[error("{name}: loading it panicked: {message}")]
    Panicked {
        /// The item's number.
        index: usize,
        /// What people call it.
        name: String,
        /// What the panic said.
        message: String,
    },
}

/// Items or the reasons why they are missing, in the places that the order gives them.
pub type Batch<D> = Vec<Result<<D as Dataset>::Item, ItemError<<D as Dataset>::Error>>>;

/// Cuts epochs of a dataset into batches.
///
/// Batches depend on the seed, the epoch and the dataset alone, never on the number of workers or on timing; any batch can be the
/// first. An item's stream depends on the seed, the epoch, the item and how often it came before.
///
/// ```
/// use mapsto_data::{Dataset, Loader, LoaderOptions, Order};
/// use mapsto_tensor::Rng;
/// use std::sync::Arc;
/// struct Squares;
/// impl Dataset for Squares {
///     type Item = usize;
///     type Error = std::convert::Infallible;
///     fn len(&self) -> usize {
///         5
///     }
///     fn item(&self, index: usize, _chance: Rng) -> Result<usize, Self::Error> {
///         Ok(index * index)
///     }
/// }
/// let loader = Loader::new(Arc::new(Squares), LoaderOptions { batch_size: 2, ..Default::default() })?;
/// let batches: Vec<Vec<usize>> = loader.epoch(0, 0).map(|batch| batch.into_iter().flatten().collect()).collect();
/// assert_eq!(batches, [vec![0, 1], vec![4, 9], vec![16]]);
/// # Ok::<(), mapsto_data::LoaderError>(())
/// ```
#[derive(Debug)]
pub struct Loader<D> {
    dataset: Arc<D>,
    options: LoaderOptions,
}

impl<D: Dataset> Loader<D> {
    /// A loader of a dataset.
    ///
    /// # Errors
    /// Options that make no sense: [`LoaderError`].
    pub fn new(dataset: Arc<D>, options: LoaderOptions) -> Result<Loader<D>, LoaderError> {
        let items = dataset.len();
        match &options {
            LoaderOptions { batch_size: 0, .. } => Err(LoaderError::NoBatch),
            LoaderOptions { workers, .. } if *workers > MOST_WORKERS => Err(LoaderError::Workers(*workers)),
            LoaderOptions { order: Order::Balanced { labels }, .. } if labels.len() != items => {
                Err(LoaderError::Labels { items, labels: labels.len() })
            }
            LoaderOptions { order: Order::Bucketed { lengths }, .. } if lengths.len() != items => {
                Err(LoaderError::Lengths { items, lengths: lengths.len() })
            }
            LoaderOptions { order: Order::Drawn { weights }, .. }
                if weights.len() != items
                    || weights.iter().any(|weight| !(*weight >= 0.0))
                    || !(weights.iter().sum::<f64>() > 0.0 && weights.iter().sum::<f64>().is_finite()) =>
            {
                Err(LoaderError::Weights(items))
            }
            _ => Ok(Loader { dataset, options }),
        }
    }

    /// What items are loaded from.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// How epochs are cut into batches.
    pub fn options(&self) -> &LoaderOptions {
        &self.options
    }

    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        let (items, size) = (self.dataset.len(), self.options.batch_size);
        if self.options.drop_last { items / size } else { items.div_ceil(size) }
    }

    /// The batches of an epoch from number `start` on. Dropping them stops the workers.
    pub fn epoch(&self, epoch: u64, start: usize) -> Batches<D> {
        let rng = Rng::new(self.options.seed).split("loader");
        let LoaderOptions { order, batch_size, .. } = &self.options;
        let mut turns = order.turns(self.dataset.len(), *batch_size, rng.split("order").fork(epoch));
        turns.truncate(self.batches().saturating_mul(self.options.batch_size));
        let first = start.saturating_mul(self.options.batch_size);
        turns.drain(..first.min(turns.len()));
        Batches::new(Arc::clone(&self.dataset), turns, rng.split("items").fork(epoch), &self.options)
    }
}
