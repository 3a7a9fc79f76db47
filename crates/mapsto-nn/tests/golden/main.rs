//! What PyTorch computes, for every file in `fixtures/` (its README says what is in them).

mod averages;
mod gradients;
mod initialisers;
mod layers;
mod losses;
mod models;
mod optimisers;
mod schedules;

use mapsto_nn::{StateDict, read_state};
use mapsto_tensor::{DType, Record, Tensor};
use serde_json::Value;
use std::path::PathBuf;

/// One file.
struct Case {
    name: String,
    about: Value,
    tensors: StateDict,
}

/// All cases of a group, by name.
fn cases(group: &str) -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(group);
    let mut cases: Vec<Case> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let file = read_state(entry.unwrap().path()).unwrap();
            let about: Value = serde_json::from_str(&file.metadata["case"]).unwrap();
            Case { name: about["case"].as_str().unwrap().to_string(), about, tensors: file.tensors }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// A tensor as doubles.
fn wide(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

/// The farthest that `ours` lies from `theirs`, relative to `1 + |theirs|`; infinite where only one is not a number.
fn distance(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let one = |(&a, &b): (&f64, &f64)| match a == b || (a.is_nan() && b.is_nan()) {
        true => 0.0,
        false if (a - b).is_finite() => (a - b).abs() / (1.0 + b.abs()),
        false => f64::INFINITY,
    };
    ours.iter().zip(theirs).map(one).fold(0.0, f64::max)
}

/// Complaints of operations that would name another line than a test's where a mistake in their gradients is told.
fn hidden_callers(outputs: &[&Tensor]) -> Vec<String> {
    let steps = Record::of(outputs);
    let hidden =
        steps.steps().iter().filter(|step| step.at.file().contains("mapsto-") && step.at.file().contains("src"));
    hidden.map(|step| format!("the caller of {} is {}", step.op.name(), step.at)).collect()
}

/// A complaint unless the tensors have one shape and are as near as `tolerance`.
fn complaint(what: &str, ours: &Tensor, theirs: &Tensor, tolerance: f64) -> Option<String> {
    if ours.shape() != theirs.shape() {
        return Some(format!("{what}: shape {} is not {}", ours.shape(), theirs.shape()));
    }
    let far = distance(&wide(ours), &wide(theirs));
    (far > tolerance).then(|| format!("{what}: {far:.1e} off: {:?} is not {:?}", head(ours), head(theirs)))
}

fn head(x: &Tensor) -> Vec<f64> {
    wide(x).into_iter().take(8).collect()
}

/// Fails with all complaints at once.
fn expect_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} complaints\n{}", complaints.len(), complaints.join("\n"));
}
