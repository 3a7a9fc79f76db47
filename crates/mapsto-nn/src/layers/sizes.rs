//! Settings that are one number for all spatial axes, or one for each.

use mapsto_tensor::{Error, Result};
use serde::{Deserialize, Serialize};

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
