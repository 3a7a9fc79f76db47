//! Brightness, contrast, saturation and hue: as Pillow's `ImageEnhance` and torchvision do them.

use super::draw::range;
use super::tone::levels;
use crate::images::decode::lightness;
use crate::images::{Channels, Picture};
use mapsto_tensor::Rng;

/// `(1 - factor) * from + factor * to`, cut to a level.
#[inline(always)]
pub(super) fn blend(from: u8, to: u8, factor: f32) -> u8 {
    // A float becomes the nearest level that is no greater; what is outside becomes the nearest end.
    (f32::from(from) + factor * f32::from(i16::from(to) - i16::from(from))) as u8
}

/// Black at 0, unchanged at 1.
pub(super) fn brightness(picture: &mut Picture, factor: f64) {
    levels(picture, |level| blend(0, level, factor as f32));
}

/// All of the mean lightness at 0, unchanged at 1.
pub(super) fn contrast(picture: &mut Picture, factor: f64) {
    let sum: u64 = match picture.channels {
        Channels::Grey => picture.pixels.iter().map(|&level| u64::from(level)).sum(),
        Channels::Rgb => picture.pixels.as_chunks().0.iter().map(|pixel| u64::from(lightness(pixel))).sum(),
    };
    let pixels = (picture.height * picture.width) as u64;
    let mean = ((2 * sum + pixels) / (2 * pixels)) as u8;
    levels(picture, |level| blend(mean, level, factor as f32));
}

/// Grey at 0, unchanged at 1.
pub(super) fn saturation(picture: &mut Picture, factor: f64) {
    if picture.channels == Channels::Rgb {
        for pixel in picture.pixels.as_chunks_mut().0 {
            let grey = lightness(pixel);
            *pixel = pixel.map(|level| blend(grey, level, factor as f32));
        }
    }
}

/// Turns the circle of hues by a fraction of a whole turn, from -0.5 to 0.5.
pub(super) fn hue(picture: &mut Picture, turn: f64) {
    if picture.channels == Channels::Rgb {
        // Whole steps of 1/255 turn, added without carry.
        let steps = (turn * 255.0) as i32 as u8;
        for pixel in picture.pixels.as_chunks_mut().0 {
            let [hue, saturation, value] = to_hsv(*pixel);
            *pixel = from_hsv([hue.wrapping_add(steps), saturation, value]);
        }
    }
}

/// Hue, saturation and value, as levels.
#[inline(always)]
fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most == least {
        return [0, 0, most];
    }
    let span = f32::from(most - least);
    let saturation = span / f32::from(most);
    let [rc, gc, bc] = [r, g, b].map(|level| f32::from(most - level) / span);
    let sixths = match most {
        _ if most == r => bc - gc,
        _ if most == g => (2.0 + f64::from(rc) - f64::from(bc)) as f32,
        _ => (4.0 + f64::from(gc) - f64::from(rc)) as f32,
    };
    let turn = f64::from(sixths) / 6.0 + 1.0;
    let turn = (if turn >= 1.0 { turn - 1.0 } else { turn }) as f32;
    [(f64::from(turn) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

/// Red, green and blue.
#[inline(always)]
fn from_hsv([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixths = f64::from(f32::from(hue)) * 6.0 / 255.0;
    let sixth = sixths as u8;
    let rest = f64::from((sixths - f64::from(sixth)) as f32);
    let pure = f64::from((f64::from(saturation) / 255.0) as f32);
    // Positive, so that adding a half and cutting rounds.
    let level = |part: f64| (f64::from(value) * (1.0 - part) + 0.5) as u8;
    let [p, q, t] = [level(pure), level(f64::from(pure as f32 * rest as f32)), level(pure * (1.0 - rest))];
    match sixth % 6 {
        0 => [value, t, p],
        1 => [q, value, p],
        2 => [p, value, t],
        3 => [p, q, value],
        4 => [t, p, value],
        _ => [value, p, q],
    }
}

/// How much each property varies, as torchvision's `ColorJitter` has it: factors of `1 - x` (not below 0) to `1 + x`, turns of
/// `-hue` to `hue`.
pub(super) struct Jitter {
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    pub hue: f64,
}

/// Changes all four in a random order.
pub(super) fn jitter(picture: &mut Picture, by: &Jitter, chance: &mut Rng) {
    let mut order = [0, 1, 2, 3];
    chance.shuffle(&mut order);
    let about_one = |x: f64| [(1.0 - x).max(0.0), 1.0 + x];
    let ranges = [about_one(by.brightness), about_one(by.contrast), about_one(by.saturation), [-by.hue, by.hue]];
    let drawn = ranges.map(|ends| (ends[0] < ends[1]).then(|| range(chance, ends)));
    for (which, drawn) in order.map(|which| (which, drawn[which])) {
        match (which, drawn) {
            (_, None) => {}
            (0, Some(factor)) => brightness(picture, factor),
            (1, Some(factor)) => contrast(picture, factor),
            (2, Some(factor)) => saturation(picture, factor),
            (_, Some(turn)) => hue(picture, turn),
        }
    }
}

/// Without colours, in as many channels.
pub(super) fn grey(picture: &mut Picture) {
    if picture.channels == Channels::Rgb {
        picture.pixels.as_chunks_mut().0.iter_mut().for_each(|pixel| *pixel = [lightness(pixel); 3]);
    }
}
