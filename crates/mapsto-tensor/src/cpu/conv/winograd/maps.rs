//! The maps of images, results and kernels to and from the elements that are multiplied, along both axes.

use super::algorithm::{Algorithm, Lanes, MOST, MOST_TAPS};
use super::{Channels, Layout, Tiles};
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::strided::Parts;
use std::ops::Range;

/// Tiles that a map takes at once, at most; behind the tiles of a block is room for as many.
pub(super) const LANES: usize = 16;
/// The most tiles along a row.
const COLUMNS: usize = 256;
/// The widest images.
pub(super) const WIDEST: usize = 2 * COLUMNS;
/// The most results of a tile along an axis.
const RESULTS: usize = 4;
/// Elements of a mapped tile, at most.
pub(super) const ELEMENTS: usize = MOST * MOST;

/// How many tiles the next step of a map takes: what is beyond `columns` is overwritten or in the room behind.
macro_rules! by_lanes {
    ($columns:expr, |$x:ident, $n:ident| $body:expr) => {{
        let (mut $x, columns) = (0, $columns);
        while $x < columns {
            match columns - $x {
                9.. => {
                    const $n: usize = LANES;
                    $body;
                    $x += $n;
                }
                5.. => {
                    const $n: usize = 8;
                    $body;
                    $x += $n;
                }
                _ => {
                    const $n: usize = 4;
                    $body;
                    $x += $n;
                }
            }
        }
    }};
}

/// `N` elements from a place on.
#[inline(always)]
fn at<T: Real, const N: usize>(data: &[T], start: usize) -> [T; N] {
    *data[start..].first_chunk().expect("a row is long enough")
}

/// The rows of images under a row of tiles. Elements `m` apart, where tiles begin, lie side by side.
struct Rows<T> {
    /// By the remainder of an element's place by `m`, and by row.
    phases: [[[T; COLUMNS + 2 * LANES]; MOST]; RESULTS],
}

impl<T: Real> Rows<T> {
    #[inline(always)]
    fn new() -> Rows<T> {
        Rows { phases: [[[T::ZERO; COLUMNS + 2 * LANES]; MOST]; RESULTS] }
    }

    /// Takes the first `count` rows, to places from `padding` on; mapped down the rows if `WIDEN`.
    #[inline(always)]
    fn take<F: Algorithm, const WIDEN: bool>(&mut self, rows: &[&[T]; MOST], count: usize, padding: usize) {
        let (len, mut first) = (rows[0].len(), 0);
        while first < len {
            match (len - first) / F::RESULTS {
                LANES.. => self.groups::<F, WIDEN, LANES>(rows, count, &mut first, padding),
                4.. => self.groups::<F, WIDEN, 4>(rows, count, &mut first, padding),
                1.. => self.groups::<F, WIDEN, 1>(rows, count, &mut first, padding),
                0 => {
                    let mut column = [[T::ZERO]; MOST];
                    for r in 0..count {
                        column[r][0] = rows[r][first];
                    }
                    self.put::<F, WIDEN, 1>(column, count, first + padding);
                    first += 1;
                }
            }
        }
    }

    /// Takes `N` groups of `m` elements.
    #[inline(always)]
    fn groups<F: Algorithm, const WIDEN: bool, const N: usize>(
        &mut self,
        rows: &[&[T]; MOST],
        count: usize,
        first: &mut usize,
        padding: usize,
    ) {
        let mut groups = [[[T::ZERO; N]; MOST]; RESULTS];
        for r in 0..count {
            let row = &rows[r][*first..][..N * F::RESULTS];
            for i in 0..N {
                for (j, group) in groups.iter_mut().enumerate().take(F::RESULTS) {
                    group[r][i] = row[F::RESULTS * i + j];
                }
            }
        }
        for (j, group) in groups.into_iter().enumerate().take(F::RESULTS) {
            self.put::<F, WIDEN, N>(group, count, *first + j + padding);
        }
        *first += N * F::RESULTS;
    }

    /// Puts `N` elements of each row, `m` apart, at a place and the following.
    #[inline(always)]
    fn put<F: Algorithm, const WIDEN: bool, const N: usize>(&mut self, x: Lanes<T, N>, count: usize, place: usize) {
        let x = if WIDEN { F::widened(x) } else { x };
        let phase = &mut self.phases[place % F::RESULTS];
        for r in 0..count {
            phase[r][place / F::RESULTS..][..N].copy_from_slice(&x[r]);
        }
    }

    /// Element `j` of `N` tiles from number `tile` on, in row `r`.
    #[inline(always)]
    fn element<F: Algorithm, const N: usize>(&self, r: usize, j: usize, tile: usize) -> [T; N] {
        at(&self.phases[j % F::RESULTS][r], tile + j / F::RESULTS)
    }
}

simd! {
    /// Maps the tiles of some rows of tiles: element `e` of tile `t` of channel `c` goes to `layout`'s place.
    pub(super) fn map_wide<S, T: Real, F: Algorithm>(
        simd: S, x: &[T], tiles: &Tiles, channels: Channels, rows: Range<usize>, to: &mut [T], layout: Layout,
    ) {
        let ([height, width], columns) = (tiles.wide, tiles.grid[1]);
        let (mut taken, zeros) = (Rows::<T>::new(), vec![T::ZERO; width]);
        for channel in 0..channels.count {
            for (r, row) in rows.clone().enumerate() {
                let (image, top) = tiles.place(row);
                let plane = &x[(image * channels.all + channels.first + channel) * height * width..][..height * width];
                let line = |i: usize| match (top + i).checked_sub(tiles.padding[0]) {
                    Some(row) if row < height => &plane[row * width..][..width],
                    _ => &zeros[..],
                };
                taken.take::<F, true>(&std::array::from_fn(line), F::ELEMENTS, tiles.padding[1]);
                let start = layout.channel * channel + r * columns;
                by_lanes!(columns, |x, N| for i in 0..F::ELEMENTS {
                    let mut tile = [[T::ZERO; N]; MOST];
                    for (j, element) in tile.iter_mut().enumerate().take(F::ELEMENTS) {
                        *element = taken.element::<F, N>(i, j, x);
                    }
                    for (j, values) in F::widened(tile).iter().enumerate().take(F::ELEMENTS) {
                        to[(F::ELEMENTS * i + j) * layout.element + start + x..][..N].copy_from_slice(values);
                    }
                });
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
        let (mut taken, zeros) = (Rows::<T>::new(), vec![T::ZERO; width]);
        for channel in 0..channels.count {
            for (r, row) in rows.clone().enumerate() {
                let (image, top) = tiles.place(row);
                let plane = &y[(image * channels.all + channels.first + channel) * height * width..][..height * width];
                let line = |i: usize| if top + i < height { &plane[(top + i) * width..][..width] } else { &zeros[..] };
                taken.take::<F, false>(&std::array::from_fn(line), F::RESULTS, 0);
                let start = layout.channel * channel + r * columns;
                by_lanes!(columns, |x, N| {
                    let mut half = [[[T::ZERO; N]; MOST]; MOST];
                    for i in 0..F::RESULTS {
                        let mut row = [[T::ZERO; N]; MOST];
                        for (j, element) in row.iter_mut().enumerate().take(F::RESULTS) {
                            *element = taken.element::<F, N>(i, j, x);
                        }
                        for (j, values) in F::spread(row).into_iter().enumerate().take(F::ELEMENTS) {
                            half[j][i] = values;
                        }
                    }
                    for (j, column) in half.into_iter().enumerate().take(F::ELEMENTS) {
                        for (i, values) in F::spread(column).iter().enumerate().take(F::ELEMENTS) {
                            to[(F::ELEMENTS * i + j) * layout.element + start + x..][..N].copy_from_slice(values);
                        }
                    }
                });
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
        for channel in 0..channels.count {
            let bias = bias.map_or(T::ZERO, |bias| bias[channels.first + channel]);
            for (r, row) in rows.clone().enumerate() {
                let (image, top) = tiles.place(row);
                let plane = (image * channels.all + channels.first + channel) * height * width;
                let lines = F::RESULTS.min(height - top);
                // SAFETY: these rows of the images come from this row of tiles alone, which is one task's.
                let out = unsafe { out.part(plane + top * width, lines * width) };
                let start = layout.channel * channel + r * columns;
                by_lanes!(columns, |x, N| {
                    let mut half = [[[T::ZERO; N]; MOST]; RESULTS];
                    for j in 0..F::ELEMENTS {
                        let mut column = [[T::ZERO; N]; MOST];
                        for (i, element) in column.iter_mut().enumerate().take(F::ELEMENTS) {
                            *element = at(from, (F::ELEMENTS * i + j) * layout.element + start + x);
                        }
                        for (i, values) in F::narrowed(column).into_iter().enumerate().take(F::RESULTS) {
                            half[i][j] = values;
                        }
                    }
                    for (line, row) in out.chunks_exact_mut(width).zip(half) {
                        let results = F::narrowed(row);
                        let mut side_by_side = [[T::ZERO; RESULTS]; N];
                        let side_by_side = &mut side_by_side.as_flattened_mut()[..F::RESULTS * N];
                        for n in 0..N {
                            for j in 0..F::RESULTS {
                                side_by_side[F::RESULTS * n + j] = results[j][n] + bias;
                            }
                        }
                        let line = &mut line[F::RESULTS * x..];
                        match line.get_mut(..F::RESULTS * N) {
                            Some(line) => line.copy_from_slice(side_by_side),
                            None => line.copy_from_slice(&side_by_side[..line.len()]),
                        }
                    }
                });
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
