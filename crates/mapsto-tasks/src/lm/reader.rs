//! A language model that goes on where it was in its texts.

use mapsto_models::LanguageNet;
use mapsto_models::language::Memory;
use mapsto_nn::{Buffer, Init, Module, Visitor};
use mapsto_tensor::{DType, Error, Result};

/// A language model, with the states in which it has left the streams that it learns from: so they are saved with a run's checkpoints.
pub struct Reader {
    /// The language model, in whose place the reader stands in the tree.
    pub network: LanguageNet,
    carried: Vec<Buffer>,
}

impl Reader {
    /// Of so many streams; none where it begins anew with every window.
    ///
    /// # Errors
    /// Streams where a network has no states to carry on.
    pub(super) fn new(network: LanguageNet, streams: usize) -> Result<Reader> {
        let shapes = if streams > 0 { network.states(streams) } else { Vec::new() };
        if streams > 0 && shapes.is_empty() {
            return Err(Error::argument("only lstm and gru have a state to carry on").mend("set streams to 0"));
        }
        let carried = shapes.into_iter().map(|shape| Buffer::new(shape, Init::Zeros, DType::F32));
        Ok(Reader { carried: carried.collect::<Result<_>>()?, network })
    }

    /// What it remembers as it begins a window: nothing at the beginning of its streams.
    pub(super) fn remembered(&self, begins: bool) -> Result<Memory> {
        if begins || self.carried.is_empty() {
            return Ok(Memory::default());
        }
        Ok(Memory::of_states(&self.carried.iter().map(Buffer::get).collect::<Result<Vec<_>>>()?))
    }

    /// Keeps what it remembers for the next window.
    pub(super) fn carry(&self, memory: &Memory) -> Result<()> {
        self.carried.iter().zip(memory.states()).try_for_each(|(buffer, state)| buffer.set(&state.detach()))
    }
}

impl Module for Reader {
    fn kind(&self) -> &'static str {
        self.network.kind()
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.network.visit(visitor);
        visitor.field("carried", &self.carried);
    }
}
