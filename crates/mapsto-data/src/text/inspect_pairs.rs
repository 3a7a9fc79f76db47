//! What pairs of texts are like, and what looks wrong in them.

use super::PairSet;
use crate::Part;
use crate::spread::spread;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// How many times more words than the other a text has when they hardly say the same, and so many words besides.
const UNEQUAL: [usize; 2] = [3, 5];

/// What pairs of texts are like.
#[derive(Clone, Debug, Serialize)]
pub struct PairInspection {
    /// Number of pairs.
    pub pairs: usize,
    /// The columns of the sources and of the targets.
    pub columns: [String; 2],
    /// Pairs of each part.
    pub parts: BTreeMap<Part, usize>,
    /// The least, median and greatest number of words of sources and of targets, which spaces part.
    pub words: [Option<[usize; 3]>; 2],
    /// What looks wrong.
    pub findings: Vec<PairFinding>,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PairFinding {
    /// Rows without one of both texts, which are left out.
    LeftOut {
        /// The first of them.
        row: String,
        /// How many.
        rows: usize,
    },
    /// Texts that stand unchanged as what becomes of them.
    Unchanged {
        /// The first of them.
        pair: String,
        /// How many.
        pairs: usize,
    },
    /// Pairs of which one text is far longer than the other.
    Unequal {
        /// The first of them.
        pair: String,
        /// How many.
        pairs: usize,
    },
    /// Sources with several targets.
    SeveralTargets {
        /// A pair.
        pair: String,
        /// One with the same source and another target.
        other: String,
        /// How many repeat a source in this way.
        pairs: usize,
    },
    /// Sources that are learned from and tested on.
    Leak {
        /// A pair.
        pair: String,
        /// One with the same source in another part.
        other: String,
        /// How many.
        pairs: usize,
    },
    /// Pairs that repeat others of their part.
    Duplicates {
        /// How many.
        pairs: usize,
    },
}

impl fmt::Display for PairFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PairFinding::LeftOut { row, rows } => {
                write!(f, "rows without one of both texts, which are left out: {rows}, {row} first")
            }
            PairFinding::Unchanged { pair, pairs } => write!(f, "pairs of the same text twice: {pairs}, {pair} first"),
            PairFinding::Unequal { pair, pairs } => {
                write!(
                    f,
                    "pairs of which one text is far longer than the other: {pairs}, {pair} first: do they belong together?"
                )
            }
            PairFinding::SeveralTargets { pair, other, pairs } => {
                write!(f, "pairs whose source has another target, too: {pairs}, such as {pair} and {other}")
            }
            PairFinding::Leak { pair, other, pairs } => {
                write!(f, "sources that are learned from and tested on: {pairs}, such as {pair} and {other}")
            }
            PairFinding::Duplicates { pairs: 1 } => write!(f, "1 pair repeats another"),
            PairFinding::Duplicates { pairs } => write!(f, "{pairs} pairs repeat others"),
        }
    }
}

impl PairSet {
    /// Tells what the pairs are like and what looks wrong.
    pub fn inspect(&self) -> PairInspection {
        let count = |texts: &[String]| texts.iter().map(|text| text.split_whitespace().count()).collect::<Vec<_>>();
        let words = [count(&self.sources), count(&self.targets)];
        let mut parts = BTreeMap::new();
        self.parts.iter().for_each(|&part| *parts.entry(part).or_default() += 1);
        let mut findings = Vec::new();
        let left_out = self.left_out();
        if let Some(row) = left_out.first() {
            findings.push(PairFinding::LeftOut { row: row.clone(), rows: left_out.len() });
        }
        let all = |is: &dyn Fn(usize) -> bool| (0..self.len()).filter(|&pair| is(pair)).collect::<Vec<usize>>();
        let unchanged = all(&|pair| self.sources[pair].trim() == self.targets[pair].trim());
        if let Some(&pair) = unchanged.first() {
            findings.push(PairFinding::Unchanged { pair: self.name(pair), pairs: unchanged.len() });
        }
        let [times, more] = UNEQUAL;
        let unequal = all(&|pair| {
            let [a, b] = [words[0][pair], words[1][pair]];
            a.max(b) > times * a.min(b) + more
        });
        if let Some(&pair) = unequal.first() {
            findings.push(PairFinding::Unequal { pair: self.name(pair), pairs: unequal.len() });
        }
        findings.extend(self.repeated());
        PairInspection { pairs: self.len(), columns: self.columns().clone(), parts, words: words.map(spread), findings }
    }

    /// Pairs whose source is that of an earlier one.
    fn repeated(&self) -> Vec<PairFinding> {
        let mut first: HashMap<&str, usize> = HashMap::new();
        let mut seen: HashSet<(&str, &str, Part)> = HashSet::new();
        let (mut several, mut leaks, mut duplicates) = (Vec::new(), Vec::new(), 0);
        for i in 0..self.len() {
            let (source, target, part) = (self.sources[i].trim(), self.targets[i].trim(), self.parts[i]);
            let j = *first.entry(source).or_insert(i);
            let is_new = seen.insert((source, target, part));
            match () {
                () if i == j => {}
                () if self.parts[j] != part => leaks.push((j, i)),
                () if !is_new => duplicates += 1,
                () => several.push((j, i)),
            }
        }
        let mut findings = Vec::new();
        if let Some(&(j, i)) = several.first() {
            let (pair, other) = (self.name(j), self.name(i));
            findings.push(PairFinding::SeveralTargets { pair, other, pairs: several.len() });
        }
        if let Some(&(j, i)) = leaks.first() {
            findings.push(PairFinding::Leak { pair: self.name(j), other: self.name(i), pairs: leaks.len() });
        }
        findings.extend((duplicates > 0).then_some(PairFinding::Duplicates { pairs: duplicates }));
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PairColumns;

    #[test]
    fn what_looks_wrong_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.csv");
        let rows = "source,target,part\nGo on.,Sigue.,train\nGo on.,Sigue.,train\nGo on.,Continúa.,train\nNo.,No.,train\n\
                    Yes.,Sí.,train\n,Nada.,train\nYes.,Sí.,test\nWell.,a b c d e f g h i,test\n";
        std::fs::write(&path, rows).expect("a table");
        let found = PairSet::open(&path, &PairColumns::default()).unwrap().inspect();
        assert_eq!((found.pairs, found.words), (7, [Some([1, 1, 2]), Some([1, 1, 9])]));
        assert_eq!(found.parts, BTreeMap::from([(Part::Train, 5), (Part::Test, 2)]));
        let row = |number: usize| format!("{}: row {number}", path.display());
        let expected = [
            PairFinding::LeftOut { row: row(6), rows: 1 },
            PairFinding::Unchanged { pair: row(4), pairs: 1 },
            PairFinding::Unequal { pair: row(8), pairs: 1 },
            PairFinding::SeveralTargets { pair: row(1), other: row(3), pairs: 1 },
            PairFinding::Leak { pair: row(5), other: row(7), pairs: 1 },
            PairFinding::Duplicates { pairs: 1 },
        ];
        assert_eq!(found.findings, expected);
        std::fs::write(&path, "source,target\nGo on.,Sigue.\nYes.,Sí.\n").expect("a table");
        assert_eq!(PairSet::open(&path, &PairColumns::default()).unwrap().inspect().findings, []);
    }
}
