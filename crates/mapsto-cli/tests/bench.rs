//! `mapsto bench` as a user runs it.

use serde_json::Value;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mapsto")).arg("bench").args(arguments).output().expect("it runs")
}

/// The JSON lines of a run that must succeed.
fn lines(arguments: &[&str]) -> Vec<Value> {
    let done = bench(arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

/// The complaint of a run that must be refused as the user's mistake.
fn complaint(arguments: &[&str]) -> String {
    let done = bench(arguments);
    assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0));
    String::from_utf8(done.stderr).expect("text")
}

#[test]
fn inference_has_lines_of_its_own() {
    let short = ["--json", "--threads", "2", "--seconds", "0.01", "mlp"];
    let [inference, training] = [&["--inference"][..], &[]].map(|mode| lines(&[&short, mode].concat()));
    assert_eq!((inference.len(), training.len()), (1, 1));
    assert_eq!((&inference[0]["mode"], &training[0]["mode"]), (&"inference".into(), &"training".into()));
    assert_eq!((&inference[0]["workload"], &inference[0]["threads"]), (&"mlp".into(), &2.into()));
    assert!(inference[0]["median_ms"].as_f64().expect("a number") > 0.0, "{inference:?}");
}

#[test]
fn a_baseline_of_training_is_none_of_inference() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("before.jsonl");
    let path = path.to_str().expect("a plain name");
    std::fs::write(path, "{\"workload\":\"mlp\",\"median_ms\":1e6,\"threads\":2}\n").expect("a file");
    let short = ["--json", "--threads", "2", "--seconds", "0.01", "mlp", "--baseline", path];
    assert!(lines(&short)[0]["baseline_ratio"].as_f64().expect("a ratio") < 1.0);
    assert!(complaint(&[&short[..], &["--inference"]].concat()).contains("no time of inference was taken"));
}

#[test]
fn wrong_uses_are_refused() {
    let said = complaint(&["--inference", "mlp", "vae"]);
    assert!(said.contains("vae has training steps only; name one of mlp, cnn, resnet18, lstm_lm"), "{said}");
    assert!(complaint(&["--seconds", "-1", "mlp"]).contains("--seconds -1 is no time"));
    assert!(complaint(&["resnet19"]).contains("resnet18"));
}
