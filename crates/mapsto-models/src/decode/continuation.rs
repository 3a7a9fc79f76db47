//! What a language model adds to a text.

use super::Sampling;
use crate::Mixture;
use crate::language::{LanguageNet, Memory};
use mapsto_tensor::{Error, Result, Rng, Tensor, no_grad};

/// Tokens of a prompt that are read at once.
const CHUNK: usize = 1024;

/// The tokens that a language model adds to a prompt, one after the other without an end. Each costs one step of the network; where
/// that has no more room, it forgets the first half of what it has read.
pub struct Continuation<'a> {
    networks: &'a Mixture<'a, LanguageNet>,
    sampling: Sampling,
    chance: Rng,
    /// Tokens that are not drawn.
    never: &'a [u32],
    /// All of the text.
    tokens: Vec<u32>,
    /// What each network remembers.
    memories: Vec<Memory>,
    /// How many of the tokens the network has read, or has forgotten.
    read: usize,
}

impl<'a> Continuation<'a> {
    /// Of a prompt of one token or more, by networks that evaluate.
    ///
    /// # Errors
    /// An empty prompt; a way to draw that cannot be.
    pub fn new(
        networks: &'a Mixture<'a, LanguageNet>,
        prompt: Vec<u32>,
        sampling: Sampling,
        never: &'a [u32],
        chance: Rng,
    ) -> Result<Continuation<'a>> {
        sampling.check()?;
        if prompt.is_empty() {
            return Err(Error::argument("there is no token to go on from"));
        }
        let memories = nothing(networks);
        let mut this = Continuation { networks, sampling, chance, never, tokens: prompt, memories, read: 0 };
        if let Some(most) = this.room() {
            this.read = this.tokens.len().saturating_sub(most);
        }
        Ok(this)
    }

    /// How many tokens more can be read, where there is a limit: the same for all, which are of one architecture and have read the same.
    fn room(&self) -> Option<usize> {
        self.networks.first().room(&self.memories[0])
    }

    /// Reads what has not been read, and draws the next token.
    fn advance(&mut self) -> Result<u32> {
        let mut logits = Vec::new();
        while self.read < self.tokens.len() {
            if self.room() == Some(0) {
                let kept = (self.memories[0].read() / 2).max(1);
                self.memories = nothing(self.networks);
                self.read = self.tokens.len().saturating_sub(kept);
            }
            let room = self.room().unwrap_or(CHUNK).min(CHUNK);
            let next: Vec<i64> = self.tokens[self.read..].iter().take(room).map(|&token| token.into()).collect();
            let count = next.len();
            let tokens = Tensor::from_vec(next, [1, count])?;
            let networks = self.networks.networks().iter().zip(&mut self.memories);
            let each = networks.map(|(network, memory)| network.step(&tokens, memory)?.narrow(1, count - 1, 1));
            let read = no_grad(|| self.networks.log_mean(each.collect::<Result<Vec<_>>>()?))?;
            logits = read.to_dtype(mapsto_tensor::DType::F32)?.reshape([read.numel()])?.to_vec::<f32>()?;
            self.read += count;
        }
        for &token in self.never {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        let token = self.sampling.draw(&logits, &mut self.chance)? as u32;
        self.tokens.push(token);
        Ok(token)
    }
}

/// What networks remember that have read nothing.
fn nothing(networks: &Mixture<'_, LanguageNet>) -> Vec<Memory> {
    networks.networks().iter().map(|_| Memory::default()).collect()
}

impl Iterator for Continuation<'_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        Some(self.advance())
    }
}
