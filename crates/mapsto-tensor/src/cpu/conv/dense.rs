//! Kernels as large as the images: each result is one product of all of an image with all of a kernel.

use super::geometry::{Geometry, volume};
use crate::cpu::gemm::{GemmElement, Mat, MatMut, Options, gemm_with};

/// Strides and offsets of one group's images, results and kernels as matrices.
struct Group<'a> {
    g: &'a Geometry,
    group: usize,
}

impl Group<'_> {
    fn depth(&self) -> usize {
        self.g.channels * volume(self.g.kernel)
    }

    /// A matrix with a row for each image.
    fn rows<'a, T>(&self, data: &'a [T], columns: usize) -> Mat<'a, T> {
        let pitch = self.g.groups * columns;
        Mat::new(data, self.group * columns, [self.g.images, columns], [pitch as isize, 1])
    }

    /// As [`Group::rows`], to write.
    fn rows_mut<'a, T>(&self, data: &'a mut [T], columns: usize) -> MatMut<'a, T> {
        let pitch = self.g.groups * columns;
        MatMut::new(data, self.group * columns, [self.g.images, columns], [pitch as isize, 1])
    }

    /// The kernels, a row for each output.
    fn kernels<'a, T>(&self, w: &'a [T]) -> Mat<'a, T> {
        let (outputs, depth) = (self.g.outputs, self.depth());
        Mat::new(w, self.group * outputs * depth, [outputs, depth], [depth as isize, 1])
    }
}

fn groups(g: &Geometry) -> impl Iterator<Item = Group<'_>> {
    (0..g.groups).map(move |group| Group { g, group })
}

/// The convolution.
pub(super) fn forward<T: GemmElement>(x: &[T], w: &[T], bias: Option<&[T]>, g: &Geometry, out: &mut [T]) {
    for part in groups(g) {
        let (a, b) = (part.rows(x, part.depth()), part.kernels(w).t());
        let col_bias = bias.map(|bias| &bias[part.group * g.outputs..][..g.outputs]);
        let options = Options { col_bias, ..Options::default() };
        gemm_with(part.rows_mut(out, g.outputs), a.into(), b.into(), options);
    }
}

/// The transpose.
pub(super) fn transpose<T: GemmElement>(y: &[T], w: &[T], bias: Option<&[T]>, g: &Geometry, out: &mut [T]) {
    for part in groups(g) {
        let (a, b) = (part.rows(y, g.outputs), part.kernels(w));
        gemm_with(part.rows_mut(out, part.depth()), a.into(), b.into(), Options::default());
    }
    if let Some(bias) = bias {
        for (channel, &bias) in out.chunks_exact_mut(volume(g.image)).zip(bias.iter().cycle()) {
            channel.iter_mut().for_each(|x| *x = *x + bias);
        }
    }
}

/// The gradient with respect to the kernels.
pub(super) fn weight_grad<T: GemmElement>(x: &[T], y: &[T], g: &Geometry, out: &mut [T]) {
    for part in groups(g) {
        let (a, b) = (part.rows(y, g.outputs).t(), part.rows(x, part.depth()));
        let depth = part.depth();
        let kernels = &mut out[part.group * g.outputs * depth..][..g.outputs * depth];
        gemm_with(MatMut::row_major(kernels, g.outputs, depth), a.into(), b.into(), Options::default());
    }
}
