//! Depthwise convolution: each output sees one channel.
//!
//! A channel is copied to a frame of zeros, its strided phases apart, so that every element of the kernel is one offset
//! along the frame, the same for all places. What the frame's margins give lies between the rows and is left out.

use super::SCRATCH;
use super::geometry::{Geometry, Phase, indices, inside, volume};
use super::patches::copy;
use crate::cpu::gemm::{Buffer, GemmElement};
use crate::cpu::isa::simd;
use crate::cpu::strided::GRAIN;
use crate::cpu::threads::{SendPtr, parallel_chunks_mut, parallel_for};
use smallvec::SmallVec;
use std::ops::Range;

/// Vectors that are computed side by side.
const VECTORS: usize = 4;
/// Elements that blocks may reach beyond the last place: [`VECTORS`] of the widest.
const SLACK: usize = 4 * 16;
/// The most kernel elements whose sums are held in registers.
const SUMS: usize = 9;

/// Kernel elements that need no memory of their own.
const TAPS: usize = 64;

/// How a channel lies in its frame.
struct Frame {
    /// The index of the channel that the frame's first element stands for.
    origin: [isize; 3],
    /// Elements this far apart are neighbours in the frame; the phases between them follow.
    step: [usize; 3],
    /// Sizes of one phase.
    sizes: [usize; 3],
    /// The channel's rows in the frame.
    rows: SmallVec<[Row; TAPS]>,
}

/// Elements of a channel that are neighbours in a frame.
#[derive(Clone, Copy)]
struct Row {
    from: usize,
    to: usize,
    len: usize,
}

impl Frame {
    /// For what a kernel sees of a channel from its places.
    fn of_image(g: &Geometry) -> Frame {
        let reach = |axis: usize| (g.kernel[axis] - 1) * g.dilation[axis] / g.stride[axis];
        let origin = g.padding.map(|padding| -(padding as isize));
        let sizes = std::array::from_fn(|axis| g.places[axis] + reach(axis));
        Frame::new(origin, g.stride, sizes, g.image)
    }

    /// For what the taps of some phases see of the places.
    fn of_places(phases: &[Phase], places: [usize; 3]) -> Frame {
        let all =
            |axis: usize| phases.iter().flat_map(move |phase| phase.taps.iter().map(move |tap| (phase, tap[axis])));
        let low = |axis: usize| all(axis).map(|(_, tap)| tap).min().unwrap_or(0);
        let end = |axis: usize| all(axis).map(|(phase, tap)| tap + phase.grid[axis] as isize).max().unwrap_or(1);
        let sizes = |axis: usize| (end(axis) - low(axis)) as usize;
        Frame::new(std::array::from_fn(low), [1; 3], std::array::from_fn(sizes), places)
    }

    fn new(origin: [isize; 3], step: [usize; 3], sizes: [usize; 3], channel: [usize; 3]) -> Frame {
        let mut frame = Frame { origin, step, sizes, rows: SmallVec::new() };
        for (number, phase) in indices(step).enumerate() {
            let start: [isize; 3] = std::array::from_fn(|axis| origin[axis] + phase[axis] as isize);
            let [ds, hs, ws] = std::array::from_fn(|axis| inside(start[axis], step[axis], channel[axis], sizes[axis]));
            let from = |axis: usize, i: usize| (start[axis] + (i * step[axis]) as isize) as usize;
            if ws.is_empty() {
                continue;
            }
            for (d, h) in ds.flat_map(|d| hs.clone().map(move |h| (d, h))) {
                frame.rows.push(Row {
                    from: (from(0, d) * channel[1] + from(1, h)) * channel[2] + from(2, ws.start),
                    to: number * volume(sizes) + frame.at([d, h, ws.start]),
                    len: ws.len(),
                });
            }
        }
        frame
    }

    /// Elements of all phases.
    fn len(&self) -> usize {
        volume(self.sizes) * volume(self.step)
    }

    /// Where an element of a phase is.
    fn at(&self, [d, h, w]: [usize; 3]) -> usize {
        (d * self.sizes[1] + h) * self.sizes[2] + w
    }

    /// Where the element `index` after the origin is.
    fn offset(&self, index: [usize; 3]) -> usize {
        let [d, h, w] = std::array::from_fn(|axis| index[axis] % self.step[axis]);
        let phase = (d * self.step[1] + h) * self.step[2] + w;
        phase * volume(self.sizes) + self.at(std::array::from_fn(|axis| index[axis] / self.step[axis]))
    }

    /// From the first to behind the last of some places.
    fn span(&self, grid: [usize; 3]) -> usize {
        self.at(grid.map(|n| n - 1)) + 1
    }
}

/// Copies a channel into its frame, whose margins are zero already.
#[inline(always)]
fn fill<T: GemmElement>(frame: &Frame, channel: &[T], to: &mut [T]) {
    for row in &frame.rows {
        copy(channel, row.from, frame.step[2], &mut to[row.to..row.to + row.len]);
    }
}

/// Writes `start` plus the sum over taps of weight times frame, at an offset each, to `out`.
#[inline(always)]
fn correlate<S: pulp::Simd, T: GemmElement>(
    simd: S,
    frame: &[T],
    taps: &[(usize, T)],
    start: T,
    out: &mut [T],
    len: usize,
) {
    let lanes = T::lanes::<S>();
    let mut i = 0;
    while i < len {
        if i + VECTORS / 2 * lanes < len {
            correlate_block::<S, T, VECTORS>(simd, &frame[i..], taps, start, &mut out[i..]);
            i += VECTORS * lanes;
        } else {
            correlate_block::<S, T, { VECTORS / 2 }>(simd, &frame[i..], taps, start, &mut out[i..]);
            i += VECTORS / 2 * lanes;
        }
    }
}

#[inline(always)]
fn correlate_block<S: pulp::Simd, T: GemmElement, const N: usize>(
    simd: S,
    frame: &[T],
    taps: &[(usize, T)],
    start: T,
    out: &mut [T],
) {
    let lanes = T::lanes::<S>();
    let mut sums = [T::splat(simd, start); N];
    for &(offset, weight) in taps {
        let from = &frame[offset..offset + N * lanes];
        let weight = T::splat(simd, weight);
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `from` has N vectors.
            *sum = T::mul_add(simd, weight, unsafe { T::load::<S>(from.as_ptr().add(v * lanes)) }, *sum);
        }
    }
    let out = &mut out[..N * lanes];
    for (v, sum) in sums.into_iter().enumerate() {
        // SAFETY: `out` has room for N vectors.
        unsafe { T::store::<S>(out.as_mut_ptr().add(v * lanes), sum) };
    }
}

/// Whether the frame of a channel is small, or not much larger than the channel: huge strides, dilations and paddings can
/// make it larger than memory.
pub(super) fn suits(g: &Geometry) -> bool {
    let reach = |axis: usize| (g.kernel[axis] - 1) * g.dilation[axis] / g.stride[axis];
    let len = (0..3).flat_map(|axis| [g.places[axis] + reach(axis), g.stride[axis]]).fold(1, usize::saturating_mul);
    len <= (1 << 20).max(4 * volume(g.image))
}

/// The convolution.
pub(super) fn forward<T: GemmElement>(x: &[T], w: &[T], bias: Option<&[T]>, g: &Geometry, out: &mut [T]) {
    let (channel, places, elements) = (volume(g.image), volume(g.places), g.elements());
    if out.is_empty() {
        return;
    }
    let frame = Frame::of_image(g);
    let offsets: SmallVec<[usize; TAPS]> = indices(g.kernel).map(|k| frame.offset(dilated(g, k))).collect();
    let (len, span) = (frame.len() + SLACK, frame.span(g.places));
    let group = (GRAIN / (places * g.outputs * elements).max(channel)).max(1);
    parallel_chunks_mut(out, group * g.outputs * places, |task, out| {
        let mut scratch = Buffer::take(&SCRATCH);
        let (padded, flat) = scratch.get::<T>(len + span + SLACK).split_at_mut(len);
        let planes = task * group..task * group + out.len() / (g.outputs * places);
        let x = &x[planes.start * channel..planes.end * channel];
        forward_planes(g, &frame, &offsets, x, w, bias, planes, [padded, flat], out);
    });
}

simd! {
    /// The convolution of some channels, counted through all images, that `x` begins with.
    fn forward_planes<S, T: GemmElement>(
        simd: S, g: &Geometry, frame: &Frame, offsets: &[usize], x: &[T], w: &[T], bias: Option<&[T]>,
        planes: Range<usize>, scratch: [&mut [T]; 2], out: &mut [T],
    ) {
        let [padded, flat] = scratch;
        let (channel, places, span) = (volume(g.image), volume(g.places), frame.span(g.places));
        padded.fill(T::default());
        let mut taps: SmallVec<[(usize, T); TAPS]> = SmallVec::new();
        for ((i, plane), out) in planes.enumerate().zip(out.chunks_exact_mut(g.outputs * places)) {
            fill(frame, &x[i * channel..][..channel], padded);
            for (j, out) in out.chunks_exact_mut(places).enumerate() {
                let output = plane % g.groups * g.outputs + j;
                let kernel = &w[output * offsets.len()..][..offsets.len()];
                taps.clear();
                taps.extend(offsets.iter().copied().zip(kernel.iter().copied()));
                correlate(simd, padded, &taps, bias.map_or(T::default(), |bias| bias[output]), flat, span);
                gather_rows(frame, flat, g.places, out);
            }
        }
    }
}

/// How far a kernel's element is from the kernel's first.
fn dilated(g: &Geometry, k: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| k[axis] * g.dilation[axis])
}

/// Takes the rows of a frame together.
#[inline(always)]
fn gather_rows<T: GemmElement>(frame: &Frame, flat: &[T], places: [usize; 3], out: &mut [T]) {
    for (d, out) in out.chunks_exact_mut(places[1] * places[2]).enumerate() {
        for (h, out) in out.chunks_exact_mut(places[2]).enumerate() {
            copy(flat, frame.at([d, h, 0]), 1, out);
        }
    }
}

/// Puts rows into a frame: the inverse of [`gather_rows`].
#[inline(always)]
fn spread_rows<T: GemmElement>(frame: &Frame, places: [usize; 3], from: &[T], flat: &mut [T]) {
    for (d, from) in from.chunks_exact(places[1] * places[2]).enumerate() {
        for (h, from) in from.chunks_exact(places[2]).enumerate() {
            copy(from, 0, 1, &mut flat[frame.at([d, h, 0])..][..places[2]]);
        }
    }
}

/// The transpose.
pub(super) fn transpose<T: GemmElement>(y: &[T], w: &[T], bias: Option<&[T]>, g: &Geometry, out: &mut [T]) {
    let (channel, places, elements) = (volume(g.image), volume(g.places), g.elements());
    if out.is_empty() {
        return;
    }
    let phases = g.phases();
    let frame = Frame::of_places(&phases, g.places);
    let len = frame.len();
    let all = len * g.outputs + SLACK;
    let group = (GRAIN / (places * g.outputs * elements).max(channel)).max(1);
    parallel_chunks_mut(out, group * channel, |task, out| {
        let mut scratch = Buffer::take(&SCRATCH);
        let (padded, flat) = scratch.get::<T>(all + len + SLACK).split_at_mut(all);
        let planes = task * group..task * group + out.len() / channel;
        transpose_planes(g, &frame, &phases, y, w, bias, planes, [padded, flat], out);
    });
}

simd! {
    /// The transpose for some channels, counted through all images.
    fn transpose_planes<S, T: GemmElement>(
        simd: S, g: &Geometry, frame: &Frame, phases: &[Phase], y: &[T], w: &[T], bias: Option<&[T]>,
        planes: Range<usize>, scratch: [&mut [T]; 2], out: &mut [T],
    ) {
        let [padded, flat] = scratch;
        let (places, elements, len) = (volume(g.places), g.elements(), frame.len());
        padded.fill(T::default());
        let mut taps: SmallVec<[(usize, T); TAPS]> = SmallVec::new();
        for (plane, out) in planes.zip(out.chunks_exact_mut(volume(g.image))) {
            let output = plane % g.groups * g.outputs;
            for (j, padded) in padded[..len * g.outputs].chunks_exact_mut(len).enumerate() {
                fill(frame, &y[(plane * g.outputs + j) * places..][..places], padded);
            }
            let start = bias.map_or(T::default(), |bias| bias[plane % g.groups]);
            if !g.covered_by(phases) {
                out.fill(start);
            }
            for phase in phases {
                taps.clear();
                for j in 0..g.outputs {
                    for (element, tap) in phase.elements.iter().zip(&phase.taps) {
                        let index = std::array::from_fn(|axis| (tap[axis] - frame.origin[axis]) as usize);
                        taps.push((j * len + frame.at(index), w[(output + j) * elements + element]));
                    }
                }
                correlate(simd, padded, &taps, start, flat, frame.span(phase.grid));
                scatter_rows(frame, flat, phase, g, out);
            }
        }
    }
}

/// Writes the rows of one phase to their places in a channel.
#[inline(always)]
fn scatter_rows<T: GemmElement>(frame: &Frame, flat: &[T], phase: &Phase, g: &Geometry, out: &mut [T]) {
    let [_, height, width] = g.image;
    for d in 0..phase.grid[0] {
        for h in 0..phase.grid[1] {
            let to = (phase.first[0] + d * g.stride[0]) * height + phase.first[1] + h * g.stride[1];
            let out = &mut out[to * width..][..width];
            let from = &flat[frame.at([d, h, 0])..][..phase.grid[2]];
            if g.stride[2] == 1 {
                copy(from, 0, 1, out);
            } else {
                let out = out[phase.first[2]..].iter_mut().step_by(g.stride[2]);
                out.zip(from).for_each(|(out, &x)| *out = x);
            }
        }
    }
}

/// The gradient with respect to the kernels: each channel's sums over images and places, in order.
pub(super) fn weight_grad<T: GemmElement>(x: &[T], y: &[T], g: &Geometry, out: &mut [T]) {
    if out.is_empty() || volume(g.places) * g.images == 0 {
        return out.fill(T::default());
    }
    let frame = Frame::of_image(g);
    let offsets: SmallVec<[usize; TAPS]> = indices(g.kernel).map(|k| frame.offset(dilated(g, k))).collect();
    let (len, span) = (frame.len() + SLACK, frame.span(g.places).next_multiple_of(SLACK / 4));
    let sums = g.outputs * g.elements();
    let (total, out) = (g.groups * sums, SendPtr::new(out));
    parallel_for(g.groups, |group| {
        let mut scratch = Buffer::take(&SCRATCH);
        let scratch = scratch.get::<T>(len + span + sums * SLACK);
        scratch.fill(T::default());
        let (padded, rest) = scratch.split_at_mut(len);
        let (flat, lanes) = rest.split_at_mut(span);
        assert!((group + 1) * sums <= total);
        // SAFETY: inside by the assertion, and this group's alone.
        let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(group * sums), sums) };
        sum_planes(g, &frame, &offsets, x, y, group, [padded, flat, lanes], out);
    });
}

simd! {
    /// The gradient of one group's kernels.
    fn sum_planes<S, T: GemmElement>(
        simd: S, g: &Geometry, frame: &Frame, offsets: &[usize], x: &[T], y: &[T], group: usize,
        scratch: [&mut [T]; 3], out: &mut [T],
    ) {
        let [padded, flat, lanes] = scratch;
        let (channel, places) = (volume(g.image), volume(g.places));
        for image in 0..g.images {
            let plane = image * g.groups + group;
            fill(frame, &x[plane * channel..][..channel], padded);
            for (j, lanes) in lanes.chunks_exact_mut(offsets.len() * SLACK).enumerate() {
                spread_rows(frame, g.places, &y[(plane * g.outputs + j) * places..][..places], flat);
                dots(simd, padded, offsets, flat, lanes);
            }
        }
        for (out, lanes) in out.iter_mut().zip(lanes.chunks_exact(SLACK)) {
            *out = total_of(simd, lanes);
        }
    }
}

/// Adds, for each offset, the products of `flat` with the frame from there on, lane by lane.
#[inline(always)]
fn dots<S: pulp::Simd, T: GemmElement>(simd: S, frame: &[T], offsets: &[usize], flat: &[T], sums: &mut [T]) {
    let each = offsets.len().div_ceil(offsets.len().div_ceil(SUMS));
    for (offsets, sums) in offsets.chunks(each).zip(sums.chunks_mut(each * SLACK)) {
        match offsets.len() {
            1 => dots_of::<S, T, 1>(simd, frame, offsets, flat, sums),
            2 => dots_of::<S, T, 2>(simd, frame, offsets, flat, sums),
            3 => dots_of::<S, T, 3>(simd, frame, offsets, flat, sums),
            4 => dots_of::<S, T, 4>(simd, frame, offsets, flat, sums),
            5 => dots_of::<S, T, 5>(simd, frame, offsets, flat, sums),
            6 => dots_of::<S, T, 6>(simd, frame, offsets, flat, sums),
            7 => dots_of::<S, T, 7>(simd, frame, offsets, flat, sums),
            8 => dots_of::<S, T, 8>(simd, frame, offsets, flat, sums),
            _ => dots_of::<S, T, SUMS>(simd, frame, offsets, flat, sums),
        }
    }
}

#[inline(always)]
fn dots_of<S: pulp::Simd, T: GemmElement, const N: usize>(
    simd: S,
    frame: &[T],
    offsets: &[usize],
    flat: &[T],
    sums: &mut [T],
) {
    let lanes = T::lanes::<S>();
    assert!(offsets.len() == N && sums.len() == N * SLACK && lanes <= SLACK && flat.len().is_multiple_of(lanes));
    assert!(offsets.iter().all(|offset| offset + flat.len() <= frame.len()));
    let offsets: [usize; N] = std::array::from_fn(|i| offsets[i]);
    // SAFETY: sums have a vector each, and every offset leaves as many elements of the frame as `flat` has.
    unsafe {
        let mut acc: [T::Vector<S>; N] = std::array::from_fn(|i| T::load::<S>(sums.as_ptr().add(i * SLACK)));
        for at in (0..flat.len()).step_by(lanes) {
            let y = T::load::<S>(flat.as_ptr().add(at));
            for (acc, offset) in acc.iter_mut().zip(offsets) {
                *acc = T::mul_add(simd, y, T::load::<S>(frame.as_ptr().add(offset + at)), *acc);
            }
        }
        for (i, acc) in acc.into_iter().enumerate() {
            T::store::<S>(sums.as_mut_ptr().add(i * SLACK), acc);
        }
    }
}

/// The sum of the lanes.
#[inline(always)]
fn total_of<S: pulp::Simd, T: GemmElement>(simd: S, lanes: &[T]) -> T {
    // SAFETY: there is room for the widest vector.
    T::reduce_sum(simd, unsafe { T::load::<S>(lanes[..T::lanes::<S>()].as_ptr()) })
}
