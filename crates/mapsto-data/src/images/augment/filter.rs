//! Blurring and sharpening.

use super::colour::blend;
use super::crop::reflected;
use crate::images::Picture;

/// Gaussian blur by a window of `size` pixels, with the picture mirrored at its edges, as torchvision's `gaussian_blur`.
pub(super) fn blur(picture: &mut Picture, size: usize, sigma: f64) {
    let half = (size / 2) as i64;
    let weights: Vec<f64> = (-half..=half).map(|x| (-0.5 * (x as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|weight| (weight / sum) as f32).collect();
    let (channels, row) = (picture.channels.count(), picture.width * picture.channels.count());
    let levels: Vec<f32> = picture.pixels.iter().map(|&level| f32::from(level)).collect();

    // Down the columns, then along the rows, whole rows at a time.
    let mut down = vec![0.0; levels.len()];
    for (y, out) in down.chunks_exact_mut(row).enumerate() {
        for (weight, offset) in weights.iter().zip(-half..) {
            let from = &levels[reflected(y as i64 + offset, picture.height) * row..][..row];
            out.iter_mut().zip(from).for_each(|(out, from)| *out += weight * from);
        }
    }
    let places: Vec<usize> =
        (-half..picture.width as i64 + half).map(|x| reflected(x, picture.width) * channels).collect();
    let mut wide = vec![0.0; (picture.width + 2 * half as usize) * channels];
    let mut sums = vec![0.0; row];
    for (from, out) in down.chunks_exact(row).zip(picture.pixels.chunks_exact_mut(row)) {
        for (wide, &place) in wide.chunks_exact_mut(channels).zip(&places) {
            wide.copy_from_slice(&from[place..place + channels]);
        }
        sums.fill(0.0);
        for (i, weight) in weights.iter().enumerate() {
            sums.iter_mut().zip(&wide[i * channels..]).for_each(|(sum, from)| *sum += weight * from);
        }
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = sum.round_ties_even() as u8);
    }
}

/// Blurred at 0, unchanged at 1, as Pillow's `ImageEnhance.Sharpness`: against means of 3 x 3 pixels in which the middle counts
/// for five, and which the outermost pixels lack.
pub(super) fn sharpness(picture: &mut Picture, factor: f64) {
    let (channels, row) = (picture.channels.count(), picture.width * picture.channels.count());
    if picture.height < 3 || picture.width < 3 {
        return;
    }
    let [outer, inner] = [1.0f32 / 13.0, 5.0 / 13.0];
    let from = picture.pixels.clone();
    for (y, out) in picture.pixels.chunks_exact_mut(row).enumerate().skip(1).take(picture.height - 2) {
        let rows = [y + 1, y, y - 1].map(|y| &from[y * row..][..row]);
        for x in channels..row - channels {
            let sum = |row: &[u8], middle: f32| {
                let [a, b, c] = [row[x - channels], row[x], row[x + channels]].map(f32::from);
                a * outer + b * middle + c * outer
            };
            let smooth = 0.5 + sum(rows[0], outer) + sum(rows[1], inner) + sum(rows[2], outer);
            out[x] = blend(smooth as u8, rows[1][x], factor as f32);
        }
    }
}
