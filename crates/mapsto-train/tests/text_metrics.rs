//! Metrics of texts against sacrebleu's values, edits against torchaudio's (tools/text_metrics_fixtures.py).

use mapsto_train::metrics::{Edits, bleu, chrf};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixtures {
    texts: Vec<Texts>,
    edits: Vec<Sequences>,
}

#[derive(Deserialize)]
struct Texts {
    name: String,
    right: Vec<String>,
    found: Vec<String>,
    bleu: f64,
    precisions: Vec<f64>,
    brevity_penalty: f64,
    length: usize,
    reference_length: usize,
    chrf: f64,
}

#[derive(Deserialize)]
struct Sequences {
    right: Vec<i64>,
    found: Vec<i64>,
    edits: usize,
    substitutions: usize,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/text_metrics.json")).unwrap()
}

#[test]
fn translations_are_scored_as_by_sacrebleu() {
    let cases = fixtures().texts;
    assert_eq!(cases.len(), 11);
    for case in cases {
        let near = |what: &str, ours: f64, theirs: f64| {
            assert!((ours - theirs).abs() <= 1e-9, "{}: {what} is {ours}, not {theirs}", case.name);
        };
        let ours = bleu(&case.right, &case.found).unwrap();
        near("BLEU", ours.score, case.bleu);
        for (order, (ours, theirs)) in ours.precisions.iter().zip(&case.precisions).enumerate() {
            near(&format!("precision {}", order + 1), *ours, *theirs);
        }
        near("the brevity penalty", ours.brevity_penalty, case.brevity_penalty);
        assert_eq!((ours.length, ours.reference_length), (case.length, case.reference_length), "{}", case.name);
        near("chrF", chrf(&case.right, &case.found).unwrap(), case.chrf);
    }
}

#[test]
fn edits_are_the_fewest() {
    let cases = fixtures().edits;
    assert_eq!(cases.len(), 16);
    for Sequences { right, found, edits, substitutions } in cases {
        let ours = Edits::between(&right, &found);
        assert_eq!((ours.count(), ours.substitutions), (edits, substitutions), "{right:?} {found:?}");
        assert_eq!(ours.length + ours.insertions, found.len() + ours.deletions);
    }
}
