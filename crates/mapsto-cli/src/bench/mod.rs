//! `mapsto bench`: the median time of whole training steps (zero the gradients, forward, loss, backward, update).

mod models;
mod workloads;

use crate::failure::Failure;
use crate::output::Output;
use serde_json::json;
use std::time::{Duration, Instant};

/// Steps before the clock starts.
const WARM_UP: usize = 5;
/// The most steps that are timed.
const MOST_STEPS: usize = 2000;

#[derive(clap::Args)]
pub struct Arguments {
    /// The networks to time; all if none is named
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(workloads::NAMES))]
    workloads: Vec<String>,
    /// Threads to use
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Seconds to time each network for
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Times the networks that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Ok(limit) = Duration::try_from_secs_f64(arguments.seconds) else {
        return Err(Failure::user(format!("--seconds {} is no time", arguments.seconds)));
    };
    mapsto_tensor::set_num_threads(arguments.threads as usize);
    let output = Output { json: arguments.json, goes_on: false };
    output.text(&format!("{:<16}{:>12}{:>8}{:>10}", "workload", "median ms", "steps", "peak MB"))?;
    for (name, make) in workloads::NAMES.into_iter().zip(workloads::MAKERS) {
        if !arguments.workloads.is_empty() && !arguments.workloads.iter().any(|wanted| wanted == name) {
            continue;
        }
        let mut step = make()?.step;
        for _ in 0..WARM_UP {
            step()?;
        }
        let (mut times, start) = (Vec::new(), Instant::now());
        while times.is_empty() || (start.elapsed() < limit && times.len() < MOST_STEPS) {
            let begin = Instant::now();
            step()?;
            times.push(begin.elapsed());
        }
        times.sort();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        let peak = peak_resident_mb();
        let shown = peak.map_or("?".into(), |mb| mb.to_string());
        output.text(&format!("{name:<16}{median:>12.4}{:>8}{shown:>10}", times.len()))?;
        output.event(&json!({
            "workload": name,
            "median_ms": (median * 1e4).round() / 1e4,
            "steps": times.len(),
            "threads": arguments.threads,
            "peak_rss_mb": peak,
            "framework": format!("mapsto {} {}", env!("CARGO_PKG_VERSION"), mapsto_tensor::isa().name()),
        }))?;
    }
    Ok(())
}

/// The most memory that the process ever held, where the system tells.
fn peak_resident_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
