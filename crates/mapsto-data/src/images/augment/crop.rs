//! Parts of pictures, at random or from the middle.

use super::AugmentError;
use super::draw::{range, round};
use super::resize::{Region, cut, resized};
use crate::images::Picture;
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// Draws of a region before the middle is taken.
const TRIES: usize = 10;

/// What stands beside a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Black.
    #[default]
    Zero,
    /// The picture mirrored at its outermost pixels.
    Reflect,
}

/// A region of random area and proportions, in another size (Szegedy et al., *Going Deeper with Convolutions*, 2015, as
/// torchvision's `RandomResizedCrop`).
pub(super) fn random_resized(
    picture: &Picture,
    size: [usize; 2],
    scale: [f64; 2],
    ratio: [f64; 2],
    chance: &mut Rng,
) -> Result<Picture, AugmentError> {
    resized(picture, region(picture.height, picture.width, scale, ratio, chance), size[0], size[1])
}

pub(super) fn region(height: usize, width: usize, scale: [f64; 2], ratio: [f64; 2], chance: &mut Rng) -> Region {
    let area = height as f64 * width as f64;
    for _ in 0..TRIES {
        let area = area * range(chance, scale);
        let ratio = range(chance, ratio.map(f64::ln)).exp();
        let (w, h) = (round((area * ratio).sqrt()), round((area / ratio).sqrt()));
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = chance.below((height - h + 1) as u64) as usize;
            let left = chance.below((width - w + 1) as u64) as usize;
            return Region { top, left, height: h, width: w };
        }
    }
    let (mut w, mut h) = (width, height);
    let proportion = width as f64 / height as f64;
    if proportion < ratio[0] {
        h = round(width as f64 / ratio[0]).clamp(1, height);
    } else if proportion > ratio[1] {
        w = round(height as f64 * ratio[1]).clamp(1, width);
    }
    Region { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
}

/// A region at a random place of the picture and `padding` pixels on each side of it, or as many as the region needs.
pub(super) fn random(picture: &Picture, size: [usize; 2], padding: usize, mode: Padding, chance: &mut Rng) -> Picture {
    let places = |from: usize, to: usize| {
        // Where the region is larger than all that, the picture is somewhere inside of it.
        let (low, high) = (-(padding as i64), (from + padding) as i64 - to as i64);
        (low.min(high), low.abs_diff(high) + 1)
    };
    let [(top, rows), (left, columns)] = [places(picture.height, size[0]), places(picture.width, size[1])];
    let (top, left) = (top + chance.below(rows) as i64, left + chance.below(columns) as i64);
    window(picture, top, left, size, mode)
}

/// The middle; black where the picture is smaller.
pub(super) fn centre(picture: &Picture, size: [usize; 2]) -> Picture {
    let place = |from: usize, to: usize| match from >= to {
        true => round((from - to) as f64 / 2.0) as i64,
        false => -(((to - from) / 2) as i64),
    };
    window(picture, place(picture.height, size[0]), place(picture.width, size[1]), size, Padding::Zero)
}

/// Pixels from a place on that may lie outside of the picture.
fn window(picture: &Picture, top: i64, left: i64, size: [usize; 2], mode: Padding) -> Picture {
    let [height, width] = size;
    let inside = |from: i64, len: usize, of: usize| from >= 0 && from as usize + len <= of;
    if inside(top, height, picture.height) && inside(left, width, picture.width) {
        return cut(picture, Region { top: top as usize, left: left as usize, height, width });
    }
    let source = |from: i64, len: usize, of: usize| -> Vec<Option<usize>> {
        let at = |at: i64| match mode {
            Padding::Zero => (0..of as i64).contains(&at).then_some(at as usize),
            Padding::Reflect => Some(reflected(at, of)),
        };
        (from..from + len as i64).map(at).collect()
    };
    let (rows, columns) = (source(top, height, picture.height), source(left, width, picture.width));
    let channels = picture.channels.count();
    let mut pixels = vec![0; height * width * channels];
    for (out, row) in pixels.chunks_exact_mut(width * channels).zip(rows) {
        let Some(row) = row.map(|row| &picture.pixels[row * picture.width * channels..]) else { continue };
        for (out, column) in out.chunks_exact_mut(channels).zip(&columns) {
            if let Some(column) = column {
                out.copy_from_slice(&row[column * channels..][..channels]);
            }
        }
    }
    Picture { height, width, channels: picture.channels, pixels }
}

/// The place inside of `0..len` that a place outside is the mirror image of; the outermost pixels are not repeated.
pub(super) fn reflected(at: i64, len: usize) -> usize {
    let last = len as i64 - 1;
    if last == 0 {
        return 0;
    }
    let at = at.rem_euclid(2 * last);
    at.min(2 * last - at) as usize
}
