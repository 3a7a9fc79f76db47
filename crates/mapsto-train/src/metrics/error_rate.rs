//! How far found texts are from the right ones, in edits.

use super::{MetricError, check_lengths};
use serde::Serialize;
use std::ops::AddAssign;

/// The edits that make a found sequence of the right one: the fewest there can be, and of those the ones with the most substitutions.
/// They add up over several sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Edits {
    /// Elements in place of others.
    pub substitutions: usize,
    /// Elements of the right sequence that are missing.
    pub deletions: usize,
    /// Elements that the right sequence does not have.
    pub insertions: usize,
    /// Elements of the right sequence.
    pub length: usize,
}

impl Edits {
    /// Between the right sequence and the found one (Levenshtein, *Binary Codes Capable of Correcting Deletions, Insertions, and
    /// Reversals*, 1966). It takes the product of their lengths in time, and the shorter of them in memory.
    pub fn between<T: PartialEq>(right: &[T], found: &[T]) -> Edits {
        let (long, short) = if right.len() < found.len() { (found, right) } else { (right, found) };
        // For each beginning of the shorter one, the edits and how many of them are no substitutions.
        let mut row: Vec<(usize, usize)> = (0..=short.len()).map(|i| (i, i)).collect();
        for (i, a) in long.iter().enumerate() {
            let mut before = std::mem::replace(&mut row[0], (i + 1, i + 1));
            for (j, b) in short.iter().enumerate() {
                let both = (before.0 + usize::from(a != b), before.1);
                let one = row[j].min(row[j + 1]);
                before = std::mem::replace(&mut row[j + 1], both.min((one.0 + 1, one.1 + 1)));
            }
        }
        let (edits, gaps) = row[short.len()];
        // Deletions and insertions are known by their sum and their difference.
        let (fewer, more) = ((gaps - (long.len() - short.len())) / 2, (gaps + long.len() - short.len()) / 2);
        let (deletions, insertions) = if right.len() < found.len() { (fewer, more) } else { (more, fewer) };
        Edits { substitutions: edits - gaps, deletions, insertions, length: right.len() }
    }

    /// Those of the words of all texts, which spaces part: [`Edits::rate`] is the word error rate then.
    ///
    /// # Errors
    /// Not as many found texts as right ones, or no words in the right ones.
    pub fn of_words<S: AsRef<str>>(right: &[S], found: &[S]) -> Result<Edits, MetricError> {
        let words = |text: &str| text.split_whitespace().map(str::to_string).collect();
        Edits::of("word error rate", right, found, words)
    }

    /// Those of the characters of all texts, of several spaces in a row one: [`Edits::rate`] is the character error rate then.
    ///
    /// # Errors
    /// Not as many found texts as right ones, or no characters in the right ones.
    pub fn of_characters<S: AsRef<str>>(right: &[S], found: &[S]) -> Result<Edits, MetricError> {
        let characters =
            |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect::<Vec<char>>();
        Edits::of("character error rate", right, found, characters)
    }

    fn of<S: AsRef<str>, T: PartialEq>(
        metric: &'static str,
        right: &[S],
        found: &[S],
        elements: impl Fn(&str) -> Vec<T>,
    ) -> Result<Edits, MetricError> {
        check_lengths(metric, right.len(), found.len(), 1)?;
        let mut all = Edits::default();
        for (right, found) in right.iter().zip(found) {
            all += Edits::between(&elements(right.as_ref()), &elements(found.as_ref()));
        }
        if all.length == 0 {
            return Err(MetricError::TooFew { metric, least: 1, got: 0 });
        }
        Ok(all)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// How many there are for each element of the right sequence: more than 1 where much is put in, infinite or NaN where there is
    /// nothing right.
    pub fn rate(&self) -> f64 {
        self.count() as f64 / self.length as f64
    }
}

impl AddAssign for Edits {
    fn add_assign(&mut self, other: Edits) {
        self.substitutions += other.substitutions;
        self.deletions += other.deletions;
        self.insertions += other.insertions;
        self.length += other.length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(right: &str, found: &str) -> [usize; 3] {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        let Edits { substitutions, deletions, insertions, length } = Edits::between(&letters(right), &letters(found));
        assert_eq!(length, right.chars().count());
        [substitutions, deletions, insertions]
    }

    #[test]
    fn edits_are_told_apart() {
        assert_eq!(counts("kitten", "sitting"), [2, 0, 1]);
        assert_eq!(counts("sitting", "kitten"), [2, 1, 0]);
        assert_eq!(counts("", "abc"), [0, 0, 3]);
        assert_eq!(counts("abc", ""), [0, 3, 0]);
        assert_eq!(counts("abc", "abc"), [0, 0, 0]);
        // Two substitutions, not a deletion and an insertion.
        assert_eq!(counts("ab", "ba"), [2, 0, 0]);
        assert_eq!(counts("abcdef", "bcdefg"), [0, 1, 1]);
    }

    #[test]
    fn texts_are_split_and_summed() {
        let (right, found) = (["the cat  sat", "", "on"], ["a cat sat down", "oh", ""]);
        let words = Edits::of_words(&right, &found).unwrap();
        assert_eq!(words, Edits { substitutions: 1, deletions: 1, insertions: 2, length: 4 });
        assert_eq!(words.rate(), 1.0);
        let characters = Edits::of_characters(&["a  b"], &["a b "]).unwrap();
        assert_eq!(characters, Edits { length: 3, ..Edits::default() });
    }

    #[test]
    fn refuses_bad_input() {
        let said = Edits::of_words(&["a"], &[]).unwrap_err().to_string();
        assert_eq!(said, "word error rate: 1 true values but 0 predicted ones");
        let said = Edits::of_characters(&[" "], &["a"]).unwrap_err().to_string();
        assert_eq!(said, "character error rate: 0 items given, at least 1 needed");
    }
}
