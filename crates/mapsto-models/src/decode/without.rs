//! Tokens that shall not come.

use super::Decode;
use mapsto_tensor::{Result, Tensor};

/// A decoder that never says some of its tokens: those that fill up or begin a sequence, and the unknown.
pub struct Without<'a, D> {
    decoder: &'a D,
    /// `[tokens]`.
    hidden: Tensor,
}

impl<'a, D: Decode> Without<'a, D> {
    /// Of so many tokens, those with these numbers never come.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn new(decoder: &'a D, tokens: usize, never: &[u32]) -> Result<Without<'a, D>> {
        let hidden = (0..tokens).map(|token| never.iter().any(|&one| one as usize == token)).collect();
        Ok(Without { decoder, hidden: Tensor::from_vec(hidden, [tokens])? })
    }
}

impl<D: Decode> Decode for Without<'_, D> {
    type State = D::State;

    fn step(&self, last: &Tensor, state: &D::State) -> Result<(Tensor, D::State)> {
        let (log_probabilities, state) = self.decoder.step(last, state)?;
        Ok((log_probabilities.masked_fill(&self.hidden, f64::NEG_INFINITY)?, state))
    }

    fn select(&self, state: &D::State, rows: &Tensor) -> Result<D::State> {
        self.decoder.select(state, rows)
    }
}
