//! Sequences of operations that were found or drawn: AutoAugment, RandAugment and TrivialAugment, in torchvision's spaces.

use super::affine::{Interpolation, Motion, middle, moved};
use super::draw::happens;
use super::{colour, filter, tone};
use crate::images::Picture;
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// An operation of a policy; what it does is told by a magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Colour,
    Contrast,
    Sharpness,
    Posterise,
    Solarise,
    Autocontrast,
    Equalise,
    Invert,
}
use Operation::*;

impl Operation {
    /// All of them; those that only AutoAugment has come last.
    pub(super) const ALL: [Operation; 15] = [
        Identity,
        ShearX,
        ShearY,
        TranslateX,
        TranslateY,
        Rotate,
        Brightness,
        Colour,
        Contrast,
        Sharpness,
        Posterise,
        Solarise,
        Autocontrast,
        Equalise,
        Invert,
    ];
}

/// What RandAugment and TrivialAugment draw from.
const DRAWN: &[Operation] = Operation::ALL.split_at(14).0;

/// How far the operations go.
pub(super) struct Space {
    /// Numbers of levels of a magnitude.
    bins: usize,
    shear: f32,
    /// Pixels, or else 150/331 of the side (the share that AutoAugment had).
    translate: Option<f32>,
    rotate: f32,
    /// Brightness, colour, contrast and sharpness.
    enhance: f32,
    /// Bits that are taken away at most.
    posterise: f32,
}

/// The space of AutoAugment and RandAugment.
pub(super) const fn usual(bins: usize) -> Space {
    Space { bins, shear: 0.3, translate: None, rotate: 30.0, enhance: 0.9, posterise: 4.0 }
}

/// The wide space of TrivialAugment.
pub(super) const WIDE: Space =
    Space { bins: 31, shear: 0.99, translate: Some(32.0), rotate: 135.0, enhance: 0.99, posterise: 6.0 };

impl Space {
    /// The magnitude of a level, and whether it has a sign.
    pub fn magnitude(&self, operation: Operation, level: usize, height: usize, width: usize) -> (f64, bool) {
        let pixels = |side: usize| self.translate.unwrap_or((150.0 / 331.0 * side as f64) as f32);
        let up_to = |end: f32| (f64::from(self.spaced(0.0, end, level)), true);
        match operation {
            ShearX | ShearY => up_to(self.shear),
            TranslateX => up_to(pixels(width)),
            TranslateY => up_to(pixels(height)),
            Rotate => up_to(self.rotate),
            Brightness | Colour | Contrast | Sharpness => up_to(self.enhance),
            Posterise => {
                let taken = level as f32 / ((self.bins - 1) as f64 / f64::from(self.posterise)) as f32;
                (8.0 - f64::from(taken.round_ties_even()), false)
            }
            Solarise => (f64::from(self.spaced(255.0, 0.0, level)), false),
            Identity | Autocontrast | Equalise | Invert => (0.0, false),
        }
    }

    /// One of `bins` numbers from `start` to `end`, rounded as `torch.linspace` does: whole pixels are cut from it.
    fn spaced(&self, start: f32, end: f32, level: usize) -> f32 {
        let step = (end - start) / (self.bins - 1) as f32;
        let left = self.bins - 1 - level;
        match level < self.bins / 2 {
            true => step.mul_add(level as f32, start),
            false => (-step).mul_add(left as f32, end),
        }
    }
}

/// Does an operation.
pub(super) fn operate(mut picture: Picture, operation: Operation, magnitude: f64) -> Picture {
    let motion = match operation {
        ShearX => Some((Motion { shear: [magnitude.atan().to_degrees(), 0.0], ..Motion::NONE }, [0.0; 2])),
        ShearY => Some((Motion { shear: [0.0, magnitude.atan().to_degrees()], ..Motion::NONE }, [0.0; 2])),
        TranslateX => Some((Motion { shift: [magnitude.trunc(), 0.0], ..Motion::NONE }, middle(&picture))),
        TranslateY => Some((Motion { shift: [0.0, magnitude.trunc()], ..Motion::NONE }, middle(&picture))),
        // Against the clock, as torchvision's `rotate`.
        Rotate => Some((Motion { degrees: -magnitude, ..Motion::NONE }, middle(&picture))),
        _ => None,
    };
    if let Some((motion, about)) = motion {
        return moved(&picture, &motion, about, Interpolation::Nearest, 0);
    }
    match operation {
        Brightness => colour::brightness(&mut picture, 1.0 + magnitude),
        Colour => colour::saturation(&mut picture, 1.0 + magnitude),
        Contrast => colour::contrast(&mut picture, 1.0 + magnitude),
        Sharpness => filter::sharpness(&mut picture, 1.0 + magnitude),
        Posterise => tone::posterise(&mut picture, magnitude as u32),
        Solarise => tone::solarise(&mut picture, magnitude),
        Autocontrast => tone::autocontrast(&mut picture),
        Equalise => tone::equalise(&mut picture),
        Invert => tone::invert(&mut picture),
        Identity | ShearX | ShearY | TranslateX | TranslateY | Rotate => {}
    }
    picture
}

/// An operation at a level, with the magnitude's sign drawn.
fn at_level(picture: Picture, space: &Space, operation: Operation, level: usize, chance: &mut Rng) -> Picture {
    let (magnitude, signed) = space.magnitude(operation, level, picture.height, picture.width);
    let sign = if signed && chance.below(2) == 1 { -1.0 } else { 1.0 };
    operate(picture, operation, sign * magnitude)
}

/// `operations` drawn operations one after another, all at one level of 31 (Cubuk et al., *RandAugment*, 2019).
pub(super) fn rand_augment(picture: Picture, operations: usize, level: usize, chance: &mut Rng) -> Picture {
    (0..operations).fold(picture, |picture, _| {
        let operation = DRAWN[chance.below(DRAWN.len() as u64) as usize];
        at_level(picture, &usual(31), operation, level, chance)
    })
}

/// One drawn operation at a drawn level (Müller and Hutter, *TrivialAugment*, 2021, wide).
pub(super) fn trivial_augment(picture: Picture, chance: &mut Rng) -> Picture {
    let operation = DRAWN[chance.below(DRAWN.len() as u64) as usize];
    let level = chance.below(WIDE.bins as u64) as usize;
    at_level(picture, &WIDE, operation, level, chance)
}

/// The data that a policy was found on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// CIFAR-10: small photos.
    Cifar10,
    /// ImageNet: photos.
    #[default]
    Imagenet,
}

/// An operation, its probability and its level of ten.
type Stage = (Operation, f64, usize);

/// One of a policy's 25 pairs of operations (Cubuk et al., *AutoAugment*, 2018).
pub(super) fn auto_augment(mut picture: Picture, policy: Policy, chance: &mut Rng) -> Picture {
    let pairs = policy.pairs();
    for (operation, probability, level) in pairs[chance.below(pairs.len() as u64) as usize] {
        if happens(chance, probability) {
            picture = at_level(picture, &usual(10), operation, level, chance);
        }
    }
    picture
}

impl Policy {
    pub(super) fn pairs(self) -> &'static [[Stage; 2]; 25] {
        match self {
            Policy::Cifar10 => &CIFAR10,
            Policy::Imagenet => &IMAGENET,
        }
    }
}

#[rustfmt::skip]
const CIFAR10: [[Stage; 2]; 25] = [
    [(Invert, 0.1, 0), (Contrast, 0.2, 6)],
    [(Rotate, 0.7, 2), (TranslateX, 0.3, 9)],
    [(Sharpness, 0.8, 1), (Sharpness, 0.9, 3)],
    [(ShearY, 0.5, 8), (TranslateY, 0.7, 9)],
    [(Autocontrast, 0.5, 0), (Equalise, 0.9, 0)],
    [(ShearY, 0.2, 7), (Posterise, 0.3, 7)],
    [(Colour, 0.4, 3), (Brightness, 0.6, 7)],
    [(Sharpness, 0.3, 9), (Brightness, 0.7, 9)],
    [(Equalise, 0.6, 0), (Equalise, 0.5, 0)],
    [(Contrast, 0.6, 7), (Sharpness, 0.6, 5)],
    [(Colour, 0.7, 7), (TranslateX, 0.5, 8)],
    [(Equalise, 0.3, 0), (Autocontrast, 0.4, 0)],
    [(TranslateY, 0.4, 3), (Sharpness, 0.2, 6)],
    [(Brightness, 0.9, 6), (Colour, 0.2, 8)],
    [(Solarise, 0.5, 2), (Invert, 0.0, 0)],
    [(Equalise, 0.2, 0), (Autocontrast, 0.6, 0)],
    [(Equalise, 0.2, 0), (Equalise, 0.6, 0)],
    [(Colour, 0.9, 9), (Equalise, 0.6, 0)],
    [(Autocontrast, 0.8, 0), (Solarise, 0.2, 8)],
    [(Brightness, 0.1, 3), (Colour, 0.7, 0)],
    [(Solarise, 0.4, 5), (Autocontrast, 0.9, 0)],
    [(TranslateY, 0.9, 9), (TranslateY, 0.7, 9)],
    [(Autocontrast, 0.9, 0), (Solarise, 0.8, 3)],
    [(Equalise, 0.8, 0), (Invert, 0.1, 0)],
    [(TranslateY, 0.7, 9), (Autocontrast, 0.9, 0)],
];

#[rustfmt::skip]
const IMAGENET: [[Stage; 2]; 25] = [
    [(Posterise, 0.4, 8), (Rotate, 0.6, 9)],
    [(Solarise, 0.6, 5), (Autocontrast, 0.6, 0)],
    [(Equalise, 0.8, 0), (Equalise, 0.6, 0)],
    [(Posterise, 0.6, 7), (Posterise, 0.6, 6)],
    [(Equalise, 0.4, 0), (Solarise, 0.2, 4)],
    [(Equalise, 0.4, 0), (Rotate, 0.8, 8)],
    [(Solarise, 0.6, 3), (Equalise, 0.6, 0)],
    [(Posterise, 0.8, 5), (Equalise, 1.0, 0)],
    [(Rotate, 0.2, 3), (Solarise, 0.6, 8)],
    [(Equalise, 0.6, 0), (Posterise, 0.4, 6)],
    [(Rotate, 0.8, 8), (Colour, 0.4, 0)],
    [(Rotate, 0.4, 9), (Equalise, 0.6, 0)],
    [(Equalise, 0.0, 0), (Equalise, 0.8, 0)],
    [(Invert, 0.6, 0), (Equalise, 1.0, 0)],
    [(Colour, 0.6, 4), (Contrast, 1.0, 8)],
    [(Rotate, 0.8, 8), (Colour, 1.0, 2)],
    [(Colour, 0.8, 8), (Solarise, 0.8, 7)],
    [(Sharpness, 0.4, 7), (Invert, 0.6, 0)],
    [(ShearX, 0.6, 5), (Equalise, 1.0, 0)],
    [(Colour, 0.4, 0), (Equalise, 0.6, 0)],
    [(Equalise, 0.4, 0), (Solarise, 0.2, 4)],
    [(Solarise, 0.6, 5), (Autocontrast, 0.6, 0)],
    [(Invert, 0.6, 0), (Equalise, 1.0, 0)],
    [(Colour, 0.6, 4), (Contrast, 1.0, 8)],
    [(Equalise, 0.8, 0), (Equalise, 0.6, 0)],
];
