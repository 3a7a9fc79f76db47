//! What a language model adds to a text.

use super::Sampling;
use crate::language::{LanguageNet, Memory};
use mapsto_tensor::{Error, Result, Rng, Tensor, no_grad};

/// Tokens of a prompt that are read at once.
const CHUNK: usize = 1024;

/// The tokens that a language model adds to a prompt, one after the other without an end. Each costs one step of the network; where
/// that has no more room, it forgets the first half of what it has read.
pub struct Continuation<'a> {
    network: &'a LanguageNet,
    sampling: Sampling,
    chance: Rng,
    /// Tokens that are not drawn.
    never: &'a [u32],
    /// All of the text.
    tokens: Vec<u32>,
    memory: Memory,
    /// How many of the tokens the network has read, or has forgotten.
    read: usize,
}

impl<'a> Continuation<'a> {
    /// Of a prompt of one token or more, by a network that evaluates.
    ///
    /// # Errors
    /// An empty prompt; a way to draw that cannot be.
    pub fn new(
        network: &'a LanguageNet,
        prompt: Vec<u32>,
        sampling: Sampling,
        never: &'a [u32],
        chance: Rng,
    ) -> Result<Continuation<'a>> {
        sampling.check()?;
        if prompt.is_empty() {
            return Err(Error::argument("there is no token to go on from"));
        }
        let mut this =
            Continuation { network, sampling, chance, never, tokens: prompt, memory: Memory::default(), read: 0 };
        if let Some(most) = network.room(&this.memory) {
            this.read = this.tokens.len().saturating_sub(most);
        }
        Ok(this)
    }

    /// Reads what has not been read, and draws the next token.
    fn advance(&mut self) -> Result<u32> {
        let mut logits = Vec::new();
        while self.read < self.tokens.len() {
            if self.network.room(&self.memory) == Some(0) {
                let kept = (self.memory.read() / 2).max(1);
                self.memory = Memory::default();
                self.read = self.tokens.len().saturating_sub(kept);
            }
            let room = self.network.room(&self.memory).unwrap_or(CHUNK).min(CHUNK);
            let next: Vec<i64> = self.tokens[self.read..].iter().take(room).map(|&token| token.into()).collect();
            let count = next.len();
            let tokens = Tensor::from_vec(next, [1, count])?;
            let read = no_grad(|| self.network.step(&tokens, &mut self.memory)?.narrow(1, count - 1, 1))?;
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

impl Iterator for Continuation<'_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        Some(self.advance())
    }
}
