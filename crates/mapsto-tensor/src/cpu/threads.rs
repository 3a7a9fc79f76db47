//! The engine's one thread pool: fork, run numbered tasks, join.
//!
//! Results never depend on the number of threads: callers fix from sizes alone which sums are taken and in what order, and
//! mostly what each task does, too.
//! Each thread has a run of tasks beside each other, and takes of others' when it is done: operations that go through rows or
//! images in the same order find in a core's cache what it wrote there before.
//! Only workers that have joined a job are waited for, so a worker whose core is busy elsewhere delays nothing.

use crate::error::{Error, Result};
use std::any::Any;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const MAX_THREADS: usize = 64;
/// How long an idle worker spins before it sleeps.
const SPIN: Duration = Duration::from_micros(50);

/// Zero until the environment has been read.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// How many threads take part in parallel work, the caller among them: the environment variable
/// `MAPSTO_NUM_THREADS` (read once) or else the number of cores, unless [`set_num_threads`] changed it.
pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            let asked = std::env::var("MAPSTO_NUM_THREADS").ok().and_then(|n| n.trim().parse().ok());
            let n = asked.filter(|&n| n > 0).unwrap_or_else(cores).clamp(1, MAX_THREADS);
            // Another thread may have set it meanwhile; that value stands.
            THREADS.compare_exchange(0, n, Ordering::Relaxed, Ordering::Relaxed).map_or_else(|set| set, |_| n)
        }
        n => n,
    }
}

/// Changes how many threads take part from now on; `n` is clamped to 1..=64.
pub fn set_num_threads(n: usize) {
    THREADS.store(n.clamp(1, MAX_THREADS), Ordering::Relaxed);
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// Runs `f(0)`, ..., `f(tasks - 1)`, each exactly once and in no fixed order, on the caller and the pool's workers.
///
/// Runs them all on the caller when nested in another parallel job or when another thread holds the pool. After a
/// panic in a task, tasks not yet begun are dropped, and the panic resumes on the caller.
pub(crate) fn parallel_for<F: Fn(usize) + Sync>(tasks: usize, f: F) {
    run_tasks(tasks, &f);
}

/// [`parallel_for`], one instance for all kernels: they are many.
fn run_tasks(tasks: usize, f: &(dyn Fn(usize) + Sync)) {
    let threads = num_threads().min(tasks);
    if threads <= 1 || POOL.busy.0.swap(true, Ordering::Acquire) {
        return (0..tasks).for_each(f);
    }
    POOL.spawn_up_to(threads - 1);

    /// Calls the closure behind `data`.
    ///
    /// # Safety
    /// `data` points to a live reference to a closure.
    unsafe fn call(data: *const (), task: usize) {
        // SAFETY: as the caller promised.
        unsafe { (*data.cast::<&(dyn Fn(usize) + Sync)>())(task) }
    }
    let job = Job { call, data: (&raw const f).cast(), tasks, runs: threads };
    let panic = POOL.run(job);
    POOL.busy.0.store(false, Ordering::Release);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// [`parallel_for`] of tasks that may fail: the failure of the first of them, whichever thread is faster.
pub(crate) fn try_parallel_for(tasks: usize, f: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let failed: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    parallel_for(tasks, |task| {
        if let Err(error) = f(task) {
            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
            if failed.as_ref().is_none_or(|(first, _)| task < *first) {
                *failed = Some((task, error));
            }
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |(_, error)| Err(error))
}

/// Runs `f(i, chunk)` in parallel over the chunks of `data`, all of length `chunk` but perhaps the last.
pub(crate) fn parallel_chunks_mut<T: Send>(data: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let (len, chunk) = (data.len(), chunk.max(1));
    let start = SendPtr::new(data);
    parallel_for(len.div_ceil(chunk), |i| {
        let begin = i * chunk;
        // SAFETY: each task index comes once, so the chunks are disjoint parts of `data`, which outlives the call.
        f(i, unsafe { std::slice::from_raw_parts_mut(start.get().add(begin), chunk.min(len - begin)) });
    });
}

/// A pointer into a mutable slice that tasks may share. Using it is `unsafe`: each task must keep to its own part.
#[derive(Debug)]
pub(crate) struct SendPtr<'a, T> {
    pointer: *mut T,
    slice: PhantomData<&'a mut [T]>,
}

impl<T> Clone for SendPtr<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SendPtr<'_, T> {}

// SAFETY: it is as a `&mut [T]` handed to other threads; that they use disjoint parts is promised at each use.
unsafe impl<T: Send> Send for SendPtr<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SendPtr<'_, T> {}

impl<'a, T> SendPtr<'a, T> {
    /// A shared pointer to the start of `data`.
    pub(crate) fn new(data: &'a mut [T]) -> Self {
        SendPtr { pointer: data.as_mut_ptr(), slice: PhantomData }
    }

    /// The pointer itself.
    pub(crate) fn get(self) -> *mut T {
        self.pointer
    }
}

/// What the participants run: `call(data, task)` for each task.
#[derive(Clone, Copy)]
struct Job {
    call: unsafe fn(*const (), usize),
    data: *const (),
    tasks: usize,
    /// How many runs the tasks are divided into.
    runs: usize,
}

impl Job {
    /// Where a run begins, and the one before it ends.
    fn start(&self, run: usize) -> usize {
        self.tasks * run / self.runs
    }
}

/// The low bits of [`Pool::state`] count the workers inside the job; this bit says that more may join.
const OPEN: u64 = 1 << 16;
const INSIDE: u64 = OPEN - 1;
/// The bits above number the job.
const EPOCH: u64 = 1 << 32;

#[repr(align(128))]
struct Padded<T>(T);

struct Pool {
    /// Epoch, open bit and number of workers inside, in one word, so that joining a job is one compare-exchange.
    state: Padded<AtomicU64>,
    /// The next task of each run to claim.
    next: [Padded<AtomicUsize>; MAX_THREADS],
    /// Held by the caller whose job it is.
    busy: Padded<AtomicBool>,
    job: UnsafeCell<Job>,
    spawned: AtomicUsize,
    sleeping: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is written by the holder of `busy` while `state` is closed with nobody inside, and read only by
// workers that are inside; all else is atomics and locks. A job's closure is `Sync`.
unsafe impl Sync for Pool {}

unsafe fn no_task(_: *const (), _: usize) {}

static POOL: Pool = Pool {
    state: Padded(AtomicU64::new(0)),
    next: [const { Padded(AtomicUsize::new(0)) }; MAX_THREADS],
    busy: Padded(AtomicBool::new(false)),
    job: UnsafeCell::new(Job { call: no_task, data: std::ptr::null(), tasks: 0, runs: 1 }),
    spawned: AtomicUsize::new(0),
    sleeping: AtomicUsize::new(0),
    lock: Mutex::new(()),
    wake: Condvar::new(),
    panic: Mutex::new(None),
};

impl Pool {
    /// Starts workers until there are `wanted`. Called with `busy` held; a system that refuses leaves us with fewer.
    fn spawn_up_to(&'static self, wanted: usize) {
        for index in self.spawned.load(Ordering::Relaxed)..wanted {
            let name = format!("mapsto-{}", index + 1);
            if std::thread::Builder::new().name(name).spawn(move || self.work(index)).is_err() {
                break;
            }
            self.spawned.store(index + 1, Ordering::Relaxed);
        }
    }

    /// Runs a job to its end, on the caller too, and returns the first panic. Called with `busy` held.
    fn run(&self, job: Job) -> Option<Box<dyn Any + Send>> {
        // SAFETY: `busy` is ours, and the last job ended closed with nobody inside.
        unsafe { *self.job.get() = job };
        self.next[..job.runs]
            .iter()
            .enumerate()
            .for_each(|(run, next)| next.0.store(job.start(run), Ordering::Relaxed));
        let epoch = self.state.0.load(Ordering::Relaxed) & !(EPOCH - 1);
        // Sequentially consistent with the worker's way to sleep: it sees the job or we see it sleeping.
        self.state.0.store(epoch.wrapping_add(EPOCH) | OPEN, Ordering::SeqCst);
        if self.sleeping.load(Ordering::SeqCst) > 0 {
            drop(self.guard());
            self.wake.notify_all();
        }
        self.claim_tasks(job, 0);
        self.state.0.fetch_and(!OPEN, Ordering::Relaxed);
        let mut spins = 0u32;
        while self.state.0.load(Ordering::Acquire) & INSIDE != 0 {
            spins += 1;
            // A worker whose core was taken from it needs one: give it ours.
            if spins > 10_000 || num_threads() > cores() { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Claims and runs tasks until none is left, those of its own run first. Called by the job's owner, whose run is the first, and
    /// by workers inside the job.
    fn claim_tasks(&self, job: Job, own: usize) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            for run in (own..job.runs).chain(0..own) {
                let (next, end) = (&self.next[run].0, job.start(run + 1));
                while next.load(Ordering::Relaxed) < end {
                    let task = next.fetch_add(1, Ordering::Relaxed);
                    if task < end {
                        // SAFETY: the owner keeps the closure alive until nobody is inside.
                        unsafe { (job.call)(job.data, task) };
                    }
                }
            }
        }));
        if let Err(panic) = result {
            self.next[..job.runs].iter().for_each(|next| next.0.store(job.tasks, Ordering::Relaxed));
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }

    /// A worker's life.
    fn work(&self, index: usize) {
        let mut done = 0;
        loop {
            let state = self.wait(index, done);
            // Failure means that another worker joined or that the job closed: look again.
            if self.state.0.compare_exchange_weak(state, state + 1, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // SAFETY: we are inside, so the job stays as its owner wrote it.
                let job = unsafe { *self.job.get() };
                self.claim_tasks(job, (index + 1) % job.runs);
                self.state.0.fetch_sub(1, Ordering::Release);
                done = state / EPOCH;
            }
        }
    }

    /// Waits, first spinning and then asleep, for an open job other than number `done`; returns the state seen.
    fn wait(&self, index: usize, done: u64) -> u64 {
        let ready = |state: u64| state & OPEN != 0 && state / EPOCH != done && index + 1 < num_threads();
        loop {
            let begun = Instant::now();
            while begun.elapsed() < SPIN {
                for _ in 0..64 {
                    let state = self.state.0.load(Ordering::Relaxed);
                    if ready(state) {
                        return state;
                    }
                    std::hint::spin_loop();
                }
                if num_threads() > cores() {
                    std::thread::yield_now();
                }
            }
            let mut guard = self.guard();
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            // A short job may be over before we are awake; then spin again, for more are likely to come.
            if !ready(self.state.0.load(Ordering::SeqCst)) {
                guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            while index + 1 >= num_threads() {
                guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn guard(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_each(tasks: usize) {
        let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        parallel_for(tasks, |i| {
            counts[i].fetch_add(1, Ordering::Relaxed);
        });
        assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1), "{tasks} tasks");
    }

    #[test]
    fn every_task_runs_once_with_any_number_of_threads() {
        for threads in [1, 2, 3, 8, 2] {
            set_num_threads(threads);
            for tasks in (0..70).chain([1000, 4097]) {
                count_each(tasks);
            }
        }
        for _ in 0..2000 {
            count_each(5);
        }
        set_num_threads(0);
        assert_eq!(num_threads(), 1);
        set_num_threads(1000);
        assert_eq!(num_threads(), MAX_THREADS);
        set_num_threads(2);
    }

    #[test]
    fn workers_wake_from_sleep() {
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(2));
            count_each(100);
        }
    }

    #[test]
    fn nested_jobs_and_concurrent_callers() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let total = AtomicUsize::new(0);
                        parallel_for(6, |i| {
                            parallel_for(7, |j| {
                                total.fetch_add(10 * i + j, Ordering::Relaxed);
                            });
                        });
                        assert_eq!(total.into_inner(), 10 * 15 * 7 + 21 * 6);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        for bad in [0, 17, 99] {
            let caught = catch_unwind(|| {
                parallel_for(100, |i| {
                    if i == bad {
                        resume_unwind(Box::new("task failed"));
                    }
                });
            });
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"task failed"));
            count_each(100);
        }
    }

    #[test]
    fn chunks_cover_the_slice() {
        for len in [0, 1, 9, 10, 11, 1003] {
            let mut data = vec![0usize; len];
            parallel_chunks_mut(&mut data, 10, |i, chunk| {
                for (j, x) in chunk.iter_mut().enumerate() {
                    *x += 10 * i + j + 1;
                }
            });
            assert!(data.iter().enumerate().all(|(i, &x)| x == i + 1));
        }
    }

    #[test]
    fn the_first_failure_counts() {
        for _ in 0..100 {
            let fails = |task: usize| {
                if task % 3 == 1 { Err(Error::argument(format!("task {task}"))) } else { Ok(()) }
            };
            assert_eq!(try_parallel_for(64, fails).unwrap_err().to_string(), "task 1");
        }
    }
}
