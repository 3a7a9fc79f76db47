//! Spatial axes: settings that are one number for all of them, or one for each; inputs that have them.

use mapsto_tensor::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::panic::Location;

/// One number for all spatial axes, or one for each: `3`, or `[3, 5]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sizes {
    /// The same for all axes.
    All(usize),
    /// One for each axis.
    Each(Vec<usize>),
}

impl Sizes {
    /// The numbers for `axes` axes.
    ///
    /// # Errors
    /// Another number of numbers than axes.
    pub fn spread(&self, name: &str, axes: usize) -> Result<Vec<usize>> {
        match self {
            Sizes::All(size) => Ok(vec![*size; axes]),
            Sizes::Each(sizes) if sizes.len() == axes => Ok(sizes.clone()),
            Sizes::Each(sizes) => {
                Err(Error::argument(format!("{name} {sizes:?} has {} numbers for {axes} axes", sizes.len())))
            }
        }
    }

    /// [`Sizes::spread`], and none of them zero.
    pub(super) fn positive(&self, name: &str, axes: usize) -> Result<Vec<usize>> {
        let sizes = self.spread(name, axes)?;
        if sizes.contains(&0) {
            return Err(Error::argument(format!("{name} {sizes:?} must be above zero along every axis")));
        }
        Ok(sizes)
    }
}

/// One along every axis.
pub(super) fn each() -> Sizes {
    1.into()
}

/// Zero along every axis.
pub(super) fn none() -> Sizes {
    0.into()
}

impl From<usize> for Sizes {
    fn from(size: usize) -> Sizes {
        Sizes::All(size)
    }
}

impl<const N: usize> From<[usize; N]> for Sizes {
    fn from(sizes: [usize; N]) -> Sizes {
        Sizes::Each(sizes.to_vec())
    }
}

/// Fails unless `x` is `[N, C, axes...]` or the same without `N`; gives it with `N`, and whether it had none. The axes are
/// named as messages show them: `H, W`.
#[track_caller]
pub(super) fn batched(op: &'static str, x: &Tensor, channels: Option<usize>, axes: &str) -> Result<(Tensor, bool)> {
    let rank = axes.split(", ").count() + 2;
    let single = x.rank() + 1 == rank;
    let fits = |own: usize| channels.is_none_or(|channels| own == channels);
    if (single || x.rank() == rank) && fits(x.shape()[usize::from(!single)]) {
        return Ok((if single { x.unsqueeze(0)? } else { x.clone() }, single));
    }
    let channels = channels.map_or("C".to_string(), |channels| channels.to_string());
    Err(Error::shape(format!("takes [N, {channels}, {axes}] or [{channels}, {axes}], not {}", x.shape()))
        .op(op)
        .at(Location::caller()))
}
