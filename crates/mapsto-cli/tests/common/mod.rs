//! The binary, run as a user runs it.
#![allow(dead_code)] // each test file takes what it needs

pub mod tones;

use mapsto_nn::{read_state, write_state};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// Runs it in a folder.
pub fn mapsto(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mapsto")).args(arguments).current_dir(folder).output().unwrap()
}

/// Standard output of a run that must succeed.
pub fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = mapsto(folder, arguments);
    let (out, complaint) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    out
}

/// The JSON objects of a run that must succeed.
pub fn events(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    text(folder, arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a run said, and its complaint, that must be refused as the user's mistake.
pub fn refused(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = mapsto(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The complaint of a run that must be refused as the user's mistake.
pub fn complaint(folder: &Path, arguments: &[&str]) -> String {
    refused(folder, arguments).1
}

/// The metrics of an ensemble, and those of each of its networks, which are made files of their own.
pub fn together_and_alone(folder: &Path, run: &str) -> (Value, Vec<Value>) {
    let metrics = |run: &str| events(folder, &["eval", run, "--json"]).remove(0)["metrics"].take();
    let whole = read_state(folder.join(run).join("model.safetensors")).unwrap();
    let combination: Value = serde_json::from_str(&whole.metadata["combination"]).unwrap();
    let members = combination["weights"].as_array().unwrap().len();
    let alone = |number: usize| {
        let own = |(name, value): (&String, &_)| {
            name.strip_prefix(&format!("{number}.")).map(|name| (name.to_string(), Clone::clone(value)))
        };
        let weights = whole.tensors.iter().filter_map(own).collect();
        let mut texts = whole.metadata.clone();
        texts.insert("combination".into(), r#"{"weights":[1.0],"median":false}"#.into());
        let path = format!("{run}/alone-{number}.safetensors");
        write_state(folder.join(&path), &weights, &texts).unwrap();
        metrics(&path)
    };
    let alone = (0..members).map(alone).collect();
    (metrics(run), alone)
}
