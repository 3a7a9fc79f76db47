//! What texts with classes are like, and what looks wrong in them.

use super::TextSet;
use crate::spread::spread;
use crate::{IMBALANCE, Part};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// What texts with classes are like.
#[derive(Clone, Debug, Serialize)]
pub struct TextInspection {
    /// Number of texts.
    pub texts: usize,
    /// Texts of each class in each part.
    pub classes: BTreeMap<String, BTreeMap<Part, usize>>,
    /// The least, median and greatest number of words, which spaces part.
    pub words: Option<[usize; 3]>,
    /// What looks wrong.
    pub findings: Vec<TextFinding>,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TextFinding {
    /// Texts without a word.
    Empty {
        /// The first of them.
        text: String,
        /// How many.
        texts: usize,
    },
    /// Texts that repeat one of another class.
    SeveralClasses {
        /// A text.
        text: String,
        /// The same one of another class.
        other: String,
        /// How many.
        texts: usize,
    },
    /// Texts that repeat one of their class in another part.
    Leak {
        /// A text.
        text: String,
        /// The same one in another part.
        other: String,
        /// How many.
        texts: usize,
    },
    /// Texts that repeat others of their class and part.
    Duplicates {
        /// How many.
        texts: usize,
    },
    /// There is one class.
    OneClass,
    /// Classes of very different sizes.
    Imbalance {
        /// The rarest class.
        rarest: String,
        /// Its texts to learn from.
        texts: usize,
        /// The commonest class.
        commonest: String,
        /// Its texts to learn from.
        most: usize,
    },
}

impl fmt::Display for TextFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextFinding::Empty { text, texts: 1 } => write!(f, "{text} is empty"),
            TextFinding::Empty { text, texts } => write!(f, "{texts} texts are empty, {text} first"),
            TextFinding::SeveralClasses { text, other, texts } => {
                write!(f, "texts that stand in two classes: {texts}, such as {text} and {other}")
            }
            TextFinding::Leak { text, other, texts } => {
                write!(f, "texts that are learned from and tested on: {texts}, such as {text} and {other}")
            }
            TextFinding::Duplicates { texts: 1 } => write!(f, "1 text repeats another of its class"),
            TextFinding::Duplicates { texts } => write!(f, "{texts} texts repeat others of their class"),
            TextFinding::OneClass => write!(f, "there is one class: nothing to tell apart"),
            TextFinding::Imbalance { rarest, texts, commonest, most } => {
                write!(f, "classes are out of balance: {texts} texts of {rarest:?}, {most} of {commonest:?}")
            }
        }
    }
}

impl TextSet {
    /// Tells what the texts are like and what looks wrong. [`TextSet::read`] lets empty ones come here, too.
    pub fn inspect(&self) -> TextInspection {
        let mut classes: BTreeMap<String, BTreeMap<Part, usize>> =
            self.classes.iter().map(|class| (class.clone(), BTreeMap::new())).collect();
        for (&label, &part) in self.labels.iter().zip(&self.parts) {
            *classes.entry(self.classes[label].clone()).or_default().entry(part).or_default() += 1;
        }
        let words = spread(self.texts.iter().map(|text| text.split_whitespace().count()).collect());
        let mut findings = self.repeated();
        findings.extend(self.unbalanced());
        TextInspection { texts: self.len(), classes, words, findings }
    }

    /// Texts that are empty, or the same as earlier ones.
    fn repeated(&self) -> Vec<TextFinding> {
        let mut first: HashMap<&str, usize> = HashMap::new();
        let (mut empty, mut several, mut leaks, mut duplicates) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (i, text) in self.texts.iter().enumerate() {
            if self.is_blank(i) {
                empty.push(i);
                continue;
            }
            let j = *first.entry(text.trim()).or_insert(i);
            match () {
                () if i == j => {}
                () if self.labels[i] != self.labels[j] => several.push((j, i)),
                () if self.parts[i] != self.parts[j] => leaks.push((j, i)),
                () => duplicates += 1,
            }
        }
        let mut findings = Vec::new();
        if let Some(&i) = empty.first() {
            findings.push(TextFinding::Empty { text: self.name(i), texts: empty.len() });
        }
        if let Some(&(j, i)) = several.first() {
            let (text, other) = (self.name(j), self.name(i));
            findings.push(TextFinding::SeveralClasses { text, other, texts: several.len() });
        }
        if let Some(&(j, i)) = leaks.first() {
            findings.push(TextFinding::Leak { text: self.name(j), other: self.name(i), texts: leaks.len() });
        }
        if duplicates > 0 {
            findings.push(TextFinding::Duplicates { texts: duplicates });
        }
        findings
    }

    fn unbalanced(&self) -> Option<TextFinding> {
        if self.classes.len() == 1 {
            return Some(TextFinding::OneClass);
        }
        let mut sizes = vec![0; self.classes.len()];
        self.part(Part::Train).into_iter().for_each(|text| sizes[self.labels[text]] += 1);
        let sizes = || sizes.iter().copied().zip(&self.classes);
        let ((texts, rarest), (most, commonest)) = (sizes().min()?, sizes().max()?);
        let (rarest, commonest) = (rarest.clone(), commonest.clone());
        (texts * IMBALANCE <= most).then_some(TextFinding::Imbalance { rarest, texts, commonest, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextColumns;

    #[test]
    fn what_looks_wrong_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.csv");
        let mut rows = "text,label,split\n".to_string();
        (0..20).for_each(|i| rows.push_str(&format!("number {i} of them,often,train\n")));
        rows.push_str("number 3 of them,often,train\nnumber 4 of them,often,train\n");
        rows.push_str("number 5 of them,rare,train\nnumber 6 of them,often,test\n,rare,test\nsome new and quite long text,often,val\n");
        std::fs::write(&path, rows).expect("a file");
        let set = TextSet::read(&path, &TextColumns::default()).unwrap();
        let found = set.inspect();
        assert_eq!((found.texts, found.words), (26, Some([0, 4, 6])));
        let sizes = BTreeMap::from([(Part::Train, 22), (Part::Validation, 1), (Part::Test, 1)]);
        assert_eq!(found.classes["often"], sizes);
        let row = |number: usize| set.name(number - 1);
        let here = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
        let expected = [
            TextFinding::Empty { text: row(25), texts: 1 },
            TextFinding::SeveralClasses { text: row(6), other: row(23), texts: 1 },
            TextFinding::Leak { text: row(7), other: row(24), texts: 1 },
            TextFinding::Duplicates { texts: 2 },
            TextFinding::Imbalance { rarest: "rare".into(), texts: 1, commonest: "often".into(), most: 22 },
        ];
        assert_eq!(found.findings, expected);
        let said: Vec<String> = found.findings.iter().map(|finding| finding.to_string().replace(&here, "")).collect();
        assert_eq!(
            said,
            [
                "t.csv: row 25 is empty",
                "texts that stand in two classes: 1, such as t.csv: row 6 and t.csv: row 23",
                "texts that are learned from and tested on: 1, such as t.csv: row 7 and t.csv: row 24",
                "2 texts repeat others of their class",
                "classes are out of balance: 1 texts of \"rare\", 22 of \"often\"",
            ]
        );
        std::fs::write(&path, "text,label\na,x\n").expect("a file");
        let one = TextSet::open(&path, &TextColumns::default()).unwrap().inspect();
        assert_eq!(one.findings, [TextFinding::OneClass]);
    }
}
