//! The training-step workloads of `tools/peers/torch_bench.py`, timed in Burn on the CPU.
//!
//!     cargo run --release --manifest-path tools/peers/burn/Cargo.toml -- [--threads N] [--seconds S] [WORKLOAD ...]

mod harness;
mod layers;
mod models;
mod workloads;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run("burn 0.22.1 flex", &workloads::ALL)
}
