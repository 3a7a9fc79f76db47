//! How good answers are: classes, or numbers.

use crate::error::TaskError;
use crate::examples::{Answers, Truth};
use crate::task::Figures;
use mapsto_train::metrics::{ClassReport, ClassificationReport, RegressionReport};
use mapsto_train::short;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;

/// More classes than this make a confusion matrix that nobody reads.
const CLASSES: usize = 20;

/// How good predictions are.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Evaluation {
    /// Of classes.
    Classes(Box<ClassificationReport>),
    /// Of numbers.
    Numbers(RegressionReport),
}

impl Evaluation {
    /// Of predictions as [`Predictor::predict`](crate::Predictor::predict) gives them.
    ///
    /// # Errors
    /// No examples; answers of another kind.
    pub fn of(truth: &Truth, answers: &Answers, items: &[usize], predicted: &[f64]) -> Result<Evaluation, TaskError> {
        match (truth, answers) {
            (Truth::Classes { labels, .. }, Answers::Classes { names }) => {
                let labels: Vec<usize> = items.iter().map(|&item| labels[item]).collect();
                let report = ClassificationReport::of(&labels, predicted, names.len())?.with_names(names.clone())?;
                Ok(Evaluation::Classes(Box::new(report)))
            }
            (Truth::Numbers { values, .. }, Answers::Number { .. }) => {
                let values: Vec<f64> = items.iter().map(|&item| values[item]).collect();
                Ok(Evaluation::Numbers(RegressionReport::of(&values, predicted)?))
            }
            _ => Err(TaskError::input("the network and the data disagree whether classes or numbers are predicted")),
        }
    }

    /// What is to be as small as possible while training, by its name.
    pub fn loss(&self) -> (&'static str, f64) {
        match self {
            Evaluation::Classes(report) => ("log_loss", report.log_loss),
            Evaluation::Numbers(report) => ("rmse", report.rmse),
        }
    }
}

impl Figures for Evaluation {
    fn metrics(&self) -> Value {
        match self {
            Evaluation::Classes(report) => json!({
                "accuracy": report.accuracy, "balanced_accuracy": report.balanced_accuracy,
                "precision_macro": report.precision_macro, "recall_macro": report.recall_macro,
                "f1_macro": report.f1_macro, "f1_weighted": report.f1_weighted, "auc": report.auc,
                "log_loss": report.log_loss, "brier": report.brier, "ece": report.ece,
                "matthews": report.matthews, "kappa": report.kappa,
            }),
            Evaluation::Numbers(report) => json!({
                "rmse": report.rmse, "mae": report.mae, "r2": report.r2,
                "median_absolute_error": report.median_absolute_error, "max_error": report.max_error,
                "mape": report.mape, "explained_variance": report.explained_variance,
            }),
        }
    }

    fn headline(&self) -> Vec<(&'static str, String)> {
        let share = |share: f64| format!("{:.2} %", 100.0 * share);
        match self {
            Evaluation::Classes(report) => {
                let auc = report.auc.map(|auc| ("AUC", format!("{auc:.4}")));
                let first = [
                    ("accuracy", share(report.accuracy)),
                    ("F1, mean of classes", format!("{:.4}", report.f1_macro)),
                    ("log-loss", short(report.log_loss)),
                ];
                first.into_iter().chain(auc).chain([("calibration error", format!("{:.4}", report.ece))]).collect()
            }
            Evaluation::Numbers(report) => {
                let r2 = report.r2.map(|r2| ("R²", format!("{r2:.4}")));
                let first = [("RMSE", short(report.rmse)), ("mean absolute error", short(report.mae))];
                first.into_iter().chain(r2).chain([("greatest error", short(report.max_error))]).collect()
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = match self {
            Evaluation::Classes(report) => classes(report, &mut text),
            Evaluation::Numbers(report) => numbers(report, &mut text),
        };
        text
    }

    fn details(&self) -> Value {
        let Evaluation::Classes(report) = self else { return json!({}) };
        let rows: Vec<&[u64]> = report.confusion.counts().chunks_exact(report.confusion.classes()).collect();
        let class = |class: &ClassReport| {
            let s = class.scores.scores;
            json!({"label": class.name, "precision": s.precision, "recall": s.recall, "f1": s.f1,
                   "support": class.scores.support, "auc": class.auc})
        };
        json!({"classes": report.classes.iter().map(class).collect::<Vec<_>>(), "confusion": rows})
    }
}

fn classes(report: &ClassificationReport, text: &mut String) -> std::fmt::Result {
    if report.classes.len() <= CLASSES {
        writeln!(text, "{}", report.confusion)?;
    }
    let widest = report.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0).clamp(12, 40);
    writeln!(text, "{:>widest$}{:>12}{:>12}{:>12}{:>12}", "class", "precision", "recall", "F1", "items")?;
    for class in &report.classes {
        let (s, name) = (class.scores.scores, class.name.chars().take(40).collect::<String>());
        let support = class.scores.support;
        writeln!(text, "{name:>widest$}{:>12.3}{:>12.3}{:>12.3}{support:>12}", s.precision, s.recall, s.f1)?;
    }
    let (precision, recall, f1) = (report.precision_macro, report.recall_macro, report.f1_macro);
    writeln!(text, "{:>widest$}{precision:>12.3}{recall:>12.3}{f1:>12.3}{:>12}", "mean", report.items)?;
    write!(text, "\naccuracy {:.2} %   log-loss {:.4}", report.accuracy * 100.0, report.log_loss)?;
    if let Some(auc) = report.auc {
        write!(text, "   AUC {auc:.4}")?;
    }
    Ok(())
}

fn numbers(report: &RegressionReport, text: &mut String) -> std::fmt::Result {
    write!(text, "RMSE {}   MAE {}", short(report.rmse), short(report.mae))?;
    if let Some(r2) = report.r2 {
        write!(text, "   R2 {r2:.4}")?;
    }
    write!(text, "   greatest error {}", short(report.max_error))?;
    Ok(())
}
