//! Times the training steps of a framework, as `tools/peers/torch_bench.py` does. `tools/peers/candle` has this file too.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Steps before the clock starts.
const WARM_UP: usize = 5;
/// The most steps that are timed.
const MOST_STEPS: usize = 2000;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One whole training step, which reads back its loss: by then all its work is done.
pub type Step = Box<dyn FnMut() -> Result<f32>>;

/// What makes a workload, by the workload's name.
pub type Workload = (&'static str, fn() -> Result<Step>);

/// What the command line asks for.
struct Arguments {
    threads: usize,
    limit: Duration,
    names: Vec<String>,
}

impl Arguments {
    /// The arguments, or what is wrong with them.
    fn read(workloads: &[Workload]) -> std::result::Result<Arguments, String> {
        let mut read = Arguments { threads: 2, limit: Duration::from_secs(3), names: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a number"));
            match argument.as_str() {
                "--threads" => {
                    let value = value()?;
                    let threads = value.parse().ok().filter(|&threads| threads > 0);
                    read.threads = threads.ok_or(format!("--threads {value} is no number of threads"))?;
                }
                "--seconds" => {
                    let value = value()?;
                    let limit = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                    read.limit = limit.ok_or(format!("--seconds {value} is no time"))?;
                }
                name if workloads.iter().any(|(known, _)| *known == name) => read.names.push(argument),
                name => {
                    let known: Vec<&str> = workloads.iter().map(|(known, _)| *known).collect();
                    return Err(format!("no workload {name}; there are {}", known.join(", ")));
                }
            }
        }
        Ok(read)
    }
}

/// Times the workloads that the command line names, or all, and writes a line of JSON for each.
pub fn run(framework: &str, workloads: &[Workload]) -> ExitCode {
    let arguments = match Arguments::read(workloads) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}\nusage: [--threads N] [--seconds S] [WORKLOAD ...]");
            return ExitCode::from(2);
        }
    };
    for variable in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        // SAFETY: no other thread runs yet that could read the environment.
        unsafe { std::env::set_var(variable, arguments.threads.to_string()) };
    }
    for (name, make) in workloads {
        if !arguments.names.is_empty() && !arguments.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let times = match time(*make, arguments.limit) {
            Ok(times) => times,
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        };
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        let (steps, threads) = (times.len(), arguments.threads);
        let peak = peak_resident_mb().map_or("null".to_string(), |mb| mb.to_string());
        println!(
            r#"{{"workload": "{name}", "median_ms": {median:.4}, "steps": {steps}, "threads": {threads}, "peak_rss_mb": {peak}, "framework": "{framework}"}}"#
        );
    }
    ExitCode::SUCCESS
}

/// The times of a workload's steps, in rising order.
fn time(make: fn() -> Result<Step>, limit: Duration) -> Result<Vec<Duration>> {
    let mut step = make()?;
    for _ in 0..WARM_UP {
        step()?;
    }
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.is_empty() || (start.elapsed() < limit && times.len() < MOST_STEPS) {
        let begin = Instant::now();
        let loss = step()?;
        times.push(begin.elapsed());
        if !loss.is_finite() {
            return Err(format!("the loss is {loss} after {} steps", WARM_UP + times.len()).into());
        }
    }
    times.sort();
    Ok(times)
}

/// The most memory that the process ever held, where the system tells.
fn peak_resident_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
