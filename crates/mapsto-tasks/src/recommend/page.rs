//! What the report shows of a recommender: what it recommends to whom, how popular that is, and which items it has near each other.

use super::Recommend;
use super::evaluation::Rated;
use super::rank::Asked;
use crate::error::TaskError;
use crate::report::{Line, Markup, Plot};
use crate::run::Outcome;
use mapsto_tensor::{Tensor, no_grad};
use mapsto_train::metrics::top;
use mapsto_train::short;

/// The most users that the popularity is of.
const COUNTED: usize = 1000;
/// Users that are shown, with as many items each.
const SHOWN: usize = 8;
const LISTED: usize = 5;
/// Items whose nearest are shown, and how many of them.
const NEARED: usize = 12;
const NEAREST: usize = 5;
/// Points of a curve.
const POINTS: usize = 100;

/// Draws it.
pub(super) fn draw(task: &Recommend, outcome: &Outcome<Recommend>, page: &mut Markup) -> Result<(), TaskError> {
    let predictor = &outcome.predictor;
    let (config, preparation) = (&predictor.settings.config, &predictor.preparation);
    let networks = predictor.mixture(|network| network)?;
    let asked = Asked { model: &config.model, networks: &networks, preparation };
    let counts = networks.first().histories(preparation)?.counts(preparation.items.len() + 1);
    let mut rated = task.askers(config, networks.first(), preparation, &outcome.tested)?;
    rated.truncate(COUNTED);
    let askers: Vec<_> = rated.iter().map(|rated| rated.asker.clone()).collect();
    let mut lists = Vec::with_capacity(askers.len());
    asked.rank(&askers, &mut |place, scores| {
        askers[place].history.iter().for_each(|&item| scores[item as usize - 1] = f32::NEG_INFINITY);
        lists.push(top(scores, config.k)?);
        Ok(())
    })?;
    if !lists.is_empty() {
        page.text("h2", &[], "Recommendations");
        popularity(&counts[1..], &lists, page);
        task.users(&outcome.tested, asked, &rated, &lists, page);
    }
    nearest(asked, &counts[1..], page)
}

/// How much of the data, and of what is recommended, the most popular items make up.
fn popularity(counts: &[usize], lists: &[Vec<usize>], page: &mut Markup) {
    let mut recommended = vec![0; counts.len()];
    lists.iter().flatten().for_each(|&item| recommended[item] += 1);
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&item| std::cmp::Reverse(counts[item]));
    let curve = |counts: &[usize]| -> Vec<[f64; 2]> {
        let total = counts.iter().sum::<usize>().max(1) as f64;
        let mut sum = 0;
        let sums: Vec<f64> = order
            .iter()
            .map(|&item| {
                sum += counts[item];
                sum as f64 / total
            })
            .collect();
        let at = |point: usize| (point * sums.len()).div_ceil(POINTS);
        let share = |point: usize| at(point).checked_sub(1).map_or(0.0, |place| sums[place]);
        (0..=POINTS).map(|point| [point as f64 / POINTS as f64, share(point)]).collect()
    };
    let line = |name: &str, colour, points| Line { name: name.into(), colour, dashed: false, points };
    let some = recommended.iter().filter(|count| **count > 0).count();
    Plot {
        title: "How popular what is recommended is".into(),
        note: format!("{some} of {} items are recommended to one of {} users", counts.len(), lists.len()),
        axes: [
            "share of the items, the most popular first".into(),
            "share of all rows, or of all recommendations".into(),
        ],
        spans: [Some([0.0, 1.0]), Some([0.0, 1.0])],
        diagonal: true,
        lines: vec![line("data", 0, curve(counts)), line("recommendations", 1, curve(&recommended))],
        ..Plot::default()
    }
    .draw(page);
}

impl Recommend {
    /// What some users liked, what they get, and what they liked of what was held back.
    fn users(&self, tested: &[usize], asked: Asked<'_>, rated: &[Rated], lists: &[Vec<usize>], page: &mut Markup) {
        let mut is_tested = vec![false; self.ratings.len()];
        tested.iter().for_each(|&row| is_tested[row] = true);
        let every = (rated.len() / SHOWN).max(1);
        let shown: Vec<(&Rated, &Vec<usize>)> = rated.iter().zip(lists).step_by(every).take(SHOWN).collect();
        let name = |row: usize| {
            let item = &self.ratings.items.names[self.ratings.items.codes[row] as usize];
            self.titles.get(item).unwrap_or(item).clone()
        };
        page.table(["user", "liked", "is recommended", "of what was held back"], |body| {
            for (rated, list) in shown {
                let Some(&first) = rated.rows.first() else { continue };
                let user = self.ratings.users.codes[first];
                let own = (0..self.ratings.len()).filter(|&row| self.ratings.users.codes[row] == user);
                let best = |rows: Vec<usize>| {
                    let rating = |row: usize| self.ratings.ratings.as_ref().map_or(0.0, |all| all[row]);
                    let mut rows = rows;
                    rows.sort_by(|&a, &b| rating(b).total_cmp(&rating(a)));
                    let told = |&row: &usize| match &self.ratings.ratings {
                        Some(all) => format!("{} ({})", name(row), short(all[row])),
                        None => name(row),
                    };
                    rows.iter().take(LISTED).map(told).collect::<Vec<_>>().join("; ")
                };
                let had = best(own.filter(|&row| !is_tested[row]).collect());
                let gets = list.iter().take(LISTED).map(|&item| asked.preparation.told(item + 1));
                let gets = gets.collect::<Vec<_>>().join("; ");
                body.row(&self.ratings.users.names[user as usize], [had, gets, best(rated.rows.clone())]);
            }
        });
    }
}

/// Items whose vectors point nearly where those of the most popular do.
fn nearest(asked: Asked<'_>, counts: &[usize], page: &mut Markup) -> Result<(), TaskError> {
    let count = counts.len();
    let mut popular: Vec<usize> = (0..count).collect();
    popular.sort_by_key(|&item| std::cmp::Reverse(counts[item]));
    popular.truncate(NEARED);
    let numbers: Vec<i64> = popular.iter().map(|&item| item as i64).collect();
    let cosines = no_grad(|| -> mapsto_tensor::Result<Tensor> {
        let vectors = asked.networks.first().network.items(&Tensor::arange(1, count as i64 + 1, 1)?)?.vectors;
        let unit = vectors.div(vectors.norm_axes(2.0, &[1], true)?.clamp_min(1e-12)?)?;
        unit.index_select(0, &Tensor::from_vec(numbers, [popular.len()])?)?.linear(&unit, None)
    })?;
    let cosines = cosines.to_vec::<f32>()?;
    page.text("h2", &[], "Items near each other");
    page.text(
        "p",
        &[("class", "note")],
        "Those whose vectors point most nearly the same way, with the cosine of the angle between.",
    );
    let mut rows = Vec::new();
    for (&item, cosines) in popular.iter().zip(cosines.chunks(count)) {
        let mut cosines = cosines.to_vec();
        cosines[item] = f32::NEG_INFINITY;
        let near = top(&cosines, NEAREST)?;
        let told = |near: &usize| format!("{} ({:.2})", asked.preparation.told(near + 1), cosines[*near]);
        rows.push((asked.preparation.told(item + 1), near.iter().map(told).collect::<Vec<_>>().join("; ")));
    }
    page.table(["item", "nearest"], |body| rows.into_iter().for_each(|(item, near)| body.row(item, [near])));
    Ok(())
}
