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
use crate::cpu::gemm::{Buffer, Factor, Mat, MatMut, Options, Panels, gemm_serial, gemm_with, panel_widths};
use crate::cpu::lanes::LANES;
use crate::cpu::real::Real;
use crate::cpu::strided::Parts;
use crate::cpu::threads::{num_threads, parallel_chunks_mut, parallel_for};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use algorithm::{Algorithm, F23, F25, F43};
use maps::{ELEMENTS, WIDEST, join_kernels, map_kernels, map_narrow, map_spread, map_wide};
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

/// The fewest channels for which the maps pay.
const LEAST_CHANNELS: usize = 12;
/// The fewest tiles of 2 x 2 results for which they pay, and the fewest if the kernels were mapped before.
const LEAST_TILES: [usize; 2] = [48, 12];
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
/// What an element of a kernel that was mapped before costs, for it is read from afar.
const KEPT_COST: f64 = 20.0;
/// Tasks that keep all threads busy to the end.
const TASKS: usize = 8;
/// Outputs of a task are in multiples of this: the rows of a panel.
const OUTPUTS: usize = 12;
/// Channels that one task maps.
const CHANNELS: usize = 4;
/// Channels whose kernels are mapped across together: they share cache lines.
const ACROSS: usize = 8;
/// Distance of matrices beyond their length: the same places of all of them do not compete for the cache.
const GAP: usize = 5 * LANES;

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
    pub(super) fn of(g: &Geometry, kept: bool) -> Option<Tile> {
        let fits = g.stride == [1; 3] && g.dilation == [1; 3] && g.image[0] == 1;
        let padding = (0..3).all(|axis| g.padding[axis] < g.kernel[axis]);
        let narrow = g.places[2].max(g.image[2]) <= WIDEST;
        if !(fits && padding && narrow && pays(g, kept) && winograd()) {
            return None;
        }
        match g.kernel {
            [1, 3, 3] if cost::<F43>(g, kept) < cost::<F23>(g, kept) => Some(Tile::F43),
            [1, 3, 3] => Some(Tile::F23),
            [1, 5, 5] => Some(Tile::F25),
            _ => None,
        }
    }
}

/// Whether this method pays for a convolution of these sizes.
fn pays(g: &Geometry, kept: bool) -> bool {
    let of = |sizes: [usize; 3]| {
        let [rows, columns] = [sizes[1].div_ceil(2), sizes[2].div_ceil(2)];
        // Tiles that reach beyond the results cost as much as others.
        let few = 4 * rows * columns * 2 <= 3 * sizes[1] * sizes[2];
        few && g.images * rows * columns >= LEAST_TILES[kept as usize]
    };
    g.channels.min(g.outputs) >= LEAST_CHANNELS && of(g.places) && of(g.image)
}

/// What the convolution costs, in multiply-adds: as measured, with two threads on x86-64.
fn cost<F: Algorithm>(g: &Geometry, kept: bool) -> f64 {
    let tiles = g.images * g.places[1].div_ceil(F::RESULTS) * g.places[2].div_ceil(F::RESULTS);
    let [tiles, c, o] = [tiles, g.channels, g.outputs].map(|n| n as f64);
    let kernel_cost = if kept { KEPT_COST } else { KERNEL_COST };
    elements::<F>() as f64 * ((tiles + kernel_cost) * c * o + TILE_COST * tiles * (c + o))
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

/// All kernels, mapped: a matrix for each group and element, `[outputs, channels]`, or `[channels, outputs]`; behind each is a gap unless
/// they are packed.
struct Kernels {
    data: Tensor,
    /// Rows and columns of a matrix.
    dims: [usize; 2],
    /// Rows of a panel, if the matrices are packed.
    panel: Option<usize>,
}

impl Kernels {
    /// Of `[groups, outputs, channels, r, r]`; with `across` matrices have a row for each channel.
    fn new<T: Real, F: Algorithm>(w: &Tensor, g: &Geometry, across: bool) -> Result<Kernels> {
        let ([c, o], name) = ([g.channels, g.outputs], ["mapped", "mapped across"][across as usize]);
        let dims @ [rows, columns] = if across { [c, o] } else { [o, c] };
        let shape = Shape::new(&[g.groups, elements::<F>(), rows * columns + GAP])?;
        if !w.keeps_forms() {
            return Ok(Kernels { data: Kernels::map::<T, F>(w, g, across, shape)?, dims, panel: None });
        }
        // Kept to be read once a pass, from afar: in order.
        let [width, _] = panel_widths::<T>();
        let len = Panels::<T>::len(width, dims);
        let data = w.form(name, Shape::new(&[g.groups, elements::<F>(), len])?, |packed| {
            let mapped = Kernels::map::<T, F>(w, g, across, shape)?;
            let mapped = mapped.as_slice::<T>().unwrap_or_default();
            let mut packed = Writing::<T>::new(packed)?;
            parallel_chunks_mut(packed.as_mut(), len, |i, packed| {
                let matrix = &mapped[i * (rows * columns + GAP)..][..rows * columns];
                Panels::write(Mat::row_major(matrix, rows, columns), width, packed);
            });
            Ok(packed.finish())
        })?;
        Ok(Kernels { data, dims, panel: Some(width) })
    }

    fn map<T: Real, F: Algorithm>(w: &Tensor, g: &Geometry, across: bool, shape: Shape) -> Result<Tensor> {
        let ([c, o], elements, taps) = ([g.channels, g.outputs], elements::<F>(), F::TAPS * F::TAPS);
        let (rows, columns, [row, column]) = if across { (c, o, [taps, taps * c]) } else { (o, c, [taps * c, taps]) };
        let w = w.as_slice::<T>().unwrap_or_default();
        let mut mapped = Writing::<T>::new(shape)?;
        let parts = Parts::new(mapped.as_mut());
        let block = if across { ACROSS } else { 1 };
        parallel_for(g.groups * rows.div_ceil(block), |task| {
            let (group, first) = (task / rows.div_ceil(block), task % rows.div_ceil(block) * block);
            let start = |e: usize| (group * elements + e) * (rows * columns + GAP) + first * columns;
            let len = block.min(rows - first) * columns;
            // SAFETY: these rows of each matrix are this task's alone.
            let part = |e: usize| if e < elements { unsafe { parts.part(start(e), len) } } else { &mut [][..] };
            let mut to: [&mut [T]; ELEMENTS] = std::array::from_fn(part);
            map_kernels::<T, F>(&w[group * o * c * taps + first * row..], [row, column], columns, &mut to);
        });
        Ok(mapped.finish())
    }

    /// C = some rows of the matrix of number `index` times `b`.
    fn multiply<T: Real>(&self, index: usize, rows: Range<usize>, b: Mat<T>, c: &mut [T]) {
        let [all, columns] = self.dims;
        let options = Options { serial: true, ..Options::default() };
        let c = MatMut::row_major(c, rows.len(), b.columns());
        let data = self.data.as_slice::<T>().unwrap_or_default();
        match self.panel {
            Some(width) => {
                let len = Panels::<T>::len(width, self.dims);
                let panels = Panels::new(&data[index * len..][..len], width, self.dims).part(rows);
                gemm_with(c, Factor::Pack(&panels), b.into(), options);
            }
            None => {
                let start = index * (all * columns + GAP) + rows.start * columns;
                let rows = Mat::row_major(&data[start..][..rows.len() * columns], rows.len(), columns);
                gemm_with(c, rows.into(), b.into(), options);
            }
        }
    }
}

/// A convolution of images with kernels, whose element of number `e` is found at `place(e)`.
fn convolve<T: Real, F: Algorithm>(
    x: &[T],
    groups: usize,
    tiles: &Tiles,
    kernels: &Kernels,
    place: impl Fn(usize) -> usize + Sync,
    bias: Option<&[T]>,
    out: &mut [T],
) {
    let ([outputs, channels], out, blocks) = (kernels.dims, Parts::new(out), groups * tiles.blocks());
    // Threads without a block take outputs from others, and map its images once more. Sums stay as they are: no part is a
    // lone row, which products sum otherwise.
    let panels = outputs / OUTPUTS;
    let parts = num_threads().div_ceil(blocks.max(1)).min(panels).max(1);
    let edge = |part: usize| if part == parts { outputs } else { panels * part / parts * OUTPUTS };
    parallel_for(blocks * parts, |task| {
        let (part, block) = (task % parts, task / parts);
        let (group, rows) = (block / tiles.blocks(), tiles.block(block % tiles.blocks()));
        let count = rows.len() * tiles.grid[1];
        let [from, to] = [channels, outputs].map(|channels| Channels::group(group, groups, channels));
        let outputs = edge(part)..edge(part + 1);
        let to = Channels { first: to.first + outputs.start, count: outputs.len(), ..to };
        let layout = |channels: usize| Layout { channel: count, element: channels * count + LANES };
        let [wide_layout, layout] = [channels, to.count].map(layout);
        let mut scratch = Buffer::take(&SCRATCH);
        let scratch = scratch.get::<T>(elements::<F>() * (wide_layout.element + layout.element));
        let (wide, products) = scratch.split_at_mut(elements::<F>() * wide_layout.element);
        map_wide::<T, F>(x, tiles, from, rows.clone(), wide, wide_layout);
        for e in 0..elements::<F>() {
            let b = Mat::row_major(&wide[e * wide_layout.element..][..channels * count], channels, count);
            let c = &mut products[e * layout.element..][..to.count * count];
            kernels.multiply(group * elements::<F>() + place(e), outputs.clone(), b, c);
        }
        map_narrow::<T, F>(products, layout, tiles, to, rows, bias, &out);
    });
}

/// The convolution, or its transpose: a convolution of what it gave, with kernels upside down.
pub(super) fn convolution<T: Real>(
    tile: Tile,
    transposed: bool,
    x: &[T],
    w: &Tensor,
    bias: Option<&[T]>,
    g: &Geometry,
    out: &mut [T],
) -> Result<()> {
    with_algorithm!(tile, F => {
        let padding = [1, 2].map(|axis| if transposed { F::TAPS - 1 - g.padding[axis] } else { g.padding[axis] });
        let (wide, narrow) = if transposed { (g.places, g.image) } else { (g.image, g.places) };
        let tiles = Tiles::new::<F>(g.images, wide, narrow, padding, g.channels + g.outputs);
        let turned = |e: usize| F::ELEMENTS * F::TURNED[e / F::ELEMENTS] + F::TURNED[e % F::ELEMENTS];
        let place = |e: usize| if transposed { turned(e) } else { e };
        convolve::<T, F>(x, g.groups, &tiles, &Kernels::new::<T, F>(w, g, transposed)?, place, bias, out);
        Ok(())
    })
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
    let matrix_len = o * c + GAP;
    let mut sums = Writing::<T>::new(Shape::new(&[g.groups * elements, matrix_len])?)?;
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
        parallel_chunks_mut(sums.as_mut(), matrix_len, |task, sums| {
            let (group, e) = (task / elements, task % elements);
            let (a, b) = (matrix(inputs + group * o, o, e), matrix(group * c, c, e).t());
            gemm_serial(MatMut::row_major(&mut sums[..o * c], o, c), a, b, block > 0);
        });
    }
    let sums = &*sums.as_mut();
    parallel_chunks_mut(out, F::TAPS * F::TAPS * c, |row, out| {
        let (group, output) = (row / o, row % o);
        join_kernels::<T, F>(&sums[group * elements * matrix_len + output * c..], matrix_len, out);
    });
    Ok(())
}
