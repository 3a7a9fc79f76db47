//! What a table holds, and what looks wrong in it.

use super::encode::mean_and_deviation;
use super::identity::Identity;
use super::nearly::nearly_numeric;
use super::{Codes, Column, Finding, Kind, Reading, Table, TableError, Values};
use crate::IMBALANCE;
use jiff::Timestamp;
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Categories that a summary names.
const NAMED: usize = 5;
/// The share of missing values from which a column has little to say.
const MOSTLY: f64 = 0.5;
/// The share of the commonest value from which a column is all but constant.
const CONSTANT: f64 = 0.995;
/// Rows from which values that never repeat look like names of rows.
const ENOUGH: usize = 20;
/// Mixes the bits of a hash: 2⁶⁴ by the golden ratio, made odd.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a table holds.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Number of rows.
    pub rows: usize,
    /// The columns, in order.
    pub columns: Vec<ColumnSummary>,
    /// What looks wrong.
    pub findings: Vec<Finding>,
}

/// What a column holds.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnSummary {
    /// The name.
    pub name: String,
    /// What the values are.
    pub kind: Kind,
    /// Rows without a value.
    pub missing: usize,
    /// Distinct values.
    pub distinct: usize,
    /// What else there is to say of this kind.
    #[serde(flatten)]
    pub detail: Detail,
}

/// What a summary says of a kind of values.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// Of times, in ISO 8601.
    Period {
        /// The first.
        first: String,
        /// The last.
        last: String,
    },
    /// Of finite numbers.
    Range {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
        /// The mean.
        mean: f64,
        /// The standard deviation of the population.
        std: f64,
    },
    /// The commonest categories with their numbers of rows.
    Common {
        /// The commonest first; the first by name among equals.
        common: Vec<(String, usize)>,
    },
    /// Nothing more.
    Nothing {},
}

impl Table {
    /// What the table holds and what looks wrong, also with respect to a column that is to be predicted.
    ///
    /// # Errors
    /// A target that is not there.
    pub fn inspect(&self, target: Option<&str>) -> Result<Inspection, TableError> {
        let target = target.map(|name| self.place(name)).transpose()?;
        let identities = self.columns().iter().map(|column| Identity::of(&column.values));
        let identities = identities.collect::<Result<Vec<_>, _>>()?;
        let mut findings = Vec::new();
        let repeated = repeated(&identities, self.rows());
        if repeated > 0 {
            findings.push(Finding::DuplicateRows { rows: repeated });
        }
        let mut columns = Vec::new();
        let counts: Vec<Counts> =
            self.columns().iter().zip(&identities).map(|(column, of)| Counts::of(&column.values, of)).collect();
        let same = |i: usize, j: usize| {
            identities[i].iter().eq(identities[j].iter())
                && self.columns()[i].values.has_words_of(&self.columns()[j].values)
        };
        // Columns by what they say, so that few are compared.
        let mut alike: HashMap<u64, Vec<usize>> = HashMap::new();
        for (i, column) in self.columns().iter().enumerate() {
            columns.push(summary(column, counts[i].distinct));
            findings.extend(of_column(column, &counts[i], target == Some(i)));
            findings.extend(self.readings.get(&i).and_then(|reading| guess(column, reading)));
            let alike = alike.entry(hash(&column.values, &identities[i])).or_default();
            let twin = alike.iter().copied().find(|&j| same(i, j));
            if twin.is_none() {
                alike.push(i);
            }
            let names = |other: usize| [i, other].map(|i| self.columns()[i].name.clone());
            let tells = |target: usize| {
                counts[i].distinct > 1
                    && (same(i, target) || tell_each_other([i, target].map(|i| (&identities[i], &counts[i]))))
            };
            match (target, twin) {
                (Some(target), _) if target != i && tells(target) => {
                    let [column, target] = names(target);
                    findings.push(Finding::Leak { column, target });
                }
                // That a copy tells the target is said where the copy stands.
                (Some(target), _) if target == i => {}
                (_, Some(twin)) => {
                    let [column, other] = names(twin);
                    findings.push(Finding::SameAs { column, other });
                }
                _ => {}
            }
        }
        if let Some(target) = target {
            findings.extend(of_target(&self.columns()[target], &counts[target]));
        }
        Ok(Inspection { rows: self.rows(), columns, findings })
    }
}

/// How many rows repeat others.
fn repeated(columns: &[Identity], rows: usize) -> usize {
    let mut hashes: Vec<(u64, usize)> = (0..rows).map(|row| (0, row)).collect();
    for column in columns {
        for (hash, row) in &mut hashes {
            let mixed = (*hash ^ column.at(*row)).wrapping_mul(MIX);
            *hash = mixed ^ mixed >> 32;
        }
    }
    // Rows that may be the same lie side by side.
    hashes.sort_unstable();
    let compare = |&(_, a): &(u64, usize), &(_, b): &(u64, usize)| {
        columns.iter().map(|of| of.at(a).cmp(&of.at(b))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    let repeated = |alike: &mut [(u64, usize)]| {
        alike.sort_unstable_by(compare);
        alike.windows(2).filter(|pair| compare(&pair[0], &pair[1]).is_eq()).count()
    };
    hashes.chunk_by_mut(|(a, _), (b, _)| a == b).map(repeated).sum()
}

/// Of all that makes columns say the same.
fn hash(values: &Values, identity: &Identity) -> u64 {
    let mut hasher = DefaultHasher::new();
    identity.iter().for_each(|value| value.hash(&mut hasher));
    match values {
        Values::Numbers(_) | Values::Times(_) => {}
        Values::Categories { names, .. } => names.hash(&mut hasher),
        Values::Texts(texts) => texts.iter().for_each(|text| text.hash(&mut hasher)),
    }
    hasher.finish()
}

/// Whether rows have the same value of one column just where they have the same of the other, and values repeat.
fn tell_each_other(columns: [(&Identity, &Counts); 2]) -> bool {
    let [(a, of_a), (b, of_b)] = columns;
    let [distinct, other] = [of_a, of_b].map(|of| of.distinct + usize::from(of.present < a.len()));
    let mut pairs = HashSet::new();
    let mut is_few = |pair| {
        pairs.insert(pair);
        pairs.len() <= distinct
    };
    // There are as many pairs as values of each, or more.
    distinct == other && 2 * distinct <= a.len() && a.iter().zip(b.iter()).all(&mut is_few)
}

/// What could be misread.
fn guess(column: &Column, reading: &Reading) -> Option<Finding> {
    let column = column.name.clone();
    match reading {
        Reading { guessed: false, .. } => None,
        Reading { kind: Kind::MonthFirst, .. } => Some(Finding::DateOrder { column }),
        Reading { .. } => Some(Finding::Thousands { column }),
    }
}

/// How often values repeat.
struct Counts {
    /// Rows with a value.
    present: usize,
    /// Distinct values.
    distinct: usize,
    /// Rows of the commonest one.
    most: usize,
}

impl Counts {
    fn of(values: &Values, identity: &Identity) -> Counts {
        let present = (0..values.len()).filter(|&row| !values.is_missing(row));
        let mut present: Vec<u64> = present.map(|row| identity.at(row)).collect();
        present.sort_unstable();
        let runs = || present.chunk_by(|a, b| a == b).map(<[u64]>::len);
        Counts { present: present.len(), distinct: runs().count(), most: runs().max().unwrap_or(0) }
    }
}

fn summary(column: &Column, distinct: usize) -> ColumnSummary {
    let values = &column.values;
    let missing = (0..values.len()).filter(|&row| values.is_missing(row)).count();
    let detail = match values {
        Values::Numbers(values) => range(values),
        Values::Times(values) => period(values),
        Values::Categories { names, codes } => {
            let mut common = by_size(names, codes);
            common.truncate(NAMED);
            Detail::Common { common }
        }
        Values::Texts(_) => Detail::Nothing {},
    };
    ColumnSummary { name: column.name.clone(), kind: values.kind(), missing, distinct, detail }
}

fn period(values: &[f64]) -> Detail {
    let ends = values.iter().filter(|x| !x.is_nan()).fold(None, |ends, &x| match ends {
        None => Some((x, x)),
        Some((first, last)) => Some((x.min(first), x.max(last))),
    });
    // Times come from timestamps, so they are some.
    let shown =
        |seconds: f64| Timestamp::from_second(seconds.floor() as i64).map_or_else(|_| "?".into(), |t| t.to_string());
    ends.map_or(Detail::Nothing {}, |(first, last)| Detail::Period { first: shown(first), last: shown(last) })
}

fn range(values: &[f64]) -> Detail {
    let finite = || values.iter().copied().filter(|x| x.is_finite());
    if finite().next().is_none() {
        return Detail::Nothing {};
    }
    let (min, max) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (min.min(x), max.max(x)));
    let (mean, std) = mean_and_deviation(finite());
    Detail::Range { min, max, mean, std }
}

/// Categories with their rows, the commonest first.
fn by_size(names: &[String], codes: &Codes) -> Vec<(String, usize)> {
    let mut sizes = vec![0; names.len()];
    codes.iter().flatten().for_each(|code| sizes[code as usize] += 1);
    let mut all: Vec<(String, usize)> = names.iter().cloned().zip(sizes).collect();
    all.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    all
}

fn of_column(column: &Column, counts: &Counts, is_target: bool) -> Vec<Finding> {
    let (name, values) = (|| column.name.clone(), &column.values);
    let &Counts { present, distinct, most } = counts;
    let rows = values.len();
    let mut findings = Vec::new();
    let missing = (rows - present) as f64 / rows.max(1) as f64;
    if missing > MOSTLY {
        findings.push(Finding::MostlyMissing { column: name(), share: missing });
    }
    let share = most as f64 / present.max(1) as f64;
    if share >= CONSTANT && present > 1 && !is_target {
        findings.push(Finding::Constant { column: name(), share });
    }
    let whole = |x: &f64| x.fract() == 0.0;
    let names_rows = match values {
        Values::Numbers(values) => values.iter().all(whole),
        Values::Categories { .. } => true,
        // Sentences may well differ from row to row.
        Values::Texts(texts) => texts.iter().flatten().all(|text| !text.contains(' ')),
        Values::Times(_) => false,
    };
    let nearly = nearly_numeric(column);
    if names_rows && nearly.is_none() && distinct == rows && rows >= ENOUGH && !is_target {
        findings.push(Finding::Identifier { column: name() });
    }
    findings.extend(nearly.map(Finding::NearlyNumeric));
    if let Values::Numbers(values) = values {
        let infinite = values.iter().filter(|x| x.is_infinite()).count();
        if infinite > 0 {
            findings.push(Finding::Infinite { column: name(), rows: infinite });
        }
    }
    findings
}

fn of_target(column: &Column, counts: &Counts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let missing = column.values.len() - counts.present;
    if missing > 0 {
        findings.push(Finding::NoTarget { rows: missing });
    }
    if counts.distinct <= 1 {
        findings.push(Finding::OneClass { column: column.name.clone() });
    }
    if let Values::Categories { names, codes } = &column.values {
        let sizes = by_size(names, codes);
        if let (Some((commonest, most)), Some((rarest, rows))) = (sizes.first(), sizes.last())
            && rows * IMBALANCE <= *most
        {
            let (rarest, commonest) = (rarest.clone(), commonest.clone());
            findings.push(Finding::Imbalance { rarest, rows: *rows, commonest, most: *most });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Strings;
    use super::*;

    fn column(name: &str, values: Values) -> Column {
        Column { name: name.to_string(), values }
    }

    fn categories(texts: &[&str]) -> Values {
        let mut names: Vec<String> =
            texts.iter().filter(|text| !text.is_empty()).map(|text| text.to_string()).collect();
        names.sort();
        names.dedup();
        let code = |text: &&str| names.iter().position(|name| name == text).map(|code| code as u32);
        Values::Categories { codes: texts.iter().map(code).collect::<Vec<_>>().into(), names }
    }

    fn findings(columns: Vec<Column>, target: Option<&str>) -> Vec<Finding> {
        Table::new(columns).unwrap().inspect(target).unwrap().findings
    }

    #[test]
    fn columns_are_summed_up() {
        let numbers = Values::Numbers(vec![1.0, 3.0, f64::NAN, f64::INFINITY, 1.0].into());
        let columns = vec![
            column("n", numbers),
            column("t", Values::Times(vec![0.0, 86400.0, f64::NAN, 1.0, 2.0].into())),
            column("c", categories(&["b", "a", "b", "", "c"])),
        ];
        let said = serde_json::to_value(Table::new(columns).unwrap().inspect(None).unwrap()).unwrap();
        let n = serde_json::json!({
            "name": "n", "kind": "number", "missing": 1, "distinct": 3, "min": 1.0, "max": 3.0, "mean": 5.0 / 3.0,
            "std": (8.0f64 / 9.0).sqrt(),
        });
        assert_eq!(said["columns"][0], n);
        let t = serde_json::json!({
            "name": "t", "kind": "time", "missing": 1, "distinct": 4,
            "first": "1970-01-01T00:00:00Z", "last": "1970-01-02T00:00:00Z",
        });
        assert_eq!(said["columns"][1], t);
        let c = serde_json::json!({
            "name": "c", "kind": "category", "missing": 1, "distinct": 3, "common": [["b", 2], ["a", 1], ["c", 1]],
        });
        assert_eq!(said["columns"][2], c);
        assert_eq!(said["findings"], serde_json::json!([{"finding": "infinite", "column": "n", "rows": 1}]));
    }

    #[test]
    fn what_looks_wrong_is_found() {
        let rows = |f: fn(usize) -> f64| Values::Numbers((0..40).map(f).collect::<Vec<_>>().into());
        let noise: fn(usize) -> f64 = |i| (i as f64 * 0.7).sin();
        assert_eq!(findings(vec![column("x", rows(noise))], None), []);
        let constant = Finding::Constant { column: "k".into(), share: 1.0 };
        assert_eq!(findings(vec![column("x", rows(noise)), column("k", rows(|_| 7.0))], None), [constant]);
        let id = Finding::Identifier { column: "id".into() };
        assert_eq!(findings(vec![column("id", rows(|i| i as f64))], None), [id]);
        assert_eq!(findings(vec![column("id", rows(|i| i as f64))], Some("id")), []);
        let same = Finding::SameAs { column: "y".into(), other: "x".into() };
        assert_eq!(findings(vec![column("x", rows(noise)), column("y", rows(noise))], None), [same]);
        assert_eq!(findings(vec![column("x", rows(|i| (i % 30) as f64))], None), [Finding::DuplicateRows { rows: 10 }]);
        let gaps = rows(|i| if i < 30 { f64::NAN } else { (i as f64).sqrt() });
        let mostly = Finding::MostlyMissing { column: "g".into(), share: 0.75 };
        assert_eq!(findings(vec![column("x", rows(noise)), column("g", gaps)], None), [mostly]);
    }

    #[test]
    fn rows_of_equal_hashes_are_told_apart() {
        let mixed = |value: u64| value.wrapping_mul(MIX) ^ value.wrapping_mul(MIX) >> 32;
        let second = mixed(1) ^ mixed(2);
        let columns = [vec![1, 2, 1, 2], vec![0, second, 0, second]].map(|numbers| Identity::Texts(numbers.into()));
        assert_eq!(repeated(&columns, 4), 2);
    }

    #[test]
    fn targets_are_looked_at_closely() {
        let noise = || column("x", Values::Numbers((0..40).map(|i| (i as f64 * 0.7).sin()).collect::<Vec<_>>().into()));
        let of = |texts: Vec<&str>| findings(vec![noise(), column("y", categories(&texts))], Some("y"));
        let mut texts = vec!["no"; 40];
        assert_eq!(of(texts.clone()), [Finding::OneClass { column: "y".into() }]);
        texts[3] = "yes";
        texts[4] = "";
        let imbalance = Finding::Imbalance { rarest: "yes".into(), rows: 1, commonest: "no".into(), most: 38 };
        assert_eq!(of(texts), [Finding::NoTarget { rows: 1 }, imbalance]);
        let table = Table::new(vec![noise()]).unwrap();
        assert!(table.inspect(Some("z")).unwrap_err().to_string().contains("no column \"z\""));
    }

    #[test]
    fn copies_of_the_target_leak() {
        let values = |f: fn(usize) -> f64| Values::Numbers((0..40).map(f).collect::<Vec<_>>().into());
        let classes = |names: [&str; 3]| categories(&(0..40).map(|i| names[i * i % 7 % 3]).collect::<Vec<_>>());
        let noise = || column("x", values(|i| (i as f64 * 0.7).sin()));
        let leak = |column: &str, target: &str| Finding::Leak { column: column.into(), target: target.into() };
        let label = || column("label", classes(["a", "b", ""]));
        let copy = || column("copy", classes(["a", "b", ""]));
        let same = Finding::SameAs { column: "label".into(), other: "copy".into() };
        assert_eq!(findings(vec![noise(), copy(), label()], None), [same]);
        let no_value = Finding::NoTarget { rows: 12 };
        assert_eq!(findings(vec![noise(), copy(), label()], Some("label")), [leak("copy", "label"), no_value.clone()]);
        assert_eq!(findings(vec![noise(), label(), copy()], Some("label")), [leak("copy", "label"), no_value.clone()]);
        // The same groups of rows by other names, and as numbers.
        let other = column("other", classes(["z", "y", "x"]));
        let coded = column("coded", values(|i| [7.0, -1.0, 0.5][i * i % 7 % 3]));
        let found = findings(vec![noise(), other, coded, label()], Some("label"));
        assert_eq!(found, [leak("other", "label"), leak("coded", "label"), no_value]);
        // A copy of numbers that never repeat, and one with gaps.
        let y: fn(usize) -> f64 = |i| if i == 5 { f64::NAN } else { (i as f64 * 0.3).cos() };
        let found = findings(vec![noise(), column("y", values(y)), column("y again", values(y))], Some("y"));
        assert_eq!(found, [leak("y again", "y"), Finding::NoTarget { rows: 1 }]);
        let said = leak("copy", "label").to_string();
        assert_eq!(said, "\"copy\" tells \"label\" by itself: a leak? Leave it out unless it is known beforehand");
    }

    #[test]
    fn what_was_guessed_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.csv");
        let found = |text: &str| {
            std::fs::write(&path, text).expect("a file");
            Table::read(&path, &crate::TableOptions::default()).unwrap().inspect(None).unwrap().findings
        };
        let d = || "d".to_string();
        assert_eq!(found("d\n03/04/2024\n05/06/2024\n"), [Finding::DateOrder { column: d() }]);
        assert_eq!(found("d\n03/04/2024\n13/06/2024\n"), []);
        assert_eq!(found("d\n\"1,234\"\n\"2,345\"\n"), [Finding::Thousands { column: d() }]);
        assert_eq!(found("d\n\"1,234\"\n\"2,345,678\"\n"), []);
        let nearly = found("d\n1.5\n2.5\nerr\n3.5\n");
        assert!(matches!(&nearly[..], [Finding::NearlyNumeric(of)] if of.row == 3), "{nearly:?}");
        let json = serde_json::to_value(&nearly).unwrap();
        assert_eq!((&json[0]["finding"], &json[0]["text"]), (&"nearly_numeric".into(), &"err".into()));
    }

    #[test]
    fn many_columns_take_little_time_each() {
        let columns = (0..20_000).map(|i| {
            column(&format!("c{i}"), Values::Texts(Strings::of([Some(&format!("t{i}")[..]), Some("x")]).unwrap()))
        });
        let begin = std::time::Instant::now();
        let table = Table::new(columns.collect()).unwrap();
        assert_eq!(table.inspect(Some("c7")).unwrap().columns.len(), 20_000);
        // Pairs of columns would take minutes in this profile.
        assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
    }
}
