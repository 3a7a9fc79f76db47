//! Pairs of texts, and how hard a network finds them.

use super::batch::{PAD, gathered};
use super::{TranslateConfig, TranslatePreparation};
use crate::error::TaskError;
use crate::fingerprint::Fingerprint;
use crate::task::{Given, finite};
use mapsto_data::{PairColumns, PairSet, Part, Tokenizer};
use mapsto_models::{Mixture, TranslationNet};
use mapsto_nn::{CrossEntropyLoss, LossReduction};
use mapsto_tensor::{Result, no_grad};
use std::path::Path;

/// Pairs of which a loss is measured at once.
const MEASURED: usize = 64;

/// Pairs of texts.
pub struct TranslateExamples {
    pub(super) set: PairSet,
    pub(super) given: Given,
    pub(super) fingerprint: u64,
}

impl TranslateExamples {
    fn of(set: PairSet) -> TranslateExamples {
        let mut fingerprint = Fingerprint::new();
        for (source, target) in set.sources.iter().zip(&set.targets) {
            // What ends one text and begins the next is told apart.
            [source.as_bytes(), b"\t", target.as_bytes(), b"\n"].iter().for_each(|bytes| fingerprint.add(bytes));
        }
        let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(|part| set.part(part));
        TranslateExamples { given: Given { train, validation, test }, fingerprint: fingerprint.value(), set }
    }

    pub(super) fn read(path: &Path, columns: &PairColumns) -> Result<TranslateExamples, TaskError> {
        Ok(TranslateExamples::of(PairSet::open(path, columns).map_err(TaskError::input)?))
    }

    /// Tokens of some texts of one side.
    fn encoded(
        &self,
        tokenizer: &Tokenizer,
        texts: &[String],
        items: &[usize],
        length: usize,
    ) -> Result<Vec<Vec<u32>>, TaskError> {
        let tokens = |&item: &usize| {
            let refused = |e| TaskError::Input(format!("{}: {e}", self.set.name(item)));
            tokenizer.encode(&texts[item], length).map_err(refused)
        };
        items.iter().map(tokens).collect()
    }

    pub(super) fn sources(
        &self,
        config: &TranslateConfig,
        preparation: &TranslatePreparation,
        items: &[usize],
    ) -> Result<Vec<Vec<u32>>, TaskError> {
        self.encoded(&preparation.source, &self.set.sources, items, config.length)
    }

    pub(super) fn targets(
        &self,
        config: &TranslateConfig,
        preparation: &TranslatePreparation,
        items: &[usize],
    ) -> Result<Vec<Vec<u32>>, TaskError> {
        self.encoded(&preparation.target, &self.set.targets, items, config.length)
    }

    /// The mean loss of a token of some pairs, without smoothing.
    pub(super) fn loss_of(
        &self,
        config: &TranslateConfig,
        networks: &Mixture<'_, TranslationNet>,
        preparation: &TranslatePreparation,
        items: &[usize],
    ) -> Result<f64, TaskError> {
        let (sources, targets) = (self.sources(config, preparation, items)?, self.targets(config, preparation, items)?);
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|&place| sources[place].len() + targets[place].len());
        let loss = CrossEntropyLoss { ignore_index: PAD, reduction: LossReduction::Sum, ..CrossEntropyLoss::default() };
        let (vocabulary, mut sum, mut tokens) = (preparation.vocabulary(), 0.0, 0);
        for chunk in order.chunks(MEASURED) {
            let pairs: Vec<(&[u32], &[u32])> = chunk.iter().map(|&i| (&sources[i][..], &targets[i][..])).collect();
            let batch = gathered(&vocabulary, config.length, &pairs)?;
            let value = no_grad(|| loss.forward(&batch.logits(networks)?, &batch.output.flatten(0, 1)?))?;
            sum += finite(value)?.first().copied().unwrap_or(f64::NAN);
            tokens += batch.tokens;
        }
        Ok(sum / tokens as f64)
    }

    /// Says how a text that is too long is read, if it is.
    pub(super) fn is_cut(tokenizer: &Tokenizer, text: &str, length: usize) -> bool {
        tokenizer.encode(text, length + 1).is_ok_and(|tokens| tokens.len() > length)
    }
}
