//! Texts that a language model writes.

use super::LmPreparation;
use super::corpus::BEGIN;
use crate::error::TaskError;
use mapsto_data::Tokenizer;
use mapsto_models::decode::{Continuation, Sampling};
use mapsto_models::{LanguageNet, Mixture};
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// The most tokens that are written.
const LONGEST: usize = 1_000_000;
/// Tokens that a letter can have: bytes of UTF-8.
const LETTER: usize = 4;

/// How a text is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writing {
    /// The most tokens that are written.
    pub length: usize,
    /// What logits are divided by: below 1 the likely become likelier; at 0 the likeliest is taken.
    pub temperature: f64,
    /// Only so many of the likeliest tokens can be drawn; all at 0.
    pub top_k: usize,
    /// Only the fewest likeliest tokens can be drawn whose probabilities reach this sum; all at 1.
    pub top_p: f64,
    /// What all chance comes from.
    pub seed: u64,
}

impl Default for Writing {
    fn default() -> Writing {
        Writing { length: 200, temperature: 0.8, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

impl Writing {
    /// Says which setting cannot be.
    pub(super) fn check(&self) -> Result<(), TaskError> {
        if !(1..=LONGEST).contains(&self.length) {
            return Err(TaskError::Input(format!("length is {}, it must be from 1 to {LONGEST}", self.length)));
        }
        self.sampling().check().map_err(|e| TaskError::Input(format!("{e:#}")))
    }

    fn sampling(&self) -> Sampling {
        Sampling { temperature: self.temperature, top_k: self.top_k, top_p: self.top_p }
    }
}

/// What networks add to a prompt, and how many tokens that is; `piece` is told each letter as soon as it is there. It ends at the length
/// that is asked for, or where the network holds the text to be at its end.
///
/// # Errors
/// An empty prompt; outputs that are not finite; those of `piece`.
pub(super) fn go_on(
    networks: &Mixture<'_, LanguageNet>,
    preparation: &LmPreparation,
    writing: &Writing,
    prompt: Vec<u32>,
    chance: Rng,
    piece: &mut dyn FnMut(&str) -> Result<(), TaskError>,
) -> Result<(String, usize), TaskError> {
    let tokenizer = &preparation.tokenizer;
    let mut never: Vec<u32> = tokenizer.special().unk.into_iter().collect();
    if !preparation.ends {
        never.push(BEGIN);
    }
    let tokens = Continuation::new(networks, prompt, writing.sampling(), &never, chance)?;
    let (mut text, mut pending, mut count) = (String::new(), Vec::new(), 0);
    for token in tokens.take(writing.length) {
        let token = token?;
        if token == BEGIN {
            break;
        }
        count += 1;
        pending.push(token);
        let letters = tokenizer.decode(&pending).map_err(TaskError::input)?;
        // The first bytes of a letter wait for the others.
        if letters.ends_with(char::REPLACEMENT_CHARACTER) && pending.len() < LETTER {
            continue;
        }
        pending.clear();
        piece(&letters)?;
        text += &letters;
    }
    if !pending.is_empty() {
        let letters = tokenizer.decode(&pending).map_err(TaskError::input)?;
        piece(&letters)?;
        text += &letters;
    }
    Ok((text, count))
}

/// The tokens of a prompt that the network knows, and what is to be said of the others. What begins texts stands for an empty prompt.
///
/// # Errors
/// A prompt of which nothing is known.
pub(super) fn read(tokenizer: &Tokenizer, prompt: &str) -> Result<(Vec<u32>, Option<String>), TaskError> {
    if prompt.is_empty() {
        return Ok((vec![BEGIN], None));
    }
    let mut tokens = tokenizer.encode_whole(prompt).map_err(TaskError::input)?;
    let Some(unk) = tokenizer.special().unk.filter(|unk| tokens.contains(unk)) else { return Ok((tokens, None)) };
    let mut unknown: Vec<char> = prompt.chars().collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown.retain(|letter| tokenizer.encode_whole(letter.encode_utf8(&mut [0; 4])).is_ok_and(|found| found == [unk]));
    let unknown: Vec<String> = unknown.iter().map(|letter| format!("{letter:?}")).collect();
    let why = format!("the texts that it learned from do not have {} more than once", unknown.join(", "));
    tokens.retain(|token| *token != unk);
    if tokens.is_empty() {
        return Err(TaskError::Input(format!("{prompt:?} has no character that the network knows: {why}")));
    }
    Ok((tokens, Some(format!("characters of {prompt:?} are passed over: {why}"))))
}
