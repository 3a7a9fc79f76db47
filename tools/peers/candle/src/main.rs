//! The training-step workloads of `tools/peers/torch_bench.py`, timed in Candle on the CPU.
//!
//!     cargo run --release --manifest-path tools/peers/candle/Cargo.toml -- [--threads N] [--seconds S] [WORKLOAD ...]

#[path = "../../burn/src/harness.rs"]
mod harness;
mod layers;
mod models;
mod sgd;
mod workloads;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run("candle 0.11.1", &workloads::ALL)
}
