//! Byte-pair encoding (Gage, 1994; Sennrich, Haddow and Birch, *Neural Machine Translation of Rare Words with Subword Units*,
//! 2016), learned.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// How often a pair must come to be merged.
const LEAST: u64 = 2;

/// Letters of a word that are looked at together: each merge in a word looks at all of it, and a text without spaces is one word.
const LONGEST: usize = 64;

/// A pair of tokens, side by side.
type Pair = (u32, u32);

/// What has been learned.
pub(super) struct Merges {
    /// The tokens by number.
    pub tokens: Vec<String>,
    /// Pairs of tokens that become one, in order.
    pub merges: Vec<[String; 2]>,
}

/// Words of tokens, and where each pair stands.
struct Words {
    /// Tokens of each word, and how often the word comes.
    words: Vec<(Vec<u32>, u64)>,
    counts: HashMap<Pair, u64>,
    /// Words in which a pair stands, or stood once.
    places: HashMap<Pair, Vec<usize>>,
    /// The greatest count first, and the least pair of equals. What has another count by now is passed over.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

/// Merges the commonest pair of tokens in words, again and again, until there are `size` tokens or every pair comes once. It begins
/// with these tokens, among which every letter of the words is.
pub(super) fn learn(words: &BTreeMap<String, u64>, tokens: Vec<String>, size: usize) -> Merges {
    let mut numbers: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
    let mut all = Vec::with_capacity(words.len());
    for (word, count) in words {
        let letters: Vec<u32> = word.chars().filter_map(|letter| numbers.get(&letter.to_string()).copied()).collect();
        all.extend(letters.chunks(LONGEST).map(|part| (part.to_vec(), *count)));
    }
    let mut words = Words { words: all, counts: HashMap::new(), places: HashMap::new(), queue: BinaryHeap::new() };
    (0..words.words.len()).for_each(|word| words.add(word));
    words.queue = words.counts.iter().map(|(pair, count)| (*count, Reverse(*pair))).collect();
    let mut learned = Merges { tokens, merges: Vec::new() };
    while learned.tokens.len() < size {
        let Some((count, Reverse(pair))) = words.queue.pop().filter(|(count, _)| *count >= LEAST) else { break };
        if words.counts.get(&pair) != Some(&count) {
            continue;
        }
        let [a, b] = [pair.0, pair.1].map(|token| learned.tokens[token as usize].clone());
        // Two pairs may make the same token.
        let token = *numbers.entry(format!("{a}{b}")).or_insert_with_key(|whole| {
            learned.tokens.push(whole.clone());
            learned.tokens.len() as u32 - 1
        });
        learned.merges.push([a, b]);
        words.merge(pair, token);
    }
    learned
}

fn pairs(word: &[u32]) -> impl Iterator<Item = Pair> {
    word.windows(2).map(|pair| (pair[0], pair[1]))
}

impl Words {
    /// Counts the pairs of a word, and gives them.
    fn add(&mut self, word: usize) {
        let (tokens, times) = &self.words[word];
        for pair in pairs(tokens) {
            *self.counts.entry(pair).or_default() += times;
            let places = self.places.entry(pair).or_default();
            if places.last() != Some(&word) {
                places.push(word);
            }
        }
    }

    /// Puts a token in place of a pair in all words.
    fn merge(&mut self, pair: Pair, token: u32) {
        let mut places = self.places.remove(&pair).unwrap_or_default();
        places.sort_unstable();
        places.dedup();
        let mut changes: HashMap<Pair, i64> = HashMap::new();
        for word in places {
            let (tokens, times) = &mut self.words[word];
            let times = *times as i64;
            pairs(tokens).for_each(|pair| *changes.entry(pair).or_default() -= times);
            let mut merged = Vec::with_capacity(tokens.len());
            let mut i = 0;
            while i < tokens.len() {
                let is_pair = tokens.get(i + 1).is_some_and(|next| (tokens[i], *next) == pair);
                merged.push(if is_pair { token } else { tokens[i] });
                i += 1 + usize::from(is_pair);
            }
            *tokens = merged;
            for pair in pairs(tokens) {
                *changes.entry(pair).or_default() += times;
                // The others stood there before.
                if pair.0 == token || pair.1 == token {
                    self.places.entry(pair).or_default().push(word);
                }
            }
        }
        for (pair, change) in changes.into_iter().filter(|(_, change)| *change != 0) {
            let count = self.counts.entry(pair).or_default();
            *count = count.saturating_add_signed(change);
            match *count {
                0 => _ = self.counts.remove(&pair),
                count => self.queue.push((count, Reverse(pair))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_pairs_are_merged() {
        // The example of Sennrich et al.
        let words = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)];
        let words = words.into_iter().map(|(word, count)| (word.to_string(), count)).collect();
        let letters: Vec<String> = ('a'..='z').map(String::from).collect();
        let learned = learn(&words, letters.clone(), 30);
        let merges: Vec<String> = learned.merges.iter().map(|pair| pair.join(" ")).collect();
        assert_eq!(merges, ["e s", "es t", "l o", "lo w"]);
        assert_eq!(learned.tokens[26..], ["es", "est", "lo", "low"]);
        // What comes once is not merged.
        let once = [("ab".to_string(), 1)].into();
        assert!(learn(&once, letters.clone(), 30).merges.is_empty());
        // Of a word without an end a merge costs what the places cost where it is.
        let endless = [("abcdefgh".repeat(20_000), 1)].into();
        let learned = learn(&endless, ('a'..='z').map(String::from).collect(), 33);
        assert_eq!(learned.tokens[26..], ["ab", "cd", "ef", "gh", "abcd", "efgh", "abcdefgh"]);
        // A letter beside itself; of equals, the pair of older tokens.
        let same = [("aaaaa".to_string(), 4)].into();
        let learned = learn(&same, letters, 100);
        assert_eq!(learned.tokens[26..], ["aa", "aaa", "aaaaa"]);
    }
}
