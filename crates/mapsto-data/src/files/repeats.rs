//! What looks wrong in files of any kind: the same ones twice, classes out of balance.

use super::{ClassFolder, Item, Part};
use crate::IMBALANCE;
use crate::parallel::in_parallel;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Two files that are the same.
pub(crate) enum Repeat {
    /// In two classes.
    SeveralClasses { path: PathBuf, other: PathBuf },
    /// In two parts.
    Leak { path: PathBuf, other: PathBuf },
}

/// How classes are out of balance.
pub(crate) enum Balance {
    OneClass,
    /// The rarest class and the commonest one, with their files to learn from.
    Imbalance {
        rarest: String,
        least: usize,
        commonest: String,
        most: usize,
    },
}

/// Of a file's bytes; of nothing if it cannot be read.
pub(crate) fn hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(path).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// `f` of each file, on all cores.
pub(crate) fn look<R: Send>(items: &[Item], f: impl Fn(&Path) -> R + Sync) -> Vec<R> {
    in_parallel(items.iter().collect(), |item: &Item| f(&item.path))
}

impl<K> ClassFolder<K> {
    /// Files of each class in each part.
    pub(crate) fn count(&self) -> BTreeMap<String, BTreeMap<Part, usize>> {
        let mut classes: BTreeMap<String, BTreeMap<Part, usize>> = BTreeMap::new();
        for item in &self.items {
            *classes.entry(self.classes[item.class].clone()).or_default().entry(item.part).or_default() += 1;
        }
        classes
    }

    /// Files that are the same as earlier ones, and how many others repeat one of their own class and part. Those without a hash have
    /// no part.
    pub(crate) fn repeated(&self, hashes: impl Iterator<Item = Option<u64>>) -> (Vec<Repeat>, usize) {
        let mut repeats = Vec::new();
        let mut first: HashMap<u64, usize> = HashMap::new();
        let mut duplicates = 0;
        for (i, hash) in hashes.enumerate() {
            let Some(hash) = hash else { continue };
            let j = *first.entry(hash).or_insert(i);
            if i == j || !same(&self.items[i].path, &self.items[j].path) {
                continue;
            }
            let (earlier, item) = (&self.items[j], &self.items[i]);
            let (path, other) = (earlier.path.clone(), item.path.clone());
            match () {
                () if earlier.class != item.class => repeats.push(Repeat::SeveralClasses { path, other }),
                () if earlier.part != item.part => repeats.push(Repeat::Leak { path, other }),
                () => duplicates += 1,
            }
        }
        (repeats, duplicates)
    }

    /// Whether there is one class, or one that is far rarer than another.
    pub(crate) fn unbalanced(&self) -> Option<Balance> {
        let classes = self.count();
        let size = |(name, parts): (&String, &BTreeMap<Part, usize>)| {
            (parts.get(&Part::Train).copied().unwrap_or(0), name.clone())
        };
        if classes.len() == 1 {
            return Some(Balance::OneClass);
        }
        let ((least, rarest), (most, commonest)) = (classes.iter().map(size).min()?, classes.iter().map(size).max()?);
        (least * IMBALANCE <= most).then_some(Balance::Imbalance { rarest, least, commonest, most })
    }
}

/// Whether two files have the same bytes.
fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}
