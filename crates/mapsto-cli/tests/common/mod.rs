//! The binary, run as a user runs it.
#![allow(dead_code)] // each test file takes what it needs

pub mod tones;

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
