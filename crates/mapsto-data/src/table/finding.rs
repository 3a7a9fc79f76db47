//! What can look wrong in a table.

use super::NearlyNumeric;
use serde::Serialize;
use std::fmt;

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
    /// A column that tells the target by itself, as a copy of it does or what is known only afterwards.
    Leak {
        /// The column.
        column: String,
        /// The target.
        target: String,
    },
    /// A column that would hold numbers, but for some values.
    NearlyNumeric(NearlyNumeric),
    /// Dates whose months were taken to come before the days, where both orders fit all of them.
    DateOrder {
        /// The column.
        column: String,
    },
    /// Commas that were taken to stand between thousands, where they could stand before decimals in all numbers.
    Thousands {
        /// The column.
        column: String,
    },
    /// A table that lists pictures, and not as one that pictures can be learned from does.
    PictureList {
        /// What is wrong.
        why: String,
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
            Finding::Leak { column, target } => {
                write!(f, "{column:?} tells {target:?} by itself: a leak? Leave it out unless it is known beforehand")
            }
            Finding::NearlyNumeric(nearly) => write!(f, "{nearly}"),
            Finding::DateOrder { column } => {
                write!(f, "{column:?} is read as month/day/year, and may be day/month/year: write dates as 2025-12-31")
            }
            Finding::Thousands { column } => {
                write!(
                    f,
                    "{column:?} is read with commas between thousands (1,234 is 1234), and may have decimal commas: "
                )?;
                write!(f, "write numbers as 1234 or 1.234")
            }
            Finding::PictureList { why } => write!(f, "this lists pictures that cannot be learned from: {why}"),
            Finding::Infinite { column, rows: 1 } => {
                write!(f, "{column:?} is infinite in 1 row: a network sees the mean there")
            }
            Finding::Infinite { column, rows } => {
                write!(f, "{column:?} is infinite in {rows} rows: a network sees the mean there")
            }
            Finding::NoTarget { rows: 1 } => write!(f, "1 row has no value of the target"),
            Finding::NoTarget { rows } => write!(f, "{rows} rows have no value of the target"),
            Finding::OneClass { column } => write!(f, "the target {column:?} has one value: there is nothing to learn"),
            Finding::Imbalance { rarest, rows, commonest, most } => {
                let noun = if *rows == 1 { "row" } else { "rows" };
                write!(f, "classes are out of balance: {rows} {noun} of {rarest:?}, {most} of {commonest:?}")
            }
        }
    }
}
