//! What series with classes are like, and what looks wrong in them.

use super::SeriesSet;
use crate::files::{Balance, Repeat, hash, repeated, unbalanced};
use crate::folders::Part;
use crate::spread::spread;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What series with classes are like.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesInspection {
    /// Number of series.
    pub series: usize,
    /// Series of each class in each part.
    pub classes: BTreeMap<String, BTreeMap<Part, usize>>,
    /// Number of channels.
    pub channels: usize,
    /// The least, median and greatest number of steps.
    pub steps: Option<[usize; 3]>,
    /// The least, median and greatest number.
    pub values: Option<[f64; 3]>,
    /// What looks wrong.
    pub findings: Vec<SeriesFinding>,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SeriesFinding {
    /// Missing numbers, which are filled by straight lines.
    Filled {
        /// How many.
        values: usize,
        /// In how many series.
        series: usize,
        /// The first of these.
        name: String,
    },
    /// Series that never change.
    Constant {
        /// How many.
        series: usize,
        /// The first of them.
        name: String,
    },
    /// The same series in two classes.
    SeveralClasses {
        /// A series.
        name: String,
        /// The same one of another class.
        other: String,
    },
    /// The same series in two parts.
    Leak {
        /// A series.
        name: String,
        /// The same one in another part.
        other: String,
    },
    /// Series that repeat others of their class and part.
    Duplicates {
        /// How many.
        series: usize,
    },
    /// There is one class.
    OneClass,
    /// Classes of very different sizes.
    Imbalance {
        /// The rarest class.
        rarest: String,
        /// Its series to learn from.
        series: usize,
        /// The commonest class.
        commonest: String,
        /// Its series to learn from.
        most: usize,
    },
}

impl fmt::Display for SeriesFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SeriesFinding::Filled { values, series, name } => {
                write!(f, "missing numbers, filled by straight lines: {values} in {series} series, {name} first")
            }
            SeriesFinding::Constant { series, name } => write!(f, "series that never change: {series}, {name} first"),
            SeriesFinding::SeveralClasses { name, other } => {
                write!(f, "{name} and {other} are the same series in two classes")
            }
            SeriesFinding::Leak { name, other } => {
                write!(f, "{name} is learned from and tested on: {other} is the same")
            }
            SeriesFinding::Duplicates { series: 1 } => write!(f, "1 series repeats another of its class"),
            SeriesFinding::Duplicates { series } => write!(f, "{series} series repeat others of their class"),
            SeriesFinding::OneClass => write!(f, "there is one class: nothing to tell apart"),
            SeriesFinding::Imbalance { rarest, series, commonest, most } => {
                write!(f, "classes are out of balance: {series} series of {rarest:?}, {most} of {commonest:?}")
            }
        }
    }
}

impl SeriesSet {
    /// Tells what the series are like and what looks wrong.
    pub fn inspect(&self) -> SeriesInspection {
        let mut classes: BTreeMap<String, BTreeMap<Part, usize>> = BTreeMap::new();
        for (&label, &part) in self.labels.iter().zip(&self.parts) {
            *classes.entry(self.classes[label].clone()).or_default().entry(part).or_default() += 1;
        }
        let mut findings = Vec::new();
        let mut filled = self.series.iter().filter(|one| one.filled > 0).peekable();
        if let Some(name) = filled.peek().map(|one| one.name.clone()) {
            let (series, values) = filled.fold((0, 0), |(series, values), one| (series + 1, values + one.filled));
            findings.push(SeriesFinding::Filled { values, series, name });
        }
        let is_constant = |values: &[f64]| values.iter().all(|value| *value == values[0]);
        let constant = |one: &&super::Series| one.values.chunks(one.len().max(1)).all(is_constant);
        let mut constant = self.series.iter().filter(constant);
        if let Some(one) = constant.next() {
            findings.push(SeriesFinding::Constant { name: one.name.clone(), series: 1 + constant.count() });
        }
        findings.extend(self.again());
        findings.extend(unbalanced(&classes).map(|balance| match balance {
            Balance::OneClass => SeriesFinding::OneClass,
            Balance::Imbalance { rarest, least, commonest, most } => {
                SeriesFinding::Imbalance { rarest, series: least, commonest, most }
            }
        }));
        SeriesInspection {
            series: self.series.len(),
            classes,
            channels: self.channels(),
            steps: spread(self.series.iter().map(super::Series::len).collect()),
            values: spread(self.series.iter().flat_map(|one| &one.values).copied().collect()),
            findings,
        }
    }

    /// Series that are the same as earlier ones.
    fn again(&self) -> Vec<SeriesFinding> {
        let items: Vec<(usize, Part)> = self.labels.iter().copied().zip(self.parts.iter().copied()).collect();
        let bytes = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let hashes = self.series.iter().map(|one| Some(hash(&bytes(&one.values))));
        let (repeats, series) = repeated(&items, hashes, |a, b| self.series[a].values == self.series[b].values);
        let name = |index: usize| self.series[index].name.clone();
        let finding = |repeat| match repeat {
            Repeat::SeveralClasses(a, b) => SeriesFinding::SeveralClasses { name: name(a), other: name(b) },
            Repeat::Leak(a, b) => SeriesFinding::Leak { name: name(a), other: name(b) },
        };
        let duplicates = (series > 0).then_some(SeriesFinding::Duplicates { series });
        repeats.into_iter().map(finding).chain(duplicates).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeriesColumns;

    #[test]
    fn what_looks_wrong_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let mut train = "@classLabel true often rare\n@data\n".to_string();
        (0..20).for_each(|i| train += &format!("{i},1,2:often\n"));
        train += "3,1,2:often\n4,1,2:rare\n?,7:often\n5,5,5,5:often\n";
        std::fs::write(path("x_TRAIN.ts"), train).expect("a file");
        std::fs::write(path("x_TEST.ts"), "@classLabel true often rare\n@data\n8,1,2:often\n-1,9:rare\n")
            .expect("a file");
        let found = SeriesSet::open(folder.path(), &SeriesColumns::default()).unwrap().inspect();
        assert_eq!((found.series, found.channels, found.steps), (26, 1, Some([2, 3, 4])));
        assert_eq!(found.classes["often"], BTreeMap::from([(Part::Train, 23), (Part::Test, 1)]));
        assert_eq!(found.values.map(|[least, _, most]| [least, most]), Some([-1.0, 19.0]));
        let line = |file: &str, number: usize| format!("{}:{number}", path(file).display());
        let expected = [
            SeriesFinding::Filled { values: 1, series: 1, name: line("x_TRAIN.ts", 25) },
            SeriesFinding::Constant { series: 2, name: line("x_TRAIN.ts", 25) },
            SeriesFinding::SeveralClasses { name: line("x_TRAIN.ts", 7), other: line("x_TRAIN.ts", 24) },
            SeriesFinding::Leak { name: line("x_TRAIN.ts", 11), other: line("x_TEST.ts", 3) },
            SeriesFinding::Duplicates { series: 1 },
            SeriesFinding::Imbalance { rarest: "rare".into(), series: 1, commonest: "often".into(), most: 23 },
        ];
        assert_eq!(found.findings, expected);
    }
}
