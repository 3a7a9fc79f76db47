//! What looks wrong in files of any kind: the same ones twice, classes out of balance.

use super::{ClassFolder, Item, Part};
use crate::IMBALANCE;
use crate::parallel::in_parallel;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// Two examples that are the same, by their numbers.
pub(crate) enum Repeat {
    /// In two classes.
    SeveralClasses(usize, usize),
    /// In two parts.
    Leak(usize, usize),
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

/// Of bytes.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Examples, by class and part, that are the same as earlier ones, and how many others repeat one of their own class and part. Those
/// without a hash have no part in it.
pub(crate) fn repeated(
    items: &[(usize, Part)],
    hashes: impl Iterator<Item = Option<u64>>,
    same: impl Fn(usize, usize) -> bool,
) -> (Vec<Repeat>, usize) {
    let mut repeats = Vec::new();
    let mut first: HashMap<u64, usize> = HashMap::new();
    let mut duplicates = 0;
    for (i, hash) in hashes.enumerate() {
        let Some(hash) = hash else { continue };
        let j = *first.entry(hash).or_insert(i);
        if i == j || !same(i, j) {
            continue;
        }
        let ((earlier, before), (class, part)) = (items[j], items[i]);
        match () {
            () if earlier != class => repeats.push(Repeat::SeveralClasses(j, i)),
            () if before != part => repeats.push(Repeat::Leak(j, i)),
            () => duplicates += 1,
        }
    }
    (repeats, duplicates)
}

/// Whether there is one class, or one that is far rarer than another, by the examples of each in each part.
pub(crate) fn unbalanced(classes: &BTreeMap<String, BTreeMap<Part, usize>>) -> Option<Balance> {
    let size = |(name, parts): (&String, &BTreeMap<Part, usize>)| {
        (parts.get(&Part::Train).copied().unwrap_or(0), name.clone())
    };
    if classes.len() == 1 {
        return Some(Balance::OneClass);
    }
    let ((least, rarest), (most, commonest)) = (classes.iter().map(size).min()?, classes.iter().map(size).max()?);
    (least * IMBALANCE <= most).then_some(Balance::Imbalance { rarest, least, commonest, most })
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
}

/// Whether two files have the same bytes.
pub(crate) fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}
