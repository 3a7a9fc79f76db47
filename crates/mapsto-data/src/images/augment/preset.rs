//! Augmentations that are known to be good starts.

use super::affine::Interpolation;
use super::crop::Padding;
use super::{AugmentError, Augmentation, Step};
use serde::{Deserialize, Serialize};

/// Pixels of the longer side up to which pictures are small: cropped from a padded picture in place of a photo's parts.
const SMALL: usize = 64;

/// How strongly pictures are changed. Every preset makes pictures of one size, from pictures of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Nothing by chance, to evaluate. Small pictures are resized. Of large ones the shorter side is resized to 8/7 of the longer one
    /// that is wanted, and the middle is cut out.
    None,
    /// A crop and a horizontal flip. Small pictures are resized and cropped at random after padding each side by an eighth with
    /// black; of large ones a random part is resized. Not for what differs from its mirror image, as letters do.
    Light,
    /// `Light` and a jitter of brightness, contrast and saturation (0.4 each) and hue (0.1); small pictures are also turned by up to
    /// 10 degrees and scaled by 0.9 to 1.1.
    Standard,
    /// `Light`, TrivialAugment in its wide space, and a region hidden by noise in a quarter of the pictures.
    Strong,
}

impl Preset {
    /// All of them, from weak to strong.
    pub const ALL: [Preset; 4] = [Preset::None, Preset::Light, Preset::Standard, Preset::Strong];

    /// The name that configurations use.
    pub fn name(self) -> &'static str {
        match self {
            Preset::None => "none",
            Preset::Light => "light",
            Preset::Standard => "standard",
            Preset::Strong => "strong",
        }
    }
}

impl Augmentation {
    /// The steps of a preset that makes pictures of `height` by `width` pixels; small pictures are those of at most 64.
    ///
    /// # Errors
    /// [`AugmentError::Setting`] for a size that is no picture's.
    pub fn preset(preset: Preset, height: usize, width: usize) -> Result<Augmentation, AugmentError> {
        let longer = height.max(width);
        let small = longer <= SMALL;
        let mut steps = match (preset, small) {
            (Preset::None, true) => vec![Step::Resize { height, width }],
            (Preset::None, false) => {
                let size = longer.saturating_add(longer.div_ceil(7));
                vec![Step::ResizeShorter { size }, Step::CentreCrop { height, width }]
            }
            (_, true) => vec![
                Step::Resize { height, width },
                Step::RandomCrop { height, width, padding: longer.div_ceil(8), mode: Padding::Zero },
            ],
            (_, false) => vec![Step::random_resized_crop(height, width)],
        };
        if preset != Preset::None {
            steps.push(Step::HorizontalFlip { probability: 0.5 });
        }
        match preset {
            Preset::None | Preset::Light => {}
            Preset::Standard => {
                if small {
                    let (degrees, shift, scale, shear) = (10.0, [0.0; 2], [0.9, 1.1], [0.0; 2]);
                    let interpolation = Interpolation::Bilinear;
                    steps.push(Step::Affine { degrees, shift, scale, shear, interpolation, fill: 0 });
                }
                steps.push(Step::ColourJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 });
            }
            Preset::Strong => steps.extend([Step::TrivialAugment {}, Step::erase(0.25)]),
        }
        Augmentation::new(steps)
    }
}
