//! What a step that went wrong did first.

use crate::snapshot::{Parts, Stateful};
use mapsto_nn::{Node, NotFiniteTrace, Stream};
use mapsto_tensor::Result;

/// The random streams of a learner's networks.
pub(crate) struct Streams(Vec<Stream>);

impl Streams {
    pub fn of(learner: &mut impl Stateful) -> Result<Streams> {
        let mut found = Vec::new();
        Parts::models(learner, &mut |_, model| {
            model.walk(&mut |_, node| {
                if let Node::Stream(stream) = node {
                    found.push(stream.clone());
                }
            });
        })?;
        Ok(Streams(found))
    }

    /// Where they are.
    pub fn states(&self) -> Vec<Option<[u64; 2]>> {
        self.0.iter().map(Stream::state).collect()
    }

    /// Where they were: the same numbers come again.
    pub fn rewind(&self, states: &[Option<[u64; 2]>]) {
        self.0.iter().zip(states).for_each(|(stream, state)| stream.set_state(*state));
    }
}

/// Runs a step that is known to give NaN or infinity, and says which operation did first, and in which layer.
pub(crate) fn first<L: Stateful, R>(learner: &mut L, step: impl FnOnce(&mut L) -> R) -> Result<Option<String>> {
    let (_, trace) = NotFiniteTrace::of(|| step(learner));
    let Some(trace) = trace else { return Ok(None) };
    let mut several = 0;
    Parts::models(learner, &mut |_, _| several += 1)?;
    let mut origin = None;
    Parts::models(learner, &mut |name, model| {
        let name = if several > 1 { name } else { "" };
        origin = origin.take().or_else(|| trace.origin(name, model));
    })?;
    Ok(Some(origin.map_or_else(|| trace.found().to_string(), |origin| origin.to_string())))
}
