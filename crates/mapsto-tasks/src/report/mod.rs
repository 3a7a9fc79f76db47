//! A run as one page: what it learned from, how that went, and how good it is. The page needs no network and no script.

mod answers;
mod classes;
mod curves;
mod heat;
mod markup;
mod numbers;
mod plot;
mod shown;
mod words;

pub(crate) use answers::draw_answers;
pub(crate) use heat::Heat;
pub use markup::Markup;
pub(crate) use plot::{Line, Plot};
pub use shown::Shown;
pub(crate) use shown::draw_picture;
pub(crate) use words::{draw_shaded, draw_words};

use crate::error::TaskError;
use crate::run::{Outcome, write};
use crate::saved::Combination;
use crate::task::{Figures, Task};
use jiff::Zoned;
use mapsto_tensor::{isa, num_threads};
use mapsto_train::run_dir::METRICS_FILE;
use mapsto_train::short;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The name of a run's report.
pub const REPORT_FILE: &str = "report.html";
/// Examples of the step that the summary is of: batch norm needs more than one.
const SUMMARISED: usize = 2;
/// The most bytes of a metrics file that are read.
const MOST_METRICS: u64 = 1 << 28;

/// All that a report tells.
struct Facts<'a> {
    task: &'a str,
    /// What is predicted, where the settings name no target.
    title: String,
    /// What else is to be told first.
    about: Vec<(&'static str, String)>,
    /// The settings as `config.toml` has them.
    settings: String,
    version: &'a str,
    summary: String,
    /// Examples that were learned from, chosen by and tested on.
    parts: [usize; 3],
    headline: Option<Vec<(&'static str, String)>>,
    folds: &'a [Value],
    combination: &'a Combination,
    /// The lines of the metrics file.
    records: Vec<Value>,
    /// Draws what is the task's own.
    own: &'a dyn Fn(&mut Markup) -> Result<(), TaskError>,
}

/// Writes the report of a run into its folder; it learned from and was chosen by so many examples.
///
/// # Errors
/// A refusal of the system.
pub(crate) fn of_run<T: Task>(
    folder: &Path,
    task: &T,
    outcome: &Outcome<T>,
    [train, validation]: [usize; 2],
) -> Result<(), TaskError> {
    let predictor = &outcome.predictor;
    let told = |e: TaskError| format!("The summary cannot be made: {e}");
    let (title, about) = task.facts(&predictor.preparation);
    let facts = Facts {
        task: T::NAME,
        title,
        about,
        settings: toml::to_string(&predictor.settings).map_err(|e| TaskError::Internal(e.to_string()))?,
        version: &predictor.settings.mapsto,
        summary: predictor.summary(SUMMARISED).map_or_else(told, |summary| summary.to_string()),
        parts: [train, validation, outcome.tested.len()],
        headline: outcome.test.as_ref().map(Figures::headline),
        folds: &outcome.folds,
        combination: &predictor.combination,
        records: records(&folder.join(METRICS_FILE)),
        own: &|page| task.draw(outcome, page),
    };
    write(&folder.join(REPORT_FILE), facts.page().as_bytes())
}

/// The lines of a metrics file; what cannot be read is not shown.
fn records(path: &Path) -> Vec<Value> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MOST_METRICS) {
        return Vec::new();
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

impl Facts<'_> {
    fn page(&self) -> String {
        let mut page = Markup::default();
        page.element("html", &[("lang", "en")], |html| {
            html.element("head", &[], |head| {
                head.empty("meta", &[("charset", "utf-8")]);
                head.empty("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
                head.empty("meta", &[("name", "color-scheme"), ("content", "light dark")]);
                head.text("title", &[], &format!("{}: {}", self.task, self.target()));
                head.text("style", &[], include_str!("style.css"));
            });
            html.element("body", &[], |body| body.element("main", &[], |main| self.content(main)));
        });
        format!("<!DOCTYPE html>\n{}\n", page.finish())
    }

    /// What is predicted.
    fn target(&self) -> String {
        self.setting("target").filter(|target| !target.is_empty()).unwrap_or_else(|| self.title.clone())
    }

    fn content(&self, page: &mut Markup) {
        self.head(page);
        curves::draw(&self.records, page);
        self.ensemble(page);
        self.cross_validation(page);
        if let Err(error) = (self.own)(page) {
            page.told("p", &[], &error.to_string());
        }
        page.text("h2", &[], "Network");
        page.text("pre", &[("tabindex", "0")], &self.summary);
        page.text("h2", &[], "Settings");
        page.element("details", &[], |details| {
            details.text("summary", &[], "config.toml");
            details.text("pre", &[("tabindex", "0")], &self.settings);
        });
    }

    /// What it is, and the figures that count.
    fn head(&self, page: &mut Markup) {
        page.element("header", &[], |header| {
            header.text("p", &[("class", "note")], &format!("mapsto {}, task {}", self.version, self.task));
            header.told("h1", &[], &self.target());
        });
        match &self.headline {
            Some(headline) => page.element("dl", &[("class", "tiles")], |tiles| {
                for (name, figure) in headline {
                    tiles.element("div", &[], |tile| {
                        tile.text("dt", &[], name);
                        tile.text("dd", &[], figure);
                    });
                }
            }),
            None => page.text("p", &[], "Nothing was held back to test on."),
        }
        let [train, validation, test] = self.parts;
        let mut facts = vec![
            ("Examples", format!("{train} learned from, {validation} for validation, {test} tested on")),
            ("Training", format!("{:.1} s", curves::seconds(&self.records))),
            ("Machine", format!("{}, {}, {} threads", system(), isa().name(), num_threads())),
            ("Written", Zoned::now().strftime("%Y-%m-%d %H:%M %:z").to_string()),
        ];
        for (name, key) in [("Data", "data"), ("Target", "target")] {
            if let Some(text) = self.setting(key).filter(|text| !text.is_empty()) {
                facts.insert(0, (name, text));
            }
        }
        facts.splice(0..0, self.about.clone());
        page.element("dl", &[("class", "facts")], |list| {
            for (name, text) in facts {
                list.text("dt", &[], name);
                list.told("dd", &[], &text);
            }
        });
    }

    /// A text among the task's own settings.
    fn setting(&self, key: &str) -> Option<String> {
        let settings: toml::Value = toml::from_str(&self.settings).ok()?;
        Some(settings.get("config")?.get(key)?.as_str()?.to_string())
    }

    fn ensemble(&self, page: &mut Markup) {
        let Combination { weights, median } = self.combination;
        if weights.len() < 2 {
            return;
        }
        let total: f64 = weights.iter().sum();
        page.text("h2", &[], "Members");
        let how = if *median { "The weighted median counts." } else { "The weighted mean counts." };
        page.text("p", &[("class", "note")], how);
        page.table(["member", "weight", "share"], |body| {
            for (i, weight) in weights.iter().enumerate() {
                body.row(&(i + 1).to_string(), [short(*weight), format!("{:.1} %", 100.0 * weight / total)]);
            }
        });
    }

    fn cross_validation(&self, page: &mut Markup) {
        let Some(first) = self.folds.first().and_then(Value::as_object) else { return };
        page.text("h2", &[], "Cross-validation");
        let places = (1..=self.folds.len()).map(|fold| format!("fold {fold}"));
        let headings: Vec<String> = ["", "mean", "deviation"].map(String::from).into_iter().chain(places).collect();
        page.table(headings.iter().map(String::as_str), |body| {
            for name in first.keys() {
                let figures: Vec<Option<f64>> = self.folds.iter().map(|fold| fold[name].as_f64()).collect();
                let cells = figures.iter().map(|figure| figure.map_or("–".into(), short));
                let known: Option<Vec<f64>> = figures.iter().copied().collect();
                let [mean, deviation] = known.map_or(["–".into(), "–".into()], |all| spread(&all).map(short));
                body.row(&name.replace('_', " "), [mean, deviation].into_iter().chain(cells));
            }
        });
    }
}

/// The mean, and the standard deviation of a sample.
fn spread(values: &[f64]) -> [f64; 2] {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let sum = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    [mean, (sum / (count - 1.0).max(1.0)).sqrt()]
}

fn system() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests;
