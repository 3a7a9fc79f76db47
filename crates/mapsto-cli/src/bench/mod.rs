//! `mapsto bench`: the median time of whole training steps (zero the gradients, forward, loss, backward, update), or of
//! forward passes of one example.

mod baseline;
mod models;
mod others;
mod workloads;

use crate::failure::Failure;
use crate::output::Output;
use baseline::Baseline;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use workloads::Maker;

/// Steps before the clock starts.
const WARM_UP: usize = 5;

/// What is timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Whole training steps.
    #[default]
    Training,
    /// Forward passes of one example without gradients.
    Inference,
}

impl Mode {
    fn workloads(self) -> &'static [Maker] {
        match self {
            Mode::Training => &workloads::TRAINING,
            Mode::Inference => &workloads::INFERENCE,
        }
    }

    /// The most steps that are timed: passes of microseconds need more for a steady median.
    fn most_steps(self) -> usize {
        match self {
            Mode::Training => 2000,
            Mode::Inference => 20_000,
        }
    }
}

#[derive(clap::Args)]
pub struct Arguments {
    /// The networks to time; all if none is named
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(workloads::TRAINING.map(|(name, _)| name)))]
    workloads: Vec<String>,
    /// Time forward passes of one example, as in use, instead of training steps
    #[arg(long)]
    inference: bool,
    /// Threads to use; if not given what `MAPSTO_NUM_THREADS` says, or one a core
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Seconds to time each network for
    #[arg(long, default_value_t = 3.0, allow_negative_numbers = true)] // for a better complaint than clap's
    seconds: f64,
    /// Compare with the lines that an earlier `mapsto bench --json` wrote to this file, and name what became slower
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Times the networks that the arguments name.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Ok(limit) = Duration::try_from_secs_f64(arguments.seconds) else {
        return Err(Failure::user(format!("--seconds {} is no time", arguments.seconds)));
    };
    let mode = if arguments.inference { Mode::Inference } else { Mode::Training };
    let workloads = chosen(mode, &arguments.workloads)?;
    if let Some(threads) = arguments.threads {
        mapsto_tensor::set_num_threads(threads.into());
    }
    let threads = mapsto_tensor::num_threads();
    let mut baseline = match &arguments.baseline {
        Some(path) => Some(Baseline::read(path, threads, mode)?),
        None => None,
    };
    let output = Output { json: arguments.json, goes_on: false };
    let heading = if baseline.is_some() { "   to then" } else { "" };
    output.text(&format!("{:<16}{:>12}{:>8}{:>10}{heading}", "workload", "median ms", "steps", "peak MB"))?;
    for (name, make) in workloads {
        let mut step = make()?.step;
        for _ in 0..WARM_UP {
            step()?;
        }
        let (mut times, start) = (Vec::new(), Instant::now());
        while times.is_empty() || (start.elapsed() < limit && times.len() < mode.most_steps()) {
            let begin = Instant::now();
            step()?;
            times.push(begin.elapsed());
        }
        times.sort();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        let peak = peak_resident_mb();
        let shown = peak.map_or("?".into(), |mb| mb.to_string());
        let ratio = baseline.as_mut().and_then(|baseline| baseline.ratio(name, median));
        let compared = ratio.map_or_else(String::new, |ratio| format!("{ratio:>10.2}"));
        output.text(&format!("{name:<16}{median:>12.4}{:>8}{shown:>10}{compared}", times.len()))?;
        let mut event = json!({
            "workload": name,
            "mode": mode,
            "median_ms": (median * 1e4).round() / 1e4,
            "steps": times.len(),
            "threads": threads,
            "peak_rss_mb": peak,
            "framework": format!("mapsto {} {}", env!("CARGO_PKG_VERSION"), mapsto_tensor::isa().name()),
        });
        if let Some(ratio) = ratio {
            event["baseline_ratio"] = ratio.into();
        }
        output.event(&event)?;
    }
    match baseline {
        Some(baseline) => output.text(&format!("\n{}", baseline.verdict())),
        None => Ok(()),
    }
}

/// The workloads that are named, or all.
fn chosen(mode: Mode, names: &[String]) -> Result<Vec<Maker>, Failure> {
    let known = mode.workloads();
    if let Some(name) = names.iter().find(|name| known.iter().all(|(known, _)| known != name)) {
        let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let mend = format!("name one of {}, or none for all", known.join(", "));
        return Err(Failure::user(format!("bench --inference: {name} has training steps only; {mend}")));
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    Ok(known.iter().copied().filter(|(name, _)| wanted(name)).collect())
}

/// The most memory that the process ever held, where the system tells.
fn peak_resident_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
