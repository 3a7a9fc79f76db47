//! The maps of images, results and kernels to and from the elements that are multiplied, along both axes.

use super::algorithm::{Algorithm, Elements, MOST, MOST_TAPS};
use super::{Channels, Layout, Tiles};
use crate::cpu::gemm::{copy_ends, prefetch};
use crate::cpu::isa::simd;
use crate::cpu::lanes::{LANES, Lanes};
use crate::cpu::real::Real;
use crate::cpu::strided::Parts;
use pulp::Simd;
use std::ops::Range;

/// The widest images.
pub(super) const WIDEST: usize = 512;
/// The most results of a tile along an axis.
const RESULTS: usize = 4;
/// Elements of a row under as many tiles, and room for what is copied beyond.
const ROOM: usize = (RESULTS + 1) * LANES;
/// How far ahead mapped kernels and their gradients are asked for.
const AHEAD: usize = 2 * LANES;
/// Elements of a mapped tile, at most.
pub(super) const ELEMENTS: usize = MOST * MOST;

/// Copies a row. Short ones, which are the rule, by their ends: a loop would become a call.
#[inline(always)]
fn copy<T: Real>(from: &[T], to: &mut [T]) {
    assert!(from.len() == to.len());
    let (len, source, target) = (to.len(), from.as_ptr(), to.as_mut_ptr());
    // SAFETY: so many elements of both.
    unsafe {
        match len {
            0..4 => (0..len).for_each(|i| *target.add(i) = *source.add(i)),
            4..=8 => copy_ends::<T, 4>(source, target, len),
            9..=16 => copy_ends::<T, 8>(source, target, len),
            17..=32 => copy_ends::<T, 16>(source, target, len),
            _ => to.copy_from_slice(from),
        }
    }
}

/// The elements of tiles, side by side in a row: the first ones, the second ones and so on. Halved, and halved again:
/// elements so far apart would be gathered one by one.
#[inline(always)]
fn by_element<S: Simd, T: Real, F: Algorithm>(simd: S, row: &[T; ROOM]) -> [Lanes<S, T>; RESULTS] {
    let [first, second] = Lanes::load(simd, row).halves(Lanes::load(simd, &row[LANES..]));
    if F::RESULTS == 2 {
        return [first, second, first, second];
    }
    let [third, fourth] = Lanes::load(simd, &row[2 * LANES..]).halves(Lanes::load(simd, &row[3 * LANES..]));
    let ([even, odd], [more_even, more_odd]) = (first.halves(third), second.halves(fourth));
    [even, more_even, odd, more_odd]
}

/// The opposite of [`by_element`]: the results of the first tile, of the second and so on.
#[inline(always)]
fn side_by_side<S: Simd, T: Real, F: Algorithm>(results: &Elements<S, T>, row: &mut [T; RESULTS * LANES]) {
    let [first, second, third, fourth, ..] = *results;
    if F::RESULTS == 2 {
        let [low, high] = first.zipped(second);
        low.store(row);
        return high.store(&mut row[LANES..]);
    }
    let ([even, more_even], [odd, more_odd]) = (first.zipped(third), second.zipped(fourth));
    let ([a, b], [c, d]) = (even.zipped(odd), more_even.zipped(more_odd));
    a.store(row);
    b.store(&mut row[LANES..]);
    c.store(&mut row[2 * LANES..]);
    d.store(&mut row[3 * LANES..]);
}

/// `f` of those of an algorithm's elements, or of its kernel's, zeros behind.
#[inline(always)]
fn elements<S: Simd, T: Real, const N: usize>(
    simd: S,
    count: usize,
    f: impl Fn(usize) -> Lanes<S, T>,
) -> [Lanes<S, T>; N] {
    let mut elements = [Lanes::zero(simd); N];
    elements.iter_mut().enumerate().take(count).for_each(|(i, lanes)| *lanes = f(i));
    elements
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
                            let row = |i: usize| Lanes::load(simd, &lines.data[start + i * lines.pitch..]);
                            let column = F::widened(elements(simd, F::ELEMENTS, row));
                            for (i, row) in column.iter().enumerate().take(F::ELEMENTS) {
                                row.store(&mut moved[i][F::RESULTS * lane + x..]);
                            }
                        }
                    }
                });
                let start = layout.channel * channel + first;
                for i in 0..F::ELEMENTS {
                    let mut values = [[Lanes::zero(simd); RESULTS]; MOST / 2];
                    for (values, moved) in values.iter_mut().zip(&moved).take(F::ELEMENTS.div_ceil(F::RESULTS)) {
                        *values = by_element::<S, T, F>(simd, &moved[i]);
                    }
                    let value = |j: usize| values[j / F::RESULTS][j % F::RESULTS];
                    let tile = F::widened(elements(simd, F::ELEMENTS, value));
                    for (j, values) in tile.iter().enumerate().take(F::ELEMENTS) {
                        values.store(&mut to[(F::ELEMENTS * i + j) * layout.element + start..]);
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
                            let values = &lines.data[start + i * lines.pitch + x..][..LANES];
                            row[F::RESULTS * lane + x..][..LANES].copy_from_slice(values);
                        }
                    }
                });
                let mut rows = [[Lanes::zero(simd); MOST]; RESULTS];
                for (row, taken) in rows.iter_mut().zip(&taken) {
                    let values = by_element::<S, T, F>(simd, taken);
                    let spread = F::spread(elements(simd, F::RESULTS, |j| values[j]));
                    row.iter_mut().zip(&spread).for_each(|(lanes, spread)| *lanes = *spread);
                }
                let start = layout.channel * channel + first;
                for j in 0..F::ELEMENTS {
                    let column = F::spread(elements(simd, F::RESULTS, |i| rows[i][j]));
                    for (i, values) in column.iter().enumerate().take(F::ELEMENTS) {
                        values.store(&mut to[(F::ELEMENTS * i + j) * layout.element + start..]);
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
            let bias = Lanes::splat(simd, bias.map_or(T::ZERO, |bias| bias[channels.first + channel]));
            for first in (0..rows.len() * columns).step_by(LANES) {
                let start = layout.channel * channel + first;
                let mut half = [[Lanes::zero(simd); MOST]; RESULTS];
                for j in 0..F::ELEMENTS {
                    let value = |i: usize| {
                        Lanes::load(simd, &from[(F::ELEMENTS * i + j) * layout.element + start..])
                    };
                    let column = elements(simd, F::ELEMENTS, value);
                    for (half, values) in half.iter_mut().zip(F::narrowed(column)).take(F::RESULTS) {
                        half[j] = values;
                    }
                }
                for (line, row) in lines.iter_mut().zip(&half).take(F::RESULTS) {
                    let mut results = F::narrowed(elements(simd, F::ELEMENTS, |j| row[j]));
                    for results in &mut results[..F::RESULTS] {
                        *results = *results + bias;
                    }
                    side_by_side::<S, T, F>(&results, line);
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
    /// Maps rows of `columns` kernels, as many as there is room for, to `to[e][kernel]`; `strides` are from row to row and from kernel
    /// to kernel in `from`.
    pub(super) fn map_kernels<S, T: Real, F: Algorithm>(
        simd: S, from: &[T], strides: [usize; 2], columns: usize, to: &mut [&mut [T]; ELEMENTS],
    ) {
        let (taps, rows) = (F::TAPS * F::TAPS, to[0].len() / columns);
        for (first, row) in (0..columns).step_by(LANES).flat_map(|first| (0..rows).map(move |row| (first, row))) {
            let here = LANES.min(columns - first);
            let mut kernels = [[[T::ZERO; LANES]; MOST_TAPS]; MOST_TAPS];
            for i in 0..here {
                let start = row * strides[0] + (first + i) * strides[1];
                // All rows' of the next columns, a part with each row.
                prefetch(from.as_ptr().wrapping_add(start + LANES * strides[1]));
                let kernel = &from[start..][..taps];
                for r in 0..F::TAPS {
                    for s in 0..F::TAPS {
                        kernels[r][s][i] = kernel[F::TAPS * r + s];
                    }
                }
            }
            let mut half = [[Lanes::zero(simd); MOST]; MOST_TAPS];
            for (half, kernels) in half.iter_mut().zip(&kernels).take(F::TAPS) {
                let mapped = F::mapped(elements(simd, F::TAPS, |s| Lanes::new(simd, kernels[s])));
                half.iter_mut().zip(&mapped).for_each(|(lanes, mapped)| *lanes = *mapped);
            }
            let start = row * columns + first;
            for j in 0..F::ELEMENTS {
                let column = F::mapped(elements(simd, F::TAPS, |r| half[r][j]));
                for (i, values) in column.iter().enumerate().take(F::ELEMENTS) {
                    let to = &mut to[F::ELEMENTS * i + j][start..];
                    prefetch(to.as_ptr().wrapping_add(AHEAD));
                    let to = &mut to[..here];
                    match to.first_chunk_mut() {
                        Some(to) => *to = *values.values(),
                        None => to.copy_from_slice(&values.values()[..here]),
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
            let mut rows = [[Lanes::zero(simd); MOST_TAPS]; MOST];
            for (i, row) in rows.iter_mut().enumerate().take(F::ELEMENTS) {
                let value = |j: usize| {
                    let mut values = [T::ZERO; LANES];
                    let sums = &sums[(F::ELEMENTS * i + j) * element + first..];
                    prefetch(sums.as_ptr().wrapping_add(AHEAD));
                    values[..here].copy_from_slice(&sums[..here]);
                    Lanes::new(simd, values)
                };
                let joined = F::joined(elements(simd, F::ELEMENTS, value));
                row.iter_mut().zip(&joined).for_each(|(lanes, joined)| *lanes = *joined);
            }
            for s in 0..F::TAPS {
                let column = F::joined(elements(simd, F::ELEMENTS, |i| rows[i][s]));
                for (r, values) in column.iter().enumerate().take(F::TAPS) {
                    for (i, &value) in values.values().iter().enumerate().take(here) {
                        out[(first + i) * taps + F::TAPS * r + s] = value;
                    }
                }
            }
        }
    }
}
