//! The texts of columns while a table is read.

use crate::stored::{StoreError, Stored, StoredBuilder};
use std::ops::Range;
use std::slice;

/// Bytes of all columns that are put aside together.
const PIECE: usize = 8 << 20;
/// The same of each column, where there are so many that pieces of them would be shreds.
const SHRED: usize = 256;

/// Texts of columns, a row at a time. Some rows at a time are put aside, column by column, so that a column is read again in few
/// long stretches, and all columns need one file.
pub(super) struct TextsBuilder {
    /// Of each column what is not yet put aside.
    open: Vec<Vec<u8>>,
    /// How much that is.
    bytes: usize,
    aside: StoredBuilder<u8>,
    stretches: Vec<Vec<Range<usize>>>,
    rows: usize,
}

/// The texts of a column: each its length and its bytes.
pub(super) struct Texts {
    /// Of all columns.
    data: Stored<u8>,
    /// Where those of this column are.
    stretches: Vec<Range<usize>>,
    rows: usize,
}

impl TextsBuilder {
    /// Of so many columns.
    pub fn new(columns: usize) -> TextsBuilder {
        TextsBuilder {
            open: vec![Vec::new(); columns],
            bytes: 0,
            aside: StoredBuilder::new(),
            stretches: vec![Vec::new(); columns],
            rows: 0,
        }
    }

    /// Adds the next text of a column.
    pub fn push(&mut self, column: usize, text: &str) {
        let open = &mut self.open[column];
        let before = open.len();
        // Seven bits of the length in a byte, the lowest first; the eighth says that there are more.
        let mut length = text.len();
        while length >= 0x80 {
            open.push(length as u8 | 0x80);
            length >>= 7;
        }
        open.push(length as u8);
        open.extend_from_slice(text.as_bytes());
        self.bytes += open.len() - before;
    }

    /// Says that each column has its next text.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn end_row(&mut self) -> Result<(), StoreError> {
        self.rows += 1;
        if self.bytes < PIECE.max(SHRED * self.open.len()) { Ok(()) } else { self.put_aside() }
    }

    /// The texts of each column.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn finish(mut self) -> Result<Vec<Texts>, StoreError> {
        self.put_aside()?;
        drop(self.open);
        let (data, rows) = (self.aside.finish()?, self.rows);
        Ok(self.stretches.into_iter().map(|stretches| Texts { data: data.clone(), stretches, rows }).collect())
    }

    /// The texts of the only column.
    ///
    /// # Errors
    /// Those of [`TextsBuilder::finish`].
    pub fn finish_one(self) -> Result<Texts, StoreError> {
        Ok(self.finish()?.swap_remove(0))
    }

    fn put_aside(&mut self) -> Result<(), StoreError> {
        for (open, stretches) in self.open.iter_mut().zip(&mut self.stretches) {
            let start = self.aside.len();
            self.aside.extend(open)?;
            stretches.push(start..start + open.len());
            open.clear();
        }
        self.bytes = 0;
        Ok(())
    }
}

impl Texts {
    /// Of one column.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn of<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Texts, StoreError> {
        let mut builder = TextsBuilder::new(1);
        for text in texts {
            builder.push(0, text.as_ref());
            builder.end_row()?;
        }
        builder.finish_one()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Each row's text.
    pub fn iter(&self) -> Rows<'_> {
        Rows { data: &self.data, stretches: self.stretches.iter(), left: &[] }
    }
}

/// The texts of a column, row by row.
#[derive(Clone)]
pub(super) struct Rows<'a> {
    data: &'a Stored<u8>,
    stretches: slice::Iter<'a, Range<usize>>,
    left: &'a [u8],
}

impl<'a> Iterator for Rows<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while self.left.is_empty() {
            let stretch = self.stretches.next()?.clone();
            self.data.prefetch(stretch.clone());
            self.left = &self.data[stretch];
        }
        let (mut length, mut at) = (0, 0);
        loop {
            let byte = self.left[at];
            length |= usize::from(byte & 0x7f) << (7 * at);
            at += 1;
            if byte < 0x80 {
                break;
            }
        }
        let (text, left) = self.left[at..].split_at(length);
        self.left = left;
        // They were texts when they were put aside.
        Some(str::from_utf8(text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_in_their_columns() {
        // Of lengths around those that take a byte more, in more than a piece.
        let long = "é".repeat(70_000);
        let lengths = [0, 1, 126, 127, 128, 129, 16_382, 16_384, 140_000];
        let of = |row: usize, column: usize| {
            let length = lengths[(row + column) % lengths.len()];
            long.get(..length).unwrap_or_else(|| &long[..length - 1])
        };
        let mut builder = TextsBuilder::new(3);
        for row in 0..300 {
            (0..3).for_each(|column| builder.push(column, of(row, column)));
            builder.end_row().unwrap();
        }
        let columns = builder.finish().unwrap();
        for (column, texts) in columns.iter().enumerate() {
            assert!(texts.stretches.len() > 1);
            assert!(texts.iter().eq((0..300).map(|row| of(row, column))), "{column}");
        }
        assert!(TextsBuilder::new(2).finish().unwrap().iter().all(|texts| texts.iter().next().is_none()));
    }
}
