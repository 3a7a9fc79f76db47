//! The loader: order, workers, errors, memory.

use mapsto_data::{Dataset, ItemError, Loader, LoaderError, LoaderOptions, Order};
use mapsto_tensor::{Rng, set_num_threads};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Numbers that take unequal times, some of which fail.
#[derive(Debug)]
struct Numbers {
    len: usize,
    live: Arc<AtomicUsize>,
    most: AtomicUsize,
    loaded: AtomicUsize,
}

impl Numbers {
    fn new(len: usize) -> Arc<Numbers> {
        Arc::new(Numbers { len, live: Arc::default(), most: AtomicUsize::new(0), loaded: AtomicUsize::new(0) })
    }
}

/// An item that is counted while it lives.
#[derive(Debug)]
struct Counted(u64, Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

impl Dataset for Numbers {
    type Item = Counted;
    type Error = String;

    fn len(&self) -> usize {
        self.len
    }

    fn item(&self, index: usize, mut chance: Rng) -> Result<Counted, String> {
        self.loaded.fetch_add(1, SeqCst);
        thread::sleep(Duration::from_micros(chance.below(200)));
        match index {
            13 => Err("number 13 brings bad luck".into()),
            31 => panic!("number {index} is upside down"),
            _ => {
                self.most.fetch_max(self.live.fetch_add(1, SeqCst) + 1, SeqCst);
                Ok(Counted(chance.next_u64() << 8 | index as u64, Arc::clone(&self.live)))
            }
        }
    }

    fn name(&self, index: usize) -> String {
        format!("number {index}")
    }
}

fn options(order: Order, workers: usize) -> LoaderOptions {
    LoaderOptions { batch_size: 4, order, seed: 9, workers, ..Default::default() }
}

fn epoch(loader: &Loader<Numbers>, epoch: u64, start: usize) -> Vec<Vec<Result<u64, String>>> {
    let item = |item: Result<Counted, ItemError<String>>| item.map(|item| item.0).map_err(|error| error.to_string());
    loader.epoch(epoch, start).map(|batch| batch.into_iter().map(item).collect()).collect()
}

#[test]
fn batches_do_not_depend_on_workers_nor_on_the_start() {
    let balanced = Order::Balanced { labels: (0..42).map(|i| i % 5 % 2).collect() };
    let bucketed = Order::Bucketed { lengths: (0..42).map(|i| i * 5 % 7).collect() };
    for order in [Order::InOrder, Order::Shuffled, balanced, bucketed] {
        let loader = |workers| Loader::new(Numbers::new(42), options(order.clone(), workers)).unwrap();
        let expected = epoch(&loader(0), 3, 0);
        assert_eq!((expected.len(), expected[10].len()), (11, 2));
        for workers in [1, 2, 7] {
            let loader = loader(workers);
            for start in [0, 1, 6, 10, 11, 99] {
                assert_eq!(epoch(&loader, 3, start), expected[start.min(11)..], "{order:?} {workers} {start}");
            }
        }
        assert_ne!(epoch(&loader(2), 4, 0), expected, "epochs draw of their own");
        let other = LoaderOptions { seed: 10, ..options(order.clone(), 2) };
        assert_ne!(epoch(&Loader::new(Numbers::new(42), other).unwrap(), 3, 0), expected, "as seeds do");
    }
}

#[test]
fn an_item_that_comes_again_draws_anew() {
    let order = Order::Balanced { labels: vec![0, 1, 1, 1, 1, 1, 1, 1] };
    let loader = Loader::new(Numbers::new(8), options(order, 2)).unwrap();
    let mut drawn: Vec<u64> = epoch(&loader, 0, 0).into_iter().flatten().map(Result::unwrap).collect();
    assert_eq!(drawn.iter().filter(|&drawn| drawn & 0xff == 0).count(), 4);
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 8);
}

#[test]
fn errors_stand_in_their_places() {
    for workers in [0, 3] {
        let all = epoch(&Loader::new(Numbers::new(42), options(Order::InOrder, workers)).unwrap(), 0, 0);
        assert_eq!(all[3][1], Err("number 13 brings bad luck".into()));
        assert_eq!(all[7][3], Err("number 31: loading it panicked: number 31 is upside down".into()));
        assert_eq!(all.iter().flatten().filter(|item| item.is_err()).count(), 2);
    }
}

#[test]
fn a_short_last_batch_may_be_left_out() {
    let options = LoaderOptions { drop_last: true, ..options(Order::Shuffled, 2) };
    let loader = Loader::new(Numbers::new(11), options).unwrap();
    assert_eq!((loader.batches(), loader.epoch(0, 1).len()), (2, 1));
    assert!(epoch(&loader, 0, 0).iter().map(Vec::len).eq([4, 4]));
    assert!(epoch(&Loader::new(Numbers::new(0), self::options(Order::InOrder, 2)).unwrap(), 0, 0).is_empty());
}

#[test]
fn memory_is_bounded() {
    for (workers, ahead) in [(2, 1), (5, 3)] {
        let options = LoaderOptions { ahead, ..options(Order::Shuffled, workers) };
        let dataset = Numbers::new(200);
        let loader = Loader::new(Arc::clone(&dataset), options).unwrap();
        for batch in loader.epoch(0, 0) {
            thread::sleep(Duration::from_millis(2));
            drop(batch);
        }
        let most = dataset.most.load(SeqCst);
        assert!(most <= 4 * (ahead + 1), "{most} items at once");
        assert!(most > 4, "nothing was loaded ahead");
        assert_eq!(dataset.live.load(SeqCst), 0);
    }
}

#[test]
fn dropping_stops_the_workers() {
    let dataset = Numbers::new(100_000);
    let loader = Loader::new(Arc::clone(&dataset), options(Order::Shuffled, 3)).unwrap();
    let mut batches = loader.epoch(0, 0);
    batches.next();
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        drop(batches);
        let _ = done.send(());
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("it stops");
    drop(loader);
    let loaded = dataset.loaded.load(SeqCst);
    assert!(loaded <= 4 * 3 + 3, "{loaded}");
    assert_eq!((Arc::strong_count(&dataset), dataset.live.load(SeqCst)), (1, 0));
    // Unused batches stop, too.
    drop(Loader::new(Arc::clone(&dataset), options(Order::InOrder, 3)).unwrap().epoch(0, 0));
    assert_eq!(Arc::strong_count(&dataset), 1);
}

#[test]
fn there_are_as_many_workers_as_operations_take_threads() {
    for threads in [1, 2] {
        set_num_threads(threads);
        assert_eq!(LoaderOptions::default().workers, threads);
    }
}

#[test]
fn options_without_sense_are_refused() {
    let refused = |options| Loader::new(Numbers::new(3), options).unwrap_err();
    assert_eq!(refused(LoaderOptions { batch_size: 0, ..Default::default() }), LoaderError::NoBatch);
    assert_eq!(refused(LoaderOptions { workers: 5000, ..Default::default() }), LoaderError::Workers(5000));
    let labels = LoaderOptions { order: Order::Balanced { labels: vec![0] }, ..Default::default() };
    assert_eq!(refused(labels).to_string(), "a balanced order needs the label of each of 3 items, there are 1 labels");
    let lengths = LoaderOptions { order: Order::Bucketed { lengths: vec![0; 4] }, ..Default::default() };
    assert_eq!(
        refused(lengths).to_string(),
        "an order by length needs the length of each of 3 items, there are 4 lengths"
    );
    // Sizes beyond reason are no reason to fail.
    let huge = LoaderOptions { batch_size: usize::MAX, ahead: usize::MAX, workers: 2, ..Default::default() };
    assert_eq!(epoch(&Loader::new(Numbers::new(3), huge).unwrap(), 0, 0).len(), 1);
}
