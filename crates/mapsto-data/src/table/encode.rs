//! How the columns of a table become numbers for a network.

use super::{Codes, Column, Kind, Table, TableError, Values};
use crate::stored::Stored;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows between which the others may as well be read.
const NEAR: usize = 8 << 10;

/// How columns become numbers: learned from the rows that a network is trained on, saved with it, and applied to any rows.
///
/// Numbers and times are moved and scaled to mean 0 and standard deviation 1, both of the finite values. In place of a value that is
/// missing, or infinite, whatever its sign, a network sees the mean, 0; and where the training rows had such ones, a number of its
/// own is 1 for them and 0 for the others. Categories are numbered from 1; 0 stands
/// for a missing one and for one that the training rows did not have. Texts, and columns that say nothing in the
/// training rows, are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    columns: Vec<Encoded>,
    left_out: Vec<String>,
}

/// How a column becomes numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    name: String,
    kind: Kind,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Rule {
    Scaled { mean: f64, deviation: f64, gaps: bool },
    Numbered { names: Vec<String> },
}

/// Rows of a table as numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Number of rows.
    pub rows: usize,
    /// `[rows, Encoding::numbers]`, row by row.
    pub numbers: Vec<f32>,
    /// `[rows, Encoding::categories().len()]`, row by row.
    pub categories: Vec<i64>,
}

/// An encoding of a table's columns: gives rows of it as numbers.
pub struct Encoder<'a> {
    rows: usize,
    columns: Vec<Source<'a>>,
    /// Numbers and categories of a row.
    widths: [usize; 2],
}

/// A column, and how it becomes numbers.
enum Source<'a> {
    Numbers { values: &'a Stored<f64>, mean: f64, deviation: f64, gaps: bool },
    Categories { codes: &'a Codes, numbers: Vec<i64> },
}

impl Encoding {
    /// Learns from some rows of all columns but those that are named.
    ///
    /// # Errors
    /// No rows, or one that the table does not have.
    pub fn learn(table: &Table, rows: &[usize], without: &[&str]) -> Result<Encoding, TableError> {
        if rows.is_empty() {
            return Err(TableError::NoLearning);
        }
        check(table.rows(), rows)?;
        let mut encoding = Encoding { columns: Vec::new(), left_out: Vec::new() };
        for column in table.columns().iter().filter(|column| !without.contains(&&column.name[..])) {
            let (name, kind) = (column.name.clone(), column.values.kind());
            match rule(column, rows) {
                Some(rule) => encoding.columns.push(Encoded { name, kind, rule }),
                None => encoding.left_out.push(name),
            }
        }
        Ok(encoding)
    }

    /// Columns that are left out, because they are texts or have one value.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// How many numbers a row has.
    pub fn numbers(&self) -> usize {
        let width = |rule: &Rule| match rule {
            Rule::Scaled { gaps, .. } => 1 + usize::from(*gaps),
            Rule::Numbered { .. } => 0,
        };
        self.columns.iter().map(|column| width(&column.rule)).sum()
    }

    /// How many values each column of categories takes, the unknown one among them.
    pub fn categories(&self) -> Vec<usize> {
        let count = |rule: &Rule| match rule {
            Rule::Scaled { .. } => None,
            Rule::Numbered { names } => Some(names.len() + 1),
        };
        self.columns.iter().filter_map(|column| count(&column.rule)).collect()
    }

    /// What gives rows of a table as numbers.
    ///
    /// # Errors
    /// A column that is missing or of another kind than where the encoding was learned.
    pub fn of<'a>(&self, table: &'a Table) -> Result<Encoder<'a>, TableError> {
        let columns = self.columns.iter().map(|column| column.source(table)).collect::<Result<_, _>>()?;
        Ok(Encoder { rows: table.rows(), columns, widths: [self.numbers(), self.categories().len()] })
    }

    /// Some rows of a table as numbers.
    ///
    /// # Errors
    /// Those of [`Encoding::of`] and [`Encoder::rows`].
    pub fn apply(&self, table: &Table, rows: &[usize]) -> Result<Features, TableError> {
        self.of(table)?.rows(rows)
    }
}

impl Encoder<'_> {
    /// Some rows as numbers.
    ///
    /// # Errors
    /// A row that the table does not have.
    pub fn rows(&self, rows: &[usize]) -> Result<Features, TableError> {
        check(self.rows, rows)?;
        for run in runs(rows) {
            self.columns.iter().for_each(|column| column.prefetch(run.clone()));
        }
        let [width, many] = self.widths;
        let (mut numbers, mut categories) = (vec![0.0; rows.len() * width], vec![0; rows.len() * many]);
        let (mut number, mut category) = (0, 0);
        for source in &self.columns {
            match source {
                Source::Numbers { values, mean, deviation, gaps } => {
                    let values: &[f64] = values;
                    for (i, &row) in rows.iter().enumerate() {
                        let (value, at) = (values[row], i * width + number);
                        if value.is_finite() {
                            numbers[at] = ((value - mean) / deviation) as f32;
                        } else if *gaps {
                            numbers[at + 1] = 1.0;
                        }
                    }
                    number += 1 + usize::from(*gaps);
                }
                Source::Categories { codes, numbers } => {
                    for (i, &row) in rows.iter().enumerate() {
                        categories[i * many + category] = codes.get(row).map_or(0, |code| numbers[code as usize]);
                    }
                    category += 1;
                }
            }
        }
        Ok(Features { rows: rows.len(), numbers, categories })
    }
}

impl Encoded {
    /// The column of a table that becomes numbers so.
    fn source<'a>(&self, table: &'a Table) -> Result<Source<'a>, TableError> {
        let values = &table.column(&self.name)?.values;
        match (&self.rule, values) {
            (Rule::Scaled { mean, deviation, gaps }, Values::Numbers(numbers) | Values::Times(numbers))
                if values.kind() == self.kind =>
            {
                Ok(Source::Numbers { values: numbers, mean: *mean, deviation: *deviation, gaps: *gaps })
            }
            (Rule::Numbered { names: known }, Values::Categories { names, codes }) => {
                let number = |name: &String| known.binary_search(name).map_or(0, |i| i as i64 + 1);
                Ok(Source::Categories { codes, numbers: names.iter().map(number).collect() })
            }
            _ => {
                let (column, got, expected) = (self.name.clone(), values.kind(), self.kind);
                Err(TableError::Kind { column, got, expected })
            }
        }
    }
}

impl Source<'_> {
    fn prefetch(&self, rows: Range<usize>) {
        match self {
            Source::Numbers { values, .. } => values.prefetch(rows),
            Source::Categories { codes, .. } => codes.prefetch(rows),
        }
    }
}

/// Where rows are: those that lie near the one before them are of one range.
fn runs(rows: &[usize]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for &row in rows {
        match runs.last_mut() {
            Some(run) if row + NEAR >= run.start && row < run.end + NEAR => {
                *run = run.start.min(row)..run.end.max(row + 1);
            }
            _ => runs.push(row..row + 1),
        }
    }
    runs
}

/// Fails for a row that the table does not have.
fn check(count: usize, rows: &[usize]) -> Result<(), TableError> {
    match rows.iter().find(|&&row| row >= count) {
        Some(&row) => Err(TableError::NoRow { row, rows: count }),
        None => Ok(()),
    }
}

/// The mean and the standard deviation of finite numbers, NaN where there are none.
pub(super) fn mean_and_deviation(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let scaled = |scale: f64| {
        let mean = values.clone().map(|x| x * scale).sum::<f64>() / count;
        let squares = values.clone().map(|x| (x * scale - mean).powi(2));
        (mean / scale, (squares.sum::<f64>() / count).sqrt() / scale)
    };
    let (mean, deviation) = scaled(1.0);
    // Squares beyond all numbers.
    if mean.is_infinite() || !deviation.is_finite() { scaled(2f64.powi(-600)) } else { (mean, deviation) }
}

/// What some rows say of a column, if anything.
fn rule(column: &Column, rows: &[usize]) -> Option<Rule> {
    match &column.values {
        Values::Numbers(values) | Values::Times(values) => {
            let values: &[f64] = values;
            let finite = rows.iter().map(|&row| values[row]).filter(|x| x.is_finite());
            let gaps = finite.clone().count() < rows.len();
            let (mean, deviation) = mean_and_deviation(finite);
            // Rounding leaves a constant column a deviation of some last digits.
            (deviation > 1e-12 * mean.abs()).then_some(Rule::Scaled { mean, deviation, gaps })
        }
        Values::Categories { names, codes } => {
            let mut seen = vec![false; names.len()];
            rows.iter().filter_map(|&row| codes.get(row)).for_each(|code| seen[code as usize] = true);
            let gaps = rows.iter().any(|&row| codes.get(row).is_none());
            let names: Vec<String> = names.iter().zip(seen).filter(|(_, seen)| *seen).map(|(n, _)| n.clone()).collect();
            (names.len() + usize::from(gaps) > 1).then_some(Rule::Numbered { names })
        }
        Values::Texts(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Strings;
    use super::*;

    fn table() -> Table {
        let column = |name: &str, values| Column { name: name.to_string(), values };
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        Table::new(vec![
            column("x", Values::Numbers(vec![1.0, 3.0, 100.0, f64::NAN].into())),
            column("when", Values::Times(vec![0.0, f64::NAN, 10.0, 20.0].into())),
            column("same", Values::Numbers(vec![0.1, 0.1, 0.1, 7.0].into())),
            column(
                "c",
                Values::Categories {
                    names: names(&["a", "b", "z"]),
                    codes: vec![Some(1), Some(0), Some(2), None].into(),
                },
            ),
            column("said", Values::Texts(Strings::of::<&str>([None; 4]).unwrap())),
            column("y", Values::Numbers(vec![0.0, 1.0, 0.0, 1.0].into())),
        ])
        .unwrap()
    }

    #[test]
    fn only_the_rows_of_training_are_learned_from() {
        let table = table();
        let encoding = Encoding::learn(&table, &[0, 1], &["y"]).unwrap();
        assert_eq!(encoding.left_out(), ["when", "same", "said"]);
        assert_eq!((encoding.numbers(), encoding.categories()), (1, vec![3]));
        let all = encoding.apply(&table, &[0, 1, 2, 3]).unwrap();
        assert_eq!(all.numbers, [-1.0, 1.0, 98.0, 0.0]);
        // "z" and a missing value are unknown to rows 0 and 1.
        assert_eq!(all.categories, [2, 1, 0, 0]);
    }

    #[test]
    fn near_rows_are_read_together() {
        let far = 3 * NEAR;
        assert_eq!(runs(&[5, 7, 6, NEAR, far, far + 1, 0]), [5..NEAR + 1, far..far + 2, 0..1]);
        assert!(runs(&[]).is_empty());
    }

    #[test]
    fn gaps_are_told_where_training_had_them() {
        let table = table();
        let encoding = Encoding::learn(&table, &[0, 1, 2], &["y", "x", "c"]).unwrap();
        assert_eq!((encoding.numbers(), encoding.categories()), (2, vec![]));
        let all = encoding.apply(&table, &[2, 1, 0]).unwrap();
        assert_eq!(all.numbers, [1.0, 0.0, 0.0, 1.0, -1.0, 0.0]);
        let saved = serde_json::to_string(&encoding).unwrap();
        assert_eq!(serde_json::from_str::<Encoding>(&saved).unwrap(), encoding);
    }

    #[test]
    fn infinite_and_huge_values_are_numbers_of_a_network() {
        let of = |values: &[f64]| {
            let column = Column { name: "x".into(), values: Values::Numbers(values.to_vec().into()) };
            let rows: Vec<usize> = (0..values.len()).collect();
            let table = Table::new(vec![column]).unwrap();
            Encoding::learn(&table, &rows, &[]).unwrap().apply(&table, &rows).unwrap().numbers
        };
        assert_eq!(of(&[1.0, f64::INFINITY, 3.0, f64::NEG_INFINITY]), [-1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(of(&[1e300, 3e300, 1e300, 3e300]), [-1.0, 1.0, -1.0, 1.0]);
        assert_eq!(of(&[1.5e308, 0.5e308, 1.5e308, 0.5e308]), [1.0, -1.0, 1.0, -1.0]);
    }

    #[test]
    fn another_table_is_refused() {
        let encoding = Encoding::learn(&table(), &[0, 1], &[]).unwrap();
        let other = |values| Table::new(vec![Column { name: "x".into(), values }]).unwrap();
        let said =
            encoding.apply(&other(Values::Texts(Strings::of::<&str>([]).unwrap())), &[]).unwrap_err().to_string();
        assert!(said.starts_with("column \"x\" is a text, and was a number in the table"), "{said}");
        let said = encoding.apply(&other(Values::Times(vec![].into())), &[]).unwrap_err().to_string();
        assert!(said.starts_with("column \"x\" is a time, and was a number in the table"), "{said}");
        let said = encoding.apply(&other(Values::Numbers(vec![].into())), &[]).unwrap_err().to_string();
        assert!(said.starts_with("there is no column \"c\""), "{said}");
        assert!(matches!(Encoding::learn(&table(), &[], &[]), Err(TableError::NoLearning)));
        let outside = [Encoding::learn(&table(), &[4], &[]).map(|_| ()), encoding.apply(&table(), &[9]).map(|_| ())];
        let said = outside.map(|result| result.unwrap_err().to_string());
        assert_eq!(said, [4, 9].map(|row| format!("there is no row {row}: the table has 4, from 0")));
    }
}
