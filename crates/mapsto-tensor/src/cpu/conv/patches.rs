//! The matrix of patches that a convolution is a product with: never stored, packed as the product needs it.

use super::geometry::{Run, inside, runs, volume};
use crate::cpu::gemm::{GemmElement, Pack, copy_ends};
use crate::cpu::isa::simd;
use smallvec::SmallVec;
use std::ops::Range;

/// Patches of one group's channels: a vector for each place, an element for each channel and tap.
#[derive(Clone)]
pub(super) struct Patches<'a, T> {
    /// The images.
    pub data: &'a [T],
    /// From image to image.
    pub image_stride: usize,
    /// Where the group's first channel begins.
    pub offset: usize,
    pub channels: usize,
    /// Sizes of the images.
    pub sizes: [usize; 3],
    /// Numbers of places along each axis.
    pub grid: [usize; 3],
    /// How far apart they are.
    pub step: [usize; 3],
    /// Where the elements lie, seen from a place.
    pub taps: &'a [[isize; 3]],
    /// Which places, counted through all images.
    pub places: Range<usize>,
}

impl<T: GemmElement> Patches<'_, T> {
    /// Whether the patches are the images themselves.
    pub fn are_images(&self) -> bool {
        self.taps == [[0; 3]] && self.step == [1; 3] && self.grid == self.sizes
    }
}

impl<T: GemmElement> Pack<T> for Patches<'_, T> {
    fn depth(&self) -> usize {
        self.channels * self.taps.len()
    }

    fn count(&self) -> usize {
        self.places.len()
    }

    fn pack(&self, k: Range<usize>, items: Range<usize>, width: usize, panel: &mut [T]) {
        pack(self, k, items, width, panel);
    }
}

/// Elements that one tap gives to neighbouring places.
#[derive(Clone, Copy)]
struct Piece {
    /// The first place.
    to: usize,
    len: usize,
    /// The first element, in the first channel.
    from: usize,
}

/// What one tap gives: some of the pieces.
#[derive(Clone, Copy)]
struct Row {
    begin: usize,
    end: usize,
    /// Whether they reach every place.
    full: bool,
}

/// The pieces of several taps.
struct Pieces {
    runs: SmallVec<[Run; 32]>,
    pieces: SmallVec<[Piece; PIECES]>,
    rows: SmallVec<[Row; 32]>,
}

/// Pieces that are worked out at a time.
const PIECES: usize = 128;

impl Pieces {
    #[inline(always)]
    fn new<T>(patches: &Patches<T>, places: Range<usize>) -> Pieces {
        let runs = runs(places, patches.grid).collect();
        Pieces { runs, pieces: SmallVec::new(), rows: SmallVec::new() }
    }

    /// How many taps to take at a time.
    #[inline(always)]
    fn taps_at_once(&self) -> usize {
        (PIECES / self.runs.len().max(1)).clamp(1, 32)
    }

    /// Works the pieces of some taps out. They lie inside the images, up to channel `last`.
    #[inline(always)]
    fn set<T>(&mut self, patches: &Patches<T>, taps: &[[isize; 3]], last: usize) {
        self.pieces.clear();
        self.rows.clear();
        let ([depth, height, width], step) = (patches.sizes, patches.step);
        let room = patches.data.len().saturating_sub(last * volume(patches.sizes));
        for tap in taps {
            let (begin, mut full) = (self.pieces.len(), true);
            for run in &self.runs {
                let [d, h, w]: [isize; 3] = std::array::from_fn(|i| (run.index[i] * step[i]) as isize + tap[i]);
                let outside = d < 0 || d >= depth as isize || h < 0 || h >= height as isize;
                let within = if outside { 0..0 } else { inside(w, step[2], width, run.len) };
                full &= within.len() == run.len;
                if !within.is_empty() {
                    let column = (w + (within.start * step[2]) as isize) as usize;
                    let row = (d as usize * height + h as usize) * width;
                    let from = patches.offset + run.image * patches.image_stride + row + column;
                    assert!(from + (within.len() - 1) * step[2] < room);
                    self.pieces.push(Piece { to: run.at + within.start, len: within.len(), from });
                }
            }
            self.rows.push(Row { begin, end: self.pieces.len(), full });
        }
    }

    /// Copies the pieces of the tap that was set as number `tap`, in one channel; zeros where there are none.
    #[inline(always)]
    fn copy<T: GemmElement>(&self, patches: &Patches<T>, tap: usize, channel: usize, row: &mut [T]) {
        let Row { begin, end, full } = self.rows[tap];
        if !full {
            clear(row);
        }
        let data = patches.data.as_ptr().wrapping_add(channel * volume(patches.sizes));
        for piece in &self.pieces[begin..end] {
            let to = &mut row[piece.to..piece.to + piece.len];
            // SAFETY: `set` found all these elements inside the images.
            unsafe { copy_from(data.add(piece.from), patches.step[2], to) };
        }
    }
}

simd! {
    fn pack<S, T: GemmElement>(
        simd: S, patches: &Patches<T>, k: Range<usize>, items: Range<usize>, width: usize, panel: &mut [T],
    ) {
        if k.is_empty() {
            return;
        }
        let count = patches.taps.len();
        let channels = k.start / count.max(1)..k.end.div_ceil(count.max(1));
        let places = patches.places.start + items.start..patches.places.start + items.end;
        let mut pieces = Pieces::new(patches, places);
        let each = pieces.taps_at_once();
        for first in (0..count).step_by(each) {
            let taps = first..count.min(first + each);
            pieces.set(patches, &patches.taps[taps.clone()], channels.end - 1);
            for c in channels.clone() {
                // The first and the last channel may be in the block by some of their taps only.
                let begin = taps.start.max(k.start.saturating_sub(c * count)).min(taps.end);
                let end = taps.end.min(k.end - c * count).max(begin);
                for tap in begin..end {
                    let row = &mut panel[(c * count + tap - k.start) * width..][..width];
                    pieces.copy(patches, tap - first, c, row);
                }
            }
        }
    }
}

simd! {
    /// Writes the patches at some places to rows, `pitch` apart: one for each of some channels and each tap.
    pub(super) fn write_rows<S, T: GemmElement>(
        simd: S, patches: &Patches<T>, channels: Range<usize>, pitch: usize, to: &mut [T],
    ) {
        let (count, len) = (patches.taps.len(), patches.places.len());
        let mut pieces = Pieces::new(patches, patches.places.clone());
        let each = pieces.taps_at_once();
        for first in (0..count).step_by(each) {
            let taps = &patches.taps[first..count.min(first + each)];
            pieces.set(patches, taps, channels.end.saturating_sub(1));
            for (i, c) in channels.clone().enumerate() {
                for tap in 0..taps.len() {
                    let row = &mut to[(i * count + first + tap) * pitch..][..len];
                    pieces.copy(patches, tap, c, row);
                }
            }
        }
    }
}

/// Zeros, by a few vectors where the row is as wide as a panel.
#[inline(always)]
fn clear<T: GemmElement>(row: &mut [T]) {
    match row.len() {
        32 => row.copy_from_slice(&[T::default(); 32]),
        16 => row.copy_from_slice(&[T::default(); 16]),
        8 => row.copy_from_slice(&[T::default(); 8]),
        _ => row.fill(T::default()),
    }
}

/// Copies elements `step` apart, the first at `from`.
#[inline(always)]
pub(super) fn copy<T: GemmElement>(data: &[T], from: usize, step: usize, to: &mut [T]) {
    if let Some(last) = to.len().checked_sub(1) {
        assert!(from + last * step < data.len());
        // SAFETY: inside by the assertion.
        unsafe { copy_from(data.as_ptr().add(from), step, to) };
    }
}

/// Copies elements `step` apart. Short copies are two vectors of one length that may overlap.
///
/// # Safety
/// As many elements as `to` has can be read.
#[inline(always)]
unsafe fn copy_from<T: GemmElement>(from: *const T, step: usize, to: &mut [T]) {
    let (len, to) = (to.len(), to.as_mut_ptr());
    // SAFETY: every read and write is of an element below `len`.
    unsafe {
        match (step, len) {
            (1, 33..) => to.copy_from_nonoverlapping(from, len),
            (1, 16..) => copy_ends::<T, 16>(from, to, len),
            (1, 8..) => copy_ends::<T, 8>(from, to, len),
            (1, 4..) => copy_ends::<T, 4>(from, to, len),
            (1, 2..) => copy_ends::<T, 2>(from, to, len),
            (2, 4..) => {
                for i in (0..len - 4).step_by(4) {
                    copy_4_of_7(from.add(2 * i), to.add(i));
                }
                copy_4_of_7(from.add(2 * (len - 4)), to.add(len - 4));
            }
            _ => (0..len).for_each(|i| *to.add(i) = *from.add(i * step)),
        }
    }
}

/// Copies the elements 0, 2, 4 and 6.
///
/// # Safety
/// Seven elements can be read, four written.
#[inline(always)]
unsafe fn copy_4_of_7<T: GemmElement>(from: *const T, to: *mut T) {
    // SAFETY: as the caller promised.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if size_of::<T>() == 4 {
            use core::arch::x86_64::{_mm_loadu_ps, _mm_shuffle_ps, _mm_storeu_ps};
            let (low, high) = (_mm_loadu_ps(from.cast()), _mm_loadu_ps(from.add(3).cast()));
            return _mm_storeu_ps(to.cast(), _mm_shuffle_ps::<0b11_01_10_00>(low, high));
        }
        (0..4).for_each(|i| *to.add(i) = *from.add(2 * i));
    }
}
