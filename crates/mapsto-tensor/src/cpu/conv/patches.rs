//! The matrix of patches that a convolution is a product with: never stored, packed as the product needs it.

use super::geometry::{Run, inside, runs, volume};
use crate::cpu::gemm::{GemmElement, Pack};
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

/// What one tap gives to a run of places.
#[derive(Clone, Copy)]
struct Piece {
    /// The first place.
    to: usize,
    len: usize,
    /// Where it is inside the image.
    inside: (usize, usize),
    /// The first element of the image that it gives, in the first channel.
    from: usize,
}

/// Pieces that are worked out at a time.
const PIECES: usize = 256;

simd! {
    fn pack<S, T: GemmElement>(
        simd: S, patches: &Patches<T>, k: Range<usize>, items: Range<usize>, width: usize, panel: &mut [T],
    ) {
        let count = patches.taps.len();
        let channel = volume(patches.sizes);
        let places = patches.places.start + items.start..patches.places.start + items.end;
        let all = runs(places.clone(), patches.grid).count();
        let mut pieces: SmallVec<[Piece; PIECES]> = SmallVec::new();
        for first in (0..count).step_by((PIECES / all.max(1)).max(1)) {
            let taps = first..count.min(first + (PIECES / all.max(1)).max(1));
            pieces.clear();
            for tap in &patches.taps[taps.clone()] {
                pieces.extend(runs(places.clone(), patches.grid).map(|run| piece(patches, run, *tap)));
            }
            for c in k.start / count..k.end.div_ceil(count) {
                // The first and the last channel may be in the block by some of their taps only.
                let begin = taps.start.max(k.start.saturating_sub(c * count)).min(taps.end);
                let end = taps.end.min(k.end - c * count).max(begin);
                let data = &patches.data[c * channel..];
                for tap in begin..end {
                    let row = &mut panel[(c * count + tap - k.start) * width..][..width];
                    for piece in &pieces[(tap - taps.start) * all..][..all] {
                        copy_piece(data, piece, patches.step[2], &mut row[piece.to..piece.to + piece.len]);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn piece<T>(patches: &Patches<T>, run: Run, tap: [isize; 3]) -> Piece {
    let [d, h, w]: [isize; 3] = std::array::from_fn(|i| (run.index[i] * patches.step[i]) as isize + tap[i]);
    let [depth, height, width] = patches.sizes;
    if d < 0 || d >= depth as isize || h < 0 || h >= height as isize {
        return Piece { to: run.at, len: run.len, inside: (0, 0), from: 0 };
    }
    let within = inside(w, patches.step[2], width, run.len);
    let row = (d as usize * height + h as usize) * width;
    let column = w + (within.start * patches.step[2]) as isize;
    let from = patches.offset + run.image * patches.image_stride + row;
    let from = if within.is_empty() { 0 } else { from + column as usize };
    Piece { to: run.at, len: run.len, inside: (within.start, within.end), from }
}

#[inline(always)]
fn copy_piece<T: GemmElement>(data: &[T], piece: &Piece, step: usize, to: &mut [T]) {
    let (begin, end) = piece.inside;
    for x in &mut to[..begin] {
        *x = T::default();
    }
    copy(data, piece.from, step, &mut to[begin..end]);
    for x in &mut to[end..] {
        *x = T::default();
    }
}

simd! {
    /// Writes the patches at some places to rows, `pitch` apart: one for each of some channels and each tap.
    pub(super) fn write_rows<S, T: GemmElement>(
        simd: S, patches: &Patches<T>, channels: Range<usize>, pitch: usize, to: &mut [T],
    ) {
        let (count, channel) = (patches.taps.len(), volume(patches.sizes));
        let all: SmallVec<[Run; 64]> = runs(patches.places.clone(), patches.grid).collect();
        for (t, tap) in patches.taps.iter().enumerate() {
            for run in &all {
                let piece = piece(patches, *run, *tap);
                for (i, c) in channels.clone().enumerate() {
                    let row = &mut to[(i * count + t) * pitch + piece.to..][..piece.len];
                    copy_piece(&patches.data[c * channel..], &piece, patches.step[2], row);
                }
            }
        }
    }
}

/// Copies elements `step` apart, the first at `from`. Short copies are a few vectors of fixed lengths.
#[inline(always)]
fn copy<T: GemmElement>(data: &[T], from: usize, step: usize, to: &mut [T]) {
    let len = to.len();
    if len == 0 {
        return;
    }
    match step {
        1 => {
            let data = &data[from..from + len];
            match len {
                64.. => to.copy_from_slice(data),
                32..64 => copy_ends::<T, 32>(data, to),
                16..32 => copy_ends::<T, 16>(data, to),
                8..16 => copy_ends::<T, 8>(data, to),
                4..8 => copy_ends::<T, 4>(data, to),
                _ => to.iter_mut().zip(data).for_each(|(to, &x)| *to = x),
            }
        }
        2 => {
            let data = &data[from..from + 2 * len - 1];
            let mut i = 0;
            while i + 8 < len {
                let from: &[T; 16] = data[2 * i..2 * i + 16].try_into().expect("as many as asked");
                to[i..i + 8].copy_from_slice(&std::array::from_fn::<T, 8, _>(|j| from[2 * j]));
                i += 8;
            }
            for i in i..len {
                to[i] = data[2 * i];
            }
        }
        _ => to.iter_mut().enumerate().for_each(|(i, to)| *to = data[from + i * step]),
    }
}

/// Copies `N` to `2 * N` elements: the first and the last `N`.
#[inline(always)]
fn copy_ends<T: Copy, const N: usize>(data: &[T], to: &mut [T]) {
    let last = to.len() - N;
    to[..N].copy_from_slice(&data[..N]);
    to[last..].copy_from_slice(&data[last..]);
}
