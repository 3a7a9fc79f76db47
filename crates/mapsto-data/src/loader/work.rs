//! The threads that prepare batches.

use super::order::Turn;
use super::{Batch, Dataset, ItemError, LoaderOptions};
use mapsto_tensor::Rng;
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Pieces that a batch is handed out in, for each worker: some, so that all finish at about the same time.
const PIECES: usize = 4;

/// The batches of an epoch, in order.
pub struct Batches<D: Dataset> {
    shared: Arc<Shared<D>>,
    workers: Vec<JoinHandle<()>>,
    /// Batches that were given out.
    given: usize,
}

struct Shared<D: Dataset> {
    dataset: Arc<D>,
    turns: Vec<Turn>,
    chance: Rng,
    batch_size: usize,
    /// Turns that a worker takes at a time.
    piece: usize,
    state: Mutex<State<D>>,
    /// There may be something to do.
    work: Condvar,
    /// The first of the batches is whole.
    ready: Condvar,
}

struct State<D: Dataset> {
    /// The first turn that nobody has taken.
    next: usize,
    /// Turns from here on must wait until batches before them were given out.
    limit: usize,
    stopped: bool,
    /// Batches that were begun and not given out.
    batches: VecDeque<Filling<D>>,
    /// Batches before those.
    given: usize,
}

/// A batch of which items may be missing.
struct Filling<D: Dataset> {
    items: Vec<Option<Result<D::Item, ItemError<D::Error>>>>,
    missing: usize,
}

impl<D: Dataset> Batches<D> {
    pub(super) fn new(dataset: Arc<D>, turns: Vec<Turn>, chance: Rng, options: &LoaderOptions) -> Batches<D> {
        let LoaderOptions { workers, ahead, .. } = *options;
        // Sizes that are larger than all that there is would overflow.
        let batch_size = options.batch_size.min(turns.len()).max(1);
        let limit = ahead.max(1).saturating_mul(batch_size);
        let state = State { next: 0, limit, stopped: false, batches: VecDeque::new(), given: 0 };
        let piece = batch_size.div_ceil(PIECES * workers.max(1));
        let (state, work, ready) = (Mutex::new(state), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { dataset, turns, chance, batch_size, piece, state, work, ready });
        let worker = |i: usize| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("loader {i}")).spawn(move || shared.work()).ok()
        };
        // Where the system gives no thread, those that there are do the work, or else the caller.
        let workers = if workers > 1 { (0..workers).map_while(worker).collect() } else { Vec::new() };
        Batches { shared, workers, given: 0 }
    }
}

impl<D: Dataset> Shared<D> {
    fn state(&self) -> MutexGuard<'_, State<D>> {
        // Nothing panics while the state is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turns of the batch that holds turn `at`.
    fn batch_of(&self, at: usize) -> std::ops::Range<usize> {
        let first = at / self.batch_size * self.batch_size;
        first..self.turns.len().min(first + self.batch_size)
    }

    /// Takes pieces until there are none or all is stopped.
    fn work(&self) {
        let mut state = self.state();
        while !state.stopped && state.next < self.turns.len() {
            if state.next >= state.limit {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (start, batch) = (state.next, self.batch_of(state.next));
            let end = batch.end.min(start + self.piece);
            state.next = end;
            if start == batch.start {
                state.batches.push_back(Filling { items: batch.clone().map(|_| None).collect(), missing: batch.len() });
            }
            drop(state);
            for at in start..end {
                let item = self.load(self.turns[at]);
                state = self.state();
                if state.stopped {
                    return;
                }
                let place = at / self.batch_size - state.given;
                let filling = &mut state.batches[place];
                filling.items[at - batch.start] = Some(item);
                filling.missing -= 1;
                if filling.missing == 0 && place == 0 {
                    self.ready.notify_one();
                }
                drop(state);
            }
            state = self.state();
        }
    }

    fn load(&self, Turn { item: index, again }: Turn) -> Result<D::Item, ItemError<D::Error>> {
        let chance = self.chance.fork(index as u64).fork(again.into());
        match catch_unwind(AssertUnwindSafe(|| self.dataset.item(index, chance))) {
            Ok(item) => item.map_err(|error| ItemError::Failed { index, error }),
            Err(panic) => {
                let name = catch_unwind(AssertUnwindSafe(|| self.dataset.name(index)));
                let name = name.unwrap_or_else(|_| format!("item {index}"));
                Err(ItemError::Panicked { index, name, message: said(&*panic) })
            }
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it did not say why".into())
}

impl<D: Dataset> Iterator for Batches<D> {
    type Item = Batch<D>;

    fn next(&mut self) -> Option<Batch<D>> {
        let shared = &*self.shared;
        let turns = shared.batch_of(self.given * shared.batch_size);
        if turns.is_empty() {
            return None;
        }
        self.given += 1;
        if self.workers.is_empty() {
            return Some(shared.turns[turns].iter().map(|&turn| shared.load(turn)).collect());
        }
        let mut state = shared.state();
        while state.batches.front().is_none_or(|batch| batch.missing > 0) {
            state = shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let batch = state.batches.pop_front()?;
        state.given += 1;
        state.limit = state.limit.saturating_add(shared.batch_size);
        drop(state);
        shared.work.notify_all();
        Some(batch.items.into_iter().flatten().collect())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.turns.len().div_ceil(self.shared.batch_size) - self.given;
        (left, Some(left))
    }
}

impl<D: Dataset> ExactSizeIterator for Batches<D> {}

impl<D: Dataset> fmt::Debug for Batches<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("given", &self.given).field("left", &self.len()).finish_non_exhaustive()
    }
}

impl<D: Dataset> Drop for Batches<D> {
    /// Waits for the items that are being loaded, not for their batches.
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.work.notify_all();
        for worker in self.workers.drain(..) {
            // A worker that panicked has said so.
            let _ = worker.join();
        }
    }
}
