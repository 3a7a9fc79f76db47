//! All that decides what a run becomes.

use crate::error::TaskError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Names that are offered in place of one that is not there.
const NEAREST: usize = 3;
/// The most networks of an ensemble.
const MOST_MEMBERS: usize = 1000;
/// Settings that say what a run is, and are not to be set.
const FIXED: [&str; 2] = ["mapsto", "task"];

/// All that decides what a run becomes: what `config.toml` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings<C> {
    /// The version that wrote it.
    pub mapsto: String,
    /// The task.
    pub task: String,
    /// Parts of a cross-validation before the training; none below 2.
    pub folds: usize,
    /// How many networks learn, and how they become one.
    pub ensemble: Ensemble,
    /// How a network learns.
    pub training: Training,
    /// The task's own.
    pub config: C,
}

/// How a network learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// What all chance of the training comes from.
    pub seed: u64,
    /// What the division into parts comes from: one for all runs, so that their figures can be compared.
    pub split_seed: u64,
    /// The share of examples that only the last evaluation sees, where the data have no such part.
    pub test: f64,
    /// The share of the others that the best epoch is chosen by, where the data have no such part; none at 0.
    pub validation: f64,
    /// Times that the examples are gone through.
    pub epochs: u64,
    /// Examples in a step.
    pub batch_size: usize,
    /// The rule by which parameters move.
    pub optimizer: Rule,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Factors of the learning rate of parts of the network, by the names of layers or parameters: the longest name counts, and 0 keeps
    /// the part as it is.
    #[serde(default)]
    pub rates: BTreeMap<String, f64>,
    /// The learning rate over the run.
    pub schedule: Course,
    /// The share of the run in which the rate rises.
    pub warmup: f64,
    /// The momentum of SGD.
    pub momentum: f64,
    /// How fast weights decay.
    pub weight_decay: f64,
    /// The share of each answer that is spread over all classes.
    pub label_smoothing: f64,
    /// The greatest norm of a step's gradient; none at 0.
    pub clip_norm: f64,
    /// Epochs without a gain on the validation part after which it stops; never at 0.
    pub patience: usize,
    /// The share of the past in a running average of the weights, which takes the place of the last ones; none at 0.
    pub average: f64,
    /// What is done about classes that are rare.
    pub balance: Balance,
    /// Seconds after which a checkpoint is written within an epoch.
    pub checkpoint_seconds: f64,
}

/// The rule by which parameters move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Adam with decoupled weight decay.
    AdamW,
    /// Stochastic gradient descent with Nesterov's momentum.
    Sgd,
}

/// The learning rate over a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// Up in the warm-up, and down to nothing along a cosine.
    Cosine,
    /// Up in the warm-up, and constant from then on.
    Constant,
    /// Divided by ten when the validation loss has stopped getting better.
    Plateau,
    /// Up in the warm-up, and divided by ten at the half and at three quarters of what follows.
    Step,
    /// Up in the warm-up, and down to a hundredth by the same factor at each step.
    Exponential,
    /// From a twenty-fifth up in the warm-up (three tenths of the run, if there is none), and down to nearly nothing; momentum moves
    /// against it (Smith and Topin, *Super-Convergence*, 2018).
    OneCycle,
}

/// What is done about classes that are rare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// Nothing.
    None,
    /// Their mistakes count more.
    Weights,
    /// Their examples come more often.
    Sampling,
}

/// How several networks become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// One network.
    Single,
    /// Each learns from examples that are drawn with replacement (Breiman, *Bagging Predictors*, 1996); their mean counts.
    Bagging,
    /// Each learns more from what those before got wrong (AdaBoost: SAMME of Zhu et al. 2009 for classes, R2 of Drucker 1997 for
    /// numbers); the better count more.
    Boosting,
    /// One training with a rate that begins anew several times; each end is a member (Huang et al., *Snapshot Ensembles*, 2017).
    Snapshot,
    /// The mean of the weights over the last epochs (Izmailov et al., *Averaging Weights Leads to Wider Optima*, 2018).
    Average,
}

/// How many networks learn, and how they become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// How they become one.
    pub method: Method,
    /// How many; of [`Method::Average`], epochs.
    pub members: usize,
}

impl Ensemble {
    /// One network.
    pub const SINGLE: Ensemble = Ensemble { method: Method::Single, members: 1 };
}

impl FromStr for Ensemble {
    type Err = String;

    /// Reads `bagging:5`.
    fn from_str(text: &str) -> Result<Ensemble, String> {
        let wrong = || {
            format!(
                "{text:?} is no ensemble: give bagging, boosting, snapshot or average with a number from 2, as bagging:5"
            )
        };
        let (method, members) = text.split_once(':').ok_or_else(wrong)?;
        let several = [Method::Bagging, Method::Boosting, Method::Snapshot, Method::Average];
        let method = several.into_iter().find(|several| several.name() == method).ok_or_else(wrong)?;
        let members = members.parse().ok().filter(|members| (2..=MOST_MEMBERS).contains(members)).ok_or_else(wrong)?;
        Ok(Ensemble { method, members })
    }
}

impl Method {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Method::Single => "single",
            Method::Bagging => "bagging",
            Method::Boosting => "boosting",
            Method::Snapshot => "snapshot",
            Method::Average => "average",
        }
    }
}

impl fmt::Display for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method {
            Method::Single => f.write_str(self.method.name()),
            method => write!(f, "{}:{}", method.name(), self.members),
        }
    }
}

impl Default for Training {
    /// What suits a network that learns for the first time; a task and its data change some of it.
    fn default() -> Training {
        Training {
            seed: 1,
            split_seed: 0,
            test: 0.2,
            validation: 0.1,
            epochs: 20,
            batch_size: 64,
            optimizer: Rule::AdamW,
            learning_rate: 2e-3,
            rates: BTreeMap::new(),
            schedule: Course::Cosine,
            warmup: 0.1,
            momentum: 0.9,
            weight_decay: 0.01,
            label_smoothing: 0.0,
            clip_norm: 0.0,
            patience: 0,
            average: 0.0,
            balance: Balance::None,
            checkpoint_seconds: 30.0,
        }
    }
}

impl Training {
    /// Says which setting cannot be.
    ///
    /// # Errors
    /// A setting outside its domain.
    pub fn check(&self) -> Result<(), TaskError> {
        let share = |x: f64| (0.0..1.0).contains(&x);
        let settings: [(&str, f64, bool, &str); 13] = [
            ("test", self.test, share(self.test), "from 0 to below 1"),
            ("validation", self.validation, share(self.validation), "from 0 to below 1"),
            ("epochs", self.epochs as f64, (1..=1_000_000).contains(&self.epochs), "from 1 to a million"),
            ("batch_size", self.batch_size as f64, (2..=65_536).contains(&self.batch_size), "from 2 to 65536"),
            (
                "learning_rate",
                self.learning_rate,
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
                "above zero",
            ),
            ("warmup", self.warmup, share(self.warmup), "from 0 to below 1"),
            ("momentum", self.momentum, share(self.momentum), "from 0 to below 1"),
            (
                "weight_decay",
                self.weight_decay,
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
                "at least zero",
            ),
            ("label_smoothing", self.label_smoothing, share(self.label_smoothing), "from 0 to below 1"),
            ("clip_norm", self.clip_norm, self.clip_norm >= 0.0, "at least zero"),
            ("average", self.average, share(self.average), "from 0 to below 1"),
            ("patience", self.patience as f64, self.patience == 0 || self.validation > 0.0, "0 where validation is 0"),
            ("checkpoint_seconds", self.checkpoint_seconds, self.checkpoint_seconds >= 0.0, "at least zero"),
        ];
        match settings.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((name, value, _, wanted)) => Err(TaskError::Input(format!("{name} is {value}, it must be {wanted}"))),
            None => match self.rates.iter().find(|(_, factor)| !(factor.is_finite() && **factor >= 0.0)) {
                Some((name, factor)) => Err(TaskError::Input(format!(
                    "rates: the factor of {name:?} is {factor}, it must be at least zero"
                ))),
                None => Ok(()),
            },
        }
    }
}

impl<C> Settings<C> {
    /// Says which setting cannot be; those of the task are its own affair.
    ///
    /// # Errors
    /// A setting outside its domain, or that does not fit another.
    pub fn check(&self) -> Result<(), TaskError> {
        self.training.check()?;
        let (Ensemble { method, members }, epochs) = (self.ensemble, self.training.epochs);
        let least = if method == Method::Single { 1 } else { 2 };
        if !(least..=MOST_MEMBERS).contains(&members) || (method == Method::Single && members > 1) {
            let wanted = if method == Method::Single { "1".into() } else { format!("from 2 to {MOST_MEMBERS}") };
            return Err(TaskError::Input(format!("members is {members}, of {} it must be {wanted}", method.name())));
        }
        let absolute = match (method, self.training.schedule) {
            (Method::Average, _) => Some("the ensemble average"),
            (_, Course::OneCycle) => Some("schedule=one_cycle"),
            _ => None,
        };
        if let Some(what) = absolute.filter(|_| self.training.rates.values().any(|&factor| factor != 0.0)) {
            return Err(TaskError::Input(format!(
                "rates: {what} takes no factors but 0, its rates are the same for all"
            )));
        }
        if matches!(method, Method::Snapshot | Method::Average) && members as u64 > epochs {
            let ensemble = self.ensemble;
            return Err(TaskError::Input(format!("{ensemble} takes {members} epochs at least, epochs is {epochs}")));
        }
        Ok(())
    }

    /// Of a task, for one network and no cross-validation.
    pub fn new(task: &str, training: Training, config: C) -> Settings<C> {
        let mapsto = env!("CARGO_PKG_VERSION").to_string();
        Settings { mapsto, task: task.to_string(), folds: 0, ensemble: Ensemble::SINGLE, training, config }
    }
}

impl<C: Serialize + DeserializeOwned> Settings<C> {
    /// With `key=value` in place of what it says. A key is the name of a setting, or enough of its path to tell it from others: `epochs`,
    /// `config.model.dropout`; a value is written as in TOML, texts may go without quotes.
    ///
    /// # Errors
    /// A key that is no setting, or could be several; a value that does not fit.
    pub fn with(&self, assignment: &str) -> Result<Settings<C>, TaskError> {
        assign(self, assignment)
    }
}

/// Settings with `key=value` in place of what they say: see [`Settings::with`].
pub(crate) fn assign<S: Serialize + DeserializeOwned>(settings: &S, assignment: &str) -> Result<S, TaskError> {
    let mut tree = toml::Table::try_from(settings).map_err(|e| TaskError::Internal(e.to_string()))?;
    let mut paths = Vec::new();
    list(&tree, "", &mut paths);
    paths.retain(|path| !FIXED.contains(&path.as_str()));
    let is_group = |path: &&String| paths.iter().any(|inner| inner.starts_with(&format!("{path}.")));
    let all = || {
        let all: Vec<&str> = paths.iter().filter(|path| !is_group(path)).map(String::as_str).collect();
        format!("there are {}", all.join(", "))
    };
    let (key, value) = assignment
        .split_once('=')
        .map(|(key, value)| (key.trim(), value.trim()))
        .ok_or_else(|| TaskError::Input(format!("{assignment:?} sets nothing: give key=value; {}", all())))?;
    let fits = |path: &&String| **path == *key || path.strip_suffix(key).is_some_and(|rest| rest.ends_with('.'));
    let found: Vec<&String> = match paths.iter().find(|path| *path == key) {
        Some(path) => vec![path],
        None => paths.iter().filter(fits).collect(),
    };
    let path = match &found[..] {
        [path] => *path,
        [] => {
            return Err(TaskError::Input(format!(
                "there is no setting {key:?}; the nearest are {}; {}",
                nearest(key, &paths).join(", "),
                all()
            )));
        }
        several => {
            let all: Vec<&str> = several.iter().map(|path| path.as_str()).collect();
            return Err(TaskError::Input(format!("{key:?} could be {}: give its path", all.join(" or "))));
        }
    };
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}")).ok().and_then(|mut t| t.remove("value"));
    let parsed = parsed.unwrap_or_else(|| toml::Value::String(value.to_string()));
    let wrong = |why: String| TaskError::Input(format!("{path} = {value} does not fit: {why}"));
    if let Some(place) = find(&mut tree, path) {
        *place = match (&place, parsed) {
            // A whole number is a number, too, and one value a list of one.
            (toml::Value::Float(_), toml::Value::Integer(whole)) => toml::Value::Float(whole as f64),
            (toml::Value::Array(_), one) if !one.is_array() => toml::Value::Array(vec![one]),
            (toml::Value::Table(_), other) if !other.is_table() => {
                let inside: Vec<&str> =
                    paths.iter().filter(|inner| inner.starts_with(&format!("{path}."))).map(String::as_str).collect();
                return Err(wrong(format!("it has settings of its own: {}", inside.join(", "))));
            }
            (_, parsed) => parsed,
        };
    }
    tree.try_into().map_err(|e: toml::de::Error| wrong(e.message().to_string()))
}

/// The settings whose names are the most like a key: by its letters, or as the first letters of its words.
fn nearest(key: &str, paths: &[String]) -> Vec<String> {
    let mut near: Vec<String> = paths.iter().map(|path| path.rsplit('.').next().unwrap_or(path).to_string()).collect();
    let initials = |name: &str| name.split('_').filter_map(|word| word.chars().next()).collect::<String>();
    near.sort_by_key(|name| (initials(name) != key, strsim::damerau_levenshtein(name, key), name.clone()));
    near.dedup();
    near.truncate(NEAREST);
    near
}

/// The setting of this path.
fn find<'a>(tree: &'a mut toml::Table, path: &str) -> Option<&'a mut toml::Value> {
    let mut names = path.split('.');
    let mut at = tree.get_mut(names.next()?)?;
    for name in names {
        at = at.get_mut(name)?;
    }
    Some(at)
}

/// The paths of all settings.
fn list(tree: &toml::Table, above: &str, paths: &mut Vec<String>) {
    for (name, value) in tree {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        if let toml::Value::Table(inner) = value {
            list(inner, &path, paths);
        }
        paths.push(path);
    }
}
