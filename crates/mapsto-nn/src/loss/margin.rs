//! Losses that are zero (or small) where the right class leads by a margin.

use super::{LossReduction, expect_pair, reduce};
use mapsto_tensor::{DType, Error, Result, Tensor, no_grad};
use std::panic::Location;

/// `max(0, margin - y x)` of scores and truths of -1 or 1: the loss of support vector machines (Cortes and Vapnik,
/// *Support-Vector Networks*, 1995).
#[derive(Clone, Debug, PartialEq)]
pub struct HingeLoss {
    /// By how much a score must lie on the right side.
    pub margin: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for HingeLoss {
    fn default() -> HingeLoss {
        HingeLoss { margin: 1.0, reduction: LossReduction::Mean }
    }
}

impl HingeLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ; scores that are not floats; no scores.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("HingeLoss", input, target)?;
        reduce("HingeLoss", input.mul(target)?.neg()?.add(self.margin)?.relu()?, self.reduction)
    }
}

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
        expect_pair("SoftMarginLoss", input, target)?;
        reduce("SoftMarginLoss", input.mul(target)?.log_sigmoid()?.neg()?, self.reduction)
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

/// Scores `[batch, classes]` or `[classes]` and their targets (as `i64`) as a batch.
#[track_caller]
fn batched(op: &'static str, input: &Tensor, target: &Tensor, target_rank: usize) -> Result<(Tensor, Tensor)> {
    let at = Location::caller();
    let (scores, targets) = match input.rank() {
        1 => (input.unsqueeze(0)?, target.unsqueeze(0)?),
        _ => (input.clone(), target.clone()),
    };
    let fits =
        scores.rank() == 2 && targets.rank() == target_rank && targets.shape()[..] == scores.shape()[..target_rank];
    if !fits {
        let wanted = if target_rank == 1 { "[batch]" } else { "[batch, classes]" };
        return Err(Error::shape(format!("scores {} and targets {} do not fit", input.shape(), target.shape()))
            .op(op)
            .at(at)
            .mend(format!("give scores [batch, classes] and class numbers {wanted}")));
    }
    if !scores.dtype().is_float() || !target.dtype().is_integer() {
        let message = format!("scores are floats and targets integers, not {} and {}", input.dtype(), target.dtype());
        return Err(Error::dtype(message).op(op).at(at).mend("convert with to_dtype first"));
    }
    Ok((scores, targets.to_dtype(DType::I64)?))
}

/// Fails where a class number is none of `0..classes`.
#[track_caller]
fn expect_classes(op: &'static str, targets: &Tensor, classes: usize) -> Result<()> {
    let end = classes as i64;
    let outside = no_grad(|| targets.lt(0)?.logical_or(targets.ge(end)?)?.any()?.item::<bool>())?;
    if !outside {
        return Ok(());
    }
    let found = targets.to_vec::<i64>()?.into_iter().find(|class| !(0..end).contains(class)).unwrap_or_default();
    Err(Error::index(format!("the target {found} is none of {classes} classes, counted from 0"))
        .op(op)
        .at(Location::caller()))
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
        expect_classes("MultiMarginLoss", &y, classes)?;
        let y = y.unsqueeze(1)?;
        let short = x.sub(x.gather(1, &y)?)?.add(self.margin)?.relu()?;
        let mut terms = if self.p == 2 { short.square()? } else { short };
        if let Some(weight) = &self.weight {
            if weight.shape()[..] != [classes] {
                let message = format!("the weights {} are not one for each of {classes} classes", weight.shape());
                return Err(Error::shape(message).op("MultiMarginLoss").at(Location::caller()));
            }
            terms = terms.mul(weight.index_select(0, &y.squeeze(&[1])?)?.unsqueeze(1)?)?;
        }
        let others = y.ne(Tensor::arange(0i64, classes as i64, 1)?)?.to_dtype(x.dtype())?;
        let losses = terms.mul(others)?.sum_axes(&[1], false)?.div(classes.max(1) as f64)?;
        let losses = if input.rank() == 1 { losses.squeeze(&[0])? } else { losses };
        reduce("MultiMarginLoss", losses, self.reduction)
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
        let y = y.maximum(0)?;
        expect_classes("MultiLabelMarginLoss", &y, classes)?;
        let right = Tensor::zeros(*x.shape(), x.dtype())?.scatter_max(1, &y, &given)?;
        let lead = x.gather(1, &y)?.unsqueeze(2)?.sub(x.unsqueeze(1)?)?;
        let short = lead.neg()?.add(1)?.relu()?;
        let counted = given.unsqueeze(2)?.mul(right.neg()?.add(1)?.unsqueeze(1)?)?;
        let losses = short.mul(counted)?.sum_axes(&[1, 2], false)?.div(classes.max(1) as f64)?;
        let losses = if input.rank() == 1 { losses.squeeze(&[0])? } else { losses };
        reduce("MultiLabelMarginLoss", losses, self.reduction)
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
        expect_pair("MultiLabelSoftMarginLoss", input, target)?;
        let weight = self.weight.as_ref();
        let losses = input.binary_cross_entropy_with_logits(target, weight, None, LossReduction::None)?;
        reduce("MultiLabelSoftMarginLoss", losses.mean_axes(&[-1], false)?, self.reduction)
    }
}
