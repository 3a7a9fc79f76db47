//! Losses: structs with PyTorch's settings and defaults. How the losses of the elements become one is their `reduction`.

mod classification;
mod margin;
mod probability;
mod ranking;
mod regression;

pub use classification::{BceLoss, BceWithLogitsLoss, CrossEntropyLoss, DiceLoss, FocalLoss, NllLoss};
pub use mapsto_tensor::LossReduction;
pub use margin::{MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss, SoftMarginLoss};
pub use probability::{GaussianNllLoss, KlDivLoss, KlReduction, PoissonNllLoss};
pub use ranking::{
    ContrastiveLoss, CosineEmbeddingLoss, HingeEmbeddingLoss, MarginRankingLoss, TripletMarginLoss, WassersteinLoss,
};
pub use regression::{HuberLoss, L1Loss, MseLoss, SmoothL1Loss};

use mapsto_tensor::{Error, Result, Tensor};
use std::panic::Location;

/// The losses of the elements as the reduction says.
#[track_caller]
fn reduce(losses: Tensor, reduction: LossReduction) -> Result<Tensor> {
    match reduction {
        LossReduction::None => Ok(losses),
        LossReduction::Mean => losses.mean(),
        LossReduction::Sum => losses.sum(),
    }
}

/// Fails unless both have one shape: a loss that broadcasts is seldom meant.
#[track_caller]
fn same_shape(op: &'static str, input: &Tensor, target: &Tensor) -> Result<()> {
    if input.shape() == target.shape() {
        return Ok(());
    }
    Err(Error::shape(format!("input {} and target {} differ in shape", input.shape(), target.shape()))
        .op(op)
        .at(Location::caller())
        .mend("reshape one of them"))
}
