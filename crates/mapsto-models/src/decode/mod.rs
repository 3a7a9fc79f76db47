//! Sequences out of networks that tell what comes next.

mod beam;
mod continuation;
mod sample;
mod without;

pub use beam::{BeamConfig, Decode, Hypothesis, beam_search};
pub use continuation::Continuation;
pub use sample::Sampling;
pub use without::Without;
