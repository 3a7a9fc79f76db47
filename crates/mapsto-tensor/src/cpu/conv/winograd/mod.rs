//! Kernels of 3 x 3 and 5 x 5 that move by one, in fewer multiplications: Winograd's F(m x m, r x r) (Lavin and Gray, *Fast
//! Algorithms for Convolutional Neural Networks*, 2016).
//!
//! Tiles of n = m + r - 1 elements a side give m x m results. Mapped linearly, tiles and kernels have n² elements each;
//! channels are summed element by element, by n² matrix products, where patches would take r² m²; a linear map gives the
//! results. The gradient with respect to the kernels is the adjoint of that. Larger tiles take fewer products and larger
//! kernels.

mod algorithm;
mod maps;

use super::SCRATCH;
use super::geometry::Geometry;
use crate::cpu::gemm::{Buffer, Mat, MatMut, gemm_serial};
use crate::cpu::real::Real;
use crate::cpu::strided::Parts;
use crate::cpu::threads::{parallel_chunks_mut, parallel_for};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::Writing;
use algorithm::{Algorithm, F23, F25, F43};
use maps::{ELEMENTS, LANES, WIDEST, join_kernels, map_kernels, map_narrow, map_spread, map_wide};
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

/// The fewest channels, and the fewest tiles of 2 x 2 results, for which the maps pay.
const LEAST: [usize; 2] = [12, 48];
/// Elements of a block's mapped tiles: they stay in the L2 cache.
const BLOCK: usize = 160 << 10;
/// Tiles of a block, at least and at most.
const TILES: [usize; 2] = [32, 128];
/// Elements of the mapped tiles whose kernels' gradients are summed at once.
const CHUNK: usize = 512 << 10;
/// The fewest tiles that are summed at once.
const LEAST_CHUNK: usize = 64;
/// What an element of a mapped kernel costs, and one of a mapped tile, in multiply-adds.
const KERNEL_COST: f64 = 120.0;
const TILE_COST: f64 = 38.0;
/// Tasks that keep all threads busy to the end.
const TASKS: usize = 8;
/// Channels that one task maps.
const CHANNELS: usize = 4;

/// Whether the method may be used: 1 or 0, or 2 until the environment has been read.
static ALLOWED: AtomicU8 = AtomicU8::new(2);

/// Whether convolutions may be computed by Winograd's algorithms, which take fewer multiplications and round otherwise:
/// unless the environment variable `MAPSTO_WINOGRAD` is `off` (read once), or [`set_winograd`] changed it.
pub fn winograd() -> bool {
    if ALLOWED.load(Ordering::Relaxed) == 2 {
        let allowed = std::env::var("MAPSTO_WINOGRAD").ok().as_deref() != Some("off");
        // Another thread may have set it meanwhile; that value stands.
        let _ = ALLOWED.compare_exchange(2, allowed.into(), Ordering::Relaxed, Ordering::Relaxed);
    }
    ALLOWED.load(Ordering::Relaxed) == 1
}

/// Allows Winograd's algorithms from now on, or forbids them.
pub fn set_winograd(allowed: bool) {
    ALLOWED.store(allowed.into(), Ordering::Relaxed);
}

/// Results of a tile along an axis, and elements of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tile {
    F23,
    F43,
    F25,
}

/// Runs `$body` with `$f` the algorithm for this tile.
macro_rules! with_algorithm {
    ($tile:expr, $f:ident => $body:expr) => {
        match $tile {
            Tile::F23 => {
                type $f = F23;
                $body
            }
            Tile::F43 => {
                type $f = F43;
                $body
            }
            Tile::F25 => {
                type $f = F25;
                $body
            }
        }
    };
}

impl Tile {
    /// The tile for a convolution of these sizes, if this method is for it.
    pub(super) fn of(g: &Geometry) -> Option<Tile> {
        let fits = g.stride == [1; 3] && g.dilation == [1; 3] && g.image[0] == 1;
        let padding = (0..3).all(|axis| g.padding[axis] < g.kernel[axis]);
        let narrow = g.places[2].max(g.image[2]) <= WIDEST;
        if !(fits && padding && narrow && pays(g) && winograd()) {
            return None;
        }
        match g.kernel {
            [1, 3, 3] if cost::<F43>(g) < cost::<F23>(g) => Some(Tile::F43),
            [1, 3, 3] => Some(Tile::F23),
            [1, 5, 5] => Some(Tile::F25),
            _ => None,
        }
    }
}

/// Whether this method pays for a convolution of these sizes.
fn pays(g: &Geometry) -> bool {
    let of = |sizes: [usize; 3]| {
        let [rows, columns] = [sizes[1].div_ceil(2), sizes[2].div_ceil(2)];
        // Tiles that reach beyond the results cost as much as others.
        let few = 4 * rows * columns * 2 <= 3 * sizes[1] * sizes[2];
        few && g.images * rows * columns >= LEAST[1]
    };
    g.channels.min(g.outputs) >= LEAST[0] && of(g.places) && of(g.image)
}

/// What the convolution costs, in multiply-adds: as measured, with two threads on x86-64.
fn cost<F: Algorithm>(g: &Geometry) -> f64 {
    let tiles = g.images * g.places[1].div_ceil(F::RESULTS) * g.places[2].div_ceil(F::RESULTS);
    let [tiles, c, o] = [tiles, g.channels, g.outputs].map(|n| n as f64);
    elements::<F>() as f64 * (tiles * c * o + KERNEL_COST * c * o + TILE_COST * tiles * (c + o))
}

/// Elements of a mapped tile, and of a mapped kernel.
fn elements<F: Algorithm>() -> usize {
    F::ELEMENTS * F::ELEMENTS
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
    /// Results of a tile along an axis.
    results: usize,
}

impl Tiles {
    /// `planes` is the number of mapped planes that a block has at the same time.
    fn new<F: Algorithm>(
        images: usize,
        wide: [usize; 3],
        narrow: [usize; 3],
        padding: [usize; 2],
        planes: usize,
    ) -> Tiles {
        let grid = [narrow[1].div_ceil(F::RESULTS), narrow[2].div_ceil(F::RESULTS)];
        let all = images * grid[0] * grid[1];
        let most = (BLOCK / (elements::<F>() * planes)).min(all / TASKS).clamp(TILES[0], TILES[1]);
        Tiles {
            wide: [wide[1], wide[2]],
            narrow: [narrow[1], narrow[2]],
            padding,
            grid,
            rows: images * grid[0],
            block: (most / grid[1]).max(1),
            results: F::RESULTS,
        }
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
        (row / self.grid[0], row % self.grid[0] * self.results)
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
}

/// Where mapped tiles lie: how far channels are apart, and elements. Behind the last tile is room for lanes.
#[derive(Clone, Copy)]
struct Layout {
    channel: usize,
    element: usize,
}

/// All kernels `[groups, outputs, channels, r, r]`, mapped: matrices `[groups, elements, outputs, channels]`, or with
/// `across` `[groups, elements, channels, outputs]`.
fn mapped_kernels<T: Real, F: Algorithm>(w: &[T], g: &Geometry, across: bool) -> Result<Writing<T>> {
    let ([c, o], elements, taps) = ([g.channels, g.outputs], elements::<F>(), F::TAPS * F::TAPS);
    let (rows, columns, [row, column]) = if across { (c, o, [taps, taps * c]) } else { (o, c, [taps * c, taps]) };
    let mut mapped = Writing::<T>::new(Shape::new(&[g.groups, elements, rows, columns])?)?;
    let parts = Parts::new(mapped.as_mut());
    parallel_for(g.groups * rows, |task| {
        let (group, index) = (task / rows, task % rows);
        let start = |e: usize| ((group * elements + e) * rows + index) * columns;
        // SAFETY: this row of each matrix is this task's alone.
        let part = |e: usize| if e < elements { unsafe { parts.part(start(e), columns) } } else { &mut [][..] };
        let mut to: [&mut [T]; ELEMENTS] = std::array::from_fn(part);
        map_kernels::<T, F>(&w[group * o * c * taps + index * row..], column, &mut to);
    });
    Ok(mapped)
}

/// A convolution of images of some channels, with the matrix `[outputs, channels]` of each element of the kernels.
fn convolve<'a, T: Real, F: Algorithm>(
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
        let layout = |channels: usize| Layout { channel: count, element: channels * count + LANES };
        let [wide_layout, layout] = [channels, outputs].map(layout);
        let mut scratch = Buffer::take(&SCRATCH);
        let scratch = scratch.get::<T>(elements::<F>() * (wide_layout.element + layout.element));
        let (wide, products) = scratch.split_at_mut(elements::<F>() * wide_layout.element);
        map_wide::<T, F>(x, tiles, from, rows.clone(), wide, wide_layout);
        for e in 0..elements::<F>() {
            let b = Mat::row_major(&wide[e * wide_layout.element..][..channels * count], channels, count);
            let c = &mut products[e * layout.element..][..outputs * count];
            gemm_serial(MatMut::row_major(c, outputs, count), kernel(group, e), b, false);
        }
        map_narrow::<T, F>(products, layout, tiles, to, rows, bias, &out);
    });
}

/// The convolution.
pub(super) fn forward<T: Real>(
    tile: Tile,
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
    out: &mut [T],
) -> Result<()> {
    with_algorithm!(tile, F => forward_by::<T, F>(x, w, bias, g, out))
}

fn forward_by<T: Real, F: Algorithm>(x: &[T], w: &[T], bias: Option<&[T]>, g: &Geometry, out: &mut [T]) -> Result<()> {
    let (c, o) = (g.channels, g.outputs);
    let tiles = Tiles::new::<F>(g.images, g.image, g.places, [g.padding[1], g.padding[2]], c + o);
    let mut mapped = mapped_kernels::<T, F>(w, g, false)?;
    let mapped = &*mapped.as_mut();
    let kernel =
        |group: usize, e: usize| Mat::row_major(&mapped[(group * elements::<F>() + e) * o * c..][..o * c], o, c);
    convolve::<T, F>(x, [c, o], g.groups, &tiles, kernel, bias, out);
    Ok(())
}

/// The transpose: a convolution with kernels upside down.
pub(super) fn transpose<T: Real>(
    tile: Tile,
    y: &[T],
    w: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
    out: &mut [T],
) -> Result<()> {
    with_algorithm!(tile, F => transpose_by::<T, F>(y, w, bias, g, out))
}

fn transpose_by<T: Real, F: Algorithm>(
    y: &[T],
    w: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
    out: &mut [T],
) -> Result<()> {
    let (c, o) = (g.channels, g.outputs);
    let padding = [1, 2].map(|axis| F::TAPS - 1 - g.padding[axis]);
    let tiles = Tiles::new::<F>(g.images, g.places, g.image, padding, c + o);
    let mut mapped = mapped_kernels::<T, F>(w, g, true)?;
    let mapped = &*mapped.as_mut();
    let kernel = |group: usize, e: usize| {
        let e = F::ELEMENTS * F::TURNED[e / F::ELEMENTS] + F::TURNED[e % F::ELEMENTS];
        Mat::row_major(&mapped[(group * elements::<F>() + e) * o * c..][..o * c], c, o)
    };
    convolve::<T, F>(y, [o, c], g.groups, &tiles, kernel, bias, out);
    Ok(())
}

/// The gradient with respect to the kernels: sums over all tiles, in parts that are joined in order.
pub(super) fn weight_grad<T: Real>(tile: Tile, x: &[T], y: &[T], g: &Geometry, out: &mut [T]) -> Result<()> {
    with_algorithm!(tile, F => weight_grad_by::<T, F>(x, y, g, out))
}

fn weight_grad_by<T: Real, F: Algorithm>(x: &[T], y: &[T], g: &Geometry, out: &mut [T]) -> Result<()> {
    let (c, o, elements) = (g.channels, g.outputs, elements::<F>());
    let (inputs, planes) = (g.groups * c, g.groups * (c + o));
    let mut tiles = Tiles::new::<F>(g.images, g.image, g.places, [g.padding[1], g.padding[2]], planes);
    tiles.block = (CHUNK / (elements * planes)).max(LEAST_CHUNK).div_ceil(tiles.grid[1]).min(tiles.rows);
    let element = tiles.block * tiles.grid[1] + LANES;
    let layout = Layout { channel: elements * element, element };
    let mut mapped = Writing::<T>::new(Shape::new(&[planes, elements, element])?)?;
    let mut sums = Writing::<T>::new(Shape::new(&[g.groups, elements, o, c])?)?;
    for block in 0..tiles.blocks() {
        let rows = tiles.block(block);
        parallel_chunks_mut(mapped.as_mut(), CHANNELS * layout.channel, |task, to| {
            for (plane, to) in (task * CHANNELS..).zip(to.chunks_exact_mut(layout.channel)) {
                let (all, first) = if plane < inputs { (inputs, plane) } else { (planes - inputs, plane - inputs) };
                let channels = Channels { all, first, count: 1 };
                if plane < inputs {
                    map_wide::<T, F>(x, &tiles, channels, rows.clone(), to, layout);
                } else {
                    map_spread::<T, F>(y, &tiles, channels, rows.clone(), to, layout);
                }
            }
        });
        let mapped = &*mapped.as_mut();
        let matrix = |plane: usize, count: usize, e: usize| {
            let dims = [count, rows.len() * tiles.grid[1]];
            Mat::new(mapped, plane * layout.channel + e * element, dims, [layout.channel as isize, 1])
        };
        parallel_chunks_mut(sums.as_mut(), o * c, |task, sums| {
            let (group, e) = (task / elements, task % elements);
            let (a, b) = (matrix(inputs + group * o, o, e), matrix(group * c, c, e).t());
            gemm_serial(MatMut::row_major(sums, o, c), a, b, block > 0);
        });
    }
    let sums = &*sums.as_mut();
    parallel_chunks_mut(out, F::TAPS * F::TAPS * c, |row, out| {
        let (group, output) = (row / o, row % o);
        join_kernels::<T, F>(&sums[(group * elements * o + output) * c..], o * c, out);
    });
    Ok(())
}
