//! What a language model remembers.

use mapsto_nn::KeyValueCache;
use mapsto_tensor::{Error, Result, Tensor};

/// What a language model remembers of the texts that it has read: nothing at first. It belongs to one network.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// How many tokens of each text it has read.
    pub(super) read: usize,
    /// States of recurrent layers, or what convolutions still see.
    pub(super) states: Vec<Tensor>,
    /// What a transformer's layers have read.
    pub(super) caches: Vec<KeyValueCache>,
}

impl Memory {
    /// How many tokens of each text have been read.
    pub fn read(&self) -> usize {
        self.read
    }

    /// What a recurrent network remembers, by its states `[layers, N, hidden]`: learning that goes on from one piece of a text to the next
    /// begins with it. Gradients end at these states.
    pub fn of_states(states: &[Tensor]) -> Memory {
        Memory { states: states.iter().map(Tensor::detach).collect(), ..Memory::default() }
    }

    /// The states of a recurrent network: of the last token of each text, `[layers, N, hidden]`; with long short-term memory, of its cells,
    /// too. None of others.
    pub fn states(&self) -> &[Tensor] {
        &self.states
    }

    /// Fails unless what it remembers is of so many texts.
    pub(super) fn check(&self, axis: usize, texts: usize) -> Result<()> {
        match self.states.iter().map(|state| state.shape()[axis]).find(|&own| own != texts) {
            Some(own) => Err(Error::shape(format!("the memory is of {own} texts, the tokens are of {texts}"))),
            None => Ok(()),
        }
    }
}
