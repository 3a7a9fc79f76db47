//! Random changes of pictures that leave what they show, so that a network sees other pictures in every epoch.

mod affine;
mod colour;
mod crop;
pub(crate) mod draw;
mod erase;
mod filter;
#[cfg(test)]
mod golden;
mod policy;
mod preset;
mod resize;
mod step;
mod tone;

pub use affine::Interpolation;
pub use crop::Padding;
pub use erase::Fill;
pub use policy::Policy;
pub use preset::Preset;
pub use step::Step;

use super::Picture;
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// Why a picture could not be changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AugmentError {
    /// A setting that makes no sense.
    #[error("augmentation: {step}: {setting} {domain}, not {got}")]
    Setting {
        /// The step's name.
        step: &'static str,
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        got: String,
        /// What it may be.
        domain: &'static str,
    },
    /// A size that takes more than half a gigabyte.
    #[error("augmentation: {} by {} pixels are too many to make of {} by {}: the picture is very long or wide", to[1], to[0], from[1], from[0])]
    TooLarge {
        /// Height and width that there are.
        from: [usize; 2],
        /// Height and width that were asked for.
        to: [usize; 2],
    },
    /// A picture that has no pixels, or others than its size says.
    #[error("augmentation: a picture of {height} by {width} pixels with {channels} channels cannot have {got} bytes")]
    Pixels {
        /// Rows.
        height: usize,
        /// Pixels of a row.
        width: usize,
        /// Bytes of a pixel.
        channels: usize,
        /// Bytes that there are.
        got: usize,
    },
}

/// Changes of a picture, one after another. In configurations it is a table with `steps`, a list of [`Step`]s.
///
/// ```
/// use mapsto_data::{Augmentation, Channels, Picture, Step};
/// use mapsto_tensor::Rng;
/// let augmentation = Augmentation::new(vec![Step::HorizontalFlip { probability: 1.0 }])?;
/// let picture = Picture { height: 1, width: 2, channels: Channels::Grey, pixels: vec![1, 2] };
/// assert_eq!(augmentation.apply(picture, &Rng::new(0))?.pixels, [2, 1]);
/// # Ok::<(), mapsto_data::AugmentError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Augmentation {
    steps: Vec<Step>,
}

/// What a configuration says, whatever that is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    steps: Vec<Step>,
}

impl TryFrom<Unchecked> for Augmentation {
    type Error = AugmentError;

    fn try_from(said: Unchecked) -> Result<Augmentation, AugmentError> {
        Augmentation::new(said.steps)
    }
}

impl Augmentation {
    /// Steps in their order; none leave pictures as they are.
    ///
    /// # Errors
    /// [`AugmentError::Setting`] for the first setting that makes no sense.
    pub fn new(steps: Vec<Step>) -> Result<Augmentation, AugmentError> {
        steps.iter().try_for_each(Step::check)?;
        Ok(Augmentation { steps })
    }

    /// The steps, in their order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Changes a picture. The stream alone decides how: each step draws from one of its own.
    ///
    /// # Errors
    /// [`AugmentError::TooLarge`], and [`AugmentError::Pixels`] for a picture that is none.
    pub fn apply(&self, picture: Picture, chance: &Rng) -> Result<Picture, AugmentError> {
        let Picture { height, width, channels, ref pixels } = picture;
        let bytes = height.checked_mul(width).and_then(|count| count.checked_mul(channels.count()));
        if pixels.is_empty() || bytes != Some(pixels.len()) {
            return Err(AugmentError::Pixels { height, width, channels: channels.count(), got: pixels.len() });
        }
        let mut numbered = self.steps.iter().zip(0..);
        numbered.try_fold(picture, |picture, (step, i)| step.apply(picture, &mut chance.fork(i)))
    }
}
