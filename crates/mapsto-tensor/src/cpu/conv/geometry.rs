//! The sizes of a convolution, as all its kernels see them.

use crate::ops::KernelAxis;
use smallvec::SmallVec;

/// Offsets of a kernel's elements.
pub(super) type Taps = SmallVec<[[isize; 3]; 16]>;

/// A convolution with three spatial axes: those that it lacks have size one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub images: usize,
    pub groups: usize,
    /// Channels in a group.
    pub channels: usize,
    /// Outputs in a group.
    pub outputs: usize,
    /// Sizes of the images.
    pub image: [usize; 3],
    /// Numbers of places.
    pub places: [usize; 3],
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    /// Zeros before.
    pub padding: [usize; 3],
    pub dilation: [usize; 3],
}

/// The places `first + i * step` of the images, to which the same taps lead.
pub(super) struct Phase {
    pub first: [usize; 3],
    /// How many of them there are along each axis.
    pub grid: [usize; 3],
    /// Which elements of the kernel lead here.
    pub elements: SmallVec<[usize; 16]>,
    /// For each, how far the place it leads from is off the place's own index.
    pub taps: Taps,
}

impl Geometry {
    /// From the shapes `[N, C, *size]` and `[N, O, *places]` and the sizes of the kernel.
    pub fn new(image: &[usize], result: &[usize], kernel: &[usize], axes: &[KernelAxis], groups: usize) -> Geometry {
        let lead = 3 - axes.len();
        let three = |f: &dyn Fn(usize) -> usize, missing: usize| {
            std::array::from_fn(|i| if i < lead { missing } else { f(i - lead) })
        };
        let whole = Geometry {
            images: image[0],
            groups,
            channels: image[1] / groups,
            outputs: result[1] / groups,
            image: three(&|i| image[i + 2], 1),
            places: three(&|i| result[i + 2], 1),
            kernel: three(&|i| kernel[i], 1),
            stride: three(&|i| axes[i].stride, 1),
            padding: three(&|i| axes[i].padding[0], 0),
            dilation: three(&|i| axes[i].dilation, 1),
        };
        whole.merged()
    }

    /// The same with axes merged, from the first on, along which nothing but places is.
    fn merged(mut self) -> Geometry {
        let plain = |g: &Geometry, axis: usize| g.kernel[axis] == 1 && g.places[axis] == g.image[axis];
        let still = |g: &Geometry, axis: usize| g.stride[axis] == 1 && g.padding[axis] == 0;
        for axis in 0..2 {
            if (axis..axis + 2).all(|axis| plain(&self, axis) && still(&self, axis)) {
                self.image[axis + 1] *= std::mem::replace(&mut self.image[axis], 1);
                self.places[axis + 1] *= std::mem::replace(&mut self.places[axis], 1);
            }
        }
        self
    }

    /// Elements of the kernel.
    pub fn elements(&self) -> usize {
        volume(self.kernel)
    }

    /// For each element of the kernel, how far the image's element is off the place's first.
    pub fn taps(&self) -> Taps {
        let offset = |axis: usize, k: usize| (k * self.dilation[axis]) as isize - self.padding[axis] as isize;
        indices(self.kernel).map(|k| std::array::from_fn(|axis| offset(axis, k[axis]))).collect()
    }

    /// The phases of the transpose: in each, every place of the image gets from the same taps. Places that no element of
    /// the kernel leads to are in none.
    pub fn phases(&self) -> SmallVec<[Phase; 4]> {
        let axes: [Vec<_>; 3] = std::array::from_fn(|axis| self.axis_phases(axis));
        let phase = |index: [usize; 3]| {
            let [d, h, w] = std::array::from_fn(|axis| &axes[axis][index[axis]]);
            let first = [d.0, h.0, w.0];
            let grid = std::array::from_fn(|axis| (self.image[axis] - first[axis]).div_ceil(self.stride[axis]));
            let mut phase = Phase { first, grid, elements: SmallVec::new(), taps: Taps::new() };
            for (kd, td) in &d.1 {
                for (kh, th) in &h.1 {
                    for (kw, tw) in &w.1 {
                        phase.elements.push((kd * self.kernel[1] + kh) * self.kernel[2] + kw);
                        phase.taps.push([*td, *th, *tw]);
                    }
                }
            }
            phase
        };
        indices(std::array::from_fn(|axis| axes[axis].len())).map(phase).collect()
    }

    /// The phases along one axis: the first place of each, the elements of the kernel that lead to it, and for each how
    /// far the place it leads from is off the place's own index.
    fn axis_phases(&self, axis: usize) -> Vec<(usize, SmallVec<[(usize, isize); 4]>)> {
        let (stride, dilation) = (self.stride[axis] as isize, self.dilation[axis]);
        let leads = |first: usize| {
            let from = |k: usize| (first + self.padding[axis]) as isize - (k * dilation) as isize;
            let taps = (0..self.kernel[axis]).filter(|&k| from(k) % stride == 0).map(|k| (k, from(k) / stride));
            (first, taps.collect::<SmallVec<_>>())
        };
        (0..self.stride[axis].min(self.image[axis])).map(leads).filter(|(_, taps)| !taps.is_empty()).collect()
    }

    /// Whether every place of the image is in one of its phases.
    pub fn covered_by(&self, phases: &[Phase]) -> bool {
        phases.iter().map(|phase| volume(phase.grid)).sum::<usize>() == volume(self.image)
    }
}

/// Number of elements.
pub(super) fn volume(sizes: [usize; 3]) -> usize {
    sizes[0] * sizes[1] * sizes[2]
}

/// All indices in row-major order.
pub(super) fn indices(sizes: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..sizes[0]).flat_map(move |d| (0..sizes[1]).flat_map(move |h| (0..sizes[2]).map(move |w| [d, h, w])))
}

/// Neighbouring places along the last axis of the grids of several images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// How many places of the range come before.
    pub at: usize,
    pub len: usize,
    pub image: usize,
    /// Index of the first place.
    pub index: [usize; 3],
}

/// The runs that make up a range of all images' places, which must be within them.
#[inline(always)]
pub(super) fn runs(range: std::ops::Range<usize>, grid: [usize; 3]) -> impl Iterator<Item = Run> {
    let [depth, height, width] = grid;
    let row = range.start / width.max(1);
    let mut index = [row / height.max(1) % depth.max(1), row % height.max(1), range.start % width.max(1)];
    let mut image = row / (height * depth).max(1);
    let mut place = range.start;
    std::iter::from_fn(move || {
        if place >= range.end {
            return None;
        }
        let len = (width - index[2]).min(range.end - place);
        let run = Run { at: place - range.start, len, image, index };
        place += len;
        index[2] = 0;
        index[1] += 1;
        if index[1] == height {
            index[1] = 0;
            index[0] += 1;
            if index[0] == depth {
                index[0] = 0;
                image += 1;
            }
        }
        Some(run)
    })
}

/// Which of `len` places a tap leads to elements of an axis: place `i` leads to `start + i * step` of `size`.
#[inline(always)]
pub(super) fn inside(start: isize, step: usize, size: usize, len: usize) -> std::ops::Range<usize> {
    let (size, step) = (size as isize, step as isize);
    if step == 1 {
        let first = (-start).clamp(0, len as isize) as usize;
        return first..((size - start).clamp(first as isize, len as isize) as usize);
    }
    let first = ((step - 1 - start).max(0) / step).min(len as isize) as usize;
    let end = ((size - start + step - 1).max(0) / step).min(len as isize) as usize;
    first..end.max(first)
}
