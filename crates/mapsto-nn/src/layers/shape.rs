//! Layers that change no value.

use super::Layer;
use crate::Module;
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The input itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Module)]
pub struct Identity;

impl Layer for Identity {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        Ok(x.clone())
    }
}

/// Axes `start_dim` to `end_dim` as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Module)]
#[serde(default, deny_unknown_fields)]
pub struct Flatten {
    /// First axis; negative ones count from the end.
    pub start_dim: isize,
    /// Last axis.
    pub end_dim: isize,
}

impl Default for Flatten {
    fn default() -> Flatten {
        Flatten { start_dim: 1, end_dim: -1 }
    }
}

impl Layer for Flatten {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        x.flatten(self.start_dim, self.end_dim)
    }
}

/// One axis as several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Module)]
#[serde(deny_unknown_fields)]
pub struct Unflatten {
    /// The axis; negative ones count from the end.
    pub dim: isize,
    /// Sizes whose product is the axis's; one may be -1 and is found out.
    pub unflattened_size: Vec<isize>,
}

impl Layer for Unflatten {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("Unflatten", || {
            let axis = x.shape().axis(self.dim)?;
            let size = x.shape()[axis];
            let unknown = self.unflattened_size.iter().filter(|&&size| size == -1).count();
            let known: Option<usize> = self
                .unflattened_size
                .iter()
                .filter(|&&size| size != -1)
                .try_fold(1usize, |product, &size| product.checked_mul(usize::try_from(size).ok()?));
            let fits = match known {
                Some(known) if unknown == 0 => known == size,
                Some(known) if unknown == 1 => known > 0 && size.is_multiple_of(known),
                _ => false,
            };
            if !fits {
                return Err(Error::shape(format!(
                    "axis {axis} of {} does not split into {:?}",
                    x.shape(),
                    self.unflattened_size
                )));
            }
            let mut sizes: Vec<usize> = x.shape()[..axis].to_vec();
            let found = size / known.unwrap_or(1).max(1);
            sizes.extend(self.unflattened_size.iter().map(|&size| if size == -1 { found } else { size as usize }));
            sizes.extend(&x.shape()[axis + 1..]);
            x.reshape(sizes)
        })
    }
}
