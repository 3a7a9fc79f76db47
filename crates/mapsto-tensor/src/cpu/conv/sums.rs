//! The transpose of a convolution as one matrix product: every element of the kernels times every place of the results.
//! What leads to the same place of an image is summed. Where images have few channels this touches less than patches do.

use super::SCRATCH;
use super::geometry::{Geometry, Phase, indices, inside, volume};
use super::planes::{Planes, Sizes};
use crate::cpu::gemm::{Buffer, Mat, MatMut, gemm_serial};
use crate::cpu::isa::simd;
use crate::cpu::real::Real;
use crate::cpu::strided::Parts;
use crate::cpu::threads::parallel_for;

/// Places of a product, at least, where there are as many.
const PLACES: usize = 192;
/// Elements of a product: it stays in the L2 cache.
const PRODUCT: usize = 96 << 10;

/// The most channels of images for which this is the quicker way.
const CHANNELS: usize = 16;
/// What a sum costs in multiply-adds, as measured; and what a line of them costs more.
const SUM_COST: f64 = 18.0;
const LINE_COST: f64 = 500.0;
/// How much quicker patches must be that are read in place.
const MARGIN: f64 = 1.15;

/// Whether this method is for a convolution of these sizes.
pub(super) fn suits(g: &Geometry) -> bool {
    let few = g.elements() > 1 && g.channels <= g.outputs.min(CHANNELS) && volume(g.places) > 0;
    few && in_place(g)
        .is_none_or(|cost| MARGIN * cost > 1.0 + (SUM_COST + LINE_COST / g.places[2] as f64) / g.outputs as f64)
}

/// What the products cost with patches that are read in place, in those at full speed.
fn in_place(g: &Geometry) -> Option<f64> {
    let phases = g.phases();
    let planes = Planes::new(&Sizes {
        phases: phases.iter().map(|phase| (phase.grid, &phase.taps[..])).collect(),
        step: [1; 3],
        images: g.images,
        groups: g.groups,
        channels: g.outputs,
        rows: g.channels,
    });
    planes.map(|planes| planes.cost)
}

/// The transpose.
pub(super) fn transpose<T: Real>(y: &[T], w: &[T], bias: Option<&[T]>, g: &Geometry, out: &mut [T]) {
    let (elements, places, plane) = (g.elements(), volume(g.places), volume(g.image));
    let phases = g.phases();
    let gaps = !g.covered_by(&phases);
    let images = (PLACES / places).clamp(1, g.images.max(1));
    let channels = (PRODUCT / (elements * images * places)).clamp(1, g.channels.max(1));
    let [image_blocks, channel_blocks] = [g.images.div_ceil(images), g.channels.div_ceil(channels)];
    let out = Parts::new(out);
    parallel_for(g.groups * image_blocks * channel_blocks, |task| {
        let (block, rest) = (task % channel_blocks, task / channel_blocks);
        let (group, rest) = (rest % g.groups, rest / g.groups);
        let images = rest * images..g.images.min((rest + 1) * images);
        let channels = block * channels..g.channels.min((block + 1) * channels);
        let (rows, columns) = (channels.len() * elements, images.len() * places);
        let copied = if images.len() > 1 { g.outputs * columns } else { 0 };
        let mut scratch = Buffer::take(&SCRATCH);
        let (product, copied) = scratch.get::<T>(rows * columns + copied).split_at_mut(rows * columns);
        let start = |image: usize| (image * g.groups + group) * g.outputs * places;
        for (i, image) in images.clone().enumerate().filter(|_| images.len() > 1) {
            for (output, values) in y[start(image)..][..g.outputs * places].chunks_exact(places).enumerate() {
                copied[output * columns + i * places..][..places].copy_from_slice(values);
            }
        }
        let b = if images.len() > 1 { &*copied } else { &y[start(images.start)..][..g.outputs * places] };
        let row = g.channels * elements;
        let first = group * g.outputs * row + channels.start * elements;
        let a = Mat::new(w, first, [rows, g.outputs], [1, row as isize]);
        gemm_serial(MatMut::row_major(product, rows, columns), a, Mat::row_major(b, g.outputs, columns), false);
        for (i, image) in images.enumerate() {
            for (c, channel) in channels.clone().enumerate() {
                let index = group * g.channels + channel;
                let bias = bias.map_or(T::ZERO, |bias| bias[index]);
                // SAFETY: this channel of this image is this task's alone.
                let out = unsafe { out.part((image * g.groups * g.channels + index) * plane, plane) };
                if gaps {
                    out.fill(bias);
                }
                sum(&product[c * elements * columns + i * places..], columns, &phases, g, bias, out);
            }
        }
    });
}

simd! {
    /// Sums the products of one channel's elements, whose rows are `pitch` apart, at their places of an image.
    fn sum<S, T: Real>(
        simd: S, product: &[T], pitch: usize, phases: &[Phase], g: &Geometry, bias: T, out: &mut [T],
    ) {
        let ([_, height, width], [depth, rows, columns]) = (g.image, g.places);
        let mut line = vec![T::ZERO; width];
        for phase in phases {
            let line = &mut line[..phase.grid[2]];
            for [d, h, _] in indices([phase.grid[0], phase.grid[1], 1]) {
                line.fill(bias);
                for (element, tap) in phase.elements.iter().zip(&phase.taps) {
                    let (d, h) = (d as isize + tap[0], h as isize + tap[1]);
                    let within = inside(tap[2], 1, columns, line.len());
                    if d < 0 || d >= depth as isize || h < 0 || h >= rows as isize || within.is_empty() {
                        continue;
                    }
                    let from = (d as usize * rows + h as usize) * columns;
                    let from = from + (within.start as isize + tap[2]) as usize;
                    let values = &product[element * pitch + from..][..within.len()];
                    line[within].iter_mut().zip(values).for_each(|(sum, &x)| *sum += x);
                }
                let [d, h] = [0, 1].map(|axis| phase.first[axis] + [d, h][axis] * g.stride[axis]);
                let to = &mut out[(d * height + h) * width + phase.first[2]..];
                to.iter_mut().step_by(g.stride[2]).zip(&*line).for_each(|(to, &x)| *to = x);
            }
        }
    }
}
