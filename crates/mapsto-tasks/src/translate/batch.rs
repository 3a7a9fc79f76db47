//! Pairs as a network takes them.

use crate::error::TaskError;
use crate::text::TextInput;
use mapsto_models::{Mixture, TranslationNet};
use mapsto_tensor::{Result, Tensor};

/// The number that fills up, of sources and of targets: that of `[PAD]`.
pub(super) const PAD: i64 = 0;

/// Numbers of tokens with a meaning of their own.
#[derive(Clone, Copy)]
pub(super) struct Vocabulary {
    /// Begins targets.
    pub begin: u32,
    /// Ends targets.
    pub end: u32,
    /// How many tokens targets are of.
    pub targets: usize,
}

/// Pairs, as a network takes them.
#[derive(Clone, Debug)]
pub struct TranslateBatch {
    /// Tokens of the sources, `[N, S]`, filled up.
    pub(super) source: Tensor,
    /// How many of them are each source's, `[N]`.
    pub(super) lengths: Tensor,
    /// Tokens of the targets behind their beginning, `[N, T]`, filled up.
    pub(super) input: Tensor,
    /// What follows each, the end at last, `[N, T]`, filled up.
    pub(super) output: Tensor,
    /// How many tokens follow, of all.
    pub(super) tokens: usize,
}

impl TranslateBatch {
    /// The logits of what follows, `[N · T, tokens]`.
    pub(super) fn logits(&self, networks: &Mixture<'_, TranslationNet>) -> Result<Tensor> {
        let logits = |network: &&TranslationNet| network.forward(&self.source, &self.lengths, &self.input);
        let each = networks.networks().iter().map(logits).collect::<Result<Vec<_>>>()?;
        networks.log_mean(each)?.flatten(0, 1)
    }
}

/// Tokens of sources and of targets, as a network takes them. A target that is cut has no end.
pub(super) fn gathered(
    vocabulary: &Vocabulary,
    length: usize,
    pairs: &[(&[u32], &[u32])],
) -> Result<TranslateBatch, TaskError> {
    let sources: Vec<&[u32]> = pairs.iter().map(|(source, _)| *source).collect();
    let TextInput { tokens: source, lengths } = TextInput::of(&sources)?;
    let with = |first: Option<u32>, last: Option<u32>| -> Vec<Vec<u32>> {
        let target = |(_, target): &(&[u32], &[u32])| {
            first.into_iter().chain(target.iter().copied()).chain(last).take(length).collect()
        };
        pairs.iter().map(target).collect()
    };
    let (input, output) = (with(Some(vocabulary.begin), None), with(None, Some(vocabulary.end)));
    let [input, output] =
        [input, output].map(|texts| TextInput::of(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let (input, output) = (input?, output?);
    let tokens = output.lengths.sum()?.item::<i64>()? as usize;
    Ok(TranslateBatch { source, lengths, input: input.tokens, output: output.tokens, tokens })
}
