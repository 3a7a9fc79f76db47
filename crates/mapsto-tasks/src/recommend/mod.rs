//! Recommendation: which items users will like, or how they will rate them.

mod config;
mod evaluation;
mod learn;
mod page;
mod predict;
mod preparation;
mod rank;
mod usual;

pub use config::{Feedback, RecommendConfig, Sampling, Split};
pub use evaluation::RecommendEvaluation;
pub use learn::RecommendBatch;
pub use preparation::{Histories, RecommendPreparation, Recommender};

use crate::boosting::losses;
use crate::error::TaskError;
use crate::fingerprint::Fingerprint;
use crate::models::{self, Models};
use crate::plan::{Gathered, Plan};
use crate::predictor::Predictor;
use crate::question::{Listener, Question};
use crate::report::Markup;
use crate::request::{Begun, Request};
use crate::run::Outcome;
use crate::settings::{Settings, Training};
use crate::task::{BatchesOf, Division, Given, LossOf, Task};
use learn::{Objective, Windows, negatives, numbers_of, scaled};
use mapsto_data::{Ratings, read_titles};
use mapsto_models::{Mixture, Query, RecommendModel};
use mapsto_nn::Summary;
use mapsto_tensor::{Result, Rng};
use mapsto_train::Measures;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Who liked what, a row each.
pub struct Recommend {
    ratings: Ratings,
    /// Titles of items.
    titles: HashMap<String, String>,
    given: Given,
    division: Division,
    fingerprint: u64,
}

/// Rows in the numbers of a preparation.
struct Numbers {
    /// Of each user of the ratings.
    users: Vec<u32>,
    /// Of each item of them.
    items: Vec<u32>,
}

impl Recommend {
    fn of(ratings: Ratings, config: &RecommendConfig) -> Result<Recommend, TaskError> {
        let named = |what: &str| TaskError::Input(format!("{}: {what}", config.data.display()));
        let all: Vec<usize> = (0..ratings.len()).collect();
        let (given, division) = match config.split {
            Split::Random => (Given { train: all, ..Given::default() }, Division::Random),
            Split::Last => (last_out(&ratings), Division::Random),
            Split::Time => {
                let none = || named("split=time needs a column of times: name it, as time=NAME");
                let times = ratings.times.clone().ok_or_else(none)?;
                (Given { train: all, ..Given::default() }, Division::Times(times))
            }
        };
        if config.feedback == Feedback::Explicit && ratings.ratings.is_none() {
            let mend = "name it, as rating=NAME, or give feedback=implicit";
            return Err(named(&format!("feedback=explicit needs a column of ratings: {mend}")));
        }
        let titles = match config.titles.as_os_str().is_empty() {
            true => HashMap::new(),
            false => read_titles(&config.titles).map_err(TaskError::input)?,
        };
        let mut fingerprint = Fingerprint::new();
        for row in 0..ratings.len() {
            fingerprint.add(ratings.users.names[ratings.users.codes[row] as usize].as_bytes());
            fingerprint.add(ratings.items.names[ratings.items.codes[row] as usize].as_bytes());
            let numbers = [&ratings.ratings, &ratings.times].into_iter().flatten();
            numbers.for_each(|numbers| fingerprint.add(&numbers[row].to_bits().to_le_bytes()));
        }
        Ok(Recommend { ratings, titles, given, division, fingerprint: fingerprint.value() })
    }

    /// Settings of data that nothing is known of yet.
    fn defaults(config: RecommendConfig) -> Settings<RecommendConfig> {
        let training = Training { test: 0.1, validation: 0.11, weight_decay: 0.0, ..Training::default() };
        Settings::new(Self::NAME, training, config)
    }

    /// Whether a row tells that its item was liked.
    fn is_liked(&self, config: &RecommendConfig, row: usize) -> bool {
        self.ratings.ratings.as_ref().is_none_or(|ratings| ratings[row] >= config.liked)
    }

    fn numbers(&self, preparation: &RecommendPreparation) -> Numbers {
        let of = |names: &[String], known: HashMap<&str, u32>| {
            names.iter().map(|name| known.get(name.as_str()).copied().unwrap_or(0)).collect()
        };
        Numbers {
            users: of(&self.ratings.users.names, preparation.user_numbers()),
            items: of(&self.ratings.items.names, preparation.item_numbers()),
        }
    }

    /// Some rows in the order of time.
    fn in_time(&self, rows: &[usize]) -> Vec<usize> {
        let mut among = vec![false; self.ratings.len()];
        rows.iter().for_each(|&row| among[row] = true);
        self.ratings.in_time().into_iter().filter(|&row| among[row]).collect()
    }
}

impl Numbers {
    fn of(&self, ratings: &Ratings, row: usize) -> (u32, u32) {
        (self.users[ratings.users.codes[row] as usize], self.items[ratings.items.codes[row] as usize])
    }
}

/// The last row of each user that has three for the test, and the one before it for validation.
fn last_out(ratings: &Ratings) -> Given {
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); ratings.users.names.len()];
    ratings.in_time().into_iter().for_each(|row| rows[ratings.users.codes[row] as usize].push(row));
    let mut given = Given::default();
    for mut rows in rows {
        if rows.len() > 2 {
            given.test.extend(rows.pop());
            given.validation.extend(rows.pop());
        }
        given.train.extend(rows);
    }
    [&mut given.train, &mut given.validation, &mut given.test].into_iter().for_each(|rows| rows.sort_unstable());
    given
}

impl Task for Recommend {
    const NAME: &'static str = "recommend";
    const ABOUT: &'static str = "What users will like, or how they will rate it";
    const ASKED: &'static str = "USERS.csv";
    const MODELS: Option<Models> = Some(models::RECOMMEND);
    type Config = RecommendConfig;
    type Preparation = RecommendPreparation;
    type Network = Recommender;
    type Batch = RecommendBatch;
    type Evaluation = RecommendEvaluation;

    fn begun(request: &Request) -> Result<Begun<Recommend>, TaskError> {
        request.takes(Self::NAME, &["--data", "--model"])?;
        let named = request.model("recommendation", "mf", RecommendModel::named, RecommendModel::NAMES)?;
        let reads = matches!(named, RecommendModel::Sequence(_));
        let config = RecommendConfig {
            data: request.data("a table of users and items, with ratings and times if there are")?,
            user: String::new(),
            item: String::new(),
            rating: String::new(),
            time: String::new(),
            model: named,
            feedback: Feedback::Implicit,
            split: if reads { Split::Last } else { Split::Random },
            liked: 0.0,
            sampling: Sampling::All,
            negatives: 512,
            k: 10,
            titles: PathBuf::new(),
            l2: 0.0,
        };
        let settings = request.settle(Recommend::defaults(config))?;
        let ratings = read(&settings.config)?;
        // What is learned decides what else suits it.
        let settings = request.settle(usual::feedback(settings, &ratings))?;
        let settings = request.settle(usual::training(settings, &ratings))?;
        let rows = ratings.len();
        let (users, items) = (ratings.users.names.len(), ratings.items.names.len());
        let columns = ratings.columns.join(", ");
        let mut notes = vec![format!("{rows} rows of {users} users and {items} items; columns {columns}")];
        if ratings.incomplete > 0 {
            notes.push(format!("{} rows are left out: a value is missing", ratings.incomplete));
        }
        if ratings.repeated > 0 {
            let what = "rows are left out: a later one has the same user and item";
            notes.push(format!("{} {what}", ratings.repeated));
        }
        if settings.config.split == Split::Last && ratings.times.is_none() {
            notes.push("there is no column of times: the order of the rows counts".into());
        }
        let task = Recommend::of(ratings, &settings.config)?;
        Ok(Begun { task, settings, notes })
    }

    fn open(config: &RecommendConfig) -> Result<Recommend, TaskError> {
        Recommend::of(read(config)?, config)
    }

    fn open_for(predictor: &Predictor<Self>, data: Option<&Path>, _: bool) -> Result<Recommend, TaskError> {
        let mut config = predictor.settings.config.clone();
        let Some(path) = data else { return Recommend::open(&config) };
        config.data = path.to_owned();
        // All of it is asked for.
        config.split = Split::Random;
        Recommend::of(Ratings::read(path, &config.columns()).map_err(TaskError::input)?, &config)
    }

    fn count(&self) -> usize {
        self.ratings.len()
    }

    fn given(&self) -> &Given {
        &self.given
    }

    fn division(&self) -> Division {
        self.division.clone()
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn prepare(&self, _: &RecommendConfig, train: &[usize]) -> Result<RecommendPreparation, TaskError> {
        let mut preparation = RecommendPreparation::of(&self.ratings, &self.in_time(train))?;
        if !self.titles.is_empty() {
            let title = |item: &String| self.titles.get(item).cloned().unwrap_or_default();
            preparation.titles = preparation.items.iter().map(title).collect();
        }
        Ok(preparation)
    }

    fn check(preparation: &RecommendPreparation) -> Result<(), TaskError> {
        preparation.check()
    }

    fn network(config: &RecommendConfig, preparation: &RecommendPreparation) -> Result<Recommender> {
        Recommender::new(config.model.build(preparation.shape())?, preparation)
    }

    fn batches<'a>(
        &'a self,
        config: &'a RecommendConfig,
        preparation: &'a RecommendPreparation,
        mut plan: Plan,
    ) -> Result<BatchesOf<'a, Self>, TaskError> {
        let numbers = self.numbers(preparation);
        let is_explicit = config.feedback == Feedback::Explicit;
        if !is_explicit {
            let none = || {
                let what = format!("no row to learn from is liked: liked is {}", config.liked);
                TaskError::Input(format!(
                    "{what}, the ratings are from {} to {}",
                    preparation.range[0], preparation.range[1]
                ))
            };
            plan.items.iter().any(|&row| self.is_liked(config, row)).then_some(()).ok_or_else(none)?;
        }
        let items = preparation.shape().items;
        if config.reads_histories() {
            let mut histories = vec![Vec::new(); preparation.shape().users];
            // However often a row was drawn, it was had once.
            plan.items.sort_unstable();
            plan.items.dedup();
            for row in self.in_time(&plan.items) {
                let (user, item) = numbers.of(&self.ratings, row);
                histories[user as usize].push((item, self.is_liked(config, row)));
            }
            let windows = Windows::of(histories, learn::length(&config.model));
            plan.items = (0..windows.len()).collect();
            let gather = move |chosen: &[usize], chance: Rng| -> Result<RecommendBatch, TaskError> {
                let (query, liked) = windows.batch(chosen)?;
                Ok(RecommendBatch { query, items: liked, ratings: None, negatives: negatives(config, items, chance)? })
            };
            return Ok(Box::new(Gathered::new(&plan, gather)?));
        }
        plan.items.retain(|&row| is_explicit || self.is_liked(config, row));
        let gather = move |rows: &[usize], chance: Rng| -> Result<RecommendBatch, TaskError> {
            let (users, liked): (Vec<u32>, Vec<u32>) = rows.iter().map(|&row| numbers.of(&self.ratings, row)).unzip();
            let ratings = self.ratings.ratings.as_ref().filter(|_| is_explicit);
            Ok(RecommendBatch {
                query: Query::Users(numbers_of(&users)?),
                items: numbers_of(&liked)?,
                ratings: ratings.map(|all| scaled(preparation, rows.iter().map(|&row| all[row]))).transpose()?,
                negatives: negatives(config, items, chance)?,
            })
        };
        Ok(Box::new(Gathered::new(&plan, gather)?))
    }

    fn loss<'a>(
        &'a self,
        settings: &'a Settings<RecommendConfig>,
        preparation: &'a RecommendPreparation,
        train: &[usize],
    ) -> Result<LossOf<'a, Self>, TaskError> {
        let numbers = self.numbers(preparation);
        let mut counts = vec![0; preparation.shape().items];
        for &row in train.iter().filter(|&&row| self.is_liked(&settings.config, row)) {
            counts[numbers.of(&self.ratings, row).1 as usize] += 1;
        }
        let objective = Objective::new(&settings.config, &counts)?;
        Ok(Box::new(move |network, batch| objective.loss(network, batch)))
    }

    fn measures(
        &self,
        settings: &Settings<RecommendConfig>,
        network: &Recommender,
        preparation: &RecommendPreparation,
        items: &[usize],
    ) -> Result<Measures, TaskError> {
        let networks = Mixture::one(network);
        let found = self.evaluated(&settings.config, &networks, preparation, items, evaluation::Of::Goal)?;
        Ok(found.measures())
    }

    fn mistakes(
        &self,
        settings: &Settings<RecommendConfig>,
        member: &Recommender,
        preparation: &RecommendPreparation,
        train: &[usize],
    ) -> Result<Vec<f64>, TaskError> {
        // Against all items: one example alone stands against no others, and those that are drawn differ.
        let mut settings = settings.clone();
        settings.config.sampling = Sampling::All;
        losses(self, &settings, member, preparation, train)
    }

    fn evaluate(&self, predictor: &Predictor<Self>, items: &[usize]) -> Result<RecommendEvaluation, TaskError> {
        let networks = predictor.mixture(|network| network)?;
        self.evaluated(&predictor.settings.config, &networks, &predictor.preparation, items, evaluation::Of::All)
    }

    fn columns(predictor: &Predictor<Self>) -> Vec<String> {
        predict::columns(predictor)
    }

    fn predict(predictor: &Predictor<Self>, question: &Question, listener: &mut dyn Listener) -> Result<(), TaskError> {
        predict::answer(predictor, question, listener)
    }

    fn summary(
        network: &Recommender,
        config: &RecommendConfig,
        _: &RecommendPreparation,
        items: usize,
    ) -> Result<Summary> {
        models::of_recommendation(network, &network.network, &config.model, items)
    }

    fn facts(&self, preparation: &RecommendPreparation) -> (String, Vec<(&'static str, String)>) {
        let (users, items) = (preparation.users.len(), preparation.items.len());
        let density = 100.0 * preparation.rows as f64 / (users as f64 * items as f64).max(1.0);
        let learned = format!("{users} users, {items} items, {} rows ({density:.2} % of all pairs)", preparation.rows);
        let mut facts = vec![("Learned from", learned), ("Columns", self.ratings.columns.join(", "))];
        if self.ratings.ratings.is_some() {
            let [low, high] = preparation.range;
            facts.push(("Ratings", format!("{low} to {high}, {:.3} on average", preparation.mean)));
        }
        ("what users like".into(), facts)
    }

    fn draw(&self, outcome: &Outcome<Self>, page: &mut Markup) -> Result<(), TaskError> {
        page::draw(self, outcome, page)
    }
}

/// Reads the data of some settings.
fn read(config: &RecommendConfig) -> Result<Ratings, TaskError> {
    config.check()?;
    Ratings::read(&config.data, &config.columns()).map_err(TaskError::input)
}
