//! Layers that move or resample the elements of images: padding, resizing, shuffling, folding.

use super::sizes::{each, none};
use super::{Layer, Sizes};
use crate::Module;
use mapsto_tensor::ops::{ConvOptions, Interpolation, PadMode};
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::panic::Location;

macro_rules! pads {
    ($($(#[$doc:meta])* $name:ident, $mode:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            #[module(skip)]
            pads: Vec<(isize, isize)>,
        }

        impl $name {
            /// By so many places before and after each of the last axes, first axis first; negative ones crop.
            pub fn new(pads: impl Into<Vec<(isize, isize)>>) -> $name {
                $name { pads: pads.into() }
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                x.pad(&self.pads, $mode)
            }
        }
    )*};
}

pads! {
    /// Zeros around the last axes.
    ZeroPad, PadMode::ZEROS;
    /// The mirror image around the last axes, the edge itself not repeated.
    ReflectionPad, PadMode::Reflect;
    /// The edge repeated around the last axes.
    ReplicationPad, PadMode::Replicate;
    /// The other end around the last axes.
    CircularPad, PadMode::Circular;
}

/// One number around the last axes.
#[derive(Clone, Debug, Module)]
pub struct ConstantPad {
    #[module(skip)]
    pads: Vec<(isize, isize)>,
    value: f64,
}

impl ConstantPad {
    /// `value` at so many places before and after each of the last axes, first axis first; negative ones crop.
    pub fn new(pads: impl Into<Vec<(isize, isize)>>, value: f64) -> ConstantPad {
        ConstantPad { pads: pads.into(), value }
    }
}

impl Layer for ConstantPad {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        x.pad(&self.pads, PadMode::Constant(self.value.into()))
    }
}

/// One factor for all axes, or one for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scales {
    /// The same for all axes.
    All(f64),
    /// One for each axis.
    Each(Vec<f64>),
}

/// Settings of [`Upsample`], named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpsampleConfig {
    /// Sizes of the output; or
    #[serde(default)]
    pub size: Option<Sizes>,
    /// factors of the input's sizes.
    #[serde(default)]
    pub scale_factor: Option<Scales>,
    /// `nearest`, `nearest-exact`, `linear`, `bilinear`, `trilinear` or `bicubic`.
    #[serde(default = "nearest")]
    pub mode: String,
    /// Whether the centres of the corners stay in place, rather than the edges.
    #[serde(default)]
    pub align_corners: Option<bool>,
    /// Whether places follow the sizes that came out, rather than the factors.
    #[serde(default)]
    pub recompute_scale_factor: Option<bool>,
}

fn nearest() -> String {
    "nearest".into()
}

/// The spatial axes of `[N, C, ...]` resized.
#[derive(Clone, Debug, Module)]
pub struct Upsample {
    #[module(skip)]
    config: UpsampleConfig,
    #[module(skip)]
    interpolation: Interpolation,
    /// How many axes the mode resizes.
    #[module(skip)]
    axes: RangeInclusive<usize>,
}

impl Upsample {
    /// The nearest element, by a factor.
    ///
    /// # Errors
    /// A factor that is not above zero.
    #[track_caller]
    pub fn nearest(scale: f64) -> Result<Upsample> {
        Upsample::from_config(&UpsampleConfig {
            size: None,
            scale_factor: Some(Scales::All(scale)),
            mode: nearest(),
            align_corners: None,
            recompute_scale_factor: None,
        })
    }

    /// By its settings.
    ///
    /// # Errors
    /// An unknown mode, or `align_corners` for one that has no corners; both sizes and factors, or neither; sizes or
    /// factors that are not above zero.
    #[track_caller]
    pub fn from_config(config: &UpsampleConfig) -> Result<Upsample> {
        composed("Upsample", || {
            let align_corners = config.align_corners.unwrap_or(false);
            let linear = Interpolation::Linear { align_corners, antialias: false };
            let (interpolation, axes) = match config.mode.as_str() {
                "nearest" => (Interpolation::Nearest, 1..=3),
                "nearest-exact" => (Interpolation::NearestExact, 1..=3),
                "linear" => (linear, 1..=1),
                "bilinear" => (linear, 2..=2),
                "trilinear" => (linear, 3..=3),
                "bicubic" => (Interpolation::Cubic { align_corners, antialias: false }, 2..=2),
                mode => {
                    let all = "nearest, nearest-exact, linear, bilinear, trilinear, bicubic";
                    return Err(Error::argument(format!("no mode {mode:?}: {all}")));
                }
            };
            if config.align_corners.is_some() && config.mode.starts_with("nearest") {
                return Err(Error::argument(format!("align_corners says nothing to mode {:?}", config.mode))
                    .mend("leave it out"));
            }
            let positive = match (&config.size, &config.scale_factor) {
                (Some(Sizes::All(size)), None) => *size > 0,
                (Some(Sizes::Each(sizes)), None) => !sizes.contains(&0),
                (None, Some(Scales::All(scale))) => *scale > 0.0,
                (None, Some(Scales::Each(scales))) => scales.iter().all(|&scale| scale > 0.0),
                _ => return Err(Error::argument("takes either size or scale_factor")),
            };
            if !positive {
                return Err(Error::argument("sizes and factors must be above zero"));
            }
            Ok(Upsample { config: config.clone(), interpolation, axes })
        })
    }
}

impl Layer for Upsample {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let axes = x.rank().saturating_sub(2);
        composed("Upsample", || {
            if !self.axes.contains(&axes) {
                let (mode, least, most) = (&self.config.mode, self.axes.start() + 2, self.axes.end() + 2);
                let wanted = if least == most { format!("{least}") } else { format!("{least} to {most}") };
                return Err(Error::shape(format!(
                    "mode {mode:?} takes [N, C, ...] of {wanted} axes, not {}",
                    x.shape()
                )));
            }
            let scales = match (&self.config.size, &self.config.scale_factor) {
                (Some(size), _) => return x.resize(&size.spread("size", axes)?, self.interpolation),
                (None, Some(Scales::Each(scales))) => scales.clone(),
                (None, Some(Scales::All(scale))) => vec![*scale; axes],
                (None, None) => Vec::new(),
            };
            if scales.len() != axes {
                let count = scales.len();
                return Err(Error::argument(format!("scale_factor {scales:?} has {count} numbers for {axes} axes")));
            }
            x.resize_by(&scales, self.interpolation, self.config.recompute_scale_factor.unwrap_or(false))
        })
    }
}

/// Channels to space: `[N, C r², H, W]` to `[N, C, H r, W r]` (Shi et al. 2016).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Module)]
#[serde(deny_unknown_fields)]
pub struct PixelShuffle {
    /// `r`.
    pub upscale_factor: usize,
}

impl Layer for PixelShuffle {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        x.pixel_shuffle(self.upscale_factor)
    }
}

/// Space to channels: the inverse of [`PixelShuffle`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Module)]
#[serde(deny_unknown_fields)]
pub struct PixelUnshuffle {
    /// `r`.
    pub downscale_factor: usize,
}

impl Layer for PixelUnshuffle {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        x.pixel_unshuffle(self.downscale_factor)
    }
}

/// Channels of `[N, C, ...]` in another order: those of each group apart (Zhang et al., *ShuffleNet*, 2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Module)]
#[serde(deny_unknown_fields)]
pub struct ChannelShuffle {
    /// Number of groups; it divides the channels.
    pub groups: usize,
}

impl Layer for ChannelShuffle {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let channels = if x.rank() < 2 { 0 } else { x.shape()[1] };
        if x.rank() < 3 || self.groups == 0 || channels % self.groups != 0 {
            return Err(Error::shape(format!("{} does not have channels in {} equal groups", x.shape(), self.groups))
                .op("ChannelShuffle")
                .at(Location::caller()));
        }
        let split = x.reshape([x.shape()[0], self.groups, channels / self.groups, x.shape()[2..].iter().product()])?;
        split.transpose(1, 2)?.reshape(*x.shape())
    }
}

/// Settings of [`Unfold`], named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnfoldConfig {
    /// Sizes of a patch.
    pub kernel_size: Sizes,
    /// How far a patch's elements lie apart.
    #[serde(default = "each")]
    pub dilation: Sizes,
    /// Zeros around the image.
    #[serde(default = "none")]
    pub padding: Sizes,
    /// How far patches lie apart.
    #[serde(default = "each")]
    pub stride: Sizes,
}

fn pair(sizes: Vec<usize>) -> [usize; 2] {
    [sizes[0], sizes[1]]
}

impl UnfoldConfig {
    /// Every patch of an image.
    pub fn new(kernel_size: impl Into<Sizes>) -> UnfoldConfig {
        UnfoldConfig { kernel_size: kernel_size.into(), dilation: each(), padding: none(), stride: each() }
    }

    fn parts(&self) -> Result<([usize; 2], ConvOptions)> {
        let options = ConvOptions::new()
            .dilation(pair(self.dilation.positive("dilation", 2)?))
            .padding(pair(self.padding.spread("padding", 2)?))
            .stride(pair(self.stride.positive("stride", 2)?));
        Ok((pair(self.kernel_size.positive("kernel_size", 2)?), options))
    }
}

/// Settings of [`Fold`], named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldConfig {
    /// Sizes of the image.
    pub output_size: Sizes,
    /// Sizes of a patch.
    pub kernel_size: Sizes,
    /// How far a patch's elements lie apart.
    #[serde(default = "each")]
    pub dilation: Sizes,
    /// Zeros around the image, where patches may lie.
    #[serde(default = "none")]
    pub padding: Sizes,
    /// How far patches lie apart.
    #[serde(default = "each")]
    pub stride: Sizes,
}

impl FoldConfig {
    /// Every patch of an image.
    pub fn new(output_size: impl Into<Sizes>, kernel_size: impl Into<Sizes>) -> FoldConfig {
        let UnfoldConfig { kernel_size, dilation, padding, stride } = UnfoldConfig::new(kernel_size);
        FoldConfig { output_size: output_size.into(), kernel_size, dilation, padding, stride }
    }
}

/// Patches of images as columns: `[N, C, H, W]` to `[N, C·kh·kw, L]`.
#[derive(Clone, Debug, Module)]
pub struct Unfold {
    #[module(skip)]
    kernel: [usize; 2],
    #[module(skip)]
    options: ConvOptions,
}

impl Unfold {
    /// Every patch of this size.
    ///
    /// # Errors
    /// Another number of sizes than two.
    #[track_caller]
    pub fn new(kernel_size: impl Into<Sizes>) -> Result<Unfold> {
        Unfold::from_config(&UnfoldConfig::new(kernel_size))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Another number of sizes than two.
    #[track_caller]
    pub fn from_config(config: &UnfoldConfig) -> Result<Unfold> {
        let (kernel, options) = composed("Unfold", || config.parts())?;
        Ok(Unfold { kernel, options })
    }
}

impl Layer for Unfold {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        x.unfold2d(self.kernel, &self.options)
    }
}

/// Images from patches as columns, what overlaps added up: `[N, C·kh·kw, L]` to `[N, C, H, W]`.
#[derive(Clone, Debug, Module)]
pub struct Fold {
    #[module(skip)]
    size: [usize; 2],
    #[module(skip)]
    kernel: [usize; 2],
    #[module(skip)]
    options: ConvOptions,
}

impl Fold {
    /// Every patch of this size.
    ///
    /// # Errors
    /// Another number of sizes than two.
    #[track_caller]
    pub fn new(output_size: impl Into<Sizes>, kernel_size: impl Into<Sizes>) -> Result<Fold> {
        Fold::from_config(&FoldConfig::new(output_size, kernel_size))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Another number of sizes than two.
    #[track_caller]
    pub fn from_config(config: &FoldConfig) -> Result<Fold> {
        let FoldConfig { output_size, kernel_size, dilation, padding, stride } = config.clone();
        composed("Fold", || {
            let (kernel, options) = UnfoldConfig { kernel_size, dilation, padding, stride }.parts()?;
            Ok(Fold { size: pair(output_size.spread("output_size", 2)?), kernel, options })
        })
    }
}

impl Layer for Fold {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        x.fold2d(self.size, self.kernel, &self.options)
    }
}
