//! Losses that are zero (or small) where the right class leads by a margin.

use super::{LossReduction, reduce, same_shape};
use mapsto_tensor::{DType, Error, Result, Tensor};
use std::panic::Location;

/// `ln(1 + e^(-y x))` of scores and truths of -1 or 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoftMarginLoss {
    /// How losses become one.
    pub reduction: LossReduction,
}

impl SoftMarginLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        same_shape("SoftMarginLoss", input, target)?;
        reduce(input.mul(target)?.log_sigmoid()?.neg()?, self.reduction)
    }
}

/// `Σ max(0, margin - x[y] + x[i])ᵖ / classes` over the classes `i` other than the right one `y`: the hinge loss of many
/// classes (Crammer and Singer, 2001).
#[derive(Clone)]
pub struct MultiMarginLoss {
    /// The power, 1 or 2.
    pub p: u32,
    /// By how much the right class must lead.
    pub margin: f64,
    /// A weight for each class.
    pub weight: Option<Tensor>,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for MultiMarginLoss {
    fn default() -> MultiMarginLoss {
        MultiMarginLoss { p: 1, margin: 1.0, weight: None, reduction: LossReduction::Mean }
    }
}

/// Scores `[batch, classes]` or `[classes]` and their targets as a batch.
#[track_caller]
fn batched(op: &'static str, input: &Tensor, target: &Tensor, target_rank: usize) -> Result<(Tensor, Tensor)> {
    let as_batch = match input.rank() {
        1 => (input.unsqueeze(0)?, target.unsqueeze(0)?),
        _ => (input.clone(), target.clone()),
    };
    let (scores, targets) = (as_batch.0.shape(), as_batch.1.shape());
    let fits = scores.rank() == 2 && targets.rank() == target_rank && targets[..] == scores[..target_rank];
    if fits && !target.dtype().is_float() {
        return Ok(as_batch);
    }
    let message = format!("scores {} and targets {} of {}", input.shape(), target.shape(), target.dtype());
    Err(Error::shape(message)
        .op(op)
        .at(Location::caller())
        .mend("give scores [batch, classes] and class numbers of integers"))
}

impl MultiMarginLoss {
    /// The loss of scores `[batch, classes]` and class numbers `[batch]`, or `[classes]` and one number.
    ///
    /// # Errors
    /// Shapes that do not fit; a class number that is not one; another power.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (x, y) = batched("MultiMarginLoss", input, target, 1)?;
        if !(1..=2).contains(&self.p) {
            let message = format!("the power must be 1 or 2, got {}", self.p);
            return Err(Error::argument(message).op("MultiMarginLoss").at(Location::caller()));
        }
        let classes = x.shape()[1];
        let y = y.unsqueeze(1)?;
        let short = x.sub(x.gather(1, &y)?)?.add(self.margin)?.maximum(0)?;
        let mut terms = if self.p == 2 { short.square()? } else { short };
        if let Some(weight) = &self.weight {
            terms = terms.mul(weight.index_select(0, &y.squeeze(&[1])?)?.unsqueeze(1)?)?;
        }
        let others = y.ne(Tensor::arange(0i64, classes as i64, 1)?)?.to_dtype(x.dtype())?;
        let losses = terms.mul(others)?.sum_axes(&[1], false)?.div(classes.max(1) as f64)?;
        reduce(if input.rank() == 1 { losses.squeeze(&[0])? } else { losses }, self.reduction)
    }
}

/// `Σ max(0, 1 - x[j] + x[i]) / classes` over the right classes `j` and the wrong classes `i`. The targets of a sample are
/// its class numbers, up to the first negative one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MultiLabelMarginLoss {
    /// How losses become one.
    pub reduction: LossReduction,
}

impl MultiLabelMarginLoss {
    /// The loss of scores and class numbers, both `[batch, classes]` or `[classes]`.
    ///
    /// # Errors
    /// Shapes that do not fit; a class number that is not one.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (x, y) = batched("MultiLabelMarginLoss", input, target, 2)?;
        let classes = x.shape()[1];
        let given = y.ge(0)?.to_dtype(DType::I64)?.cumprod(1)?.to_dtype(x.dtype())?;
        let y = y.to_dtype(DType::I64)?.maximum(0)?;
        let right = Tensor::zeros(*x.shape(), x.dtype())?.scatter_max(1, &y, &given)?;
        let lead = x.gather(1, &y)?.unsqueeze(2)?.sub(x.unsqueeze(1)?)?;
        let short = lead.neg()?.add(1)?.maximum(0)?;
        let counted = given.unsqueeze(2)?.mul(right.neg()?.add(1)?.unsqueeze(1)?)?;
        let losses = short.mul(counted)?.sum_axes(&[1, 2], false)?.div(classes.max(1) as f64)?;
        reduce(if input.rank() == 1 { losses.squeeze(&[0])? } else { losses }, self.reduction)
    }
}

/// The mean over classes (the last axis) of the cross entropy of logits with truths of 0 or 1.
#[derive(Clone, Default)]
pub struct MultiLabelSoftMarginLoss {
    /// A weight for each class.
    pub weight: Option<Tensor>,
    /// How the samples' losses become one.
    pub reduction: LossReduction,
}

impl MultiLabelSoftMarginLoss {
    /// The loss of equal shapes `[..., classes]`.
    ///
    /// # Errors
    /// Shapes that differ; no axis.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let weight = self.weight.as_ref();
        let losses = input.binary_cross_entropy_with_logits(target, weight, None, LossReduction::None)?;
        reduce(losses.mean_axes(&[-1], false)?, self.reduction)
    }
}
