//! Packing: panels of a factor in the order in which the microkernel reads them.

use super::element::GemmElement;
use super::matrix::Mat;
use super::{Source, blocks};
use crate::cpu::isa::simd;
use pulp::Simd;
use std::ops::Range;

/// Panels that are packed abreast where rows are contiguous.
const ABREAST: usize = 4;
/// How many rows ahead packing asks for.
const AHEAD: isize = 8;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Steps of k that are packed at a time where rows become columns.
const PACK_DEPTH: usize = 64;

/// Packs a factor for the microkernel from something other than a strided matrix: for a convolution, an image.
///
/// The factor is `count` vectors of length `depth`: the columns of B, or the rows of A.
pub(crate) trait Pack<T>: Sync {
    /// Length of the vectors.
    fn depth(&self) -> usize;
    /// Number of vectors.
    fn count(&self) -> usize;
    /// What [`pack`](Pack::pack) would write to a panel, zeros behind the last vector included, if it is there already.
    fn panel(&self, _k: Range<usize>, _items: Range<usize>, _width: usize) -> Option<&[T]> {
        None
    }
    /// Writes elements `k` of the vectors `items` to `panel`: element `k.start + p` of vector `items.start + i` goes
    /// to `panel[p * width + i]`. The rest of the panel is zero already.
    fn pack(&self, k: Range<usize>, items: Range<usize>, width: usize, panel: &mut [T]);
}

/// A factor that was packed once for many products: panels of `width` vectors, each with all of their elements.
pub(crate) struct Panels<'a, T> {
    data: &'a [T],
    width: usize,
    count: usize,
    depth: usize,
}

impl<'a, T: GemmElement> Panels<'a, T> {
    /// Elements of the panels of `count` vectors of length `depth`.
    pub(crate) fn len(width: usize, [count, depth]: [usize; 2]) -> usize {
        count.next_multiple_of(width) * depth
    }

    /// Packs the rows of a matrix.
    pub(crate) fn write(rows: Mat<T>, width: usize, to: &mut [T]) {
        if rows.dims[1] > 0 {
            pack_panels(&Source::rows(rows), 0..rows.dims[1], 0..rows.dims[0], width, to);
        }
    }

    /// What [`Panels::write`] wrote.
    pub(crate) fn new(data: &'a [T], width: usize, [count, depth]: [usize; 2]) -> Self {
        assert!(data.len() == Self::len(width, [count, depth]), "length of the panels");
        Panels { data, width, count, depth }
    }

    /// Some of the vectors, from the first of a panel on.
    pub(crate) fn part(&self, vectors: Range<usize>) -> Self {
        assert!(vectors.start.is_multiple_of(self.width) && vectors.end <= self.count, "vectors of panels");
        let len = Self::len(self.width, [vectors.len(), self.depth]);
        Panels { data: &self.data[vectors.start * self.depth..][..len], count: vectors.len(), ..*self }
    }
}

impl<T: GemmElement> Pack<T> for Panels<'_, T> {
    fn depth(&self) -> usize {
        self.depth
    }

    fn count(&self) -> usize {
        self.count
    }

    fn panel(&self, k: Range<usize>, items: Range<usize>, width: usize) -> Option<&[T]> {
        let fits = width == self.width && items.start.is_multiple_of(width);
        fits.then(|| &self.data[items.start * self.depth + k.start * width..][..k.len() * width])
    }

    fn pack(&self, k: Range<usize>, items: Range<usize>, width: usize, panel: &mut [T]) {
        for (i, item) in items.enumerate() {
            let from = item / self.width * self.width * self.depth + item % self.width;
            for p in 0..k.len() {
                panel[p * width + i] = self.data[from + (k.start + p) * self.width];
            }
        }
    }
}

simd! {
    /// Packs the panels of `items` into `packed`, as many as it has room for.
    pub(super) fn pack_panels<S, T: GemmElement>(
        simd: S, source: &Source<T>, k: Range<usize>, items: Range<usize>, width: usize, packed: &mut [T],
    ) {
        if S::IS_SCALAR {
            pack_all::<pulp::Scalar128b, T>(source, k, items, width, packed);
        } else {
            pack_all::<S, T>(source, k, items, width, packed);
        }
    }
}

/// [`pack_panels`] inside a kernel.
#[inline(always)]
pub(super) fn pack_all<S: Simd, T: GemmElement>(
    source: &Source<T>,
    k: Range<usize>,
    items: Range<usize>,
    width: usize,
    packed: &mut [T],
) {
    let len = k.len() * width;
    if len == 0 {
        return;
    }
    let whole = match *source {
        Source::Strided { data, stride: 1, k_stride } => {
            let whole = (packed.len() / len).min(items.len() / width);
            // SAFETY: elements of the checked matrix, and `whole` panels.
            unsafe {
                let from = data.offset(k.start as isize * k_stride + items.start as isize);
                let (depth, to) = (k.len(), packed.as_mut_ptr());
                match width {
                    4 => pack_rows::<T, 4>(from, k_stride, [whole, depth], to),
                    6 => pack_rows::<T, 6>(from, k_stride, [whole, depth], to),
                    8 => pack_rows::<T, 8>(from, k_stride, [whole, depth], to),
                    12 => pack_rows::<T, 12>(from, k_stride, [whole, depth], to),
                    16 => pack_rows::<T, 16>(from, k_stride, [whole, depth], to),
                    32 => pack_rows::<T, 32>(from, k_stride, [whole, depth], to),
                    _ => 0,
                }
            }
        }
        _ => 0,
    };
    let rest = items.start + whole * width..items.end;
    for (panel, items) in packed[whole * len..].chunks_exact_mut(len).zip(blocks(rest, width)) {
        pack_panel::<S, T>(source, k.clone(), items, width, panel);
    }
}

/// Packs whole panels of `N` vectors whose elements of the same k lie side by side, some panels abreast, so that memory is read in
/// order; gives how many.
///
/// # Safety
/// There are so many vectors, and room for them.
#[inline(always)]
unsafe fn pack_rows<T: Copy, const N: usize>(
    from: *const T,
    k_stride: isize,
    [panels, depth]: [usize; 2],
    to: *mut T,
) -> usize {
    for first in (0..panels).step_by(ABREAST) {
        let count = ABREAST.min(panels - first);
        for p in 0..depth {
            for panel in first..first + count {
                // SAFETY: as the caller promised.
                unsafe {
                    let from = from.offset(p as isize * k_stride).add(panel * N);
                    let to = to.add((panel * depth + p) * N);
                    prefetch(from.wrapping_offset(AHEAD * k_stride));
                    to.cast::<[T; N]>().write_unaligned(from.cast::<[T; N]>().read_unaligned());
                }
            }
        }
    }
    panels
}

/// Asks for the cache line of an element, which need not exist.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: nothing is read.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    let _ = at;
}

/// Packs one panel: see [`Pack::pack`].
#[inline(always)]
fn pack_panel<S: Simd, T: GemmElement>(
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
        Source::Shifted(shifted) => {
            let panel_width = 2 * T::lanes::<S>();
            for (row, &offset) in panel.chunks_exact_mut(width).zip(&shifted.offsets[k]) {
                for (to, i) in row.iter_mut().zip(items.clone()) {
                    *to = shifted.data[offset + shifted.start(i, panel_width) + i % panel_width];
                }
            }
        }
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
                        let (from, to) = (from.add(i), to.add(i));
                        match count - i {
                            len @ 8.. => copy_ends::<T, 8>(from, to, len),
                            len @ 4.. => copy_ends::<T, 4>(from, to, len),
                            len => (0..len).for_each(|i| *to.add(i) = *from.add(i)),
                        }
                    }
                } else {
                    // By parts of k that keep the panel's part in the L1 cache.
                    for part in blocks(0..depth, PACK_DEPTH) {
                        let from = from.offset(part.start as isize * k_stride);
                        let to = to.add(part.start * width);
                        let mut i = 0;
                        while k_stride == 1 && i + 4 <= count {
                            let rows = std::array::from_fn(|row| from.offset((i + row) as isize * stride));
                            // The rows after these come in the meantime.
                            for row in rows {
                                let next = row.wrapping_offset(4 * stride);
                                (0..part.len())
                                    .step_by(LINE / size_of::<T>())
                                    .for_each(|p| prefetch(next.wrapping_add(p)));
                            }
                            transpose_4(rows, part.len(), to.add(i), width);
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

/// Copies `N` to `2 * N` elements: the first and the last `N`.
///
/// # Safety
/// `len` elements can be read and written.
#[inline(always)]
pub(crate) unsafe fn copy_ends<T: Copy, const N: usize>(from: *const T, to: *mut T, len: usize) {
    // SAFETY: `len` is at least N, by which the last begin before the end.
    unsafe {
        let (first, last) = (from.cast::<[T; N]>(), from.add(len - N).cast::<[T; N]>());
        let (first, last) = (first.read_unaligned(), last.read_unaligned());
        to.cast::<[T; N]>().write_unaligned(first);
        to.add(len - N).cast::<[T; N]>().write_unaligned(last);
    }
}

/// Copies four contiguous rows of length `depth` to four neighbouring columns, whose elements are `width` apart.
///
/// # Safety
/// All these elements may be read and written.
#[inline(always)]
pub(crate) unsafe fn transpose_4<T: GemmElement>(rows: [*const T; 4], depth: usize, to: *mut T, width: usize) {
    // SAFETY: as the caller promised.
    unsafe {
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
