//! Cross entropy of logits with classes as targets.

use crate::backend::CrossEntropyTask;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::grad::{GradOptions, enable_grad, grad};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Op, Outputs, Specs, apply, composed, expect_float, expect_inputs,
    expect_same_dtype,
};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// `-ln softmax(x)` at the target's class, of logits `[n, classes, ...]` or `[classes]` and targets `i64` of the same
/// shape without the classes; optionally a third input, a weight for each class.
///
/// Gives two outputs of the targets' shape: the loss, and the weight of the target's class (zero where it is ignored), by
/// whose sum a mean divides. With `w` the weights, `t` the target, `K` classes and `s` the smoothing (Szegedy et al.
/// 2016), the loss is `-(1 - s) w_t ln p_t - s / K Σ w_c ln p_c`.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy {
    /// Whether the input holds logarithms of probabilities already, instead of logits.
    pub log_probabilities: bool,
    /// The target that counts nothing.
    pub ignore_index: i64,
    /// The share of each target that is spread over all classes.
    pub smoothing: f64,
}

/// How the losses of the elements become the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossReduction {
    /// Not at all: a loss for each.
    None,
    /// Their mean, weighted where weights are given.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl LossReduction {
    /// The losses as it says.
    ///
    /// # Errors
    /// Losses that are truth values.
    #[track_caller]
    pub fn apply(self, losses: &Tensor) -> Result<Tensor> {
        match self {
            LossReduction::None => Ok(losses.clone()),
            LossReduction::Mean => losses.mean(),
            LossReduction::Sum => losses.sum(),
        }
    }
}

/// Settings of [`Tensor::cross_entropy`].
#[derive(Clone)]
pub struct CrossEntropyOptions {
    /// A weight for each class.
    pub weight: Option<Tensor>,
    /// The target that counts nothing: -100.
    pub ignore_index: i64,
    /// The share of each target that is spread over all classes: 0.
    pub smoothing: f64,
    /// How losses become one: their mean.
    pub reduction: LossReduction,
}

impl Default for CrossEntropyOptions {
    fn default() -> Self {
        CrossEntropyOptions { weight: None, ignore_index: -100, smoothing: 0.0, reduction: LossReduction::Mean }
    }
}

/// The axis of the classes.
pub(crate) fn class_axis(logits: &Shape) -> usize {
    (logits.rank() > 1) as usize
}

impl CrossEntropy {
    /// The kernels' task; `lse` is none where it is not needed.
    fn task<'a>(&self, inputs: &'a [Tensor], lse: Option<&'a Tensor>) -> CrossEntropyTask<'a> {
        CrossEntropyTask {
            logits: &inputs[0],
            targets: &inputs[1],
            weight: inputs.get(2),
            lse,
            ignore: self.ignore_index,
            smoothing: self.smoothing,
        }
    }
}

/// The same numbers in a type that the kernels compute in; targets as they are.
fn wide(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { x.detach().to_dtype(x.dtype().to_wide()) } else { Ok(x.clone()) }
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        if self.log_probabilities { "nll_loss" } else { "cross_entropy" }
    }

    fn attributes(&self) -> Attributes {
        vec![
            ("log_probabilities", self.log_probabilities.into()),
            ("ignore_index", self.ignore_index.into()),
            ("smoothing", self.smoothing.into()),
        ]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        if inputs.len() != 3 {
            expect_inputs(inputs, 2)?;
        }
        let (logits, targets) = (inputs[0], inputs[1]);
        expect_float(&inputs[..1])?;
        if targets.dtype != DType::I64 {
            return Err(Error::dtype(format!("targets are i64 class numbers, not {}", targets.dtype))
                .mend("convert with to_dtype(DType::I64) first"));
        }
        if logits.shape.rank() == 0 {
            return Err(
                Error::shape("a scalar has no axis of classes").mend("logits are [n, classes, ...] or [classes]")
            );
        }
        let axis = class_axis(&logits.shape);
        let wanted = logits.shape.reduced(&[axis], false);
        if targets.shape != wanted {
            let (logits, targets) = (logits.shape, targets.shape);
            return Err(Error::shape(format!("targets {targets} do not fit logits {logits}: they must be {wanted}"))
                .mend("classes are axis 1 of the logits"));
        }
        if let Some(weight) = inputs.get(2) {
            expect_same_dtype(&[logits, *weight])?;
            if weight.shape != Shape::new(&[logits.shape[axis]])? {
                let (weight, classes) = (weight.shape, logits.shape[axis]);
                return Err(Error::shape(format!("the weights {weight} are not one for each of {classes} classes")));
            }
        }
        if !(0.0..=1.0).contains(&self.smoothing) {
            return Err(Error::argument(format!("the smoothing {} is outside 0..=1", self.smoothing)));
        }
        Ok(smallvec![logits.with_shape(wanted), logits.with_shape(wanted)])
    }

    fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs> {
        let (backend, dtype) = (inputs[0].backend(), inputs[0].dtype());
        let inputs = inputs.iter().map(|input| wide(input)).collect::<Result<Vec<_>>>()?;
        let lse = match self.log_probabilities {
            true => None,
            false => Some(backend.logsumexp(&inputs[0], class_axis(inputs[0].shape()))?),
        };
        let outputs = backend.cross_entropy(&self.task(&inputs, lse.as_ref()))?;
        if let Some(lse) = lse {
            cx.save(lse);
        }
        outputs.iter().map(|output| backend.cast(output, dtype)).collect()
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let inputs = (0..cx.num_inputs()).map(|i| cx.input(i)).collect::<Result<Vec<_>>>()?;
        if cx.needs(2) {
            return self.vjp_with_weights(cx, &inputs);
        }
        let (backend, dtype) = (inputs[0].backend(), inputs[0].dtype());
        let inputs = inputs.iter().map(wide).collect::<Result<Vec<_>>>()?;
        let lse = if self.log_probabilities { None } else { Some(cx.saved(0)?) };
        let gradient = backend.cross_entropy_gradient(&self.task(&inputs, lse.as_ref()), &wide(&cx.grad(0)?)?)?;
        inputs
            .iter()
            .enumerate()
            .map(|(i, _)| (i == 0).then(|| backend.cast(&gradient, dtype)).transpose())
            .collect::<Result<_>>()
    }

    fn composed(&self, inputs: &[Tensor]) -> Result<Option<Outputs>> {
        let (logits, axis) = (&inputs[0], class_axis(inputs[0].shape()));
        let log_p = if self.log_probabilities { logits.clone() } else { logits.log_softmax(axis as isize)? };
        let classes = logits.shape()[axis];
        let mut along = vec![1; logits.rank() - axis];
        along[0] = classes;
        let targets = inputs[1].unsqueeze(axis as isize)?;
        let counts = targets.ne(self.ignore_index)?;
        let hot = targets.eq(Tensor::arange(0, classes as i64, 1)?.reshape(along.clone())?)?.logical_and(&counts)?;
        let weight = match inputs.get(2) {
            Some(weight) => weight.clone(),
            None => Tensor::ones(classes, logits.dtype())?,
        };
        let weight = weight.reshape(along)?;
        let weighted = log_p.mul(&weight)?.neg()?;
        let sum = |x: Tensor| x.sum_axes(&[axis as isize], false);
        let mut losses = sum(hot.where_(&weighted, 0)?)?.mul(1.0 - self.smoothing)?;
        if self.smoothing > 0.0 {
            losses = losses.add(sum(counts.where_(&weighted, 0)?)?.mul(self.smoothing / classes as f64)?)?;
        }
        Ok(Some(smallvec![losses, sum(hot.where_(&weight, 0)?)?]))
    }
}

impl CrossEntropy {
    /// All gradients through the composed form: weights that are learnt are rare.
    fn vjp_with_weights(&self, cx: &Backward<'_>, inputs: &[Tensor]) -> Result<Cotangents> {
        let leaf = |t: &Tensor| if t.dtype().is_float() { t.variable() } else { Ok(t.clone()) };
        let leaves = inputs.iter().map(leaf).collect::<Result<Vec<_>>>()?;
        let Some(outputs) = enable_grad(|| self.composed(&leaves))? else { return Ok(smallvec![None; 3]) };
        let cotangents = [cx.grad(0)?, cx.grad(1)?];
        let (outputs, cotangents) = ([&outputs[0], &outputs[1]], [&cotangents[0], &cotangents[1]]);
        let found = grad(&outputs, Some(&cotangents), &[&leaves[0], &leaves[2]], GradOptions::default())?;
        let [logits, weight] = [found[0].clone(), found[1].clone()];
        Ok(smallvec![logits, None, weight])
    }
}

impl Registered for CrossEntropy {
    fn cases() -> Vec<Case> {
        let plain = CrossEntropy { log_probabilities: false, ignore_index: -100, smoothing: 0.0 };
        let smooth = CrossEntropy { ignore_index: 1, smoothing: 0.2, ..plain };
        let nll = |op: CrossEntropy| CrossEntropy { log_probabilities: true, ..op };
        let samples: [(CrossEntropy, &[usize], bool); 14] = [
            (plain, &[5], false),
            (plain, &[1, 1], false),
            (plain, &[6, 7], false),
            (plain, &[3, 40], true),
            (smooth, &[9, 4], true),
            (smooth, &[9, 4], false),
            (smooth, &[2, 3, 4, 5], true),
            (plain, &[2, 3, 70], false),
            (plain, &[0, 3], true),
            (plain, &[2, 3, 0], false),
            (nll(plain), &[6, 7], true),
            (nll(smooth), &[2, 3, 4], true),
            (nll(smooth), &[6, 3], false),
            (CrossEntropy { ignore_index: 0, ..plain }, &[4, 1], false),
        ];
        let case = |(i, (op, sizes, weighted)): (usize, &(CrossEntropy, &[usize], bool))| {
            let mut g = Gen::new(i as u64);
            let axis = (sizes.len() > 1) as usize;
            let positions = [&sizes[..axis], &sizes[axis + 1..]].concat();
            let mut inputs = vec![g.tensor(sizes, -3.0, 3.0), g.integers(&positions, sizes[axis])];
            if *weighted {
                inputs.push(g.tensor(&[sizes[axis]], 0.2, 2.0));
            }
            Case::new(*op, inputs)
        };
        samples.iter().enumerate().map(case).collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, targets) = (&inputs[0], &inputs[1]);
        let axis = (x.sizes.len() > 1) as usize;
        let classes = x.sizes[axis];
        let weight = |class: usize| inputs.get(2).map_or(1.0, |weight| weight.data[class]);
        let value = |index: &[usize], class: usize| {
            let mut place = index.to_vec();
            place.insert(axis, class);
            x.at(&place)
        };
        let target =
            |index: &[usize]| Some(targets.at(index)).filter(|&t| t != self.ignore_index as f64).map(|t| t as usize);
        let loss = |index: &[usize]| {
            let Some(target) = target(index) else { return 0.0 };
            let sum: f64 = (0..classes).map(|class| value(index, class).exp()).sum();
            let ln = |class: usize| value(index, class) - if self.log_probabilities { 0.0 } else { sum.ln() };
            let all: f64 = (0..classes).map(|class| weight(class) * ln(class)).sum();
            -(1.0 - self.smoothing) * weight(target) * ln(target) - self.smoothing / classes as f64 * all
        };
        vec![
            Array::from_fn(&targets.sizes, loss),
            Array::from_fn(&targets.sizes, |index| target(index).map_or(0.0, weight)),
        ]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        CrossEntropy {
            log_probabilities: g.bool(),
            ignore_index: g.pick(&[-100, 0, 1, i64::MIN]),
            smoothing: g.pick(&[0.0, 0.0, 0.1, 1.0, -1.0, f64::NAN]),
        }
    }
}

impl Tensor {
    /// The cross entropy of these logits, `[n, classes, ...]` or `[classes]`, with targets: class numbers in the same
    /// shape without the classes, or probabilities in the same shape. See [`CrossEntropy`]; with probabilities `q` it is
    /// `-Σ w_c ((1 - s) q_c + s / K) ln p_c`, and the mean is over their number.
    ///
    /// # Errors
    /// Targets of another shape; a number that is no class; weights that are not one for each class.
    #[track_caller]
    pub fn cross_entropy(&self, targets: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
        if targets.dtype().is_float() {
            return composed("cross_entropy", || self.soft_cross_entropy(targets, options));
        }
        self.hard_cross_entropy(targets, options, false)
    }

    /// As [`Tensor::cross_entropy`] with class numbers, of logarithms of probabilities: the negative log likelihood.
    ///
    /// # Errors
    /// Those of [`Tensor::cross_entropy`].
    #[track_caller]
    pub fn nll_loss(&self, targets: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
        self.hard_cross_entropy(targets, options, true)
    }

    #[track_caller]
    fn hard_cross_entropy(&self, targets: &Tensor, options: &CrossEntropyOptions, log_p: bool) -> Result<Tensor> {
        let (ignore_index, smoothing) = (options.ignore_index, options.smoothing);
        let op = CrossEntropy { log_probabilities: log_p, ignore_index, smoothing };
        let targets = if targets.dtype().is_integer() { targets.to_dtype(DType::I64)? } else { targets.clone() };
        let inputs: Vec<&Tensor> = [self, &targets].into_iter().chain(&options.weight).collect();
        let outputs = apply(op, &inputs)?;
        let losses = &outputs[0];
        if options.reduction != LossReduction::Mean {
            return options.reduction.apply(losses);
        }
        let learnt = options.weight.as_ref().is_some_and(Tensor::is_tracked);
        let weights = if learnt { outputs[1].clone() } else { outputs[1].detach() };
        // The sums of halves need not fit their type.
        let wide = losses.dtype().to_wide();
        losses.to_dtype(wide)?.sum()?.div(weights.to_dtype(wide)?.sum()?)?.to_dtype(losses.dtype())
    }

    #[track_caller]
    fn soft_cross_entropy(&self, targets: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
        expect_float(&[self.spec()])?;
        let shape = self.shape();
        if targets.shape() != shape || shape.rank() == 0 {
            return Err(Error::shape(format!("probabilities {} do not fit logits {shape}", targets.shape()))
                .mend("give class numbers as i64, or one probability for each logit"));
        }
        if !(0.0..=1.0).contains(&options.smoothing) {
            return Err(Error::argument(format!("the smoothing {} is outside 0..=1", options.smoothing)));
        }
        let axis = class_axis(shape);
        let classes = shape[axis] as f64;
        let mut targets = targets.to_dtype(self.dtype())?;
        if options.smoothing > 0.0 {
            targets = targets.mul(1.0 - options.smoothing)?.add(options.smoothing / classes)?;
        }
        if let Some(weight) = &options.weight {
            if weight.shape()[..] != [shape[axis]] {
                let (weight, classes) = (weight.shape(), shape[axis]);
                return Err(Error::shape(format!("the weights {weight} are not one for each of {classes} classes")));
            }
            let mut along = vec![1; shape.rank() - axis];
            along[0] = shape[axis];
            targets = targets.mul(weight.reshape(along)?)?;
        }
        let losses = self.log_softmax(axis as isize)?.mul(targets)?.sum_axes(&[axis as isize], false)?.neg()?;
        options.reduction.apply(&losses)
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<CrossEntropy>()]
}
