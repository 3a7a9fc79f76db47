//! Layers that drop at random while training, against over-fitting.

use super::Layer;
use crate::Module;
use crate::param::{Mode, Stream};
use mapsto_tensor::{DType, Error, Result, Rng, Shape, Tensor};
use std::panic::Location;

/// Declares a layer that drops while training: its doc, which places share a fate, and what becomes of the input.
macro_rules! dropouts {
    ($($(#[$doc:meta])* $name:ident |$x:ident, $p:ident, $rng:ident| $forward:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// Evaluating, it is the identity.
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            p: f64,
            mode: Mode,
            stream: Stream,
        }

        impl $name {
            /// Drops with probability `p`.
            ///
            /// # Errors
            /// A probability outside `0..=1`.
            #[track_caller]
            pub fn new(p: f64) -> Result<$name> {
                if (0.0..=1.0).contains(&p) {
                    return Ok($name { p, mode: Mode::default(), stream: Stream::default() });
                }
                let message = format!("a probability lies in [0, 1], got {p}");
                Err(Error::argument(message).op(stringify!($name)).at(Location::caller()))
            }

            /// The probability.
            pub fn p(&self) -> f64 {
                self.p
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, $x: &Tensor) -> Result<Tensor> {
                let _scope = crate::scope(self);
                if !self.mode.is_training() || self.p == 0.0 {
                    return Ok($x.clone());
                }
                let ($p, $rng) = (self.p, &mut self.stream.next_rng()?);
                $forward
            }
        }
    )*};
}

dropouts! {
    /// Sets elements to zero and divides the others by `1 - p` (Srivastava et al., *Dropout*, 2014).
    Dropout |x, p, rng| x.dropout(p, rng);

    /// [`Dropout`] of whole channels of `[batch, channels, length]` or `[channels, length]` (Tompson et al., *Efficient
    /// Object Localization Using Convolutional Networks*, 2015).
    Dropout1d |x, p, rng| x.dropout_shared(p, channels("Dropout1d", x, 1)?, rng);

    /// [`Dropout1d`] for `[batch, channels, height, width]` or `[channels, height, width]`.
    Dropout2d |x, p, rng| x.dropout_shared(p, channels("Dropout2d", x, 2)?, rng);

    /// [`Dropout1d`] for `[batch, channels, depth, height, width]` or `[channels, depth, height, width]`.
    Dropout3d |x, p, rng| x.dropout_shared(p, channels("Dropout3d", x, 3)?, rng);

    /// Sets elements to where [`Selu`](super::Selu) saturates, and keeps mean and variance (Klambauer et al.,
    /// *Self-Normalizing Neural Networks*, 2017).
    AlphaDropout |x, p, rng| alpha(x, p, *x.shape(), rng);

    /// [`AlphaDropout`] of whole channels (axis 1).
    FeatureAlphaDropout |x, p, rng| {
        let spatial = x.rank().saturating_sub(2);
        alpha(x, p, channels("FeatureAlphaDropout", x, spatial)?, rng)
    };

    /// [`Dropout`] of whole samples (axis 0): on a residual branch, the branch is left out (Huang et al., *Deep Networks
    /// with Stochastic Depth*, 2016).
    DropPath |x, p, rng| {
        let mut sizes = vec![1; x.rank()];
        sizes.iter_mut().zip(x.shape().iter()).take(1).for_each(|(size, &own)| *size = own);
        x.dropout_shared(p, sizes, rng)
    };
}

/// The shape of a mask for the channels before the last `spatial` axes.
#[track_caller]
fn channels(op: &'static str, x: &Tensor, spatial: usize) -> Result<Shape> {
    if !(spatial + 1..=spatial + 2).contains(&x.rank()) {
        let message = format!("channels are dropped of {} or {} axes, got {}", spatial + 1, spatial + 2, x.shape());
        return Err(Error::shape(message).op(op).at(Location::caller()));
    }
    let mut sizes = x.shape().to_vec();
    sizes[x.rank() - spatial..].fill(1);
    Shape::new(&sizes)
}

/// Where SELU saturates.
const SATURATION: f64 = -1.7580993408473766;

#[track_caller]
fn alpha(x: &Tensor, p: f64, mask: Shape, rng: &mut Rng) -> Result<Tensor> {
    if p == 1.0 {
        return x.mul(0);
    }
    let kept = Tensor::rand(mask, DType::F32, rng)?.ge(p)?;
    // The affine map that restores mean zero and variance one.
    let scale = 1.0 / ((1.0 - p) * (1.0 + p * SATURATION * SATURATION)).sqrt();
    let shift = -scale * p * SATURATION;
    kept.where_(x, SATURATION)?.mul(scale)?.add(shift)
}
