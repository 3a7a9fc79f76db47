//! Texts of rows.

use crate::stored::{StoreError, Stored, StoredBuilder};
use std::fmt;

/// The text of each row, if it has one. They lie where [`Stored`] has them.
#[derive(Clone, PartialEq)]
pub struct Strings {
    data: Stored<u8>,
    /// Where each ends in the data, twice; and one more for none.
    ends: Stored<u64>,
}

impl Strings {
    /// Of rows as they come.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn of<S: AsRef<str>>(texts: impl IntoIterator<Item = Option<S>>) -> Result<Strings, StoreError> {
        let (mut data, mut ends) = (StoredBuilder::new(), StoredBuilder::new());
        for text in texts {
            data.extend(text.as_ref().map_or("", AsRef::as_ref).as_bytes())?;
            ends.push(2 * data.len() as u64 + u64::from(text.is_none()))?;
        }
        Ok(Strings { data: data.finish()?, ends: ends.finish()? })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A row's text.
    pub fn get(&self, row: usize) -> Option<&str> {
        let end = self.ends[row];
        let start = if row == 0 { 0 } else { self.ends[row - 1] / 2 };
        // They were texts when they came.
        let text = || str::from_utf8(&self.data[start as usize..(end / 2) as usize]).unwrap_or_default();
        end.is_multiple_of(2).then(text)
    }

    /// Each row's text.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&str>> + Clone {
        (0..self.len()).map(|row| self.get(row))
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_they_were() {
        let texts = [None, Some(""), Some("é"), None, Some("two words"), Some("")];
        let strings = Strings::of(texts).unwrap();
        assert!(strings.iter().eq(texts) && strings.len() == 6);
        assert_ne!(strings, Strings::of([Some("")].into_iter().chain(texts.into_iter().skip(1))).unwrap());
        assert_eq!(format!("{:?}", Strings::of([Some("a"), None]).unwrap()), "[Some(\"a\"), None]");
        assert!(Strings::of::<&str>([]).unwrap().is_empty());
    }
}
