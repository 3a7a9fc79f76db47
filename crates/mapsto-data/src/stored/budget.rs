//! How much may lie in memory.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The environment variable that says how many MiB of tables stay in memory.
pub(super) const LIMIT: &str = "MAPSTO_TABLE_MB";
/// As many stay where it says nothing.
const USUAL: usize = 64;

/// Bytes that may lie in memory, of all stores together.
pub(super) struct Budget {
    limit: usize,
    held: AtomicUsize,
}

/// A store's part of a budget, which it gives back when it is dropped.
pub(super) struct Held {
    budget: &'static Budget,
    bytes: usize,
}

impl Budget {
    pub const fn new(limit: usize) -> Budget {
        Budget { limit, held: AtomicUsize::new(0) }
    }

    /// That of all tables of the process.
    pub fn of_process() -> &'static Budget {
        static BUDGET: LazyLock<Budget> = LazyLock::new(|| {
            let asked = std::env::var(LIMIT).ok().and_then(|limit| limit.trim().parse().ok());
            Budget::new(asked.unwrap_or(USUAL).saturating_mul(1 << 20))
        });
        &BUDGET
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// A part of nothing.
    pub fn nothing(&'static self) -> Held {
        Held { budget: self, bytes: 0 }
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

impl Held {
    pub fn budget(&self) -> &'static Budget {
        self.budget
    }

    /// Takes so many bytes in all, if they are there.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let fits = |held: usize| held.checked_add(more).filter(|held| *held <= self.budget.limit);
        let fits = self.budget.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if fits {
            self.bytes += more;
        }
        fits
    }

    /// Gives back what is more than so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.budget.held.fetch_sub(less, Ordering::Relaxed);
        self.bytes -= less;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(0);
    }
}
