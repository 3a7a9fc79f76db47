//! Which examples come when.

use crate::error::TaskError;
use mapsto_data::{Dataset, Loader, LoaderOptions, Order};
use mapsto_tensor::{Result, Rng};
use mapsto_train::{BatchIter, Batches, TrainError};
use std::convert::Infallible;
use std::sync::Arc;

/// Which examples come when.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The examples; one that comes several times counts as often.
    pub items: Vec<usize>,
    /// Their order.
    pub order: Order,
    /// Examples of a step.
    pub batch_size: usize,
    /// What orders and changes at random come from.
    pub seed: u64,
}

impl Plan {
    /// How batches are loaded. What is left over by whole batches waits for the next epoch's order: normalisation wants
    /// whole batches.
    pub fn options(&self) -> LoaderOptions {
        LoaderOptions {
            batch_size: self.batch_size.min(self.items.len()).max(1),
            order: self.order.clone(),
            drop_last: true,
            seed: self.seed,
            ..LoaderOptions::default()
        }
    }
}

/// Batches of examples that lie in memory.
pub struct Gathered<F> {
    loader: Loader<Numbers>,
    gather: F,
}

/// The examples' own numbers.
struct Numbers(Vec<usize>);

impl Dataset for Numbers {
    type Item = usize;
    type Error = Infallible;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn item(&self, index: usize, _: Rng) -> Result<usize, Infallible> {
        Ok(self.0[index])
    }
}

impl<F> Gathered<F> {
    /// By what makes a batch of some examples, with random numbers of its own.
    ///
    /// # Errors
    /// Weights that nothing can be drawn by.
    pub fn new(plan: &Plan, gather: F) -> Result<Gathered<F>, TaskError> {
        let options = LoaderOptions { workers: 1, ..plan.options() };
        let loader = Loader::new(Arc::new(Numbers(plan.items.clone())), options).map_err(TaskError::input)?;
        Ok(Gathered { loader, gather })
    }
}

impl<B, F: Fn(&[usize], Rng) -> Result<B, TaskError>> Batches for Gathered<F> {
    type Batch = B;

    fn per_epoch(&self) -> u64 {
        self.loader.batches() as u64
    }

    fn epoch<'a>(&'a self, epoch: u64, first: u64) -> Result<BatchIter<'a, B>, TrainError> {
        let chance = Rng::new(self.loader.options().seed).split("batch").fork(epoch);
        let gather = move |(number, batch): (u64, Vec<Result<usize, _>>)| {
            let items: Vec<usize> = batch.into_iter().flatten().collect();
            (self.gather)(&items, chance.fork(number)).map_err(|e| TrainError::Data(Box::new(e)))
        };
        Ok(Box::new((first..).zip(self.loader.epoch(epoch, first as usize)).map(gather)))
    }
}
