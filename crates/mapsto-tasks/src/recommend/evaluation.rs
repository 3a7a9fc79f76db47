//! How good a recommender is on rows that it has not learned from.

use super::Recommend;
use super::config::{Feedback, RecommendConfig, Split};
use super::preparation::{RecommendPreparation, Recommender};
use super::rank::{Asked, Asker};
use crate::error::TaskError;
use crate::task::Figures;
use mapsto_models::Mixture;
use mapsto_train::Measures;
use mapsto_train::metrics::{Ranking, RankingReport, mae, places, rmse, top};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What is to be known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// What the network learns: ratings, or rankings.
    Goal,
    /// All that the data allow.
    All,
}

/// How good a recommender is.
#[derive(Clone, Debug, Serialize)]
pub struct RecommendEvaluation {
    /// Of ratings, where they are learned.
    pub ratings: Option<RatingFigures>,
    /// Of rankings; none where no user had a liked item that could be recommended.
    pub ranking: Option<RankingReport>,
    /// Of the ranking by how often items were had, the same for all users.
    pub popular: Option<RankingReport>,
    /// What the network could not know.
    pub unknown: Unknown,
}

/// How far ratings are off.
#[derive(Clone, Debug, Serialize)]
pub struct RatingFigures {
    /// The root of the mean square.
    pub rmse: f64,
    /// The mean.
    pub mae: f64,
    /// The root of the mean square of a network that tells the mean of what was learned from.
    pub mean_rmse: f64,
}

/// What a network could not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Users of whom nothing was learned.
    pub users: usize,
    /// Items of which nothing was learned.
    pub items: usize,
    /// Rows of such users or items.
    pub rows: usize,
    /// Users who liked nothing among these rows that could be recommended to them.
    pub unranked: usize,
}

impl RecommendEvaluation {
    /// As a network in training is measured.
    pub(super) fn measures(&self) -> Measures {
        let mut measures = Measures::new();
        if let Some(ratings) = &self.ratings {
            measures.extend([("val_loss".into(), ratings.rmse), ("val_mae".into(), ratings.mae)]);
        } else {
            // The epoch with the best ranking is the best; without a ranking, all are alike.
            let ndcg = self.ranking.as_ref().map_or(0.0, |ranking| ranking.ndcg);
            measures.extend([("val_loss".into(), 1.0 - ndcg), ("val_ndcg".into(), ndcg)]);
        }
        measures
    }
}

impl Figures for RecommendEvaluation {
    fn metrics(&self) -> Value {
        let mut metrics = Map::new();
        let mut put = |name: &str, value: f64| _ = metrics.insert(name.into(), value.into());
        if let Some(RatingFigures { rmse, mae, mean_rmse }) = self.ratings {
            put("rmse", rmse);
            put("mae", mae);
            put("mean_rmse", mean_rmse);
        }
        if let Some(ranking) = &self.ranking {
            put("ndcg", ranking.ndcg);
            put("recall", ranking.recall);
            put("precision", ranking.precision);
            put("hit_rate", ranking.hit_rate);
            put("mrr", ranking.mrr);
            put("coverage", ranking.coverage);
        }
        if let Some(popular) = &self.popular {
            put("popular_ndcg", popular.ndcg);
            put("popular_recall", popular.recall);
        }
        Value::Object(metrics)
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        let mut headline = Vec::new();
        if let Some(ratings) = &self.ratings {
            headline.push(("RMSE", format!("{:.4}", ratings.rmse)));
            headline.push(("MAE", format!("{:.4}", ratings.mae)));
            headline.push(("RMSE of the mean", format!("{:.4}", ratings.mean_rmse)));
        }
        if let Some(ranking) = &self.ranking {
            headline.push(("NDCG", format!("{:.4}", ranking.ndcg)));
            headline.push(("recall", format!("{:.4}", ranking.recall)));
            headline.push(("hit rate", format!("{:.4}", ranking.hit_rate)));
        }
        if let Some(popular) = &self.popular {
            headline.push(("NDCG of the popular", format!("{:.4}", popular.ndcg)));
        }
        headline
    }

    fn text(&self) -> String {
        let shown: Vec<String> = self.headline().iter().map(|(name, figure)| format!("{name} {figure}")).collect();
        let mut lines = vec![shown.join("   ")];
        if let Some(ranking) = &self.ranking {
            let RankingReport { k, rankings, precision, mrr, coverage, .. } = ranking;
            lines.push(format!("among the first {k} of all items, for {rankings} users: precision {precision:.4}"));
            lines.push(format!(
                "mean reciprocal rank {mrr:.4}; {:.1} % of the items are recommended to someone",
                100.0 * coverage
            ));
        }
        let Unknown { users, items, rows, unranked } = self.unknown;
        if rows > 0 {
            lines.push(format!("{rows} rows are of {users} users or {items} items that nothing was learned of"));
        }
        if unranked > 0 {
            lines.push(format!(
                "{unranked} users liked nothing that could be recommended to them: no ranking is of them"
            ));
        }
        lines.join("\n")
    }

    fn details(&self) -> Value {
        json!({"unknown": self.unknown, "ranked": self.ranking.as_ref().map(|ranking| ranking.rankings)})
    }
}

/// A user's rows.
pub(super) struct Rated {
    pub asker: Asker,
    /// The rows that are asked for.
    pub rows: Vec<usize>,
}

impl Recommend {
    /// The users of some rows, with what they had before.
    pub(super) fn askers(
        &self,
        config: &RecommendConfig,
        network: &Recommender,
        preparation: &RecommendPreparation,
        rows: &[usize],
    ) -> Result<Vec<Rated>, TaskError> {
        let (numbers, histories) = (self.numbers(preparation), network.histories(preparation)?);
        let mut of_user: Vec<Option<Rated>> = (0..self.ratings.users.names.len()).map(|_| None).collect();
        for &row in rows {
            let code = self.ratings.users.codes[row] as usize;
            let number = numbers.users[code];
            let rated = of_user[code].get_or_insert_with(|| Rated {
                asker: Asker { number, history: histories.user(number as usize).to_vec() },
                rows: Vec::new(),
            });
            rated.rows.push(row);
        }
        // Who is asked for the last item has had the one before it.
        let are_last = || rows.iter().all(|row| self.given.test.binary_search(row).is_ok());
        if config.split == Split::Last && are_last() {
            for &row in &self.given.validation {
                let (code, (_, item)) = (self.ratings.users.codes[row] as usize, numbers.of(&self.ratings, row));
                if let Some(rated) = of_user[code].as_mut().filter(|_| item > 0) {
                    rated.asker.history.push(item);
                }
            }
        }
        Ok(of_user.into_iter().flatten().collect())
    }

    /// How good a network is on some rows.
    pub(super) fn evaluated(
        &self,
        config: &RecommendConfig,
        networks: &Mixture<'_, Recommender>,
        preparation: &RecommendPreparation,
        rows: &[usize],
        of: Of,
    ) -> Result<RecommendEvaluation, TaskError> {
        let rated = self.askers(config, networks.first(), preparation, rows)?;
        let asked = Asked { model: &config.model, networks, preparation };
        let is_explicit = config.feedback == Feedback::Explicit;
        let ratings = match &self.ratings.ratings {
            Some(all) if is_explicit => Some(self.rating_figures(asked, &rated, all)?),
            _ => None,
        };
        let mut unknown = self.unknown(preparation, &rated);
        let (mut ranking, mut popular) = (None, None);
        if of == Of::All || !is_explicit {
            let counts = networks.first().histories(preparation)?.counts(preparation.items.len() + 1);
            let (own, common) = self.rankings(config, asked, &rated, (of == Of::All).then_some(&counts[1..]))?;
            unknown.unranked = rated.len() - own.len();
            let report = |rankings: &[Ranking]| {
                let some = !rankings.is_empty();
                some.then(|| RankingReport::of(rankings, config.k, preparation.items.len())).transpose()
            };
            (ranking, popular) = (report(&own)?, report(&common)?);
        }
        Ok(RecommendEvaluation { ratings, ranking, popular, unknown })
    }

    fn rating_figures(&self, asked: Asked<'_>, rated: &[Rated], all: &[f64]) -> Result<RatingFigures, TaskError> {
        let numbers = self.numbers(asked.preparation);
        let (mut pairs, mut truth) = (Vec::new(), Vec::new());
        for Rated { asker, rows } in rated {
            for &row in rows {
                pairs.push((asker, numbers.of(&self.ratings, row).1));
                truth.push(all[row]);
            }
        }
        let told = asked.pairs(&pairs)?.into_iter().map(|output| asked.preparation.rating(output)).collect::<Vec<_>>();
        let means = vec![asked.preparation.mean; truth.len()];
        Ok(RatingFigures { rmse: rmse(&truth, &told)?, mae: mae(&truth, &told)?, mean_rmse: rmse(&truth, &means)? })
    }

    /// The rankings of users who liked something that could be recommended, and those by counts where these are given.
    fn rankings(
        &self,
        config: &RecommendConfig,
        asked: Asked<'_>,
        rated: &[Rated],
        counts: Option<&[usize]>,
    ) -> Result<(Vec<Ranking>, Vec<Ranking>), TaskError> {
        let numbers = self.numbers(asked.preparation);
        let (mut askers, mut wanted) = (Vec::new(), Vec::new());
        for Rated { asker, rows } in rated {
            let liked = rows.iter().filter(|&&row| self.is_liked(config, row));
            let known = liked.map(|&row| numbers.of(&self.ratings, row).1).filter(|&item| item > 0);
            let wished: Vec<usize> =
                known.filter(|item| !asker.history.contains(item)).map(|item| item as usize - 1).collect();
            if !wished.is_empty() {
                askers.push(asker.clone());
                wanted.push(wished);
            }
        }
        let (mut own, mut common) = (Vec::new(), Vec::new());
        asked.rank(&askers, &mut |place, scores| {
            let seen = || askers[place].history.iter().map(|&item| item as usize - 1);
            let ranking = |scores: &mut [f32]| -> Result<Ranking, TaskError> {
                seen().for_each(|item| scores[item] = f32::NEG_INFINITY);
                Ok(Ranking { places: places(scores, &wanted[place])?, top: top(scores, config.k)? })
            };
            own.push(ranking(scores)?);
            if let Some(counts) = counts {
                let mut scores: Vec<f32> = counts.iter().map(|&count| count as f32).collect();
                common.push(ranking(&mut scores)?);
            }
            Ok(())
        })?;
        Ok((own, common))
    }

    fn unknown(&self, preparation: &RecommendPreparation, rated: &[Rated]) -> Unknown {
        let numbers = self.numbers(preparation);
        let rows = rated.iter().flat_map(|rated| &rated.rows);
        let mut items = std::collections::BTreeSet::new();
        let mut unknown = Unknown::default();
        for &row in rows {
            let (user, item) = numbers.of(&self.ratings, row);
            if item == 0 {
                items.insert(self.ratings.items.codes[row]);
            }
            unknown.rows += usize::from(user == 0 || item == 0);
        }
        unknown.items = items.len();
        unknown.users = rated.iter().filter(|rated| rated.asker.number == 0).count();
        unknown
    }
}
