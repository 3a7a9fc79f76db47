//! Patches as rows of a matrix, and back.

use super::geometry::{Geometry, inside, runs, volume};
use super::patches::{Patches, write_rows};
use crate::cpu::gemm::GemmElement;
use crate::cpu::isa::simd;
use crate::cpu::threads::parallel_chunks_mut;

/// Each channel's patches: `[N, C, H, W]` to `[N, C, elements, places]`.
pub(super) fn unfold<T: GemmElement>(x: &[T], g: &Geometry, out: &mut [T]) {
    let (places, taps) = (volume(g.places), g.taps());
    if out.is_empty() {
        return;
    }
    parallel_chunks_mut(out, taps.len() * places, |channel, out| {
        let patches = Patches {
            data: x,
            image_stride: 0,
            offset: channel * volume(g.image),
            channels: 1,
            sizes: g.image,
            grid: g.places,
            step: g.stride,
            taps: &taps,
            places: 0..places,
        };
        write_rows(&patches, 0..1, places, out);
    });
}

/// Each channel's patches added up at their places: `[N, C, elements, places]` to `[N, C, H, W]`.
pub(super) fn fold<T: GemmElement>(patches: &[T], g: &Geometry, out: &mut [T]) {
    let taps = g.taps();
    let row = taps.len() * volume(g.places);
    if out.is_empty() {
        return;
    }
    parallel_chunks_mut(out, volume(g.image), |channel, out| {
        out.fill(T::default());
        add_patches(&patches[channel * row..][..row], g, &taps, out);
    });
}

simd! {
    fn add_patches<S, T: GemmElement>(simd: S, patches: &[T], g: &Geometry, taps: &[[isize; 3]], out: &mut [T]) {
        let [depth, height, width] = g.image;
        let places = volume(g.places);
        for (row, tap) in patches.chunks_exact(places).zip(taps) {
            for run in runs(0..places, g.places) {
                let [d, h, w]: [isize; 3] = std::array::from_fn(|i| (run.index[i] * g.stride[i]) as isize + tap[i]);
                if d < 0 || d >= depth as isize || h < 0 || h >= height as isize {
                    continue;
                }
                let within = inside(w, g.stride[2], width, run.len);
                let out = &mut out[(d as usize * height + h as usize) * width..][..width];
                for i in within {
                    let to = &mut out[(w + (i * g.stride[2]) as isize) as usize];
                    *to = *to + row[run.at + i];
                }
            }
        }
    }
}
