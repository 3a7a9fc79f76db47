//! Maps of each channel's 256 levels: as Pillow's `ImageOps` does them.

use crate::images::Picture;

/// Gives each channel's levels others, by a table of the channel's counts of levels.
fn remap(picture: &mut Picture, table: impl Fn(&[u64; 256]) -> [u8; 256]) {
    let channels = picture.channels.count();
    let mut counts = [[0; 256]; 3];
    for pixel in picture.pixels.chunks_exact(channels) {
        pixel.iter().zip(&mut counts).for_each(|(&level, counts)| counts[usize::from(level)] += 1);
    }
    let tables = counts.map(|counts| table(&counts));
    for pixel in picture.pixels.chunks_exact_mut(channels) {
        pixel.iter_mut().zip(&tables).for_each(|(level, table)| *level = table[usize::from(*level)]);
    }
}

/// Gives all levels others.
pub(super) fn levels(picture: &mut Picture, to: impl Fn(u8) -> u8) {
    let table: [u8; 256] = std::array::from_fn(|level| to(level as u8));
    picture.pixels.iter_mut().for_each(|level| *level = table[usize::from(*level)]);
}

const SAME: fn(usize) -> u8 = |level| level as u8;

/// Light for dark.
pub(super) fn invert(picture: &mut Picture) {
    levels(picture, |level| 255 - level);
}

/// The upper `bits` of each level.
pub(super) fn posterise(picture: &mut Picture, bits: u32) {
    let mask = !(0xff_u32 >> bits) as u8;
    levels(picture, |level| level & mask);
}

/// Inverts levels from `threshold` on.
pub(super) fn solarise(picture: &mut Picture, threshold: f64) {
    levels(picture, |level| if f64::from(level) < threshold { level } else { 255 - level });
}

/// Stretches each channel so that its darkest level is black and its lightest is full.
pub(super) fn autocontrast(picture: &mut Picture) {
    remap(picture, |counts| {
        let low = counts.iter().position(|&count| count > 0).unwrap_or(0);
        let high = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        if high <= low {
            return std::array::from_fn(SAME);
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        std::array::from_fn(|level| (level as f64 * scale + offset) as u8)
    });
}

/// Spreads each channel so that its levels are about equally common.
pub(super) fn equalise(picture: &mut Picture) {
    remap(picture, |counts| {
        let last = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        let step = (counts.iter().sum::<u64>() - counts[last]) / 255;
        if step == 0 {
            return std::array::from_fn(SAME);
        }
        let mut below = step / 2;
        std::array::from_fn(|level| {
            let to = (below / step).min(255) as u8;
            below += counts[level];
            to
        })
    });
}
