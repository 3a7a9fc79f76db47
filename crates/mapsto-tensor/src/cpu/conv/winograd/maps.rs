//! The maps of images, results and kernels to and from the elements that are multiplied, along both axes.

use super::algorithm::{Algorithm, Lanes, MOST, MOST_TAPS};
use super::{Channels, Layout, Tiles};
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::strided::Parts;
use std::ops::Range;

/// Tiles that a map takes at once; behind the tiles of a block is room for as many.
pub(super) const LANES: usize = 16;
/// The widest images.
pub(super) const WIDEST: usize = 512;
/// The most results of a tile along an axis.
const RESULTS: usize = 4;
/// Elements of a row under as many tiles, and room for what is copied beyond.
const ROOM: usize = (RESULTS + 1) * LANES;
/// Elements of a mapped tile, at most.
pub(super) const ELEMENTS: usize = MOST * MOST;

/// `N` elements from a place on.
#[inline(always)]
fn at<T: Real, const N: usize>(data: &[T], start: usize) -> [T; N] {
    *data[start..].first_chunk().expect("a row is long enough")
}

/// Copies a row; the last piece may overlap the one before it.
#[inline(always)]
fn copy<T: Real>(from: &[T], to: &mut [T]) {
    match to.len() {
        LANES.. => copy_by::<T, LANES>(from, to),
        8.. => copy_by::<T, 8>(from, to),
        4.. => copy_by::<T, 4>(from, to),
        _ => copy_by::<T, 1>(from, to),
    }
}

/// Copies a row by pieces of `N`, of which it has one at least, or none at all.
#[inline(always)]
fn copy_by<T: Real, const N: usize>(from: &[T], to: &mut [T]) {
    for (from, to) in from.chunks_exact(N).zip(to.chunks_exact_mut(N)) {
        to.copy_from_slice(from);
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut()) {
        *to = *from;
    }
}

/// Even and odd elements.
#[inline(always)]
fn halves<T: Real, const N: usize, const HALF: usize>(x: &[T; N]) -> [[T; HALF]; 2] {
    let [mut even, mut odd] = [[T::ZERO; HALF]; 2];
    for i in 0..HALF {
        (even[i], odd[i]) = (x[2 * i], x[2 * i + 1]);
    }
    [even, odd]
}

/// The elements of tiles, side by side in a row: the first ones, the second ones and so on. Halved, and halved again, by
/// shuffles: elements so far apart would be gathered one by one.
#[inline(always)]
fn by_element<T: Real, F: Algorithm>(row: &[T; ROOM]) -> [[T; LANES]; RESULTS] {
    if F::RESULTS == 2 {
        let [first, second] = halves::<T, { 2 * LANES }, LANES>(row.first_chunk().expect("there is room"));
        return [first, second, [T::ZERO; LANES], [T::ZERO; LANES]];
    }
    let [even, odd] = halves::<T, { 4 * LANES }, { 2 * LANES }>(row.first_chunk().expect("there is room"));
    let ([first, third], [second, fourth]) = (halves(&even), halves(&odd));
    [first, second, third, fourth]
}

/// Every element of the one followed by the other's.
#[inline(always)]
fn zipped<T: Real, const N: usize, const DOUBLE: usize>(x: &[T; N], y: &[T; N]) -> [T; DOUBLE] {
    let mut zipped = [T::ZERO; DOUBLE];
    for i in 0..N {
        (zipped[2 * i], zipped[2 * i + 1]) = (x[i], y[i]);
    }
    zipped
}

/// The opposite of [`by_element`]: the results of the first tile, of the second and so on.
#[inline(always)]
fn side_by_side<T: Real, F: Algorithm>(results: &Lanes<T, LANES>) -> [T; RESULTS * LANES] {
    let [first, second, third, fourth, ..] = results;
    if F::RESULTS == 2 {
        let mut row = [T::ZERO; RESULTS * LANES];
        row[..2 * LANES].copy_from_slice(&zipped::<T, LANES, { 2 * LANES }>(first, second));
        return row;
    }
    let [even, odd] = [zipped::<T, LANES, { 2 * LANES }>(first, third), zipped(second, fourth)];
    zipped(&even, &odd)
}

/// `f` of those of an algorithm's elements, zeros behind.
#[inline(always)]
fn lanes<T: Real>(count: usize, f: impl Fn(usize) -> [T; LANES]) -> Lanes<T, LANES> {
    let mut lanes = [[T::ZERO; LANES]; MOST];
    lanes.iter_mut().enumerate().take(count).for_each(|(i, lanes)| *lanes = f(i));
    lanes
}

/// The rows of one channel under a block of tiles, with zeros around: tiles at the border are read as others are.
struct Bordered<T> {
    data: Vec<T>,
    /// From line to line.
    pitch: usize,
    /// The line at which each row of tiles begins.
    lines: Vec<usize>,
}

impl<T: Real> Bordered<T> {
    /// Room for rows of tiles; each tile reads `overlap` elements of the next.
    #[inline(always)]
    fn new<F: Algorithm>(tiles: &Tiles, rows: Range<usize>, overlap: usize) -> Bordered<T> {
        let mut line = 0;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows.clone() {
            // Tiles of the same image share lines.
            line += if row > rows.start && row % tiles.grid[0] == 0 { overlap } else { 0 };
            lines.push(line);
            line += F::RESULTS;
        }
        let pitch = F::RESULTS * tiles.grid[1] + overlap;
        Bordered { data: vec![T::ZERO; (line + overlap + 1) * pitch + 2 * ROOM], pitch, lines }
    }

    /// Takes the lines of images, which `plane` gives, of `[height, width]` and with `padding` before them.
    #[inline(always)]
    fn take<'a>(
        &mut self,
        tiles: &Tiles,
        rows: Range<usize>,
        [height, width]: [usize; 2],
        padding: [usize; 2],
        overlap: usize,
        plane: impl Fn(usize) -> &'a [T],
    ) where
        T: 'a,
    {
        let width_here = width.min(self.pitch - padding[1]);
        let mut row = rows.start;
        while row < rows.end {
            let (image, top) = tiles.place(row);
            let here = (tiles.grid[0] - row % tiles.grid[0]).min(rows.end - row);
            let (plane, first) = (plane(image), self.lines[row - rows.start]);
            // Lines of the image among those under these tiles.
            let begin = padding[0].saturating_sub(top);
            let end = (here * tiles.results + overlap).min((height + padding[0]).saturating_sub(top));
            for line in begin..end {
                let from = &plane[(top + line - padding[0]) * width..][..width_here];
                copy(from, &mut self.data[(first + line) * self.pitch + padding[1]..][..width_here]);
            }
            row += here;
        }
    }

    /// Calls `f` with the place of a row of tiles and its number of tiles, for those of a batch of tiles from `first` on:
    /// the first lane, where the first tile begins, how many.
    #[inline(always)]
    fn runs<F: Algorithm>(&self, columns: usize, first: usize, mut f: impl FnMut(usize, usize, usize)) {
        let (mut row, mut column, mut lane) = (first / columns, first % columns, 0);
        while lane < LANES && row < self.lines.len() {
            let count = (columns - column).min(LANES - lane);
            f(lane, self.lines[row] * self.pitch + F::RESULTS * column, count);
            lane += count;
            (row, column) = (row + 1, 0);
        }
    }
}

simd! {
    /// Maps the tiles of some rows of tiles: element `e` of tile `t` of channel `c` goes to `layout`'s place.
    pub(super) fn map_wide<S, T: Real, F: Algorithm>(
        simd: S, x: &[T], tiles: &Tiles, channels: Channels, rows: Range<usize>, to: &mut [T], layout: Layout,
    ) {
        let ([height, width], columns, overlap) = (tiles.wide, tiles.grid[1], F::ELEMENTS - F::RESULTS);
        let mut lines = Bordered::<T>::new::<F>(tiles, rows.clone(), overlap);
        // Rows under the tiles, mapped downwards, as they are and moved by one tile and two.
        let mut moved = [[[T::ZERO; ROOM]; MOST]; MOST / 2];
        for channel in 0..channels.count {
            let plane = |image: usize| {
                &x[(image * channels.all + channels.first + channel) * height * width..][..height * width]
            };
            lines.take(tiles, rows.clone(), tiles.wide, tiles.padding, overlap, plane);
            for first in (0..rows.len() * columns).step_by(LANES) {
                lines.runs::<F>(columns, first, |lane, start, count| {
                    for (by, moved) in moved.iter_mut().enumerate().take(F::ELEMENTS.div_ceil(F::RESULTS)) {
                        for x in (0..F::RESULTS * count).step_by(LANES) {
                            let start = start + by * F::RESULTS + x;
                            let column = lanes(F::ELEMENTS, |i| at(&lines.data, start + i * lines.pitch));
                            for (i, row) in F::widened(column).iter().enumerate().take(F::ELEMENTS) {
                                moved[i][F::RESULTS * lane + x..][..LANES].copy_from_slice(row);
                            }
                        }
                    }
                });
                let start = layout.channel * channel + first;
                for i in 0..F::ELEMENTS {
                    let mut elements = [[[T::ZERO; LANES]; RESULTS]; MOST / 2];
                    for (elements, moved) in elements.iter_mut().zip(&moved) {
                        *elements = by_element::<T, F>(&moved[i]);
                    }
                    let tile = lanes(F::ELEMENTS, |j| elements[j / F::RESULTS][j % F::RESULTS]);
                    for (j, values) in F::widened(tile).iter().enumerate().take(F::ELEMENTS) {
                        to[(F::ELEMENTS * i + j) * layout.element + start..][..LANES].copy_from_slice(values);
                    }
                }
            }
        }
    }
}

simd! {
    /// Maps gradients of results, as [`map_wide`] does with elements.
    pub(super) fn map_spread<S, T: Real, F: Algorithm>(
        simd: S, y: &[T], tiles: &Tiles, channels: Channels, rows: Range<usize>, to: &mut [T], layout: Layout,
    ) {
        let ([height, width], columns) = (tiles.narrow, tiles.grid[1]);
        let mut lines = Bordered::<T>::new::<F>(tiles, rows.clone(), 0);
        let mut taken = [[T::ZERO; ROOM]; RESULTS];
        for channel in 0..channels.count {
            let plane = |image: usize| {
                &y[(image * channels.all + channels.first + channel) * height * width..][..height * width]
            };
            lines.take(tiles, rows.clone(), tiles.narrow, [0, 0], 0, plane);
            for first in (0..rows.len() * columns).step_by(LANES) {
                lines.runs::<F>(columns, first, |lane, start, count| {
                    for (i, row) in taken.iter_mut().enumerate().take(F::RESULTS) {
                        for x in (0..F::RESULTS * count).step_by(LANES) {
                            let values: [T; LANES] = at(&lines.data, start + i * lines.pitch + x);
                            row[F::RESULTS * lane + x..][..LANES].copy_from_slice(&values);
                        }
                    }
                });
                let mut rows = [[[T::ZERO; LANES]; MOST]; RESULTS];
                for (row, taken) in rows.iter_mut().zip(&taken) {
                    let elements = by_element::<T, F>(taken);
                    *row = F::spread(lanes(F::RESULTS, |j| elements[j]));
                }
                let start = layout.channel * channel + first;
                for j in 0..F::ELEMENTS {
                    let column = F::spread(lanes(F::RESULTS, |i| rows[i][j]));
                    for (i, values) in column.iter().enumerate().take(F::ELEMENTS) {
                        to[(F::ELEMENTS * i + j) * layout.element + start..][..LANES].copy_from_slice(values);
                    }
                }
            }
        }
    }
}

simd! {
    /// Maps products to results and adds the bias.
    pub(super) fn map_narrow<S, T: Real, F: Algorithm>(
        simd: S, from: &[T], layout: Layout, tiles: &Tiles, channels: Channels, rows: Range<usize>, bias: Option<&[T]>,
        out: &Parts<T>,
    ) {
        let ([height, width], columns) = (tiles.narrow, tiles.grid[1]);
        let mut lines = [[T::ZERO; RESULTS * LANES]; RESULTS];
        for channel in 0..channels.count {
            let bias = bias.map_or(T::ZERO, |bias| bias[channels.first + channel]);
            for first in (0..rows.len() * columns).step_by(LANES) {
                let start = layout.channel * channel + first;
                let mut half = [[[T::ZERO; LANES]; MOST]; RESULTS];
                for j in 0..F::ELEMENTS {
                    let column = lanes(F::ELEMENTS, |i| at(from, (F::ELEMENTS * i + j) * layout.element + start));
                    for (half, values) in half.iter_mut().zip(F::narrowed(column)).take(F::RESULTS) {
                        half[j] = values;
                    }
                }
                for (line, row) in lines.iter_mut().zip(half).take(F::RESULTS) {
                    *line = side_by_side::<T, F>(&F::narrowed(row));
                    line.iter_mut().for_each(|x| *x += bias);
                }
                // Tiles of the same row lie side by side.
                let (mut row, mut column, mut lane) = (rows.start + first / columns, first % columns, 0);
                while lane < LANES && row < rows.end {
                    let (count, (image, top)) = ((columns - column).min(LANES - lane), tiles.place(row));
                    let plane = (image * channels.all + channels.first + channel) * height * width;
                    // SAFETY: these rows of the images come from this row of tiles alone, which is one task's.
                    let out = unsafe { out.part(plane + top * width, F::RESULTS.min(height - top) * width) };
                    let here = F::RESULTS * column..width.min(F::RESULTS * (column + count));
                    for (out, line) in out.chunks_exact_mut(width).zip(&lines) {
                        copy(&line[F::RESULTS * lane..][..here.len()], &mut out[here.clone()]);
                    }
                    lane += count;
                    (row, column) = (row + 1, 0);
                }
            }
        }
    }
}

simd! {
    /// Maps as many kernels as `to` has places, the elements of which begin `stride` apart in `from`, to `to[e][kernel]`.
    pub(super) fn map_kernels<S, T: Real, F: Algorithm>(
        simd: S, from: &[T], stride: usize, to: &mut [&mut [T]; ELEMENTS],
    ) {
        let (count, taps) = (to[0].len(), F::TAPS * F::TAPS);
        for first in (0..count).step_by(LANES) {
            let here = LANES.min(count - first);
            let mut kernels = [[[T::ZERO; LANES]; MOST_TAPS]; MOST_TAPS];
            for i in 0..here {
                let kernel = &from[(first + i) * stride..][..taps];
                for r in 0..F::TAPS {
                    for s in 0..F::TAPS {
                        kernels[r][s][i] = kernel[F::TAPS * r + s];
                    }
                }
            }
            let rows = kernels.map(F::mapped);
            for j in 0..F::ELEMENTS {
                let column = F::mapped(std::array::from_fn(|r| rows[r][j]));
                for (i, values) in column.iter().enumerate().take(F::ELEMENTS) {
                    match to[F::ELEMENTS * i + j][first..].first_chunk_mut() {
                        Some(to) => *to = *values,
                        None => to[F::ELEMENTS * i + j][first..].copy_from_slice(&values[..here]),
                    }
                }
            }
        }
    }
}

simd! {
    /// The kernels' gradient of one output from that of its mapped kernels: element `e` of channel `c` at
    /// `sums[e * element + c]`.
    pub(super) fn join_kernels<S, T: Real, F: Algorithm>(simd: S, sums: &[T], element: usize, out: &mut [T]) {
        let taps = F::TAPS * F::TAPS;
        let count = out.len() / taps;
        for first in (0..count).step_by(LANES) {
            let here = LANES.min(count - first);
            let mut rows = [[[T::ZERO; LANES]; MOST_TAPS]; MOST];
            for (i, row) in rows.iter_mut().enumerate().take(F::ELEMENTS) {
                let mut elements = [[T::ZERO; LANES]; MOST];
                for (j, values) in elements.iter_mut().enumerate().take(F::ELEMENTS) {
                    values[..here].copy_from_slice(&sums[(F::ELEMENTS * i + j) * element + first..][..here]);
                }
                *row = F::joined(elements);
            }
            for s in 0..F::TAPS {
                let column = F::joined(std::array::from_fn(|i| rows[i][s]));
                for (r, values) in column.iter().enumerate().take(F::TAPS) {
                    for (i, &value) in values.iter().enumerate().take(here) {
                        out[(first + i) * taps + F::TAPS * r + s] = value;
                    }
                }
            }
        }
    }
}
