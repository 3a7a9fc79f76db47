//! Rotation, scaling, shifts and shears.

use super::draw::range;
use crate::images::Picture;
use mapsto_tensor::Rng;
use serde::{Deserialize, Serialize};

/// How a pixel between pixels is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// A mean of the four around it.
    #[default]
    Bilinear,
}

/// A movement of a picture's plane, about a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    /// Clockwise.
    pub degrees: f64,
    /// Pixels to the right and down.
    pub shift: [f64; 2],
    /// Larger than 1 enlarges.
    pub scale: f64,
    /// Degrees, along rows and columns.
    pub shear: [f64; 2],
}

impl Motion {
    pub const NONE: Motion = Motion { degrees: 0.0, shift: [0.0; 2], scale: 1.0, shear: [0.0; 2] };

    /// Where a place of the result comes from: `x' = m0 x + m1 y + m2`, `y' = m3 x + m4 y + m5`. This is torchvision's inverse
    /// of `T C R(angle) S(scale) SHy(shear) SHx(shear) C^-1`.
    fn inverse(&self, [cx, cy]: [f64; 2]) -> [f64; 6] {
        let angle = self.degrees.to_radians();
        let [sx, sy] = self.shear.map(f64::to_radians);
        let a = (angle - sy).cos() / sy.cos();
        let b = -(angle - sy).cos() * sx.tan() / sy.cos() - angle.sin();
        let c = (angle - sy).sin() / sy.cos();
        let d = -(angle - sy).sin() * sx.tan() / sy.cos() + angle.cos();
        let [tx, ty] = self.shift;
        let [d, b, c, a] = [d, -b, -c, a].map(|x| x / self.scale);
        [d, b, d * (-cx - tx) + b * (-cy - ty) + cx, c, a, c * (-cx - tx) + a * (-cy - ty) + cy]
    }
}

/// Limits of what is drawn.
pub(super) struct Limits {
    /// Degrees, both ways.
    pub degrees: f64,
    /// Fractions of width and height, both ways.
    pub shift: [f64; 2],
    pub scale: [f64; 2],
    /// Degrees, both ways.
    pub shear: [f64; 2],
}

/// A movement about the middle, drawn as torchvision's `RandomAffine` draws it.
pub(super) fn random(picture: &Picture, limits: &Limits, how: Interpolation, fill: u8, chance: &mut Rng) -> Picture {
    let mut both_ways = |limit: f64| range(chance, [-limit, limit]);
    let degrees = both_ways(limits.degrees);
    let shift = [limits.shift[0] * picture.width as f64, limits.shift[1] * picture.height as f64];
    let shift = shift.map(|limit| both_ways(limit).round_ties_even());
    let shear = limits.shear.map(&mut both_ways);
    let motion = Motion { degrees, shift, scale: range(chance, limits.scale), shear };
    moved(picture, &motion, middle(picture), how, fill)
}

/// The point that stays where it is when a picture turns.
pub(super) fn middle(picture: &Picture) -> [f64; 2] {
    [picture.width as f64 * 0.5, picture.height as f64 * 0.5]
}

/// The picture moved; `fill` is the level of what was outside. The arithmetic is that of Pillow's `transform`.
pub(super) fn moved(picture: &Picture, motion: &Motion, about: [f64; 2], how: Interpolation, fill: u8) -> Picture {
    let matrix = motion.inverse(about);
    match (how, picture.channels.count()) {
        (Interpolation::Nearest, 1) => nearest::<1>(picture, matrix, fill),
        (Interpolation::Nearest, _) => nearest::<3>(picture, matrix, fill),
        (Interpolation::Bilinear, 1) => bilinear::<1>(picture, matrix, fill),
        (Interpolation::Bilinear, _) => bilinear::<3>(picture, matrix, fill),
    }
}

fn nearest<const C: usize>(picture: &Picture, m: [f64; 6], fill: u8) -> Picture {
    // Places are whole numbers of 1/65536 pixel.
    let fixed = |x: f64| (x * 65536.0 + 0.5).floor() as i64;
    let [m0, m1, m3, m4] = [m[0], m[1], m[3], m[4]].map(fixed);
    let (x, y) = (fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), fixed(m[5] + m[3] * 0.5 + m[4] * 0.5));
    let from = picture.pixels.as_chunks::<C>().0;
    let mut out = filled(picture, fill);
    for (i, pixel) in out.pixels.as_chunks_mut::<C>().0.iter_mut().enumerate() {
        let (row, column) = ((i / picture.width) as i64, (i % picture.width) as i64);
        let (x, y) = ((x + m0 * column + m1 * row) >> 16, (y + m3 * column + m4 * row) >> 16);
        if (0..picture.width as i64).contains(&x) && (0..picture.height as i64).contains(&y) {
            *pixel = from[y as usize * picture.width + x as usize];
        }
    }
    out
}

fn bilinear<const C: usize>(picture: &Picture, m: [f64; 6], fill: u8) -> Picture {
    let (height, width) = (picture.height as f64, picture.width as f64);
    let from = picture.pixels.as_chunks::<C>().0;
    let mut out = filled(picture, fill);
    let rows = out.pixels.as_chunks_mut::<C>().0.chunks_exact_mut(picture.width);
    for (row, pixels) in rows.enumerate() {
        for (column, pixel) in pixels.iter_mut().enumerate() {
            let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
            let (x, y) = (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]);
            if !(x >= 0.0 && x < width && y >= 0.0 && y < height) {
                continue;
            }
            let (x, y) = (x - 0.5, y - 0.5);
            let (left, top) = (x.floor(), y.floor());
            let (dx, dy) = (x - left, y - top);
            let at = |place: f64, len: usize| (place.max(0.0) as usize).min(len - 1);
            let (x0, x1) = (at(left, picture.width), at(left + 1.0, picture.width));
            let (y0, y1) = (at(top, picture.height) * picture.width, at(top + 1.0, picture.height) * picture.width);
            let [a, b, c, d] = [from[y0 + x0], from[y0 + x1], from[y1 + x0], from[y1 + x1]];
            let between = |a: f64, b: f64, part: f64| a + (b - a) * part;
            *pixel = std::array::from_fn(|channel| {
                let [a, b, c, d] = [a, b, c, d].map(|pixel| f64::from(pixel[channel]));
                between(between(a, b, dx), between(c, d, dx), dy) as u8
            });
        }
    }
    out
}

fn filled(like: &Picture, fill: u8) -> Picture {
    Picture { pixels: vec![fill; like.pixels.len()], ..*like }
}
