//! Matrix product, C = A·B or C += A·B, for any strides.
//!
//! The method is that of BLIS: panels of A and B are packed so that a microkernel, which holds a tile of C in
//! registers, reads them in order. The tile's vectors lie along C's columns; a C that is contiguous the other way
//! is computed as its transpose. Packing is left out where it does not pay.
//!
//! Every element of C is one chain of multiply-adds in the order of k, in blocks of k fixed by the sizes alone.
//! Threads split C only, so results do not depend on how many there are.

use crate::cpu::isa::simd;
use crate::cpu::threads::{parallel_chunks_mut, parallel_for};
use bytemuck::{Pod, Zeroable};
use pulp::Simd;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Add, Range};

/// The longest block of k.
const K_BLOCK: usize = 512;
/// The most columns of B that are packed at once (all threads together).
const COLUMN_BLOCK: usize = 2048;
/// The most columns that one task works on: their packed block stays in the L2 cache.
const TASK_COLUMNS: usize = 256;
/// Multiply-adds that make a task worth its hand-over: some ten microseconds.
const TASK_WORK: usize = 1 << 19;
/// Elements that make a packing task worth its hand-over.
const PACK_WORK: usize = 1 << 15;
/// Steps of k that are packed at a time where rows become columns.
const PACK_DEPTH: usize = 64;
/// Rows of A up to which a B with contiguous rows is read in place.
const DIRECT_B_ROWS: usize = 128;
/// Columns of B, in panels, up to which any A is read in place; one with contiguous rows is beyond that too.
const DIRECT_A_PANELS: usize = 2;
/// Rows that are a multiple of this many bytes apart compete for the same few places in the L1 cache.
const ALIASING: usize = 4096;
/// Elements of the largest tile: 12 rows of two vectors of 16.
const MAX_TILE: usize = 12 * 32;
/// Columns that one matrix-vector task works on.
const VECTOR_COLUMNS: usize = 256;

/// A read-only matrix view with any strides (in elements; zero and negative ones too).
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    data: &'a [T],
    offset: usize,
    dims: [usize; 2],
    strides: [isize; 2],
}

impl<'a, T> Mat<'a, T> {
    /// The matrix whose element (i, j) is `data[offset + i * strides[0] + j * strides[1]]`.
    ///
    /// Panics when an element lies outside `data`, as do the other constructors: the caller's mistake.
    pub(crate) fn new(data: &'a [T], offset: usize, dims: [usize; 2], strides: [isize; 2]) -> Self {
        check_span(data.len(), offset, dims.into_iter().zip(strides));
        Mat { data, offset, dims, strides }
    }

    /// A contiguous row-major matrix.
    pub(crate) fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        Mat::new(data, 0, [rows, cols], [cols as isize, 1])
    }

    /// The transposed view.
    pub(crate) fn t(self) -> Self {
        Mat { dims: swapped(self.dims), strides: swapped(self.strides), ..self }
    }
}

/// A writable matrix view with any strides that keep its elements apart.
pub(crate) struct MatMut<'a, T> {
    data: *mut T,
    len: usize,
    offset: usize,
    dims: [usize; 2],
    strides: [isize; 2],
    slice: PhantomData<&'a mut [T]>,
}

impl<'a, T> MatMut<'a, T> {
    /// The matrix whose element (i, j) is `data[offset + i * strides[0] + j * strides[1]]`.
    ///
    /// Panics when elements lie outside `data` or may coincide.
    pub(crate) fn new(data: &'a mut [T], offset: usize, dims: [usize; 2], strides: [isize; 2]) -> Self {
        check_span(data.len(), offset, dims.into_iter().zip(strides));
        check_apart(dims.into_iter().zip(strides));
        MatMut { data: data.as_mut_ptr(), len: data.len(), offset, dims, strides, slice: PhantomData }
    }

    /// A contiguous row-major matrix.
    pub(crate) fn row_major(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        MatMut::new(data, 0, [rows, cols], [cols as isize, 1])
    }

    /// As [`MatMut::new`], for tasks that write disjoint matrices interleaved in one slice of length `len`.
    ///
    /// # Safety
    /// For `'a`, `data` points to `len` elements, and nothing else uses those of this matrix.
    pub(crate) unsafe fn from_raw(
        data: *mut T,
        len: usize,
        offset: usize,
        dims: [usize; 2],
        strides: [isize; 2],
    ) -> Self {
        check_span(len, offset, dims.into_iter().zip(strides));
        check_apart(dims.into_iter().zip(strides));
        MatMut { data, len, offset, dims, strides, slice: PhantomData }
    }
}

/// Packs a factor for the microkernel from something other than a strided matrix: for a convolution, an image.
///
/// The factor is `count` vectors of length `depth`: the columns of B, or the rows of A.
pub(crate) trait Pack<T>: Sync {
    /// Length of the vectors.
    fn depth(&self) -> usize;
    /// Number of vectors.
    fn count(&self) -> usize;
    /// Writes elements `k` of the vectors `items` to `panel`: element `k.start + p` of vector `items.start + i` goes
    /// to `panel[p * width + i]`. The rest of the panel is zero already.
    fn pack(&self, k: Range<usize>, items: Range<usize>, width: usize, panel: &mut [T]);
}

/// One factor of a product.
#[derive(Clone, Copy)]
pub(crate) enum Factor<'a, T> {
    /// A strided matrix.
    Mat(Mat<'a, T>),
    /// Whatever the packer packs.
    Pack(&'a dyn Pack<T>),
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
    };
    let (b, cols, b_depth) = match b {
        Factor::Mat(b) => (Source::rows(b.t()), b.dims[1], b.dims[0]),
        Factor::Pack(p) => (Source::Pack(p), p.count(), p.depth()),
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

/// Panics unless all elements of a strided array lie within `0..len`.
fn check_span(len: usize, offset: usize, axes: impl Iterator<Item = (usize, isize)>) {
    let (mut low, mut high, mut empty) = (offset as i128, offset as i128, false);
    for (dim, stride) in axes {
        empty |= dim == 0;
        let reach = (dim as i128 - 1) * stride as i128;
        low += reach.min(0);
        high += reach.max(0);
    }
    assert!(empty || (low >= 0 && high < len as i128), "a matrix view lies outside its data");
}

/// Panics unless the elements of a strided array are certainly distinct.
fn check_apart(axes: impl Iterator<Item = (usize, isize)>) {
    let mut axes: smallvec::SmallVec<[(usize, usize); 6]> = axes.map(|(n, s)| (s.unsigned_abs(), n)).collect();
    if axes.iter().any(|&(_, n)| n == 0) {
        return;
    }
    axes.retain(|&mut (_, n)| n > 1);
    axes.sort_unstable();
    let mut reach = 0;
    for (stride, n) in axes {
        assert!(stride > reach, "elements of a matrix to write coincide");
        reach += stride * (n - 1);
    }
}

fn swapped<U: Copy>([x, y]: [U; 2]) -> [U; 2] {
    [y, x]
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
        let direct = rows <= DIRECT_B_ROWS && matches!(self.b, Source::Strided { stride: 1, .. });
        let mut buffer = Buffer::take(&B_BUFFER);
        for columns in blocks(0..cols, COLUMN_BLOCK) {
            let panels = columns.len().div_ceil(width);
            // Read in place, B's last panel is packed nevertheless if it is narrow, so as to be full.
            let first_packed = if direct { columns.len() / width } else { 0 };
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
                let task_rows = (TASK_WORK / task_work.max(1)).clamp(1, rows.div_ceil(tile_rows)) * tile_rows;
                let row_tasks = if serial { 1 } else { rows.div_ceil(task_rows) };
                let task_rows = if serial { rows } else { task_rows };
                for_each(serial, row_tasks * column_tasks, |task| {
                    let (i, j) = (task % row_tasks * task_rows, task / row_tasks * task_panels);
                    run_block(&block, i..rows.min(i + task_rows), j..panels.min(j + task_panels));
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

simd! {
    /// Packs the panels of `items` into `packed`, as many as it has room for.
    fn pack_panels<S, T: GemmElement>(
        simd: S, source: &Source<T>, k: Range<usize>, items: Range<usize>, width: usize, packed: &mut [T],
    ) {
        for (panel, items) in packed.chunks_exact_mut(k.len() * width).zip(blocks(items, width)) {
            if S::IS_SCALAR {
                pack::<pulp::Scalar128b, T>(source, k.clone(), items, width, panel);
            } else {
                pack::<S, T>(source, k.clone(), items, width, panel);
            }
        }
    }
}

/// Packs one panel: see [`Pack::pack`].
#[inline(always)]
fn pack<S: Simd, T: GemmElement>(
    source: &Source<T>,
    k: Range<usize>,
    items: Range<usize>,
    width: usize,
    panel: &mut [T],
) {
    if items.len() < width {
        panel.fill(T::default());
    }
    match *source {
        Source::Pack(packer) => packer.pack(k, items, width, panel),
        Source::Strided { data, stride, k_stride } => {
            assert!(panel.len() >= k.len() * width && items.len() <= width);
            let (depth, count, to) = (k.len(), items.len(), panel.as_mut_ptr());
            // SAFETY: reads are of the checked matrix's elements, writes are below k.len() * width.
            unsafe {
                let from = data.offset(k.start as isize * k_stride + items.start as isize * stride);
                if stride == 1 {
                    let lanes = T::lanes::<S>();
                    for p in 0..depth {
                        let (from, to) = (from.offset(p as isize * k_stride), to.add(p * width));
                        let mut i = 0;
                        while i + lanes <= count {
                            T::store::<S>(to.add(i), T::load::<S>(from.add(i)));
                            i += lanes;
                        }
                        while i < count {
                            *to.add(i) = *from.add(i);
                            i += 1;
                        }
                    }
                } else {
                    // By parts of k that keep the panel's part in the L1 cache.
                    for part in blocks(0..depth, PACK_DEPTH) {
                        let from = from.offset(part.start as isize * k_stride);
                        let to = to.add(part.start * width);
                        let mut i = 0;
                        while k_stride == 1 && i + 4 <= count {
                            transpose_4(from.offset(i as isize * stride), stride, part.len(), to.add(i), width);
                            i += 4;
                        }
                        while i < count {
                            let from = from.offset(i as isize * stride);
                            for p in 0..part.len() {
                                *to.add(p * width + i) = *from.offset(p as isize * k_stride);
                            }
                            i += 1;
                        }
                    }
                }
            }
        }
    }
}

/// Copies four contiguous rows of length `depth`, `stride` apart, to four columns, `width` apart along them.
///
/// # Safety
/// All these elements may be read and written.
#[inline(always)]
unsafe fn transpose_4<T: GemmElement>(from: *const T, stride: isize, depth: usize, to: *mut T, width: usize) {
    // SAFETY: as the caller promised.
    unsafe {
        let rows = [from, from.offset(stride), from.offset(2 * stride), from.offset(3 * stride)];
        let mut p = 0;
        #[cfg(target_arch = "x86_64")]
        if size_of::<T>() == 4 {
            use core::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
            while p + 4 <= depth {
                let [mut x, mut y, mut z, mut w] = rows.map(|row| _mm_loadu_ps(row.add(p).cast()));
                _MM_TRANSPOSE4_PS(&mut x, &mut y, &mut z, &mut w);
                for (q, column) in [x, y, z, w].into_iter().enumerate() {
                    _mm_storeu_ps(to.add((p + q) * width).cast(), column);
                }
                p += 4;
            }
        }
        while p + 4 <= depth {
            let [x, y, z, w] = rows.map(|row| row.add(p).cast::<[T; 4]>().read_unaligned());
            for q in 0..4 {
                to.add((p + q) * width).cast::<[T; 4]>().write_unaligned([x[q], y[q], z[q], w[q]]);
            }
            p += 4;
        }
        while p < depth {
            to.add(p * width).cast::<[T; 4]>().write_unaligned(rows.map(|row| *row.add(p)));
            p += 1;
        }
    }
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
    let mut buffer = Buffer::take(&A_BUFFER);
    let packed_a = buffer.get::<T>(if direct_a.is_some() { 0 } else { depth * tile_rows::<S>() });
    for rows in blocks(rows, tile_rows::<S>()) {
        let height = padded_rows(rows.len(), tile_rows::<S>());
        let (a, a_stride, a_k) = match direct_a {
            Some((data, stride, k_stride)) => {
                let at = rows.start as isize * stride + block.k.start as isize * k_stride;
                (data.wrapping_offset(at), stride, k_stride)
            }
            None => {
                let panel = &mut packed_a[..depth * height];
                pack::<S, T>(&product.a, block.k.clone(), rows.clone(), height, panel);
                (panel.as_ptr(), 1, height as isize)
            }
        };
        for panel in panels.clone() {
            let col = block.columns.start + panel * width;
            let cols = col..block.columns.end.min(col + width);
            let (b, b_k) = match product.b {
                Source::Strided { data, stride, k_stride } if panel < block.first_packed => {
                    (data.wrapping_offset(col as isize * stride + block.k.start as isize * k_stride), k_stride)
                }
                _ => {
                    let start = (panel - block.first_packed) * depth * width;
                    (block.packed[start..start + depth * width].as_ptr(), width as isize)
                }
            };
            let [c_row, c_col] = product.strides;
            let tile = Tile {
                depth,
                a,
                a_stride,
                a_k,
                b,
                b_k,
                c: product.c.wrapping_offset(rows.start as isize * c_row + col as isize * c_col),
                c_strides: product.strides,
                rows: rows.len(),
                cols: cols.len(),
                accumulate: product.options.accumulate || block.k.start > 0,
            };
            // SAFETY: a strided A has `rows` at `a`; a packed one is `height` wide. B's panel is `width` wide, packed
            // or in place. The tile of C lies within it and is this task's alone.
            unsafe {
                match (direct_a.is_some(), cols.len() <= width / 2) {
                    (false, false) => tile.run::<S, 2, true>(simd, height),
                    (false, true) => tile.run::<S, 1, true>(simd, height),
                    (true, false) => tile.run::<S, 2, false>(simd, height),
                    (true, true) => tile.run::<S, 1, false>(simd, height),
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
    c: *mut T,
    c_strides: [isize; 2],
    rows: usize,
    cols: usize,
    accumulate: bool,
}

impl<T: GemmElement> Tile<T> {
    /// Runs the microkernel of `height` rows.
    ///
    /// # Safety
    /// See [`Tile::kernel`]; `height` is from [`padded_rows`].
    #[inline(always)]
    unsafe fn run<S: Simd, const VECTORS: usize, const PACKED: bool>(&self, simd: S, height: usize) {
        let full = tile_rows::<S>();
        // SAFETY: as the caller promised.
        unsafe {
            match height {
                12 if full == 12 => self.kernel::<S, 12, VECTORS, PACKED>(simd),
                8 if full == 12 => self.kernel::<S, 8, VECTORS, PACKED>(simd),
                6 if full == 6 => self.kernel::<S, 6, VECTORS, PACKED>(simd),
                2 => self.kernel::<S, 2, VECTORS, PACKED>(simd),
                1 => self.kernel::<S, 1, VECTORS, PACKED>(simd),
                _ => self.kernel::<S, 4, VECTORS, PACKED>(simd),
            }
        }
    }

    /// The microkernel: `ROWS` x `VECTORS` accumulators in registers.
    ///
    /// # Safety
    /// A has `depth` steps of `ROWS` elements, contiguous if `PACKED`, else of `rows` elements; B has `depth` steps of
    /// `VECTORS` vectors; the elements of C may be written, and `cols` reaches into the last vector.
    #[inline(always)]
    unsafe fn kernel<S: Simd, const ROWS: usize, const VECTORS: usize, const PACKED: bool>(&self, simd: S) {
        let lanes = T::lanes::<S>();
        let mut acc = [[T::splat(simd, T::default()); VECTORS]; ROWS];
        // SAFETY: as the caller promised; rows beyond the last of an unpacked A repeat it.
        unsafe {
            let a_rows: [isize; ROWS] = std::array::from_fn(|i| i.min(self.rows - 1) as isize * self.a_stride);
            let (mut a, mut b) = (self.a, self.b);
            for _ in 0..self.depth {
                let bs: [T::Vector<S>; VECTORS] = std::array::from_fn(|v| T::load::<S>(b.add(v * lanes)));
                for i in 0..ROWS {
                    let x = T::splat(simd, if PACKED { *a.add(i) } else { *a.offset(a_rows[i]) });
                    for v in 0..VECTORS {
                        acc[i][v] = T::mul_add(simd, x, bs[v], acc[i][v]);
                    }
                }
                a = if PACKED { a.add(ROWS) } else { a.wrapping_offset(self.a_k) };
                b = b.wrapping_offset(self.b_k);
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
    let (lanes, len) = (T::lanes::<S>(), sums.len());
    // Several rows at a time, so that the sums are loaded and stored less often.
    const ROWS: usize = 8;
    for (block, x) in x.chunks(ROWS).enumerate() {
        let b = b.wrapping_offset((block * ROWS) as isize * k_stride);
        let mut j = 0;
        // SAFETY: j stays below the length of `sums` and of B's rows.
        unsafe {
            if x.len() == ROWS {
                let xs: [T::Vector<S>; ROWS] = std::array::from_fn(|p| T::splat(simd, x[p]));
                while j + lanes <= len {
                    let to = sums.as_mut_ptr().add(j);
                    let mut sum = T::load::<S>(to);
                    for (p, &x) in xs.iter().enumerate() {
                        sum = T::mul_add(simd, x, T::load::<S>(b.offset(p as isize * k_stride).add(j)), sum);
                    }
                    T::store::<S>(to, sum);
                    j += lanes;
                }
            }
            for (p, &x) in x.iter().enumerate() {
                let x = T::splat(simd, x);
                let row = b.offset(p as isize * k_stride);
                for j in (j..len).step_by(lanes) {
                    let end = len.min(j + lanes);
                    let sum = &mut sums[j..end];
                    let b = T::partial_load(simd, std::slice::from_raw_parts(row.add(j), end - j));
                    let new = T::mul_add(simd, x, b, T::partial_load(simd, sum));
                    T::partial_store(simd, sum, new);
                }
            }
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

#[derive(Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
pub(crate) struct CacheLine([u8; 64]);

pub(crate) type BufferCell = std::thread::LocalKey<Cell<Vec<CacheLine>>>;

thread_local! {
    static A_BUFFER: Cell<Vec<CacheLine>> = const { Cell::new(Vec::new()) };
    static B_BUFFER: Cell<Vec<CacheLine>> = const { Cell::new(Vec::new()) };
}

/// A thread's packing buffer while it is in use; given back when dropped, so that it is allocated once.
pub(crate) struct Buffer {
    home: &'static BufferCell,
    lines: Vec<CacheLine>,
}

impl Buffer {
    #[inline]
    pub(crate) fn take(home: &'static BufferCell) -> Self {
        Buffer { home, lines: home.take() }
    }

    /// `len` elements, holding anything.
    #[inline]
    pub(crate) fn get<T: Pod>(&mut self, len: usize) -> &mut [T] {
        let lines = (len * size_of::<T>()).div_ceil(64);
        if self.lines.len() < lines {
            self.lines.resize(lines, CacheLine::zeroed());
        }
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..len]
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        self.home.set(std::mem::take(&mut self.lines));
    }
}

/// An element type of matrix products, with its vectors.
pub(crate) trait GemmElement: Pod + Default + PartialOrd + Send + Sync + Add<Output = Self> {
    /// A vector of the instruction set.
    type Vector<S: Simd>: Copy;
    /// Elements in a vector.
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }
    /// Reads a vector, aligned or not.
    ///
    /// # Safety
    /// All its elements may be read.
    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> Self::Vector<S> {
        // SAFETY: as the caller promised.
        unsafe { from.cast::<Self::Vector<S>>().read_unaligned() }
    }
    /// Writes a vector, aligned or not.
    ///
    /// # Safety
    /// All its elements may be written.
    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut Self, x: Self::Vector<S>) {
        // SAFETY: as the caller promised.
        unsafe { to.cast::<Self::Vector<S>>().write_unaligned(x) }
    }
    /// The same element throughout.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    /// `x + y`.
    fn plus<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>) -> Self::Vector<S>;
    /// `x * y + z`, fused where the instruction set fuses it in one instruction.
    fn mul_add<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>, z: Self::Vector<S>) -> Self::Vector<S>;
    /// The elements, zero in place of negative ones; NaN stays.
    fn rectified<S: Simd>(simd: S, x: Self::Vector<S>) -> Self::Vector<S>;
    /// Sum of the elements.
    fn reduce_sum<S: Simd>(simd: S, x: Self::Vector<S>) -> Self;
    /// Reads up to a vector, with zeros behind.
    fn partial_load<S: Simd>(simd: S, from: &[Self]) -> Self::Vector<S>;
    /// Writes the first elements of a vector.
    fn partial_store<S: Simd>(simd: S, to: &mut [Self], x: Self::Vector<S>);
}

macro_rules! gemm_element {
    ($T:ty, $vector:ident, $splat:ident, $add:ident, $mul:ident, $mul_add:ident, $sum:ident, $less:ident, $select:ident, $load:ident, $store:ident) => {
        impl GemmElement for $T {
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn plus<S: Simd>(simd: S, x: S::$vector, y: S::$vector) -> S::$vector {
                simd.$add(x, y)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, x: S::$vector, y: S::$vector, z: S::$vector) -> S::$vector {
                // pulp's portable vectors would call the C library's fma.
                if size_of::<S::$vector>() <= 16 && cfg!(not(target_arch = "aarch64")) {
                    simd.$add(simd.$mul(x, y), z)
                } else {
                    simd.$mul_add(x, y, z)
                }
            }
            #[inline(always)]
            fn rectified<S: Simd>(simd: S, x: S::$vector) -> S::$vector {
                let zero = simd.$splat(0.0);
                simd.$select(simd.$less(x, zero), zero, x)
            }
            #[inline(always)]
            fn reduce_sum<S: Simd>(simd: S, x: S::$vector) -> Self {
                simd.$sum(x)
            }
            #[inline(always)]
            fn partial_load<S: Simd>(simd: S, from: &[Self]) -> S::$vector {
                simd.$load(from)
            }
            #[inline(always)]
            fn partial_store<S: Simd>(simd: S, to: &mut [Self], x: S::$vector) {
                simd.$store(to, x)
            }
        }
    };
}

gemm_element!(
    f32,
    f32s,
    splat_f32s,
    add_f32s,
    mul_f32s,
    mul_add_e_f32s,
    reduce_sum_f32s,
    less_than_f32s,
    select_f32s,
    partial_load_f32s,
    partial_store_f32s
);
gemm_element!(
    f64,
    f64s,
    splat_f64s,
    add_f64s,
    mul_f64s,
    mul_add_e_f64s,
    reduce_sum_f64s,
    less_than_f64s,
    select_f64s,
    partial_load_f64s,
    partial_store_f64s
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::threads::set_num_threads;

    /// A matrix in a buffer of its own, in one of several layouts.
    struct Layout {
        len: usize,
        offset: usize,
        strides: [isize; 2],
    }

    fn layout([rows, cols]: [usize; 2], kind: usize) -> Layout {
        let (r, c) = (rows as isize, cols as isize);
        let strides = match kind {
            0 => [c, 1],
            1 => [1, r],
            2 => [c + 3, 1],
            3 => [1, r + 5],
            4 => [2 * c + 1, 2],
            5 => [-c - 1, 1],
            6 => [0, 1],
            7 => [1, 0],
            _ => [0, 0],
        };
        let reach = |n: usize, s: isize| (n.max(1) - 1) * s.unsigned_abs();
        let offset = if kind == 5 { reach(rows, strides[0]) } else { 0 };
        Layout { len: reach(rows, strides[0]) + reach(cols, strides[1]) + 1, offset, strides }
    }

    impl Layout {
        fn at(&self, i: usize, j: usize) -> usize {
            (self.offset as isize + i as isize * self.strides[0] + j as isize * self.strides[1]) as usize
        }
    }

    trait Element: GemmElement + Into<f64> + PartialEq + std::fmt::Debug {
        const EPSILON: f64;
        fn new(x: f64) -> Self;
    }

    impl Element for f32 {
        const EPSILON: f64 = f32::EPSILON as f64;
        fn new(x: f64) -> Self {
            x as f32
        }
    }

    impl Element for f64 {
        const EPSILON: f64 = f64::EPSILON;
        fn new(x: f64) -> Self {
            x
        }
    }

    /// Values in -1..1, the same for the same seed.
    fn values<T: Element>(len: usize, seed: u64) -> Vec<T> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            T::new((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
        };
        (0..len).map(|_| next()).collect()
    }

    /// A factor that is packed element by element.
    struct Slow<'a, T>(Mat<'a, T>);

    impl<T: Element> Pack<T> for Slow<'_, T> {
        fn depth(&self) -> usize {
            self.0.dims[1]
        }
        fn count(&self) -> usize {
            self.0.dims[0]
        }
        fn pack(&self, k: Range<usize>, items: Range<usize>, width: usize, panel: &mut [T]) {
            let Mat { data, offset, strides, .. } = self.0;
            for (i, item) in items.enumerate() {
                for (p, k) in k.clone().enumerate() {
                    let at = offset as isize + item as isize * strides[0] + k as isize * strides[1];
                    panel[p * width + i] = data[at as usize];
                }
            }
        }
    }

    /// Compares one product, in all its forms, with a plain loop in double precision.
    fn check<T: Element>([m, n, k]: [usize; 3], kinds: [usize; 3], accumulate: bool, finish: bool) {
        let seed = (m * 1_000_003 + n * 1009 + k) as u64;
        let [la, lb, lc] = [layout([m, k], kinds[0]), layout([k, n], kinds[1]), layout([m, n], kinds[2])];
        let (a, b) = (values::<T>(la.len, seed), values::<T>(lb.len, seed + 1));
        let old = values::<T>(lc.len, seed + 2);
        let (row_bias, col_bias) = (values::<T>(m, 3), values::<T>(n, 4));
        let a_mat = Mat::new(&a, la.offset, [m, k], la.strides);
        let b_mat = Mat::new(&b, lb.offset, [k, n], lb.strides);
        let options = Options {
            accumulate,
            row_bias: finish.then_some(&row_bias),
            col_bias: finish.then_some(&col_bias),
            relu: finish,
            serial: false,
        };
        let mut c = old.clone();
        let run = |c: &mut Vec<T>, packed: bool, serial: bool| {
            let to = MatMut::new(c, lc.offset, [m, n], lc.strides);
            let options = Options { serial, ..options };
            if packed {
                let (a, b) = (Slow(a_mat), Slow(b_mat.t()));
                gemm_with(to, Factor::Pack(&a), Factor::Pack(&b), options);
            } else {
                gemm_with(to, a_mat.into(), b_mat.into(), options);
            }
        };
        run(&mut c, false, false);

        let mut touched = vec![false; c.len()];
        for i in 0..m {
            for j in 0..n {
                let at = lc.at(i, j);
                touched[at] = true;
                let (mut sum, mut size) = (if accumulate { old[at].into() } else { 0.0 }, 4.0);
                for p in 0..k {
                    let term = a[la.at(i, p)].into() * b[lb.at(p, j)].into();
                    sum += term;
                    size += term.abs();
                }
                if finish {
                    sum = (sum + row_bias[i].into() + col_bias[j].into()).max(0.0);
                }
                let error = (c[at].into() - sum).abs();
                let bound = (k + 4) as f64 * T::EPSILON * size;
                assert!(error <= bound, "{m}x{n}x{k} {kinds:?} {accumulate} {finish}: [{i}, {j}] off by {error}");
            }
        }
        for ((&new, &old), touched) in c.iter().zip(&old).zip(touched) {
            assert!(touched || new == old, "{m}x{n}x{k} {kinds:?}: wrote outside C");
        }

        let mut other = old.clone();
        run(&mut other, false, true);
        assert_eq!(c, other, "{m}x{n}x{k} {kinds:?}: serial");
        if m > 1 && n > 1 {
            other.copy_from_slice(&old);
            run(&mut other, true, false);
            assert_eq!(c, other, "{m}x{n}x{k} {kinds:?}: own packing");
        }
    }

    #[test]
    fn awkward_sizes() {
        let sizes = [0, 1, 2, 3, 5, 7, 8, 12, 13, 15, 16, 17, 31, 33, 64, 65];
        let mut turn = 0;
        for m in sizes {
            for n in sizes {
                for k in [0, 1, 2, 3, 4, 7, 16, 17, 33, 65] {
                    turn += 1;
                    let kinds = [turn % 9, turn / 3 % 9, turn / 2 % 6];
                    check::<f32>([m, n, k], kinds, turn % 2 == 0, turn % 5 == 0);
                    check::<f64>([m, n, k], [kinds[1], kinds[0], kinds[2]], turn % 2 == 1, turn % 7 == 0);
                }
            }
        }
    }

    #[test]
    fn all_layouts() {
        for [m, n, k] in [[13, 37, 9], [1, 70, 40], [70, 1, 40], [2, 3, 70], [66, 129, 5]] {
            for a in 0..9 {
                for b in 0..9 {
                    for c in 0..6 {
                        check::<f32>([m, n, k], [a, b, c], (a + b + c) % 2 == 0, (a + b) % 3 == 0);
                    }
                }
            }
        }
    }

    #[test]
    fn beyond_one_block() {
        for (m, n, k) in [(100, 129, 1100), (129, 2100, 20), (65, 300, 513), (1, 600, 1030), (300, 1, 1030)] {
            for kinds in [[0, 0, 0], [1, 1, 1], [0, 1, 0], [2, 3, 4]] {
                check::<f32>([m, n, k], kinds, kinds[1] == 1, kinds[0] == 0);
                check::<f64>([m, n, k], kinds, kinds[1] == 1, kinds[0] == 0);
            }
        }
    }

    #[test]
    fn the_same_bits_with_any_number_of_threads() {
        for (m, n, k) in [(200, 300, 600), (70, 1030, 100), (1, 3000, 300), (12, 96, 2000)] {
            let (a, b) = (values::<f32>(m * k, 1), values::<f32>(k * n, 2));
            for transposed in [false, true] {
                let b = if transposed { Mat::row_major(&b, n, k).t() } else { Mat::row_major(&b, k, n) };
                let results = [1, 2, 3].map(|threads| {
                    set_num_threads(threads);
                    let mut c = vec![0.0; m * n];
                    gemm(MatMut::row_major(&mut c, m, n), Mat::row_major(&a, m, k), b, false);
                    c
                });
                assert!(results[0] == results[1] && results[0] == results[2], "{m}x{n}x{k}");
            }
        }
    }

    #[test]
    fn batches() {
        // As in attention: two batch dimensions, the heads interleaved in C; A is the same for all heads.
        for (m, n, k) in [(5, 8, 4), (33, 40, 64), (300, 200, 256)] {
            let (batch, heads) = (2, 3);
            let (a, b) = (values::<f32>(batch * m * k, 1), values::<f32>(batch * heads * k * n, 2));
            let mut c = vec![1.0; batch * m * heads * n];
            let row = (heads * n) as isize;
            gemm_batch(
                &[batch, heads],
                (MatMut::new(&mut c, 0, [m, n], [row, 1]), &[m as isize * row, n as isize]),
                (Mat::row_major(&a[..], m, k), &[(m * k) as isize, 0]),
                (Mat::row_major(&b[..], k, n), &[(heads * k * n) as isize, (k * n) as isize]),
                true,
            );
            let mut expected = vec![1.0; c.len()];
            let (len, start) = (expected.len(), expected.as_mut_ptr());
            for i in 0..batch * heads {
                let a = Mat::row_major(&a[i / heads * m * k..][..m * k], m, k);
                let b = Mat::row_major(&b[i * k * n..][..k * n], k, n);
                let offset = i / heads * m * heads * n + i % heads * n;
                // SAFETY: the only view of `expected` for as long as it lives.
                let c = unsafe { MatMut::from_raw(start, len, offset, [m, n], [row, 1]) };
                gemm_serial(c, a, b, true);
            }
            assert_eq!(c, expected);
        }
        let mut c = [1.0f64; 4];
        let (a, b) = ([1.0; 4], [1.0; 4]);
        let (a, b) = ((Mat::row_major(&a, 2, 2), &[0][..]), (Mat::row_major(&b, 2, 2), &[0][..]));
        gemm_batch(&[0], (MatMut::row_major(&mut c, 2, 2), &[4]), a, b, false);
        assert_eq!(c, [1.0; 4]);
    }

    #[test]
    fn views_are_checked() {
        let caught = |f: fn()| std::panic::catch_unwind(f).is_err();
        assert!(caught(|| {
            let _ = Mat::new(&[0f32; 5], 0, [2, 3], [3, 1]).t();
        }));
        assert!(caught(|| {
            let _ = Mat::new(&[0f32; 6], 0, [2, 3], [-3, 1]).t();
        }));
        assert!(caught(|| {
            let _ = MatMut::new(&mut [0f32; 6], 0, [2, 3], [0, 1]);
        }));
        assert!(caught(|| {
            let _ = MatMut::new(&mut [0f32; 9], 0, [3, 3], [2, 1]);
        }));
        assert!(caught(|| gemm(
            MatMut::row_major(&mut [0f32; 4], 2, 2),
            Mat::row_major(&[0f32; 4], 2, 2),
            Mat::row_major(&[0f32; 6], 3, 2),
            false
        )));
    }
}
