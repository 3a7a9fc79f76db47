//! Samples and plain references of convolutions.

use super::convolution::{Conv, ConvTranspose, ConvWeightGrad};
use super::fold::{Fold, Unfold};
use super::settings::{ConvSettings, KernelAxis, Spatial};
use crate::testing::{Array, Case, Gen, Registered};

/// One sample: settings with the shapes of images and kernels.
struct Sample {
    settings: ConvSettings,
    image: Vec<usize>,
    weight: Vec<usize>,
}

impl Sample {
    /// The shape of the convolution's result.
    fn result(&self) -> Option<Vec<usize>> {
        let places = |(i, axis): (usize, &KernelAxis)| axis.places(self.image[i + 2], self.weight[i + 2]);
        let places = self.settings.axes.iter().enumerate().map(places).collect::<Option<Vec<_>>>()?;
        Some([&[self.image[0], self.weight[0]], &places[..]].concat())
    }
}

fn axis(stride: usize, padding: [usize; 2], dilation: usize) -> KernelAxis {
    KernelAxis { stride, padding, dilation }
}

/// Size x stride x padding x dilation x groups in two dimensions, then what is special.
fn samples() -> Vec<Sample> {
    let mut list = Vec::new();
    let mut add = |axes: &[KernelAxis], groups: usize, image: &[usize], weight: &[usize]| {
        let settings = ConvSettings { axes: axes[..].into(), groups };
        list.push(Sample { settings, image: image.to_vec(), weight: weight.to_vec() });
    };
    for (i, size) in [[5, 6], [4, 7]].into_iter().enumerate() {
        for stride in [1, 2, 3] {
            for padding in [[0, 0], [1, 1], [2, 1]] {
                for dilation in [1, 2] {
                    for (j, kernel) in [[1, 1], [2, 3], [3, 3]].into_iter().enumerate() {
                        // In turn: all to all, groups, depthwise with one and with two outputs a channel.
                        let turn = (i + stride + padding[0] + dilation + j) % 4;
                        let (channels, outputs, groups) = [(2, 3, 1), (4, 6, 2), (3, 3, 3), (2, 4, 2)][turn];
                        let axes = [axis(stride, padding, dilation), axis(stride, [padding[1], padding[0]], dilation)];
                        let image = [1 + j % 2, channels, size[0], size[1]];
                        add(&axes, groups, &image, &[outputs, channels / groups, kernel[0], kernel[1]]);
                    }
                }
            }
        }
    }
    // One and three dimensions; axes that differ.
    add(&[axis(1, [0, 0], 1)], 1, &[2, 3, 9], &[4, 3, 3]);
    add(&[axis(3, [4, 1], 2)], 2, &[1, 4, 11], &[2, 2, 4]);
    add(&[axis(1, [2, 2], 1)], 3, &[3, 3, 40], &[3, 1, 5]);
    add(&[axis(1, [0, 1], 2), axis(2, [0, 0], 1), axis(1, [1, 1], 1)], 1, &[1, 2, 4, 5, 3], &[3, 2, 2, 3, 2]);
    add(&[axis(1, [1, 1], 1), axis(2, [1, 1], 1), axis(1, [0, 0], 2)], 2, &[2, 2, 3, 2, 4], &[2, 1, 2, 3, 2]);
    // More places, channels and images than fit one tile of a matrix product.
    add(&[axis(1, [1, 1], 1); 2], 1, &[2, 5, 9, 20], &[14, 5, 3, 3]);
    add(&[axis(2, [1, 1], 1); 2], 2, &[9, 4, 7, 6], &[26, 2, 3, 3]);
    // Nothing: no images, no channels, no outputs; padding beyond the kernel; a place left of a dilated kernel.
    add(&[axis(1, [0, 0], 1); 2], 1, &[0, 2, 4, 4], &[3, 2, 3, 3]);
    add(&[axis(1, [1, 1], 1); 2], 1, &[2, 0, 3, 3], &[2, 0, 2, 2]);
    add(&[axis(1, [1, 1], 1); 2], 1, &[2, 1, 3, 3], &[0, 1, 2, 2]);
    add(&[axis(1, [0, 0], 1); 2], 4, &[2, 4, 5, 6], &[0, 1, 2, 3]);
    add(&[axis(1, [0, 0], 1); 2], 1, &[2, 0, 3, 3], &[2, 0, 3, 3]);
    add(&[axis(1, [3, 4], 1); 2], 1, &[1, 1, 2, 3], &[2, 1, 2, 2]);
    add(&[axis(2, [2, 0], 3)], 2, &[2, 2, 0], &[2, 1, 1]);
    add(&[axis(1, [0, 0], 2), axis(2, [1, 0], 3)], 1, &[1, 2, 3, 6], &[2, 2, 2, 3]);
    // Strides and dilations far beyond the images.
    add(&[axis(1 << 24, [0, 0], 1); 2], 2, &[1, 2, 4, 4], &[2, 1, 1, 1]);
    add(&[axis(1 << 24, [1, 0], 1); 3], 2, &[1, 2, 3, 4, 2], &[4, 1, 2, 1, 2]);
    add(&[axis(1, [1 << 23; 2], 1 << 24); 2], 2, &[1, 2, 2, 3], &[2, 1, 2, 2]);
    add(&[axis(3, [1 << 23; 2], 1 << 24); 2], 1, &[1, 2, 5, 3], &[3, 2, 2, 2]);
    list.retain(|sample| sample.result().is_some());
    list
}

fn arbitrary_settings(g: &mut Gen) -> ConvSettings {
    let size = |g: &mut Gen| g.pick(&[0, 1, 1, 1, 2, 3, 5, usize::MAX]);
    let rank = g.below(5);
    let one = |_| axis(size(g), [g.below(4), g.below(4)], g.pick(&[0, 1, 1, 2, 3, usize::MAX]));
    let axes = (0..rank).map(one).collect();
    ConvSettings { axes, groups: g.pick(&[0, 1, 1, 2, 3, usize::MAX]) }
}

fn arbitrary_sizes(g: &mut Gen) -> Spatial<usize> {
    (0..g.below(4)).map(|_| g.pick(&[0, 1, 1, 2, 3, usize::MAX])).collect()
}

/// Calls `f` with the indices of every product in a convolution: of the image, the kernel and the result.
fn products(
    settings: &ConvSettings,
    [image, weight, result]: [&[usize]; 3],
    mut f: impl FnMut(&[usize], &[usize], &[usize]),
) {
    let outputs = weight[0] / settings.groups.max(1);
    Array::from_fn(result, |y| {
        Array::from_fn(&weight[1..], |k| {
            let mut x = vec![y[0], y[1] / outputs * weight[1] + k[0]];
            for (i, axis) in settings.axes.iter().enumerate() {
                x.push((y[i + 2] * axis.stride + k[i + 1] * axis.dilation).wrapping_sub(axis.padding[0]));
            }
            if x.iter().zip(image).all(|(&x, &size)| x < size) {
                f(&x, &[&[y[1]], k].concat(), y);
            }
            0.0
        });
        0.0
    });
}

fn zeros(sizes: &[usize]) -> Array {
    Array::from_fn(sizes, |_| 0.0)
}

impl Array {
    fn add_at(&mut self, index: &[usize], value: f64) {
        let place = index.iter().zip(&self.sizes).fold(0, |place, (&i, &size)| place * size + i);
        self.data[place] += value;
    }
}

/// Zeros, or the bias of each channel.
fn biased(sizes: &[usize], bias: Option<&Array>) -> Array {
    Array::from_fn(sizes, |index| bias.map_or(0.0, |bias| bias.data[index[1]]))
}

impl Registered for Conv {
    fn cases() -> Vec<Case> {
        let case = |(i, sample): (usize, Sample)| {
            let mut g = Gen::new(i as u64);
            let mut inputs = vec![g.tensor(&sample.image, -1.0, 1.0), g.tensor(&sample.weight, -1.0, 1.0)];
            if i % 2 == 0 {
                inputs.push(g.tensor(&sample.weight[..1], -1.0, 1.0));
            }
            Case::new(Conv { settings: sample.settings }, inputs)
        };
        samples().into_iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (image, weight) = (&inputs[0], &inputs[1]);
        let mut sizes = vec![image.sizes[0], weight.sizes[0]];
        for (i, axis) in self.settings.axes.iter().enumerate() {
            let padded = image.sizes[i + 2] + axis.padding[0] + axis.padding[1];
            sizes.push((padded - (weight.sizes[i + 2] - 1) * axis.dilation - 1) / axis.stride + 1);
        }
        let mut y = biased(&sizes, inputs.get(2));
        products(&self.settings, [&image.sizes, &weight.sizes, &sizes], |x, k, to| {
            y.add_at(to, image.at(x) * weight.at(k));
        });
        vec![y]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Conv { settings: arbitrary_settings(g) }
    }
}

impl Registered for ConvTranspose {
    fn cases() -> Vec<Case> {
        let case = |(i, sample): (usize, Sample)| {
            let result = sample.result()?;
            let mut g = Gen::new(i as u64);
            let mut inputs = vec![g.tensor(&result, -1.0, 1.0), g.tensor(&sample.weight, -1.0, 1.0)];
            if i % 2 == 0 {
                inputs.push(g.tensor(&[sample.image[1]], -1.0, 1.0));
            }
            let room = |axis: &KernelAxis| axis.stride.max(axis.dilation);
            let output_padding = sample.settings.axes.iter().map(|axis| i % room(axis)).collect();
            // Where the padding leaves nothing, the shape rule refuses: only what fits is a case.
            let op = ConvTranspose { settings: sample.settings, output_padding };
            let specs: Vec<_> = inputs.iter().map(|input| input.spec()).collect();
            crate::op::Op::infer(&op, &specs).ok()?;
            Some(Case::new(op, inputs))
        };
        samples().into_iter().enumerate().filter_map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (y, weight) = (&inputs[0], &inputs[1]);
        let mut sizes = vec![y.sizes[0], weight.sizes[1] * self.settings.groups];
        for (i, axis) in self.settings.axes.iter().enumerate() {
            let extent = (y.sizes[i + 2] - 1) * axis.stride + (weight.sizes[i + 2] - 1) * axis.dilation + 1;
            sizes.push(extent + self.output_padding[i] - axis.padding[0] - axis.padding[1]);
        }
        let mut image = biased(&sizes, inputs.get(2));
        products(&self.settings, [&sizes, &weight.sizes, &y.sizes], |to, k, from| {
            image.add_at(to, y.at(from) * weight.at(k));
        });
        vec![image]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        ConvTranspose { settings: arbitrary_settings(g), output_padding: arbitrary_sizes(g) }
    }
}

impl Registered for ConvWeightGrad {
    fn cases() -> Vec<Case> {
        let case = |(i, sample): (usize, Sample)| {
            let mut g = Gen::new(i as u64);
            let inputs = [g.tensor(&sample.image, -1.0, 1.0), g.tensor(&sample.result()?, -1.0, 1.0)];
            Some(Case::new(ConvWeightGrad { settings: sample.settings, kernel: sample.weight[2..].into() }, inputs))
        };
        samples().into_iter().enumerate().filter_map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (image, y) = (&inputs[0], &inputs[1]);
        let sizes = [&[y.sizes[1], image.sizes[1] / self.settings.groups], &self.kernel[..]].concat();
        let mut weight = zeros(&sizes);
        products(&self.settings, [&image.sizes, &sizes, &y.sizes], |x, to, from| {
            weight.add_at(to, image.at(x) * y.at(from));
        });
        vec![weight]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        ConvWeightGrad { settings: arbitrary_settings(g), kernel: arbitrary_sizes(g) }
    }
}

/// Axes, image and kernel of a patch matrix.
fn patch_samples() -> Vec<([KernelAxis; 2], [usize; 4], [usize; 2])> {
    let plain = KernelAxis::PLAIN;
    vec![
        ([plain, plain], [2, 3, 4, 5], [2, 3]),
        ([axis(2, [2, 2], 1), axis(1, [1, 1], 2)], [2, 2, 5, 4], [3, 2]),
        ([axis(2, [1, 0], 1), axis(3, [0, 2], 1)], [1, 2, 6, 7], [3, 4]),
        ([plain, plain], [1, 1, 1, 1], [1, 1]),
        ([axis(2, [0, 0], 1), axis(2, [0, 0], 1)], [1, 2, 5, 5], [1, 1]),
        ([plain, plain], [0, 2, 3, 3], [2, 2]),
        ([axis(1, [3, 3], 1), plain], [1, 1, 2, 3], [2, 2]),
    ]
}

/// The place in the patch matrix of a product of a depthwise convolution: channel and kernel element, then place.
fn patch_index(unfold: &Unfold, k: &[usize], y: &[usize], places: &[usize]) -> Vec<usize> {
    let row = (k[0] * unfold.kernel[0] + k[2]) * unfold.kernel[1] + k[3];
    vec![y[0], row, y[2] * places[1] + y[3]]
}

impl Registered for Unfold {
    fn cases() -> Vec<Case> {
        let case = |(axes, image, kernel): ([KernelAxis; 2], [usize; 4], [usize; 2])| {
            Case::new(Unfold { axes, kernel }, [Gen::new(8).tensor(&image, -1.0, 1.0)])
        };
        patch_samples().into_iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let image = &inputs[0];
        let &[n, c, h, w] = &image.sizes[..] else { return Vec::new() };
        let places = |i: usize, size: usize| self.axes[i].places(size, self.kernel[i]).unwrap_or(0);
        let places = [places(0, h), places(1, w)];
        let [kh, kw] = self.kernel;
        let mut patches = zeros(&[n, c * kh * kw, places[0] * places[1]]);
        let settings = ConvSettings { axes: self.axes[..].into(), groups: c };
        products(&settings, [&image.sizes, &[c, 1, kh, kw], &[n, c, places[0], places[1]]], |x, k, y| {
            patches.add_at(&patch_index(self, k, y, &places), image.at(x));
        });
        vec![patches]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let one = |g: &mut Gen| axis(g.below(4), [g.below(3), g.below(3)], g.below(3));
        Unfold { axes: [one(g), one(g)], kernel: [g.below(4), g.pick(&[1, 2, usize::MAX])] }
    }
}

impl Registered for Fold {
    fn cases() -> Vec<Case> {
        let case = |(axes, [n, c, h, w], kernel): ([KernelAxis; 2], [usize; 4], [usize; 2])| {
            let places = axes[0].places(h, kernel[0])? * axes[1].places(w, kernel[1])?;
            let patches = Gen::new(9).tensor(&[n, c * kernel[0] * kernel[1], places], -1.0, 1.0);
            Some(Case::new(Fold { axes, kernel, size: [h, w] }, [patches]))
        };
        patch_samples().into_iter().filter_map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let patches = &inputs[0];
        let [h, w] = self.size;
        let places = |i: usize| self.axes[i].places(self.size[i], self.kernel[i]).unwrap_or(0);
        let places = [places(0), places(1)];
        let [kh, kw] = self.kernel;
        let (n, c) = (patches.sizes[0], patches.sizes[1] / (kh * kw));
        let mut image = zeros(&[n, c, h, w]);
        let settings = ConvSettings { axes: self.axes[..].into(), groups: c };
        let unfold = Unfold { axes: self.axes, kernel: self.kernel };
        products(&settings, [&[n, c, h, w], &[c, 1, kh, kw], &[n, c, places[0], places[1]]], |x, k, y| {
            image.add_at(x, patches.at(&patch_index(&unfold, k, y, &places)));
        });
        vec![image]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let Unfold { axes, kernel } = Unfold::arbitrary(g);
        Fold { axes, kernel, size: [g.below(6), g.pick(&[1, 2, 4, usize::MAX])] }
    }
}
