//! How near translations are to those of people, as sacrebleu counts (Post, *A Call for Clarity in Reporting BLEU Scores*, 2018).

use super::{MetricError, check_lengths};
use serde::Serialize;
use std::collections::HashMap;
use std::hash::Hash;

/// The longest runs of words that are compared.
const WORDS: usize = 4;
/// The longest runs of characters that are compared.
const CHARACTERS: usize = 6;
/// How many times recall counts as much as precision in chrF.
const BETA: f64 = 2.0;

/// BLEU, of all texts together, with what it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bleu {
    /// The score, 0 to 100.
    pub score: f64,
    /// The share of the runs of 1 to 4 words that the right translations have, too, in percent.
    pub precisions: [f64; WORDS],
    /// What short translations lose: 1 is nothing.
    pub brevity_penalty: f64,
    /// Words of the found translations.
    pub length: usize,
    /// Words of the right ones.
    pub reference_length: usize,
}

/// BLEU of found translations, each against a right one (Papineni et al., *BLEU: a Method for Automatic Evaluation of Machine
/// Translation*, 2002): words as mteval-v13a parts them, in their case; of each order without a match half of the share before counts
/// (smoothing `exp` of Chen and Cherry 2014). These are sacrebleu's defaults.
///
/// # Errors
/// Not as many found texts as right ones; no texts.
pub fn bleu<S: AsRef<str>, T: AsRef<str>>(right: &[S], found: &[T]) -> Result<Bleu, MetricError> {
    check_lengths("BLEU", right.len(), found.len(), 1)?;
    let mut counts = [Matches::default(); WORDS];
    let mut lengths = [0, 0];
    for (right, found) in right.iter().zip(found) {
        let (right, found) = (words(right.as_ref()), words(found.as_ref()));
        lengths[0] += found.len();
        lengths[1] += right.len();
        for (counts, order) in counts.iter_mut().zip(1..) {
            counts.add(&right, &found, order);
        }
    }
    let [length, reference_length] = lengths;
    let brevity_penalty = match length {
        0 => 0.0,
        _ if length >= reference_length => 1.0,
        _ => (1.0 - reference_length as f64 / length as f64).exp(),
    };
    let mut precisions = [0.0; WORDS];
    let mut smoothing = 1.0;
    if counts.iter().any(|counts| counts.both > 0) {
        for (precision, counts) in precisions.iter_mut().zip(&counts).take_while(|(_, counts)| counts.found > 0) {
            let matches = if counts.both > 0 {
                counts.both as f64
            } else {
                smoothing *= 2.0;
                1.0 / smoothing
            };
            *precision = 100.0 * matches / counts.found as f64;
        }
    }
    let mean = precisions.iter().map(|precision| precision.ln()).sum::<f64>() / WORDS as f64;
    Ok(Bleu { score: brevity_penalty * mean.exp(), precisions, brevity_penalty, length, reference_length })
}

/// chrF2, 0 to 100, of found translations, each against a right one: the F score, with recall twice as important, of runs of 1 to 6
/// characters without spaces (Popović, *chrF: Character n-gram F-score for Automatic MT Evaluation*, 2015).
///
/// # Errors
/// Not as many found texts as right ones; no texts.
pub fn chrf<S: AsRef<str>, T: AsRef<str>>(right: &[S], found: &[T]) -> Result<f64, MetricError> {
    check_lengths("chrF", right.len(), found.len(), 1)?;
    let mut counts = [Matches::default(); CHARACTERS];
    let characters = |text: &str| text.split_whitespace().flat_map(str::chars).collect::<Vec<char>>();
    for (right, found) in right.iter().zip(found) {
        let (right, found) = (characters(right.as_ref()), characters(found.as_ref()));
        for (counts, order) in counts.iter_mut().zip(1..) {
            // What a text has not, sacrebleu does not count as found in its place.
            if right.len() >= order {
                counts.add(&right, &found, order);
            }
        }
    }
    let known = counts.iter().filter(|counts| counts.found > 0 && counts.right > 0);
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for counts in known {
        precision += counts.both as f64 / counts.found as f64;
        recall += counts.both as f64 / counts.right as f64;
        orders += 1.0;
    }
    if precision + recall == 0.0 {
        return Ok(0.0);
    }
    let (precision, recall, factor) = (precision / orders, recall / orders, BETA * BETA);
    Ok(100.0 * (1.0 + factor) * precision * recall / (factor * precision + recall))
}

/// Runs of elements of one length, over all texts.
#[derive(Clone, Copy, Default)]
struct Matches {
    right: usize,
    found: usize,
    /// Those of the found that the right have, too, each as often as there.
    both: usize,
}

impl Matches {
    fn add<T: Hash + Eq>(&mut self, right: &[T], found: &[T], order: usize) {
        let mut counts: HashMap<&[T], usize> = HashMap::new();
        for run in right.windows(order) {
            *counts.entry(run).or_default() += 1;
            self.right += 1;
        }
        for run in found.windows(order) {
            self.found += 1;
            if let Some(left) = counts.get_mut(run).filter(|left| **left > 0) {
                *left -= 1;
                self.both += 1;
            }
        }
    }
}

/// The words of a text as mteval-v13a parts them: marks apart, but not a point or comma between digits.
fn words(text: &str) -> Vec<String> {
    let mut text = text.trim_end().replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    for (written, meant) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        text = text.replace(written, meant);
    }
    let mut parted = String::from(" ");
    for c in text.chars() {
        match c {
            ' '..='&' | '('..='+' | ':'..='@' | '/' | '['..='`' | '{'..='~' => parted.extend([' ', c, ' ']),
            _ => parted.push(c),
        }
    }
    parted.push(' ');
    let digit = |c: char| c.is_ascii_digit();
    let stop = |c: char| matches!(c, '.' | ',');
    let parted = in_pairs(&parted, |a, b| !digit(a) && stop(b), |a, b| [a, ' ', b, ' ']);
    let parted = in_pairs(&parted, |a, b| stop(a) && !digit(b), |a, b| [' ', a, ' ', b]);
    let parted = in_pairs(&parted, |a, b| digit(a) && b == '-', |a, b| [a, ' ', b, ' ']);
    parted.split_whitespace().map(str::to_string).collect()
}

/// A text with something in place of each pair of characters that fits; pairs do not overlap.
fn in_pairs(text: &str, fits: impl Fn(char, char) -> bool, place: impl Fn(char, char) -> [char; 4]) -> String {
    let mut out = String::with_capacity(2 * text.len());
    let mut rest = text.chars().peekable();
    while let Some(a) = rest.next() {
        match rest.next_if(|&b| fits(a, b)) {
            Some(b) => out.extend(place(a, b)),
            None => out.push(a),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_mtevals() {
        let parted = |text: &str| words(text).join(" ");
        assert_eq!(parted("Hello, world! (It's 3.5 o'clock.)"), "Hello , world ! ( It's 3.5 o'clock . )");
        assert_eq!(parted("1,000.5 and 1990-95, pre-war..."), "1,000.5 and 1990 - 95 , pre-war . . .");
        assert_eq!(parted("&quot;a&quot; &lt;b&gt; &amp;amp; x-\ny"), "\" a \" < b > & amp ; xy");
        assert_eq!(parted("  "), "");
    }

    #[test]
    fn extremes() {
        let text = ["the cat sat on the mat", "a b c d"];
        let same = bleu(&text, &text).unwrap();
        assert!((same.score - 100.0).abs() < 1e-9 && (chrf(&text, &text).unwrap() - 100.0).abs() < 1e-9);
        let none = bleu(&text, &["", "x"]).unwrap();
        assert_eq!((none.score, none.length, none.reference_length), (0.0, 1, 10));
        assert_eq!(chrf(&["ab"], &[""]), Ok(0.0));
        // Two words have no run of four.
        assert_eq!(bleu(&["a b"], &["a b"]).unwrap().score, 0.0);
        assert_eq!(bleu(&["a"], &[""; 0]).unwrap_err().to_string(), "BLEU: 1 true values but 0 predicted ones");
        assert_eq!(chrf(&[""; 0], &[""; 0]).unwrap_err().to_string(), "chrF: 0 items given, at least 1 needed");
    }
}
