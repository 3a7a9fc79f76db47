//! Layers of full connection.

use super::{Layer, value};
use crate::Module;
use crate::init::{Init, fans};
use crate::param::Param;
use mapsto_tensor::{Error, Result, Shape, Tensor, composed};
use serde::{Deserialize, Serialize};
use std::panic::Location;

/// Settings default to true.
pub(super) fn yes() -> bool {
    true
}

/// Settings of [`Linear`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// Size of the input's last axis.
    pub in_features: usize,
    /// Size of the output's last axis.
    pub out_features: usize,
    /// Whether something is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl LinearConfig {
    /// With PyTorch's defaults.
    pub fn new(in_features: usize, out_features: usize) -> LinearConfig {
        LinearConfig { in_features, out_features, bias: true }
    }
}

/// `x weightᵀ + bias` over the last axis: `[..., in]` to `[..., out]`.
#[derive(Clone, Debug, Module)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
}

impl Linear {
    /// With a bias.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn new(in_features: usize, out_features: usize) -> Result<Linear> {
        Linear::from_config(&LinearConfig::new(in_features, out_features))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn from_config(config: &LinearConfig) -> Result<Linear> {
        let &LinearConfig { in_features, out_features, bias } = config;
        composed("Linear", || {
            let shape = Shape::new(&[out_features, in_features])?;
            let init = uniform_by_fan_in(&shape)?;
            let weight = Param::new(shape, init.clone())?;
            let bias = bias.then(|| Param::new(out_features, init)).transpose()?;
            Ok(Linear { weight, bias })
        })
    }
}

/// PyTorch's rule for weights and their biases: uniform within `1 / sqrt(fan_in)`.
pub(super) fn uniform_by_fan_in(weight: &Shape) -> Result<Init> {
    Ok(Init::symmetric(1.0 / (fans(weight)?.0.max(1) as f64).sqrt()))
}

impl Layer for Linear {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let (weight, bias) = (self.weight.get()?, value(self.bias.as_ref())?);
        x.linear(&weight, bias.as_ref())
    }
}

/// Settings of [`Bilinear`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BilinearConfig {
    /// Size of the first input's last axis.
    pub in1_features: usize,
    /// Size of the second input's last axis.
    pub in2_features: usize,
    /// Size of the output's last axis.
    pub out_features: usize,
    /// Whether something is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl BilinearConfig {
    /// With PyTorch's defaults.
    pub fn new(in1_features: usize, in2_features: usize, out_features: usize) -> BilinearConfig {
        BilinearConfig { in1_features, in2_features, out_features, bias: true }
    }
}

/// `x₁ᵀ weight[k] x₂ + bias[k]` for each output `k`: `[..., in1]` and `[..., in2]` to `[..., out]`.
#[derive(Clone, Debug, Module)]
pub struct Bilinear {
    /// `[out, in1, in2]`.
    pub weight: Param,
    /// `[out]`.
    pub bias: Option<Param>,
}

impl Bilinear {
    /// With a bias.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn new(in1_features: usize, in2_features: usize, out_features: usize) -> Result<Bilinear> {
        Bilinear::from_config(&BilinearConfig::new(in1_features, in2_features, out_features))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn from_config(config: &BilinearConfig) -> Result<Bilinear> {
        let &BilinearConfig { in1_features, in2_features, out_features, bias } = config;
        composed("Bilinear", || {
            let init = Init::symmetric(1.0 / (in1_features.max(1) as f64).sqrt());
            let weight = Param::new([out_features, in1_features, in2_features], init.clone())?;
            let bias = bias.then(|| Param::new(out_features, init)).transpose()?;
            Ok(Bilinear { weight, bias })
        })
    }

    /// The output for two inputs of equal leading axes.
    ///
    /// # Errors
    /// Inputs that do not fit the weight or each other.
    #[track_caller]
    pub fn forward(&self, x1: &Tensor, x2: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let weight = self.weight.get()?;
        let [out, in1, in2] = [0, 1, 2].map(|axis| weight.shape()[axis]);
        let (shape1, shape2) = (x1.shape(), x2.shape());
        let leading = shape1.rank().saturating_sub(1);
        let fits = shape1.last() == Some(&in1)
            && shape2.last() == Some(&in2)
            && shape1[..leading] == shape2[..shape2.rank().saturating_sub(1)];
        if !fits {
            return Err(Error::shape(format!("inputs {shape1} and {shape2} do not fit the weight {}", weight.shape()))
                .op("Bilinear")
                .at(Location::caller())
                .mend(format!("they must be [..., {in1}] and [..., {in2}] with equal leading sizes")));
        }
        let rows: usize = shape1[..leading].iter().product();
        // For each row the matrix [out, in2] of x₁ᵀ weight[k], times x₂.
        let flat = weight.permute(&[1, 0, 2])?.reshape([in1, out * in2])?;
        let half = x1.reshape([rows, in1])?.matmul(&flat)?.reshape([rows, out, in2])?;
        let y = half.matmul(&x2.reshape([rows, in2, 1])?)?;
        let mut sizes = shape1.to_vec();
        sizes[leading] = out;
        let y = y.reshape(sizes)?;
        match &self.bias {
            Some(bias) => y.add(bias.get()?),
            None => Ok(y),
        }
    }
}
