//! Sequences out of networks that tell what comes next.

mod beam;
mod without;

pub use beam::{BeamConfig, Decode, Hypothesis, beam_search};
pub use without::Without;
