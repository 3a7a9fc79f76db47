//! The loss of label sequences whose places in time are not known.

use super::{LossReduction, reduce};
use mapsto_tensor::ops::CtcOptions;
use mapsto_tensor::{DType, Error, Result, Tensor};
use std::panic::Location;

/// Connectionist temporal classification (Graves et al., 2006): the negative log-likelihood of label sequences, summed over
/// all alignments. See [`Tensor::ctc_loss`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CtcLoss {
    /// The class that stands for no label.
    pub blank: usize,
    /// Whether the infinite loss of a target that no alignment gives, and its gradient, count as zero.
    pub zero_infinity: bool,
    /// How losses become one; before a mean each is divided by the length of its target.
    pub reduction: LossReduction,
}

impl CtcLoss {
    /// The loss of log-probabilities `[time, batch, classes]`, labels `[batch, labels]` or one sequence after another
    /// `[sum]`, and the lengths of both `[batch]`; or of one sequence `[time, classes]`, labels `[labels]`, and lengths
    /// without axes.
    ///
    /// # Errors
    /// Shapes that do not fit; lengths that are too great; labels that are no classes, or the blank; an empty batch.
    #[track_caller]
    pub fn forward(
        &self,
        log_probs: &Tensor,
        targets: &Tensor,
        input_lengths: &Tensor,
        target_lengths: &Tensor,
    ) -> Result<Tensor> {
        let one = log_probs.rank() == 2;
        let mut inputs = [log_probs, targets, input_lengths, target_lengths].map(Tensor::clone);
        if let Some(given) = inputs[1..].iter().find(|given| !given.dtype().is_integer()) {
            return Err(Error::dtype(format!("labels and lengths are integers, not {}", given.dtype()))
                .op("CtcLoss")
                .at(Location::caller())
                .mend("convert with to_dtype(DType::I64) first"));
        }
        for (i, input) in inputs.iter_mut().enumerate() {
            if i > 0 {
                *input = input.to_dtype(DType::I64)?;
            }
            if one {
                *input = input.unsqueeze((i == 0) as isize)?;
            }
        }
        let [log_probs, targets, input_lengths, target_lengths] = &inputs;
        let options = CtcOptions { blank: self.blank, zero_infinity: self.zero_infinity };
        let mut losses = log_probs.ctc_loss(targets, input_lengths, target_lengths, options)?;
        if self.reduction == LossReduction::Mean {
            losses = losses.div(target_lengths.maximum(1)?.to_dtype(losses.dtype())?)?;
        }
        reduce("CtcLoss", if one { losses.squeeze(&[0])? } else { losses }, self.reduction)
    }
}
