//! Changes of texts by chance (Wei and Zou, *EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
//! Classification Tasks*, 2019).
//!
//! Words are what spaces part; what stands between them becomes one space.

use super::{Synonyms, TextError};
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// Changes texts by chance: of those that are changed, each by one of [`delete_words`], [`swap_words`], [`insert_words`] and, if there
/// are synonyms, [`replace_words`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextAugmentation {
    /// Share of the texts that are changed.
    pub probability: f64,
    /// Share of a text's words that are changed, but one at least.
    pub share: f64,
    /// Words that mean the same.
    #[serde(default, skip_serializing_if = "Synonyms::is_empty")]
    pub synonyms: Synonyms,
}

impl TextAugmentation {
    /// Changes these shares of texts and of their words.
    ///
    /// # Errors
    /// A share outside 0 to 1.
    pub fn new(probability: f64, share: f64, synonyms: Synonyms) -> Result<TextAugmentation, TextError> {
        for (name, value) in [("texts", probability), ("words", share)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(TextError::Share { name, value });
            }
        }
        Ok(TextAugmentation { probability, share, synonyms })
    }

    /// The text, changed or as it is.
    pub fn apply(&self, text: &str, chance: &mut Rng) -> String {
        if chance.next_f64() >= self.probability {
            return text.to_string();
        }
        match chance.below(if self.synonyms.is_empty() { 3 } else { 4 }) {
            0 => delete_words(text, self.share, chance),
            1 => swap_words(text, self.share, chance),
            2 => insert_words(text, self.share, &self.synonyms, chance),
            _ => replace_words(text, self.share, &self.synonyms, chance),
        }
    }
}

/// Without each word with probability `share`; one is always left.
pub fn delete_words(text: &str, share: f64, chance: &mut Rng) -> String {
    let words = words(text);
    let left: Vec<&str> = words.iter().copied().filter(|_| chance.next_f64() >= share).collect();
    match words.len() {
        0 => String::new(),
        _ if left.is_empty() => one_of(&words, chance).to_string(),
        _ => left.join(" "),
    }
}

/// With two words exchanged, as often as `share` of the words is, at least once.
pub fn swap_words(text: &str, share: f64, chance: &mut Rng) -> String {
    let mut words = words(text);
    let count = words.len();
    if count > 1 {
        for _ in 0..times(count, share) {
            let first = below(count, chance);
            // Another one than the first.
            words.swap(first, (first + 1 + below(count - 1, chance)) % count);
        }
    }
    words.join(" ")
}

/// With words more at any place, `share` of the words that there are, at least one: each means the same as one of the text's words,
/// or is one of them where there are no synonyms.
pub fn insert_words(text: &str, share: f64, synonyms: &Synonyms, chance: &mut Rng) -> String {
    let own = words(text);
    let known: Vec<&str> = own.iter().copied().filter(|word| !synonyms.of(parts(word)[1]).is_empty()).collect();
    if own.is_empty() {
        return String::new();
    }
    let mut draw = |_| {
        let word = if known.is_empty() {
            one_of(&own, chance)
        } else {
            one_of(&synonyms.of(parts(one_of(&known, chance))[1]), chance)
        };
        (below(own.len() + 1, chance), word)
    };
    let mut more: Vec<(usize, &str)> = (0..times(own.len(), share)).map(&mut draw).collect();
    more.sort_by_key(|(before, _)| *before);
    let (mut more, mut all) = (more.into_iter().peekable(), Vec::new());
    for place in 0..=own.len() {
        while let Some((_, word)) = more.next_if(|(before, _)| *before == place) {
            all.push(word);
        }
        all.extend(own.get(place));
    }
    all.join(" ")
}

/// With others that mean the same in place of words that have any, `share` of all words, at least one. Punctuation beside them
/// stays, and so does a great first letter.
pub fn replace_words(text: &str, share: f64, synonyms: &Synonyms, chance: &mut Rng) -> String {
    let mut words: Vec<String> = words(text).into_iter().map(str::to_string).collect();
    let mut known: Vec<usize> =
        (0..words.len()).filter(|&place| !synonyms.of(parts(&words[place])[1]).is_empty()).collect();
    chance.shuffle(&mut known);
    for &place in known.iter().take(times(words.len(), share)) {
        let [before, word, behind] = parts(&words[place]);
        let other = one_of(&synonyms.of(word), chance);
        let is_great = word.chars().next().is_some_and(char::is_uppercase);
        let other = if is_great { capitalised(other) } else { other.to_string() };
        words[place] = format!("{before}{other}{behind}");
    }
    words.join(" ")
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// How many of so many words a share is: at least one, at most all.
fn times(words: usize, share: f64) -> usize {
    ((words as f64 * share) as usize).clamp(1, words.max(1))
}

fn below(count: usize, chance: &mut Rng) -> usize {
    chance.below(count as u64) as usize
}

fn one_of<'a>(all: &[&'a str], chance: &mut Rng) -> &'a str {
    all[below(all.len(), chance)]
}

/// A word without the punctuation before and behind it, between these.
fn parts(word: &str) -> [&str; 3] {
    let is_mark = |letter: char| !letter.is_alphanumeric();
    let rest = word.trim_start_matches(is_mark);
    let core = rest.trim_end_matches(is_mark);
    [&word[..word.len() - rest.len()], core, &rest[core.len()..]]
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The quick (brown) fox, it jumps\nover the  lazy dog.";

    fn synonyms() -> Synonyms {
        Synonyms::from(vec![
            vec!["quick".to_string(), "fast".into(), "swift".into()],
            vec!["brown".to_string(), "tan".into()],
            vec!["the".to_string(), "that".into()],
        ])
    }

    fn sorted(text: &str) -> Vec<&str> {
        let mut all = words(text);
        all.sort_unstable();
        all
    }

    /// Words of `more` that `less` does not have.
    fn difference<'a>(more: &'a str, less: &str) -> Vec<&'a str> {
        let mut less = words(less);
        let is_new = |word: &&str| match less.iter().position(|other| other == word) {
            Some(place) => {
                less.remove(place);
                false
            }
            None => true,
        };
        words(more).into_iter().filter(is_new).collect()
    }

    #[test]
    fn words_are_deleted() {
        let (mut left, all) = (0, words(TEXT).len());
        for seed in 0..2000 {
            let text = delete_words(TEXT, 0.3, &mut Rng::new(seed));
            assert!(difference(&text, TEXT).is_empty(), "{text}");
            left += words(&text).len();
        }
        let share = left as f64 / (2000 * all) as f64;
        assert!((share - 0.7).abs() < 0.02, "{share}");
        let one = delete_words(TEXT, 1.0, &mut Rng::new(1));
        assert!(words(TEXT).contains(&&one[..]), "{one}");
        assert_eq!(delete_words(TEXT, 0.0, &mut Rng::new(1)), words(TEXT).join(" "));
    }

    #[test]
    fn words_are_swapped() {
        let plain = words(TEXT).join(" ");
        for seed in 0..200 {
            let text = swap_words(TEXT, 0.1, &mut Rng::new(seed));
            let moved = words(&text).iter().zip(words(TEXT)).filter(|(a, b)| **a != *b).count();
            assert_eq!((sorted(&text), moved), (sorted(TEXT), 2), "{text}");
            assert_eq!(sorted(&swap_words(TEXT, 0.9, &mut Rng::new(seed))), sorted(TEXT));
        }
        assert!((0..20).any(|seed| swap_words(TEXT, 0.9, &mut Rng::new(seed)) != plain));
    }

    #[test]
    fn words_are_inserted() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..300 {
            let text = insert_words(TEXT, 0.25, &synonyms(), &mut Rng::new(seed));
            assert!(difference(TEXT, &text).is_empty(), "{text}");
            let more: Vec<String> = difference(&text, TEXT).into_iter().map(str::to_string).collect();
            assert_eq!(more.len(), 2, "{text}");
            seen.extend(more);
            let text = insert_words(TEXT, 0.0, &Synonyms::default(), &mut Rng::new(seed));
            assert_eq!(words(&text).len(), words(TEXT).len() + 1);
            assert!(words(&text).iter().all(|word| words(TEXT).contains(word)), "{text}");
        }
        assert!(seen.iter().eq(["fast", "swift", "tan", "that"]), "{seen:?}");
    }

    #[test]
    fn words_are_replaced_by_what_means_the_same() {
        for seed in 0..100 {
            let text = replace_words(TEXT, 0.1, &synonyms(), &mut Rng::new(seed));
            let new = difference(&text, TEXT);
            assert!(matches!(new[..], ["fast" | "swift" | "(tan)" | "That" | "that"]), "{text}");
        }
        let all = replace_words(TEXT, 1.0, &synonyms(), &mut Rng::new(1));
        assert!(all.starts_with("That ") && all.contains(" (tan) fox, it jumps over that lazy dog."), "{all}");
        assert_eq!(replace_words("no such word", 1.0, &synonyms(), &mut Rng::new(1)), "no such word");
    }

    #[test]
    fn short_texts_stay_texts() {
        for text in ["", "  ", "one", "?!", "two words", "你好世界"] {
            for seed in 0..20 {
                let chance = || Rng::new(seed);
                let count = words(text).len();
                assert_eq!(words(&delete_words(text, 0.5, &mut chance())).is_empty(), count == 0);
                assert_eq!(sorted(&swap_words(text, 0.5, &mut chance())), sorted(text));
                assert_eq!(words(&insert_words(text, 0.5, &synonyms(), &mut chance())).len(), count + count.min(1));
                assert_eq!(sorted(&replace_words(text, 0.5, &synonyms(), &mut chance())), sorted(text));
            }
        }
    }

    #[test]
    fn the_stream_says_what_changes() {
        let augmentation = TextAugmentation::new(0.5, 0.2, synonyms()).unwrap();
        let all = |first: u64| (first..first + 400).map(|seed| augmentation.apply(TEXT, &mut Rng::new(seed)));
        assert!(all(0).eq(all(0)) && all(0).ne(all(1000)));
        let changed = all(0).filter(|text| text != TEXT).count();
        assert!((160..=240).contains(&changed), "{changed}");
        let saved = serde_json::to_string(&augmentation).unwrap();
        assert_eq!(serde_json::from_str::<TextAugmentation>(&saved).unwrap(), augmentation);
        let refused = TextAugmentation::new(0.5, 1.5, synonyms()).unwrap_err().to_string();
        assert_eq!(refused, "the share of words that are changed is 1.5, not in 0..=1");
        assert!(TextAugmentation::new(f64::NAN, 0.1, synonyms()).is_err());
    }
}
