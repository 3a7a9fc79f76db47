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

/// All rows of a table, encoded one behind the other: each row of a batch lies in one place.
pub(super) struct EncodedRows<'a> {
    encoding: &'a Encoding,
    /// Of each row the bits of its numbers, and its categories.
    rows: Stored<u32>,
    /// How many there are of both.
    widths: [usize; 2],
}

impl<'a> EncodedRows<'a> {
    /// Of a table.
    ///
    /// # Errors
    /// Columns that do not fit the encoding; a temporary file that cannot be written.
    pub fn of(table: &Table, encoding: &'a Encoding) -> Result<EncodedRows<'a>, TaskError> {
        let encoder = encoding.of(table).map_err(TaskError::input)?;
        let [width, many] = [encoding.numbers(), encoding.categories().len()];
        let mut all = StoredBuilder::new();
        let together = (TOGETHER / (width + many).max(1)).max(1);
        for start in (0..table.rows()).step_by(together) {
            let rows: Vec<usize> = (start..table.rows().min(start + together)).collect();
            let Features { numbers, categories, .. } = encoder.rows(&rows).map_err(TaskError::input)?;
            let mut some: Vec<u32> = Vec::with_capacity(rows.len() * (width + many));
            for row in 0..rows.len() {
                some.extend(numbers[row * width..][..width].iter().map(|number| number.to_bits()));
                some.extend(categories[row * many..][..many].iter().map(|category| *category as u32));
            }
            all.extend(&some).map_err(TaskError::input)?;
        }
        let rows = all.finish().map_err(TaskError::input)?.scattered();
        Ok(EncodedRows { encoding, rows, widths: [width, many] })
    }

    /// Some of the rows.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn input(&self, rows: &[usize]) -> Result<TableInput> {
        let [width, many] = self.widths;
        let place = |row: usize| row * (width + many)..(row + 1) * (width + many);
        rows.iter().for_each(|&row| self.rows.prefetch(place(row)));
        let mut numbers = Vec::with_capacity(rows.len() * width);
        let mut categories = Vec::with_capacity(rows.len() * many);
        for &row in rows {
            let (of_numbers, of_categories) = self.rows[place(row)].split_at(width);
            numbers.extend(of_numbers.iter().map(|bits| f32::from_bits(*bits)));
            categories.extend(of_categories.iter().map(|category| i64::from(*category)));
        }
        TableInput::of(Features { rows: rows.len(), numbers, categories }, self.encoding)
    }
}
