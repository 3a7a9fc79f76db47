//! Times of recurrent layers, attention and CTC, forwards alone and with gradients.
//!
//! Sizes are those of common small models: a character LSTM (batch 32, 64 steps, 64 to 128), a text classifier of two
//! bidirectional GRU layers (batch 32, 50 steps, 64), a causal Transformer (16 x 4 heads of 64 x 32).
//! `MAPSTO_NUM_THREADS` says how many threads.

use mapsto_tensor::ops::{AttentionOptions, CtcOptions, RecurrentStack};
use mapsto_tensor::{GradOptions, Result, Rng, Tensor, grad, no_grad, num_threads};
use std::time::{Duration, Instant};

/// Normal numbers times `scale`, as a variable.
fn normal(rng: &mut Rng, sizes: &[usize], scale: f32) -> Result<Tensor> {
    let data = (0..sizes.iter().product()).map(|_| rng.normal() as f32 * scale).collect();
    Tensor::from_vec::<f32>(data, sizes)?.variable()
}

/// Weights of recurrent layers in PyTorch's order.
fn weights(rng: &mut Rng, gates: usize, input: usize, hidden: usize, layers: usize, both: bool) -> Result<Vec<Tensor>> {
    let directions = if both { 2 } else { 1 };
    let mut all = Vec::new();
    for index in 0..layers * directions {
        let features = if index < directions { input } else { hidden * directions };
        let rows = gates * hidden;
        for sizes in [&[rows, features][..], &[rows, hidden], &[rows], &[rows]] {
            all.push(normal(rng, sizes, 0.1)?);
        }
    }
    Ok(all)
}

/// The least and the median time of a run, in milliseconds.
fn time(mut run: impl FnMut() -> Result<()>) -> Result<[f64; 2]> {
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < Duration::from_secs(1) || times.len() < 10 {
        let begun = Instant::now();
        run()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok([times[0], times[times.len() / 2]])
}

/// Prints the times of a mapping, alone and with gradients of all its inputs.
fn row(name: &str, inputs: &[&Tensor], f: impl Fn() -> Result<Tensor>) -> Result<()> {
    let cotangent = f()?.detach();
    let forward = time(|| no_grad(&f).map(drop))?;
    let both = time(|| {
        let output = f()?;
        grad(&[&output], Some(&[&cotangent]), inputs, GradOptions::default()).map(drop)
    })?;
    println!("{name:<24} {:>9.3} {:>9.3} {:>9.3} {:>9.3}", forward[0], forward[1], both[0], both[1]);
    Ok(())
}

fn main() -> Result<()> {
    let rng = &mut Rng::new(1);
    println!("{} threads; milliseconds   forward    median +gradient    median", num_threads());

    let own = weights(rng, 4, 64, 128, 1, false)?;
    let (list, x) = (own.iter().collect::<Vec<_>>(), normal(rng, &[32, 64, 64], 1.0)?);
    let stack = RecurrentStack { weights: &list, batch_first: true, ..RecurrentStack::default() };
    row("lstm", &[&list[..], &[&x]].concat(), || Ok(x.lstm(None, &stack)?.0))?;

    let own = weights(rng, 3, 64, 64, 2, true)?;
    let (list, x) = (own.iter().collect::<Vec<_>>(), normal(rng, &[32, 50, 64], 1.0)?);
    let stack = RecurrentStack { weights: &list, batch_first: true, bidirectional: true, ..RecurrentStack::default() };
    row("gru, 2 layers, both ways", &[&list[..], &[&x]].concat(), || Ok(x.gru(None, &stack)?.0))?;

    let own = weights(rng, 4, 512, 512, 1, false)?;
    let (list, x) = (own.iter().collect::<Vec<_>>(), normal(rng, &[1, 64, 512], 1.0)?);
    let stack = RecurrentStack { weights: &list, batch_first: true, ..RecurrentStack::default() };
    row("lstm, one sequence", &[&list[..], &[&x]].concat(), || Ok(x.lstm(None, &stack)?.0))?;

    let heads = |x: &Tensor| x.transpose(1, 2);
    let [q, k, v] = [(); 3].map(|()| normal(rng, &[16, 64, 4, 32], 1.0));
    let (q, k, v) = (q?, k?, v?);
    let options = AttentionOptions { causal: true, ..AttentionOptions::default() };
    row("attention, causal", &[&q, &k, &v], || heads(&q)?.attention(&heads(&k)?, &heads(&v)?, &options))?;

    let [q, k, v] = [(); 3].map(|()| normal(rng, &[2, 8, 1024, 64], 1.0));
    let (q, k, v) = (q?, k?, v?);
    row("attention, 1024 long", &[&q, &k, &v], || q.attention(&k, &v, &AttentionOptions::default()))?;

    let x = normal(rng, &[100, 16, 40], 1.0)?;
    let log_probs = x.sub(x.exp()?.sum_axes(&[-1], true)?.ln()?)?.detach().variable()?;
    let targets = Tensor::from_vec((0..320).map(|i| 1 + i % 39).collect::<Vec<i64>>(), [16, 20])?;
    let [inputs, labels] = [100i64, 20].map(|n| Tensor::from_vec(vec![n; 16], [16]));
    let (inputs, labels) = (inputs?, labels?);
    row("ctc", &[&log_probs], || log_probs.ctc_loss(&targets, &inputs, &labels, CtcOptions::default()))
}
