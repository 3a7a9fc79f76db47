//! Convolution and its transpose as matrix products with patches.

use super::SCRATCH;
use super::geometry::{Geometry, Phase, runs, volume};
use super::patches::Patches;
use super::planes::{Planes, Sizes, packing_cost};
use crate::cpu::gemm::{Buffer, Factor, GemmElement, Mat, MatMut, Options, Panels, gemm_with, panel_widths, prefetch};
use crate::cpu::threads::{SendPtr, num_threads, parallel_chunks_mut, parallel_for};
use crate::dtype::Element;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, Writing};
use smallvec::SmallVec;
use std::ops::Range;

/// Elements of a packed block of patches: it stays in the L2 cache.
const BLOCK: usize = 96 << 10;
/// The depth that is packed at a time.
const DEPTH: usize = 512;
/// Places of a block, at least and at most.
const PLACES: [usize; 2] = [192, 1024];
/// Places are in multiples of this, where there are more: two vectors of the widest kind.
const PANEL: usize = 32;
/// Rows of a task are in multiples of this: those of two tiles.
const ROWS: usize = 24;
/// Rows that are worth another task.
const LEAST_ROWS: usize = 96;
/// Places that are worth another task.
const LEAST_PLACES: usize = 64;
/// Elements of a task's scratch memory.
const SCRATCH_LEN: usize = 64 << 10;
/// Tasks that keep all threads busy to the end.
const TASKS: usize = 16;
/// Channels whose kernels are turned together: they share cache lines.
const TURNED: usize = 8;
/// Outputs ahead of which kernels are asked for before they are turned.
const AHEAD: usize = 4;
/// Distance of turned kernels beyond their length: lines of neighbouring rows do not compete for the cache.
const GAP: usize = 16;

/// The products that a convolution, or one phase of its transpose, consists of.
pub(super) struct Products<'a, T> {
    /// The patches of the first group; the others' follow.
    pub patches: Patches<'a, T>,
    pub groups: usize,
    /// Kernels: row `r` and element `k` of group `g` at `g * group + r * strides[0] + k * strides[1]`.
    pub weights: &'a [T],
    pub weight_group: usize,
    pub weight_strides: [isize; 2],
    /// The rows of each group in panels, if these are kept.
    pub panels: Option<&'a [T]>,
    /// Rows of a group: its channels in the result.
    pub rows: usize,
    /// One value for each row of all groups.
    pub bias: Option<&'a [T]>,
    /// Sizes of the resulting images.
    pub sizes: [usize; 3],
    /// The first place's index in them.
    pub first: [usize; 3],
    /// From place to place.
    pub step: [usize; 3],
}

/// How the work is cut: places by the sizes alone.
struct Cut {
    /// Places of a block.
    places: usize,
    /// Blocks of an image, or of all together if they span images.
    blocks: usize,
    spans_images: bool,
    /// Rows of a block.
    rows: usize,
}

impl<T: GemmElement> Products<'_, T> {
    /// Whether the places of an image are all elements of the result, in order.
    fn is_dense(&self) -> bool {
        self.patches.grid == self.sizes
    }

    fn cut(&self, images: usize) -> Cut {
        let depth = self.patches.channels * self.patches.taps.len();
        let volume = volume(self.patches.grid);
        let most = (BLOCK / depth.clamp(1, DEPTH)).clamp(PLACES[0], PLACES[1]);
        let spans_images = !self.is_dense() || volume < PLACES[0] / 2;
        let all = if spans_images { volume * images } else { volume };
        let most_rows = if spans_images { (SCRATCH_LEN / PLACES[0] / ROWS * ROWS).min(self.rows) } else { self.rows };
        let most = if spans_images { most.min((SCRATCH_LEN / most_rows.max(1)).max(PANEL)) } else { most };
        // Blocks of places rather than of rows: each packs its patches.
        let others = self.groups * if spans_images { 1 } else { images };
        let least_blocks = TASKS.div_ceil(others).min(all.div_ceil(LEAST_PLACES));
        let places = all.div_ceil(all.div_ceil(most).max(least_blocks)).next_multiple_of(PANEL);
        let blocks = all.div_ceil(places);
        // Threads without a block take rows from others, and pack their patches once more.
        let parts = num_threads().div_ceil(others * blocks).clamp(1, self.rows.div_ceil(LEAST_ROWS));
        let row_blocks = self.rows.div_ceil(most_rows).max(parts);
        let mut rows = self.rows.div_ceil(row_blocks).next_multiple_of(ROWS).min(self.rows);
        // A lone row would be summed otherwise.
        while self.rows % rows == 1 && rows > 1 {
            rows += ROWS;
        }
        Cut { places, blocks, spans_images, rows: rows.min(self.rows) }
    }

    /// Computes phases that differ in taps, grid, weights and first place alone, with patches that are read in place if that
    /// is the quicker way.
    pub fn run_all(phases: &[Self], images: usize, out: &mut [T]) {
        let Some(Products { patches, groups, rows, .. }) = phases.first() else { return };
        let sizes = Sizes {
            phases: phases.iter().map(|phase| (phase.patches.grid, phase.patches.taps)).collect(),
            step: patches.step,
            images,
            groups: *groups,
            channels: patches.channels,
            rows: *rows,
        };
        let are_images = phases.len() == 1 && patches.are_images();
        match Planes::new(&sizes).filter(|planes| !are_images && planes.cost < packing_cost(*rows, patches.grid[2])) {
            Some(planes) => planes.run(phases, images, out),
            None => phases.iter().for_each(|phase| phase.run(images, out)),
        }
    }

    /// Computes all of it with patches that are packed. `out` holds images of `groups * rows` channels.
    fn run(&self, images: usize, out: &mut [T]) {
        let places = volume(self.patches.grid);
        if places * images * self.rows * self.groups == 0 {
            return;
        }
        let cut = self.cut(images);
        let (len, out) = (out.len(), SendPtr::new(out));
        let row_blocks = self.rows.div_ceil(cut.rows);
        let image_blocks = if cut.spans_images { 1 } else { images };
        parallel_for(self.groups * image_blocks * cut.blocks * row_blocks, |task| {
            let (row_block, rest) = (task % row_blocks, task / row_blocks);
            let (block, rest) = (rest % cut.blocks, rest / cut.blocks);
            let (image, group) = (rest % image_blocks, rest / image_blocks);
            let rows = row_block * cut.rows..self.rows.min((row_block + 1) * cut.rows);
            let all = if cut.spans_images { places * images } else { places };
            let first = block * cut.places;
            let count = cut.places.min(all - first);
            let range = image * places + first..image * places + first + count;
            let channel = volume(self.sizes);
            if cut.spans_images {
                let mut scratch = Buffer::take(&SCRATCH);
                let scratch = scratch.get::<T>(rows.len() * count);
                let c = MatMut::row_major(scratch, rows.len(), count);
                self.multiply(group, rows.clone(), range.clone(), c);
                for (row, values) in rows.zip(scratch.chunks_exact(count)) {
                    let first_channel = group * self.rows + row;
                    // SAFETY: inside the result; each of its elements is one place of one row, which is this task's.
                    unsafe { self.scatter(values, range.clone(), first_channel, out.get(), len) };
                }
            } else {
                let offset = ((image * self.groups + group) * self.rows + rows.start) * channel + first;
                // SAFETY: these rows and columns are this task's alone, and `out` is borrowed for all of them.
                let c = unsafe { MatMut::from_raw(out.get(), len, offset, [rows.len(), count], [channel as isize, 1]) };
                self.multiply(group, rows, range, c);
            }
        });
    }

    /// C = some rows of a group's kernels, from a multiple of a tile's rows on, times `b`.
    pub fn times(&self, group: usize, rows: Range<usize>, b: Factor<T>, c: MatMut<T>, options: Options<T>) {
        let depth = self.patches.channels * self.patches.taps.len();
        if let Some(panels) = self.panels {
            let ([width, _], dims) = (panel_widths::<T>(), [self.rows, depth]);
            let len = Panels::<T>::len(width, dims);
            let panels = Panels::new(&panels[group * len..][..len], width, dims).part(rows);
            gemm_with(c, Factor::Pack(&panels), b, options);
        } else {
            let start = (group * self.weight_group) as isize + rows.start as isize * self.weight_strides[0];
            let weights = Mat::new(self.weights, start as usize, [rows.len(), depth], self.weight_strides);
            gemm_with(c, weights.into(), b, options);
        }
    }

    /// The product of some rows of a group's kernels with the patches at some places.
    fn multiply(&self, group: usize, rows: Range<usize>, places: Range<usize>, c: MatMut<T>) {
        let channel = volume(self.patches.sizes);
        let depth = self.patches.channels * self.patches.taps.len();
        let offset = self.patches.offset + group * self.patches.channels * channel;
        let bias = self.bias.map(|bias| &bias[group * self.rows + rows.start..][..rows.len()]);
        let options = Options { row_bias: bias, serial: true, ..Options::default() };
        let volume = channel.max(1);
        if self.patches.are_images() && places.start / volume == (places.end - 1) / volume {
            let first = places.start / volume * self.patches.image_stride + offset + places.start % volume;
            let images = Mat::new(self.patches.data, first, [depth, places.len()], [channel as isize, 1]);
            self.times(group, rows, images.into(), c, options);
        } else {
            let patches = Patches { offset, places, ..self.patches.clone() };
            self.times(group, rows, Factor::Pack(&patches), c, options);
        }
    }

    /// Writes one channel's values to their places.
    ///
    /// # Safety
    /// `out` has `len` elements, and those at these places of this channel are the caller's alone.
    unsafe fn scatter(&self, values: &[T], range: Range<usize>, channel: usize, out: *mut T, len: usize) {
        let channels = self.groups * self.rows;
        let [_, height, width] = self.sizes;
        let dense = self.is_dense();
        let grid = if dense { [1, 1, volume(self.sizes)] } else { self.patches.grid };
        for run in runs(range, grid) {
            let [d, h, w] = std::array::from_fn(|i| self.first[i] + run.index[i] * self.step[i]);
            let inner = if dense { run.index[2] } else { (d * height + h) * width + w };
            let start = (run.image * channels + channel) * volume(self.sizes) + inner;
            let step = if dense { 1 } else { self.step[2] };
            let values = &values[run.at..run.at + run.len];
            assert!(start + (run.len - 1) * step < len);
            // SAFETY: inside by the assertion; this caller's alone by its promise.
            unsafe {
                if step == 1 {
                    std::slice::from_raw_parts_mut(out.add(start), run.len).copy_from_slice(values);
                } else {
                    for (i, &x) in values.iter().enumerate() {
                        *out.add(start + i * step) = x;
                    }
                }
            }
        }
    }
}

/// The convolution.
pub(super) fn forward<T: Element + GemmElement>(
    x: &[T],
    w: &Tensor,
    bias: Option<&[T]>,
    g: &Geometry,
    out: &mut [T],
) -> Result<()> {
    let kept = if g.outputs > 1 { kept_panels::<T>(w, g)? } else { None };
    let (taps, weights) = (g.taps(), w.as_slice::<T>().unwrap_or_default());
    let panels = kept.as_ref().and_then(|kept| kept.as_slice::<T>());
    let products = Products { panels, ..forward_products(x, weights, bias, g, &taps) };
    Products::run_all(&[products], g.images, out);
    Ok(())
}

/// The rows of all groups in panels, if forms of the kernels are kept: they are read once a pass, from afar, in order.
fn kept_panels<T: Element + GemmElement>(w: &Tensor, g: &Geometry) -> Result<Option<Tensor>> {
    if !w.keeps_forms() {
        return Ok(None);
    }
    let ([width, _], dims) = (panel_widths::<T>(), [g.outputs, g.channels * g.elements()]);
    let len = Panels::<T>::len(width, dims);
    let kept = w.form("rows in panels", Shape::new(&[g.groups, len])?, |shape| {
        let weights = w.as_slice::<T>().unwrap_or_default();
        let mut panels = Writing::<T>::new(shape)?;
        parallel_chunks_mut(panels.as_mut(), len, |group, panels| {
            let matrix = &weights[group * dims[0] * dims[1]..][..dims[0] * dims[1]];
            Panels::write(Mat::row_major(matrix, dims[0], dims[1]), width, panels);
        });
        Ok(panels.finish())
    })?;
    Ok(Some(kept))
}

fn forward_products<'a, T>(
    x: &'a [T],
    w: &'a [T],
    bias: Option<&'a [T]>,
    g: &Geometry,
    taps: &'a [[isize; 3]],
) -> Products<'a, T> {
    let depth = g.channels * taps.len();
    let patches = Patches {
        data: x,
        image_stride: g.groups * g.channels * volume(g.image),
        offset: 0,
        channels: g.channels,
        sizes: g.image,
        grid: g.places,
        step: g.stride,
        taps,
        places: 0..0,
    };
    Products {
        patches,
        groups: g.groups,
        weights: w,
        weight_group: g.outputs * depth,
        weight_strides: [depth as isize, 1],
        panels: None,
        rows: g.outputs,
        bias,
        sizes: g.places,
        first: [0; 3],
        step: [1; 3],
    }
}

/// The transpose: a convolution for each of its phases.
pub(super) fn transpose<T: Element + GemmElement>(
    y: &[T],
    w: &[T],
    bias: Option<&[T]>,
    g: &Geometry,
    out: &mut [T],
) -> Result<()> {
    let elements = g.elements();
    let phases = g.phases();
    if !g.covered_by(&phases) {
        parallel_chunks_mut(out, volume(g.image), |channel, out| {
            out.fill(bias.map_or(T::default(), |bias| bias[channel % (g.groups * g.channels)]));
        });
    }
    // A lone element of the kernel is a strided matrix; more are copied so that rows are contiguous.
    let mut turned = None;
    let (weights, weight_group, weight_strides): (&[T], _, _) = match elements {
        1 => (w, g.outputs * g.channels, [1, g.channels as isize]),
        _ => {
            let row = g.outputs * elements + GAP;
            let turned = turned.insert(Writing::new(Shape::new(&[g.groups * g.channels, row])?)?).as_mut();
            turn(w, g, &phases, row, turned);
            (turned, g.channels * row, [row as isize, 1])
        }
    };
    let mut before = 0;
    let mut products = SmallVec::<[_; 4]>::new();
    for phase in &phases {
        let weights = &weights[(g.outputs * before).min(weights.len())..];
        before += phase.elements.len();
        let patches = Patches {
            data: y,
            image_stride: g.groups * g.outputs * volume(g.places),
            offset: 0,
            channels: g.outputs,
            sizes: g.places,
            grid: phase.grid,
            step: [1; 3],
            taps: &phase.taps,
            places: 0..0,
        };
        products.push(Products {
            patches,
            groups: g.groups,
            weights,
            weight_group,
            weight_strides,
            panels: None,
            rows: g.channels,
            bias,
            sizes: g.image,
            first: phase.first,
            step: g.stride,
        });
    }
    Products::run_all(&products, g.images, out);
    Ok(())
}

/// Kernels `[groups, outputs, channels, elements]` to rows, one for each channel, of `[outputs, some elements]` for each phase.
fn turn<T: GemmElement>(w: &[T], g: &Geometry, phases: &[Phase], row: usize, to: &mut [T]) {
    // Where each element goes in a row, and how far on for the next output.
    let mut places = SmallVec::<[_; 32]>::new();
    let mut before = 0;
    for phase in phases {
        let (count, first) = (phase.elements.len(), g.outputs * before);
        places.extend(phase.elements.iter().enumerate().map(|(i, &element)| (element, first + i, count)));
        before += count;
    }
    parallel_chunks_mut(to, TURNED * row, |block, rows| {
        for output in 0..g.outputs {
            for (i, row) in rows.chunks_exact_mut(row).enumerate() {
                let (group, channel) = ((block * TURNED + i) / g.channels, (block * TURNED + i) % g.channels);
                let kernel = ((group * g.outputs + output) * g.channels + channel) * g.elements();
                let kernel = &w[kernel..kernel + g.elements()];
                prefetch(kernel.as_ptr().wrapping_add(AHEAD * g.channels * g.elements()));
                places.iter().for_each(|&(element, to, step)| row[to + output * step] = kernel[element]);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::threads::set_num_threads;
    use crate::ops::KernelAxis;

    /// Whether a square convolution reads images in place, and whether its blocks span images.
    fn ways(images: usize, channels: usize, size: usize, kernel: usize) -> (bool, bool) {
        let axis = KernelAxis { stride: 1, padding: [kernel / 2; 2], dilation: 1 };
        let image = [images, channels, size, size];
        let g = Geometry::new(&image, &image, &[kernel; 2], &[axis; 2], 1);
        let (x, w) = (vec![0f32; image.iter().product()], vec![0f32; channels * channels * kernel * kernel]);
        let taps = g.taps();
        let products = forward_products(&x, &w, None, &g, &taps);
        (products.patches.are_images(), products.cut(images).spans_images)
    }

    #[test]
    fn no_part_is_a_lone_row() {
        let (before, x) = (num_threads(), vec![0f32; 64]);
        for (threads, outputs) in [2, 3, 4, 6, 8].into_iter().flat_map(|threads| (1..600).map(move |n| (threads, n))) {
            set_num_threads(threads);
            let axis = KernelAxis { stride: 1, padding: [0; 2], dilation: 1 };
            let g = Geometry::new(&[1, 1, 8, 8], &[1, outputs, 8, 8], &[1; 2], &[axis; 2], 1);
            let (w, taps) = (vec![0f32; outputs], g.taps());
            let rows = forward_products(&x, &w, None, &g, &taps).cut(1).rows;
            assert!(outputs == 1 || (rows > 1 && outputs % rows != 1), "{outputs} on {threads} threads: {rows}");
        }
        set_num_threads(before);
    }

    #[test]
    fn sizes_choose_the_way() {
        assert_eq!(ways(3, 4, 20, 1), (true, false));
        assert_eq!(ways(3, 4, 5, 1), (true, true));
        assert_eq!(ways(3, 4, 20, 3), (false, false));
        assert_eq!(ways(3, 4, 5, 3), (false, true));
    }
}
