//! Normalisation of each sample by itself: over its last axes, over groups of channels, by the root mean square.

use crate::backend::Rows;
use crate::error::{Error, Result};
use crate::op::{Attributes, Backward, Cotangents, Forward, Op, Outputs, Specs, apply_one, composed};
use crate::ops::normalization::{check_eps, check_inputs, plain_affine, plain_moments, with_affine};
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over the last axes (Ba et al. 2016). Inputs: `x`, and perhaps a
/// weight and a bias shaped as these axes.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    /// How many of the last axes.
    pub axes: usize,
    /// What is added to the variance.
    pub eps: f64,
}

/// `x / sqrt(mean(x^2) + eps) * weight` over the last axes (Zhang and Sennrich 2019). Inputs: `x`, and perhaps a weight
/// shaped as these axes.
#[derive(Clone, Copy, Debug)]
pub struct RmsNorm {
    /// How many of the last axes.
    pub axes: usize,
    /// What is added to the mean square.
    pub eps: f64,
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over each group of channels of each sample of `[N, C, ...]` (Wu and
/// He 2018). Inputs: `x`, and perhaps a weight and a bias `[C]`. As many groups as channels is instance normalisation.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm {
    /// Number of groups; it divides the channels.
    pub groups: usize,
    /// What is added to the variance.
    pub eps: f64,
}

/// The last axes of a shape, and its rows over them.
fn last_axes(shape: &Shape, axes: usize) -> Result<(Shape, Rows)> {
    let Some(lead) = shape.rank().checked_sub(axes).filter(|_| axes > 0) else {
        return Err(Error::argument(format!("{shape} has no {axes} last axes to normalise over")));
    };
    let last = Shape::new(&shape[lead..])?;
    let rows = Rows { samples: shape[..lead].iter().product(), groups: 1, cells: last.numel(), run: 1 };
    if rows.cells == 0 {
        return Err(Error::shape(format!("the last {axes} axes of {shape} have no elements")));
    }
    Ok((last, rows))
}

/// The shape of weights for the channels of a shape, and its rows.
fn groups(shape: &Shape, groups: usize) -> Result<(Shape, Rows)> {
    if shape.rank() < 2 {
        return Err(Error::shape(format!("normalises the channels of [N, C, ...], not {shape}")));
    }
    let channels = shape[1];
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(Error::argument(format!("{channels} channels of {shape} do not divide into {groups} groups")));
    }
    let rows = Rows { samples: shape[0], groups, cells: channels / groups, run: shape[2..].iter().product() };
    if rows.cells * rows.run == 0 {
        return Err(Error::shape(format!("the groups of {shape} have no elements")));
    }
    Ok((Shape::new(&[channels])?, rows))
}

fn forward(inputs: &[&Tensor], rows: Rows, eps: f64, centred: bool, cx: &mut Forward) -> Result<Outputs> {
    let affine = [inputs.get(1).copied(), inputs.get(2).copied()];
    let [y, mean, scale] = inputs[0].backend().row_norm(inputs[0], affine, rows, eps, centred)?;
    cx.save(mean);
    cx.save(scale);
    Ok(smallvec![y])
}

fn vjp(cx: &Backward<'_>, rows: Rows, centred: bool) -> Result<Cotangents> {
    let (x, g) = (cx.input(0)?, cx.grad(0)?);
    let weight = if cx.num_inputs() > 1 { Some(cx.input(1)?) } else { None };
    let statistics = [&cx.saved(0)?, &cx.saved(1)?];
    let [dx, dweight, dbias] = x.backend().row_norm_backward(&g, &x, weight.as_ref(), statistics, rows, centred)?;
    let mut all: Cotangents = smallvec![Some(dx)];
    for (input, blocks) in [(1, dweight), (2, dbias)] {
        if input < cx.num_inputs() {
            let spec = cx.spec(input);
            let sum = || blocks.sum_axes(&[0], false)?.reshape(spec.shape)?.to_dtype(spec.dtype);
            all.push(if cx.needs(input) { Some(sum()?) } else { None });
        }
    }
    Ok(all)
}

/// The same out of simpler operations: `x` normalised over all axes of `rows` but the first, times a weight and plus a
/// bias shaped to broadcast to `x`.
fn from_moments(
    inputs: &[Tensor],
    rows: [usize; 2],
    affine: &[usize],
    eps: f64,
    centred: bool,
) -> Result<Option<Outputs>> {
    let x = &inputs[0];
    let wide = x.dtype().to_wide();
    let flat = x.to_dtype(wide)?.reshape(rows)?;
    let apart = if centred { flat.sub(flat.mean_axes(&[1], true)?)? } else { flat };
    let scale = apart.square()?.mean_axes(&[1], true)?.add(eps)?.sqrt()?;
    let mut y = apart.div(scale)?.reshape(*x.shape())?;
    if let Some(weight) = inputs.get(1) {
        y = y.mul(weight.to_dtype(wide)?.reshape(affine)?)?;
    }
    if let Some(bias) = inputs.get(2) {
        y = y.add(bias.to_dtype(wide)?.reshape(affine)?)?;
    }
    Ok(Some(smallvec![y.to_dtype(x.dtype())?]))
}

/// Declares a normalisation of rows: its name, its setting and the rule that makes rows of a shape, how many inputs it
/// takes, whether the mean is taken off, and the shape in which weights broadcast.
macro_rules! row_norms {
    ($($name:ident, $method:literal, $setting:ident by $rule:ident, most $most:literal, centred $centred:literal,
       affine |$shape:ident, $weights:ident| $affine:expr;)*) => {$(
        impl Op for $name {
            fn name(&self) -> &'static str {
                $method
            }

            fn attributes(&self) -> Attributes {
                vec![(stringify!($setting), self.$setting.into()), ("eps", self.eps.into())]
            }

            fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
                let Some(x) = inputs.first() else { return Err(Error::argument("takes an input, got none")) };
                check_eps(self.eps)?;
                let (weights, _) = $rule(&x.shape, self.$setting)?;
                check_inputs(inputs, &weights, $most)?;
                Ok(smallvec![*x])
            }

            fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs> {
                let (_, rows) = $rule(inputs[0].shape(), self.$setting)?;
                forward(inputs, rows, self.eps, $centred, cx)
            }

            fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
                let (_, rows) = $rule(&cx.spec(0).shape, self.$setting)?;
                vjp(cx, rows, $centred)
            }

            fn composed(&self, inputs: &[Tensor]) -> Result<Option<Outputs>> {
                let $shape = inputs[0].shape();
                let ($weights, rows) = $rule($shape, self.$setting)?;
                let rows = [rows.samples * rows.groups, rows.cells * rows.run];
                from_moments(inputs, rows, &$affine, self.eps, $centred)
            }
        }
    )*};
}

row_norms! {
    LayerNorm, "layer_norm", axes by last_axes, most 3, centred true, affine |_shape, weights| weights;
    RmsNorm, "rms_norm", axes by last_axes, most 2, centred false, affine |_shape, weights| weights;
    GroupNorm, "group_norm", groups by groups, most 3, centred true,
        affine |shape, weights| [&weights[..], &vec![1; shape.rank() - 2]].concat();
}

/// The reference: rows of `len` elements; `weight_at` finds an element's weight.
fn reference(
    inputs: &[Array],
    len: usize,
    eps: f64,
    centred: bool,
    weight_at: impl Fn(&[usize]) -> Vec<usize>,
) -> Vec<Array> {
    let x = &inputs[0];
    let mut normal = x.clone();
    for row in normal.data.chunks_mut(len) {
        let (mean, variance) = match centred {
            true => plain_moments(row),
            false => (0.0, row.iter().map(|x| x * x).sum::<f64>() / len as f64),
        };
        row.iter_mut().for_each(|x| *x = (*x - mean) / (variance + eps).sqrt());
    }
    vec![Array::from_fn(&x.sizes, |index| {
        let at = weight_at(index);
        normal.at(index) * plain_affine(inputs, 1, &at, 1.0) + plain_affine(inputs, 2, &at, 0.0)
    })]
}

/// Inputs of `sizes` with `affine` of weight and bias of `weights`.
fn inputs(g: &mut Gen, sizes: &[usize], weights: &[usize], affine: usize) -> Vec<Tensor> {
    let mut all = vec![g.tensor(sizes, -2.0, 3.0)];
    all.extend((0..affine).map(|_| g.tensor(weights, 0.3, 1.7)));
    all
}

/// Sizes with a number of last axes: rows of one, shorter and longer than the lanes, of several leaves; several blocks.
const LAST: [(&[usize], usize); 9] = [
    (&[3, 7], 1),
    (&[2, 3, 5], 2),
    (&[4, 1], 1),
    (&[5], 1),
    (&[2, 33], 1),
    (&[3, 2, 64], 1),
    (&[0, 4], 1),
    (&[2, 4500], 1),
    (&[700, 3], 1),
];

fn last_cases(most: usize, case: impl Fn(usize, Vec<Tensor>) -> Case) -> Vec<Case> {
    let mut g = Gen::new(31);
    let all = LAST.iter().flat_map(|&last| (0..most).map(move |affine| (last, affine)));
    all.map(|((sizes, axes), affine)| case(axes, inputs(&mut g, sizes, &sizes[sizes.len() - axes..], affine))).collect()
}

impl Registered for LayerNorm {
    fn cases() -> Vec<Case> {
        last_cases(3, |axes, inputs| Case::new(LayerNorm { axes, eps: 1e-2 }, inputs))
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let lead = inputs[0].sizes.len() - self.axes;
        let len = inputs[0].sizes[lead..].iter().product();
        reference(inputs, len, self.eps, true, |index| index[lead..].to_vec())
    }

    fn arbitrary(g: &mut Gen) -> Self {
        LayerNorm { axes: g.below(5), eps: g.pick(&[1e-5, 0.0, -1.0, f64::NAN]) }
    }
}

impl Registered for RmsNorm {
    fn cases() -> Vec<Case> {
        last_cases(2, |axes, inputs| Case::new(RmsNorm { axes, eps: 1e-2 }, inputs))
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let lead = inputs[0].sizes.len() - self.axes;
        let len = inputs[0].sizes[lead..].iter().product();
        reference(inputs, len, self.eps, false, |index| index[lead..].to_vec())
    }

    fn arbitrary(g: &mut Gen) -> Self {
        RmsNorm { axes: g.below(5), eps: g.pick(&[1e-5, 0.0, f64::INFINITY]) }
    }
}

impl Registered for GroupNorm {
    fn cases() -> Vec<Case> {
        let samples: [(&[usize], usize); 9] = [
            (&[3, 6, 5], 2),
            (&[2, 4, 3, 3], 4),
            (&[2, 4, 3, 3], 1),
            (&[2, 6], 3),
            (&[1, 3, 40], 3),
            (&[2, 2, 7, 11], 1),
            (&[0, 4, 3], 2),
            (&[600, 2, 2], 2),
            (&[1, 2, 1], 1),
        ];
        let mut g = Gen::new(32);
        let all = samples.iter().flat_map(|&sample| [0, 1, 2].map(move |affine| (sample, affine)));
        all.map(|((sizes, groups), affine)| {
            Case::new(GroupNorm { groups, eps: 1e-2 }, inputs(&mut g, sizes, &sizes[1..2], affine))
        })
        .collect()
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let sizes = &inputs[0].sizes;
        let len = sizes[1..].iter().product::<usize>() / self.groups;
        reference(inputs, len, self.eps, true, |index| index[1..2].to_vec())
    }

    fn arbitrary(g: &mut Gen) -> Self {
        GroupNorm { groups: g.below(5), eps: g.pick(&[1e-5, 0.0, -1.0]) }
    }
}

impl Tensor {
    /// Layer normalisation over the last `axes` axes. See [`LayerNorm`].
    ///
    /// # Errors
    /// Integers; axes without elements; a weight or bias of another shape.
    #[track_caller]
    pub fn layer_norm(&self, axes: usize, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
        let inputs = with_affine("layer_norm", self, || Ok(last_axes(self.shape(), axes)?.0), weight, bias)?;
        apply_one(LayerNorm { axes, eps }, &inputs.iter().collect::<Vec<_>>())
    }

    /// Normalisation by the root mean square over the last `axes` axes. See [`RmsNorm`].
    ///
    /// # Errors
    /// Integers; axes without elements; a weight of another shape.
    #[track_caller]
    pub fn rms_norm(&self, axes: usize, weight: Option<&Tensor>, eps: f64) -> Result<Tensor> {
        let inputs: Vec<&Tensor> = [Some(self), weight].into_iter().flatten().collect();
        apply_one(RmsNorm { axes, eps }, &inputs)
    }

    /// Normalisation over groups of channels of `[N, C, ...]`. See [`GroupNorm`].
    ///
    /// # Errors
    /// Integers; channels that do not divide into the groups; a weight or bias of another shape.
    #[track_caller]
    pub fn group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let channels = || Shape::new(self.shape().get(1..2).unwrap_or_default());
        let inputs = with_affine("group_norm", self, channels, weight, bias)?;
        apply_one(GroupNorm { groups, eps }, &inputs.iter().collect::<Vec<_>>())
    }

    /// Normalisation of each channel of each sample of `[N, C, ...]` (Ulyanov et al. 2016): [`GroupNorm`] with as many
    /// groups as channels.
    ///
    /// # Errors
    /// Those of [`Tensor::group_norm`].
    #[track_caller]
    pub fn instance_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
        let groups = self.shape().get(1).copied().unwrap_or_default();
        composed("instance_norm", || self.group_norm(groups, weight, bias, eps))
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<LayerNorm>(), Entry::of::<RmsNorm>(), Entry::of::<GroupNorm>()]
}
