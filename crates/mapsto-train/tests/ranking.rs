//! Rankings against scikit-learn's figures (tools/ranking_fixtures.py).

use mapsto_train::metrics::{Ranking, RankingReport, ndcg, places, precision, recall, reciprocal_rank, top};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    /// None for what is no candidate.
    scores: Vec<Option<f32>>,
    relevant: Vec<usize>,
    k: usize,
    top: Vec<usize>,
    ndcg: f64,
    recall: f64,
    precision: f64,
    reciprocal_rank: f64,
}

#[test]
fn random_rankings_are_those_of_the_reference() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/ranking.json")).unwrap();
    assert!(fixture.cases.len() > 30);
    for (number, case) in fixture.cases.iter().enumerate() {
        let scores: Vec<f32> = case.scores.iter().map(|score| score.unwrap_or(f32::NEG_INFINITY)).collect();
        let found = places(&scores, &case.relevant).unwrap();
        let best = top(&scores, case.k).unwrap();
        assert_eq!(best, case.top, "case {number}");
        let report = RankingReport::of(&[Ranking { places: found.clone(), top: best }], case.k, scores.len()).unwrap();
        for (name, ours, whole, theirs) in [
            ("ndcg", ndcg(&found, case.k).unwrap(), report.ndcg, case.ndcg),
            ("recall", recall(&found, case.k).unwrap(), report.recall, case.recall),
            ("precision", precision(&found, case.k).unwrap(), report.precision, case.precision),
            ("reciprocal rank", reciprocal_rank(&found).unwrap(), report.mrr, case.reciprocal_rank),
        ] {
            assert!((ours - theirs).abs() < 1e-12 && ours == whole, "case {number}: {name} {ours} is not {theirs}");
        }
        assert_eq!(report.hit_rate, f64::from(case.recall > 0.0));
        assert_eq!(report.coverage, case.top.len() as f64 / scores.len() as f64);
    }
}
