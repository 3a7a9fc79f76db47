//! One change of a picture, as configurations have it.

use super::affine::{self, Interpolation, Limits};
use super::colour::{self, Jitter};
use super::crop::{self, Padding};
use super::draw::{happens, range};
use super::erase::{Fill, erase};
use super::policy::{self, Policy};
use super::{AugmentError, filter, resize, tone};
use crate::images::Picture;
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// Pixels of a side, at most.
const SIDE: usize = 1 << 14;

/// A change of pictures, with its settings. In configurations it is a table with the step's `name`, as in
/// `{ name = "rotate", degrees = 15.0 }`; what is left out has the value that is documented.
///
/// Given the same numbers, every step makes what torchvision 0.29 makes of a Pillow image: to the bit, except that resized,
/// blurred and rotated levels may differ by one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Step {
    /// This size, whatever the proportions were.
    Resize {
        /// Rows: 224.
        #[serde(default = "side")]
        height: usize,
        /// Pixels of a row: 224.
        #[serde(default = "side")]
        width: usize,
    },
    /// The shorter side with this many pixels, and the same proportions.
    ResizeShorter {
        /// Pixels: 256.
        #[serde(default = "shorter_side")]
        size: usize,
    },
    /// The middle; black where the picture is smaller.
    CentreCrop {
        /// Rows: 224.
        #[serde(default = "side")]
        height: usize,
        /// Pixels of a row: 224.
        #[serde(default = "side")]
        width: usize,
    },
    /// A random place of the padded picture.
    RandomCrop {
        /// Rows: 224.
        #[serde(default = "side")]
        height: usize,
        /// Pixels of a row: 224.
        #[serde(default = "side")]
        width: usize,
        /// Pixels that are put on each side: 4. More are put where the crop would not fit.
        #[serde(default = "padding")]
        padding: usize,
        /// What they show: black.
        #[serde(default)]
        mode: Padding,
    },
    /// A region of random area and proportions, resized.
    RandomResizedCrop {
        /// Rows: 224.
        #[serde(default = "side")]
        height: usize,
        /// Pixels of a row: 224.
        #[serde(default = "side")]
        width: usize,
        /// Least and greatest share of the picture's area: 0.08 to 1.
        #[serde(default = "crop_scale")]
        scale: [f64; 2],
        /// Least and greatest ratio of width to height: 3/4 to 4/3.
        #[serde(default = "crop_ratio")]
        ratio: [f64; 2],
    },
    /// Left for right.
    HorizontalFlip {
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// Top for bottom.
    VerticalFlip {
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// A turn about the middle.
    Rotate {
        /// Both ways, at most: 15.
        #[serde(default = "degrees")]
        degrees: f64,
        /// Bilinear.
        #[serde(default)]
        interpolation: Interpolation,
        /// The level of what was outside: 0.
        #[serde(default)]
        fill: u8,
    },
    /// A turn, a shift, another scale and a shear, about the middle.
    Affine {
        /// Both ways, at most: 10.
        #[serde(default = "affine_degrees")]
        degrees: f64,
        /// Fractions of width and height, both ways: 0.1.
        #[serde(default = "affine_shift")]
        shift: [f64; 2],
        /// Least and greatest factor: 0.9 to 1.1.
        #[serde(default = "affine_scale")]
        scale: [f64; 2],
        /// Degrees along rows and along columns, both ways: 0.
        #[serde(default)]
        shear: [f64; 2],
        /// Bilinear.
        #[serde(default)]
        interpolation: Interpolation,
        /// The level of what was outside: 0.
        #[serde(default)]
        fill: u8,
    },
    /// Brightness, contrast, saturation and hue, in a random order.
    ColourJitter {
        /// A factor of `1 - x` to `1 + x`: 0.4.
        #[serde(default = "jitter_factor")]
        brightness: f64,
        /// A factor of `1 - x` to `1 + x`: 0.4.
        #[serde(default = "jitter_factor")]
        contrast: f64,
        /// A factor of `1 - x` to `1 + x`: 0.4.
        #[serde(default = "jitter_factor")]
        saturation: f64,
        /// Turns both ways, up to 0.5: 0.1.
        #[serde(default = "jitter_hue")]
        hue: f64,
    },
    /// No colours.
    Grey {
        /// 0.1.
        #[serde(default = "tenth")]
        probability: f64,
    },
    /// Gaussian blur.
    Blur {
        /// Pixels of the window, an odd number: 5.
        #[serde(default = "blur_size")]
        size: usize,
        /// Least and greatest standard deviation, in pixels: 0.1 to 2.
        #[serde(default = "blur_sigma")]
        sigma: [f64; 2],
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// Blurred below 1, sharper above.
    Sharpness {
        /// Least and greatest factor: 0.1 to 1.9.
        #[serde(default = "sharpness")]
        factor: [f64; 2],
    },
    /// Light for dark.
    Invert {
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// Fewer levels.
    Posterise {
        /// Bits that are kept: 4.
        #[serde(default = "bits")]
        bits: u32,
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// What is light is inverted.
    Solarise {
        /// Levels from here on are: 128.
        #[serde(default = "threshold")]
        threshold: u8,
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// Each channel from black to full.
    Autocontrast {
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// Each channel's levels about equally common.
    Equalise {
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
    },
    /// A region hidden.
    Erase {
        /// 0.5.
        #[serde(default = "half")]
        probability: f64,
        /// Least and greatest share of the picture's area: 0.02 to 0.33.
        #[serde(default = "erase_scale")]
        scale: [f64; 2],
        /// Least and greatest ratio of height to width: 0.3 to 3.3.
        #[serde(default = "erase_ratio")]
        ratio: [f64; 2],
        /// What hides it: noise.
        #[serde(default)]
        fill: Fill,
    },
    /// RandAugment: some random operations, all equally strong.
    RandAugment {
        /// How many: 2.
        #[serde(default = "operations")]
        operations: usize,
        /// How strong, 0 to 30: 9.
        #[serde(default = "magnitude")]
        magnitude: usize,
    },
    /// TrivialAugment, wide: one random operation of random strength.
    TrivialAugment {},
    /// AutoAugment: pairs of operations that were found by search.
    AutoAugment {
        /// The data that they were found on: ImageNet.
        #[serde(default)]
        policy: Policy,
    },
}

/// Values that are used where a configuration has none.
macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => { $(fn $name() -> $type { $value })* };
}
defaults! {
    side: usize = 224;
    shorter_side: usize = 256;
    padding: usize = 4;
    crop_scale: [f64; 2] = [0.08, 1.0];
    crop_ratio: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
    half: f64 = 0.5;
    tenth: f64 = 0.1;
    degrees: f64 = 15.0;
    affine_degrees: f64 = 10.0;
    affine_shift: [f64; 2] = [0.1, 0.1];
    affine_scale: [f64; 2] = [0.9, 1.1];
    jitter_factor: f64 = 0.4;
    jitter_hue: f64 = 0.1;
    blur_size: usize = 5;
    blur_sigma: [f64; 2] = [0.1, 2.0];
    sharpness: [f64; 2] = [0.1, 1.9];
    bits: u32 = 4;
    threshold: u8 = 128;
    erase_scale: [f64; 2] = [0.02, 0.33];
    erase_ratio: [f64; 2] = [0.3, 3.3];
    operations: usize = 2;
    magnitude: usize = 9;
}

impl Step {
    /// A crop of random area and proportions as [`Step::RandomResizedCrop`] documents them.
    pub(super) fn random_resized_crop(height: usize, width: usize) -> Step {
        Step::RandomResizedCrop { height, width, scale: crop_scale(), ratio: crop_ratio() }
    }

    /// A hidden region as [`Step::Erase`] documents it.
    pub(super) fn erase(probability: f64) -> Step {
        Step::Erase { probability, scale: erase_scale(), ratio: erase_ratio(), fill: Fill::Noise }
    }

    /// Looks whether the settings make sense.
    ///
    /// # Errors
    /// [`AugmentError::Setting`] for the first that does not.
    pub fn check(&self) -> Result<(), AugmentError> {
        let refuse = |setting: &'static str, got: String, domain: &'static str| {
            Err(AugmentError::Setting { step: self.name(), setting, got, domain })
        };
        let sides = |height: usize, width: usize| match [("height", height), ("width", width)] {
            [(setting, side), _] | [_, (setting, side)] if !(1..=SIDE).contains(&side) => {
                refuse(setting, side.to_string(), "must lie between 1 and 16384")
            }
            _ => Ok(()),
        };
        let share = |setting, x: f64| match (0.0..=1.0).contains(&x) {
            true => Ok(()),
            false => refuse(setting, x.to_string(), "must lie between 0 and 1"),
        };
        let within = |setting, ends: [f64; 2], inside: fn(f64) -> bool, domain| match ends {
            [low, high] if low <= high && inside(low) && inside(high) => Ok(()),
            _ => refuse(setting, format!("{ends:?}"), domain),
        };
        let shares =
            |ends| within("scale", ends, |x| x > 0.0 && x <= 1.0, "must be two ascending numbers above 0, at most 1");
        let factors = |setting, ends| {
            within(setting, ends, |x| (0.01..=100.0).contains(&x), "must be two ascending numbers from 0.01 to 100")
        };
        let turn = |setting, x: f64| match (0.0..=180.0).contains(&x) {
            true => Ok(()),
            false => refuse(setting, x.to_string(), "must lie between 0 and 180"),
        };
        match *self {
            Step::Resize { height, width } | Step::CentreCrop { height, width } => sides(height, width),
            Step::ResizeShorter { size } => match (1..=SIDE).contains(&size) {
                true => Ok(()),
                false => refuse("size", size.to_string(), "must lie between 1 and 16384"),
            },
            Step::RandomCrop { height, width, padding, mode: _ } => match padding <= SIDE {
                true => sides(height, width),
                false => refuse("padding", padding.to_string(), "must be at most 16384"),
            },
            Step::RandomResizedCrop { height, width, scale, ratio } => {
                sides(height, width)?;
                shares(scale)?;
                factors("ratio", ratio)
            }
            Step::HorizontalFlip { probability }
            | Step::VerticalFlip { probability }
            | Step::Grey { probability }
            | Step::Invert { probability }
            | Step::Solarise { probability, threshold: _ }
            | Step::Autocontrast { probability }
            | Step::Equalise { probability } => share("probability", probability),
            Step::Posterise { bits, probability } => match (1..=8).contains(&bits) {
                true => share("probability", probability),
                false => refuse("bits", bits.to_string(), "must lie between 1 and 8"),
            },
            Step::Rotate { degrees, interpolation: _, fill: _ } => turn("degrees", degrees),
            Step::Affine { degrees, shift, scale, shear, interpolation: _, fill: _ } => {
                turn("degrees", degrees)?;
                shift.into_iter().try_for_each(|x| share("shift", x))?;
                factors("scale", scale)?;
                match shear.iter().all(|x| (0.0..=80.0).contains(x)) {
                    true => Ok(()),
                    false => refuse("shear", format!("{shear:?}"), "must lie between 0 and 80"),
                }
            }
            Step::ColourJitter { brightness, contrast, saturation, hue } => {
                for (setting, x) in [("brightness", brightness), ("contrast", contrast), ("saturation", saturation)] {
                    if !(0.0..=100.0).contains(&x) {
                        return refuse(setting, x.to_string(), "must lie between 0 and 100");
                    }
                }
                match (0.0..=0.5).contains(&hue) {
                    true => Ok(()),
                    false => refuse("hue", hue.to_string(), "must lie between 0 and 0.5"),
                }
            }
            Step::Blur { size, sigma, probability } => {
                if size % 2 == 0 || size > 255 {
                    return refuse("size", size.to_string(), "must be an odd number up to 255");
                }
                factors("sigma", sigma)?;
                share("probability", probability)
            }
            Step::Sharpness { factor } => {
                within("factor", factor, |x| (0.0..=100.0).contains(&x), "must be two ascending numbers from 0 to 100")
            }
            Step::Erase { probability, scale, ratio, fill: _ } => {
                share("probability", probability)?;
                shares(scale)?;
                factors("ratio", ratio)
            }
            Step::RandAugment { operations, magnitude } => match () {
                () if operations > 100 => refuse("operations", operations.to_string(), "must be at most 100"),
                () if magnitude > 30 => refuse("magnitude", magnitude.to_string(), "must be at most 30"),
                () => Ok(()),
            },
            Step::TrivialAugment {} | Step::AutoAugment { policy: _ } => Ok(()),
        }
    }

    /// The name that configurations use.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Resize { .. } => "resize",
            Step::ResizeShorter { .. } => "resize_shorter",
            Step::CentreCrop { .. } => "centre_crop",
            Step::RandomCrop { .. } => "random_crop",
            Step::RandomResizedCrop { .. } => "random_resized_crop",
            Step::HorizontalFlip { .. } => "horizontal_flip",
            Step::VerticalFlip { .. } => "vertical_flip",
            Step::Rotate { .. } => "rotate",
            Step::Affine { .. } => "affine",
            Step::ColourJitter { .. } => "colour_jitter",
            Step::Grey { .. } => "grey",
            Step::Blur { .. } => "blur",
            Step::Sharpness { .. } => "sharpness",
            Step::Invert { .. } => "invert",
            Step::Posterise { .. } => "posterise",
            Step::Solarise { .. } => "solarise",
            Step::Autocontrast { .. } => "autocontrast",
            Step::Equalise { .. } => "equalise",
            Step::Erase { .. } => "erase",
            Step::RandAugment { .. } => "rand_augment",
            Step::TrivialAugment {} => "trivial_augment",
            Step::AutoAugment { .. } => "auto_augment",
        }
    }

    /// Changes a picture. The settings have been checked.
    pub(super) fn apply(&self, mut picture: Picture, chance: &mut Rng) -> Result<Picture, AugmentError> {
        let mut sometimes = |probability: f64, change: &dyn Fn(&mut Picture, &mut Rng)| {
            if happens(chance, probability) {
                change(&mut picture, chance);
            }
        };
        match *self {
            Step::Resize { height, width } => return resize::exact(picture, height, width),
            Step::ResizeShorter { size } => return resize::shorter(picture, size),
            Step::CentreCrop { height, width } => return Ok(crop::centre(&picture, [height, width])),
            Step::RandomCrop { height, width, padding, mode } => {
                return Ok(crop::random(&picture, [height, width], padding, mode, chance));
            }
            Step::RandomResizedCrop { height, width, scale, ratio } => {
                return crop::random_resized(&picture, [height, width], scale, ratio, chance);
            }
            Step::Rotate { degrees, interpolation, fill } => {
                let limits = Limits { degrees, shift: [0.0; 2], scale: [1.0; 2], shear: [0.0; 2] };
                return Ok(affine::random(&picture, &limits, interpolation, fill, chance));
            }
            Step::Affine { degrees, shift, scale, shear, interpolation, fill } => {
                let limits = Limits { degrees, shift, scale, shear };
                return Ok(affine::random(&picture, &limits, interpolation, fill, chance));
            }
            Step::RandAugment { operations, magnitude } => {
                return Ok(policy::rand_augment(picture, operations, magnitude, chance));
            }
            Step::TrivialAugment {} => return Ok(policy::trivial_augment(picture, chance)),
            Step::AutoAugment { policy } => return Ok(policy::auto_augment(picture, policy, chance)),
            Step::ColourJitter { brightness, contrast, saturation, hue } => {
                colour::jitter(&mut picture, &Jitter { brightness, contrast, saturation, hue }, chance);
            }
            Step::Sharpness { factor } => {
                let factor = range(chance, factor);
                filter::sharpness(&mut picture, factor);
            }
            Step::HorizontalFlip { probability } => sometimes(probability, &|picture, _| flip_columns(picture)),
            Step::VerticalFlip { probability } => sometimes(probability, &|picture, _| flip_rows(picture)),
            Step::Grey { probability } => sometimes(probability, &|picture, _| colour::grey(picture)),
            Step::Blur { size, sigma, probability } => sometimes(probability, &|picture, chance| {
                let sigma = range(chance, sigma);
                filter::blur(picture, size, sigma);
            }),
            Step::Invert { probability } => sometimes(probability, &|picture, _| tone::invert(picture)),
            Step::Posterise { bits, probability } => {
                sometimes(probability, &|picture, _| tone::posterise(picture, bits))
            }
            Step::Solarise { threshold, probability } => {
                sometimes(probability, &|picture, _| tone::solarise(picture, threshold.into()));
            }
            Step::Autocontrast { probability } => sometimes(probability, &|picture, _| tone::autocontrast(picture)),
            Step::Equalise { probability } => sometimes(probability, &|picture, _| tone::equalise(picture)),
            Step::Erase { probability, scale, ratio, fill } => {
                sometimes(probability, &|picture, chance| erase(picture, scale, ratio, fill, chance));
            }
        }
        Ok(picture)
    }
}

/// Left for right.
pub(super) fn flip_columns(picture: &mut Picture) {
    let channels = picture.channels.count();
    for row in picture.pixels.chunks_exact_mut(picture.width * channels) {
        match channels {
            1 => row.reverse(),
            _ => row.as_chunks_mut::<3>().0.reverse(),
        }
    }
}

/// Top for bottom.
pub(super) fn flip_rows(picture: &mut Picture) {
    let row = picture.width * picture.channels.count();
    let (upper, lower) = picture.pixels.split_at_mut(picture.height / 2 * row);
    upper.chunks_exact_mut(row).zip(lower.rchunks_exact_mut(row)).for_each(|(a, b)| a.swap_with_slice(b));
}
