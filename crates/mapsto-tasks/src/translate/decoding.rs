//! Translating: texts in, texts out.

use super::{TranslateConfig, TranslatePreparation};
use crate::error::TaskError;
use crate::text::TextInput;
use mapsto_models::decode::{BeamConfig, Without, beam_search};
use mapsto_models::{Mixture, TranslationNet};
use mapsto_tensor::{Result, no_grad};
use serde::{Deserialize, Serialize};

/// Sequences that a network is asked about at once.
const ASKED: usize = 256;
/// The widest beam.
const WIDEST: usize = 64;
/// The greatest length penalty.
const MOST_PENALTY: f64 = 10.0;

/// How translations are searched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoding {
    /// Translations that are kept while one is searched; with 1 the likeliest token is taken each time.
    pub beam: usize,
    /// How much longer translations are favoured: see [`BeamConfig`].
    pub length_penalty: f64,
    /// The most tokens of a translation; as many as of any text at 0.
    pub longest: usize,
}

impl Default for Decoding {
    fn default() -> Decoding {
        Decoding { beam: 4, length_penalty: 0.6, longest: 0 }
    }
}

/// A text's translation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translation {
    /// The translation.
    pub text: String,
    /// Its tokens, without its end.
    pub tokens: Vec<u32>,
    /// Of the whole translation.
    pub log_probability: f64,
    /// Whether it came to its end, and was not cut off.
    pub ended: bool,
}

impl Decoding {
    /// Says which setting cannot be, for texts of a greatest length.
    pub(super) fn check(&self, length: usize) -> Result<(), TaskError> {
        let Decoding { beam, length_penalty, longest } = *self;
        let settings: [(&str, f64, bool, String); 3] = [
            ("beam", beam as f64, (1..=WIDEST).contains(&beam), format!("from 1 to {WIDEST}")),
            (
                "length_penalty",
                length_penalty,
                (0.0..=MOST_PENALTY).contains(&length_penalty),
                format!("from 0 to {MOST_PENALTY}"),
            ),
            ("longest", longest as f64, longest <= length, format!("from 0 to {length}, the length of texts")),
        ];
        match settings.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((name, value, _, wanted)) => Err(TaskError::Input(format!("{name} is {value}, it must be {wanted}"))),
            None => Ok(()),
        }
    }
}

/// The best translation of each of some sources, in their order.
///
/// # Errors
/// Outputs that are not finite.
pub(super) fn translate(
    networks: &Mixture<'_, TranslationNet>,
    config: &TranslateConfig,
    preparation: &TranslatePreparation,
    decoding: &Decoding,
    sources: &[Vec<u32>],
) -> Result<Vec<Translation>, TaskError> {
    let vocabulary = preparation.vocabulary();
    let special = preparation.target.special();
    let never: Vec<u32> = [special.pad, special.unk, Some(vocabulary.begin)].into_iter().flatten().collect();
    let decoder = Without::new(networks, vocabulary.targets, &never)?;
    let longest = if decoding.longest == 0 { config.length } else { decoding.longest };
    let beam = BeamConfig { width: decoding.beam, length_penalty: decoding.length_penalty, longest };
    // Texts of similar lengths end at about the same time.
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|&source| sources[source].len());
    let mut found = vec![Translation::default(); sources.len()];
    for chunk in order.chunks((ASKED / decoding.beam.max(1)).max(1)) {
        let input = TextInput::of(&chunk.iter().map(|&source| &sources[source][..]).collect::<Vec<_>>())?;
        let begin = |network: &&TranslationNet| network.begin(&input.tokens, &input.lengths);
        let state = no_grad(|| networks.networks().iter().map(begin).collect::<Result<Vec<_>>>())?;
        let first = vec![i64::from(vocabulary.begin); chunk.len()];
        let best = beam_search(&decoder, state, &first, vocabulary.end.into(), &beam)?;
        for (&source, hypotheses) in chunk.iter().zip(best) {
            let Some(best) = hypotheses.into_iter().next() else { continue };
            let tokens: Vec<u32> = best.tokens.iter().map(|&token| token as u32).collect();
            let text = preparation.target.decode(&tokens).map_err(TaskError::input)?.trim().to_string();
            let (log_probability, ended) = (best.log_probability, best.ended);
            found[source] = Translation { text, tokens, log_probability, ended };
        }
    }
    Ok(found)
}
