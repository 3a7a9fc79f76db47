//! The gradient with respect to the kernels, as matrix products over all places.

use super::SCRATCH;
use super::channels_last::ChannelsLast;
use super::geometry::{Geometry, runs, volume};
use super::patches::{Patches, write_rows};
use super::planes::TURN_COST;
use crate::cpu::gemm::{Buffer, GemmElement, Mat, MatMut, gemm_serial};
use crate::cpu::strided::Parts;
use crate::cpu::threads::{SendPtr, parallel_chunks_mut, parallel_for};
use crate::dtype::Element;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::Writing;
use std::ops::Range;

/// Rows of the patch matrix, a channel and a kernel element each, that a task should have.
const ROWS: usize = 144;
/// Places whose products are added at a time, at most.
const PLACES: usize = 256;
/// The least places for which each image is taken alone.
const ALONE: usize = 96;
/// Elements of the result's gradient that are copied at a time, where places span images.
const COPIED: usize = 64 << 10;
/// Distance of scratch rows beyond their length: lines of neighbouring rows do not compete for the cache.
const GAP: usize = 16;
/// Tasks that keep all threads busy to the end; also the most parts that the sum over places has.
const TASKS: usize = 16;
/// Outputs from which on the products are written to their places at once, across the patches.
const WIDE: usize = 96;
/// What it costs in multiply-adds to write an element of a patch.
const PACK_COST: f64 = 14.0;
/// Places whose patches take as long as a line of them takes beyond its places.
const SHORT: f64 = 12.0;
/// How much quicker patches must be that are read in place.
const MARGIN: f64 = 1.05;
/// Outputs are computed in multiples of this: a vector of the widest kind.
const LANES: usize = 16;
/// Elements that a joining task takes.
const JOINED: usize = 1 << 14;

/// One group's channels with some places.
struct Part {
    group: usize,
    channels: Range<usize>,
    places: Range<usize>,
}

/// Sums patches of `x` times `y` over all places into `[O, C / groups, *kernel]`.
pub(super) fn gradient<T: Element + GemmElement>(x: &[T], y: &[T], g: &Geometry, out: &mut [T]) -> Result<()> {
    let (elements, all) = (g.elements(), g.images * volume(g.places));
    if all == 0 || out.is_empty() {
        out.fill(T::default());
        return Ok(());
    }
    if let Some(way) = ChannelsLast::new(g).filter(|way| MARGIN * way.cost < packing_cost(g)) {
        return way.gradient(x, y, g, out);
    }
    let rows = g.channels * elements;
    let blocks = g.channels.div_ceil((ROWS / elements).max(1));
    let channels = g.channels.div_ceil(blocks);
    let blocks = g.channels.div_ceil(channels);
    // The sum over places is cut into parts, each added in order, then joined in order.
    let chunks = all.div_ceil(PLACES);
    let parts = (TASKS / (g.groups * blocks)).clamp(1, chunks);
    let edge = |part: usize| (chunks * part / parts * PLACES).min(all);
    let part_of = |task: usize| {
        let (part, block, group) = (task % parts, task / parts % blocks, task / parts / blocks);
        let channels = block * channels..g.channels.min((block + 1) * channels);
        (part, Part { group, channels, places: edge(part)..edge(part + 1) })
    };
    let tasks = g.groups * blocks * parts;
    let taps = g.taps();
    let patches = Patches {
        data: x,
        image_stride: g.groups * g.channels * volume(g.image),
        offset: 0,
        channels: g.channels,
        sizes: g.image,
        grid: g.places,
        step: g.stride,
        taps: &taps,
        places: 0..0,
    };
    if parts == 1 && g.outputs >= WIDE {
        let (len, out) = (out.len(), SendPtr::new(out));
        parallel_for(tasks, |task| {
            let (_, part) = part_of(task);
            let offset = part.group * g.outputs * rows + part.channels.start * elements;
            let dims = [part.channels.len() * elements, g.outputs];
            products(&patches, y, g, part, |a, b, accumulate| {
                // SAFETY: these columns of the gradient are this task's alone.
                let c = unsafe { MatMut::from_raw(out.get(), len, offset, dims, [1, rows as isize]) };
                gemm_serial(c, a, b, accumulate);
            });
        });
        return Ok(());
    }
    let mut sums = Writing::<T>::new(Shape::new(&[g.groups, parts, rows, g.outputs])?)?;
    let shared = Parts::new(sums.as_mut());
    parallel_for(tasks, |task| {
        let (index, part) = part_of(task);
        let start = ((part.group * parts + index) * rows + part.channels.start * elements) * g.outputs;
        let height = part.channels.len() * elements;
        // SAFETY: these rows of this part are this task's alone.
        let sums = unsafe { shared.part(start, height * g.outputs) };
        products(&patches, y, g, part, |a, b, accumulate| {
            gemm_serial(MatMut::row_major(sums, height, g.outputs), a, b, accumulate);
        });
    });
    join(sums.as_mut(), [g.groups, parts, rows, g.outputs], out);
    Ok(())
}

/// What the products cost with patches that are packed, in those at full speed.
fn packing_cost(g: &Geometry) -> f64 {
    let packed = if g.elements() == 1 && g.places == g.image && volume(g.places) >= ALONE { 0.0 } else { 1.0 };
    let lanes = g.outputs.next_multiple_of(LANES) as f64 / g.outputs as f64;
    let line = 1.0 + SHORT / g.places[2] as f64;
    lanes + packed * PACK_COST * line / g.outputs as f64 + TURN_COST / ROWS as f64
}

/// Calls `f` with the factors of one product after the other, `[rows, places]` and `[places, outputs]`, and whether it
/// is to be added to those before.
fn products<T: GemmElement>(
    patches: &Patches<T>,
    y: &[T],
    g: &Geometry,
    part: Part,
    mut f: impl FnMut(Mat<T>, Mat<T>, bool),
) {
    let (elements, volume_x, volume_y) = (g.elements(), volume(g.image), volume(g.places));
    let rows = part.channels.len() * elements;
    let alone = volume_y >= ALONE;
    let most = if alone { PLACES } else { (COPIED / g.outputs.max(1)).clamp(ALONE, PLACES) };
    let pitch = most + GAP;
    let mut scratch = Buffer::take(&SCRATCH);
    let scratch = scratch.get::<T>((rows + if alone { 0 } else { g.outputs }) * pitch);
    let (columns, copied) = scratch.split_at_mut(rows * pitch);
    let group_x = patches.offset + part.group * g.channels * volume_x;
    let mut place = part.places.start;
    while place < part.places.end {
        let (image, inner) = (place / volume_y, place % volume_y);
        let end = if alone { (image + 1) * volume_y } else { part.places.end };
        let places = place..end.min(place + most).min(part.places.end);
        let count = places.len();
        let b = if alone {
            let start = (image * g.groups + part.group) * g.outputs * volume_y + inner;
            Mat::new(y, start, [count, g.outputs], [1, volume_y as isize])
        } else {
            for run in runs(places.clone(), [1, 1, volume_y]) {
                let start = (run.image * g.groups + part.group) * g.outputs * volume_y + run.index[2];
                for output in 0..g.outputs {
                    let from = &y[start + output * volume_y..][..run.len];
                    copied[output * pitch + run.at..][..run.len].copy_from_slice(from);
                }
            }
            Mat::new(copied, 0, [count, g.outputs], [1, pitch as isize])
        };
        let a = if alone && patches.are_images() {
            let start = image * patches.image_stride + group_x + part.channels.start * volume_x + inner;
            Mat::new(patches.data, start, [rows, count], [volume_x as isize, 1])
        } else {
            let patches = Patches { offset: group_x, places: places.clone(), ..patches.clone() };
            write_rows(&patches, part.channels.clone(), pitch, columns);
            Mat::new(columns, 0, [rows, count], [pitch as isize, 1])
        };
        f(a, b, place > part.places.start);
        place = places.end;
    }
}

/// Adds up the parts of `[groups, parts, rows, outputs]` into `[groups, outputs, rows]`.
fn join<T: GemmElement>(sums: &[T], [_, parts, rows, outputs]: [usize; 4], out: &mut [T]) {
    let outputs_a_task = (JOINED / (rows * parts)).max(1);
    parallel_chunks_mut(out, outputs_a_task * rows, |task, out| {
        for (i, out) in out.chunks_exact_mut(rows).enumerate() {
            let row = task * outputs_a_task + i;
            let (group, output) = (row / outputs, row % outputs);
            let sums = &sums[group * parts * rows * outputs..][..parts * rows * outputs];
            for (r, out) in out.iter_mut().enumerate() {
                let part = |part: usize| sums[(part * rows + r) * outputs + output];
                *out = (1..parts).fold(part(0), |sum, i| sum + part(i));
            }
        }
    });
}
