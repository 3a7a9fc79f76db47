//! Losses of scores or probabilities against classes.

use super::{LossReduction, expect_broadcast, expect_pair, expect_some, reduce};
use mapsto_tensor::{
    Backward, Cotangents, CrossEntropyOptions, Error, Forward, Op, Outputs, Result, Spec, Specs, Tensor, apply_one,
    expect_float, expect_inputs, expect_same_dtype, no_grad,
};
use std::panic::Location;

/// The cross entropy of logits with class numbers or class probabilities: the negative log-likelihood of a softmax.
/// See [`Tensor::cross_entropy`].
#[derive(Clone)]
pub struct CrossEntropyLoss {
    /// A weight for each class.
    pub weight: Option<Tensor>,
    /// The class number that counts nothing.
    pub ignore_index: i64,
    /// The share of each target that is spread over all classes (Szegedy et al., *Rethinking the Inception Architecture*,
    /// 2016).
    pub label_smoothing: f64,
    /// How losses become one; the mean is weighted where weights are given.
    pub reduction: LossReduction,
}

impl Default for CrossEntropyLoss {
    fn default() -> CrossEntropyLoss {
        CrossEntropyLoss { weight: None, ignore_index: -100, label_smoothing: 0.0, reduction: LossReduction::Mean }
    }
}

/// Fails where a mean is asked of an empty batch.
#[track_caller]
fn expect_mean(op: &'static str, input: &Tensor, reduction: LossReduction) -> Result<()> {
    if reduction == LossReduction::Mean { expect_some(op, input) } else { Ok(()) }
}

impl CrossEntropyLoss {
    /// The loss of logits `[batch, classes, ...]` or `[classes]`; targets are class numbers `[batch, ...]`, or
    /// probabilities of the logits' shape.
    ///
    /// # Errors
    /// Shapes that do not fit; a class number that is not one; the mean of an empty batch. (That of a batch whose targets
    /// are all ignored is NaN, as PyTorch's.)
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let options = CrossEntropyOptions {
            weight: self.weight.clone(),
            ignore_index: self.ignore_index,
            smoothing: self.label_smoothing,
            reduction: self.reduction,
        };
        expect_mean("CrossEntropyLoss", input, self.reduction)?;
        input.cross_entropy(target, &options)
    }
}

/// The negative log-likelihood of log-probabilities. See [`Tensor::nll_loss`].
#[derive(Clone)]
pub struct NllLoss {
    /// A weight for each class.
    pub weight: Option<Tensor>,
    /// The class number that counts nothing.
    pub ignore_index: i64,
    /// How losses become one; the mean is weighted where weights are given.
    pub reduction: LossReduction,
}

impl Default for NllLoss {
    fn default() -> NllLoss {
        NllLoss { weight: None, ignore_index: -100, reduction: LossReduction::Mean }
    }
}

impl NllLoss {
    /// The loss of log-probabilities `[batch, classes, ...]` or `[classes]` and class numbers `[batch, ...]`.
    ///
    /// # Errors
    /// Shapes that do not fit; a class number that is not one; the mean of an empty batch. (That of a batch whose targets
    /// are all ignored is NaN, as PyTorch's.)
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let options = CrossEntropyOptions {
            weight: self.weight.clone(),
            ignore_index: self.ignore_index,
            smoothing: 0.0,
            reduction: self.reduction,
        };
        expect_mean("NllLoss", input, self.reduction)?;
        input.nll_loss(target, &options)
    }
}

/// The cross entropy of logits with probabilities of the positive class. See
/// [`Tensor::binary_cross_entropy_with_logits`].
#[derive(Clone, Default)]
pub struct BceWithLogitsLoss {
    /// Weights that broadcast to the input.
    pub weight: Option<Tensor>,
    /// Weights of the positive class, that broadcast to the input.
    pub pos_weight: Option<Tensor>,
    /// The share by which targets are drawn towards one half.
    pub label_smoothing: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl BceWithLogitsLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("BceWithLogitsLoss", input, target)?;
        let smoothing = self.label_smoothing;
        if !(0.0..=1.0).contains(&smoothing) {
            let message = format!("the smoothing {smoothing} is outside 0..=1");
            return Err(Error::argument(message).op("BceWithLogitsLoss").at(Location::caller()));
        }
        let mut target = target.to_dtype(input.dtype())?;
        if smoothing > 0.0 {
            target = target.mul(1.0 - smoothing)?.add(0.5 * smoothing)?;
        }
        let (weight, pos_weight) = (self.weight.as_ref(), self.pos_weight.as_ref());
        let losses = input.binary_cross_entropy_with_logits(&target, weight, pos_weight, LossReduction::None)?;
        reduce("BceWithLogitsLoss", losses, self.reduction)
    }
}

/// The cross entropy of probabilities of the positive class. [`BceWithLogitsLoss`] is more precise.
#[derive(Clone, Default)]
pub struct BceLoss {
    /// Weights that broadcast to the input.
    pub weight: Option<Tensor>,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl BceLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ; a probability outside `[0, 1]`.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("BceLoss", input, target)?;
        let mut losses = apply_one(ProbabilityCrossEntropy, &[input, &target.to_dtype(input.dtype())?])?;
        if let Some(weight) = &self.weight {
            expect_broadcast("BceLoss", "weight", weight, input)?;
            losses = losses.mul(weight)?;
        }
        reduce("BceLoss", losses, self.reduction)
    }
}

/// `-(y ln x + (1 - y) ln(1 - x))`, logarithms at least -100, the gradient's denominator `x (1 - x)` at least 1e-12.
#[derive(Clone, Copy, Debug)]
struct ProbabilityCrossEntropy;

/// The logarithms of `x` and `1 - x`, held.
fn logarithms(x: &Tensor) -> Result<[Tensor; 2]> {
    Ok([x.ln()?.maximum(-100)?, x.neg()?.add(1)?.ln()?.maximum(-100)?])
}

impl Op for ProbabilityCrossEntropy {
    fn name(&self) -> &'static str {
        "BceLoss"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 2)?;
        expect_float(inputs)?;
        expect_same_dtype(inputs)?;
        if inputs[0].shape != inputs[1].shape {
            let (input, target) = (inputs[0].shape, inputs[1].shape);
            return Err(Error::shape(format!("input {input} and target {target} differ in shape")));
        }
        Ok(inputs[..1].iter().copied().collect())
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        no_grad(|| {
            let (x, y) = (inputs[0], inputs[1]);
            let inside = x.ge(0)?.logical_and(x.le(1)?)?;
            if !inside.all()?.item::<bool>()? {
                return Err(
                    Error::argument("a probability does not lie in [0, 1]").mend("use BceWithLogitsLoss for logits")
                );
            }
            let [yes, no] = logarithms(x)?;
            let loss = y.sub(1)?.mul(&no)?.sub(y.mul(&yes)?)?;
            Ok([loss].into_iter().collect())
        })
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let (x, y, g) = (cx.input(0)?, cx.input(1)?, cx.grad(0)?);
        let by_x = match cx.needs(0) {
            true => Some(g.mul(x.sub(&y)?.div(x.sub(x.square()?)?.maximum(1e-12)?)?)?),
            false => None,
        };
        let by_y = match cx.needs(1) {
            true => {
                let [yes, no] = logarithms(&x)?;
                Some(g.mul(no.sub(&yes)?)?)
            }
            false => None,
        };
        Ok([by_x, by_y].into_iter().collect())
    }
}

/// The cross entropy of logits with probabilities of the positive class, where what is right already counts little (Lin et
/// al., *Focal Loss for Dense Object Detection*, 2017, equation 5).
#[derive(Clone, Debug, PartialEq)]
pub struct FocalLoss {
    /// Weight of the positive class, one less it that of the negative; none weighs both alike.
    pub alpha: Option<f64>,
    /// How strongly what is right is discounted.
    pub gamma: f64,
    /// How losses become one.
    pub reduction: LossReduction,
}

impl Default for FocalLoss {
    fn default() -> FocalLoss {
        FocalLoss { alpha: Some(0.25), gamma: 2.0, reduction: LossReduction::Mean }
    }
}

impl FocalLoss {
    /// The loss of equal shapes.
    ///
    /// # Errors
    /// Shapes that differ.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("FocalLoss", input, target)?;
        let target = &target.to_dtype(input.dtype())?;
        let entropy = input.binary_cross_entropy_with_logits(target, None, None, LossReduction::None)?;
        // The probability of what is wrong: p + y - 2 p y.
        let p = input.sigmoid()?;
        let wrong = p.add(target)?.sub(p.mul(target)?.mul(2)?)?;
        let losses = entropy.mul(wrong.pow(self.gamma)?)?;
        let losses = match self.alpha {
            Some(alpha) => losses.mul(target.mul(2.0 * alpha - 1.0)?.add(1.0 - alpha)?)?,
            None => losses,
        };
        reduce("FocalLoss", losses, self.reduction)
    }
}

/// One less the overlap of probabilities and truth, `1 - (2 Σ x y + smooth) / (Σ xᵖ + Σ yᵖ + smooth)`, for each sample
/// (Milletari, Navab and Ahmadi, *V-Net*, 2016, with `p` = 2; many use 1).
#[derive(Clone, Debug, PartialEq)]
pub struct DiceLoss {
    /// Added above and below.
    pub smooth: f64,
    /// The power below.
    pub p: f64,
    /// How the samples' losses become one.
    pub reduction: LossReduction,
}

impl Default for DiceLoss {
    fn default() -> DiceLoss {
        DiceLoss { smooth: 1.0, p: 1.0, reduction: LossReduction::Mean }
    }
}

impl DiceLoss {
    /// The loss of equal shapes `[batch, ...]`.
    ///
    /// # Errors
    /// Shapes that differ; fewer than two axes.
    #[track_caller]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        expect_pair("DiceLoss", input, target)?;
        if input.rank() < 2 {
            let message = format!("needs a batch axis and others, got {}", input.shape());
            return Err(Error::shape(message).op("DiceLoss").at(Location::caller()));
        }
        let target = target.to_dtype(input.dtype())?;
        let total = |x: &Tensor| x.flatten(1, -1)?.sum_axes(&[1], false);
        let power = |x: &Tensor| if self.p == 1.0 { total(x) } else { total(&x.pow(self.p)?) };
        let both = total(&input.mul(&target)?)?.mul(2)?.add(self.smooth)?;
        let each = power(input)?.add(power(&target)?)?.add(self.smooth)?;
        reduce("DiceLoss", both.div(each)?.neg()?.add(1)?, self.reduction)
    }
}
