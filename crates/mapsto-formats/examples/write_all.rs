//! Writes every format that this crate writes into a folder, for `tools/numpy_fixtures.py --check` and
//! `tools/tensorboard_check.py` to read.
//!
//! From the repository root: `cargo run -p mapsto-formats --example write_all -- FOLDER`

use mapsto_formats::{EventWriter, write_npy, write_npz, write_npz_compressed};
use mapsto_nn::read_state;
use mapsto_tensor::Tensor;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    std::fs::create_dir_all(&folder)?;
    let arrays = read_state("fixtures/numpy/expected.safetensors")?.tensors;
    for (name, tensor) in &arrays {
        write_npy(folder.join(format!("{name}.npy")), tensor)?;
    }
    write_npz(folder.join("stored.npz"), &arrays)?;
    write_npz_compressed(folder.join("deflated.npz"), &arrays)?;

    let mut events = EventWriter::create(folder.join("events"))?;
    for step in 0..100 {
        events.scalar("loss/train", step, 1.0 / (step + 1) as f32)?;
    }
    // As a run that stops at step 50 and resumes from its checkpoint at step 40.
    let mut kept = 0;
    for step in 0..50 {
        events.scalar("accuracy", step, step as f32)?;
        if step == 40 {
            kept = events.length();
        }
    }
    let path = events.path().to_owned();
    drop(events);
    let mut events = EventWriter::open(path, kept)?;
    for step in 41..60 {
        events.scalar("accuracy", step, -(step as f32))?;
    }
    let ramp: Vec<f32> = (0..1000).map(|i| (i as f32 - 300.0) / 64.0).collect();
    events.histogram("weights", 7, &Tensor::from_vec(ramp, [10, 100])?)?;
    let pixels: Vec<u8> = (0..5 * 7 * 3).map(|i| (i * 2) as u8).collect();
    events.image("colours", 8, &Tensor::from_slice(&pixels, [5, 7, 3])?)?;
    events.image("grey", 8, &Tensor::from_slice(&pixels, [15, 7, 1])?)?;
    events.text("notes", 9, "# größer\n**als** vorher")?;
    events.flush()?;
    Ok(())
}
