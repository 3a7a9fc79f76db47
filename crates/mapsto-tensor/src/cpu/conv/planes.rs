//! Patches that are read in place, from a copy of the images with zeros around and with the phases of a stride apart: in it the
//! elements of neighbouring places are neighbours. Places between the lines, where patches wrap, are computed and dropped.

use super::SCRATCH;
use super::geometry::{inside, volume};
use super::implicit::Products;
use super::patches::{Patches, copy};
use crate::cpu::gemm::{Buffer, Factor, GemmElement, MatMut, Options, Shifted, gemm_with};
use crate::cpu::isa::simd;
use crate::cpu::threads::{SendPtr, parallel_for};
use smallvec::SmallVec;
use std::ops::Range;

/// Elements of a task's copy, at most: it stays in the L2 cache.
const COPY: usize = 96 << 10;
/// Elements of the results that a task holds at a time.
const RESULTS: usize = 32 << 10;
/// Places of a task, at least and at most.
const PLACES: [usize; 2] = [64, 1024];
/// Tasks that keep all threads busy to the end.
const TASKS: usize = 16;
/// Rows are taken in multiples of this: those of a tile.
const ROWS: usize = 12;
/// Places are computed in multiples of this: a vector of the widest kind.
const LANES: usize = 16;
/// What it costs in multiply-adds to pack an element of a patch, or to copy every other element.
const PACK_COST: f64 = 26.0;
/// To copy elements side by side.
const COPY_COST: f64 = 10.0;
/// To move a result to its place.
const RESULT_COST: f64 = 5.0;

/// How the taps reach along one axis.
struct Axis {
    /// The phases of the stride in which they lie.
    phases: SmallVec<[usize; 4]>,
    /// The first element of a phase that the first place reads.
    low: isize,
    /// How many elements beyond the number of places are read.
    span: usize,
    step: usize,
}

impl Axis {
    fn new(taps: &[[isize; 3]], axis: usize, step: usize) -> Axis {
        let all = || taps.iter().map(|tap| tap[axis]);
        let index = |tap: isize| tap.div_euclid(step as isize);
        let mut phases: SmallVec<_> = all().map(|tap| tap.rem_euclid(step as isize) as usize).collect();
        phases.sort_unstable();
        phases.dedup();
        let (low, high) = (all().map(index).min().unwrap_or(0), all().map(index).max().unwrap_or(0));
        Axis { phases, low, span: (high - low) as usize, step }
    }

    /// In which of the phases a tap lies, and how far from the first element.
    fn find(&self, tap: isize) -> (usize, usize) {
        let (index, phase) = (tap.div_euclid(self.step as isize), tap.rem_euclid(self.step as isize) as usize);
        (self.phases.iter().position(|&p| p == phase).unwrap_or(0), (index - self.low) as usize)
    }

    /// The image's element that is the phase's element of this number.
    fn element(&self, phase: usize, index: usize) -> isize {
        (index as isize + self.low) * self.step as isize + self.phases[phase] as isize
    }
}

/// The copy that a task reads, and which places it computes: all of some images, or some lines of one.
pub(super) struct Planes {
    axes: [Axis; 2],
    /// Images and lines of a task.
    images: usize,
    lines: usize,
    /// Places of a line, and from one to the next.
    places: usize,
    pitch: usize,
    /// What the products cost this way, in those at full speed.
    pub cost: f64,
}

/// What products of some rows cost with patches that are packed, in those at full speed.
pub(super) fn packing_cost(rows: usize) -> f64 {
    row_cost(rows) + PACK_COST / rows as f64
}

/// What the rows of a product cost, for narrow tiles and parts of them are slower.
fn row_cost(rows: usize) -> f64 {
    let rest = match rows % ROWS {
        0 => 0,
        1..=2 => 3,
        3..=4 => 4,
        5..=8 => 8,
        _ => ROWS,
    };
    (rows / ROWS * ROWS + rest) as f64 / rows as f64
}

impl Planes {
    /// For products of some rows with patches of some channels, if a task's copy can be held.
    pub fn new(
        [depth, height, width]: [usize; 3],
        step: [usize; 3],
        taps: &[[isize; 3]],
        [channels, rows]: [usize; 2],
        groups: usize,
        images: usize,
    ) -> Option<Planes> {
        let is_empty = [height, width, channels, rows, groups, images, taps.len()].contains(&0);
        if is_empty || depth != 1 || taps.iter().any(|tap| tap[0] != 0) {
            return None;
        }
        let axes = [1, 2].map(|axis| Axis::new(taps, axis, step[axis]));
        let (span, pitch) = (axes[0].span, width.saturating_add(axes[1].span));
        let planes = channels * axes[0].phases.len() * axes[1].phases.len();
        let most = COPY / planes.saturating_mul(pitch);
        if span >= most {
            return None;
        }
        let (most, all) = (most.min(PLACES[1].div_ceil(pitch).max(span + 1) + span), images * groups);
        let (images, lines) = if most >= 2 * (height + span) {
            ((most / (height + span)).min(all / TASKS).clamp(1, images), height)
        } else {
            let bands = height.div_ceil(most - span);
            (1, height.div_ceil(bands.max(TASKS.div_ceil(all))).max(PLACES[0].div_ceil(pitch)).min(height))
        };
        let mut planes = Planes { axes, images, lines, places: width, pitch, cost: 0.0 };
        let copy_cost = if step[2] == 1 { COPY_COST } else { PACK_COST };
        let copied = (channels * planes.phases() * planes.plane(images, lines)) as f64 * copy_cost;
        let slots = planes.count(images, lines).next_multiple_of(LANES) as f64;
        let (valid, depth) = ((images * lines * width) as f64, (channels * taps.len()) as f64);
        planes.cost = slots / valid * row_cost(rows) + RESULT_COST / depth + copied / (valid * rows as f64 * depth);
        Some(planes)
    }

    /// Lines of an image's copy.
    fn height(&self, lines: usize) -> usize {
        lines + self.axes[0].span
    }

    /// Places from the first to the last, those between lines included.
    fn count(&self, images: usize, lines: usize) -> usize {
        ((images - 1) * self.height(lines) + lines - 1) * self.pitch + self.places
    }

    /// Elements of a plane: one phase of one channel.
    fn plane(&self, images: usize, lines: usize) -> usize {
        images * self.height(lines) * self.pitch
    }

    fn phases(&self) -> usize {
        self.axes[0].phases.len() * self.axes[1].phases.len()
    }

    /// Where each element of a patch lies, seen from the first place.
    fn offsets(&self, taps: &[[isize; 3]], channels: usize, plane: usize) -> Vec<usize> {
        let offset = |tap: &[isize; 3]| {
            let ([h, line], [w, column]) = (self.axes[0].find(tap[1]).into(), self.axes[1].find(tap[2]).into());
            (h * self.axes[1].phases.len() + w) * plane + line * self.pitch + column
        };
        let taps: SmallVec<[usize; 32]> = taps.iter().map(offset).collect();
        let channel = self.phases() * plane;
        (0..channels).flat_map(|c| taps.iter().map(move |tap| c * channel + tap)).collect()
    }

    /// Computes all of it: see [`Products::run`].
    pub fn run<T: GemmElement>(&self, products: &Products<T>, images: usize, out: &mut [T]) {
        let Patches { grid, taps, channels, .. } = products.patches;
        let (len, out) = (out.len(), SendPtr::new(out));
        let (blocks, bands) = (images.div_ceil(self.images), grid[1].div_ceil(self.lines));
        parallel_for(products.groups * blocks * bands, |task| {
            let (band, block, group) = (task % bands, task / bands % blocks, task / bands / blocks);
            let lines = band * self.lines..grid[1].min((band + 1) * self.lines);
            let images = block * self.images..images.min((block + 1) * self.images);
            let (plane, count) = (self.plane(images.len(), lines.len()), self.count(images.len(), lines.len()));
            let most = (RESULTS / count / ROWS * ROWS).max(ROWS).min(products.rows);
            let copied = channels * self.phases() * plane;
            let mut scratch = Buffer::take(&SCRATCH);
            // Behind the copy is room for the vectors of the last places.
            let scratch = scratch.get::<T>(copied + 2 * LANES + most * count);
            let (copy, results) = scratch.split_at_mut(copied + 2 * LANES);
            let offset = products.patches.offset + group * channels * volume(products.patches.sizes);
            let patches = Patches { offset, ..products.patches.clone() };
            copy_planes(&patches, self, images.clone(), lines.clone(), &mut copy[..copied]);
            let offsets = self.offsets(taps, channels, plane);
            let patches = Shifted::new(copy, &offsets, count);
            for first in (0..products.rows).step_by(most) {
                let rows = first..products.rows.min(first + most);
                let weights = products.weights_of(group, rows.clone());
                let bias = products.bias.map(|bias| &bias[group * products.rows..][rows.clone()]);
                let options = Options { row_bias: bias, serial: true, ..Options::default() };
                let c = MatMut::row_major(&mut results[..rows.len() * count], rows.len(), count);
                gemm_with(c, weights.into(), Factor::Shifted(patches), options);
                for (row, values) in rows.zip(results.chunks_exact(count)) {
                    let channel = group * products.rows + row;
                    // SAFETY: these places of this channel are this task's alone.
                    unsafe { self.put(products, values, [images.clone(), lines.clone()], channel, out.get(), len) };
                }
            }
        });
    }

    /// Writes one channel's values to their places.
    ///
    /// # Safety
    /// `out` has `len` elements, and those at these places of this channel are the caller's alone.
    unsafe fn put<T: GemmElement>(
        &self,
        products: &Products<T>,
        values: &[T],
        [images, lines]: [Range<usize>; 2],
        channel: usize,
        out: *mut T,
        len: usize,
    ) {
        let ([_, height, width], [_, row, step]) = (products.sizes, products.step);
        let channels = products.groups * products.rows;
        let copies = self.height(lines.len()) * self.pitch;
        for (i, image) in images.enumerate() {
            let plane = (image * channels + channel) * volume(products.sizes) + products.first[0] * height * width;
            for (j, line) in lines.clone().enumerate() {
                let values = &values[i * copies + j * self.pitch..][..self.places];
                let start = plane + (products.first[1] + line * row) * width + products.first[2];
                assert!(start + (self.places - 1) * step < len);
                // SAFETY: inside by the assertion; the caller's alone by its promise.
                unsafe {
                    if step == 1 {
                        std::slice::from_raw_parts_mut(out.add(start), self.places).copy_from_slice(values);
                    } else {
                        values.iter().enumerate().for_each(|(i, &x)| *out.add(start + i * step) = x);
                    }
                }
            }
        }
    }
}

simd! {
    /// Copies what some lines of some images read: `[channels, phases, images, lines, pitch]`.
    fn copy_planes<S, T: GemmElement>(
        simd: S, patches: &Patches<T>, planes: &Planes, images: Range<usize>, lines: Range<usize>, to: &mut [T],
    ) {
        let [_, height, width] = patches.sizes;
        let [down, along] = &planes.axes;
        let mut rows = to.chunks_exact_mut(planes.pitch);
        for channel in 0..patches.channels {
            for phase in 0..planes.phases() {
                let (h, w) = (phase / along.phases.len(), phase % along.phases.len());
                let first = along.element(w, 0);
                let within = inside(first, along.step, width, planes.pitch);
                let column = (first + (within.start * along.step) as isize) as usize;
                for image in images.clone() {
                    for line in 0..planes.height(lines.len()) {
                        let Some(row) = rows.next() else { return };
                        let y = down.element(h, lines.start + line);
                        if y < 0 || y >= height as isize || within.is_empty() {
                            row.fill(T::default());
                            continue;
                        }
                        row[..within.start].fill(T::default());
                        row[within.end..].fill(T::default());
                        let plane = patches.offset + image * patches.image_stride + channel * volume(patches.sizes);
                        let from = plane + y as usize * width + column;
                        copy(patches.data, from, along.step, &mut row[within.clone()]);
                    }
                }
            }
        }
    }
}
