//! Rows of a table as a network takes them.

use crate::error::TaskError;
use mapsto_data::{Encoding, Features, Stored, StoredBuilder, Table};
use mapsto_tensor::{Result, Tensor};

/// Values of rows that are encoded together.
const TOGETHER: usize = 1 << 18;

/// What a network takes of some rows.
#[derive(Clone, Debug)]
pub struct TableInput {
    /// `[N, numbers]`.
    pub numbers: Tensor,
    /// `[N, categories]`.
    pub categories: Tensor,
}

impl TableInput {
    /// Of encoded rows.
    ///
    /// # Errors
    /// A refusal of memory.
    pub(super) fn of(features: Features, encoding: &Encoding) -> Result<TableInput> {
        let Features { rows, numbers, categories } = features;
        Ok(TableInput {
            numbers: Tensor::from_vec(numbers, [rows, encoding.numbers()])?,
            categories: Tensor::from_vec(categories, [rows, encoding.categories().len()])?,
        })
    }
}

/// All rows of a table, encoded one behind the other: batches of any order are gathered from few places each.
pub(super) struct EncodedRows<'a> {
    encoding: &'a Encoding,
    numbers: Stored<f32>,
    categories: Stored<i64>,
}

impl<'a> EncodedRows<'a> {
    /// Of a table.
    ///
    /// # Errors
    /// Columns that do not fit the encoding; a temporary file that cannot be written.
    pub fn of(table: &Table, encoding: &'a Encoding) -> Result<EncodedRows<'a>, TaskError> {
        let encoder = encoding.of(table).map_err(TaskError::input)?;
        let (mut numbers, mut categories) = (StoredBuilder::new(), StoredBuilder::new());
        let together = (TOGETHER / (encoding.numbers() + encoding.categories().len()).max(1)).max(1);
        for start in (0..table.rows()).step_by(together) {
            let rows: Vec<usize> = (start..table.rows().min(start + together)).collect();
            let features = encoder.rows(&rows).map_err(TaskError::input)?;
            numbers.extend(&features.numbers).map_err(TaskError::input)?;
            categories.extend(&features.categories).map_err(TaskError::input)?;
        }
        let numbers = numbers.finish().map_err(TaskError::input)?.scattered();
        let categories = categories.finish().map_err(TaskError::input)?.scattered();
        Ok(EncodedRows { encoding, numbers, categories })
    }

    /// Some of the rows.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn input(&self, rows: &[usize]) -> Result<TableInput> {
        fn gathered<T: Copy>(all: &[T], width: usize, rows: &[usize]) -> Vec<T> {
            let mut some = Vec::with_capacity(rows.len() * width);
            rows.iter().for_each(|&row| some.extend_from_slice(&all[row * width..(row + 1) * width]));
            some
        }
        let numbers = gathered(&self.numbers, self.encoding.numbers(), rows);
        let categories = gathered(&self.categories, self.encoding.categories().len(), rows);
        TableInput::of(Features { rows: rows.len(), numbers, categories }, self.encoding)
    }
}
