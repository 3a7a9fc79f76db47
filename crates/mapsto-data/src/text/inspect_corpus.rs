//! What running texts are like, and what looks wrong in them.

use super::Text;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Characters below which a network learns little language.
const SHORT: usize = 100_000;
/// Letters of a line that is looked for elsewhere, at least, and the share of such lines from which on it is told.
const LINE: usize = 20;
const AGAIN: f64 = 0.05;

/// What running texts are like.
#[derive(Clone, Debug, Serialize)]
pub struct CorpusInspection {
    /// Number of texts.
    pub texts: usize,
    /// Characters of all.
    pub characters: usize,
    /// Words of all, which spaces part.
    pub words: usize,
    /// Lines of all.
    pub lines: usize,
    /// How often each character comes.
    pub alphabet: BTreeMap<char, usize>,
    /// What looks wrong.
    pub findings: Vec<CorpusFinding>,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CorpusFinding {
    /// There is little text.
    Short {
        /// How many characters.
        characters: usize,
    },
    /// Texts that repeat others.
    Duplicates {
        /// A text.
        text: String,
        /// The same one.
        other: String,
        /// How many.
        texts: usize,
    },
    /// Long lines that stand in the texts before: heads of pages, copies.
    RepeatedLines {
        /// Their share of all long lines.
        share: f64,
        /// The commonest.
        line: String,
        /// How often it comes.
        times: usize,
    },
    /// Characters that stand for some that could not be read, or that control a terminal.
    Garbled {
        /// How many.
        characters: usize,
        /// The text of the first.
        text: String,
    },
}

impl fmt::Display for CorpusFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CorpusFinding::Short { characters } => {
                write!(f, "there are {characters} characters: a network learns little language from fewer than {SHORT}")
            }
            CorpusFinding::Duplicates { text, other, texts } => {
                write!(f, "texts that repeat others: {texts}, such as {text} and {other}")
            }
            CorpusFinding::RepeatedLines { share, line, times } => {
                let (percent, line) = (100.0 * share, line.chars().take(LINE).collect::<String>());
                write!(f, "{percent:.0} % of the long lines repeat others, most often {line:?}, {times} times")
            }
            CorpusFinding::Garbled { characters, text } => {
                write!(f, "characters that were not read rightly or control a terminal: {characters}, first in {text}")
            }
        }
    }
}

impl CorpusInspection {
    /// Tells what texts are like, as [`read_corpus`](crate::read_corpus) reads them, and what looks wrong.
    pub fn of(texts: &[Text]) -> CorpusInspection {
        let mut alphabet: BTreeMap<char, usize> = BTreeMap::new();
        let (mut words, mut lines, mut garbled) = (0, 0, (0, None));
        let mut long: HashMap<&str, usize> = HashMap::new();
        let mut first: HashMap<&str, usize> = HashMap::new();
        let mut again = Vec::new();
        for (i, Text { name, text }) in texts.iter().enumerate() {
            for letter in text.chars() {
                *alphabet.entry(letter).or_default() += 1;
                if letter == char::REPLACEMENT_CHARACTER || (letter.is_control() && !letter.is_whitespace()) {
                    garbled = (garbled.0 + 1, garbled.1.or(Some(name)));
                }
            }
            words += text.split_whitespace().count();
            for line in text.lines().map(str::trim) {
                lines += 1;
                if line.chars().nth(LINE - 1).is_some() {
                    *long.entry(line).or_default() += 1;
                }
            }
            let j = *first.entry(text.trim()).or_insert(i);
            if j < i {
                again.push((j, i));
            }
        }
        let characters = alphabet.values().sum();
        let mut findings = Vec::new();
        findings.extend((characters < SHORT).then_some(CorpusFinding::Short { characters }));
        if let Some(&(j, i)) = again.first() {
            let (text, other) = (texts[j].name.clone(), texts[i].name.clone());
            findings.push(CorpusFinding::Duplicates { text, other, texts: again.len() });
        }
        let all: usize = long.values().sum();
        let share = (all - long.len()) as f64 / all.max(1) as f64;
        if let Some((line, &times)) =
            long.iter().max_by_key(|(line, times)| (**times, **line)).filter(|_| share > AGAIN)
        {
            findings.push(CorpusFinding::RepeatedLines { share, line: line.to_string(), times });
        }
        if let (characters, Some(name)) = garbled {
            findings.push(CorpusFinding::Garbled { characters, text: name.clone() });
        }
        CorpusInspection { texts: texts.len(), characters, words, lines, alphabet, findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_wrong_is_found() {
        let text = |name: &str, text: &str| Text { name: name.into(), text: text.into() };
        let page = "A line that is long enough\nand another one, as long\nend\n";
        let texts = [
            text("a", page),
            text("b", &format!("\u{fffd}\t{}\u{7}\n", "A line that is long enough\n".repeat(2))),
            text("c", page),
        ];
        let found = CorpusInspection::of(&texts);
        assert_eq!((found.texts, found.words, found.lines), (3, 12 + 12 + 14, 9));
        assert_eq!(found.characters, texts.iter().map(|text| text.text.chars().count()).sum::<usize>());
        assert_eq!(found.alphabet[&'\u{7}'], 1);
        let expected = [
            CorpusFinding::Short { characters: found.characters },
            CorpusFinding::Duplicates { text: "a".into(), other: "c".into(), texts: 1 },
            CorpusFinding::RepeatedLines { share: 0.5, line: "A line that is long enough".into(), times: 3 },
            CorpusFinding::Garbled { characters: 2, text: "b".into() },
        ];
        assert_eq!(found.findings, expected);
    }
}
