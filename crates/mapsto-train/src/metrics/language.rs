//! Metrics of language models.

use super::MetricError;
use serde::Serialize;

/// How well a network tells the next token of texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LanguageReport {
    /// Tokens that were to be told.
    pub tokens: usize,
    /// Characters of the texts that these tokens are.
    pub characters: usize,
    /// Mean negative logarithm (natural) of the probability given to the right token.
    pub loss: f64,
    /// `exp` of it: among how many equally likely tokens the choice is as hard. It means something only among the same tokens.
    pub perplexity: f64,
    /// Sum of the negative logarithms to base 2, for each character: what texts would take when coded by the network. It compares networks
    /// whatever their tokens are.
    pub bits_per_character: f64,
    /// Share of the tokens that were held to be the likeliest.
    pub accuracy: f64,
}

impl LanguageReport {
    /// Of the sum of the negative logarithms (natural) of the right tokens' probabilities, and how many of them were held to be the
    /// likeliest.
    ///
    /// # Errors
    /// No token, or no character; a sum that is no number, or below 0; more hits than tokens.
    pub fn of(nats: f64, hits: usize, tokens: usize, characters: usize) -> Result<LanguageReport, MetricError> {
        let metric = "perplexity";
        let got = tokens.min(characters);
        if got == 0 {
            return Err(MetricError::TooFew { metric, least: 1, got });
        }
        if !(nats >= 0.0) {
            let wanted = "a sum of negative logarithms of probabilities";
            return Err(MetricError::Value { metric, item: 0, value: nats, wanted });
        }
        if hits > tokens {
            return Err(MetricError::Lengths { metric, truth: tokens, predicted: hits });
        }
        let loss = nats / tokens as f64;
        Ok(LanguageReport {
            tokens,
            characters,
            loss,
            perplexity: loss.exp(),
            bits_per_character: nats / std::f64::consts::LN_2 / characters as f64,
            accuracy: hits as f64 / tokens as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blind_guess_costs_its_bits() {
        // Among 8 tokens, each of which stands for 2 characters.
        let report = LanguageReport::of(100.0 * 8f64.ln(), 12, 100, 200).unwrap();
        assert!((report.perplexity - 8.0).abs() < 1e-12, "{report:?}");
        assert!((report.bits_per_character - 1.5).abs() < 1e-12, "{report:?}");
        assert_eq!((report.accuracy, report.tokens, report.characters), (0.12, 100, 200));
        let sure = LanguageReport::of(0.0, 3, 3, 3).unwrap();
        assert_eq!((sure.loss, sure.perplexity, sure.bits_per_character, sure.accuracy), (0.0, 1.0, 0.0, 1.0));
    }

    #[test]
    fn sums_that_cannot_be_are_refused() {
        let said = |nats, hits, tokens, characters| {
            LanguageReport::of(nats, hits, tokens, characters).unwrap_err().to_string()
        };
        assert_eq!(said(0.0, 0, 0, 5), "perplexity: 0 items given, at least 1 needed");
        assert_eq!(said(0.0, 0, 5, 0), "perplexity: 0 items given, at least 1 needed");
        assert!(said(f64::NAN, 0, 5, 5).contains("has value NaN"));
        assert!(said(-1.0, 0, 5, 5).contains("has value -1"));
        assert_eq!(said(1.0, 6, 5, 5), "perplexity: 5 true values but 6 predicted ones");
    }
}
