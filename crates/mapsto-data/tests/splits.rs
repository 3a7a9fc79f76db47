//! Folds and class weights against scikit-learn's (tools/split_fixtures.py).

use mapsto_data::{Folds, class_weights, grouped_k_fold, k_fold, ordered_k_fold, stratified_k_fold};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixtures {
    plain: Vec<Plain>,
    stratified: Vec<Stratified>,
    grouped: Vec<Grouped>,
    ordered: Vec<Ordered>,
    weights: Vec<Weights>,
}

#[derive(Deserialize)]
struct Plain {
    items: usize,
    folds: usize,
    tests: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Stratified {
    labels: Vec<usize>,
    folds: usize,
    tests: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Grouped {
    groups: Vec<usize>,
    folds: usize,
    tests: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Ordered {
    items: usize,
    folds: usize,
    gap: usize,
    pairs: Folds,
}

#[derive(Deserialize)]
struct Weights {
    labels: Vec<usize>,
    classes: usize,
    weights: Vec<f64>,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/splits.json")).unwrap()
}

/// A shuffle with it changes nothing.
fn unshuffled(_: u64) -> u64 {
    0
}

fn tests(folds: Folds) -> Vec<Vec<usize>> {
    folds.into_iter().map(|(_, test)| test).collect()
}

#[test]
fn folds_agree_with_scikit_learn() {
    let Fixtures { plain, stratified, grouped, ordered, .. } = fixtures();
    assert_eq!([plain.len(), stratified.len(), grouped.len(), ordered.len()], [4, 4, 3, 4]);
    for case in plain {
        assert_eq!(tests(k_fold(case.items, case.folds, &mut unshuffled).unwrap()), case.tests);
    }
    for case in stratified {
        assert_eq!(tests(stratified_k_fold(&case.labels, case.folds, &mut unshuffled).unwrap()), case.tests);
    }
    for case in grouped {
        assert_eq!(tests(grouped_k_fold(&case.groups, case.folds, &mut unshuffled).unwrap()), case.tests);
    }
    for case in ordered {
        let times: Vec<f64> = (0..case.items).map(|i| i as f64).collect();
        assert_eq!(ordered_k_fold(&times, case.folds, case.gap).unwrap(), case.pairs);
    }
}

#[test]
fn class_weights_agree_with_scikit_learn() {
    let cases = fixtures().weights;
    assert_eq!(cases.len(), 3);
    for case in cases {
        let weights = class_weights(&case.labels, case.classes).unwrap();
        assert_eq!(weights.len(), case.weights.len());
        assert!(weights.iter().zip(&case.weights).all(|(a, b)| (a - b).abs() <= 1e-12 * b), "{weights:?}");
    }
}
