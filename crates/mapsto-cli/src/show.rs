//! Figures as a person reads them.

use crate::failure::Failure;
use mapsto_tasks::Evaluation;
use mapsto_train::metrics::{ClassificationReport, RegressionReport};
pub use mapsto_train::short;
use serde_json::{Value, json};
use std::fmt::Write;

/// More classes than this make a confusion matrix that nobody reads.
const CLASSES: usize = 20;

/// An evaluation in words and tables.
pub fn text(evaluation: &Evaluation) -> Result<String, Failure> {
    let text = match evaluation {
        Evaluation::Classes(report) => classes(report),
        Evaluation::Numbers(report) => numbers(report),
    };
    text.map_err(|e| Failure::Internal(e.to_string()))
}

fn classes(report: &ClassificationReport) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
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
    Ok(text)
}

fn numbers(report: &RegressionReport) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    write!(text, "RMSE {}   MAE {}", short(report.rmse), short(report.mae))?;
    if let Some(r2) = report.r2 {
        write!(text, "   R2 {r2:.4}")?;
    }
    write!(text, "   greatest error {}", short(report.max_error))?;
    Ok(text)
}

/// What a program wants to know of an evaluation besides its figures.
pub fn details(evaluation: &Evaluation) -> Value {
    let Evaluation::Classes(report) = evaluation else { return json!({}) };
    let rows: Vec<&[u64]> = report.confusion.counts().chunks_exact(report.confusion.classes()).collect();
    let class = |class: &mapsto_train::metrics::ClassReport| {
        let s = class.scores.scores;
        json!({"label": class.name, "precision": s.precision, "recall": s.recall, "f1": s.f1,
               "support": class.scores.support, "auc": class.auc})
    };
    json!({"classes": report.classes.iter().map(class).collect::<Vec<_>>(), "confusion": rows})
}
