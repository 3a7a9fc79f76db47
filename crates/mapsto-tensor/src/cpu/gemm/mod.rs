//! Matrix product, C = A·B or C += A·B, for any strides.
//!
//! The method is that of BLIS: panels of A and B are packed so that a microkernel, which holds a tile of C in
//! registers, reads them in order. The tile's vectors lie along C's columns; a C that is contiguous the other way
//! is computed as its transpose. Packing is left out where it does not pay.
//!
//! Every element of C is one chain of multiply-adds in the order of k, in blocks of k fixed by the sizes alone.
//! Threads split C only, so results do not depend on how many there are.

mod element;
mod matrix;
mod pack;
mod scratch;
#[cfg(test)]
mod tests;

pub(crate) use element::GemmElement;
pub(crate) use matrix::{Mat, MatMut};
pub(crate) use pack::{Pack, Panels, copy_ends, prefetch, transpose_4};
pub(crate) use scratch::{Buffer, CacheLine};

use crate::cpu::isa::simd;
use crate::cpu::threads::{num_threads, parallel_chunks_mut, parallel_for};
use matrix::{check_apart, check_span, swapped};
use pack::{pack_all, pack_panels};
use pulp::Simd;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;

thread_local! {
    static A_BUFFER: Cell<Vec<CacheLine>> = const { Cell::new(Vec::new()) };
    static B_BUFFER: Cell<Vec<CacheLine>> = const { Cell::new(Vec::new()) };
}

/// The longest block of k.
const K_BLOCK: usize = 512;
/// The most columns of B that are packed at once (all threads together).
const COLUMN_BLOCK: usize = 2048;
/// The most columns that one task works on: their packed block stays in the L2 cache.
const TASK_COLUMNS: usize = 256;
/// Multiply-adds that make a task worth its hand-over: some five microseconds.
const TASK_WORK: usize = 1 << 18;
/// Elements that make a packing task worth its hand-over.
const PACK_WORK: usize = 1 << 15;
/// Rows of A up to which a B with contiguous rows is read in place.
const DIRECT_B_ROWS: usize = 128;
/// Columns of B, in panels, up to which any A is read in place; one with contiguous rows is beyond that too.
const DIRECT_A_PANELS: usize = 2;
/// Rows that are a multiple of this many bytes apart compete for the same few places in the L1 cache.
const ALIASING: usize = 4096;
/// Elements of the largest tile: 12 rows of two vectors of 16.
const MAX_TILE: usize = 12 * 32;
/// Tiles of A that are packed at once.
const PACK_TILES: usize = 4;
/// Tasks that there are at least before their tiles are packed together.
const LEAST_TASKS: usize = 4;
/// How many steps ahead a microkernel asks for B.
const B_AHEAD: isize = 8;
/// Steps of k that are worth a part of a microkernel's.
const LEAST_PART: usize = 8;
/// Columns that one matrix-vector task works on.
const VECTOR_COLUMNS: usize = 128;

/// One factor of a product.
#[derive(Clone, Copy)]
pub(crate) enum Factor<'a, T> {
    /// A strided matrix.
    Mat(Mat<'a, T>),
    /// Whatever the packer packs.
    Pack(&'a dyn Pack<T>),
    /// Rows that begin anywhere in an array.
    Shifted(Shifted<'a, T>),
}

/// A second factor whose element `(k, j)` is `data[offsets[k] + starts[j / width] + j % width]`, where `width` is that of its
/// panels (see [`panel_widths`]).
pub(crate) struct Shifted<'a, T> {
    data: &'a [T],
    offsets: &'a [usize],
    starts: &'a [usize],
    columns: usize,
}

impl<T> Clone for Shifted<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shifted<'_, T> {}

impl<'a, T: GemmElement> Shifted<'a, T> {
    /// Panics where panels are missing, or where one of them, as a whole, reaches beyond `data`.
    pub(crate) fn new(data: &'a [T], offsets: &'a [usize], starts: &'a [usize], columns: usize) -> Self {
        let (width, last) = (tile_shape::<T>().1, |all: &[usize]| all.iter().copied().max().unwrap_or(0));
        assert!(starts.len() == columns.div_ceil(width), "a shifted factor has a start for each panel");
        assert!(last(offsets) + last(starts) + width <= data.len(), "a shifted panel lies outside its data");
        Shifted { data, offsets, starts, columns }
    }

    /// Where the panel of a column begins in each row.
    fn start(&self, column: usize, width: usize) -> usize {
        self.starts[column / width]
    }
}

impl<'a, T> From<Mat<'a, T>> for Factor<'a, T> {
    fn from(mat: Mat<'a, T>) -> Self {
        Factor::Mat(mat)
    }
}

/// What is done to C beyond the product.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a, T> {
    /// Add the product to what C holds.
    pub(crate) accumulate: bool,
    /// Added at the end: one value for each row of C.
    pub(crate) row_bias: Option<&'a [T]>,
    /// Added at the end: one value for each column of C.
    pub(crate) col_bias: Option<&'a [T]>,
    /// Replace negative results by zero, after the biases.
    pub(crate) relu: bool,
    /// Stay on the calling thread.
    pub(crate) serial: bool,
}

impl<T> Default for Options<'_, T> {
    fn default() -> Self {
        Options { accumulate: false, row_bias: None, col_bias: None, relu: false, serial: false }
    }
}

/// C = A·B, or C += A·B, on all threads.
pub(crate) fn gemm<T: GemmElement>(c: MatMut<T>, a: Mat<T>, b: Mat<T>, accumulate: bool) {
    gemm_with(c, a.into(), b.into(), Options { accumulate, ..Options::default() });
}

/// [`gemm`] on the calling thread, with the same result to the bit.
pub(crate) fn gemm_serial<T: GemmElement>(c: MatMut<T>, a: Mat<T>, b: Mat<T>, accumulate: bool) {
    gemm_with(c, a.into(), b.into(), Options { accumulate, serial: true, ..Options::default() });
}

/// The product with everything to choose. Panics when the shapes do not agree.
pub(crate) fn gemm_with<T: GemmElement>(c: MatMut<T>, a: Factor<T>, b: Factor<T>, options: Options<T>) {
    let (a, rows, depth) = match a {
        Factor::Mat(a) => (Source::rows(a), a.dims[0], a.dims[1]),
        Factor::Pack(p) => (Source::Pack(p), p.count(), p.depth()),
        Factor::Shifted(s) => (Source::Shifted(s), s.columns, s.offsets.len()),
    };
    let (b, cols, b_depth) = match b {
        Factor::Mat(b) => (Source::rows(b.t()), b.dims[1], b.dims[0]),
        Factor::Pack(p) => (Source::Pack(p), p.count(), p.depth()),
        Factor::Shifted(s) => (Source::Shifted(s), s.columns, s.offsets.len()),
    };
    assert!(c.dims == [rows, cols] && depth == b_depth, "shapes of a matrix product");
    assert!(options.row_bias.is_none_or(|bias| bias.len() == rows), "length of the row bias");
    assert!(options.col_bias.is_none_or(|bias| bias.len() == cols), "length of the column bias");
    let product = Product { c: c.data.wrapping_add(c.offset), dims: c.dims, strides: c.strides, depth, a, b, options };
    product.oriented().run();
}

/// One product for each index of the batch dimensions `dims`; each factor comes with its first matrix and the strides
/// of the batch dimensions.
///
/// Panics when the shapes do not agree or a matrix lies outside its data, or when matrices of C may overlap.
pub(crate) fn gemm_batch<T: GemmElement>(
    dims: &[usize],
    (c, c_strides): (MatMut<T>, &[isize]),
    (a, a_strides): (Mat<T>, &[isize]),
    (b, b_strides): (Mat<T>, &[isize]),
    accumulate: bool,
) {
    assert!([c_strides, a_strides, b_strides].iter().all(|s| s.len() == dims.len()), "one stride a batch dimension");
    assert!(c.dims == [a.dims[0], b.dims[1]] && a.dims[1] == b.dims[0], "shapes of a matrix product");
    let axes = |strides: &[isize], dims2: [usize; 2], strides2: [isize; 2]| {
        let batch: Vec<_> = dims.iter().copied().zip(strides.iter().copied()).collect();
        batch.into_iter().chain(dims2.into_iter().zip(strides2))
    };
    check_span(c.len, c.offset, axes(c_strides, c.dims, c.strides));
    check_apart(axes(c_strides, c.dims, c.strides));
    check_span(a.data.len(), a.offset, axes(a_strides, a.dims, a.strides));
    check_span(b.data.len(), b.offset, axes(b_strides, b.dims, b.strides));

    let batch: usize = dims.iter().product();
    let work = c.dims[0] * c.dims[1] * a.dims[1];
    // Big products are split themselves, small ones are handed out whole.
    let serial = batch > 1 && work < 16 * TASK_WORK;
    let (first_c, first_a, first_b) = (c.data.wrapping_add(c.offset), Source::rows(a), Source::rows(b.t()));
    let options = Options { accumulate, serial, ..Options::default() };
    let product =
        Product { c: first_c, dims: c.dims, strides: c.strides, depth: a.dims[1], a: first_a, b: first_b, options };
    let product = &product;
    let item = |index: usize| {
        let (mut rest, mut at) = (index, [0isize; 3]);
        for (axis, &dim) in dims.iter().enumerate().rev() {
            let i = (rest % dim) as isize;
            rest /= dim;
            for (at, strides) in at.iter_mut().zip([c_strides, a_strides, b_strides]) {
                *at += i * strides[axis];
            }
        }
        let c = product.c.wrapping_offset(at[0]);
        Product { c, a: product.a.moved(at[1]), b: product.b.moved(at[2]), ..*product }.oriented().run();
    };
    if serial {
        let group = (TASK_WORK / work.max(1)).clamp(1, batch);
        parallel_for(batch.div_ceil(group), |task| (task * group..batch.min((task + 1) * group)).for_each(item));
    } else {
        (0..batch).for_each(item);
    }
}

/// Where a factor's vectors (rows of A, columns of B) come from.
enum Source<'a, T> {
    /// `stride` from vector to vector, `k_stride` along each; checked to lie within live data.
    Strided {
        data: *const T,
        stride: isize,
        k_stride: isize,
    },
    Pack(&'a dyn Pack<T>),
    Shifted(Shifted<'a, T>),
}

impl<T> Clone for Source<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Source<'_, T> {}

impl<'a, T> Source<'a, T> {
    fn rows(mat: Mat<'a, T>) -> Self {
        let data = mat.data.as_ptr().wrapping_add(mat.offset);
        Source::Strided { data, stride: mat.strides[0], k_stride: mat.strides[1] }
    }

    fn moved(self, by: isize) -> Self {
        match self {
            Source::Strided { data, stride, k_stride } => {
                Source::Strided { data: data.wrapping_offset(by), stride, k_stride }
            }
            pack => pack,
        }
    }
}

/// A checked product, ready to run.
struct Product<'a, T> {
    c: *mut T,
    dims: [usize; 2],
    strides: [isize; 2],
    depth: usize,
    a: Source<'a, T>,
    b: Source<'a, T>,
    options: Options<'a, T>,
}

// SAFETY: its pointers stand for the slices in `Mat` and `MatMut`, and tasks write disjoint parts of C.
unsafe impl<T: Send + Sync> Sync for Product<'_, T> {}

impl<T: GemmElement> Product<'_, T> {
    /// The product or its transpose: that with contiguous rows of C; a lone column becomes a row.
    fn oriented(self) -> Self {
        let [rows, cols] = self.dims;
        if rows != 1 && (cols == 1 || (self.strides[1] != 1 && self.strides[0] == 1)) {
            let Options { row_bias, col_bias, .. } = self.options;
            return Product {
                dims: swapped(self.dims),
                strides: swapped(self.strides),
                a: self.b,
                b: self.a,
                options: Options { row_bias: col_bias, col_bias: row_bias, ..self.options },
                ..self
            };
        }
        self
    }

    fn run(&self) {
        let ([rows, cols], depth) = (self.dims, self.depth);
        if rows == 0 || cols == 0 {
            return;
        }
        if rows == 1
            && let Source::Strided { stride: 1, .. } | Source::Strided { k_stride: 1, .. } = self.b
            && let Source::Strided { .. } = self.a
        {
            let chunk = VECTOR_COLUMNS;
            let serial = self.options.serial || cols * depth < TASK_WORK / 8;
            return for_each(serial, cols.div_ceil(chunk), |i| vector(self, i * chunk..cols.min((i + 1) * chunk)));
        }
        let serial = self.options.serial || rows * cols * depth < 2 * TASK_WORK;
        let (tile_rows, width) = tile_shape::<T>();
        let k_blocks = depth.div_ceil(K_BLOCK).max(1);
        let k_block = depth.div_ceil(k_blocks);
        // Read in place, B's last panel is packed nevertheless if it is narrow, so as to be full.
        let direct_panels = |columns: usize| match self.b {
            Source::Strided { stride: 1, .. } if rows <= DIRECT_B_ROWS => columns / width,
            Source::Pack(p) if p.panel(0..0, 0..0, width).is_some() => columns.div_ceil(width),
            Source::Shifted(_) => columns.div_ceil(width),
            _ => 0,
        };
        let mut buffer = Buffer::take(&B_BUFFER);
        for columns in blocks(0..cols, COLUMN_BLOCK) {
            let panels = columns.len().div_ceil(width);
            let first_packed = direct_panels(columns.len());
            let task_panels = panels.div_ceil(panels.div_ceil(TASK_COLUMNS / width));
            let column_tasks = panels.div_ceil(task_panels);
            for k in 0..k_blocks {
                let k = k * k_block..depth.min((k + 1) * k_block);
                let panel_len = k.len() * width;
                let packed = buffer.get::<T>((panels - first_packed) * panel_len);
                if !packed.is_empty() {
                    let group = if serial { packed.len() } else { (PACK_WORK / panel_len).max(1) * panel_len };
                    parallel_chunks_mut(packed, group, |i, chunk| {
                        let first = columns.start + (first_packed * width) + i * (group / panel_len) * width;
                        pack_panels(&self.b, k.clone(), first..columns.end, width, chunk);
                    });
                }
                let block = Block { product: self, k: k.clone(), columns: columns.clone(), packed, first_packed };
                let task_work = k.len() * task_panels * width * tile_rows;
                let tiles = rows.div_ceil(tile_rows);
                // Rows that lie side by side are packed together, where that leaves enough tasks.
                let least = match self.a {
                    Source::Strided { stride: 1, .. } => (tiles / LEAST_TASKS).clamp(1, PACK_TILES),
                    _ => 1,
                };
                let task_rows = (TASK_WORK / task_work.max(1)).clamp(1, tiles).max(least) * tile_rows;
                let row_tasks = if serial { 1 } else { rows.div_ceil(task_rows) };
                let task_rows = if serial { rows } else { task_rows };
                // Each thread has rows of its own, as other operations give it, and goes through columns slowly.
                let runs = if serial { 1 } else { num_threads().min(row_tasks) };
                let run_rows = row_tasks.div_ceil(runs);
                for_each(serial, runs * run_rows * column_tasks, |task| {
                    let (run, task) = (task / (run_rows * column_tasks), task % (run_rows * column_tasks));
                    let (i, j) = ((run * run_rows + task % run_rows) * task_rows, task / run_rows * task_panels);
                    if i < rows {
                        run_block(&block, i..rows.min(i + task_rows), j..panels.min(j + task_panels));
                    }
                });
            }
        }
    }

    /// Biases and activation on a part of C. Must run once for each element, after its last block of k.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, rows: Range<usize>, cols: Range<usize>) {
        let Options { row_bias, col_bias, relu, .. } = self.options;
        if row_bias.is_none() && col_bias.is_none() && !relu {
            return;
        }
        let col_bias = col_bias.map(|bias| &bias[cols.clone()]);
        for i in rows {
            let row_bias = row_bias.map_or(T::default(), |bias| bias[i]);
            let at = i as isize * self.strides[0] + cols.start as isize * self.strides[1];
            let c = self.c.wrapping_offset(at);
            if self.strides[1] == 1 {
                // SAFETY: elements of C that are this task's to write.
                let c = unsafe { std::slice::from_raw_parts_mut(c, cols.len()) };
                let (lanes, zero) = (T::lanes::<S>(), T::splat(simd, T::default()));
                let row_bias = T::splat(simd, row_bias);
                for (v, c) in c.chunks_mut(lanes).enumerate() {
                    let bias = col_bias.map_or(zero, |bias| load_part(simd, &bias[v * lanes..][..c.len()]));
                    let sum = T::plus(simd, T::plus(simd, load_part(simd, c), row_bias), bias);
                    store_part(simd, c, if relu { T::rectified(simd, sum) } else { sum });
                }
            } else {
                for j in 0..cols.len() {
                    // SAFETY: as above.
                    let c = unsafe { &mut *c.offset(j as isize * self.strides[1]) };
                    let sum = *c + row_bias + col_bias.map_or(T::default(), |bias| bias[j]);
                    *c = if relu && sum < T::default() { T::default() } else { sum };
                }
            }
        }
    }
}

/// Reads up to a vector, with zeros behind.
#[inline(always)]
fn load_part<S: Simd, T: GemmElement>(simd: S, from: &[T]) -> T::Vector<S> {
    if from.len() >= T::lanes::<S>() {
        // SAFETY: there is a whole vector.
        unsafe { T::load::<S>(from.as_ptr()) }
    } else {
        T::partial_load(simd, from)
    }
}

/// Writes as much of a vector as there is room for.
#[inline(always)]
fn store_part<S: Simd, T: GemmElement>(simd: S, to: &mut [T], x: T::Vector<S>) {
    if to.len() >= T::lanes::<S>() {
        // SAFETY: there is room for a whole vector.
        unsafe { T::store::<S>(to.as_mut_ptr(), x) }
    } else {
        T::partial_store(simd, to, x);
    }
}

fn for_each(serial: bool, tasks: usize, f: impl Fn(usize) + Sync) {
    if serial { (0..tasks).for_each(f) } else { parallel_for(tasks, f) }
}

fn blocks(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(size).map(move |start| start..range.end.min(start + size))
}

/// One block of k and of columns, with B's panels from number `first_packed` on packed.
struct Block<'a, T> {
    product: &'a Product<'a, T>,
    k: Range<usize>,
    columns: Range<usize>,
    packed: &'a [T],
    first_packed: usize,
}

/// Rows of the full tile.
#[inline(always)]
const fn tile_rows<S: Simd>() -> usize {
    match (S::REGISTER_COUNT, size_of::<S::f32s>()) {
        (32, _) => 12,
        (_, 32) => 6,
        _ => 4,
    }
}

simd! {
    /// Rows and columns of the full tile.
    fn tile_shape<S, T: GemmElement>(simd: S) -> (usize, usize) {
        if S::IS_SCALAR {
            (tile_rows::<pulp::Scalar128b>(), 2 * T::lanes::<pulp::Scalar128b>())
        } else {
            (tile_rows::<S>(), 2 * T::lanes::<S>())
        }
    }
}

/// Rows of a first factor's panels, and columns of a second's: see [`Panels`].
pub(crate) fn panel_widths<T: GemmElement>() -> [usize; 2] {
    tile_shape::<T>().into()
}

simd! {
    /// Computes the tiles of some rows and panels.
    fn run_block<S, T: GemmElement>(simd: S, block: &Block<T>, rows: Range<usize>, panels: Range<usize>) {
        if S::IS_SCALAR {
            block_tiles(pulp::Scalar128b, block, rows, panels);
        } else {
            block_tiles(simd, block, rows, panels);
        }
    }
}

#[inline(always)]
fn block_tiles<S: Simd, T: GemmElement>(simd: S, block: &Block<T>, rows: Range<usize>, panels: Range<usize>) {
    let (product, depth) = (block.product, block.k.len());
    let width = 2 * T::lanes::<S>();
    let last = block.k.end == product.depth;
    let direct_a = match product.a {
        Source::Strided { data, stride, k_stride }
            if panels.len() <= DIRECT_A_PANELS
                || (k_stride == 1 && !(stride.unsigned_abs() * size_of::<T>()).is_multiple_of(ALIASING)) =>
        {
            Some((data, stride, k_stride))
        }
        _ => None,
    };
    let tile = tile_rows::<S>();
    // Rows that are packed at once, those that are packed now, and the width of their panels.
    let group = if panels.len() == 1 { tile } else { PACK_TILES * tile };
    let (mut packed, mut packed_width) = (0..0, tile);
    let mut buffer = Buffer::take(&A_BUFFER);
    let packed_a = buffer.get::<T>(if direct_a.is_some() { 0 } else { depth * group });
    let end = rows.end;
    for rows in blocks(rows, tile) {
        let height = padded_rows(rows.len(), tile);
        let (a, a_stride, a_k) = match direct_a {
            Some((data, stride, k_stride)) => {
                let at = rows.start as isize * stride + block.k.start as isize * k_stride;
                (data.wrapping_offset(at), stride, k_stride)
            }
            None => {
                // Of a panel that is there already, a lower tile reads the first rows.
                let panel = match product.a {
                    Source::Pack(p) => p.panel(block.k.clone(), rows.clone(), tile),
                    _ => None,
                };
                match panel {
                    Some(panel) => (panel.as_ptr(), 1, tile as isize),
                    None => {
                        if rows.start >= packed.end {
                            packed = rows.start..end.min(rows.start + group);
                            packed_width = if packed.len() < tile { height } else { tile };
                            let to = &mut packed_a[..packed.len().next_multiple_of(packed_width) * depth];
                            pack_all::<S, T>(&product.a, block.k.clone(), packed.clone(), packed_width, to);
                        }
                        let panel = &packed_a[(rows.start - packed.start) * depth..];
                        (panel.as_ptr(), 1, packed_width as isize)
                    }
                }
            }
        };
        // The next rows come while those of the first panel are multiplied.
        let (next, next_row, next_k) = match product.a {
            Source::Strided { data, stride, k_stride: 1 } if rows.end < product.dims[0] => {
                let at = rows.end as isize * stride + block.k.start as isize;
                (data.wrapping_offset(at), stride, depth.div_ceil(part_of(depth, height)) as isize)
            }
            Source::Strided { data, stride: 1, k_stride } if rows.end + group - tile < product.dims[0] => {
                let last = product.dims[0].min(rows.end + group) - 1;
                let at = last as isize + block.k.start as isize * k_stride;
                (data.wrapping_offset(at), part_of(depth, height) as isize * k_stride, k_stride)
            }
            Source::Pack(p) if rows.end < product.dims[0] => {
                let next = rows.end..product.dims[0].min(rows.end + tile);
                match p.panel(block.k.clone(), next, tile) {
                    Some(panel) => (panel.as_ptr(), (part_of(depth, height) * tile) as isize, tile as isize),
                    None => (a, 0, 0),
                }
            }
            _ => (a, 0, 0),
        };
        for panel in panels.clone() {
            let col = block.columns.start + panel * width;
            let cols = col..block.columns.end.min(col + width);
            let in_place = match product.b {
                Source::Pack(p) => p.panel(block.k.clone(), cols.clone(), width),
                _ => None,
            };
            let (b, b_k) = match product.b {
                Source::Strided { data, stride, k_stride } if panel < block.first_packed => {
                    (data.wrapping_offset(col as isize * stride + block.k.start as isize * k_stride), k_stride)
                }
                Source::Shifted(shifted) => (shifted.data.as_ptr().wrapping_add(shifted.start(col, width)), 0),
                _ => {
                    let packed = |panel: usize| &block.packed[panel * depth * width..][..depth * width];
                    let panel = in_place.unwrap_or_else(|| packed(panel - block.first_packed));
                    (panel.as_ptr(), width as isize)
                }
            };
            let offsets = match product.b {
                Source::Shifted(shifted) => Some(&shifted.offsets[block.k.clone()]),
                _ => None,
            };
            let [c_row, c_col] = product.strides;
            let tile = Tile {
                depth,
                a,
                a_stride,
                a_k,
                b,
                b_k,
                offsets: offsets.map_or(std::ptr::null(), <[usize]>::as_ptr),
                c: product.c.wrapping_offset(rows.start as isize * c_row + col as isize * c_col),
                c_strides: product.strides,
                rows: rows.len(),
                cols: cols.len(),
                accumulate: product.options.accumulate || block.k.start > 0,
                next,
                next_row: if panel == panels.start { next_row } else { 0 },
                next_k: if panel == panels.start { next_k } else { 0 },
            };
            // SAFETY: a strided A has `rows` at `a`; a packed one is `height` wide. B's panel is `width` wide, packed
            // or in place. The tile of C lies within it and is this task's alone.
            unsafe {
                match (direct_a.is_some(), cols.len() <= width / 2, offsets.is_some()) {
                    (false, false, false) => tile.run::<S, 2, true, false>(simd, height),
                    (false, true, false) => tile.run::<S, 1, true, false>(simd, height),
                    (true, false, false) => tile.run::<S, 2, false, false>(simd, height),
                    (true, true, false) => tile.run::<S, 1, false, false>(simd, height),
                    (false, false, true) => tile.run::<S, 2, true, true>(simd, height),
                    (false, true, true) => tile.run::<S, 1, true, true>(simd, height),
                    (true, false, true) => tile.run::<S, 2, false, true>(simd, height),
                    (true, true, true) => tile.run::<S, 1, false, true>(simd, height),
                }
            }
            if last {
                product.finish(simd, rows.clone(), cols);
            }
        }
    }
}

/// The least height that there is a microkernel for.
#[inline(always)]
fn padded_rows(rows: usize, tile_rows: usize) -> usize {
    match rows {
        0..=1 => 1,
        2 => 2,
        3..=4 => 4,
        5..=8 if tile_rows > 8 => 8,
        _ => tile_rows,
    }
}

/// What the microkernel computes: a tile of C.
struct Tile<T> {
    depth: usize,
    a: *const T,
    a_stride: isize,
    a_k: isize,
    b: *const T,
    b_k: isize,
    /// Where each row of a shifted B begins.
    offsets: *const usize,
    c: *mut T,
    c_strides: [isize; 2],
    rows: usize,
    cols: usize,
    accumulate: bool,
    /// What of A to ask for in the meantime: from part to part of the steps and from step to step of a part.
    next: *const T,
    next_row: isize,
    next_k: isize,
}

/// Steps of a part of them.
#[inline(always)]
fn part_of(depth: usize, rows: usize) -> usize {
    depth.div_ceil(rows).max(LEAST_PART)
}

impl<T: GemmElement> Tile<T> {
    /// Runs the microkernel of `height` rows.
    ///
    /// # Safety
    /// See [`Tile::kernel`]; `height` is from [`padded_rows`].
    #[inline(always)]
    unsafe fn run<S: Simd, const VECTORS: usize, const PACKED: bool, const SHIFTED: bool>(
        &self,
        simd: S,
        height: usize,
    ) {
        let full = tile_rows::<S>();
        // SAFETY: as the caller promised.
        unsafe {
            match height {
                12 if full == 12 => self.kernel::<S, 12, VECTORS, PACKED, SHIFTED>(simd),
                8 if full == 12 => self.kernel::<S, 8, VECTORS, PACKED, SHIFTED>(simd),
                6 if full == 6 => self.kernel::<S, 6, VECTORS, PACKED, SHIFTED>(simd),
                2 => self.kernel::<S, 2, VECTORS, PACKED, SHIFTED>(simd),
                1 => self.kernel::<S, 1, VECTORS, PACKED, SHIFTED>(simd),
                _ => self.kernel::<S, 4, VECTORS, PACKED, SHIFTED>(simd),
            }
        }
    }

    /// The microkernel: `ROWS` x `VECTORS` accumulators in registers.
    ///
    /// # Safety
    /// A has `depth` steps, `a_k` apart, of `ROWS` elements, contiguous if `PACKED`, else of `rows` elements; B has `depth` steps of
    /// `VECTORS` vectors; the elements of C may be written, and `cols` reaches into the last vector.
    #[inline(always)]
    unsafe fn kernel<S: Simd, const ROWS: usize, const VECTORS: usize, const PACKED: bool, const SHIFTED: bool>(
        &self,
        simd: S,
    ) {
        let lanes = T::lanes::<S>();
        let mut acc = [[T::splat(simd, T::default()); VECTORS]; ROWS];
        // SAFETY: as the caller promised; rows beyond the last of an unpacked A repeat it.
        unsafe {
            let a_rows: [isize; ROWS] = std::array::from_fn(|i| i.min(self.rows - 1) as isize * self.a_stride);
            let (mut a, mut b) = (self.a, self.b);
            // In as many parts as there are rows: each asks for a row of C and for what of A comes next.
            for (part, steps) in blocks(0..self.depth, part_of(self.depth, ROWS)).enumerate() {
                let c = self.c.wrapping_offset(part.min(self.rows - 1) as isize * self.c_strides[0]);
                (0..VECTORS).for_each(|v| prefetch(c.wrapping_add(v * lanes)));
                let mut next = self.next.wrapping_offset(part as isize * self.next_row);
                for k in steps {
                    prefetch(next);
                    next = next.wrapping_offset(self.next_k);
                    let row = if SHIFTED { b.add(*self.offsets.add(k)) } else { b };
                    if !SHIFTED {
                        let ahead = b.wrapping_offset(B_AHEAD * self.b_k);
                        (0..VECTORS).for_each(|v| prefetch(ahead.wrapping_add(v * lanes)));
                    }
                    let bs: [T::Vector<S>; VECTORS] = std::array::from_fn(|v| T::load::<S>(row.add(v * lanes)));
                    for i in 0..ROWS {
                        let x = T::splat(simd, if PACKED { *a.add(i) } else { *a.offset(a_rows[i]) });
                        for v in 0..VECTORS {
                            acc[i][v] = T::mul_add(simd, x, bs[v], acc[i][v]);
                        }
                    }
                    a = a.wrapping_offset(self.a_k);
                    if !SHIFTED {
                        b = b.wrapping_offset(self.b_k);
                    }
                }
            }
            // Constant indices throughout keep the accumulators in registers.
            let [c_row, c_col] = self.c_strides;
            if self.rows == ROWS && self.cols == VECTORS * lanes && c_col == 1 {
                for (i, acc) in acc.into_iter().enumerate() {
                    for (v, x) in acc.into_iter().enumerate() {
                        let c = self.c.offset(i as isize * c_row).add(v * lanes);
                        let x = if self.accumulate { T::plus(simd, T::load::<S>(c), x) } else { x };
                        T::store::<S>(c, x);
                    }
                }
            } else {
                let mut full = MaybeUninit::<[T; MAX_TILE]>::uninit();
                let full = full.as_mut_ptr().cast::<T>();
                for (i, acc) in acc.into_iter().enumerate() {
                    for (v, x) in acc.into_iter().enumerate() {
                        T::store::<S>(full.add((i * VECTORS + v) * lanes), x);
                    }
                }
                self.write_part(full, VECTORS * lanes);
            }
        }
    }

    /// Writes the tile's part that lies in C, from a `full` tile whose rows are `width` long.
    ///
    /// # Safety
    /// `full` has `rows` rows, and C may be written.
    #[inline(never)]
    unsafe fn write_part(&self, full: *const T, width: usize) {
        let [c_row, c_col] = self.c_strides;
        // SAFETY: as the caller promised.
        unsafe {
            for i in 0..self.rows {
                let row = std::slice::from_raw_parts(full.add(i * width), self.cols);
                let c = self.c.offset(i as isize * c_row);
                match (c_col, self.accumulate) {
                    (1, false) => std::slice::from_raw_parts_mut(c, self.cols).copy_from_slice(row),
                    (1, true) => {
                        let c = std::slice::from_raw_parts_mut(c, self.cols);
                        c.iter_mut().zip(row).for_each(|(c, &x)| *c = *c + x);
                    }
                    _ => {
                        for (j, &x) in row.iter().enumerate() {
                            let c = &mut *c.offset(j as isize * c_col);
                            *c = if self.accumulate { *c + x } else { x };
                        }
                    }
                }
            }
        }
    }
}

simd! {
    /// Some columns of a vector-matrix product: B is contiguous along its rows or along its columns.
    fn vector<S, T: GemmElement>(simd: S, product: &Product<T>, cols: Range<usize>) {
        if S::IS_SCALAR {
            vector_columns(pulp::Scalar128b, product, cols);
        } else {
            vector_columns(simd, product, cols);
        }
    }
}

#[inline(always)]
fn vector_columns<S: Simd, T: GemmElement>(simd: S, product: &Product<T>, cols: Range<usize>) {
    let (Source::Strided { data: x, k_stride: x_k, .. }, Source::Strided { data: b, stride, k_stride }) =
        (product.a, product.b)
    else {
        return;
    };
    let depth = product.depth;
    let mut gathered = Buffer::take(&A_BUFFER);
    let x = if x_k == 1 && depth > 0 {
        // SAFETY: A is a checked matrix of one contiguous row.
        unsafe { std::slice::from_raw_parts(x, depth) }
    } else {
        let gathered = gathered.get::<T>(depth);
        for (p, to) in gathered.iter_mut().enumerate() {
            // SAFETY: an element of A, a checked matrix.
            *to = unsafe { *x.offset(p as isize * x_k) };
        }
        gathered
    };
    let b = b.wrapping_offset(cols.start as isize * stride);
    let mut sums = [T::default(); VECTOR_COLUMNS];
    let sums = &mut sums[..cols.len()];
    // SAFETY: B is a checked matrix of `x.len()` rows, of which these columns are contiguous one way or the other.
    unsafe {
        if stride == 1 {
            add_rows(simd, x, b, k_stride, sums);
        } else {
            dot_columns(simd, x, b, stride, sums);
        }
    }
    for (j, &sum) in cols.clone().zip(sums.iter()) {
        // SAFETY: an element of C that is this task's to write.
        let c = unsafe { &mut *product.c.offset(j as isize * product.strides[1]) };
        *c = if product.options.accumulate { *c + sum } else { sum };
    }
    product.finish(simd, 0..1, cols);
}

/// Adds x·B to `sums`, where B's rows are contiguous and `k_stride` apart.
///
/// # Safety
/// B has `x.len()` rows of `sums.len()` elements.
#[inline(always)]
unsafe fn add_rows<S: Simd, T: GemmElement>(simd: S, x: &[T], b: *const T, k_stride: isize, sums: &mut [T]) {
    let (lanes, mut done) = (T::lanes::<S>(), 0);
    // SAFETY: as the caller promised.
    unsafe {
        while done + 8 * lanes <= sums.len() {
            add_vectors::<S, T, 8>(simd, x, b.add(done), k_stride, &mut sums[done..]);
            done += 8 * lanes;
        }
        while done + 4 * lanes <= sums.len() {
            add_vectors::<S, T, 4>(simd, x, b.add(done), k_stride, &mut sums[done..]);
            done += 4 * lanes;
        }
        while done + lanes <= sums.len() {
            add_vectors::<S, T, 1>(simd, x, b.add(done), k_stride, &mut sums[done..]);
            done += lanes;
        }
        if done < sums.len() {
            let (b, sums) = (b.add(done), &mut sums[done..]);
            let mut sum = T::partial_load(simd, sums);
            for (p, &x) in x.iter().enumerate() {
                let row = std::slice::from_raw_parts(b.offset(p as isize * k_stride), sums.len());
                sum = T::mul_add(simd, T::splat(simd, x), T::partial_load(simd, row), sum);
            }
            T::partial_store(simd, sums, sum);
        }
    }
}

/// Adds x·B to the first `N` vectors of `sums`.
///
/// # Safety
/// B has `x.len()` rows of `N` vectors, and `sums` as many.
#[inline(always)]
unsafe fn add_vectors<S: Simd, T: GemmElement, const N: usize>(
    simd: S,
    x: &[T],
    mut b: *const T,
    k_stride: isize,
    sums: &mut [T],
) {
    let lanes = T::lanes::<S>();
    // SAFETY: as the caller promised.
    unsafe {
        let mut acc: [T::Vector<S>; N] = std::array::from_fn(|v| T::load::<S>(sums.as_ptr().add(v * lanes)));
        for &x in x {
            let x = T::splat(simd, x);
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = T::mul_add(simd, x, T::load::<S>(b.add(v * lanes)), *acc);
            }
            b = b.wrapping_offset(k_stride);
        }
        for (v, acc) in acc.into_iter().enumerate() {
            T::store::<S>(sums.as_mut_ptr().add(v * lanes), acc);
        }
    }
}

/// Writes x·B to `sums`, where B's columns are contiguous and `stride` apart.
///
/// # Safety
/// B has `sums.len()` columns of `x.len()` elements.
#[inline(always)]
unsafe fn dot_columns<S: Simd, T: GemmElement>(simd: S, x: &[T], b: *const T, stride: isize, sums: &mut [T]) {
    const COLS: usize = 4;
    let (lanes, depth) = (T::lanes::<S>(), x.len());
    for (block, sums) in sums.chunks_mut(COLS).enumerate() {
        // The last block repeats its last column, so that all are computed alike.
        let cols: [*const T; COLS] =
            std::array::from_fn(|j| b.wrapping_offset((block * COLS + j.min(sums.len() - 1)) as isize * stride));
        let mut acc = [[T::splat(simd, T::default()); 2]; COLS];
        let mut p = 0;
        // SAFETY: p stays below the length of x and of B's columns.
        unsafe {
            while p + 2 * lanes <= depth {
                for half in 0..2 {
                    let x = T::load::<S>(x.as_ptr().add(p + half * lanes));
                    for (acc, col) in acc.iter_mut().zip(cols) {
                        acc[half] = T::mul_add(simd, x, T::load::<S>(col.add(p + half * lanes)), acc[half]);
                    }
                }
                p += 2 * lanes;
            }
            while p < depth {
                let end = depth.min(p + lanes);
                let x = T::partial_load(simd, &x[p..end]);
                for (acc, col) in acc.iter_mut().zip(cols) {
                    let col = T::partial_load(simd, std::slice::from_raw_parts(col.add(p), end - p));
                    acc[0] = T::mul_add(simd, x, col, acc[0]);
                }
                p = end;
            }
        }
        for (sum, acc) in sums.iter_mut().zip(acc) {
            *sum = T::reduce_sum(simd, T::plus(simd, acc[0], acc[1]));
        }
    }
}
