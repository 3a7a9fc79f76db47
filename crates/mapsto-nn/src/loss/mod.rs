//! Losses: structs with PyTorch's settings and defaults. How the losses of the elements become one is their `reduction`.

mod classification;
mod ctc;
mod margin;
mod penalty;
mod probability;
mod ranking;
mod regression;

pub use classification::{BceLoss, BceWithLogitsLoss, CrossEntropyLoss, DiceLoss, FocalLoss, NllLoss};
pub use ctc::CtcLoss;
pub use mapsto_tensor::LossReduction;
pub use margin::{HingeLoss, MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss, SoftMarginLoss};
pub use penalty::{l1_penalty, l2_penalty};
pub use probability::{GaussianNllLoss, KlDivLoss, KlReduction, PoissonNllLoss};
pub use ranking::{
    ContrastiveLoss, CosineEmbeddingLoss, HingeEmbeddingLoss, MarginRankingLoss, TripletMarginLoss, WassersteinLoss,
};
pub use regression::{HuberLoss, L1Loss, MseLoss, PinballLoss, SmoothL1Loss};

use mapsto_tensor::{Error, Result, Tensor};
use std::panic::Location;

/// The losses of the elements as the reduction says.
#[track_caller]
fn reduce(op: &'static str, losses: Tensor, reduction: LossReduction) -> Result<Tensor> {
    if reduction == LossReduction::Mean {
        expect_some(op, &losses)?;
    }
    reduction.apply(&losses)
}

/// Fails where there is nothing to take the mean of: it would be NaN, and with it all weights.
#[track_caller]
fn expect_some(op: &'static str, losses: &Tensor) -> Result<()> {
    if losses.numel() > 0 {
        return Ok(());
    }
    Err(Error::shape(format!("losses {} have no mean", losses.shape()))
        .op(op)
        .at(Location::caller())
        .mend("leave empty batches out, or choose LossReduction::Sum"))
}

/// Fails unless both have one shape (a loss that broadcasts is seldom meant) and the input holds floats.
#[track_caller]
fn expect_pair(op: &'static str, input: &Tensor, target: &Tensor) -> Result<()> {
    let at = Location::caller();
    if input.shape() != target.shape() {
        return Err(Error::shape(format!("input {} and target {} differ in shape", input.shape(), target.shape()))
            .op(op)
            .at(at)
            .mend("reshape one of them"));
    }
    if !input.dtype().is_float() {
        return Err(Error::dtype(format!("the input holds {}, not floats", input.dtype()))
            .op(op)
            .at(at)
            .mend("convert with to_dtype(DType::F32) first"));
    }
    Ok(())
}

/// Fails unless `what` broadcasts to the input's shape without enlarging it.
#[track_caller]
fn expect_broadcast(op: &'static str, what: &str, given: &Tensor, input: &Tensor) -> Result<()> {
    if input.shape().broadcast(given.shape()).is_ok_and(|shape| shape == *input.shape()) {
        return Ok(());
    }
    Err(Error::shape(format!("the {what} {} does not broadcast to the input {}", given.shape(), input.shape()))
        .op(op)
        .at(Location::caller()))
}
