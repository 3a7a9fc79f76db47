//! Batches of many sizes share their memory. Alone in its process: the counters are the whole program's.

use mapsto_tensor::*;

#[test]
fn batches_of_many_sizes_hold_half_more_than_the_largest() -> Result<()> {
    const EACH: usize = 32;
    // A quarter to a whole of a MiB of numbers, in an order that grows and falls.
    let sizes: Vec<usize> = (0..24).map(|i| (8 + i * 7 % 25) << 15).collect();
    let mut calls = Vec::new();
    for _ in 0..3 {
        for &size in &sizes {
            let batch = (0..EACH).map(|i| Tensor::from_vec(vec![i as f32; size], size)).collect::<Result<Vec<_>>>()?;
            for (i, tensor) in batch.iter().enumerate() {
                assert_eq!(tensor.to_vec::<f32>()?[size - 1], i as f32);
            }
            let MemoryStats { live, pooled, peak, .. } = memory_stats();
            assert!(live + pooled <= peak / 2 * 3, "{live} in use and {pooled} idle, of {peak} at most");
        }
        calls.push(memory_stats().system_calls);
    }
    // Sooner or later what there is serves all sizes.
    assert_eq!(calls[1], calls[2], "{calls:?}");
    Ok(())
}
