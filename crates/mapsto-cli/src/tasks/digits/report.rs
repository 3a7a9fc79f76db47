//! How well a network reads digits.

use super::data::{Part, logits};
use crate::failure::Failure;
use mapsto_data::Digits;
use mapsto_nn::Layer;
use mapsto_tensor::{CrossEntropyOptions, Tensor};
use mapsto_train::metrics::ConfusionMatrix;
use serde_json::{Value, json};
use std::fmt;

/// Loss and confusion matrix.
pub struct Evaluation {
    loss: f64,
    matrix: ConfusionMatrix,
}

impl Evaluation {
    /// Of a network on images with labels.
    pub fn of(model: &impl Layer, part: &Part) -> Result<Evaluation, Failure> {
        let logits = logits(model, &part.images)?;
        let target = Tensor::from_vec(part.labels.iter().map(|&label| label as i64).collect(), [part.len()])?;
        let loss = logits.cross_entropy(&target, &CrossEntropyOptions::default())?.item::<f32>()? as f64;
        let predicted: Vec<usize> =
            logits.argmax_axis(-1, false)?.to_vec::<i64>()?.into_iter().map(|class| class as usize).collect();
        let matrix = ConfusionMatrix::from_labels(&part.labels, &predicted, Digits::CLASSES)?;
        Ok(Evaluation { loss, matrix })
    }

    /// For a program.
    pub fn to_json(&self) -> Value {
        let classes = self.matrix.class_scores();
        let average = self.matrix.macro_average();
        let rows: Vec<&[u64]> = self.matrix.counts().chunks_exact(self.matrix.classes()).collect();
        json!({
            "accuracy": self.matrix.accuracy(),
            "loss": self.loss,
            "macro": { "precision": average.precision, "recall": average.recall, "f1": average.f1 },
            "classes": classes.iter().zip(self.matrix.names()).map(|(class, name)| json!({
                "label": name,
                "precision": class.scores.precision,
                "recall": class.scores.recall,
                "f1": class.scores.f1,
                "support": class.support,
            })).collect::<Vec<_>>(),
            "confusion": rows,
        })
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.matrix)?;
        writeln!(f, "{:>12}{:>12}{:>12}{:>12}{:>12}", "class", "precision", "recall", "F1", "images")?;
        let classes = self.matrix.class_scores();
        for (class, name) in classes.iter().zip(self.matrix.names()) {
            let s = class.scores;
            writeln!(f, "{name:>12}{:>12.3}{:>12.3}{:>12.3}{:>12}", s.precision, s.recall, s.f1, class.support)?;
        }
        let (mean, images) = (self.matrix.macro_average(), classes.iter().map(|class| class.support).sum::<u64>());
        writeln!(f, "{:>12}{:>12.3}{:>12.3}{:>12.3}{images:>12}", "mean", mean.precision, mean.recall, mean.f1)?;
        write!(f, "\naccuracy {:.2} %   loss {:.4}", self.matrix.accuracy() * 100.0, self.loss)
    }
}
