//! How well speech was understood.

use crate::error::TaskError;
use crate::report::Markup;
use crate::task::Figures;
use mapsto_train::metrics::Edits;
use serde::Serialize;
use serde_json::{Value, json};

/// The most utterances that a report shows.
const SHOWN: usize = 20;

/// What was understood of an utterance.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// The text.
    pub text: String,
    /// CTC's loss of what is right, a symbol's mean; infinite where the sound is too short for it.
    pub loss: f64,
}

/// How well speech was understood.
#[derive(Clone, Debug, Serialize)]
pub struct SpeechScore {
    /// The mean of CTC's losses, each a symbol's mean, without those of sounds that are too short for what is right.
    pub loss: f64,
    /// Edits for each word of what is right.
    pub wer: f64,
    /// Edits for each character of what is right.
    pub cer: f64,
    /// The share of utterances that were understood to the letter.
    pub accuracy: f64,
    /// Edits of words.
    pub words: Edits,
    /// Edits of characters.
    pub characters: Edits,
    /// What was understood of each utterance.
    #[serde(skip)]
    pub understood: Vec<Understood>,
}

impl SpeechScore {
    /// Of utterances and what is right, which is never nothing.
    ///
    /// # Errors
    /// No utterances.
    pub(super) fn of(right: &[&str], understood: Vec<Understood>) -> Result<SpeechScore, TaskError> {
        let texts: Vec<&str> = understood.iter().map(|one| one.text.as_str()).collect();
        let (words, characters) = (Edits::of_words(right, &texts)?, Edits::of_characters(right, &texts)?);
        let exact = right.iter().zip(&texts).filter(|(right, text)| right == text).count();
        let losses = understood.iter().map(|one| one.loss).filter(|loss| loss.is_finite());
        let (count, total) = losses.fold((0, 0.0), |(count, total), loss| (count + 1, total + loss));
        Ok(SpeechScore {
            loss: total / f64::from(count.max(1)),
            wer: words.rate(),
            cer: characters.rate(),
            accuracy: exact as f64 / right.len() as f64,
            words,
            characters,
            understood,
        })
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

impl Figures for SpeechScore {
    fn metrics(&self) -> Value {
        json!({ "wer": self.wer, "cer": self.cer, "accuracy": self.accuracy, "loss": self.loss })
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        vec![
            ("word error rate", percent(self.wer)),
            ("character error rate", percent(self.cer)),
            ("accuracy", percent(self.accuracy)),
        ]
    }

    fn details(&self) -> Value {
        json!({ "words": self.words, "characters": self.characters })
    }
}

/// Draws the kinds of errors, and the utterances that were understood worst: each with its name and what is right.
pub(super) fn draw(score: &SpeechScore, utterances: &[(String, &str)], page: &mut Markup) {
    page.text("h2", &[], "Errors");
    page.table(["of", "right", "substituted", "left out", "put in", "error rate"], |body| {
        for (name, rate) in [("words", score.words), ("characters", score.characters)] {
            let Edits { substitutions, deletions, insertions, length } = rate;
            let counts = [length, substitutions, deletions, insertions].map(|count| count.to_string());
            body.row(name, counts.into_iter().chain([percent(rate.rate())]));
        }
    });
    let errors = |place: usize| {
        let both = [utterances[place].1, &score.understood[place].text];
        let [right, found] = both.map(|text| text.split_whitespace().collect::<Vec<_>>());
        let words = Edits::between(&right, &found).count();
        let [right, found] = both.map(|text| text.chars().collect::<Vec<_>>());
        (words, Edits::between(&right, &found).count())
    };
    let places = 0..utterances.len().min(score.understood.len());
    let mut worst: Vec<((usize, usize), usize)> = places.map(|place| (errors(place), place)).collect();
    worst.retain(|((_, characters), _)| *characters > 0);
    worst.sort_by_key(|&(errors, place)| (std::cmp::Reverse(errors), place));
    page.text("h2", &[], "Worst mistakes");
    if worst.is_empty() {
        return page.text("p", &[], "There are none: all was understood.");
    }
    page.table(["sound", "said", "heard", "wrong words", "wrong characters"], |body| {
        for &((words, characters), place) in worst.iter().take(SHOWN) {
            let (name, right) = &utterances[place];
            let heard = score.understood[place].text.clone();
            body.row(name, [right.to_string(), heard, words.to_string(), characters.to_string()]);
        }
    });
}
