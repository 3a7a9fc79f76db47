//! Larger convolutions than the registry's: each method is taken, is right, and gives the same bits on any threads.

use super::geometry::Geometry;
use super::winograd::Tile;
use super::{Plan, dense, depthwise, implicit, set_winograd, sums, weights, winograd};
use crate::cpu::threads::set_num_threads;
use crate::ops::KernelAxis;
use crate::tensor::Tensor;
use crate::testing::Gen;

/// Sizes of two spatial axes and how the kernel moves.
struct Sample {
    images: usize,
    groups: usize,
    channels: usize,
    outputs: usize,
    image: [usize; 2],
    kernel: [usize; 2],
    axis: KernelAxis,
}

impl Sample {
    fn geometry(&self) -> Geometry {
        let (Sample { image, kernel, axis, .. }, groups) = (self, self.groups);
        let places = |i: usize| axis.places(image[i], kernel[i]).expect("the kernel fits");
        let images = [self.images, groups * self.channels, image[0], image[1]];
        let result = [self.images, groups * self.outputs, places(0), places(1)];
        Geometry::new(&images, &result, kernel, &[*axis; 2], groups)
    }
}

fn samples() -> Vec<(Plan, Sample)> {
    let axis = |stride: usize, padding: usize, dilation: usize| KernelAxis { stride, padding: [padding; 2], dilation };
    let sample = |plan, [images, groups, channels, outputs]: [usize; 4], image, kernel, axis| {
        (plan, Sample { images, groups, channels, outputs, image, kernel, axis })
    };
    vec![
        sample(Plan::Products, [3, 1, 13, 37], [23, 41], [3, 2], axis(1, 1, 1)),
        sample(Plan::Products, [40, 1, 30, 130], [7, 6], [2, 3], axis(1, 1, 1)),
        sample(Plan::Winograd(Tile::F43), [3, 1, 13, 37], [23, 41], [3, 3], axis(1, 1, 1)),
        sample(Plan::Winograd(Tile::F43), [40, 1, 30, 130], [7, 6], [3, 3], axis(1, 1, 1)),
        sample(Plan::Winograd(Tile::F43), [5, 2, 20, 24], [9, 40], [3, 3], axis(1, 0, 1)),
        sample(Plan::Winograd(Tile::F43), [2, 1, 12, 70], [18, 90], [3, 3], axis(1, 2, 1)),
        // Sums of more than one block of k, and one output more than panels have.
        sample(Plan::Winograd(Tile::F23), [1, 1, 530, 25], [14, 14], [3, 3], axis(1, 1, 1)),
        sample(Plan::Winograd(Tile::F23), [3, 1, 100, 96], [8, 7], [3, 3], axis(1, 1, 1)),
        sample(Plan::Winograd(Tile::F25), [3, 1, 13, 37], [23, 41], [5, 5], axis(1, 2, 1)),
        sample(Plan::Winograd(Tile::F25), [5, 2, 20, 24], [9, 40], [5, 5], axis(1, 0, 1)),
        sample(Plan::Winograd(Tile::F25), [2, 1, 18, 16], [18, 50], [5, 5], axis(1, 4, 1)),
        sample(Plan::Products, [2, 3, 8, 20], [33, 30], [4, 3], axis(2, 1, 1)),
        sample(Plan::Products, [2, 1, 70, 100], [19, 19], [1, 1], axis(1, 0, 1)),
        sample(Plan::Products, [70, 1, 70, 100], [4, 4], [1, 1], axis(1, 0, 1)),
        sample(Plan::Products, [2, 1, 1, 16], [50, 61], [5, 5], axis(3, 2, 2)),
        sample(Plan::Products, [1, 2, 60, 1], [20, 30], [3, 7], axis(1, 3, 1)),
        sample(Plan::Products, [5, 2, 3, 9], [12, 15], [4, 4], axis(2, 1, 1)),
        sample(Plan::Products, [3, 1, 5, 6], [40, 33], [3, 2], axis(3, 1, 2)),
        sample(Plan::Products, [37, 1, 18, 25], [13, 11], [5, 5], axis(2, 2, 1)),
        sample(Plan::Products, [33, 2, 21, 30], [9, 10], [2, 3], axis(3, 1, 1)),
        sample(Plan::Products, [40, 1, 64, 70], [8, 8], [4, 4], axis(2, 1, 1)),
        sample(Plan::Products, [3, 2, 19, 14], [17, 300], [3, 5], axis(1, 2, 1)),
        sample(Plan::Products, [19, 1, 10, 33], [12, 9], [3, 3], axis(2, 2, 2)),
        sample(Plan::Depthwise, [3, 40, 1, 1], [21, 18], [3, 3], axis(1, 1, 1)),
        sample(Plan::Depthwise, [3, 40, 1, 2], [20, 37], [5, 4], axis(2, 2, 1)),
        sample(Plan::Depthwise, [2, 9, 1, 3], [40, 33], [3, 3], axis(3, 2, 3)),
        sample(Plan::Dense, [21, 2, 17, 30], [5, 6], [5, 6], axis(1, 0, 1)),
    ]
}

/// Numbers in -1..1 in both precisions.
fn values(g: &mut Gen, count: usize) -> (Vec<f32>, Vec<f64>) {
    let single: Vec<f32> = (0..count).map(|_| g.uniform(-1.0, 1.0) as f32).collect();
    let double = single.iter().map(|&x| x as f64).collect();
    (single, double)
}

/// The convolution, its transpose and its gradient by plain loops.
fn plain(g: &Geometry, x: &[f64], w: &[f64], y: &[f64]) -> [Vec<f64>; 3] {
    let (taps, [_, height, width], [_, rows, columns]) = (g.taps(), g.image, g.places);
    let mut results = [vec![0.0; y.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
    for output in 0..g.images * g.groups * g.outputs {
        let (image, o) = (output / (g.groups * g.outputs), output % (g.groups * g.outputs));
        for c in 0..g.channels {
            let plane = (image * g.groups + o / g.outputs) * g.channels + c;
            for (t, tap) in taps.iter().enumerate() {
                let k = (o * g.channels + c) * taps.len() + t;
                for place in 0..rows * columns {
                    let h = ((place / columns * g.stride[1]) as isize + tap[1]) as usize;
                    let v = ((place % columns * g.stride[2]) as isize + tap[2]) as usize;
                    if h < height && v < width {
                        let (from, to) = ((plane * height + h) * width + v, output * rows * columns + place);
                        results[0][to] += x[from] * w[k];
                        results[1][from] += y[to] * w[k];
                        results[2][k] += x[from] * y[to];
                    }
                }
            }
        }
    }
    results
}

#[test]
fn every_method_is_taken_and_right() {
    for (i, (plan, sample)) in samples().into_iter().enumerate() {
        let g = sample.geometry();
        assert_eq!(Plan::of(&g, false), plan, "sample {i}");
        if let Plan::Winograd(_) = plan {
            set_winograd(false);
            assert_eq!(Plan::of(&g, false), Plan::Products, "sample {i}");
            set_winograd(true);
        }
        let (taps, mut random) = (g.elements(), Gen::new(i as u64));
        let planes = g.images * g.groups;
        let (x, wide_x) = values(&mut random, planes * g.channels * sample.image[0] * sample.image[1]);
        let (w, wide_w) = values(&mut random, g.groups * g.outputs * g.channels * taps);
        let (y, wide_y) = values(&mut random, planes * g.outputs * g.places.iter().product::<usize>());
        let kernels = Tensor::from_slice(&w, [w.len()]).expect("there is memory");
        let wanted = plain(&g, &wide_x, &wide_w, &wide_y);
        let run = |plan: Plan| {
            let [mut to_y, mut to_x, mut to_w] = [y.len(), x.len(), w.len()].map(|len| vec![f32::NAN; len]);
            match plan {
                Plan::Products => {
                    implicit::forward(&x, &kernels, None, &g, &mut to_y).expect("there is memory");
                    match sums::suits(&g) {
                        true => sums::transpose(&y, &w, None, &g, &mut to_x),
                        false => implicit::transpose(&y, &w, None, &g, &mut to_x).expect("there is memory"),
                    }
                    weights::gradient(&x, &y, &g, &mut to_w).expect("there is memory");
                }
                Plan::Winograd(tile) => {
                    winograd::convolution(tile, false, &x, &kernels, None, &g, &mut to_y).expect("there is memory");
                    winograd::convolution(tile, true, &y, &kernels, None, &g, &mut to_x).expect("there is memory");
                    winograd::weight_grad(tile, &x, &y, &g, &mut to_w).expect("there is memory");
                }
                Plan::Depthwise => {
                    depthwise::forward(&x, &w, None, &g, &mut to_y);
                    depthwise::transpose(&y, &w, None, &g, &mut to_x);
                    depthwise::weight_grad(&x, &y, &g, &mut to_w);
                }
                Plan::Dense => {
                    dense::forward(&x, &w, None, &g, &mut to_y);
                    dense::transpose(&y, &w, None, &g, &mut to_x);
                    dense::weight_grad(&x, &y, &g, &mut to_w);
                }
            }
            [to_y, to_x, to_w]
        };
        let plans = match plan {
            Plan::Winograd(Tile::F25) => vec![Plan::Winograd(Tile::F25), Plan::Products],
            Plan::Winograd(_) => vec![Plan::Winograd(Tile::F23), Plan::Winograd(Tile::F43), Plan::Products],
            plan => vec![plan],
        };
        for plan in plans {
            let results = [1, 2, 3].map(|threads| {
                set_num_threads(threads);
                run(plan)
            });
            assert!(results[0] == results[1] && results[0] == results[2], "sample {i} differs between threads");
            for (what, (has, wants)) in ["forward", "transpose", "gradient"].iter().zip(results[0].iter().zip(&wanted))
            {
                // Rounding grows with the number of products in a sum.
                let count = (w.len().max(y.len()) as f64 * x.len() as f64 / has.len() as f64 + 1.0).sqrt().min(4e3);
                for (j, (&has, &wants)) in has.iter().zip(wants).enumerate() {
                    let error = (has as f64 - wants).abs();
                    assert!(
                        error <= 1e-6 * (count + wants.abs()),
                        "sample {i}, {plan:?}: {what} {j} is {has}, not {wants}"
                    );
                }
            }
        }
    }
}

/// Rounding errors of Winograd's algorithms in single precision, as `docs/performance.md` tells them: the largest and
/// the root of the mean square, over that of the results.
#[test]
fn errors_of_winograds_algorithms_are_bounded() {
    let sizes = [(16, 32), (64, 16), (256, 8)];
    for ((channels, size), side) in sizes.into_iter().flat_map(|sizes| [(sizes, 3), (sizes, 5)]) {
        let axis = KernelAxis { stride: 1, padding: [side / 2; 2], dilation: 1 };
        let sample = Sample { images: 2, groups: 1, channels, outputs: 32, image: [size; 2], kernel: [side; 2], axis };
        let (g, mut random) = (sample.geometry(), Gen::new(7));
        let [(x, wide_x), (w, wide_w), (y, wide_y)] =
            [2 * channels * size * size, 32 * channels * side * side, 2 * 32 * size * size]
                .map(|count| values(&mut random, count));
        let kernels = Tensor::from_slice(&w, [w.len()]).expect("there is memory");
        let [mut to_y, mut to_x, mut to_w] = [y.len(), x.len(), w.len()].map(|len| vec![0.0; len]);
        let wide_kernels = Tensor::from_slice(&wide_w, [wide_w.len()]).expect("there is memory");
        implicit::forward(&wide_x, &wide_kernels, None, &g, &mut to_y).expect("there is memory");
        implicit::transpose(&wide_y, &wide_w, None, &g, &mut to_x).expect("there is memory");
        weights::gradient(&wide_x, &wide_y, &g, &mut to_w).expect("there is memory");
        let tiles: &[_] = match side {
            3 => &[(Tile::F23, 5e-6, 1e-6), (Tile::F43, 1.5e-5, 2e-6)],
            _ => &[(Tile::F25, 1.5e-5, 2e-6)],
        };
        for &(tile, most, mean) in tiles {
            let wanted = [&to_y, &to_x, &to_w];
            let mut has = wanted.map(|wanted| vec![0f32; wanted.len()]);
            winograd::convolution(tile, false, &x, &kernels, None, &g, &mut has[0]).expect("there is memory");
            winograd::convolution(tile, true, &y, &kernels, None, &g, &mut has[1]).expect("there is memory");
            winograd::weight_grad(tile, &x, &y, &g, &mut has[2]).expect("there is memory");
            for (has, wanted) in has.iter().zip(wanted) {
                let size = (wanted.iter().map(|x| x * x).sum::<f64>() / wanted.len() as f64).sqrt();
                let errors = has.iter().zip(wanted).map(|(&has, wanted)| (has as f64 - wanted).abs() / size);
                let (largest, squares) = errors.fold((0f64, 0.0), |(m, s), e| (m.max(e), s + e * e));
                let mean_error = (squares / wanted.len() as f64).sqrt();
                assert!(
                    largest <= most && mean_error <= mean,
                    "{tile:?}, {channels} channels: {largest:e}, {mean_error:e}"
                );
            }
        }
    }
}
