//! Reads a checkpoint of PyTorch and writes the state dict that is meant as a safetensors file.
//!
//! `cargo run -p mapsto-formats --example torch_to_safetensors -- IN.pt OUT.safetensors`

use mapsto_formats::read_torch;
use mapsto_nn::write_state;
use std::collections::BTreeMap;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("torch_to_safetensors IN.pt OUT.safetensors".into());
    };
    let started = Instant::now();
    let state = read_torch(from)?.state_dict()?;
    let values: usize = state.tensors.values().map(|tensor| tensor.numel()).sum();
    println!(
        "{} tensors, {values} values, dict {:?}, stripped {:?}, {:.0?}",
        state.tensors.len(),
        state.name,
        state.stripped,
        started.elapsed()
    );
    write_state(to, &state.tensors, &BTreeMap::new())?;
    Ok(())
}
