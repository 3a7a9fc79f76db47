//! What a table holds, and what looks wrong in it.

use super::{Column, Kind, Table, TableError, Values};
use crate::IMBALANCE;
use jiff::Timestamp;
use serde::Serialize;
use std::cmp::Ordering;
use std::fmt;

/// Categories that a summary names.
const NAMED: usize = 5;
/// The share of missing values from which a column has little to say.
const MOSTLY: f64 = 0.5;
/// The share of the commonest value from which a column is all but constant.
const CONSTANT: f64 = 0.995;
/// Rows from which values that never repeat look like names of rows.
const ENOUGH: usize = 20;

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

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// Rows that repeat earlier ones.
    DuplicateRows {
        /// How many.
        rows: usize,
    },
    /// A column of one value, or nearly.
    Constant {
        /// The column.
        column: String,
        /// The share of the commonest value.
        share: f64,
    },
    /// A column with few values.
    MostlyMissing {
        /// The column.
        column: String,
        /// The share of rows without one.
        share: f64,
    },
    /// A column that says the same as another.
    SameAs {
        /// The later column.
        column: String,
        /// The earlier one.
        other: String,
    },
    /// Each row has a value of its own: a name or a number of the row, which says nothing of others.
    Identifier {
        /// The column.
        column: String,
    },
    /// Numbers that are not finite.
    Infinite {
        /// The column.
        column: String,
        /// How many.
        rows: usize,
    },
    /// Rows without the value that is to be predicted.
    NoTarget {
        /// How many.
        rows: usize,
    },
    /// The target has one value.
    OneClass {
        /// The column.
        column: String,
    },
    /// Classes of the target of very different sizes.
    Imbalance {
        /// The rarest class.
        rarest: String,
        /// Its rows.
        rows: usize,
        /// The commonest class.
        commonest: String,
        /// Its rows.
        most: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::DuplicateRows { rows: 1 } => write!(f, "1 row repeats an earlier one"),
            Finding::DuplicateRows { rows } => write!(f, "{rows} rows repeat earlier ones"),
            Finding::Constant { column, share } => {
                write!(f, "{column:?} has the same value in {:.1} % of the rows", 100.0 * share)
            }
            Finding::MostlyMissing { column, share } => {
                write!(f, "{column:?} has no value in {:.0} % of the rows", 100.0 * share)
            }
            Finding::SameAs { column, other } => write!(f, "{column:?} says the same as {other:?}"),
            Finding::Identifier { column } => {
                write!(f, "{column:?} names each row: a network would learn the rows by heart")
            }
            Finding::Infinite { column, rows } => write!(f, "{column:?} is infinite, rows: {rows}"),
            Finding::NoTarget { rows } => write!(f, "rows without a value of the target: {rows}"),
            Finding::OneClass { column } => write!(f, "the target {column:?} has one value: there is nothing to learn"),
            Finding::Imbalance { rarest, rows, commonest, most } => {
                write!(f, "classes are out of balance: {rows} rows of {rarest:?}, {most} of {commonest:?}")
            }
        }
    }
}

impl Table {
    /// What the table holds and what looks wrong, also with respect to a column that is to be predicted.
    ///
    /// # Errors
    /// A target that is not there.
    pub fn inspect(&self, target: Option<&str>) -> Result<Inspection, TableError> {
        let target = target.map(|name| self.column(name)).transpose()?;
        let identities: Vec<Vec<u64>> = self.columns().iter().map(|column| column.values.identity()).collect();
        let mut findings = Vec::new();
        // Rows that are the same lie side by side.
        let compare = |&a: &usize, &b: &usize| {
            identities.iter().map(|of| of[a].cmp(&of[b])).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        let mut rows: Vec<usize> = (0..self.rows()).collect();
        rows.sort_unstable_by(compare);
        let repeated = rows.windows(2).filter(|pair| compare(&pair[0], &pair[1]).is_eq()).count();
        if repeated > 0 {
            findings.push(Finding::DuplicateRows { rows: repeated });
        }
        let mut columns = Vec::new();
        for (i, column) in self.columns().iter().enumerate() {
            let counts = Counts::of(&column.values, &identities[i]);
            columns.push(summary(column, counts.distinct));
            let is_target = target.is_some_and(|target| target.name == column.name);
            findings.extend(of_column(column, &counts, is_target));
            let same = |j: &usize| identities[*j] == identities[i] && self.columns()[*j].values == column.values;
            if let Some(j) = (0..i).find(same) {
                findings.push(Finding::SameAs { column: column.name.clone(), other: self.columns()[j].name.clone() });
            }
        }
        if let Some(target) = target {
            findings.extend(of_target(target));
        }
        Ok(Inspection { rows: self.rows(), columns, findings })
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
    fn of(values: &Values, identity: &[u64]) -> Counts {
        let present = identity.iter().enumerate().filter(|(row, _)| !values.is_missing(*row));
        let mut present: Vec<u64> = present.map(|(_, &identity)| identity).collect();
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
    let count = finite().count();
    if count == 0 {
        return Detail::Nothing {};
    }
    let (min, max) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (min.min(x), max.max(x)));
    let mean = finite().sum::<f64>() / count as f64;
    let std = (finite().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64).sqrt();
    Detail::Range { min, max, mean, std }
}

/// Categories with their rows, the commonest first.
fn by_size(names: &[String], codes: &[Option<u32>]) -> Vec<(String, usize)> {
    let mut sizes = vec![0; names.len()];
    codes.iter().flatten().for_each(|&code| sizes[code as usize] += 1);
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
    if names_rows && distinct == rows && rows >= ENOUGH && !is_target {
        findings.push(Finding::Identifier { column: name() });
    }
    if let Values::Numbers(values) = values {
        let infinite = values.iter().filter(|x| x.is_infinite()).count();
        if infinite > 0 {
            findings.push(Finding::Infinite { column: name(), rows: infinite });
        }
    }
    findings
}

fn of_target(column: &Column) -> Vec<Finding> {
    let mut findings = Vec::new();
    let missing = (0..column.values.len()).filter(|&row| column.values.is_missing(row)).count();
    if missing > 0 {
        findings.push(Finding::NoTarget { rows: missing });
    }
    if Counts::of(&column.values, &column.values.identity()).distinct <= 1 {
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
        Values::Categories { codes: texts.iter().map(code).collect(), names }
    }

    fn findings(columns: Vec<Column>, target: Option<&str>) -> Vec<Finding> {
        Table::new(columns).unwrap().inspect(target).unwrap().findings
    }

    #[test]
    fn columns_are_summed_up() {
        let numbers = Values::Numbers(vec![1.0, 3.0, f64::NAN, f64::INFINITY, 1.0]);
        let columns = vec![
            column("n", numbers),
            column("t", Values::Times(vec![0.0, 86400.0, f64::NAN, 1.0, 2.0])),
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
        let rows = |f: fn(usize) -> f64| Values::Numbers((0..40).map(f).collect());
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
    fn targets_are_looked_at_closely() {
        let noise = || column("x", Values::Numbers((0..40).map(|i| (i as f64 * 0.7).sin()).collect()));
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
}
