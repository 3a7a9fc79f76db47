//! All that there is to say of a classifier's or a regressor's predictions.

use serde::Serialize;

use super::calibration::error_of;
use super::classification::most_likely;
use super::*;

/// Bins of a reliability diagram.
const BINS: usize = 15;
/// Steps along an axis of a curve, as many as a picture can show.
const STEPS: usize = 100;

/// What a classifier's probabilities are worth. In JSON `accuracy`, `f1_macro`, `auc`, `log_loss` and so on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassificationReport {
    /// Number of items.
    pub items: usize,
    /// Share of the items whose most likely class is right; of equally likely classes the first counts.
    pub accuracy: f64,
    /// The mean recall of the classes that are present.
    pub balanced_accuracy: f64,
    /// The plain mean of the classes' precision.
    pub precision_macro: f64,
    /// The plain mean of the classes' recall.
    pub recall_macro: f64,
    /// The plain mean of the classes' F1.
    pub f1_macro: f64,
    /// The mean of the classes' F1, weighted by their items.
    pub f1_weighted: f64,
    /// The Matthews correlation of truth and prediction.
    pub matthews: f64,
    /// Cohen's kappa: agreement beyond chance.
    pub kappa: f64,
    /// The mean area under each class's curve; none where a class has no items or all of them.
    pub auc: Option<f64>,
    /// The mean negative logarithm of the probability of the true class.
    pub log_loss: f64,
    /// The Brier score.
    pub brier: f64,
    /// The expected calibration error over 15 bins.
    pub ece: f64,
    /// Each class, in the order of the labels.
    pub classes: Vec<ClassReport>,
    /// True against predicted labels.
    pub confusion: ConfusionMatrix,
    /// The reliability diagram, of 15 bins at most.
    pub calibration: Vec<CalibrationBin>,
}

/// What a classifier's probabilities of one class are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// The name: the label's number unless [`ClassificationReport::with_names`] gave another.
    pub name: String,
    /// Precision, recall, F1 and numbers of items.
    #[serde(flatten)]
    pub scores: ClassScores,
    /// The area under the receiver operating characteristic; none for a class with no items or all of them.
    pub auc: Option<f64>,
    /// The average precision; none for a class with no items.
    pub average_precision: Option<f64>,
    /// The receiver operating characteristic, of some hundred points at most; empty for a class with no items or all.
    pub roc: Vec<RocPoint>,
    /// Precision and recall, of some hundred points at most; empty for a class with no items.
    pub precision_recall: Vec<PrecisionRecallPoint>,
}

/// What predicted numbers are worth. In JSON `rmse`, `mae`, `r2` and so on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegressionReport {
    /// Number of items.
    pub items: usize,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Median absolute error.
    pub median_absolute_error: f64,
    /// The greatest absolute error.
    pub max_error: f64,
    /// Mean absolute error as a share of the true value; none where a true value is 0.
    pub mape: Option<f64>,
    /// Coefficient of determination; none for a single item.
    pub r2: Option<f64>,
    /// Share of the variance that is explained; none for a single item.
    pub explained_variance: Option<f64>,
}

impl ClassificationReport {
    /// Of true labels, `[items]`, and probabilities, `[items, classes]`.
    ///
    /// # Errors
    /// As [`log_loss`].
    pub fn of<T: Copy + Into<f64>>(truth: &[usize], probabilities: &[T], classes: usize) -> Result<Self, MetricError> {
        let log_loss = log_loss(truth, probabilities, classes)?;
        let brier = brier_score(truth, probabilities, classes)?;
        let calibration = reliability(truth, probabilities, classes, BINS)?;
        let table: Vec<f64> = probabilities.iter().map(|&p| p.into()).collect();
        let predicted: Vec<usize> = table.chunks_exact(classes).map(most_likely).collect();
        let confusion = ConfusionMatrix::from_labels(truth, &predicted, classes)?;
        let all = confusion.class_scores().into_iter().zip(confusion.names()).enumerate();
        let classes = all.map(|(class, (scores, name))| {
            let column: Vec<f64> = table.iter().skip(class).step_by(classes).copied().collect();
            let truth: Vec<bool> = truth.iter().map(|&label| label == class).collect();
            ClassReport::of(name.clone(), scores, &truth, &column)
        });
        let classes = classes.collect::<Result<Vec<_>, _>>()?;
        let areas: Option<Vec<f64>> = classes.iter().map(|class| class.auc).collect();
        let mean = confusion.macro_average();
        Ok(ClassificationReport {
            items: truth.len(),
            accuracy: confusion.accuracy(),
            balanced_accuracy: confusion.balanced_accuracy(),
            precision_macro: mean.precision,
            recall_macro: mean.recall,
            f1_macro: mean.f1,
            f1_weighted: confusion.weighted_average().f1,
            matthews: confusion.matthews(),
            kappa: confusion.kappa(),
            auc: areas.map(|areas| areas.iter().sum::<f64>() / areas.len() as f64),
            log_loss,
            brier,
            ece: error_of(&calibration),
            classes,
            confusion,
            calibration,
        })
    }

    /// Names the classes, in the order of their labels.
    ///
    /// # Errors
    /// When there is not one name a class.
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Result<Self, MetricError> {
        self.confusion = self.confusion.with_names(names)?;
        self.classes.iter_mut().zip(self.confusion.names()).for_each(|(class, name)| class.name.clone_from(name));
        Ok(self)
    }
}

impl ClassReport {
    fn of(name: String, scores: ClassScores, truth: &[bool], column: &[f64]) -> Result<Self, MetricError> {
        let (some, all) = (scores.support > 0, scores.support == truth.len() as u64);
        let mut report = ClassReport {
            name,
            scores,
            auc: None,
            average_precision: None,
            roc: Vec::new(),
            precision_recall: Vec::new(),
        };
        if some {
            report.average_precision = Some(average_precision(truth, column)?);
            let curve = precision_recall_curve(truth, column)?;
            report.precision_recall = thinned(curve, |a, b| (a.recall - b.recall).abs());
        }
        if some && !all {
            report.auc = Some(roc_auc(truth, column)?);
            report.roc = thinned(roc_curve(truth, column)?, |a, b| {
                let right = (a.true_positive_rate - b.true_positive_rate).abs();
                right.max((a.false_positive_rate - b.false_positive_rate).abs())
            });
        }
        Ok(report)
    }
}

impl RegressionReport {
    /// Of true and predicted values, both `[items]`.
    ///
    /// # Errors
    /// As [`mse`].
    pub fn of<T: Copy + Into<f64>>(truth: &[T], predicted: &[T]) -> Result<Self, MetricError> {
        let (several, shares) = (truth.len() > 1, truth.iter().all(|&value| value.into() != 0.0));
        Ok(RegressionReport {
            items: truth.len(),
            rmse: rmse(truth, predicted)?,
            mae: mae(truth, predicted)?,
            median_absolute_error: median_absolute_error(truth, predicted)?,
            max_error: max_error(truth, predicted)?,
            mape: shares.then(|| mape(truth, predicted)).transpose()?,
            r2: several.then(|| r2(truth, predicted)).transpose()?,
            explained_variance: several.then(|| explained_variance(truth, predicted)).transpose()?,
        })
    }
}

/// The first and the last point, and those between that are a step or more from the last one kept.
fn thinned<P>(points: Vec<P>, distance: impl Fn(&P, &P) -> f64) -> Vec<P> {
    let last = points.len().saturating_sub(1);
    let mut kept: Vec<P> = Vec::new();
    for (i, point) in points.into_iter().enumerate() {
        // A hair less, so that steps of exactly this size are kept whatever their rounding.
        let is_far = kept.last().is_none_or(|before| distance(before, &point) >= 0.999 / STEPS as f64);
        if is_far || i == last {
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_names_that_tools_read() {
        let report = ClassificationReport::of(&[0, 1, 1], &[0.75, 0.25, 0.5, 0.5, 0.25, 0.75], 2).unwrap();
        let said = serde_json::to_value(report.with_names(["no", "yes"]).unwrap()).unwrap();
        assert_eq!(said["items"], 3);
        assert_eq!(said["accuracy"], 2.0 / 3.0);
        assert_eq!(said["auc"], 1.0);
        for name in ["f1_macro", "log_loss", "brier", "ece", "balanced_accuracy", "matthews"] {
            assert!(said[name].is_f64(), "{name}: {said}");
        }
        assert_eq!(said["confusion"], serde_json::json!({"names": ["no", "yes"], "counts": [[1, 0], [1, 1]]}));
        let class = &said["classes"][1];
        assert_eq!((&class["name"], &class["recall"], &class["support"]), (&"yes".into(), &0.5.into(), &2.into()));
        let start = serde_json::json!({"threshold": null, "false_positive_rate": 0.0, "true_positive_rate": 0.0});
        assert_eq!(class["roc"][0], start);
        assert_eq!(said["calibration"][0], serde_json::json!({"confidence": 0.5, "accuracy": 0.0, "items": 1}));
        let said = serde_json::to_value(RegressionReport::of(&[1.0, 2.0], &[1.5, 2.0]).unwrap()).unwrap();
        assert_eq!((&said["mae"], &said["r2"], &said["max_error"]), (&0.25.into(), &0.5.into(), &0.5.into()));
        assert!(said["rmse"].is_f64() && said["mape"] == 0.25);
    }

    #[test]
    fn what_has_no_value_is_none() {
        let report = ClassificationReport::of(&[0, 1], &[0.5, 0.5, 0.0, 0.25, 0.75, 0.0], 3).unwrap();
        assert_eq!((report.auc, report.accuracy, report.balanced_accuracy), (None, 1.0, 1.0));
        let absent = &report.classes[2];
        assert_eq!((absent.auc, absent.average_precision, absent.roc.len()), (None, None, 0));
        assert!(report.classes[0].auc.is_some());
        let all = ClassificationReport::of(&[0, 0], &[1.0, 0.0, 0.5, 0.5], 2).unwrap();
        assert_eq!((all.classes[0].auc, all.classes[0].average_precision), (None, Some(1.0)));
        let one = RegressionReport::of(&[0.0], &[2.0]).unwrap();
        assert_eq!((one.r2, one.mape, one.explained_variance, one.rmse), (None, None, None, 2.0));
    }

    #[test]
    fn long_curves_are_thinned() {
        let items = 20_000;
        let score = |i: usize| (i * 7919 % items) as f64 / items as f64;
        let truth: Vec<usize> = (0..items).map(|i| usize::from(score(i * 3) + score(i) > 1.0)).collect();
        let probabilities: Vec<f64> = (0..items).flat_map(|i| [1.0 - score(i), score(i)]).collect();
        let report = ClassificationReport::of(&truth, &probabilities, 2).unwrap();
        for class in &report.classes {
            assert!((50..=202).contains(&class.roc.len()), "{}", class.roc.len());
            assert!((50..=202).contains(&class.precision_recall.len()), "{}", class.precision_recall.len());
            assert_eq!(class.precision_recall.last().unwrap().recall, 1.0);
            // The area under the points that are left is nearly the whole one.
            let area: f64 = class
                .roc
                .windows(2)
                .map(|ends| {
                    let width = ends[1].false_positive_rate - ends[0].false_positive_rate;
                    width * (ends[1].true_positive_rate + ends[0].true_positive_rate) / 2.0
                })
                .sum();
            assert!((area - class.auc.unwrap()).abs() < 1e-3, "{area} {:?}", class.auc);
        }
    }

    #[test]
    fn bad_input_is_refused() {
        let said = ClassificationReport::of(&[0], &[f64::NAN, 1.0], 2).unwrap_err().to_string();
        assert_eq!(said, "log-loss: item 0 has value NaN, not a number");
        assert!(ClassificationReport::of(&[], &[] as &[f32], 0).is_err());
        let said = RegressionReport::of(&[1.0], &[f64::NAN]).unwrap_err().to_string();
        assert_eq!(said, "rmse: item 0 has value NaN, not a finite number");
        let report = ClassificationReport::of(&[0], &[0.5, 0.5], 2).unwrap();
        assert!(report.with_names(["a"]).unwrap_err().to_string().contains("number of names must be"));
    }
}
