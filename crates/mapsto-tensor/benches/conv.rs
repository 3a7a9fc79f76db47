//! Convolution layers of common networks: milliseconds of the forward pass and of both gradients.
//!
//!     cargo bench -p mapsto-tensor --bench conv [-- NAME]
//!
//! Prints one JSON list a layer, `[name, forward, input gradient, weight gradient]`, the least of several runs.

use mapsto_tensor::ops::{ConvOptions, ConvSettings, ConvTranspose, ConvWeightGrad, KernelAxis};
use mapsto_tensor::{Result, Tensor, apply_one};
use std::time::{Duration, Instant};

struct Layer {
    name: &'static str,
    transposed: bool,
    images: usize,
    channels: usize,
    size: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
}

fn layers() -> Vec<Layer> {
    let layer = |transposed, name, [images, channels, size, outputs, kernel, stride, padding, groups]: [usize; 8]| {
        Layer { name, transposed, images, channels, size, outputs, kernel, stride, padding, groups }
    };
    let conv = |name, sizes| layer(false, name, sizes);
    let up = |name, sizes| layer(true, name, sizes);
    vec![
        conv("cnn 3>32", [64, 3, 32, 32, 3, 1, 1, 1]),
        conv("cnn 32>64", [64, 32, 16, 64, 3, 1, 1, 1]),
        conv("cnn 64>64", [64, 64, 8, 64, 3, 1, 1, 1]),
        conv("resnet 3>64", [16, 3, 32, 64, 3, 1, 1, 1]),
        conv("resnet 64>64", [16, 64, 32, 64, 3, 1, 1, 1]),
        conv("resnet 64>128/2", [16, 64, 32, 128, 3, 2, 1, 1]),
        conv("resnet 1x1 64>128/2", [16, 64, 32, 128, 1, 2, 0, 1]),
        conv("resnet 128>128", [16, 128, 16, 128, 3, 1, 1, 1]),
        conv("resnet 128>256/2", [16, 128, 16, 256, 3, 2, 1, 1]),
        conv("resnet 256>256", [16, 256, 8, 256, 3, 1, 1, 1]),
        conv("resnet 256>512/2", [16, 256, 8, 512, 3, 2, 1, 1]),
        conv("resnet 512>512", [16, 512, 4, 512, 3, 1, 1, 1]),
        conv("mobile 3>16/2", [16, 3, 64, 16, 3, 2, 1, 1]),
        conv("mobile dw16", [16, 16, 32, 16, 3, 1, 1, 16]),
        conv("mobile dw32/2", [16, 32, 32, 32, 3, 2, 1, 32]),
        conv("mobile dw64", [16, 64, 16, 64, 3, 1, 1, 64]),
        conv("mobile dw128/2", [16, 128, 8, 128, 3, 2, 1, 128]),
        conv("mobile dw256", [16, 256, 4, 256, 3, 1, 1, 256]),
        conv("mobile pw16>32", [16, 16, 32, 32, 1, 1, 0, 1]),
        conv("mobile pw64>64", [16, 64, 16, 64, 1, 1, 0, 1]),
        conv("mobile pw256>256", [16, 256, 4, 256, 1, 1, 0, 1]),
        conv("unet 1>16", [8, 1, 64, 16, 3, 1, 1, 1]),
        conv("unet 16>16", [8, 16, 64, 16, 3, 1, 1, 1]),
        conv("unet 16>32", [8, 16, 32, 32, 3, 1, 1, 1]),
        conv("unet 32>64", [8, 32, 16, 64, 3, 1, 1, 1]),
        conv("unet 64>32", [8, 64, 32, 32, 3, 1, 1, 1]),
        conv("unet 1x1 16>1", [8, 16, 64, 1, 1, 1, 0, 1]),
        up("unet up 64>32", [8, 64, 16, 32, 2, 2, 0, 1]),
        up("unet up 32>16", [8, 32, 32, 16, 2, 2, 0, 1]),
        up("dcgan g 64>128", [32, 64, 1, 128, 4, 1, 0, 1]),
        up("dcgan g 128>64", [32, 128, 4, 64, 4, 2, 1, 1]),
        up("dcgan g 64>32", [32, 64, 8, 32, 4, 2, 1, 1]),
        up("dcgan g 32>1", [32, 32, 16, 1, 4, 2, 1, 1]),
        conv("dcgan d 1>32", [32, 1, 32, 32, 4, 2, 1, 1]),
        conv("dcgan d 32>64", [32, 32, 16, 64, 4, 2, 1, 1]),
        conv("dcgan d 64>128", [32, 64, 8, 128, 4, 2, 1, 1]),
        conv("dcgan d 128>1", [32, 128, 4, 1, 4, 1, 0, 1]),
    ]
}

/// Numbers in -0.5..0.5 that differ from each other.
fn numbers(sizes: [usize; 4]) -> Result<Tensor> {
    let count = sizes.iter().product::<usize>();
    let number = |i: usize| ((i as u32).wrapping_mul(2_654_435_769) >> 8) as f32 / (1 << 24) as f32 - 0.5;
    Tensor::from_vec((0..count).map(number).collect::<Vec<f32>>(), sizes)
}

/// The least of the times of `f`, in milliseconds.
fn time(f: impl Fn() -> Result<Tensor>) -> Result<f64> {
    (0..3).try_for_each(|_| f().map(drop))?;
    let (mut times, start) = (Vec::new(), Instant::now());
    while start.elapsed() < Duration::from_millis(250) || times.len() < 5 {
        let begin = Instant::now();
        f()?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times.into_iter().fold(f64::INFINITY, f64::min))
}

fn measure(layer: &Layer) -> Result<[f64; 3]> {
    let &Layer { images, channels, size, outputs, kernel, stride, padding, groups, .. } = layer;
    let x = numbers([images, channels, size, size])?;
    let (rows, columns) = if layer.transposed { (channels, outputs) } else { (outputs, channels) };
    let w = numbers([rows, columns / groups, kernel, kernel])?;
    let options = ConvOptions::new().stride(stride).padding(padding).groups(groups);
    let axis = KernelAxis { stride, padding: [padding; 2], dilation: 1 };
    let settings = ConvSettings { axes: [axis; 2][..].into(), groups };
    let weight_grad = ConvWeightGrad { settings: settings.clone(), kernel: [kernel; 2][..].into() };
    if layer.transposed {
        let y = x.conv_transpose2d(&w, None, &options)?;
        Ok([
            time(|| x.conv_transpose2d(&w, None, &options))?,
            time(|| y.conv2d(&w, None, &options))?,
            time(|| apply_one(weight_grad.clone(), &[&y, &x]))?,
        ])
    } else {
        let y = x.conv2d(&w, None, &options)?;
        let left = (size + 2 * padding - kernel) % stride;
        let transpose = ConvTranspose { settings, output_padding: [left; 2][..].into() };
        Ok([
            time(|| x.conv2d(&w, None, &options))?,
            time(|| apply_one(transpose.clone(), &[&y, &w]))?,
            time(|| apply_one(weight_grad.clone(), &[&x, &y]))?,
        ])
    }
}

fn main() -> Result<()> {
    let name = std::env::args().skip(1).find(|arg| !arg.starts_with("--")).unwrap_or_default();
    for layer in layers().iter().filter(|layer| layer.name.contains(&name)) {
        let [forward, input, weight] = measure(layer)?;
        println!("[{:?}, {forward:.4}, {input:.4}, {weight:.4}]", layer.name);
    }
    Ok(())
}
