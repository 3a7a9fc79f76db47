//! Stand-in.

use super::{Layer, yes};
use crate::{Init, Module, Param};
use mapsto_tensor::{Result, Tensor};

/// Settings.
#[derive(Clone, Debug)]
pub struct LayerNormConfig {
    /// Sizes.
    pub normalized_shape: Vec<usize>,
    /// Eps.
    pub eps: f64,
    /// Affine.
    pub elementwise_affine: bool,
    /// Bias.
    pub bias: bool,
}

impl LayerNormConfig {
    /// New.
    pub fn new(sizes: impl Into<Vec<usize>>) -> LayerNormConfig {
        LayerNormConfig { normalized_shape: sizes.into(), eps: 1e-5, elementwise_affine: yes(), bias: true }
    }
}

/// Stand-in.
#[derive(Module)]
pub struct LayerNorm {
    /// Weight.
    pub weight: Param,
    /// Bias.
    pub bias: Option<Param>,
    eps: f64,
}

impl LayerNorm {
    /// With.
    #[track_caller]
    pub fn with(config: LayerNormConfig) -> Result<LayerNorm> {
        let n = config.normalized_shape[0];
        let bias = if config.bias { Some(Param::new(n, Init::Zeros)?) } else { None };
        Ok(LayerNorm { weight: Param::new(n, Init::Ones)?, bias, eps: config.eps })
    }
}

impl Layer for LayerNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let c = x.sub(x.mean_axes(&[-1], true)?)?;
        let y = c.div(c.square()?.mean_axes(&[-1], true)?.add(self.eps)?.sqrt()?)?.mul(self.weight.get()?)?;
        match &self.bias {
            Some(bias) => y.add(bias.get()?),
            None => Ok(y),
        }
    }
}
