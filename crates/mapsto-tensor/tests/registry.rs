//! Every registered operation through the harness.

use mapsto_tensor::ops::registry;
use mapsto_tensor::testing::{check, throw};

#[test]
fn every_operation_agrees_with_its_reference_and_its_gradients() {
    let failures: Vec<String> = registry().iter().filter_map(|entry| check(entry).err()).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<_> = registry().iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    assert_eq!(names.windows(2).find(|pair| pair[0] == pair[1]), None);
}

#[test]
fn nothing_panics_whatever_is_thrown_at_it() {
    for entry in registry() {
        throw(&entry, 200);
    }
}
