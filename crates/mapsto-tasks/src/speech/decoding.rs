//! From what a network says at each step to a text.

use crate::error::TaskError;
use mapsto_data::Tokenizer;
use mapsto_models::decode::ctc::{BeamSearch, Greedy, MOST_BEAMS};
use serde::{Deserialize, Serialize};

/// How symbols become a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoding {
    /// How they are found.
    pub decode: Decode,
    /// Texts that a beam search keeps.
    pub beam: usize,
}

/// How symbols are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decode {
    /// By the most probable symbol of each step.
    Greedy,
    /// By a prefix beam search.
    Beam,
}

impl Decoding {
    /// Says which setting cannot be.
    pub(super) fn check(self) -> Result<(), TaskError> {
        if (1..=MOST_BEAMS).contains(&self.beam) {
            return Ok(());
        }
        Err(TaskError::Input(format!("beam is {}, it must be from 1 to {MOST_BEAMS}", self.beam)))
    }

    /// The symbols of log-probabilities `[steps, symbols]`.
    pub(super) fn symbols(self, log_probs: &[f64], symbols: usize) -> Vec<usize> {
        let mut decoder = Decoder::new(self);
        log_probs.chunks_exact(symbols.max(1)).for_each(|step| decoder.push(step));
        decoder.finish()
    }
}

/// Symbols as they are found, step by step.
pub(super) enum Decoder {
    Greedy { search: Greedy, found: Vec<usize> },
    Beam(BeamSearch),
}

impl Decoder {
    pub fn new(decoding: Decoding) -> Decoder {
        match decoding.decode {
            Decode::Greedy => Decoder::Greedy { search: Greedy::new(), found: Vec::new() },
            Decode::Beam => Decoder::Beam(BeamSearch::new(decoding.beam)),
        }
    }

    /// Takes the log-probabilities of a step.
    pub fn push(&mut self, step: &[f64]) {
        match self {
            Decoder::Greedy { search, found } => found.extend(search.push(step)),
            Decoder::Beam(search) => search.push(step),
        }
    }

    /// The symbols that stay, whatever comes.
    pub fn settled(&self) -> &[usize] {
        match self {
            Decoder::Greedy { found, .. } => found,
            Decoder::Beam(search) => search.settled(),
        }
    }

    /// The symbols at the end.
    pub fn finish(self) -> Vec<usize> {
        match self {
            Decoder::Greedy { found, .. } => found,
            Decoder::Beam(search) => search.hypotheses().next().map(|best| best.symbols).unwrap_or_default(),
        }
    }
}

/// The text of symbols: one space between words, none at its ends.
pub(super) fn text(tokenizer: &Tokenizer, symbols: &[usize]) -> Result<String, TaskError> {
    let symbols: Vec<u32> = symbols.iter().map(|&symbol| symbol as u32).collect();
    let text = tokenizer.decode(&symbols).map_err(TaskError::input)?;
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
