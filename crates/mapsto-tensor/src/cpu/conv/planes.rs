//! Patches that are read in place, from a copy of the images with zeros around and with the phases of a stride apart: in it the
//! elements of neighbouring places are neighbours. Places between the lines, where patches wrap, are computed and dropped.

use super::SCRATCH;
use super::geometry::{inside, volume};
use super::implicit::Products;
use super::patches::{Patches, copy};
use crate::cpu::gemm::{Buffer, Factor, GemmElement, MatMut, Options, Shifted, panel_widths, transpose_4};
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
/// Multiply-adds that make another task worth while: some five microseconds.
const TASK_WORK: usize = 1 << 18;
/// Rows are taken in multiples of this: those of a tile.
const ROWS: usize = 12;
/// Places are computed in multiples of this: a vector of the widest kind. So many images may lie side by side.
const LANES: usize = 16;
/// Lines that are taken one by one are computed in multiples of this: a panel of the widest kind.
const PANEL: usize = 2 * LANES;
/// What it costs in multiply-adds to pack an element of a patch, or to move every other element.
const PACK_COST: f64 = 26.0;
/// Places whose packing takes as long as a line of them takes beyond its places.
const SHORT: f64 = 8.0;
/// To copy elements side by side.
const COPY_COST: f64 = 10.0;
/// To copy elements so that images, or channels, lie side by side.
pub(super) const TURN_COST: f64 = 26.0;
/// To move a result to its place beside the last.
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
    fn new(sizes: &Sizes, axis: usize) -> Axis {
        let (step, all) = (sizes.step[axis], || sizes.taps().map(|tap| tap[axis]));
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

/// Products with patches of the same images: one, or a phase of a transpose each.
pub(super) struct Sizes<'a> {
    /// Numbers of places along each axis and taps of each phase.
    pub phases: SmallVec<[([usize; 3], &'a [[isize; 3]]); 4]>,
    /// From place to place.
    pub step: [usize; 3],
    pub images: usize,
    pub groups: usize,
    /// Channels and rows of a group.
    pub channels: usize,
    pub rows: usize,
}

impl Sizes<'_> {
    /// The most places of a phase along each axis.
    fn grid(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.phases.iter().map(|(grid, _)| grid[axis]).max().unwrap_or(0))
    }

    fn taps(&self) -> impl Iterator<Item = &[isize; 3]> {
        self.phases.iter().flat_map(|(_, taps)| *taps)
    }

    /// Products of each row, channel and image.
    fn products(&self) -> usize {
        self.phases.iter().map(|(grid, taps)| volume(*grid) * taps.len()).sum()
    }
}

/// The copy that a task reads, and which places it computes: all of some images, or some lines of one or of several that lie
/// side by side.
pub(super) struct Planes {
    axes: [Axis; 2],
    /// How many images lie side by side: one, or a vector of them.
    together: usize,
    /// Images and lines of a task.
    images: usize,
    lines: usize,
    /// Places of a line, and from one to the next.
    places: usize,
    pitch: usize,
    /// Whether results run on from line to line, rather than to the next whole panel.
    wraps: bool,
    /// What the products cost this way, in those at full speed.
    pub cost: f64,
}

/// What products of some rows cost with patches that are packed, in those at full speed. Short lines of places cost more.
pub(super) fn packing_cost(rows: usize, places: usize) -> f64 {
    row_cost(rows) + PACK_COST * (1.0 + SHORT / places as f64) / rows as f64
}

/// What the rows of a product cost, for narrow tiles and parts of them are slower.
pub(super) fn row_cost(rows: usize) -> f64 {
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
    /// How to compute these products, if a task's copy can be held.
    pub fn new(sizes: &Sizes) -> Option<Planes> {
        let [_, height, width] = sizes.grid();
        let is_empty =
            [height, width, sizes.channels, sizes.rows, sizes.groups, sizes.images, sizes.products()].contains(&0);
        if is_empty || sizes.grid()[0] != 1 || sizes.taps().any(|tap| tap[0] != 0) {
            return None;
        }
        let ways = [1, LANES].into_iter().filter_map(|together| Planes::with(sizes, together));
        ways.min_by(|x, y| x.cost.total_cmp(&y.cost))
    }

    fn with(sizes: &Sizes, together: usize) -> Option<Planes> {
        let [_, height, width] = sizes.grid();
        let axes = [1, 2].map(|axis| Axis::new(sizes, axis));
        let (span, pitch) = (axes[0].span, width.saturating_add(axes[1].span));
        let planes = sizes.channels * axes[0].phases.len() * axes[1].phases.len() * together;
        let most = COPY / planes.saturating_mul(pitch);
        if span >= most {
            return None;
        }
        let most = most.min(PLACES[1].div_ceil(pitch).max(span + 1) + span);
        let (images, lines) = if together == 1 && most >= 2 * (height + span) {
            let images = (most / (height + span)).min(sizes.images * sizes.groups / TASKS);
            (images.clamp(1, sizes.images), height)
        } else {
            let work = sizes.images * sizes.groups * sizes.channels * sizes.rows * sizes.products();
            let tasks = (work / TASK_WORK).min(TASKS).div_ceil(sizes.images.div_ceil(together) * sizes.groups);
            let bands = height.div_ceil(most - span).max(tasks);
            let least = PLACES[0].div_ceil(pitch * together).max(if together > 1 { 4 * span } else { 1 });
            (together, height.div_ceil(bands).max(least).min(height).min(most - span))
        };
        let mut planes = Planes { axes, together, images, lines, places: width, pitch, wraps: true, cost: 0.0 };
        planes.wraps = together == 1 && planes.line() >= pitch;
        planes.cost = planes.cost_of(sizes);
        Some(planes)
    }

    fn cost_of(&self, sizes: &Sizes) -> f64 {
        let line_cost = 1.0 + SHORT / self.places as f64;
        let (copy_cost, result_cost) = match self.together {
            1 => {
                let copy_cost = if self.axes[1].step == 1 { COPY_COST } else { PACK_COST };
                let result_cost = if sizes.phases.len() == 1 { RESULT_COST } else { PACK_COST };
                (copy_cost * line_cost, result_cost * line_cost)
            }
            _ => (TURN_COST, TURN_COST),
        };
        let (images, channels, rows) = (sizes.images, sizes.channels, sizes.rows as f64);
        let tasks = images.div_ceil(self.images) as f64 * sizes.grid()[1] as f64 / self.lines as f64;
        let copied = (channels * self.phases() * self.plane(self.images, self.lines)) as f64 * copy_cost;
        let columns = self.columns(self.images, self.lines).next_multiple_of(LANES) as f64;
        let multiplied = columns * rows * row_cost(sizes.rows) * (channels * sizes.taps().count()) as f64;
        let moved = (self.images * self.lines * self.places * sizes.phases.len()) as f64 * rows * result_cost;
        tasks * (multiplied + moved + copied) / ((images * channels * sizes.products()) as f64 * rows)
    }

    /// Lines of an image's copy.
    fn height(&self, lines: usize) -> usize {
        lines + self.axes[0].span
    }

    /// Columns of a line that is taken by itself.
    fn line(&self) -> usize {
        (self.places * self.together).next_multiple_of(PANEL)
    }

    /// Images that do not lie side by side.
    fn blocks(&self, images: usize) -> usize {
        images.div_ceil(self.together)
    }

    /// Columns of a task's product.
    fn columns(&self, images: usize, lines: usize) -> usize {
        if self.wraps {
            ((images - 1) * self.height(lines) + lines - 1) * self.pitch + self.places
        } else {
            self.blocks(images) * lines * self.line()
        }
    }

    /// The column of the first place of a line.
    fn column(&self, block: usize, line: usize, lines: usize) -> usize {
        if self.wraps { (block * self.height(lines) + line) * self.pitch } else { (block * lines + line) * self.line() }
    }

    /// Where each panel of columns begins in the copy.
    fn starts(&self, images: usize, lines: usize, width: usize) -> Vec<usize> {
        if self.wraps {
            return (0..self.columns(images, lines)).step_by(width).collect();
        }
        let begin = |block: usize, line: usize| (block * self.height(lines) + line) * self.pitch * self.together;
        let all = (0..self.blocks(images)).flat_map(|block| (0..lines).map(move |line| begin(block, line)));
        all.flat_map(|begin| (0..self.line()).step_by(width).map(move |column| begin + column)).collect()
    }

    /// Elements of a plane: one phase of one channel.
    fn plane(&self, images: usize, lines: usize) -> usize {
        self.blocks(images) * self.height(lines) * self.pitch * self.together
    }

    fn phases(&self) -> usize {
        self.axes[0].phases.len() * self.axes[1].phases.len()
    }

    /// Where each element of a patch lies, seen from the first place.
    fn offsets(&self, taps: &[[isize; 3]], channels: usize, plane: usize) -> Vec<usize> {
        let offset = |tap: &[isize; 3]| {
            let ([h, line], [w, column]) = (self.axes[0].find(tap[1]).into(), self.axes[1].find(tap[2]).into());
            (h * self.axes[1].phases.len() + w) * plane + (line * self.pitch + column) * self.together
        };
        let taps: SmallVec<[usize; 32]> = taps.iter().map(offset).collect();
        let channel = self.phases() * plane;
        (0..channels).flat_map(|c| taps.iter().map(move |tap| c * channel + tap)).collect()
    }

    /// Computes all of it: see [`Products::run`].
    pub fn run<T: GemmElement>(&self, phases: &[Products<T>], images: usize, out: &mut [T]) {
        let Products { ref patches, groups, rows, sizes, .. } = phases[0];
        let (len, out, height) =
            (out.len(), SendPtr::new(out), phases.iter().map(|p| p.patches.grid[1]).max().unwrap_or(0));
        let (blocks, bands) = (images.div_ceil(self.images), height.div_ceil(self.lines));
        parallel_for(groups * blocks * bands, |task| {
            let (band, block, group) = (task % bands, task / bands % blocks, task / bands / blocks);
            let lines = band * self.lines..height.min((band + 1) * self.lines);
            let images = block * self.images..images.min((block + 1) * self.images);
            let (plane, count) = (self.plane(images.len(), lines.len()), self.columns(images.len(), lines.len()));
            let most = (RESULTS / (count * phases.len()) / ROWS * ROWS).max(ROWS).min(rows);
            let copied = patches.channels * self.phases() * plane;
            let mut scratch = Buffer::take(&SCRATCH);
            // Behind the copy is room for the panel of the last places.
            let turned = if self.together > 1 { patches.sizes[2] * LANES } else { 0 };
            let scratch = scratch.get::<T>(copied + PANEL + phases.len() * most * count + turned);
            let (copy, scratch) = scratch.split_at_mut(copied + PANEL);
            let (turned, results) = scratch.split_at_mut(turned);
            let offset = patches.offset + group * patches.channels * volume(patches.sizes);
            let patches = Patches { offset, ..patches.clone() };
            if self.together == 1 {
                copy_planes(&patches, self, images.clone(), lines.clone(), &mut copy[..copied]);
            } else {
                turn_planes(&patches, self, images.clone(), lines.clone(), turned, &mut copy[..copied]);
            }
            let starts = self.starts(images.len(), lines.len(), panel_widths::<T>()[1]);
            let offsets = |p: &Products<T>| self.offsets(p.patches.taps, patches.channels, plane);
            let offsets: SmallVec<[Vec<usize>; 4]> = phases.iter().map(offsets).collect();
            for first in (0..rows).step_by(most) {
                let rows_now = first..rows.min(first + most);
                let each = rows_now.len() * count;
                for ((products, offsets), results) in phases.iter().zip(&offsets).zip(results.chunks_exact_mut(each)) {
                    let patches = Shifted::new(copy, offsets, &starts, count);
                    let bias = products.bias.map(|bias| &bias[group * rows..][rows_now.clone()]);
                    let options = Options { row_bias: bias, serial: true, ..Options::default() };
                    let c = MatMut::row_major(results, rows_now.len(), count);
                    products.times(group, rows_now.clone(), Factor::Shifted(patches), c, options);
                }
                let image = groups * rows * volume(sizes);
                for (i, row) in rows_now.enumerate() {
                    let values = Values { all: &results[i * count..], phase: each, image };
                    let place = [images.clone(), lines.clone()];
                    let start = (group * rows + row) * volume(sizes);
                    // SAFETY: these places of this channel are this task's alone.
                    unsafe { self.put(phases, &values, place, start, out.get(), len) };
                }
            }
        });
    }

    /// Writes one channel's values to their places; in the first image the channel begins at `start`.
    ///
    /// # Safety
    /// `out` has `len` elements, and those at these places of this channel are the caller's alone.
    unsafe fn put<T: GemmElement>(
        &self,
        phases: &[Products<T>],
        values: &Values<T>,
        [images, lines]: [Range<usize>; 2],
        start: usize,
        out: *mut T,
        len: usize,
    ) {
        let Products { sizes: [_, height, width], step: [_, row, step], .. } = phases[0];
        let mut next = 0;
        // Phases of the same lines follow each other.
        for phases in phases.chunk_by(|x, y| x.first[..2] == y.first[..2]) {
            let ([d, h, _], end) = (phases[0].first, lines.end.min(phases[0].patches.grid[1]));
            // Calls `f` with where each line goes, the column of its first value, and how many images have it.
            let each_line = |f: &mut dyn FnMut(*mut T, usize, usize)| {
                for block in 0..self.blocks(images.len()) {
                    let image = images.start + block * self.together;
                    let count = self.together.min(images.end - image);
                    for line in lines.start..end {
                        let start = image * values.image + start + (d * height + h + line * row) * width;
                        assert!(start + (count - 1) * values.image + width <= len);
                        f(out.wrapping_add(start), self.column(block, line - lines.start, lines.len()), count);
                    }
                }
            };
            if self.together > 1 && phases.len() == step {
                each_line(&mut |out, column, count| {
                    // SAFETY: the line is inside by the assertion, and the caller's alone by its promise.
                    unsafe { values.put_turned([next, step], column, [count, width], out) }
                });
            } else {
                for (i, phase) in phases.iter().enumerate() {
                    let (places, first) = (phase.patches.grid[2], phase.first[2]);
                    each_line(&mut |out, column, count| {
                        let (from, out) = (values.at(next + i, column), out.wrapping_add(first));
                        if step == 1 && self.together == 1 {
                            // SAFETY: as above.
                            let out = unsafe { std::slice::from_raw_parts_mut(out, places) };
                            return out.copy_from_slice(&from[..places]);
                        }
                        for image in 0..count {
                            let from = from[image..].iter().step_by(self.together).take(places);
                            let out = out.wrapping_add(image * values.image);
                            // SAFETY: as above.
                            from.enumerate().for_each(|(i, &x)| unsafe { *out.add(i * step) = x });
                        }
                    });
                }
            }
            next += phases.len();
        }
    }
}

/// One channel's results of all phases, which are `phase` apart, for images that are `image` apart.
struct Values<'a, T> {
    all: &'a [T],
    phase: usize,
    image: usize,
}

impl<T: GemmElement> Values<'_, T> {
    fn at(&self, phase: usize, column: usize) -> &[T] {
        &self.all[phase * self.phase + column..]
    }

    /// Writes lines of `width` elements of `count` images that lie side by side, from `step` phases by turns.
    ///
    /// # Safety
    /// These lines may be written, the first at `out`.
    unsafe fn put_turned(&self, [first, step]: [usize; 2], column: usize, [count, width]: [usize; 2], out: *mut T) {
        let row = |x: usize| self.at(first + x % step, column)[x / step * LANES..][..LANES].as_ptr();
        let mut turned = [T::default(); LANES * LANES];
        for x in (0..width).step_by(LANES) {
            let places = LANES.min(width - x);
            for quad in (0..places).step_by(4) {
                let rows = std::array::from_fn(|i| row((x + quad + i).min(width - 1)));
                // SAFETY: rows of `LANES` elements, and as many columns of `turned`.
                unsafe { transpose_4(rows, LANES, turned[quad..].as_mut_ptr(), LANES) };
            }
            for (image, values) in turned.chunks_exact(LANES).take(count).enumerate() {
                // SAFETY: as the caller promised.
                unsafe { std::slice::from_raw_parts_mut(out.add(image * self.image + x), places) }
                    .copy_from_slice(&values[..places]);
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

simd! {
    /// The same for images that lie side by side: `[channels, phases, lines, pitch, images]`. Those beyond the last repeat it.
    /// `turned` has room for a line of them.
    fn turn_planes<S, T: GemmElement>(
        simd: S, patches: &Patches<T>, planes: &Planes, images: Range<usize>, lines: Range<usize>, turned: &mut [T],
        to: &mut [T],
    ) {
        let [_, height, width] = patches.sizes;
        let [down, along] = &planes.axes;
        let (row, rows) = (planes.pitch * LANES, planes.height(lines.len()));
        for channel in 0..patches.channels {
            for h in 0..down.phases.len() {
                for line in 0..rows {
                    let y = down.element(h, lines.start + line);
                    let is_inside = y >= 0 && y < height as isize;
                    if is_inside {
                        let start = patches.offset + channel * volume(patches.sizes) + y as usize * width;
                        turn(patches, start, images.clone(), turned);
                    }
                    for w in 0..along.phases.len() {
                        let plane = (channel * down.phases.len() + h) * along.phases.len() + w;
                        let row = &mut to[(plane * rows + line) * row..][..row];
                        let first = along.element(w, 0);
                        let within = if is_inside { inside(first, along.step, width, planes.pitch) } else { 0..0 };
                        row[..within.start * LANES].fill(T::default());
                        row[within.end * LANES..].fill(T::default());
                        let columns = row[within.start * LANES..within.end * LANES].chunks_exact_mut(LANES);
                        for (i, to) in within.zip(columns) {
                            let x = (first + (i * along.step) as isize) as usize;
                            to.copy_from_slice(&turned[x * LANES..][..LANES]);
                        }
                    }
                }
            }
        }
    }
}

/// Copies one line of some images, which begins at `start` in the first image of all, to `[width, images]`.
#[inline(always)]
fn turn<T: GemmElement>(patches: &Patches<T>, start: usize, images: Range<usize>, to: &mut [T]) {
    let width = patches.sizes[2];
    for first in (0..LANES).step_by(4) {
        let rows: [&[T]; 4] = std::array::from_fn(|i| {
            let image = (images.start + first + i).min(images.end - 1);
            &patches.data[start + image * patches.image_stride..][..width]
        });
        let to = &mut to[first..][..(width - 1) * LANES + 4];
        // SAFETY: four rows of this width, and as many places for them.
        unsafe { transpose_4(rows.map(<[T]>::as_ptr), width, to.as_mut_ptr(), LANES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many images of this size lie side by side for a square kernel that moves by two, and whether lines wrap.
    fn way(images: usize, size: usize, channels: usize) -> Option<(usize, bool)> {
        let taps: Vec<_> = (0..16).map(|tap| [0, tap / 4 - 1, tap % 4 - 1]).collect();
        let phases = [([1, size / 2, size / 2], &taps[..])].into_iter().collect();
        let sizes = Sizes { phases, step: [1, 2, 2], images, groups: 1, channels, rows: 2 * channels };
        Planes::new(&sizes).map(|planes| (planes.together, planes.wraps))
    }

    #[test]
    fn sizes_choose_the_way() {
        assert_eq!(way(32, 16, 32), Some((LANES, false)));
        assert_eq!(way(1, 16, 32), Some((1, true)));
        assert_eq!(way(2, 64, 8), Some((1, false)));
        assert_eq!(way(32, 16, 0), None);
        assert_eq!(way(32, 16, 1 << 20), None);
    }
}
