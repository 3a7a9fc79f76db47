//! Normalisation.

use super::linear::yes;
use super::sizes::batched;
use super::{Layer, Sizes, value};
use crate::{Buffer, Init, Mode, Module, Param, Visitor};
use mapsto_tensor::ops::{PadMode, Window};
use mapsto_tensor::{DType, Error, Result, Tensor, composed, no_grad};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::panic::Location;

fn small() -> f64 {
    1e-5
}

fn share() -> f64 {
    0.1
}

fn tenth() -> Option<f64> {
    Some(share())
}

/// Settings of batch normalisation, named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormConfig {
    /// Channels.
    pub num_features: usize,
    /// Added to the variance.
    #[serde(default = "small")]
    pub eps: f64,
    /// Share of the new batch in the running statistics; the mean of all batches so far if none.
    #[serde(default = "tenth")]
    pub momentum: Option<f64>,
    /// Whether there is a weight.
    #[serde(default = "yes")]
    pub affine: bool,
    /// Whether running statistics are kept.
    #[serde(default = "yes")]
    pub track_running_stats: bool,
    /// Whether there is a bias beside the weight.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl BatchNormConfig {
    /// With PyTorch's defaults.
    pub fn new(num_features: usize) -> BatchNormConfig {
        BatchNormConfig {
            num_features,
            eps: small(),
            momentum: tenth(),
            affine: true,
            track_running_stats: true,
            bias: true,
        }
    }
}

/// Settings of instance normalisation, named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceNormConfig {
    /// Channels.
    pub num_features: usize,
    /// Added to the variance.
    #[serde(default = "small")]
    pub eps: f64,
    /// Share of the new batch in the running statistics.
    #[serde(default = "share")]
    pub momentum: f64,
    /// Whether there is a weight.
    #[serde(default)]
    pub affine: bool,
    /// Whether running statistics are kept.
    #[serde(default)]
    pub track_running_stats: bool,
    /// Whether there is a bias beside the weight.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl InstanceNormConfig {
    /// With PyTorch's defaults: no weight, no bias, no running statistics.
    pub fn new(num_features: usize) -> InstanceNormConfig {
        InstanceNormConfig {
            num_features,
            eps: small(),
            momentum: share(),
            affine: false,
            track_running_stats: false,
            bias: true,
        }
    }
}

/// Mean and variance of what went by.
#[derive(Clone, Debug)]
struct Running {
    mean: Buffer,
    variance: Buffer,
    batches: Buffer,
}

impl Running {
    fn new(channels: usize) -> Result<Running> {
        Ok(Running {
            mean: Buffer::new(channels, Init::Zeros, DType::F32)?,
            variance: Buffer::new(channels, Init::Ones, DType::F32)?,
            batches: Buffer::new((), Init::Zeros, DType::I64)?,
        })
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.field("running_mean", &self.mean);
        visitor.field("running_var", &self.variance);
        visitor.field("num_batches_tracked", &self.batches);
    }

    /// Counts a batch, and gives its share: `momentum`, or if none that of a mean over all.
    fn count(&self, momentum: Option<f64>) -> Result<f64> {
        let batches = self.batches.get()?.add(1)?;
        self.batches.set(&batches)?;
        Ok(match momentum {
            Some(share) => share,
            None => 1.0 / batches.item::<i64>()? as f64,
        })
    }

    /// `x` normalised by them, with `relu` rectified.
    #[track_caller]
    fn normalize(
        &self,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
        relu: bool,
    ) -> Result<Tensor> {
        let (mean, variance) = (self.mean.get()?, self.variance.get()?);
        if relu {
            x.batch_norm_inference_relu(&mean, &variance, weight, bias, eps)
        } else {
            x.batch_norm_inference(&mean, &variance, weight, bias, eps)
        }
    }

    /// Takes a share of a mean and a biased variance, each over `count` elements, in.
    fn take_in(&self, mean: &Tensor, variance: &Tensor, count: usize, share: f64) -> Result<()> {
        no_grad(|| {
            let unbiased = variance.detach().mul(count as f64 / (count.max(2) - 1) as f64)?;
            let blend = |old: &Buffer, new: &Tensor| {
                let new = new.detach().to_dtype(old.dtype())?;
                old.set(&old.get()?.mul(1.0 - share)?.add(new.mul(share)?)?)
            };
            blend(&self.mean, mean)?;
            blend(&self.variance, &unbiased)
        })
    }
}

/// A weight of ones and a bias of zeros.
#[derive(Clone, Debug)]
struct Affine {
    weight: Param,
    bias: Option<Param>,
}

impl Affine {
    fn new(shape: &[usize], bias: bool) -> Result<Affine> {
        let bias = bias.then(|| Param::new(shape, Init::Zeros)).transpose()?;
        Ok(Affine { weight: Param::new(shape, Init::Ones)?, bias })
    }

    fn visit(affine: Option<&Affine>, visitor: &mut Visitor<'_>) {
        if let Some(affine) = affine {
            visitor.field("weight", &affine.weight);
            visitor.field("bias", &affine.bias);
        }
    }

    #[track_caller]
    fn get(affine: Option<&Affine>) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(affine) = affine else { return Ok((None, None)) };
        Ok((Some(affine.weight.get()?), value(affine.bias.as_ref())?))
    }
}

/// What batch and instance normalisation hold.
#[derive(Clone, Debug)]
struct Channels {
    count: usize,
    eps: f64,
    momentum: Option<f64>,
    affine: Option<Affine>,
    running: Option<Running>,
    mode: Mode,
}

impl Channels {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        Affine::visit(self.affine.as_ref(), visitor);
        if let Some(running) = &self.running {
            running.visit(visitor);
        }
        visitor.field("mode", &self.mode);
    }

    /// The running statistics, if it is by them that the layer normalises.
    fn frozen(&self) -> Option<&Running> {
        self.running.as_ref().filter(|_| !self.mode.is_training())
    }

    /// Fails in training if a channel has a single value.
    #[track_caller]
    fn expect_variance(&self, name: &'static str, x: &Tensor, values: usize, larger: &str) -> Result<()> {
        if self.mode.is_training() && values == 1 {
            return Err(Error::shape(format!("one value a channel in {} has no variance", x.shape()))
                .op(name)
                .at(Location::caller())
                .mend(format!("use {larger}, or eval()")));
        }
        Ok(())
    }
}

macro_rules! channel_norms {
    ($config:ident, $method:ident, $rectifies:literal: $($(#[$doc:meta])* $name:ident($($setting:expr),*);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            channels: Channels,
        }

        impl $name {
            /// With PyTorch's defaults.
            ///
            /// # Errors
            /// Too many channels.
            #[track_caller]
            pub fn new(num_features: usize) -> Result<$name> {
                $name::from_config(&$config::new(num_features))
            }

            /// By its settings.
            ///
            /// # Errors
            /// Too many channels.
            #[track_caller]
            pub fn from_config(config: &$config) -> Result<$name> {
                let count = config.num_features;
                composed(stringify!($name), || {
                    let channels = Channels {
                        count,
                        eps: config.eps,
                        momentum: config.momentum.into(),
                        affine: config.affine.then(|| Affine::new(&[count], config.bias)).transpose()?,
                        running: config.track_running_stats.then(|| Running::new(count)).transpose()?,
                        mode: Mode::default(),
                    };
                    Ok($name { channels })
                })
            }
        }

        impl Module for $name {
            fn kind(&self) -> &'static str {
                stringify!($name)
            }

            fn visit(&self, visitor: &mut Visitor<'_>) {
                self.channels.visit(visitor);
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                self.channels.$method(stringify!($name), x, false, $($setting),*)
            }

            #[track_caller]
            fn forward_relu(&self, x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                self.channels.$method(stringify!($name), x, true, $($setting),*)
            }

            fn rectifies(&self) -> bool {
                $rectifies
            }
        }
    )*};
}

channel_norms! { BatchNormConfig, by_batch, true:
    /// Batch normalisation of `[N, C]` or `[N, C, L]` (Ioffe and Szegedy 2015).
    BatchNorm1d(2..=3, "[N, C] or [N, C, L]");
    /// Batch normalisation of `[N, C, H, W]`.
    BatchNorm2d(4..=4, "[N, C, H, W]");
    /// Batch normalisation of `[N, C, D, H, W]`.
    BatchNorm3d(5..=5, "[N, C, D, H, W]");
}

channel_norms! { InstanceNormConfig, by_instance, false:
    /// Instance normalisation of `[N, C, L]` or `[C, L]` (Ulyanov et al. 2016).
    InstanceNorm1d("L");
    /// Instance normalisation of `[N, C, H, W]` or `[C, H, W]`.
    InstanceNorm2d("H, W");
    /// Instance normalisation of `[N, C, D, H, W]` or `[C, D, H, W]`.
    InstanceNorm3d("D, H, W");
}

impl Channels {
    /// By each channel's statistics over the batch, with `relu` rectified.
    #[track_caller]
    fn by_batch(
        &self,
        name: &'static str,
        x: &Tensor,
        relu: bool,
        ranks: RangeInclusive<usize>,
        shapes: &str,
    ) -> Result<Tensor> {
        if !ranks.contains(&x.rank()) || x.shape()[1] != self.count {
            let problem = format!("takes {shapes} with {} channels, not {}", self.count, x.shape());
            return Err(Error::shape(problem).op(name).at(Location::caller()));
        }
        let (weight, bias) = Affine::get(self.affine.as_ref())?;
        let (weight, bias) = (weight.as_ref(), bias.as_ref());
        if let Some(running) = self.frozen() {
            return running.normalize(x, weight, bias, self.eps, relu);
        }
        let values = x.numel() / self.count.max(1);
        self.expect_variance(name, x, values, "a larger batch")?;
        let normalized =
            if relu { x.batch_norm_relu(weight, bias, self.eps) } else { x.batch_norm(weight, bias, self.eps) };
        let (y, mean, variance) = normalized?;
        if let Some(running) = &self.running {
            running.take_in(&mean, &variance, values, running.count(self.momentum)?)?;
        }
        Ok(y)
    }

    /// By each sample's own statistics of each channel, with `relu` rectified.
    #[track_caller]
    fn by_instance(&self, name: &'static str, x: &Tensor, relu: bool, spatial: &str) -> Result<Tensor> {
        let (x, single) = &batched(name, x, Some(self.count), spatial)?;
        let (weight, bias) = Affine::get(self.affine.as_ref())?;
        let (weight, bias) = (weight.as_ref(), bias.as_ref());
        let y = if let Some(running) = self.frozen() {
            running.normalize(x, weight, bias, self.eps, relu)?
        } else {
            let run = x.shape()[2..].iter().product::<usize>();
            self.expect_variance(name, x, run, "larger samples")?;
            if let Some(running) = &self.running {
                // Each sample's statistics, averaged over the batch.
                no_grad(|| {
                    let rows = x.detach().reshape([x.shape()[0], self.count, run])?;
                    let mean = rows.mean_axes(&[2], true)?;
                    let variance = rows.sub(&mean)?.square()?.mean_axes(&[0, 2], false)?;
                    let mean = mean.mean_axes(&[0, 2], false)?;
                    // Its settings always name a share, and PyTorch's layer does not count batches.
                    running.take_in(&mean, &variance, run, self.momentum.unwrap_or_default())
                })?;
            }
            let y = x.instance_norm(weight, bias, self.eps)?;
            if relu { y.relu()? } else { y }
        };
        if *single { y.squeeze(&[0]) } else { Ok(y) }
    }
}

/// Settings of [`LayerNorm`] and [`RmsNorm`], named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNormConfig {
    /// Sizes of the last axes, which are normalised together.
    pub normalized_shape: Sizes,
    /// Added to the variance; if none 1e-5 ([`LayerNorm`]) or the type's precision ([`RmsNorm`]).
    #[serde(default)]
    pub eps: Option<f64>,
    /// Whether there is a weight.
    #[serde(default = "yes")]
    pub elementwise_affine: bool,
    /// Whether there is a bias beside the weight; [`RmsNorm`] has none.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl LayerNormConfig {
    /// With PyTorch's defaults.
    pub fn new(normalized_shape: impl Into<Sizes>) -> LayerNormConfig {
        LayerNormConfig { normalized_shape: normalized_shape.into(), eps: None, elementwise_affine: true, bias: true }
    }

    fn sizes(&self) -> Vec<usize> {
        match &self.normalized_shape {
            Sizes::All(size) => vec![*size],
            Sizes::Each(sizes) => sizes.clone(),
        }
    }
}

/// Fails unless the last axes are those that a layer normalises.
#[track_caller]
fn expect_last(name: &'static str, x: &Tensor, sizes: &[usize]) -> Result<()> {
    if x.shape().ends_with(sizes) {
        return Ok(());
    }
    Err(Error::shape(format!("normalises last axes of {sizes:?}, not those of {}", x.shape()))
        .op(name)
        .at(Location::caller()))
}

/// Layer normalisation over the last axes (Ba et al. 2016).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    sizes: Vec<usize>,
    eps: f64,
    affine: Option<Affine>,
}

impl LayerNorm {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// Sizes that cannot be.
    #[track_caller]
    pub fn new(normalized_shape: impl Into<Sizes>) -> Result<LayerNorm> {
        LayerNorm::from_config(&LayerNormConfig::new(normalized_shape))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Sizes that cannot be.
    #[track_caller]
    pub fn from_config(config: &LayerNormConfig) -> Result<LayerNorm> {
        let sizes = config.sizes();
        composed("LayerNorm", || {
            let affine = config.elementwise_affine.then(|| Affine::new(&sizes, config.bias)).transpose()?;
            Ok(LayerNorm { sizes, eps: config.eps.unwrap_or(small()), affine })
        })
    }
}

impl Module for LayerNorm {
    fn kind(&self) -> &'static str {
        "LayerNorm"
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        Affine::visit(self.affine.as_ref(), visitor);
    }
}

impl Layer for LayerNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        expect_last("LayerNorm", x, &self.sizes)?;
        let (weight, bias) = Affine::get(self.affine.as_ref())?;
        x.layer_norm(self.sizes.len(), weight.as_ref(), bias.as_ref(), self.eps)
    }
}

/// Root-mean-square normalisation over the last axes (Zhang and Sennrich 2019).
#[derive(Clone, Debug)]
pub struct RmsNorm {
    sizes: Vec<usize>,
    eps: Option<f64>,
    affine: Option<Affine>,
}

impl RmsNorm {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// Sizes that cannot be.
    #[track_caller]
    pub fn new(normalized_shape: impl Into<Sizes>) -> Result<RmsNorm> {
        RmsNorm::from_config(&LayerNormConfig::new(normalized_shape))
    }

    /// By its settings; it has no bias.
    ///
    /// # Errors
    /// Sizes that cannot be.
    #[track_caller]
    pub fn from_config(config: &LayerNormConfig) -> Result<RmsNorm> {
        let sizes = config.sizes();
        composed("RmsNorm", || {
            let affine = config.elementwise_affine.then(|| Affine::new(&sizes, false)).transpose()?;
            Ok(RmsNorm { sizes, eps: config.eps, affine })
        })
    }
}

impl Module for RmsNorm {
    fn kind(&self) -> &'static str {
        "RmsNorm"
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        Affine::visit(self.affine.as_ref(), visitor);
    }
}

impl Layer for RmsNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        expect_last("RmsNorm", x, &self.sizes)?;
        let eps = self.eps.unwrap_or(if x.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON as f64 });
        x.rms_norm(self.sizes.len(), Affine::get(self.affine.as_ref())?.0.as_ref(), eps)
    }
}

/// Settings of [`GroupNorm`], named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNormConfig {
    /// Groups of channels that are normalised together.
    pub num_groups: usize,
    /// Channels.
    pub num_channels: usize,
    /// Added to the variance.
    #[serde(default = "small")]
    pub eps: f64,
    /// Whether there is a weight.
    #[serde(default = "yes")]
    pub affine: bool,
    /// Whether there is a bias beside the weight.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// Group normalisation of `[N, C, ...]` (Wu and He 2018).
#[derive(Clone, Debug)]
pub struct GroupNorm {
    config: GroupNormConfig,
    affine: Option<Affine>,
}

impl GroupNorm {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// Groups that do not divide the channels.
    #[track_caller]
    pub fn new(num_groups: usize, num_channels: usize) -> Result<GroupNorm> {
        GroupNorm::from_config(&GroupNormConfig { num_groups, num_channels, eps: small(), affine: true, bias: true })
    }

    /// By its settings.
    ///
    /// # Errors
    /// Groups that do not divide the channels.
    #[track_caller]
    pub fn from_config(config: &GroupNormConfig) -> Result<GroupNorm> {
        let (groups, channels) = (config.num_groups, config.num_channels);
        composed("GroupNorm", || {
            if groups == 0 || channels % groups != 0 {
                let message = format!("{channels} channels do not fall into {groups} equal groups");
                return Err(Error::argument(message));
            }
            let affine = config.affine.then(|| Affine::new(&[channels], config.bias)).transpose()?;
            Ok(GroupNorm { config: config.clone(), affine })
        })
    }
}

impl Module for GroupNorm {
    fn kind(&self) -> &'static str {
        "GroupNorm"
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        Affine::visit(self.affine.as_ref(), visitor);
    }
}

impl Layer for GroupNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let channels = self.config.num_channels;
        if x.rank() < 2 || x.shape()[1] != channels {
            return Err(Error::shape(format!("takes [N, C, ...] with {channels} channels, not {}", x.shape()))
                .op("GroupNorm")
                .at(Location::caller()));
        }
        let (weight, bias) = Affine::get(self.affine.as_ref())?;
        x.group_norm(self.config.num_groups, weight.as_ref(), bias.as_ref(), self.config.eps)
    }
}

/// Settings of [`LocalResponseNorm`], named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalResponseNormConfig {
    /// Neighbouring channels that count.
    pub size: usize,
    /// Factor of their mean square.
    #[serde(default = "alpha")]
    pub alpha: f64,
    /// Power of the divisor.
    #[serde(default = "beta")]
    pub beta: f64,
    /// Added before the power.
    #[serde(default = "one")]
    pub k: f64,
}

fn alpha() -> f64 {
    1e-4
}

fn beta() -> f64 {
    0.75
}

fn one() -> f64 {
    1.0
}

/// `x / (k + α · mean of neighbouring channels' squares)^β` of `[N, C, ...]` (Krizhevsky et al. 2012).
#[derive(Clone, Debug, Module)]
pub struct LocalResponseNorm {
    #[module(skip)]
    config: LocalResponseNormConfig,
}

impl LocalResponseNorm {
    /// With PyTorch's defaults.
    pub fn new(size: usize) -> LocalResponseNorm {
        LocalResponseNorm { config: LocalResponseNormConfig { size, alpha: alpha(), beta: beta(), k: one() } }
    }

    /// By its settings.
    pub fn from_config(config: &LocalResponseNormConfig) -> LocalResponseNorm {
        LocalResponseNorm { config: config.clone() }
    }
}

impl Layer for LocalResponseNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let LocalResponseNormConfig { size, alpha, beta, k } = self.config;
        if x.rank() < 3 || size == 0 {
            return Err(Error::shape(format!("takes [N, C, ...] and a size above zero, not {} and {size}", x.shape()))
                .op("LocalResponseNorm")
                .at(Location::caller()));
        }
        let (n, c) = (x.shape()[0], x.shape()[1]);
        let run = x.shape()[2..].iter().product::<usize>();
        let around = ((size / 2) as isize, ((size - 1) / 2) as isize);
        let squares = x.square()?.reshape([n, c, run])?.pad(&[around, (0, 0)], PadMode::ZEROS)?;
        let means = squares.avg_pool(&Window::new([size, 1]).stride([1, 1]), true, None)?;
        x.div(means.mul(alpha)?.add(k)?.pow(beta)?.reshape(*x.shape())?)
    }
}
