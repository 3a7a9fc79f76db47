//! Settings drawn at random.

use mapsto_tensor::Rng;

/// A uniform number of a range.
pub(crate) fn range(chance: &mut Rng, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * chance.next_f64()
}

/// Whether something of this probability happens.
pub(crate) fn happens(chance: &mut Rng, probability: f64) -> bool {
    chance.next_f64() < probability
}

/// The nearest number of pixels, the even one of two.
pub(super) fn round(x: f64) -> usize {
    x.round_ties_even() as usize
}
