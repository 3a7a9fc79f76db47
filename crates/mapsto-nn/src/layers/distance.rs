//! How alike two tensors are.

use crate::Module;
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The cosine of the angle between two tensors along an axis, which goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Module)]
#[serde(default, deny_unknown_fields)]
pub struct CosineSimilarity {
    /// The axis.
    pub dim: isize,
    /// The least length that is divided by.
    pub eps: f64,
}

impl Default for CosineSimilarity {
    fn default() -> CosineSimilarity {
        CosineSimilarity { dim: 1, eps: 1e-8 }
    }
}

impl CosineSimilarity {
    /// The cosines.
    ///
    /// # Errors
    /// Shapes that do not broadcast; an axis that they do not have.
    #[track_caller]
    pub fn forward(&self, x1: &Tensor, x2: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("CosineSimilarity", || {
            let unit = |x: &Tensor| x.div(x.norm_axes(2.0, &[self.dim], true)?.maximum(self.eps)?);
            unit(x1)?.mul(unit(x2)?)?.sum_axes(&[self.dim], false)
        })
    }
}

/// The `p`-norm of `x1 - x2 + eps` along the last axis, which goes unless `keepdim`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Module)]
#[serde(default, deny_unknown_fields)]
pub struct PairwiseDistance {
    /// Which norm.
    pub p: f64,
    /// Added to the difference, so that the gradient at equality is finite.
    pub eps: f64,
    /// Whether the axis stays, with size one.
    pub keepdim: bool,
}

impl Default for PairwiseDistance {
    fn default() -> PairwiseDistance {
        PairwiseDistance { p: 2.0, eps: 1e-6, keepdim: false }
    }
}

impl PairwiseDistance {
    /// The distances.
    ///
    /// # Errors
    /// Shapes that do not broadcast; no axis.
    #[track_caller]
    pub fn forward(&self, x1: &Tensor, x2: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("PairwiseDistance", || x1.sub(x2)?.add(self.eps)?.norm_axes(self.p, &[-1], self.keepdim))
    }
}
