//! Which values of a column are equal.

use super::{Codes, Values};
use crate::stored::{StoreError, Stored};
use std::collections::HashMap;

/// What each row's value is equal to, as a number: the same for equal values of the column alone.
pub(super) enum Identity<'a> {
    Numbers(&'a [f64]),
    Codes(&'a Codes),
    Texts(Stored<u64>),
}

impl<'a> Identity<'a> {
    /// Of a column's values.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn of(values: &'a Values) -> Result<Identity<'a>, StoreError> {
        Ok(match values {
            Values::Numbers(values) | Values::Times(values) => Identity::Numbers(values),
            Values::Categories { codes, .. } => Identity::Codes(codes),
            Values::Texts(texts) => {
                let mut seen = HashMap::new();
                let identity = |text| {
                    let next = seen.len() as u64;
                    *seen.entry(text).or_insert(next)
                };
                Identity::Texts(Stored::of(texts.iter().map(identity))?)
            }
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Identity::Numbers(values) => values.len(),
            Identity::Codes(codes) => codes.len(),
            Identity::Texts(numbers) => numbers.len(),
        }
    }

    /// Of a row.
    pub fn at(&self, row: usize) -> u64 {
        match self {
            // Zeros are equal whatever their sign, and missing values are whatever their bits.
            Identity::Numbers(values) if values[row].is_nan() => f64::NAN.to_bits(),
            Identity::Numbers(values) => (values[row] + 0.0).to_bits(),
            Identity::Codes(codes) => codes.get(row).map_or(0, |code| u64::from(code) + 1),
            Identity::Texts(numbers) => numbers[row],
        }
    }

    /// Of each row.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        (0..self.len()).map(|row| self.at(row))
    }
}
