//! Convolutions over 1, 2 and 3 spatial axes, and transposed ones.

use super::linear::{uniform_by_fan_in, yes};
use super::sizes::{batched, each, none};
use super::{Layer, Sizes, value};
use crate::{Module, Param, Visitor};
use mapsto_tensor::ops::{ConvOptions, PadMode};
use mapsto_tensor::{Error, Result, Shape, Tensor, composed};
use serde::{Deserialize, Serialize};

/// What lies around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The image mirrored at its outermost elements.
    Reflect,
    /// Its outermost elements.
    Replicate,
    /// Its other side.
    Circular,
}

/// How much padding a convolution adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Padding {
    /// So many places on both sides.
    Sizes(Sizes),
    /// By a rule.
    Rule(PaddingRule),
}

/// A rule that gives the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaddingRule {
    /// As many outputs as inputs; stride 1.
    Same,
    /// None.
    Valid,
}

impl From<Sizes> for Padding {
    fn from(sizes: Sizes) -> Padding {
        Padding::Sizes(sizes)
    }
}

/// Settings of a convolution, named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Places that a kernel takes along each axis.
    pub kernel_size: Sizes,
    /// How far it moves.
    #[serde(default = "each")]
    pub stride: Sizes,
    /// Places added around the image.
    #[serde(default = "no_padding")]
    pub padding: Padding,
    /// How far a kernel's elements lie apart.
    #[serde(default = "each")]
    pub dilation: Sizes,
    /// Groups of channels that do not see each other.
    #[serde(default = "single")]
    pub groups: usize,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// What lies around the image.
    #[serde(default)]
    pub padding_mode: PaddingMode,
}

fn no_padding() -> Padding {
    none().into()
}

fn single() -> usize {
    1
}

impl ConvConfig {
    /// Stride 1, no padding, dilation 1, one group, with a bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Sizes>) -> ConvConfig {
        ConvConfig {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into(),
            stride: each(),
            padding: no_padding(),
            dilation: each(),
            groups: 1,
            bias: true,
            padding_mode: PaddingMode::Zeros,
        }
    }

    /// With another stride.
    pub fn stride(self, stride: impl Into<Sizes>) -> ConvConfig {
        ConvConfig { stride: stride.into(), ..self }
    }

    /// With padding on both sides.
    pub fn padding(self, padding: impl Into<Sizes>) -> ConvConfig {
        ConvConfig { padding: padding.into().into(), ..self }
    }

    /// With padding that gives as many outputs as inputs.
    pub fn same(self) -> ConvConfig {
        ConvConfig { padding: Padding::Rule(PaddingRule::Same), ..self }
    }

    /// With dilation.
    pub fn dilation(self, dilation: impl Into<Sizes>) -> ConvConfig {
        ConvConfig { dilation: dilation.into(), ..self }
    }

    /// With groups.
    pub fn groups(self, groups: usize) -> ConvConfig {
        ConvConfig { groups, ..self }
    }

    /// Without a bias.
    pub fn no_bias(self) -> ConvConfig {
        ConvConfig { bias: false, ..self }
    }

    /// With something else than zeros around the image.
    pub fn padding_mode(self, padding_mode: PaddingMode) -> ConvConfig {
        ConvConfig { padding_mode, ..self }
    }

    /// Places before and after each axis.
    fn sides(&self, axes: usize) -> Result<Vec<[usize; 2]>> {
        let kernel = self.kernel_size.spread("kernel_size", axes)?;
        let dilation = self.dilation.spread("dilation", axes)?;
        match &self.padding {
            Padding::Sizes(sizes) => Ok(sizes.spread("padding", axes)?.into_iter().map(|side| [side, side]).collect()),
            Padding::Rule(PaddingRule::Valid) => Ok(vec![[0, 0]; axes]),
            Padding::Rule(PaddingRule::Same) => {
                let stride = self.stride.spread("stride", axes)?;
                if stride.iter().any(|&stride| stride != 1) {
                    return Err(Error::argument(format!("padding \"same\" needs stride 1, not {stride:?}")));
                }
                let total = kernel.iter().zip(&dilation).map(|(&k, &d)| k.saturating_sub(1).saturating_mul(d));
                Ok(total.map(|total| [total / 2, total - total / 2]).collect())
            }
        }
    }
}

/// The kernel's sizes, if the channels fall into the groups.
fn kernel(config: &ConvConfig, axes: usize) -> Result<Vec<usize>> {
    let (i, o, groups) = (config.in_channels, config.out_channels, config.groups);
    if groups == 0 || i % groups != 0 || o % groups != 0 {
        return Err(Error::argument(format!("{i} channels to {o} do not fall into {groups} equal groups")));
    }
    config.kernel_size.positive("kernel_size", axes)
}

macro_rules! convolutions {
    ($($(#[$doc:meta])* $name:ident, $axes:literal, $spatial:literal, $method:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name {
            /// `[out, in / groups, kernel...]`.
            pub weight: Param,
            /// `[out]`.
            pub bias: Option<Param>,
            config: ConvConfig,
            options: ConvOptions,
            around: Vec<(isize, isize)>,
        }

        impl $name {
            /// A convolution of stride 1 without padding.
            ///
            /// # Errors
            /// Sizes that cannot be.
            #[track_caller]
            pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Sizes>) -> Result<$name> {
                $name::from_config(&ConvConfig::new(in_channels, out_channels, kernel_size))
            }

            /// A convolution with these settings.
            ///
            /// # Errors
            /// Sizes that cannot be; groups that do not divide the channels.
            #[track_caller]
            pub fn from_config(config: &ConvConfig) -> Result<$name> {
                composed(stringify!($name), || {
                    let kernel = kernel(config, $axes)?;
                    let sides = config.sides($axes)?;
                    let shape = Shape::new(&[&[config.out_channels, config.in_channels / config.groups], &kernel[..]].concat())?;
                    let init = uniform_by_fan_in(&shape)?;
                    let zeros = config.padding_mode == PaddingMode::Zeros;
                    let stride: [usize; $axes] = fixed(config.stride.positive("stride", $axes)?);
                    let dilation: [usize; $axes] = fixed(config.dilation.positive("dilation", $axes)?);
                    let mut options = ConvOptions::new().stride(stride).dilation(dilation).groups(config.groups);
                    if zeros {
                        options = options.padding_sides(&sides);
                    }
                    let around = sides.iter().map(|&[before, after]| (before as isize, after as isize)).collect();
                    Ok($name {
                        weight: Param::new(shape, init.clone())?,
                        bias: config.bias.then(|| Param::new(config.out_channels, init)).transpose()?,
                        options,
                        around: if zeros { Vec::new() } else { around },
                        config: config.clone(),
                    })
                })
            }

            /// The settings.
            pub fn config(&self) -> &ConvConfig {
                &self.config
            }
        }

        impl Module for $name {
            fn kind(&self) -> &'static str {
                stringify!($name)
            }

            fn visit(&self, visitor: &mut Visitor<'_>) {
                visitor.field("weight", &self.weight);
                visitor.field("bias", &self.bias);
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                let (x, single) = batched(stringify!($name), x, Some(self.config.in_channels), $spatial)?;
                let (weight, bias) = (self.weight.get()?, value(self.bias.as_ref())?);
                let padded = match self.config.padding_mode {
                    PaddingMode::Zeros => x,
                    PaddingMode::Reflect => x.pad(&self.around, PadMode::Reflect)?,
                    PaddingMode::Replicate => x.pad(&self.around, PadMode::Replicate)?,
                    PaddingMode::Circular => x.pad(&self.around, PadMode::Circular)?,
                };
                let y = padded.$method(&weight, bias.as_ref(), &self.options)?;
                if single { y.squeeze(&[0]) } else { Ok(y) }
            }
        }
    )*};
}

/// A list whose length was checked as an array.
fn fixed<const N: usize>(list: Vec<usize>) -> [usize; N] {
    std::array::from_fn(|i| list[i])
}

convolutions! {
    /// A convolution over one axis: `[N, in, L]` to `[N, out, L']`, or all without `N`.
    Conv1d, 1, "L", conv1d;
    /// A convolution over two axes: `[N, in, H, W]` to `[N, out, H', W']`, or all without `N`.
    Conv2d, 2, "H, W", conv2d;
    /// A convolution over three axes: `[N, in, D, H, W]` to `[N, out, D', H', W']`, or all without `N`.
    Conv3d, 3, "D, H, W", conv3d;
}

/// Settings of a transposed convolution, named as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTransposeConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Places that a kernel takes along each axis.
    pub kernel_size: Sizes,
    /// How far it moves for each input.
    #[serde(default = "each")]
    pub stride: Sizes,
    /// Places cut off both sides of the output.
    #[serde(default = "none")]
    pub padding: Sizes,
    /// Places added after the output.
    #[serde(default = "none")]
    pub output_padding: Sizes,
    /// Groups of channels that do not see each other.
    #[serde(default = "single")]
    pub groups: usize,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// How far a kernel's elements lie apart.
    #[serde(default = "each")]
    pub dilation: Sizes,
}

impl ConvTransposeConfig {
    /// Stride 1, no padding, dilation 1, one group, with a bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Sizes>) -> ConvTransposeConfig {
        ConvTransposeConfig {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into(),
            stride: each(),
            padding: none(),
            output_padding: none(),
            groups: 1,
            bias: true,
            dilation: each(),
        }
    }

    /// With another stride.
    pub fn stride(self, stride: impl Into<Sizes>) -> ConvTransposeConfig {
        ConvTransposeConfig { stride: stride.into(), ..self }
    }

    /// With places cut off both sides.
    pub fn padding(self, padding: impl Into<Sizes>) -> ConvTransposeConfig {
        ConvTransposeConfig { padding: padding.into(), ..self }
    }

    /// With places added after the output.
    pub fn output_padding(self, output_padding: impl Into<Sizes>) -> ConvTransposeConfig {
        ConvTransposeConfig { output_padding: output_padding.into(), ..self }
    }

    /// With dilation.
    pub fn dilation(self, dilation: impl Into<Sizes>) -> ConvTransposeConfig {
        ConvTransposeConfig { dilation: dilation.into(), ..self }
    }

    /// With groups.
    pub fn groups(self, groups: usize) -> ConvTransposeConfig {
        ConvTransposeConfig { groups, ..self }
    }

    /// Without a bias.
    pub fn no_bias(self) -> ConvTransposeConfig {
        ConvTransposeConfig { bias: false, ..self }
    }
}

macro_rules! transposed {
    ($($(#[$doc:meta])* $name:ident, $axes:literal, $spatial:literal, $method:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name {
            /// `[in, out / groups, kernel...]`.
            pub weight: Param,
            /// `[out]`.
            pub bias: Option<Param>,
            config: ConvTransposeConfig,
            options: ConvOptions,
        }

        impl $name {
            /// A transposed convolution of stride 1 without padding.
            ///
            /// # Errors
            /// Sizes that cannot be.
            #[track_caller]
            pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Sizes>) -> Result<$name> {
                $name::from_config(&ConvTransposeConfig::new(in_channels, out_channels, kernel_size))
            }

            /// A transposed convolution with these settings.
            ///
            /// # Errors
            /// Sizes that cannot be; groups that do not divide the channels.
            #[track_caller]
            pub fn from_config(config: &ConvTransposeConfig) -> Result<$name> {
                composed(stringify!($name), || {
                    let plain = ConvConfig::new(config.in_channels, config.out_channels, config.kernel_size.clone());
                    let kernel = kernel(&plain.groups(config.groups), $axes)?;
                    let shape = Shape::new(&[&[config.in_channels, config.out_channels / config.groups], &kernel[..]].concat())?;
                    let init = uniform_by_fan_in(&shape)?;
                    let list = |name, sizes: &Sizes| Ok::<[usize; $axes], Error>(fixed(sizes.spread(name, $axes)?));
                    let some = |name, sizes: &Sizes| Ok::<[usize; $axes], Error>(fixed(sizes.positive(name, $axes)?));
                    Ok($name {
                        weight: Param::new(shape, init.clone())?,
                        bias: config.bias.then(|| Param::new(config.out_channels, init)).transpose()?,
                        options: ConvOptions::new()
                            .stride(some("stride", &config.stride)?)
                            .padding(list("padding", &config.padding)?)
                            .output_padding(list("output_padding", &config.output_padding)?)
                            .dilation(some("dilation", &config.dilation)?)
                            .groups(config.groups),
                        config: config.clone(),
                    })
                })
            }

            /// The settings.
            pub fn config(&self) -> &ConvTransposeConfig {
                &self.config
            }
        }

        impl Module for $name {
            fn kind(&self) -> &'static str {
                stringify!($name)
            }

            fn visit(&self, visitor: &mut Visitor<'_>) {
                visitor.field("weight", &self.weight);
                visitor.field("bias", &self.bias);
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                let (x, single) = batched(stringify!($name), x, Some(self.config.in_channels), $spatial)?;
                let (weight, bias) = (self.weight.get()?, value(self.bias.as_ref())?);
                let y = x.$method(&weight, bias.as_ref(), &self.options)?;
                if single { y.squeeze(&[0]) } else { Ok(y) }
            }
        }
    )*};
}

transposed! {
    /// A transposed convolution over one axis: `[N, in, L]` to `[N, out, L']`, or all without `N`.
    ConvTranspose1d, 1, "L", conv_transpose1d;
    /// A transposed convolution over two axes: `[N, in, H, W]` to `[N, out, H', W']`, or all without `N`.
    ConvTranspose2d, 2, "H, W", conv_transpose2d;
    /// A transposed convolution over three axes: `[N, in, D, H, W]` to `[N, out, D', H', W']`, or all without `N`.
    ConvTranspose3d, 3, "D, H, W", conv_transpose3d;
}
