//! Utterances: sounds with what is said in them, and what a network understands of them.

use super::decoding::{self, Decoding};
use super::listen::heard;
use super::{SpeechConfig, SpeechPreparation, Understood};
use crate::error::TaskError;
use crate::sounds::{ASKED, Heard};
use crate::task::{Division, Given, finite};
use crate::utterances::{Reading, Utterances};
use mapsto_data::{Tokenizer, Utterance};
use mapsto_models::Mixture;
use mapsto_models::speech::DeepSpeech;
use mapsto_nn::{CtcLoss, LossReduction};
use mapsto_tensor::{DType, Result, Tensor, no_grad};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Speakers from which on each is in one part alone.
const SPEAKERS: usize = 3;
/// Unknown characters that are named.
const NAMED: usize = 10;

/// Utterances.
pub struct Speech {
    pub(super) heard: Arc<Heard>,
    /// What is said in each, as it is learned and compared.
    pub(super) texts: Vec<String>,
    pub(super) given: Given,
    pub(super) division: Division,
    pub(super) fingerprint: u64,
    /// Frames of each.
    pub(super) frames: Vec<usize>,
    pub(super) warnings: Vec<String>,
}

impl Speech {
    /// Reads every sound once, so that a damaged one is not found in the middle of a run.
    pub(super) fn read_all(path: &Path, config: &SpeechConfig, skip_bad: bool) -> Result<Speech, TaskError> {
        config.check()?;
        let listed = Utterance::list(path).map_err(TaskError::input)?;
        let division = by_speaker(&listed);
        let seconds =
            |frames: usize| (frames.saturating_sub(1) * config.features.hop) as f64 / f64::from(config.features.rate);
        let reading = Reading {
            features: &config.features,
            cache_mb: config.cache_mb,
            lowercase: config.lowercase,
            skip_bad,
            refuses: &|frames, _| config.too_long(seconds(frames)),
        };
        let Utterances { heard, texts, given, fingerprint, frames, warnings } = reading.read(listed)?;
        Ok(Speech { heard, texts, given, division, fingerprint, frames, warnings })
    }

    /// The symbols of a text.
    pub(super) fn symbols(&self, tokenizer: &Tokenizer, item: usize) -> Result<Vec<u32>, TaskError> {
        let text = &self.texts[item];
        // No text has more symbols than it has bytes in any of its forms.
        let symbols = tokenizer.encode(text, 4 * text.len().max(1));
        symbols.map_err(|e| TaskError::Input(format!("{}: {e}", self.name(item))))
    }

    pub(super) fn name(&self, item: usize) -> String {
        self.heard.paths[item].display().to_string()
    }

    /// The targets of CTC's loss: symbols behind each other, and how many each text has.
    pub(super) fn targets(&self, tokenizer: &Tokenizer, items: &[usize]) -> Result<(Tensor, Tensor), TaskError> {
        let (mut symbols, mut lengths) = (Vec::new(), Vec::new());
        for &item in items {
            let own = self.symbols(tokenizer, item)?;
            lengths.push(own.len() as i64);
            symbols.extend(own.into_iter().map(i64::from));
        }
        let (total, count) = (symbols.len(), lengths.len());
        Ok((Tensor::from_vec(symbols, [total])?, Tensor::from_vec(lengths, [count])?))
    }

    /// What a network understands of some utterances.
    pub(super) fn understood(
        &self,
        decoding: Decoding,
        networks: &Mixture<'_, DeepSpeech>,
        preparation: &SpeechPreparation,
        items: &[usize],
    ) -> Result<Vec<Understood>, TaskError> {
        // Those of about one length together.
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|&place| self.frames[items[place]]);
        let mut found = BTreeMap::new();
        for places in order.chunks(ASKED) {
            let some: Vec<usize> = places.iter().map(|&place| items[place]).collect();
            let input = self.heard.input(&some, &preparation.scale)?;
            let (symbols, lengths) = self.targets(&preparation.tokenizer, &some)?;
            let (log_probs, steps, losses) = no_grad(|| -> Result<_> {
                let (log_probs, steps) = heard(networks, &input)?;
                let loss = CtcLoss { reduction: LossReduction::None, ..CtcLoss::default() };
                let losses = loss.forward(&log_probs.transpose(0, 1)?, &symbols, &steps, &lengths)?;
                Ok((log_probs, steps.to_vec::<i64>()?, losses.to_dtype(DType::F64)?.to_vec::<f64>()?))
            })?;
            let [most, width] = [1, 2].map(|axis| log_probs.shape()[axis]);
            let log_probs = finite(log_probs)?;
            let lengths = lengths.to_vec::<i64>()?;
            for (i, &place) in places.iter().enumerate() {
                let own = &log_probs[i * most * width..][..steps[i] as usize * width];
                let text = decoding::text(&preparation.tokenizer, &decoding.symbols(own, width))?;
                found.insert(place, Understood { text, loss: losses[i] / lengths[i].max(1) as f64 });
            }
        }
        Ok(found.into_values().collect())
    }

    pub(super) fn right(&self, items: &[usize]) -> Vec<&str> {
        items.iter().map(|&item| self.texts[item].as_str()).collect()
    }

    /// Says which characters of the texts no symbol stands for.
    pub(super) fn unknown(&self, tokenizer: &Tokenizer) -> Result<Option<String>, TaskError> {
        let Some(unknown) = tokenizer.special().unk else { return Ok(None) };
        let (mut characters, mut count) = (BTreeSet::new(), 0);
        for item in self.given.everything() {
            if self.symbols(tokenizer, item)?.contains(&unknown) {
                count += 1;
                for character in self.texts[item].chars().filter(|character| !character.is_whitespace()) {
                    let alone = tokenizer.encode(&character.to_string(), 4).map_err(TaskError::input)?;
                    if alone.contains(&unknown) {
                        characters.insert(character);
                    }
                }
            }
        }
        let named: Vec<String> = characters.iter().take(NAMED).map(|character| format!("{character:?}")).collect();
        let what = if named.is_empty() { "words".to_string() } else { named.join(", ") };
        let texts = if count == 1 { "1 text has" } else { &format!("{count} texts have") };
        Ok((count > 0)
            .then(|| format!("{texts} what the network knows no symbol for ({what}): it cannot be understood")))
    }
}

/// How utterances are divided: each speaker's on one side, if the speakers are known and not too few.
fn by_speaker(utterances: &[Utterance]) -> Division {
    let mut groups = BTreeMap::new();
    for speaker in utterances.iter().filter_map(|one| one.speaker.as_deref()) {
        let next = groups.len();
        groups.entry(speaker).or_insert(next);
    }
    let group = |one: &Utterance| groups.get(one.speaker.as_deref()?).copied();
    match utterances.iter().map(group).collect::<Option<Vec<usize>>>() {
        Some(all) if groups.len() >= SPEAKERS => Division::Groups(all),
        _ => Division::Random,
    }
}
