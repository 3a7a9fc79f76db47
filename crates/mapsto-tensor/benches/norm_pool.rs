//! Times normalisation and pooling, forward and backward, with one thread and with two.
//!
//!     cargo bench -p mapsto-tensor --bench norm_pool [part of a name]

use mapsto_tensor::ops::{Interpolation, Window};
use mapsto_tensor::{GradOptions, Result, Tensor, grad, set_num_threads};
use std::time::Instant;

type Run = fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>;

const IMAGES: [usize; 4] = [64, 32, 32, 32];

/// Name, sizes of the input and of weight and bias, what runs.
const CASES: [(&str, [usize; 4], usize, Run); 14] = [
    ("batch_norm", IMAGES, 32, |x, w, b| Ok(x.batch_norm(Some(w), Some(b), 1e-5)?.0)),
    ("batch_norm 7x7", [64, 512, 7, 7], 512, |x, w, b| Ok(x.batch_norm(Some(w), Some(b), 1e-5)?.0)),
    ("batch_norm flat", [512, 1024, 1, 1], 1024, |x, w, b| Ok(x.batch_norm(Some(w), Some(b), 1e-5)?.0)),
    ("group_norm 8", IMAGES, 32, |x, w, b| x.group_norm(8, Some(w), Some(b), 1e-5)),
    ("instance_norm", IMAGES, 32, |x, w, b| x.instance_norm(Some(w), Some(b), 1e-5)),
    ("layer_norm 128", [32, 512, 1, 128], 128, |x, w, b| x.layer_norm(1, Some(w), Some(b), 1e-5)),
    ("layer_norm 512", [32, 128, 1, 512], 512, |x, w, b| x.layer_norm(1, Some(w), Some(b), 1e-5)),
    ("rms_norm 512", [32, 128, 1, 512], 512, |x, w, _| x.rms_norm(1, Some(w), 1e-5)),
    ("max_pool 2", IMAGES, 1, |x, _, _| x.max_pool(&Window::new([2, 2]))),
    ("max_pool 3/2", IMAGES, 1, |x, _, _| x.max_pool(&Window::new([3, 3]).stride([2, 2]).padding([1, 1]))),
    ("avg_pool 2", IMAGES, 1, |x, _, _| x.avg_pool(&Window::new([2, 2]), true, None)),
    ("global_avg_pool", IMAGES, 1, |x, _, _| x.global_avg_pool()),
    ("nearest x2", [16, 32, 32, 32], 1, |x, _, _| x.resize_by(&[2.0, 2.0], Interpolation::Nearest, false)),
    ("bilinear x2", [16, 32, 32, 32], 1, |x, _, _| {
        x.resize_by(&[2.0, 2.0], Interpolation::Linear { align_corners: false, antialias: false }, false)
    }),
];

fn noise(sizes: &[usize]) -> Result<Tensor> {
    let value = |i: usize| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / 8e6 - 1.0;
    Tensor::from_vec((0..sizes.iter().product()).map(value).collect(), sizes)
}

/// The median of some runs in milliseconds.
fn time(mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..31 {
        let begun = Instant::now();
        f()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn main() -> Result<()> {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("{:18} {:>8} {:>12} {:>12}", "ms", "threads", "forward", "both ways");
    for (name, sizes, width, run) in CASES.iter().filter(|case| case.0.contains(&only)) {
        for threads in [1, 2] {
            set_num_threads(threads);
            let x = noise(sizes)?;
            let (w, b) = (noise(&[*width])?.variable()?, noise(&[*width])?.variable()?);
            let forward = time(|| run(&x, &w.detach(), &b.detach()).map(drop))?;
            let g = noise(run(&x, &w, &b)?.shape())?;
            let both = time(|| {
                let x = x.variable()?;
                let y = run(&x, &w, &b)?;
                grad(&[&y], Some(&[&g]), &[&x, &w, &b], GradOptions::default()).map(drop)
            })?;
            println!("{name:18} {threads:8} {forward:12.3} {both:12.3}");
        }
    }
    Ok(())
}
