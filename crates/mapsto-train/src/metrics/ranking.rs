//! Metrics of rankings: where the relevant items stand among all that could be recommended.
//!
//! A higher score ranks first, of equal scores the lower index. An item whose score is negative infinity is no candidate.
//! Relevance is yes or no. A place counts from 0. NDCG is scikit-learn's `ndcg_score` (with `ignore_ties=True`).

use super::MetricError;
use serde::Serialize;
use std::cmp::Ordering;

/// One ranking: of a user's candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The places of all relevant items, ascending: see [`places`].
    pub places: Vec<usize>,
    /// The best items, best first: see [`top`].
    pub top: Vec<usize>,
}

/// How good rankings are, on average.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankingReport {
    /// How many of the best items count.
    pub k: usize,
    /// Rankings.
    pub rankings: usize,
    /// [`ndcg`].
    pub ndcg: f64,
    /// [`recall`].
    pub recall: f64,
    /// [`precision`].
    pub precision: f64,
    /// The share of rankings with a relevant item among the best.
    pub hit_rate: f64,
    /// The mean of [`reciprocal_rank`].
    pub mrr: f64,
    /// The share of the catalogue that is among the best of some ranking.
    pub coverage: f64,
}

impl RankingReport {
    /// Of rankings of a catalogue with so many items.
    ///
    /// # Errors
    /// No ranking; one without a relevant item; a `k` of 0; an item that is not in the catalogue.
    pub fn of(rankings: &[Ranking], k: usize, catalogue: usize) -> Result<RankingReport, MetricError> {
        if rankings.is_empty() {
            return Err(MetricError::TooFew { metric: "ranking", least: 1, got: 0 });
        }
        let mut seen = vec![false; catalogue];
        for &item in rankings.iter().flat_map(|ranking| ranking.top.iter().take(k)) {
            *seen.get_mut(item).ok_or_else(|| setting("item", format!("below {catalogue}"), item))? = true;
        }
        let mean = |metric: fn(&[usize], usize) -> Result<f64, MetricError>| {
            let sum: f64 =
                rankings.iter().map(|ranking| metric(&ranking.places, k)).sum::<Result<f64, MetricError>>()?;
            Ok(sum / rankings.len() as f64)
        };
        Ok(RankingReport {
            k,
            rankings: rankings.len(),
            ndcg: mean(ndcg)?,
            recall: mean(recall)?,
            precision: mean(precision)?,
            hit_rate: mean(|places, k| Ok(f64::from(precision(places, k)? > 0.0)))?,
            mrr: mean(|places, _| reciprocal_rank(places))?,
            coverage: seen.iter().filter(|seen| **seen).count() as f64 / catalogue.max(1) as f64,
        })
    }
}

/// The places of relevant items among candidates with these scores, ascending.
///
/// # Errors
/// A score that is NaN; a relevant item that has no score or is no candidate.
pub fn places(scores: &[f32], relevant: &[usize]) -> Result<Vec<usize>, MetricError> {
    check(scores)?;
    let mut relevant = relevant.to_vec();
    if let Some(&item) = relevant.iter().find(|&&item| scores.get(item).is_none_or(|score| *score == f32::NEG_INFINITY))
    {
        return Err(setting("relevant item", "a candidate".into(), item));
    }
    relevant.sort_by(|&a, &b| before(scores, a, b));
    relevant.dedup();
    // How many other candidates stand between a relevant item and the one before it.
    let mut between = vec![0; relevant.len() + 1];
    for item in candidates(scores) {
        between[relevant.partition_point(|&other| before(scores, other, item) != Ordering::Greater)] += 1;
    }
    // Each relevant item was counted behind itself.
    let mut ahead = 0;
    let place = |&count: &usize| {
        ahead += count;
        ahead
    };
    Ok(between[..relevant.len()].iter().map(place).collect())
}

/// The best `k` candidates, best first; fewer where there are fewer.
///
/// # Errors
/// A score that is NaN.
pub fn top(scores: &[f32], k: usize) -> Result<Vec<usize>, MetricError> {
    check(scores)?;
    let mut items: Vec<usize> = candidates(scores).collect();
    if k < items.len() && k > 0 {
        items.select_nth_unstable_by(k - 1, |&a, &b| before(scores, a, b));
    }
    items.truncate(k);
    items.sort_by(|&a, &b| before(scores, a, b));
    Ok(items)
}

/// The discounted gain of the relevant items among the best `k`, `1 / log2(place + 2)` each, as a share of the greatest that there
/// could be (Järvelin and Kekäläinen, *Cumulated gain-based evaluation of IR techniques*, 2002).
///
/// # Errors
/// No relevant item; a `k` of 0.
pub fn ndcg(places: &[usize], k: usize) -> Result<f64, MetricError> {
    let hits = hits("ndcg", places, k)?;
    let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let found: f64 = hits.iter().map(|&place| gain(place)).sum();
    Ok(found / (0..k.min(places.len())).map(gain).sum::<f64>())
}

/// The share of the relevant items that is among the best `k`.
///
/// # Errors
/// No relevant item; a `k` of 0.
pub fn recall(places: &[usize], k: usize) -> Result<f64, MetricError> {
    Ok(hits("recall", places, k)?.len() as f64 / places.len() as f64)
}

/// The share of the best `k` that is relevant.
///
/// # Errors
/// No relevant item; a `k` of 0.
pub fn precision(places: &[usize], k: usize) -> Result<f64, MetricError> {
    Ok(hits("precision", places, k)?.len() as f64 / k as f64)
}

/// 1 over the place, from 1, of the best relevant item, however far down it stands.
///
/// # Errors
/// No relevant item.
pub fn reciprocal_rank(places: &[usize]) -> Result<f64, MetricError> {
    let first = places.iter().min().ok_or(MetricError::TooFew { metric: "reciprocal rank", least: 1, got: 0 })?;
    Ok(1.0 / (*first as f64 + 1.0))
}

/// The places among the best `k`.
fn hits<'a>(metric: &'static str, places: &'a [usize], k: usize) -> Result<&'a [usize], MetricError> {
    if k == 0 {
        return Err(setting("k", "at least 1".into(), 0));
    }
    if places.is_empty() {
        return Err(MetricError::TooFew { metric, least: 1, got: 0 });
    }
    Ok(&places[..places.partition_point(|&place| place < k)])
}

fn candidates(scores: &[f32]) -> impl Iterator<Item = usize> {
    (0..scores.len()).filter(|&item| scores[item] != f32::NEG_INFINITY)
}

/// Whether an item ranks before another.
fn before(scores: &[f32], a: usize, b: usize) -> Ordering {
    // Zeros are equal whatever their sign.
    (scores[b] + 0.0).total_cmp(&(scores[a] + 0.0)).then(a.cmp(&b))
}

fn check(scores: &[f32]) -> Result<(), MetricError> {
    match scores.iter().position(|score| score.is_nan()) {
        Some(item) => Err(MetricError::Value { metric: "ranking", item, value: f64::NAN, wanted: "a number" }),
        None => Ok(()),
    }
}

fn setting(setting: &'static str, wanted: String, got: usize) -> MetricError {
    MetricError::Setting { metric: "ranking", setting, wanted, got }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_the_best_agree_where_scores_are_equal() {
        let scores = [0.5, 0.9, f32::NEG_INFINITY, 0.5, 0.9, -0.0, 0.0];
        assert_eq!(top(&scores, 9).unwrap(), [1, 4, 0, 3, 5, 6]);
        assert_eq!(top(&scores, 3).unwrap(), [1, 4, 0]);
        assert_eq!(top(&scores, 0).unwrap(), [0usize; 0]);
        assert_eq!(places(&scores, &[6, 3, 4, 3]).unwrap(), [1, 3, 5]);
    }

    #[test]
    fn figures_of_a_ranking_by_hand() {
        // Relevant items stand second and fifth of all.
        let places = [1, 4];
        let close = |x: f64, y: f64| assert!((x - y).abs() < 1e-15, "{x} {y}");
        close(ndcg(&places, 3).unwrap(), (1.0 / 3f64.log2()) / (1.0 + 1.0 / 3f64.log2()));
        close(recall(&places, 3).unwrap(), 0.5);
        close(precision(&places, 3).unwrap(), 1.0 / 3.0);
        close(reciprocal_rank(&places).unwrap(), 0.5);
        let one = Ranking { places: places.to_vec(), top: vec![3, 0, 2] };
        let none = Ranking { places: vec![7], top: vec![3, 1] };
        let report = RankingReport::of(&[one, none], 3, 10).unwrap();
        close(report.hit_rate, 0.5);
        close(report.coverage, 0.4);
        close(report.mrr, (0.5 + 0.125) / 2.0);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let said = |error: MetricError| error.to_string();
        assert_eq!(said(ndcg(&[], 3).unwrap_err()), "ndcg: 0 items given, at least 1 needed");
        assert_eq!(said(recall(&[1], 0).unwrap_err()), "ranking: k must be at least 1, got 0");
        assert_eq!(said(top(&[1.0, f32::NAN], 1).unwrap_err()), "ranking: item 1 has value NaN, not a number");
        for item in [1, 2] {
            let refused = said(places(&[1.0, f32::NEG_INFINITY], &[item]).unwrap_err());
            assert_eq!(refused, format!("ranking: relevant item must be a candidate, got {item}"));
        }
        let outside = Ranking { places: vec![0], top: vec![5] };
        assert_eq!(said(RankingReport::of(&[outside], 3, 5).unwrap_err()), "ranking: item must be below 5, got 5");
    }
}
