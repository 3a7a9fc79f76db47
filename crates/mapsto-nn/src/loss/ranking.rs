//! Losses of how things lie to each other.

use super::{LossReduction, expect_pair, expect_some, reduce};
use crate::layers::PairwiseDistance;
use mapsto_tensor::{Result, Tensor};

/// `max(0, margin - y (x1 - x2))`: with `y` = 1 the first should be greater, with -1 the second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MarginRankingLoss {
    /// By how much.
    pub margin: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl MarginRankingLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input1: &Tensor, input2: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("MarginRankingLoss", input1, input2)?;
        expect_pair("MarginRankingLoss", input1, target)?;
        reduce("MarginRankingLoss", input2.sub(input1)?.mul(target)?.add(self.margin)?.clamp_min(0.0)?, self.reduction)
    }
}

/// A distance `x` itself where `y` is 1, and `max(0, margin - x)` where it is not (-1).
#[derive(Clone, Debug, PartialEq)]
pub struct HingeEmbeddingLoss {
    /// How far apart the unlike should be.
    pub margin: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for HingeEmbeddingLoss {
    fn default() -> HingeEmbeddingLoss {
        HingeEmbeddingLoss { margin: 1.0, reduction: LossReduction::Mean }
    }
}

impl HingeEmbeddingLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("HingeEmbeddingLoss", input, target)?;
        let apart = input.neg()?.add(self.margin)?.clamp_min(0.0)?;
        reduce("HingeEmbeddingLoss", target.eq(1)?.where_(input, apart)?, self.reduction)
    }
}

/// The product of two vectors, the last axis.
#[track_caller]
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.mul(b)?.sum_axes(&[-1], false)
}

/// `1 - cos` where `y` is 1, and `max(0, cos - margin)` where it is not (-1), of the cosine between vectors (the last axis).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CosineEmbeddingLoss {
    /// The greatest cosine that the unlike may have.
    pub margin: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl CosineEmbeddingLoss {
    /// The loss of vectors `[batch, size]` or `[size]`, and truths `[batch]` or one.
    ///
    /// # Errors
    /// Shapes that do not fit.
    #[track_caller]
    pub fn forward(&self, input1: &Tensor, input2: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("CosineEmbeddingLoss", input1, input2)?;
        // PyTorch's guard: added to the squared lengths.
        let squares = product(input1, input1)?.add(1e-12)?.mul(product(input2, input2)?.add(1e-12)?)?;
        let cosine = product(input1, input2)?.div(squares.sqrt()?)?;
        expect_pair("CosineEmbeddingLoss", &cosine, target)?;
        let unlike = cosine.sub(self.margin)?.clamp_min(0.0)?;
        reduce("CosineEmbeddingLoss", target.eq(1)?.where_(cosine.neg()?.add(1)?, unlike)?, self.reduction)
    }
}

/// `max(0, d(anchor, positive) - d(anchor, negative) + margin)` (Schroff, Kalenichenko and Philbin, *FaceNet*, 2015).
#[derive(Clone, Debug, PartialEq)]
pub struct TripletMarginLoss {
    /// By how much the negative should be farther.
    pub margin: f64,
    /// Which norm the distance is.
    pub p: f64,
    /// Added to differences.
    pub eps: f64,
    /// Whether the distance from positive to negative counts where it is less (Balntas et al., *Learning Local Feature
    /// Descriptors with Triplets*, 2016).
    pub swap: bool,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for TripletMarginLoss {
    fn default() -> TripletMarginLoss {
        TripletMarginLoss { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: LossReduction::Mean }
    }
}

impl TripletMarginLoss {
    /// The loss of vectors of equal shapes `[..., size]`.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
        expect_pair("TripletMarginLoss", anchor, positive)?;
        expect_pair("TripletMarginLoss", anchor, negative)?;
        let distance = PairwiseDistance { p: self.p, eps: self.eps, keepdim: false };
        let near = distance.forward(anchor, positive)?;
        let mut far = distance.forward(anchor, negative)?;
        if self.swap {
            far = far.minimum(distance.forward(positive, negative)?)?;
        }
        reduce("TripletMarginLoss", near.sub(&far)?.add(self.margin)?.clamp_min(0.0)?, self.reduction)
    }
}

/// Half the squared distance of the like, and half the square of what the unlike lack to `margin` (Hadsell, Chopra and
/// LeCun, *Dimensionality Reduction by Learning an Invariant Mapping*, 2006).
#[derive(Clone, Debug, PartialEq)]
pub struct ContrastiveLoss {
    /// How far apart the unlike should be.
    pub margin: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for ContrastiveLoss {
    fn default() -> ContrastiveLoss {
        ContrastiveLoss { margin: 1.0, reduction: LossReduction::Mean }
    }
}

impl ContrastiveLoss {
    /// The loss of vectors `[..., size]`; the target `[...]` is 1 for the like and 0 for the unlike.
    ///
    /// # Errors
    /// Shapes that do not fit.
    #[track_caller]
    pub fn forward(&self, input1: &Tensor, input2: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("ContrastiveLoss", input1, input2)?;
        let distance = PairwiseDistance::default().forward(input1, input2)?;
        expect_pair("ContrastiveLoss", &distance, target)?;
        let apart = distance.neg()?.add(self.margin)?.clamp_min(0.0)?.square()?;
        reduce("ContrastiveLoss", target.eq(1)?.where_(distance.square()?, apart)?.mul(0.5)?, self.reduction)
    }
}

/// What a critic minimises: the mean score of generated samples less that of real ones (Arjovsky, Chintala and Bottou,
/// *Wasserstein GAN*, 2017). A generator minimises the negative mean score of its samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WassersteinLoss;

impl WassersteinLoss {
    /// The critic's loss.
    ///
    /// # Errors
    /// No scores.
    #[track_caller]
    pub fn critic(&self, real: &Tensor, generated: &Tensor) -> Result<Tensor> {
        expect_some("WassersteinLoss", real)?;
        expect_some("WassersteinLoss", generated)?;
        generated.mean()?.sub(real.mean()?)
    }

    /// The generator's loss.
    ///
    /// # Errors
    /// No scores.
    #[track_caller]
    pub fn generator(&self, generated: &Tensor) -> Result<Tensor> {
        expect_some("WassersteinLoss", generated)?;
        generated.mean()?.neg()
    }
}
