//! Earlier times, and what has become slower since.

use super::Mode;
use crate::failure::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Times that differ by less may be the machine's mood.
const SLOWER: f64 = 1.1;

/// A line of `mapsto bench --json`.
#[derive(Deserialize)]
struct Line {
    workload: String,
    median_ms: f64,
    threads: usize,
    #[serde(default)] // lines of older programs are of training
    mode: Mode,
}

/// The times of an earlier `mapsto bench --json`, and those of now beside them.
pub struct Baseline {
    /// Milliseconds by workload; of several times the last.
    earlier: BTreeMap<String, f64>,
    slower: Vec<(String, f64)>,
}

impl Baseline {
    /// Reads the times of this mode that were taken on so many threads.
    pub fn read(path: &Path, threads: usize, mode: Mode) -> Result<Baseline, Failure> {
        let refuse = |what: String| Failure::user(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let mut earlier = BTreeMap::new();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let Ok(line) = serde_json::from_str::<Line>(line) else {
                return Err(refuse(format!("line {} is not one of `mapsto bench --json`", i + 1)));
            };
            if !(line.median_ms > 0.0) {
                return Err(refuse(format!("line {}: {} ms is no time", i + 1, line.median_ms)));
            }
            if line.threads == threads && line.mode == mode {
                earlier.insert(line.workload, line.median_ms);
            }
        }
        if earlier.is_empty() {
            let what = if mode == Mode::Inference { "inference" } else { "training" };
            let mend = "give the --threads of then, and --inference where it was given then";
            return Err(refuse(format!("no time of {what} was taken on {threads} threads; {mend}")));
        }
        Ok(Baseline { earlier, slower: Vec::new() })
    }

    /// Time now over time then; none where there was none.
    pub fn ratio(&mut self, workload: &str, median_ms: f64) -> Option<f64> {
        let ratio = median_ms / self.earlier.get(workload)?;
        if ratio > SLOWER {
            self.slower.push((workload.to_string(), ratio));
        }
        Some(ratio)
    }

    /// What became slower, in words.
    pub fn verdict(&self) -> String {
        let names: Vec<String> = self.slower.iter().map(|(name, ratio)| format!("{name} ({ratio:.2}x)")).collect();
        if names.is_empty() {
            return format!("nothing takes more than {SLOWER} times as long as before");
        }
        format!("slower than before: {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Baseline, String> {
        read_of(Mode::Training, text)
    }

    fn read_of(mode: Mode, text: &str) -> Result<Baseline, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("times.jsonl");
        std::fs::write(&path, text).expect("a file");
        Baseline::read(&path, 2, mode).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_became_slower_is_named() {
        let lines = r#"{"workload":"cnn","median_ms":10.0,"threads":2,"steps":3}
            {"workload":"mlp","median_ms":2.0,"threads":2}
            {"workload":"vae","median_ms":2.0,"threads":1}"#;
        let mut baseline = read(lines).expect("three lines");
        assert_eq!(baseline.ratio("cnn", 10.5), Some(1.05));
        assert_eq!(baseline.verdict(), "nothing takes more than 1.1 times as long as before");
        assert_eq!(baseline.ratio("mlp", 3.0), Some(1.5));
        assert_eq!(baseline.ratio("vae", 9.0), None);
        assert_eq!(baseline.verdict(), "slower than before: mlp (1.50x)");
    }

    #[test]
    fn other_files_are_refused() {
        let said = |text: &str| read(text).err().expect("a refusal");
        assert!(said("cnn 10\n").contains("times.jsonl: line 1 is not one of `mapsto bench --json`"));
        assert!(said(r#"{"workload":"cnn","median_ms":0,"threads":2}"#).contains("line 1: 0 ms is no time"));
        assert!(said(r#"{"workload":"cnn","median_ms":1,"threads":1}"#).contains("no time of training was taken on 2"));
        assert!(said("").contains("no time of training was taken"));
    }

    #[test]
    fn times_are_compared_within_a_mode() {
        let lines = r#"{"workload":"mlp","mode":"inference","median_ms":0.1,"threads":2}
            {"workload":"mlp","mode":"training","median_ms":2.0,"threads":2}"#;
        assert_eq!(read(lines).expect("a line of training").ratio("mlp", 3.0), Some(1.5));
        let mut inference = read_of(Mode::Inference, lines).expect("a line of inference");
        assert_eq!(inference.ratio("mlp", 0.2), Some(2.0));
        let only_training = read_of(Mode::Inference, lines.lines().nth(1).expect("two lines"));
        assert!(only_training.err().expect("a refusal").contains("no time of inference was taken on 2 threads"));
    }
}
