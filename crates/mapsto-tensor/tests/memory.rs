//! A steady loop asks the system for nothing. Alone in its process: the counters are the whole program's.

use mapsto_tensor::*;

#[test]
fn ten_thousand_steps_in_the_same_memory() -> Result<()> {
    let x = Tensor::from_vec((0..32 * 20).map(|i| (i as f32 * 0.37).sin()).collect(), [32, 20])?;
    let mut w = Tensor::from_vec((0..20 * 10).map(|i| (i as f32 * 0.11).cos() * 0.1).collect(), [20, 10])?;
    let mut step = || -> Result<f32> {
        let v = w.variable()?;
        let loss = x.matmul(&v)?.tanh()?.square()?.mean()?;
        let mut gradients = loss.backward()?;
        let gradient = gradients.take(&v).ok_or_else(|| Error::gradient("no gradient"))?;
        w = no_grad(|| w.sub(gradient.mul(0.1)?))?;
        loss.item()
    };
    let first = step()?;
    for _ in 0..20 {
        step()?;
    }
    let warm = memory_stats();
    let resident = resident_bytes();
    let mut last = 0.0;
    for _ in 0..10_000 {
        last = step()?;
    }
    let after = memory_stats();
    assert!(last < first, "{first} {last}");
    assert_eq!(after.system_calls, warm.system_calls, "the system was asked for memory");
    assert_eq!((after.live, after.pooled), (warm.live, warm.pooled));
    if let (Some(before), Some(now)) = (resident, resident_bytes()) {
        assert!(now <= before + (1 << 20), "resident memory grew from {before} to {now}");
    }
    Ok(())
}

/// The process's resident memory, where the system tells.
fn resident_bytes() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_whitespace().nth(1)?.parse::<usize>().ok()? * 4096)
}
