//! The gradient with respect to the kernels, with patches read in place from a copy of the images whose channels lie side by
//! side: in it the elements that a line of the kernel takes from all channels are neighbours, and places are steps of the sums.

use super::SCRATCH;
use super::geometry::{Geometry, inside, volume};
use super::planes::{TURN_COST, row_cost};
use crate::cpu::gemm::{
    Buffer, Factor, GemmElement, Mat, MatMut, Options, Shifted, gemm_with, panel_widths, transpose_4,
};
use crate::cpu::isa::simd;
use crate::cpu::strided::Parts;
use crate::cpu::threads::{parallel_chunks_mut, parallel_for};
use crate::dtype::Element;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::Writing;
use std::ops::Range;

/// Elements of a copy, at most: it stays in the L2 cache.
const COPY: usize = 64 << 10;
/// Places of an image below which several images are taken together; and the most places whose products are added at a time.
const PLACES: [usize; 2] = [96, 256];
/// Columns are taken in multiples of this: a panel of the widest kind.
const PANEL: usize = 32;
/// Tasks that keep all threads busy to the end, at least and at most; the latter are also the most parts of the sum over places.
const TASKS: [usize; 2] = [8, 16];
/// What it costs in multiply-adds to add one part's element to another's.
const JOIN_COST: f64 = 32.0;
/// Elements that a joining task takes.
const JOINED: usize = 1 << 14;

/// How the work is cut: by the sizes alone.
#[derive(Debug)]
pub(super) struct ChannelsLast {
    /// Channels of a task.
    channels: usize,
    blocks: usize,
    /// Parts of the sum over places.
    parts: usize,
    /// Images, lines and columns of the places that are taken at a time: more than one only of what is taken whole.
    box_: [usize; 3],
    /// Elements of the kernel that are neighbours in the copy, with all their channels: a line of them, unless it is dilated.
    run: usize,
    /// What the products cost this way, in those at full speed.
    pub cost: f64,
}

impl ChannelsLast {
    /// For a convolution of these sizes, if a copy can be held.
    pub fn new(g: &Geometry) -> Option<ChannelsLast> {
        let is_empty = g.images * g.groups * g.outputs * g.channels * volume(g.places) * g.elements() == 0;
        if is_empty || [g.places[0], g.kernel[0], g.image[0], g.padding[0]] != [1, 1, 1, 0] {
            return None;
        }
        let [least, most] = TASKS.map(|tasks| tasks.div_ceil(g.groups));
        let ways = (1..=most.min(g.channels)).flat_map(|blocks| {
            let parts = least.div_ceil(blocks)..=(most / blocks).max(1);
            parts.filter_map(move |parts| ChannelsLast::with(g, blocks, parts))
        });
        ways.min_by(|x, y| x.cost.total_cmp(&y.cost))
    }

    fn with(g: &Geometry, blocks: usize, parts: usize) -> Option<ChannelsLast> {
        let [_, height, width] = g.places;
        let run = if g.dilation[2] == 1 { g.kernel[2] } else { 1 };
        let channels = g.channels.div_ceil(blocks);
        let mut way =
            ChannelsLast { channels, blocks: g.channels.div_ceil(channels), parts, box_: [1; 3], run, cost: 0.0 };
        // The most places along an axis, where each line of what they read takes `area` elements and each place is `rest` places.
        let most = |axis: usize, area: usize, rest: usize| {
            let (reach, least) = (COPY / area, (g.kernel[axis] - 1) * g.dilation[axis] + 1);
            let places =
                (reach.checked_sub(least)? / g.stride[axis] + 1).min(PLACES[1] / rest).clamp(1, g.places[axis]);
            Some(g.places[axis].div_ceil(g.places[axis].div_ceil(places)))
        };
        let [_, tall, _] = ChannelsLast::copied(g, [1; 3]);
        way.box_[2] = most(2, channels.saturating_mul(tall), 1)?;
        if way.box_[2] == width {
            let [_, _, wide] = ChannelsLast::copied(g, way.box_);
            way.box_[1] = most(1, channels * wide, width)?;
        }
        if way.box_[1] == height && way.box_[2] == width && height * width < PLACES[0] {
            let image = channels * volume(ChannelsLast::copied(g, way.box_));
            way.box_[0] = (COPY / image).min(PLACES[1] / (height * width)).clamp(1, g.images);
        }
        way.parts = parts.clamp(1, volume(way.steps(g)));
        way.cost = way.cost_of(g);
        Some(way)
    }

    /// In products for each output, channel, element and place.
    fn cost_of(&self, g: &Geometry) -> f64 {
        let (places, steps) = (g.images * volume(g.places), volume(self.steps(g)));
        let copied = self.blocks * steps * self.channels * volume(ChannelsLast::copied(g, self.box_));
        let packed = self.blocks * places * g.outputs * if self.box_[0] > 1 { 2 } else { 1 };
        let multiplied = (self.blocks * self.columns(g) * places * g.outputs) as f64 * row_cost(g.outputs);
        let joined = (self.parts * g.outputs * g.channels * g.elements()) as f64 * JOIN_COST;
        (multiplied + (copied + packed) as f64 * TURN_COST + joined)
            / (places * g.outputs * g.channels * g.elements()) as f64
    }

    /// How many boxes there are along images, lines and columns.
    fn steps(&self, g: &Geometry) -> [usize; 3] {
        let sizes = [g.images, g.places[1], g.places[2]];
        std::array::from_fn(|axis| sizes[axis].div_ceil(self.box_[axis]))
    }

    /// Images, lines and columns that the places of a box read.
    fn copied(g: &Geometry, [images, lines, columns]: [usize; 3]) -> [usize; 3] {
        let reach = |axis: usize, places: usize| {
            ((places - 1).saturating_mul(g.stride[axis])).saturating_add((g.kernel[axis] - 1) * g.dilation[axis] + 1)
        };
        [images, reach(1, lines), reach(2, columns)]
    }

    /// Elements that one line of the kernel, or one of its elements, has in all channels of a task; as whole panels.
    fn segment(&self) -> usize {
        (self.run * self.channels).next_multiple_of(PANEL)
    }

    /// Columns of a task's product.
    fn columns(&self, g: &Geometry) -> usize {
        g.elements() / self.run * self.segment()
    }

    /// Where an element of the kernel has its first channel.
    fn column(&self, element: usize) -> usize {
        element / self.run * self.segment() + element % self.run * self.channels
    }

    /// Sums patches of `x` times `y` over all places into `[O, C / groups, *kernel]`.
    pub fn gradient<T: Element + GemmElement>(&self, x: &[T], y: &[T], g: &Geometry, out: &mut [T]) -> Result<()> {
        let (columns, steps) = (self.columns(g), self.steps(g));
        let part = self.blocks * g.outputs * columns;
        let mut sums = Writing::<T>::new(Shape::new(&[g.groups * self.parts, part])?)?;
        let shared = Parts::new(sums.as_mut());
        parallel_for(g.groups * self.blocks * self.parts, |task| {
            let (part, block, group) =
                (task % self.parts, task / self.parts % self.blocks, task / self.parts / self.blocks);
            let start = ((group * self.parts + part) * self.blocks + block) * g.outputs * columns;
            // SAFETY: this block of this part is this task's alone.
            let sums = unsafe { shared.part(start, g.outputs * columns) };
            let channels = block * self.channels..g.channels.min((block + 1) * self.channels);
            let all = volume(steps);
            for step in all * part / self.parts..all * (part + 1) / self.parts {
                let c = MatMut::row_major(sums, g.outputs, columns);
                self.add(x, y, g, (group, channels.clone(), step), c, step > all * part / self.parts);
            }
        });
        self.join(sums.as_mut(), g, out);
        Ok(())
    }

    /// The product of one box of places.
    fn add<T: GemmElement>(
        &self,
        x: &[T],
        y: &[T],
        g: &Geometry,
        (group, channels, step): (usize, Range<usize>, usize),
        c: MatMut<T>,
        accumulate: bool,
    ) {
        let ([_, bands, pieces], volume_y) = (self.steps(g), volume(g.places));
        let ends =
            |index: usize, axis: usize, size: usize| index * self.box_[axis]..size.min((index + 1) * self.box_[axis]);
        let images = ends(step / pieces / bands, 0, g.images);
        let lines = ends(step / pieces % bands, 1, g.places[1]);
        let places = ends(step % pieces, 2, g.places[2]);
        let sizes = ChannelsLast::copied(g, [images.len(), lines.len(), places.len()]);
        let count = images.len() * lines.len() * places.len();
        let len = self.channels * volume(sizes);
        let copied_y = if images.len() > 1 { g.outputs * count } else { 0 };
        let mut scratch = Buffer::take(&SCRATCH);
        // Behind the copy is room for the panel of the last element.
        let (copy, copied_y) = scratch.get::<T>(len + PANEL + copied_y).split_at_mut(len + PANEL);
        let box_ = CopyOf { sizes, images: images.clone(), line: lines.start, column: places.start };
        copy_box(x, g, group, channels, self.channels, &box_, &mut copy[..len]);

        let [_, height, width] = sizes;
        let line = |image: usize, line: usize| (image * height + line * g.stride[1]) * width * self.channels;
        let all = (0..images.len()).flat_map(|i| lines.clone().map(move |l| (i, l - lines.start)));
        let step = g.stride[2] * self.channels;
        let offsets: Vec<usize> = all
            .flat_map(|(i, l)| (0..places.len()).map(move |p| (i, l, p)))
            .map(|(i, l, p)| line(i, l) + p * step)
            .collect();
        let panel = panel_widths::<T>()[1];
        let segments = (0..g.elements()).step_by(self.run).map(|element| {
            let [ky, kx] = [element / g.kernel[2], element % g.kernel[2]];
            (ky * g.dilation[1] * width + kx * g.dilation[2]) * self.channels
        });
        let starts: Vec<usize> =
            segments.flat_map(|start| (0..self.segment()).step_by(panel).map(move |column| start + column)).collect();

        let start = |image: usize| (image * g.groups + group) * g.outputs * volume_y;
        let inner = lines.start * g.places[2] + places.start;
        let a = if images.len() > 1 {
            for (output, row) in copied_y.chunks_exact_mut(count).enumerate() {
                for (row, image) in row.chunks_exact_mut(volume_y).zip(images.clone()) {
                    row.copy_from_slice(&y[start(image) + output * volume_y..][..volume_y]);
                }
            }
            Mat::new(copied_y, 0, [g.outputs, count], [count as isize, 1])
        } else {
            Mat::new(y, start(images.start) + inner, [g.outputs, count], [volume_y as isize, 1])
        };
        let b = Shifted::new(copy, &offsets, &starts, self.columns(g));
        gemm_with(c, a.into(), Factor::Shifted(b), Options { accumulate, serial: true, ..Options::default() });
    }

    /// Adds up the parts of `[groups, parts, blocks, outputs, columns]` into `[groups, outputs, channels, elements]`.
    fn join<T: GemmElement>(&self, sums: &[T], g: &Geometry, out: &mut [T]) {
        let (columns, elements) = (self.columns(g), g.elements());
        let part = self.blocks * g.outputs * columns;
        let (row, outputs) = (g.channels * elements, (JOINED / (g.channels * elements * self.parts)).max(1));
        parallel_chunks_mut(out, outputs * row, |task, out| {
            for (i, out) in out.chunks_exact_mut(row).enumerate() {
                let (group, output) = ((task * outputs + i) / g.outputs, (task * outputs + i) % g.outputs);
                for (block, out) in out.chunks_mut(self.channels * elements).enumerate() {
                    let start = group * self.parts * part + (block * g.outputs + output) * columns;
                    for element in 0..elements {
                        let start = start + self.column(element);
                        for (c, out) in out.iter_mut().skip(element).step_by(elements).enumerate() {
                            let of = |index: usize| sums[start + index * part + c];
                            *out = (1..self.parts).fold(of(0), |sum, index| sum + of(index));
                        }
                    }
                }
            }
        });
    }
}

/// What is copied: lines and columns from those on that the first place reads.
struct CopyOf {
    /// Images, lines and columns.
    sizes: [usize; 3],
    images: Range<usize>,
    /// Of the first place.
    line: usize,
    column: usize,
}

simd! {
    /// Copies some channels to `[images, lines, columns, pitch]`, with zeros around the images.
    fn copy_box<S, T: GemmElement>(
        simd: S, x: &[T], g: &Geometry, group: usize, channels: Range<usize>, pitch: usize, part: &CopyOf, to: &mut [T],
    ) {
        let ([_, height, width], [_, lines, columns]) = (g.image, part.sizes);
        let first = |axis: usize, place: usize| (place * g.stride[axis]) as isize - g.padding[axis] as isize;
        let (top, left) = (first(1, part.line), first(2, part.column));
        let within = inside(left, 1, width, columns);
        for (i, to) in to.chunks_exact_mut(columns * pitch).enumerate() {
            let (image, y) = (part.images.start + i / lines, top + (i % lines) as isize);
            if y < 0 || y >= height as isize || within.is_empty() {
                to.fill(T::default());
                continue;
            }
            to[..within.start * pitch].fill(T::default());
            to[within.end * pitch..].fill(T::default());
            let from = y as usize * width + (left + within.start as isize) as usize;
            let row = |channel: usize| {
                let plane = (image * g.groups + group) * g.channels + channel;
                &x[plane * height * width + from..][..within.len()]
            };
            let to = &mut to[within.start * pitch..within.end * pitch];
            let quads = channels.len() / 4 * 4;
            for c in (0..quads).step_by(4) {
                let rows = std::array::from_fn(|i| row(channels.start + c + i).as_ptr());
                let to = &mut to[c..][..(within.len() - 1) * pitch + 4];
                // SAFETY: four rows of this width, and as many places for them.
                unsafe { transpose_4(rows, within.len(), to.as_mut_ptr(), pitch) };
            }
            for c in quads..channels.len() {
                let from = row(channels.start + c);
                to[c..].iter_mut().step_by(pitch).zip(from).for_each(|(to, &x)| *to = x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::KernelAxis;

    /// The box of places, and how many elements of a 3 x 3 kernel lie side by side.
    fn way(images: usize, size: [usize; 2], channels: usize, dilation: usize) -> Option<([usize; 3], usize)> {
        let axis = KernelAxis { stride: 1, padding: [dilation; 2], dilation };
        let [x, y] = [channels, 2 * channels].map(|channels| [images, channels, size[0], size[1]]);
        let g = Geometry::new(&x, &y, &[3; 2], &[axis; 2], 1);
        ChannelsLast::new(&g).map(|way| (way.box_, way.run))
    }

    #[test]
    fn sizes_choose_the_way() {
        assert_eq!(way(40, [4, 4], 32, 1), Some(([16, 4, 4], 3)));
        assert_eq!(way(40, [24, 20], 32, 1), Some(([1, 12, 20], 3)));
        assert_eq!(way(40, [24, 500], 32, 2), Some(([1, 1, 250], 1)));
        assert_eq!(way(0, [24, 20], 32, 1), None);
        assert_eq!(way(1, [24, 20], 1 << 24, 1), None);
    }
}
