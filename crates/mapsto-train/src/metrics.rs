//! Metrics of predictions, computed in `f64` from plain slices; values agree with scikit-learn's, those of texts with sacrebleu's.
//!
//! Tables of scores and probabilities are row-major `[items, classes]`. Where a ratio is `0 / 0`, its value is 0, as in
//! scikit-learn with `zero_division=0`; metrics that mean nothing for the given labels (ROC AUC of one class) are
//! errors, not NaN.

mod bleu;
mod calibration;
mod classification;
mod confusion;
mod curves;
mod error_rate;
mod forecast;
mod language;
mod ranking;
mod regression;
mod report;
mod roc;

pub use bleu::{Bleu, bleu, chrf};
pub use calibration::{CalibrationBin, calibration_curve, expected_calibration_error, reliability};
pub use classification::{brier_score, log_loss, perplexity, top_k_accuracy};
pub use confusion::{ClassScores, ConfusionMatrix, Scores};
pub use curves::{PrecisionRecallPoint, RocPoint, average_precision, precision_recall_curve, roc_curve};
pub use error_rate::Edits;
pub use forecast::{ForecastReport, Forecasts, coverage, pinball, seasonal_scale, smape};
pub use language::LanguageReport;
pub use ranking::{Ranking, RankingReport, ndcg, places, precision, recall, reciprocal_rank, top};
pub use regression::{explained_variance, mae, mape, max_error, median_absolute_error, mse, r2, rmse};
pub use report::{ClassReport, ClassificationReport, RegressionReport};
pub use roc::{roc_auc, roc_auc_ovr, roc_auc_ovr_weighted};

/// Why a metric has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// There is nothing to measure.
    #[error("{metric}: {got} items given, at least {least} needed")]
    TooFew {
        /// The metric asked for.
        metric: &'static str,
        /// The fewest items it is defined for.
        least: usize,
        /// The items given.
        got: usize,
    },
    /// Two inputs do not belong together.
    #[error("{metric}: {truth} true values but {predicted} predicted ones")]
    Lengths {
        /// The metric asked for.
        metric: &'static str,
        /// Number of true values.
        truth: usize,
        /// Number of predicted values.
        predicted: usize,
    },
    /// A table has not one value an item and class.
    #[error("{metric}: {items} labels and {classes} classes do not fit a table of {values} values")]
    Table {
        /// The metric asked for.
        metric: &'static str,
        /// Number of labels.
        items: usize,
        /// Number of classes.
        classes: usize,
        /// Number of values in the table.
        values: usize,
    },
    /// A label names no class.
    #[error("{metric}: item {item} has label {label}, but there are {classes} classes (0 to {})", classes.saturating_sub(1))]
    Label {
        /// The metric asked for.
        metric: &'static str,
        /// Place of the label.
        item: usize,
        /// The label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A value is NaN, infinite where that has no meaning, or no probability.
    #[error("{metric}: item {item} has value {value}, not {wanted}")]
    Value {
        /// The metric asked for.
        metric: &'static str,
        /// Which item (row) the value belongs to.
        item: usize,
        /// The value.
        value: f64,
        /// What is allowed.
        wanted: &'static str,
    },
    /// A row of probabilities does not sum to one.
    #[error("{metric}: the probabilities of item {item} sum to {sum}, not 1; apply softmax to scores first")]
    Sum {
        /// The metric asked for.
        metric: &'static str,
        /// Which item (row).
        item: usize,
        /// What the row sums to.
        sum: f64,
    },
    /// Ranking one class against the others needs both.
    #[error("{metric}: class {class} has {items} of {total} items; it needs some, but not all")]
    OneSided {
        /// The metric asked for.
        metric: &'static str,
        /// The class (1 stands for true in the binary case).
        class: usize,
        /// Items of this class.
        items: usize,
        /// All items.
        total: usize,
    },
    /// A setting of the metric lies outside its range.
    #[error("{metric}: {setting} must be {wanted}, got {got}")]
    Setting {
        /// The metric asked for.
        metric: &'static str,
        /// Name of the setting.
        setting: &'static str,
        /// What is allowed.
        wanted: String,
        /// What was given.
        got: usize,
    },
}

/// Checks that two inputs have the same, sufficient number of items.
fn check_lengths(metric: &'static str, truth: usize, predicted: usize, least: usize) -> Result<(), MetricError> {
    if truth != predicted {
        return Err(MetricError::Lengths { metric, truth, predicted });
    }
    if truth < least {
        return Err(MetricError::TooFew { metric, least, got: truth });
    }
    Ok(())
}

/// Checks that every label names a class.
fn check_labels(metric: &'static str, labels: &[usize], classes: usize) -> Result<(), MetricError> {
    match labels.iter().position(|&label| label >= classes) {
        Some(item) => Err(MetricError::Label { metric, item, label: labels[item], classes }),
        None => Ok(()),
    }
}

/// Checks labels against a `[truth.len(), classes]` table and gives the table in `f64`; a NaN is an error.
fn check_table<T: Copy + Into<f64>>(
    metric: &'static str,
    truth: &[usize],
    table: &[T],
    classes: usize,
) -> Result<Vec<f64>, MetricError> {
    let items = truth.len();
    if items.checked_mul(classes) != Some(table.len()) {
        return Err(MetricError::Table { metric, items, classes, values: table.len() });
    }
    check_lengths(metric, items, items, 1)?;
    check_labels(metric, truth, classes)?;
    let table: Vec<f64> = table.iter().map(|&value| value.into()).collect();
    match table.iter().position(|value| value.is_nan()) {
        Some(place) => Err(MetricError::Value { metric, item: place / classes, value: f64::NAN, wanted: "a number" }),
        None => Ok(table),
    }
}
