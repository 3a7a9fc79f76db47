//! Words that mean the same.

use super::TextError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// What may stand between words of a line.
const BETWEEN: [char; 2] = [',', '\t'];

/// Groups of words that mean the same. Saved as these groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Vec<String>>", into = "Vec<Vec<String>>")]
pub struct Synonyms {
    groups: Vec<Vec<String>>,
    /// In which groups a word is, in lower case.
    places: HashMap<String, Vec<usize>>,
}

impl Synonyms {
    /// Reads a file of groups: a line of words (or several words for one) that mean the same, with commas or tabs between. Empty
    /// lines are passed over.
    ///
    /// # Errors
    /// A file that cannot be read or is no UTF-8; a word alone in its line; a file without lines.
    pub fn open(path: &Path) -> Result<Synonyms, TextError> {
        let bytes = fs::read(path).map_err(|source| TextError::Io { path: path.to_owned(), source })?;
        let mut groups: Vec<Vec<String>> = Vec::new();
        for (line, bytes) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let text = str::from_utf8(bytes).map_err(|_| TextError::NotText { path: path.to_owned(), line })?;
            let words = text.trim_start_matches('\u{feff}').split(BETWEEN).map(str::trim);
            let group: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_string).collect();
            match &group[..] {
                [] => {}
                [word] => {
                    let what = format!("{word:?} stands alone; write words that mean the same, with commas between");
                    return Err(TextError::Line { path: path.to_owned(), line, what });
                }
                _ => groups.push(group),
            }
        }
        if groups.is_empty() {
            let what = "there are no synonyms; write a line of words that mean the same, with commas between".into();
            return Err(TextError::Line { path: path.to_owned(), line: 1, what });
        }
        Ok(Synonyms::from(groups))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What means the same as a word, in any case: others of its groups, in their order.
    pub fn of(&self, word: &str) -> Vec<&str> {
        let word = word.to_lowercase();
        let groups = self.places.get(&word).map_or(&[][..], Vec::as_slice);
        let all = groups.iter().flat_map(|&group| &self.groups[group]).map(String::as_str);
        all.filter(|other| other.to_lowercase() != word).collect()
    }
}

impl From<Vec<Vec<String>>> for Synonyms {
    fn from(groups: Vec<Vec<String>>) -> Synonyms {
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, group) in groups.iter().enumerate() {
            group.iter().for_each(|word| places.entry(word.to_lowercase()).or_default().push(place));
        }
        Synonyms { groups, places }
    }
}

impl From<Synonyms> for Vec<Vec<String>> {
    fn from(synonyms: Synonyms) -> Vec<Vec<String>> {
        synonyms.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8]) -> Result<Synonyms, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.txt");
        fs::write(&path, bytes).expect("a file");
        let here = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
        Synonyms::open(&path).map_err(|error| error.to_string().replace(&here, ""))
    }

    #[test]
    fn groups_are_read_and_saved() {
        let synonyms = open("\u{feff}big, large,huge\r\n\nBig\tgreat\nice cream, gelato,\n".as_bytes()).unwrap();
        assert_eq!(synonyms.of("BIG"), ["large", "huge", "great"]);
        assert_eq!(synonyms.of("gelato"), ["ice cream"]);
        assert!(synonyms.of("small").is_empty() && !synonyms.is_empty());
        let saved = serde_json::to_string(&synonyms).unwrap();
        assert_eq!(serde_json::from_str::<Synonyms>(&saved).unwrap(), synonyms);
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        let alone = "s.txt:2: \"c\" stands alone; write words that mean the same, with commas between";
        assert_eq!(open(b"a,b\nc\n").unwrap_err(), alone);
        assert_eq!(open(b"a,b\nc,\xff\n").unwrap_err(), "s.txt:2: this is no UTF-8 text; save the file in UTF-8");
        assert!(open(b"\n").unwrap_err().starts_with("s.txt:1: there are no synonyms; "));
    }
}
