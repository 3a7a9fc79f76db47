//! Sequences out of networks that tell what comes next, or what is there at each step.

mod beam;
mod continuation;
pub mod ctc;
mod sample;
mod without;

pub use beam::{BeamConfig, Decode, Hypothesis, beam_search};
pub use continuation::Continuation;
pub use sample::Sampling;
pub use without::Without;
