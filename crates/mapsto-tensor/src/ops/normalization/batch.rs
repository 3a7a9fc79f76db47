//! Normalisation of each channel over a batch.

use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply, apply_one, expect_float};
use crate::ops::normalization::{check_eps, check_inputs, plain_affine, plain_moments, with_affine};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// `(x - mean) / sqrt(variance + eps) * weight + bias` for each channel of `[N, C, ...]`, over all other axes (Ioffe and
/// Szegedy 2015). Inputs: `x`, and perhaps a weight and a bias `[C]`. Outputs: the result, the mean and the biased
/// variance `[C]`, for running statistics.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// What is added to the variance.
    pub eps: f64,
    /// The result is rectified, as [`Relu`](crate::ops::Relu) does it.
    pub relu: bool,
}

/// [`BatchNorm`] with given statistics. Inputs: `x`, mean and variance `[C]`, and perhaps a weight and a bias `[C]`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormInference {
    /// What is added to the variance.
    pub eps: f64,
    /// The result is rectified, as [`Relu`](crate::ops::Relu) does it.
    pub relu: bool,
}

/// The shape of what belongs to channels.
fn channels(shape: &Shape) -> Result<Shape> {
    if shape.rank() < 2 {
        return Err(Error::shape(format!("normalises the channels of [N, C, ...], not {shape}"))
            .mend("add a batch axis with unsqueeze(0)"));
    }
    Shape::new(&shape[1..2])
}

/// All axes but the channels.
fn other_axes(x: &Tensor) -> Vec<isize> {
    (0..x.rank() as isize).filter(|&axis| axis != 1).collect()
}

/// What belongs to channels, shaped to broadcast to `x`, in the type of its statistics.
fn spread(values: &Tensor, x: &Tensor) -> Result<Tensor> {
    let mut sizes = vec![1; x.rank() - 1];
    sizes[0] = values.numel();
    values.to_dtype(x.dtype().to_wide())?.reshape(sizes)
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn attributes(&self) -> Attributes {
        vec![("eps", self.eps.into()), ("relu", self.relu.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let Some(x) = inputs.first() else { return Err(Error::argument("takes an input, got none")) };
        check_eps(self.eps)?;
        let channels = channels(&x.shape)?;
        check_inputs(inputs, &channels, 3)?;
        if x.shape.numel() == 0 {
            return Err(Error::shape(format!("{} has no elements to take statistics of", x.shape)));
        }
        let statistics = Spec::new(channels, x.dtype.to_wide());
        Ok(smallvec![*x, statistics, statistics])
    }

    fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs> {
        let affine = [inputs.get(1).copied(), inputs.get(2).copied()];
        let [y, mean, variance, scale, slope] =
            inputs[0].backend().batch_norm(inputs[0], affine, self.eps, self.relu)?;
        cx.save(mean.clone());
        cx.save(scale);
        cx.save(slope);
        Ok(smallvec![y, mean, variance])
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let x = cx.input(0)?;
        let affine = |input: usize| (input < cx.num_inputs()).then(|| cx.input(input)).transpose();
        let (weight, bias) = (affine(1)?, affine(2)?);
        let (mean, scale, slope) = (cx.saved(0)?, cx.saved(1)?, cx.saved(2)?);
        let (affine, statistics) = ([weight.as_ref(), bias.as_ref()], [&mean, &scale, &slope]);
        let [mut dx, dweight, dbias] =
            x.backend().batch_norm_backward(&cx.grad(0)?, &x, affine, statistics, self.relu)?;
        // What comes through the statistics themselves: mean' = 1 / count, variance' = 2 (x - mean) / count.
        let one_over = x.shape()[1] as f64 / x.numel() as f64;
        let mut also = |more: Tensor| -> Result<()> {
            dx = dx.add(more.to_dtype(dx.dtype())?)?;
            Ok(())
        };
        if let Some(g) = cx.grad_if_any(1) {
            also(spread(&g.mul(one_over)?, &x)?)?;
        }
        if let Some(g) = cx.grad_if_any(2) {
            let apart = x.detach().to_dtype(g.dtype())?.sub(spread(&mean, &x)?)?;
            also(apart.mul(spread(&g.mul(2.0 * one_over)?, &x)?)?)?;
        }
        let mut all: Cotangents = smallvec![Some(dx)];
        for (input, gradient) in [(1, dweight), (2, dbias)] {
            if input < cx.num_inputs() {
                all.push(Some(gradient.to_dtype(cx.spec(input).dtype)?));
            }
        }
        Ok(all)
    }

    fn composed(&self, inputs: &[Tensor]) -> Result<Option<Outputs>> {
        let x = inputs[0].to_dtype(inputs[0].dtype().to_wide())?;
        let axes = other_axes(&x);
        let mean = x.mean_axes(&axes, true)?;
        let apart = x.sub(&mean)?;
        let variance = apart.square()?.mean_axes(&axes, true)?;
        let mut y = apart.div(variance.add(self.eps)?.sqrt()?)?;
        if let Some(weight) = inputs.get(1) {
            y = y.mul(spread(weight, &x)?)?;
        }
        if let Some(bias) = inputs.get(2) {
            y = y.add(spread(bias, &x)?)?;
        }
        if self.relu {
            y = y.relu()?;
        }
        let flat = |t: Tensor| t.reshape([x.shape()[1]]);
        Ok(Some(smallvec![y.to_dtype(inputs[0].dtype())?, flat(mean)?, flat(variance)?]))
    }
}

impl Op for BatchNormInference {
    fn name(&self) -> &'static str {
        "batch_norm_inference"
    }

    fn attributes(&self) -> Attributes {
        vec![("eps", self.eps.into()), ("relu", self.relu.into())]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        if !(3..=5).contains(&inputs.len()) {
            return Err(Error::argument(format!("takes three to five inputs, got {}", inputs.len())));
        }
        expect_float(inputs)?;
        check_eps(self.eps)?;
        let x = inputs[0];
        let channels = channels(&x.shape)?;
        for (name, input) in [("mean", &inputs[1]), ("variance", &inputs[2])] {
            let fits = input.dtype == x.dtype || input.dtype == x.dtype.to_wide();
            if input.shape != channels || !fits {
                return Err(Error::shape(format!("the {name} {input} does not fit {x}: it must be {channels}")));
            }
        }
        check_inputs(&[&inputs[..1], &inputs[3..]].concat(), &channels, 3)?;
        Ok(smallvec![x])
    }

    fn forward(&self, inputs: &[&Tensor], _cx: &mut Forward) -> Result<Outputs> {
        let affine = [inputs.get(3).copied(), inputs.get(4).copied()];
        let backend = inputs[0].backend();
        Ok(smallvec![backend.channel_affine(inputs[0], inputs[1], inputs[2], affine, self.eps, self.relu)?])
    }

    fn keeps(&self) -> Keeps {
        Keeps { outputs: self.relu, ..Keeps::INPUTS }
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let x = cx.input(0)?;
        let wide = x.dtype().to_wide();
        let g = if self.relu { cx.output(0)?.gt(0)?.where_(cx.grad(0)?, 0)? } else { cx.grad(0)? };
        let g = g.to_dtype(wide)?;
        let axes = other_axes(&x);
        let scale = cx.input(2)?.to_dtype(wide)?.add(self.eps)?.sqrt()?;
        let weight = if cx.num_inputs() > 3 { Some(cx.input(3)?.to_dtype(wide)?) } else { None };
        let weighted = |t: Tensor| match &weight {
            Some(weight) => t.mul(weight),
            None => Ok(t),
        };
        let apart = || -> Result<Tensor> { x.to_dtype(wide)?.sub(spread(&cx.input(1)?, &x)?) };
        // Sums over each channel of g, and of g (x - mean) / scale.
        let sum = || g.sum_axes(&axes, false);
        let product = || g.mul(apart()?)?.sum_axes(&axes, false)?.div(&scale);
        let mut all: Cotangents = smallvec![None; cx.num_inputs()];
        for (input, slot) in all.iter_mut().enumerate() {
            if !cx.needs(input) {
                continue;
            }
            let gradient = match input {
                0 => g.mul(spread(&weighted(Tensor::ones(*scale.shape(), wide)?.div(&scale)?)?, &x)?)?,
                1 => weighted(sum()?.div(&scale)?.neg()?)?,
                2 => weighted(product()?.div(scale.square()?)?.mul(-0.5)?)?,
                3 => product()?,
                _ => sum()?,
            };
            *slot = Some(gradient.to_dtype(cx.spec(input).dtype)?);
        }
        Ok(all)
    }
}

/// Every way through the kernels: planes of one, below and above a row's lanes, of several segments; several blocks of
/// rows; a channel of several pieces.
const SIZES: [&[usize]; 11] = [
    &[5, 3],
    &[2, 3, 4],
    &[3, 2, 2, 3],
    &[2, 3, 40],
    &[1, 2, 6, 7],
    &[2, 1, 3, 4, 5],
    &[1, 1],
    &[300, 2],
    &[2, 600],
    &[130, 2, 33],
    &[1, 2, 17000],
];

fn inputs(g: &mut Gen, sizes: &[usize], statistics: bool, affine: usize) -> Vec<Tensor> {
    let mut all = vec![g.tensor(sizes, -2.0, 3.0)];
    if statistics {
        all.extend([g.tensor(&sizes[1..2], -1.0, 1.0), g.tensor(&sizes[1..2], 0.3, 1.7)]);
    }
    all.extend((0..affine).map(|_| g.tensor(&sizes[1..2], 0.3, 1.7)));
    all
}

/// Sizes of rectified results, and how many of weight and bias there are: planes by rows and by columns.
const RECTIFIED: [(&[usize], usize); 4] = [(&[6, 3], 2), (&[2, 3, 40], 2), (&[2, 3, 40], 1), (&[3, 2, 2, 3], 0)];

/// Inputs whose results lie away from zero, where a rectifier bends: half of each channel's elements are low, half are high.
fn apart(g: &mut Gen, sizes: &[usize], statistics: bool, affine: usize) -> Vec<Tensor> {
    let mut all = inputs(g, sizes, statistics, affine);
    let place = Tensor::arange(0, all[0].numel() as i64, 1).and_then(|all| all.remainder(2)?.mul(10.0)?.sub(5.0));
    let place = place.and_then(|place| place.reshape(sizes)?.to_dtype(all[0].dtype()));
    all[0] = place.and_then(|place| place.add(all[0].mul(0.1)?)).expect("numbers of these sizes");
    all
}

impl Registered for BatchNorm {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(33);
        let plain = BatchNorm { eps: 1e-2, relu: false };
        let all = SIZES.iter().flat_map(|&sizes| [0, 1, 2].map(move |affine| (sizes, affine)));
        let mut cases: Vec<Case> =
            all.map(|(sizes, affine)| Case::new(plain, inputs(&mut g, sizes, false, affine))).collect();
        cases.push(Case::new(plain, inputs(&mut g, &[9, 1, 16000], false, 2)));
        let relu = BatchNorm { relu: true, ..plain };
        cases.extend(RECTIFIED.map(|(sizes, affine)| Case::new(relu, apart(&mut g, sizes, false, affine))));
        cases
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let axes: Vec<usize> = (0..x.sizes.len()).filter(|&axis| axis != 1).collect();
        let mean = x.reduce(&axes, false, |values| plain_moments(values).0);
        let variance = x.reduce(&axes, false, |values| plain_moments(values).1);
        let y = Array::from_fn(&x.sizes, |index| {
            let c = &index[1..2];
            let normal = (x.at(index) - mean.at(c)) / (variance.at(c) + self.eps).sqrt();
            let y = normal * plain_affine(inputs, 1, c, 1.0) + plain_affine(inputs, 2, c, 0.0);
            if self.relu { y.max(0.0) } else { y }
        });
        vec![y, mean, variance]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        BatchNorm { eps: g.pick(&[1e-5, 0.0, -1.0, f64::NAN]), relu: g.pick(&[false, true]) }
    }
}

impl Registered for BatchNormInference {
    fn cases() -> Vec<Case> {
        let mut g = Gen::new(34);
        let sizes: [&[usize]; 5] = [&[5, 3], &[2, 3, 4], &[3, 2, 2, 3], &[0, 2, 3], &[2, 0, 3]];
        let all = sizes.iter().flat_map(|&sizes| [0, 1, 2].map(move |affine| (sizes, affine)));
        let plain = BatchNormInference { eps: 1e-2, relu: false };
        let mut cases: Vec<Case> =
            all.map(|(sizes, affine)| Case::new(plain, inputs(&mut g, sizes, true, affine))).collect();
        let relu = BatchNormInference { relu: true, ..plain };
        cases.extend(RECTIFIED.map(|(sizes, affine)| Case::new(relu, apart(&mut g, sizes, true, affine))));
        cases
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        vec![Array::from_fn(&x.sizes, |index| {
            let c = &index[1..2];
            let normal = (x.at(index) - inputs[1].at(c)) / (inputs[2].at(c) + self.eps).sqrt();
            let y = normal * plain_affine(inputs, 3, c, 1.0) + plain_affine(inputs, 4, c, 0.0);
            if self.relu { y.max(0.0) } else { y }
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        BatchNormInference { eps: g.pick(&[1e-5, 0.0, -1.0, f64::NAN]), relu: g.pick(&[false, true]) }
    }
}

impl Tensor {
    /// Batch normalisation of `[N, C, ...]` by its own statistics: the result, the mean and the biased variance of each
    /// channel. See [`BatchNorm`].
    ///
    /// # Errors
    /// Integers; nothing to normalise; a weight or bias that is not `[C]`.
    #[track_caller]
    pub fn batch_norm(
        &self,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        by_batch(BatchNorm { eps, relu: false }, self, weight, bias)
    }

    /// [`Tensor::batch_norm`], whose result is rectified in the same pass: what `relu` would make of it.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn batch_norm_relu(
        &self,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        by_batch(BatchNorm { eps, relu: true }, self, weight, bias)
    }

    /// Batch normalisation of `[N, C, ...]` by a given mean and variance of each channel. See [`BatchNormInference`].
    ///
    /// # Errors
    /// Integers; a mean, variance, weight or bias that is not `[C]`.
    #[track_caller]
    pub fn batch_norm_inference(
        &self,
        mean: &Tensor,
        variance: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        by_statistics(BatchNormInference { eps, relu: false }, self, [mean, variance], weight, bias)
    }

    /// [`Tensor::batch_norm_inference`], whose result is rectified in the same pass: what `relu` would make of it.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn batch_norm_inference_relu(
        &self,
        mean: &Tensor,
        variance: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        by_statistics(BatchNormInference { eps, relu: true }, self, [mean, variance], weight, bias)
    }
}

#[track_caller]
fn by_batch(
    op: BatchNorm,
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor)> {
    let inputs = with_affine(op.name(), x, || channels(x.shape()), weight, bias)?;
    let mut outputs = apply(op, &inputs.iter().collect::<Vec<_>>())?.into_iter();
    let mut next = || outputs.next().expect("three outputs");
    Ok((next(), next(), next()))
}

#[track_caller]
fn by_statistics(
    op: BatchNormInference,
    x: &Tensor,
    [mean, variance]: [&Tensor; 2],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let mut inputs = with_affine(op.name(), x, || channels(x.shape()), weight, bias)?;
    inputs.splice(1..1, [mean.clone(), variance.clone()]);
    apply_one(op, &inputs.iter().collect::<Vec<_>>())
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<BatchNorm>(), Entry::of::<BatchNormInference>()]
}
