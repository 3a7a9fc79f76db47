//! Kernels of 3 x 3 that move by one, in fewer multiplications: Winograd's F(2 x 2, 3 x 3) (Lavin and Gray, *Fast
//! Algorithms for Convolutional Neural Networks*, 2016).
//!
//! Tiles of 4 x 4 elements give 2 x 2 results. Mapped linearly, tiles and kernels have 16 elements each; channels are
//! summed element by element, by 16 matrix products, where patches would take 36; a linear map gives the results. The
//! gradient with respect to the kernels is the adjoint of that.

use super::SCRATCH;
use super::geometry::Geometry;
use crate::cpu::gemm::{Buffer, Mat, MatMut, gemm_serial};
use crate::cpu::isa::simd;
use crate::cpu::real::{Real, c};
use crate::cpu::strided::Parts;
use crate::cpu::threads::{parallel_chunks_mut, parallel_for};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::Writing;
use std::ops::Range;

/// Elements of a mapped tile, and of a mapped kernel.
const ELEMENTS: usize = 16;
/// Tiles that a map takes at once, at most; behind the tiles of a block is room for as many.
const LANES: usize = 16;
/// The most tiles along a row.
const COLUMNS: usize = 256;
/// The fewest channels, and the fewest tiles, for which the maps pay.
const LEAST: [usize; 2] = [12, 48];
/// Elements of a block's mapped tiles: they stay in the L2 cache.
const BLOCK: usize = 160 << 10;
/// Tiles of a block, at least and at most.
const TILES: [usize; 2] = [32, 128];
/// Tasks that keep all threads busy to the end.
const TASKS: usize = 8;
/// Outputs whose kernels one task sums the gradient of.
const OUTPUTS: usize = 64;

/// Whether this method is for a convolution of these sizes.
pub(super) fn suits(g: &Geometry) -> bool {
    let fits = g.kernel == [1, 3, 3] && g.stride == [1; 3] && g.dilation == [1; 3] && g.image[0] == 1;
    let padding = g.padding[0] == 0 && g.padding[1] <= 2 && g.padding[2] <= 2;
    let of = |sizes: [usize; 3]| {
        let [rows, columns] = [sizes[1].div_ceil(2), sizes[2].div_ceil(2)];
        // Tiles that reach beyond the results cost as much as others.
        let few = 4 * rows * columns * 2 <= 3 * sizes[1] * sizes[2];
        few && columns <= COLUMNS && g.images * rows * columns >= LEAST[1]
    };
    fits && padding && g.channels.min(g.outputs) >= LEAST[0] && of(g.places) && of(g.image)
}

/// The tiles of a convolution from images of `wide` to images of `narrow`, or of its gradient.
struct Tiles {
    wide: [usize; 2],
    narrow: [usize; 2],
    padding: [usize; 2],
    /// Tiles along each axis.
    grid: [usize; 2],
    /// Rows of tiles of all images.
    rows: usize,
    /// Rows of tiles of a block.
    block: usize,
}

impl Tiles {
    /// `planes` is the number of mapped planes that a block has at the same time.
    fn new(images: usize, wide: [usize; 3], narrow: [usize; 3], padding: [usize; 2], planes: usize) -> Tiles {
        let grid = [narrow[1].div_ceil(2), narrow[2].div_ceil(2)];
        let all = images * grid[0] * grid[1];
        let most = (BLOCK / (ELEMENTS * planes)).min(all / TASKS).clamp(TILES[0], TILES[1]);
        let block = (most / grid[1]).max(1);
        Tiles { wide: [wide[1], wide[2]], narrow: [narrow[1], narrow[2]], padding, grid, rows: images * grid[0], block }
    }

    fn blocks(&self) -> usize {
        self.rows.div_ceil(self.block)
    }

    /// Rows of tiles of a block.
    fn block(&self, index: usize) -> Range<usize> {
        index * self.block..self.rows.min((index + 1) * self.block)
    }

    /// Image and first row of images of a row of tiles.
    fn place(&self, row: usize) -> (usize, usize) {
        (row / self.grid[0], row % self.grid[0] * 2)
    }
}

/// Some channels of images.
#[derive(Clone, Copy)]
struct Channels {
    /// Of an image.
    all: usize,
    first: usize,
    count: usize,
}

impl Channels {
    fn group(group: usize, groups: usize, count: usize) -> Channels {
        Channels { all: groups * count, first: group * count, count }
    }

    /// Length of one element's part of the mapped tiles of these channels.
    fn pitch(&self, tiles: usize) -> usize {
        self.count * tiles + LANES
    }
}

/// How many tiles the next step of a map takes: what is beyond `left` is overwritten or in the room behind.
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

/// Element by element.
#[inline(always)]
fn each<T: Real, const N: usize>(f: impl Fn(usize) -> T) -> [T; N] {
    let mut all = [T::ZERO; N];
    for (i, x) in all.iter_mut().enumerate() {
        *x = f(i);
    }
    all
}

/// What a tile of 4 is mapped to along one axis.
#[inline(always)]
fn widened<T: Real, const N: usize>([a, b, c, d]: [[T; N]; 4]) -> [[T; N]; 4] {
    [each(|i| a[i] - c[i]), each(|i| b[i] + c[i]), each(|i| c[i] - b[i]), each(|i| b[i] - d[i])]
}

/// What 4 elements of a product are mapped to along one axis.
#[inline(always)]
fn narrowed<T: Real, const N: usize>([a, b, c, d]: [[T; N]; 4]) -> [[T; N]; 2] {
    [each(|i| a[i] + b[i] + c[i]), each(|i| b[i] - c[i] - d[i])]
}

/// The adjoint of [`narrowed`].
#[inline(always)]
fn spread<T: Real, const N: usize>([a, b]: [[T; N]; 2]) -> [[T; N]; 4] {
    [a, each(|i| a[i] + b[i]), each(|i| a[i] - b[i]), each(|i| -b[i])]
}

/// Rows of images, even and odd elements apart.
struct Lines<T> {
    even: [[T; COLUMNS + 2 * LANES]; 4],
    odd: [[T; COLUMNS + 2 * LANES]; 4],
}

impl<T: Real> Lines<T> {
    #[inline(always)]
    fn new() -> Lines<T> {
        let zeros = [[T::ZERO; COLUMNS + 2 * LANES]; 4];
        Lines { even: zeros, odd: zeros }
    }

    /// Takes rows that are mapped across, to places from `padding` on.
    #[inline(always)]
    fn take<const R: usize>(&mut self, rows: [&[T]; R], padding: usize, map: impl Across<T, R>) {
        let half = rows[0].len() / 2;
        let mut x = 0;
        while x < half {
            match half - x {
                LANES.. => self.take_pairs::<R, LANES>(&rows, &mut x, padding, &map),
                4.. => self.take_pairs::<R, 4>(&rows, &mut x, padding, &map),
                _ => self.take_pairs::<R, 1>(&rows, &mut x, padding, &map),
            }
        }
        if !rows[0].len().is_multiple_of(2) {
            let mut last = [[T::ZERO]; R];
            for r in 0..R {
                last[r][0] = rows[r][2 * half];
            }
            let (last, place) = (map.map(last), padding / 2 + half);
            for r in 0..R {
                let line = if padding.is_multiple_of(2) { &mut self.even[r] } else { &mut self.odd[r] };
                line[place] = last[r][0];
            }
        }
    }

    /// Takes `N` pairs of elements from number `x` on.
    #[inline(always)]
    fn take_pairs<const R: usize, const N: usize>(
        &mut self,
        rows: &[&[T]; R],
        x: &mut usize,
        padding: usize,
        map: &impl Across<T, R>,
    ) {
        let (mut first, mut second) = ([[T::ZERO; N]; R], [[T::ZERO; N]; R]);
        for r in 0..R {
            let row = &rows[r][2 * *x..][..2 * N];
            for i in 0..N {
                (first[r][i], second[r][i]) = (row[2 * i], row[2 * i + 1]);
            }
        }
        let (first, second, place) = (map.map(first), map.map(second), padding / 2 + *x);
        for r in 0..R {
            let (even, odd) = (&mut self.even[r], &mut self.odd[r]);
            if padding.is_multiple_of(2) {
                even[place..][..N].copy_from_slice(&first[r]);
                odd[place..][..N].copy_from_slice(&second[r]);
            } else {
                odd[place..][..N].copy_from_slice(&first[r]);
                even[place + 1..][..N].copy_from_slice(&second[r]);
            }
        }
        *x += N;
    }
}

/// A map across rows, for any number of columns.
trait Across<T, const R: usize> {
    fn map<const N: usize>(&self, rows: [[T; N]; R]) -> [[T; N]; R];
}

/// [`widened`].
struct Widen;

impl<T: Real> Across<T, 4> for Widen {
    #[inline(always)]
    fn map<const N: usize>(&self, rows: [[T; N]; 4]) -> [[T; N]; 4] {
        widened(rows)
    }
}

/// No map.
struct Still;

impl<T: Real> Across<T, 2> for Still {
    #[inline(always)]
    fn map<const N: usize>(&self, rows: [[T; N]; 2]) -> [[T; N]; 2] {
        rows
    }
}

simd! {
    /// Maps tiles of 4 x 4 of some rows of tiles: element `e` of tile `t` of channel `c` goes to
    /// `to[e * pitch + c * tiles + t]`.
    fn map_wide<S, T: Real>(simd: S, x: &[T], tiles: &Tiles, channels: Channels, rows: Range<usize>, to: &mut [T]) {
        let ([height, width], columns) = (tiles.wide, tiles.grid[1]);
        let count = rows.len() * columns;
        let (pitch, mut lines, zeros) = (channels.pitch(count), Lines::<T>::new(), [T::ZERO; 2 * COLUMNS + 4]);
        for channel in 0..channels.count {
            for (r, row) in rows.clone().enumerate() {
                let (image, top) = tiles.place(row);
                let plane = &x[(image * channels.all + channels.first + channel) * height * width..][..height * width];
                let line = |i: usize| match (top + i).checked_sub(tiles.padding[0]) {
                    Some(row) if row < height => &plane[row * width..][..width],
                    _ => &zeros[..width],
                };
                lines.take([line(0), line(1), line(2), line(3)], tiles.padding[1], Widen);
                let start = channel * count + r * columns;
                by_lanes!(columns, |x, N| for i in 0..4 {
                    let (even, odd) = (&lines.even[i], &lines.odd[i]);
                    let tile: [[T; N]; 4] = [at(even, x), at(odd, x), at(even, x + 1), at(odd, x + 1)];
                    for (j, values) in widened(tile).iter().enumerate() {
                        to[(4 * i + j) * pitch + start + x..][..N].copy_from_slice(values);
                    }
                });
            }
        }
    }
}

simd! {
    /// Maps gradients of 2 x 2 results, as [`map_wide`] does with elements.
    fn map_spread<S, T: Real>(simd: S, y: &[T], tiles: &Tiles, channels: Channels, rows: Range<usize>, to: &mut [T]) {
        let ([height, width], columns) = (tiles.narrow, tiles.grid[1]);
        let count = rows.len() * columns;
        let (pitch, mut lines, zeros) = (channels.pitch(count), Lines::<T>::new(), [T::ZERO; 2 * COLUMNS]);
        for channel in 0..channels.count {
            for (r, row) in rows.clone().enumerate() {
                let (image, top) = tiles.place(row);
                let plane = &y[(image * channels.all + channels.first + channel) * height * width..][..height * width];
                let second = if top + 1 < height { &plane[(top + 1) * width..][..width] } else { &zeros[..width] };
                lines.take([&plane[top * width..][..width], second], 0, Still);
                let start = channel * count + r * columns;
                by_lanes!(columns, |x, N| {
                    let row = |i: usize| spread::<T, N>([at(&lines.even[i], x), at(&lines.odd[i], x)]);
                    let (upper, lower) = (row(0), row(1));
                    for j in 0..4 {
                        for (i, values) in spread([upper[j], lower[j]]).iter().enumerate() {
                            to[(4 * i + j) * pitch + start + x..][..N].copy_from_slice(values);
                        }
                    }
                });
            }
        }
    }
}

simd! {
    /// Maps products to 2 x 2 results and adds the bias.
    fn map_narrow<S, T: Real>(
        simd: S, from: &[T], tiles: &Tiles, channels: Channels, rows: Range<usize>, bias: Option<&[T]>, out: &Parts<T>,
    ) {
        let ([height, width], columns) = (tiles.narrow, tiles.grid[1]);
        let count = rows.len() * columns;
        let pitch = channels.pitch(count);
        for channel in 0..channels.count {
            let bias = bias.map_or(T::ZERO, |bias| bias[channels.first + channel]);
            for (r, row) in rows.clone().enumerate() {
                let (image, top) = tiles.place(row);
                let plane = (image * channels.all + channels.first + channel) * height * width;
                let lines = 2.min(height - top);
                // SAFETY: these rows of the images come from this row of tiles alone, which is one task's.
                let out = unsafe { out.part(plane + top * width, lines * width) };
                let start = channel * count + r * columns;
                by_lanes!(columns, |x, N| {
                    let at = |i: usize, j: usize| at::<T, N>(from, (4 * i + j) * pitch + start + x);
                    let column = |j: usize| narrowed([at(0, j), at(1, j), at(2, j), at(3, j)]);
                    let half = [column(0), column(1), column(2), column(3)];
                    for (i, line) in out.chunks_exact_mut(width).enumerate() {
                        let [even, odd] = narrowed([half[0][i], half[1][i], half[2][i], half[3][i]]);
                        let mut both = [[T::ZERO; 2]; N];
                        for (n, both) in both.iter_mut().enumerate() {
                            *both = [even[n] + bias, odd[n] + bias];
                        }
                        let line = &mut line[2 * x..];
                        let len = line.len().min(2 * N);
                        line[..len].copy_from_slice(&both.as_flattened()[..len]);
                    }
                });
            }
        }
    }
}

/// What 3 elements of a kernel are mapped to along one axis.
#[inline(always)]
fn mapped<T: Real, const N: usize>([a, b, d]: [[T; N]; 3]) -> [[T; N]; 4] {
    let half = c::<T>(0.5);
    [a, each(|i| (a[i] + d[i] + b[i]) * half), each(|i| (a[i] + d[i] - b[i]) * half), d]
}

/// The adjoint of [`mapped`].
#[inline(always)]
fn joined<T: Real, const N: usize>([a, b, d, e]: [[T; N]; 4]) -> [[T; N]; 3] {
    let half = c::<T>(0.5);
    [each(|i| a[i] + (b[i] + d[i]) * half), each(|i| (b[i] - d[i]) * half), each(|i| (b[i] + d[i]) * half + e[i])]
}

simd! {
    /// Maps the kernels of one output, `from[9 * c..]`, to `to[e][c]`.
    fn map_kernels<S, T: Real>(simd: S, from: &[T], to: &mut [&mut [T]; ELEMENTS]) {
        let count = from.len() / 9;
        for first in (0..count).step_by(LANES) {
            let here = LANES.min(count - first);
            let mut kernels = [[T::ZERO; LANES]; 9];
            for (i, kernel) in from[9 * first..].chunks_exact(9).take(here).enumerate() {
                for e in 0..9 {
                    kernels[e][i] = kernel[e];
                }
            }
            let row = |r: usize| mapped([kernels[3 * r], kernels[3 * r + 1], kernels[3 * r + 2]]);
            let rows = [row(0), row(1), row(2)];
            for j in 0..4 {
                for (i, values) in mapped([rows[0][j], rows[1][j], rows[2][j]]).iter().enumerate() {
                    to[4 * i + j][first..first + here].copy_from_slice(&values[..here]);
                }
            }
        }
    }
}

simd! {
    /// The kernels' gradient of one output from the parts of that of its mapped kernels: element `e` of channel `c` in
    /// part `p` at `sums[p * part + e * element + c]`.
    fn join_kernels<S, T: Real>(
        simd: S, sums: &[T], parts: usize, part: usize, element: usize, out: &mut [T],
    ) {
        let count = out.len() / 9;
        for first in (0..count).step_by(LANES) {
            let here = LANES.min(count - first);
            let mut elements = [[T::ZERO; LANES]; ELEMENTS];
            for (e, total) in elements.iter_mut().enumerate() {
                for p in 0..parts {
                    let from = &sums[p * part + e * element + first..][..here];
                    total.iter_mut().zip(from).for_each(|(total, &x)| *total += x);
                }
            }
            let row = |r: usize| joined([0, 1, 2, 3].map(|s| elements[4 * r + s]));
            let rows = [row(0), row(1), row(2), row(3)];
            let mut kernels = [[T::ZERO; LANES]; 9];
            for s in 0..3 {
                for (r, values) in joined([rows[0][s], rows[1][s], rows[2][s], rows[3][s]]).into_iter().enumerate() {
                    kernels[3 * r + s] = values;
                }
            }
            for (i, out) in out[9 * first..].chunks_exact_mut(9).take(here).enumerate() {
                for e in 0..9 {
                    out[e] = kernels[e][i];
                }
            }
        }
    }
}

/// All kernels, mapped: `[groups, outputs, channels, 3, 3]` to `[groups, 16, outputs, channels]`.
fn mapped_kernels<T: Real>(w: &[T], g: &Geometry) -> Result<Writing<T>> {
    let (channels, outputs) = (g.channels, g.outputs);
    let mut mapped = Writing::<T>::new(Shape::new(&[g.groups, ELEMENTS, outputs, channels])?)?;
    let parts = Parts::new(mapped.as_mut());
    parallel_for(g.groups * outputs, |task| {
        let (group, output) = (task / outputs, task % outputs);
        let row = |e: usize| ((group * ELEMENTS + e) * outputs + output) * channels;
        // SAFETY: this output's rows are this task's alone.
        let mut to = std::array::from_fn(|e| unsafe { parts.part(row(e), channels) });
        map_kernels(&w[task * channels * 9..][..channels * 9], &mut to);
    });
    Ok(mapped)
}

/// A convolution of images of some channels, with the matrix `[outputs, channels]` of each element of the kernels.
fn convolve<'a, T: Real>(
    x: &[T],
    [channels, outputs]: [usize; 2],
    groups: usize,
    tiles: &Tiles,
    kernel: impl Fn(usize, usize) -> Mat<'a, T> + Sync,
    bias: Option<&[T]>,
    out: &mut [T],
) {
    let out = Parts::new(out);
    parallel_for(groups * tiles.blocks(), |task| {
        let (group, rows) = (task / tiles.blocks(), tiles.block(task % tiles.blocks()));
        let count = rows.len() * tiles.grid[1];
        let [from, to] = [channels, outputs].map(|channels| Channels::group(group, groups, channels));
        let mut scratch = Buffer::take(&SCRATCH);
        let scratch = scratch.get::<T>(ELEMENTS * (from.pitch(count) + to.pitch(count)));
        let (wide, products) = scratch.split_at_mut(ELEMENTS * from.pitch(count));
        map_wide(x, tiles, from, rows.clone(), wide);
        for e in 0..ELEMENTS {
            let b = Mat::row_major(&wide[e * from.pitch(count)..][..channels * count], channels, count);
            let c = &mut products[e * to.pitch(count)..][..outputs * count];
            gemm_serial(MatMut::row_major(c, outputs, count), kernel(group, e), b, false);
        }
        map_narrow(products, tiles, to, rows, bias, &out);
    });
}

/// The convolution.
pub(super) fn forward<T: Real>(x: &[T], w: &[T], bias: Option<&[T]>, g: &Geometry, out: &mut [T]) -> Result<()> {
    let (c, o) = (g.channels, g.outputs);
    let tiles = Tiles::new(g.images, g.image, g.places, [g.padding[1], g.padding[2]], c + o);
    let mut mapped = mapped_kernels(w, g)?;
    let mapped = &*mapped.as_mut();
    let kernel = |group: usize, e: usize| Mat::new(mapped, (group * ELEMENTS + e) * o * c, [o, c], [c as isize, 1]);
    convolve(x, [c, o], g.groups, &tiles, kernel, bias, out);
    Ok(())
}

/// The transpose: a convolution with kernels upside down, whose first and last mapped elements have changed places.
pub(super) fn transpose<T: Real>(y: &[T], w: &[T], bias: Option<&[T]>, g: &Geometry, out: &mut [T]) -> Result<()> {
    let (c, o) = (g.channels, g.outputs);
    let tiles = Tiles::new(g.images, g.places, g.image, [2 - g.padding[1], 2 - g.padding[2]], c + o);
    let mut mapped = mapped_kernels(w, g)?;
    let mapped = &*mapped.as_mut();
    let turned = |i: usize| [3, 1, 2, 0][i];
    let kernel = |group: usize, e: usize| {
        let e = 4 * turned(e / 4) + turned(e % 4);
        Mat::new(mapped, (group * ELEMENTS + e) * o * c, [c, o], [1, c as isize])
    };
    convolve(y, [o, c], g.groups, &tiles, kernel, bias, out);
    Ok(())
}

/// The gradient with respect to the kernels: sums over all tiles, in parts that are joined in order.
pub(super) fn weight_grad<T: Real>(x: &[T], y: &[T], g: &Geometry, out: &mut [T]) -> Result<()> {
    let (c, o) = (g.channels, g.outputs);
    let slices = o.div_ceil(OUTPUTS);
    let slice = o.div_ceil(slices);
    let tiles = Tiles::new(g.images, g.image, g.places, [g.padding[1], g.padding[2]], c + slice);
    let parts = (TASKS / (g.groups * slices)).clamp(1, tiles.blocks());
    let mut sums = Writing::<T>::new(Shape::new(&[parts, g.groups, ELEMENTS, o, c])?)?;
    let shared = Parts::new(sums.as_mut());
    parallel_for(parts * g.groups * slices, |task| {
        let (index, group, part) = (task % slices, task / slices % g.groups, task / slices / g.groups);
        let first = index * slice;
        let from = Channels::group(group, g.groups, c);
        let to = Channels { all: g.groups * o, first: group * o + first, count: slice.min(o - first) };
        let most = tiles.block * tiles.grid[1];
        let mut scratch = Buffer::take(&SCRATCH);
        let scratch = scratch.get::<T>(ELEMENTS * (from.pitch(most) + to.pitch(most)));
        let (wide, spread) = scratch.split_at_mut(ELEMENTS * from.pitch(most));
        let blocks = tiles.blocks() * part / parts..tiles.blocks() * (part + 1) / parts;
        for block in blocks.clone() {
            let rows = tiles.block(block);
            let count = rows.len() * tiles.grid[1];
            map_wide(x, &tiles, from, rows.clone(), wide);
            map_spread(y, &tiles, to, rows, spread);
            for e in 0..ELEMENTS {
                let start = (((part * g.groups + group) * ELEMENTS + e) * o + first) * c;
                // SAFETY: these outputs of this part are this task's alone.
                let sums = unsafe { shared.part(start, to.count * c) };
                let a = Mat::row_major(&spread[e * to.pitch(count)..][..to.count * count], to.count, count);
                let b = Mat::row_major(&wide[e * from.pitch(count)..][..c * count], c, count).t();
                gemm_serial(MatMut::row_major(sums, to.count, c), a, b, block > blocks.start);
            }
        }
    });
    let sums = &*sums.as_mut();
    parallel_chunks_mut(out, 9 * c, |row, out| {
        let (group, output) = (row / o, row % o);
        let start = (group * ELEMENTS * o + output) * c;
        join_kernels(&sums[start..], parts, g.groups * ELEMENTS * o * c, o * c, out);
    });
    Ok(())
}
