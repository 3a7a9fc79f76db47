//! Which of some names each row has.

use crate::stored::{StoreError, Stored, StoredBuilder};
use std::fmt;
use std::ops::Range;

/// What stands for none.
const NONE: u32 = u32::MAX;

/// Which of some names each row has, if any. They lie where [`Stored`] has them.
#[derive(Clone, PartialEq)]
pub struct Codes(Stored<u32>);

/// Codes of rows that are yet to be all there.
#[derive(Default)]
pub(super) struct CodesBuilder(StoredBuilder<u32>);

impl CodesBuilder {
    /// Adds a row.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn push(&mut self, code: Option<u32>) -> Result<(), StoreError> {
        self.0.push(code.unwrap_or(NONE))
    }

    /// The codes, which are all there now.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn finish(self) -> Result<Codes, StoreError> {
        self.0.finish().map(Codes)
    }
}

impl Codes {
    /// Of rows as they come.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn of(codes: impl IntoIterator<Item = Option<u32>>) -> Result<Codes, StoreError> {
        let mut builder = CodesBuilder::default();
        codes.into_iter().try_for_each(|code| builder.push(code))?;
        builder.finish()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which name a row has.
    pub fn get(&self, row: usize) -> Option<u32> {
        Some(self.0[row]).filter(|code| *code != NONE)
    }

    /// Says that some rows will be looked at soon, as [`Stored::prefetch`] does.
    pub(super) fn prefetch(&self, rows: Range<usize>) {
        self.0.prefetch(rows);
    }

    /// Which name each row has.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<u32>> + Clone {
        self.0.iter().map(|&code| Some(code).filter(|code| *code != NONE))
    }
}

impl From<Vec<Option<u32>>> for Codes {
    fn from(codes: Vec<Option<u32>>) -> Codes {
        Codes(codes.into_iter().map(|code| code.unwrap_or(NONE)).collect::<Vec<u32>>().into())
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
