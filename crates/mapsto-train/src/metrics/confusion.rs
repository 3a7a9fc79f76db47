//! The confusion matrix and what follows from it alone.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use unicode_width::UnicodeWidthStr;

use super::{MetricError, check_labels, check_lengths};

/// How often each true class was predicted as each class.
///
/// Printed, it is a table for the terminal:
/// ```
/// use mapsto_train::metrics::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::from_labels(&[0, 0, 1, 1, 1], &[0, 1, 1, 1, 0], 2)?;
/// let table = "
///        predicted
/// true   cat  dog
///  cat     1    1
///  dog     1    2
/// ";
/// assert_eq!(matrix.with_names(["cat", "dog"])?.to_string(), table[1..]);
/// # Ok::<(), mapsto_train::metrics::MetricError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    /// `[classes, classes]`, row-major: true class by predicted class.
    counts: Vec<u64>,
    names: Vec<String>,
}

/// Precision, recall and F1 of one class, or an average over classes; each 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Share of the predictions of the class that are right; 0 when it is never predicted.
    pub precision: f64,
    /// Share of the items of the class that are found; 0 when it has none.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 when the class is neither present nor predicted.
    pub f1: f64,
}

/// The scores of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// Precision, recall and F1.
    #[serde(flatten)]
    pub scores: Scores,
    /// Items that truly belong to the class.
    pub support: u64,
    /// Items predicted as the class. With none, `scores.precision` is 0 by convention; with a `support` of 0, so is
    /// `scores.recall`.
    pub predicted: u64,
}

impl ConfusionMatrix {
    /// Counts true against predicted labels, both `[items]` in `0..classes`. Classes are named by their number.
    ///
    /// # Errors
    /// When the lengths differ, there are no items, or a label is not below `classes`.
    pub fn from_labels(truth: &[usize], predicted: &[usize], classes: usize) -> Result<Self, MetricError> {
        let metric = "confusion matrix";
        check_lengths(metric, truth.len(), predicted.len(), 1)?;
        check_labels(metric, truth, classes)?;
        check_labels(metric, predicted, classes)?;
        let mut counts = vec![0; classes * classes];
        for (&row, &column) in truth.iter().zip(predicted) {
            counts[row * classes + column] += 1;
        }
        Ok(Self { counts, names: (0..classes).map(|class| class.to_string()).collect() })
    }

    /// Names the classes, in the order of their labels, for printing.
    ///
    /// # Errors
    /// When there is not one name a class.
    pub fn with_names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Result<Self, MetricError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.len() != self.classes() {
            return Err(MetricError::Setting {
                metric: "confusion matrix",
                setting: "number of names",
                wanted: format!("the number of classes, {}", self.classes()),
                got: names.len(),
            });
        }
        Ok(Self { names, ..self })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// Names of the classes in the order of their labels.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The counts, `[classes, classes]` row-major: true class by predicted class.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Share of the items whose prediction is right.
    pub fn accuracy(&self) -> f64 {
        ratio(self.right() as f64, self.total() as f64)
    }

    /// The mean recall of the classes that are present: accuracy as if all classes were of one size.
    pub fn balanced_accuracy(&self) -> f64 {
        let classes = self.class_scores();
        let present = || classes.iter().filter(|class| class.support > 0);
        ratio(present().map(|class| class.scores.recall).sum(), present().count() as f64)
    }

    /// The scores of every class, in the order of their labels.
    pub fn class_scores(&self) -> Vec<ClassScores> {
        let (support, predicted) = self.margins();
        (0..self.classes())
            .map(|class| {
                let right = self.counts[class * self.classes() + class] as f64;
                let (support, predicted) = (support[class], predicted[class]);
                let scores = Scores {
                    precision: ratio(right, predicted as f64),
                    recall: ratio(right, support as f64),
                    f1: ratio(2.0 * right, (support + predicted) as f64),
                };
                ClassScores { scores, support, predicted }
            })
            .collect()
    }

    /// The plain mean over all classes: a rare class weighs as much as a common one. A class that is neither present
    /// nor predicted counts too, with scores of 0.
    pub fn macro_average(&self) -> Scores {
        self.average(|_| 1.0)
    }

    /// The mean over classes weighted by their support.
    pub fn weighted_average(&self) -> Scores {
        self.average(|class| class.support as f64)
    }

    /// The scores over all single decisions. With one label an item, all three equal the accuracy.
    pub fn micro_average(&self) -> Scores {
        let accuracy = self.accuracy();
        Scores { precision: accuracy, recall: accuracy, f1: accuracy }
    }

    /// The Matthews correlation of truth and prediction, -1 to 1, for any number of classes (Gorodkin 2004); 0 when
    /// either holds one class only.
    pub fn matthews(&self) -> f64 {
        let (total, right) = (self.total() as f64, self.right() as f64);
        let (support, predicted) = self.margins();
        let covariance = |a: &[u64], b: &[u64], joint: f64| joint * total - dot(a, b);
        let both = covariance(&support, &predicted, right);
        let spread = covariance(&support, &support, total) * covariance(&predicted, &predicted, total);
        ratio(both, spread.sqrt())
    }

    /// Cohen's kappa: agreement beyond chance, 1 when perfect, 0 at chance. It is 0 where truth and prediction hold one
    /// and the same class only, which leaves it undefined.
    pub fn kappa(&self) -> f64 {
        let total = self.total() as f64;
        let (support, predicted) = self.margins();
        let chance = dot(&support, &predicted);
        ratio(self.right() as f64 * total - chance, total * total - chance)
    }

    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn right(&self) -> u64 {
        self.counts.iter().step_by(self.classes() + 1).sum()
    }

    /// Items truly in each class, and items predicted as each class.
    fn margins(&self) -> (Vec<u64>, Vec<u64>) {
        let mut predicted = vec![0; self.classes()];
        let mut support = Vec::with_capacity(self.classes());
        for row in self.counts.chunks_exact(self.classes()) {
            support.push(row.iter().sum());
            predicted.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        }
        (support, predicted)
    }

    fn average(&self, weight: impl Fn(&ClassScores) -> f64) -> Scores {
        let classes = self.class_scores();
        let weights: f64 = classes.iter().map(&weight).sum();
        let mean = |score: fn(&Scores) -> f64| {
            ratio(classes.iter().map(|class| weight(class) * score(&class.scores)).sum(), weights)
        };
        Scores { precision: mean(|s| s.precision), recall: mean(|s| s.recall), f1: mean(|s| s.f1) }
    }
}

impl Serialize for ConfusionMatrix {
    /// The names, and the counts as rows.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ConfusionMatrix", 2)?;
        fields.serialize_field("names", &self.names)?;
        // No class, no rows: chunks of 0 are none.
        fields.serialize_field("counts", &self.counts.chunks(self.classes().max(1)).collect::<Vec<_>>())?;
        fields.end()
    }
}

/// The quotient, or 0 where the divisor is 0.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

fn dot(a: &[u64], b: &[u64]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| a as f64 * b as f64).sum()
}

impl fmt::Display for ConfusionMatrix {
    /// One row a true class, one column a predicted class; names and counts right-aligned by their width on a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.names.iter().map(|name| name.width()).max().unwrap_or(0);
        let digits = self.counts.iter().max().map_or(1, |count| count.to_string().len());
        let (head, column) = (widest.max("true".len()), widest.max(digits));
        let pad = |f: &mut fmt::Formatter<'_>, text: &str, width: usize| {
            write!(f, "{:1$}{text}", "", width.saturating_sub(text.width()))
        };

        writeln!(f, "{:head$}   predicted", "")?;
        pad(f, "true", head)?;
        f.write_str(" ")?;
        for name in &self.names {
            pad(f, name, column + 2)?;
        }
        writeln!(f)?;
        for (name, row) in self.names.iter().zip(self.counts.chunks_exact(self.classes())) {
            pad(f, name, head)?;
            f.write_str(" ")?;
            for count in row {
                pad(f, &count.to_string(), column + 2)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_names_of_any_width() {
        let matrix = ConfusionMatrix::from_labels(&[0, 1, 1, 2], &[0, 1, 2, 2], 3).unwrap();
        let table = matrix.with_names(["猫", "Vogel", "é"]).unwrap().to_string();
        let expected = "
        predicted
 true      猫  Vogel      é
   猫       1      0      0
Vogel       0      1      1
    é       0      0      1
";
        assert_eq!(table, expected[1..]);
    }

    #[test]
    fn wide_counts_widen_the_columns() {
        let matrix = ConfusionMatrix { counts: vec![123_456, 0, 7, 89], names: vec!["0".into(), "1".into()] };
        let expected = "
       predicted
true        0       1
   0   123456       0
   1        7      89
";
        assert_eq!(matrix.to_string(), expected[1..]);
    }

    #[test]
    fn undefined_scores_are_zero() {
        // Class 1 is never predicted, class 2 never present.
        let matrix = ConfusionMatrix::from_labels(&[0, 1], &[0, 2], 4).unwrap();
        let [_, one, two, three] = matrix.class_scores()[..] else { panic!("four classes") };
        assert_eq!((one.scores.precision, one.predicted, one.support), (0.0, 0, 1));
        assert_eq!((two.scores.recall, two.predicted, two.support), (0.0, 1, 0));
        assert_eq!(three.scores, Scores::default());

        let single = ConfusionMatrix::from_labels(&[1, 1], &[1, 1], 2).unwrap();
        assert_eq!((single.accuracy(), single.matthews(), single.kappa()), (1.0, 0.0, 0.0));
    }

    #[test]
    fn refuses_bad_input() {
        let message = |truth, predicted, classes| {
            ConfusionMatrix::from_labels(truth, predicted, classes).unwrap_err().to_string()
        };
        assert_eq!(message(&[0, 1], &[0], 2), "confusion matrix: 2 true values but 1 predicted ones");
        assert_eq!(message(&[], &[], 2), "confusion matrix: 0 items given, at least 1 needed");
        assert_eq!(
            message(&[0, 1], &[0, 2], 2),
            "confusion matrix: item 1 has label 2, but there are 2 classes (0 to 1)"
        );
        assert_eq!(message(&[0], &[0], 0), "confusion matrix: item 0 has label 0, but there are 0 classes (0 to 0)");
        let unnamed = ConfusionMatrix::from_labels(&[0], &[0], 2).unwrap().with_names(["a"]).unwrap_err();
        assert_eq!(unnamed.to_string(), "confusion matrix: number of names must be the number of classes, 2, got 1");
    }
}
