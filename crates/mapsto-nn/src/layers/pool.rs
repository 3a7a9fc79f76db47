//! Pooling over the spatial axes of `[N, C, ...]` or `[C, ...]`.

use super::linear::yes;
use super::sizes::{batched, each, none};
use super::{Layer, Sizes};
use crate::{Module, Visitor};
use mapsto_tensor::ops::Window;
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};
use std::panic::Location;

/// Settings of a pooling layer, named as in PyTorch; those of one kind of pooling say nothing to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// Places that a window takes along each axis.
    pub kernel_size: Sizes,
    /// How far it moves; by its own size if not given.
    #[serde(default)]
    pub stride: Option<Sizes>,
    /// Places outside the input that it may cover on both sides.
    #[serde(default = "none")]
    pub padding: Sizes,
    /// How far the places of a window lie apart; of maxima alone.
    #[serde(default = "each")]
    pub dilation: Sizes,
    /// Whether a last window that ends beyond the padding counts.
    #[serde(default)]
    pub ceil_mode: bool,
    /// Whether padding counts in a mean.
    #[serde(default = "yes")]
    pub count_include_pad: bool,
    /// What a mean divides by, if not by the number of places.
    #[serde(default)]
    pub divisor_override: Option<usize>,
    /// The power of Lp pooling.
    #[serde(default = "two")]
    pub norm_type: f64,
}

fn two() -> f64 {
    2.0
}

impl PoolConfig {
    /// A window that moves by its own size, without padding.
    pub fn new(kernel_size: impl Into<Sizes>) -> PoolConfig {
        PoolConfig {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: none(),
            dilation: each(),
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
            norm_type: two(),
        }
    }

    /// With another stride.
    pub fn stride(self, stride: impl Into<Sizes>) -> PoolConfig {
        PoolConfig { stride: Some(stride.into()), ..self }
    }

    /// With padding on both sides.
    pub fn padding(self, padding: impl Into<Sizes>) -> PoolConfig {
        PoolConfig { padding: padding.into(), ..self }
    }

    fn window(&self, axes: usize) -> Result<Window> {
        let kernel = self.kernel_size.positive("kernel_size", axes)?;
        let stride = self.stride.as_ref().map(|stride| stride.positive("stride", axes)).transpose()?;
        Ok(Window::new(kernel.clone())
            .stride(stride.unwrap_or(kernel))
            .padding(self.padding.spread("padding", axes)?)
            .dilation(self.dilation.positive("dilation", axes)?)
            .ceil(self.ceil_mode))
    }
}

macro_rules! pools {
    ($($(#[$doc:meta])* $name:ident, $axes:literal, $spatial:literal, |$x:ident, $window:ident, $config:ident| $forward:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            config: PoolConfig,
            window: Window,
        }

        impl $name {
            /// A window that moves by its own size, without padding.
            ///
            /// # Errors
            /// Sizes that cannot be.
            #[track_caller]
            pub fn new(kernel_size: impl Into<Sizes>) -> Result<$name> {
                $name::from_config(&PoolConfig::new(kernel_size))
            }

            /// By its settings.
            ///
            /// # Errors
            /// Sizes that cannot be.
            #[track_caller]
            pub fn from_config(config: &PoolConfig) -> Result<$name> {
                composed(stringify!($name), || Ok($name { config: config.clone(), window: config.window($axes)? }))
            }

            /// The settings.
            pub fn config(&self) -> &PoolConfig {
                &self.config
            }
        }

        impl Module for $name {
            fn kind(&self) -> &'static str {
                stringify!($name)
            }

            fn visit(&self, _: &mut Visitor<'_>) {}
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                batched(stringify!($name), $x, None, $spatial)?;
                let ($window, $config) = (&self.window, &self.config);
                let _ = $config;
                $forward
            }
        }
    )*};
}

pools! {
    /// The greatest element of each window over one axis.
    MaxPool1d, 1, "L", |x, window, config| x.max_pool(window);
    /// The greatest element of each window over two axes.
    MaxPool2d, 2, "H, W", |x, window, config| x.max_pool(window);
    /// The greatest element of each window over three axes.
    MaxPool3d, 3, "D, H, W", |x, window, config| x.max_pool(window);
    /// The mean of each window over one axis.
    AvgPool1d, 1, "L", |x, window, config| x.avg_pool(window, config.count_include_pad, config.divisor_override);
    /// The mean of each window over two axes.
    AvgPool2d, 2, "H, W", |x, window, config| x.avg_pool(window, config.count_include_pad, config.divisor_override);
    /// The mean of each window over three axes.
    AvgPool3d, 3, "D, H, W", |x, window, config| x.avg_pool(window, config.count_include_pad, config.divisor_override);
    /// The p-norm of each window over one axis.
    LpPool1d, 1, "L", |x, window, config| x.lp_pool(window, config.norm_type);
    /// The p-norm of each window over two axes.
    LpPool2d, 2, "H, W", |x, window, config| x.lp_pool(window, config.norm_type);
    /// The p-norm of each window over three axes.
    LpPool3d, 3, "D, H, W", |x, window, config| x.lp_pool(window, config.norm_type);
}

/// Settings of an adaptive pooling layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptivePoolConfig {
    /// Sizes of the output.
    pub output_size: AdaptiveSizes,
}

/// Sizes of an output; an axis without one keeps its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AdaptiveSizes {
    /// The same for all axes.
    All(usize),
    /// One for each axis.
    Each(Vec<Option<usize>>),
}

macro_rules! adaptive {
    ($($(#[$doc:meta])* $name:ident, $axes:literal, $spatial:literal, $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            #[module(skip)]
            sizes: Vec<Option<usize>>,
        }

        impl $name {
            /// To these sizes.
            ///
            /// # Errors
            /// Another number of sizes than axes.
            #[track_caller]
            pub fn new(output_size: impl Into<Sizes>) -> Result<$name> {
                let output_size = match output_size.into() {
                    Sizes::All(size) => AdaptiveSizes::All(size),
                    Sizes::Each(sizes) => AdaptiveSizes::Each(sizes.into_iter().map(Some).collect()),
                };
                $name::from_config(&AdaptivePoolConfig { output_size })
            }

            /// By its settings.
            ///
            /// # Errors
            /// Another number of sizes than axes.
            #[track_caller]
            pub fn from_config(config: &AdaptivePoolConfig) -> Result<$name> {
                let sizes = match &config.output_size {
                    AdaptiveSizes::All(size) => vec![Some(*size); $axes],
                    AdaptiveSizes::Each(sizes) => sizes.clone(),
                };
                if sizes.len() != $axes {
                    return Err(Error::argument(format!("{} output sizes for {} axes", sizes.len(), $axes))
                        .op(stringify!($name))
                        .at(Location::caller()));
                }
                Ok($name { sizes })
            }

            /// The sizes of the output for an input that has these axes.
            fn sizes(&self, x: &Tensor) -> Vec<usize> {
                let own = x.shape()[x.rank() - $axes..].iter();
                self.sizes.iter().zip(own).map(|(size, &own)| size.unwrap_or(own)).collect()
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                batched(stringify!($name), x, None, $spatial)?;
                x.$method(&self.sizes(x))
            }
        }
    )*};
}

adaptive! {
    /// Means of as many regions over one axis as are asked.
    AdaptiveAvgPool1d, 1, "L", adaptive_avg_pool;
    /// Means of as many regions over two axes as are asked.
    AdaptiveAvgPool2d, 2, "H, W", adaptive_avg_pool;
    /// Means of as many regions over three axes as are asked.
    AdaptiveAvgPool3d, 3, "D, H, W", adaptive_avg_pool;
    /// Maxima of as many regions over one axis as are asked.
    AdaptiveMaxPool1d, 1, "L", adaptive_max_pool;
    /// Maxima of as many regions over two axes as are asked.
    AdaptiveMaxPool2d, 2, "H, W", adaptive_max_pool;
    /// Maxima of as many regions over three axes as are asked.
    AdaptiveMaxPool3d, 3, "D, H, W", adaptive_max_pool;
}

macro_rules! with_indices {
    ($($name:ident, $spatial:literal, |$this:ident, $x:ident| $both:expr;)*) => {$(
        impl $name {
            /// The output, and the place of each maximum in its plane of spatial axes, for [`Tensor::max_unpool`].
            ///
            /// # Errors
            /// Those of `forward`.
            #[track_caller]
            pub fn forward_with_indices(&self, $x: &Tensor) -> Result<(Tensor, Tensor)> {
                let _scope = crate::scope(self);
                batched(stringify!($name), $x, None, $spatial)?;
                let $this = self;
                $both
            }
        }
    )*};
}

with_indices! {
    MaxPool1d, "L", |this, x| x.max_pool_with_indices(&this.window);
    MaxPool2d, "H, W", |this, x| x.max_pool_with_indices(&this.window);
    MaxPool3d, "D, H, W", |this, x| x.max_pool_with_indices(&this.window);
    AdaptiveMaxPool1d, "L", |this, x| x.adaptive_max_pool_with_indices(&this.sizes(x));
    AdaptiveMaxPool2d, "H, W", |this, x| x.adaptive_max_pool_with_indices(&this.sizes(x));
    AdaptiveMaxPool3d, "D, H, W", |this, x| x.adaptive_max_pool_with_indices(&this.sizes(x));
}
