//! Work on several things at a time.

use mapsto_tensor::num_threads;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// `f` of each item, in the items' order, on as many threads as operations take.
pub(crate) fn in_parallel<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = num_threads().min(items.len());
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut done = Vec::new();
        while let Some((i, item)) = next() {
            done.push((i, f(item)));
        }
        done
    };
    let mut all = thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for worker in workers {
            // A worker fails only where `f` panics: that goes on here.
            all.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_unstable_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, done)| done).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        assert_eq!(in_parallel((0..1000).collect(), |i| 2 * i), (0..1000).map(|i| 2 * i).collect::<Vec<_>>());
        assert!(in_parallel(Vec::<u8>::new(), |i| i).is_empty());
    }
}
