//! How good translations are.

use super::decoding::Translation;
use crate::error::TaskError;
use crate::task::Figures;
use mapsto_train::metrics::{Bleu, bleu, chrf};
use mapsto_train::short;
use serde::Serialize;
use serde_json::{Value, json};

/// How good translations are, and the translations.
#[derive(Clone, Debug, Serialize)]
pub struct TranslateScores {
    /// The mean loss of a token of the right translations.
    pub loss: f64,
    /// Among how many equally likely tokens the choice is as hard.
    pub perplexity: f64,
    /// BLEU, with what it is made of.
    pub bleu: Bleu,
    /// chrF2, 0 to 100.
    pub chrf: f64,
    /// The translations that were found.
    #[serde(skip)]
    pub translations: Vec<Translation>,
}

impl TranslateScores {
    /// Of translations and the right ones, which have a loss.
    ///
    /// # Errors
    /// No translations.
    pub(super) fn of(loss: f64, right: &[&str], translations: Vec<Translation>) -> Result<TranslateScores, TaskError> {
        let found: Vec<&str> = translations.iter().map(|translation| translation.text.as_str()).collect();
        let (bleu, chrf) = (bleu(right, &found)?, chrf(right, &found)?);
        Ok(TranslateScores { loss, perplexity: loss.exp(), bleu, chrf, translations })
    }
}

impl Figures for TranslateScores {
    fn metrics(&self) -> Value {
        json!({"loss": self.loss, "perplexity": self.perplexity, "bleu": self.bleu.score, "chrf": self.chrf})
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        vec![
            ("BLEU", format!("{:.2}", self.bleu.score)),
            ("chrF", format!("{:.2}", self.chrf)),
            ("perplexity", short(self.perplexity)),
            ("loss", short(self.loss)),
        ]
    }

    fn details(&self) -> Value {
        json!({"bleu": self.bleu})
    }
}
