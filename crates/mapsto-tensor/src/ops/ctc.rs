//! Connectionist temporal classification.

use crate::backend::CtcArgs;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Op, Outputs, Specs, apply_one, expect_float, expect_inputs,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// The negative log-likelihood of label sequences whose places in time are not known (Graves et al., *Connectionist
/// Temporal Classification*, 2006): the logarithm of the sum over all alignments, `[N]`.
///
/// Inputs: log-probabilities `[T, N, C]`, labels of `i64` (`[N, S]`, or one sequence after another in one axis), how
/// many steps each sequence has `[N]`, and how many labels `[N]`. A target that no alignment gives has an infinite loss.
/// Gradients of gradients are not defined.
#[derive(Clone, Copy, Debug)]
pub struct Ctc {
    /// The class that stands for no label.
    pub blank: usize,
    /// Whether an infinite loss, and its gradient, count as zero.
    pub zero_infinity: bool,
}

/// The gradient of [`Ctc`]: from that of the losses `[N]` and the inputs of `Ctc` that of the log-probabilities.
#[derive(Clone, Copy, Debug)]
pub struct CtcBackward {
    /// The operation whose gradient this is.
    pub of: Ctc,
}

impl Ctc {
    fn args<'a>(&self, inputs: &[&'a Tensor]) -> CtcArgs<'a> {
        CtcArgs {
            log_probs: inputs[0],
            targets: inputs[1],
            input_lengths: inputs[2],
            target_lengths: inputs[3],
            blank: self.blank,
            zero_infinity: self.zero_infinity,
        }
    }
}

impl Op for Ctc {
    fn name(&self) -> &'static str {
        "ctc_loss"
    }

    fn attributes(&self) -> Attributes {
        vec![("blank", self.blank.into()), ("zero_infinity", self.zero_infinity.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 4)?;
        expect_float(&inputs[..1])?;
        let (log_probs, targets) = (inputs[0].shape, inputs[1].shape);
        let &[steps, sequences, classes] = &*log_probs else {
            return Err(Error::shape(format!("log-probabilities are [steps, sequences, classes], not {log_probs}")));
        };
        if self.blank >= classes {
            return Err(Error::index(format!("the blank {} is not one of {classes} classes", self.blank)));
        }
        if let Some(spec) = inputs[1..].iter().find(|spec| spec.dtype != DType::I64) {
            return Err(Error::dtype(format!("targets and lengths are i64, not {}", spec.dtype)));
        }
        if !(targets.rank() == 1 || (targets.rank() == 2 && targets[0] == sequences)) {
            return Err(Error::shape(format!(
                "targets of {sequences} sequences are [{sequences}, S] or [sum], not {targets}"
            )));
        }
        if let Some(lengths) = inputs[2..].iter().find(|spec| *spec.shape != [sequences]) {
            return Err(Error::shape(format!(
                "lengths of {sequences} sequences are [{sequences}], not {}",
                lengths.shape
            )));
        }
        // What the sums take.
        Shape::new(&[steps, targets[targets.rank() - 1].saturating_mul(2).saturating_add(5)])?;
        Ok(smallvec![Spec::new(Shape::new(&[sequences])?, inputs[0].dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().ctc(&self.args(inputs))?])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let inputs = (0..4).map(|i| cx.input(i)).collect::<Result<Vec<_>>>()?;
        let grad = cx.grad(0)?;
        let all: Vec<&Tensor> = std::iter::once(&grad).chain(&inputs).collect();
        Ok(smallvec![Some(apply_one(CtcBackward { of: *self }, &all)?), None, None, None])
    }
}

impl Op for CtcBackward {
    fn name(&self) -> &'static str {
        "ctc_loss_backward"
    }

    fn attributes(&self) -> Attributes {
        self.of.attributes()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, 5)?;
        let losses = self.of.infer(&inputs[1..])?[0];
        if inputs[0] != losses {
            return Err(Error::shape(format!("the gradient of the losses {losses:?} is {:?}", inputs[0])));
        }
        Ok(smallvec![inputs[1]])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        Ok(smallvec![inputs[0].backend().ctc_backward(&self.of.args(&inputs[1..]), inputs[0])?])
    }

    fn differentiable(&self) -> bool {
        false
    }

    fn vjp(&self, _cx: &Backward<'_>) -> Result<Cotangents> {
        Ok(smallvec![None; 5])
    }
}

/// Settings of [`Tensor::ctc_loss`]. PyTorch's defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct CtcOptions {
    /// The class that stands for no label.
    pub blank: usize,
    /// Whether an infinite loss, and its gradient, count as zero.
    pub zero_infinity: bool,
}

impl Tensor {
    /// The CTC losses `[N]` of these log-probabilities `[T, N, C]`: see [`Ctc`]. What PyTorch calls the mean divides each
    /// loss by the length of its target first (at least one).
    ///
    /// # Errors
    /// Shapes or types that do not fit; lengths that are too great; labels outside the classes, or the blank.
    #[track_caller]
    pub fn ctc_loss(
        &self,
        targets: &Tensor,
        input_lengths: &Tensor,
        target_lengths: &Tensor,
        options: CtcOptions,
    ) -> Result<Tensor> {
        let op = Ctc { blank: options.blank, zero_infinity: options.zero_infinity };
        apply_one(op, &[self, targets, input_lengths, target_lengths])
    }
}

/// Inputs of a case: log-probabilities that need not add up to one, labels, and lengths.
fn samples() -> Vec<(Ctc, Vec<Tensor>)> {
    let plain = Ctc { blank: 0, zero_infinity: false };
    let sample = |op: Ctc, sizes: [usize; 3], labels: (&[i64], &[usize]), inputs: &[i64], targets: &[i64]| {
        let integers =
            |list: &[i64], sizes: &[usize]| Tensor::from_slice(list, sizes).expect("as many as the sizes say");
        let count = [sizes[1]];
        let log_probs = Gen::new(sizes[0] as u64).tensor(&sizes, -2.0, 0.0);
        let lengths = [integers(inputs, &count), integers(targets, &count)];
        (op, [log_probs, integers(labels.0, labels.1)].into_iter().chain(lengths).collect())
    };
    vec![
        sample(plain, [1, 1, 2], (&[1], &[1, 1]), &[1], &[1]),
        sample(plain, [5, 2, 3], (&[1, 2, 2, 2], &[2, 2]), &[5, 4], &[2, 2]),
        sample(Ctc { blank: 2, ..plain }, [4, 3, 3], (&[0, 1, 1, 0, 1], &[5]), &[4, 2, 3], &[2, 1, 2]),
        sample(plain, [3, 2, 3], (&[1, 0, 2, 0], &[2, 2]), &[3, 0], &[1, 0]),
        sample(plain, [2, 2, 3], (&[1, 1, 2, 1], &[2, 2]), &[2, 2], &[2, 2]),
        sample(Ctc { zero_infinity: true, ..plain }, [2, 2, 3], (&[1, 1, 2, 1], &[2, 2]), &[2, 2], &[2, 2]),
        sample(plain, [3, 0, 2], (&[], &[0, 2]), &[], &[]),
        sample(plain, [3, 1, 2], (&[], &[1, 0]), &[3], &[0]),
    ]
}

/// For each sequence its loss, and for each step and class the share of the alignments that emit it, by going through
/// every path there is.
fn by_enumeration(op: &Ctc, inputs: &[Array]) -> Vec<(f64, Vec<f64>)> {
    let [log_probs, targets, input_lengths, target_lengths] = [0, 1, 2, 3].map(|i| &inputs[i]);
    let (steps, classes) = (log_probs.sizes[0], log_probs.sizes[2]);
    let mut first = 0;
    let mut sequence = |n: usize| {
        let count = target_lengths.data[n] as usize;
        let begin = if targets.sizes.len() == 2 { n * targets.sizes[1] } else { first };
        first += count;
        let labels: Vec<usize> = targets.data[begin..begin + count].iter().map(|&label| label as usize).collect();
        let length = input_lengths.data[n] as usize;
        let (mut total, mut shares) = (0.0, vec![0.0; steps * classes]);
        for number in 0..classes.pow(length as u32) {
            let path: Vec<usize> = (0..length).map(|t| number / classes.pow(t as u32) % classes).collect();
            let mut spelt = path.clone();
            spelt.dedup();
            spelt.retain(|&class| class != op.blank);
            if spelt == labels {
                let p = path.iter().enumerate().map(|(t, &c)| log_probs.at(&[t, n, c])).sum::<f64>().exp();
                total += p;
                path.iter().enumerate().for_each(|(t, &c)| shares[t * classes + c] += p);
            }
        }
        shares[..length * classes].iter_mut().for_each(|share| *share /= total);
        if total == 0.0 && op.zero_infinity {
            return (0.0, vec![0.0; steps * classes]);
        }
        (-total.ln(), shares)
    };
    (0..log_probs.sizes[1]).map(&mut sequence).collect()
}

impl Registered for Ctc {
    const SECOND_ORDER: bool = false;

    fn cases() -> Vec<Case> {
        samples().into_iter().map(|(op, inputs)| Case::new(op, inputs)).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let data: Vec<f64> = by_enumeration(self, inputs).into_iter().map(|(loss, _)| loss).collect();
        vec![Array { sizes: vec![data.len()], data }]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        Ctc { blank: g.below(4), zero_infinity: g.bool() }
    }
}

impl Registered for CtcBackward {
    fn cases() -> Vec<Case> {
        let case = |(of, inputs): (Ctc, Vec<Tensor>)| {
            let grad = Gen::new(3).tensor(&[inputs[2].numel()], -1.0, 1.0);
            Case::new(CtcBackward { of }, std::iter::once(grad).chain(inputs))
        };
        samples().into_iter().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let all = by_enumeration(&self.of, &inputs[1..]);
        let classes = inputs[1].sizes[2];
        let share = |index: &[usize]| all[index[1]].1[index[0] * classes + index[2]];
        vec![Array::from_fn(&inputs[1].sizes, |index| -inputs[0].data[index[1]] * share(index))]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        CtcBackward { of: Ctc::arbitrary(g) }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Ctc>(), Entry::of::<CtcBackward>()]
}
