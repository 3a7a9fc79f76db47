//! A part of a picture hidden at random (Zhong et al., *Random Erasing Data Augmentation*, 2017).

use super::draw::{range, round};
use crate::images::Picture;
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// Draws of a region before the picture is left as it is.
const TRIES: usize = 10;

/// What is put in the place of pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Random bytes.
    #[default]
    Noise,
    /// This level in every channel.
    Level(u8),
}

/// Hides a region of random area (fractions of the picture's) and proportions (height to width), as torchvision's
/// `RandomErasing` draws them.
pub(super) fn erase(picture: &mut Picture, scale: [f64; 2], ratio: [f64; 2], fill: Fill, chance: &mut Rng) {
    let area = picture.height as f64 * picture.width as f64;
    for _ in 0..TRIES {
        let area = area * range(chance, scale);
        let ratio = range(chance, ratio.map(f64::ln)).exp();
        let (h, w) = (round((area * ratio).sqrt()), round((area / ratio).sqrt()));
        if h >= picture.height || w >= picture.width {
            continue;
        }
        let top = chance.below((picture.height - h + 1) as u64) as usize;
        let left = chance.below((picture.width - w + 1) as u64) as usize;
        let channels = picture.channels.count();
        for row in picture.pixels.chunks_exact_mut(picture.width * channels).skip(top).take(h) {
            for level in &mut row[left * channels..(left + w) * channels] {
                *level = match fill {
                    Fill::Noise => chance.next_u32() as u8,
                    Fill::Level(level) => level,
                };
            }
        }
        return;
    }
}
