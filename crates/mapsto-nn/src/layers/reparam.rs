//! Weights that are computed from other parameters.

use crate::{Buffer, Init, Mode, Module, Node, Param, Parametrization};
use mapsto_tensor::{Error, Result, Shape, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The parameter of this name.
fn find(module: &impl Module, name: &str) -> Result<Param> {
    let all = module.named_parameters();
    let found = all.iter().find(|(own, _)| own == name).map(|(_, param)| param.clone());
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        Error::argument(format!("no parameter is named {name:?}")).mend(format!("the names are {}", names.join(", ")))
    })
}

/// The kind of the module whose field the parameter of this name is.
fn owner(module: &impl Module, name: &str) -> &'static str {
    let place = name.rsplit_once('.').map_or("", |(place, _)| place);
    let mut kind = module.kind();
    module.walk(&mut |path, node| match node {
        Node::Module(found) if path == place => kind = found.kind(),
        _ => {}
    });
    kind
}

fn check_axis(shape: &Shape, dim: usize) -> Result<()> {
    if dim < shape.rank() {
        return Ok(());
    }
    Err(Error::argument(format!("the parameter {shape} has no axis {dim}")))
}

/// The lengths of the slices of `x` along an axis, or of the whole.
fn lengths(x: &Tensor, dim: Option<usize>) -> Result<Tensor> {
    let squares = x.square()?;
    match dim {
        // An axis alone is its own slices.
        Some(_) if x.rank() == 1 => x.abs(),
        Some(dim) => {
            let others: Vec<isize> = (0..x.rank()).filter(|&axis| axis != dim).map(|axis| axis as isize).collect();
            squares.sum_axes(&others, true)?.sqrt()
        }
        None => squares.sum()?.sqrt(),
    }
}

/// Length and direction of a weight.
#[derive(Module)]
struct WeightNorm {
    /// The direction: first, since the length's first value is computed from it.
    original1: Param,
    /// The length.
    original0: Param,
    dim: Option<usize>,
}

impl Parametrization for WeightNorm {
    fn value(&self) -> Result<Tensor> {
        let (length, direction) = (self.original0.get()?, self.original1.get()?);
        direction.mul(length.div(lengths(&direction, self.dim)?)?)
    }
}

/// Lets the parameter of this name be `g v / |v|`, whose length `g` and direction `v` are learned apart (Salimans and
/// Kingma, *Weight Normalization*, 2016): with `dim`, a length for each slice along this axis (0: each output of a layer),
/// without, one for all. They are named `parametrizations.<name>.original0` and `original1`.
///
/// ```
/// use mapsto_nn::{Layer, Linear, Module, weight_norm};
///
/// let layer = weight_norm(Linear::new(3, 2)?, "weight", Some(0))?.init(1)?;
/// let names: Vec<String> = layer.state_dict()?.into_keys().collect();
/// assert_eq!(names, ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
///
/// # Errors
/// A name or axis that is not there.
#[track_caller]
pub fn weight_norm<M: Module>(module: M, name: &str, dim: Option<usize>) -> Result<M> {
    composed("weight_norm", || {
        let param = find(&module, name)?;
        let mut sizes = Vec::new();
        if let Some(dim) = dim {
            check_axis(param.shape(), dim)?;
            sizes.extend(param.shape().iter().enumerate().map(|(axis, &size)| if axis == dim { size } else { 1 }));
        }
        param.parametrize(|original1| {
            let direction = original1.clone();
            let original0 = Param::computed(&original1, sizes, move |_| lengths(&direction.get()?.detach(), dim))?;
            Ok(WeightNorm { original1, original0, dim })
        })
    })?;
    Ok(module)
}

/// Settings of [`spectral_norm`], named as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectralNormConfig {
    /// Steps of the power iteration for each value asked for in training.
    pub n_power_iterations: usize,
    /// Least length that is divided by.
    pub eps: f64,
    /// The axis of outputs; if not given 1 for transposed convolutions, 0 for everything else.
    pub dim: Option<usize>,
}

impl Default for SpectralNormConfig {
    fn default() -> SpectralNormConfig {
        SpectralNormConfig { n_power_iterations: 1, eps: 1e-12, dim: None }
    }
}

/// A weight over its greatest singular value.
#[derive(Module)]
struct SpectralNorm {
    original: Param,
    #[module(name = "0")]
    vectors: Option<SingularVectors>,
    #[module(skip)]
    config: SpectralNormConfig,
    dim: usize,
}

/// The singular vectors that belong to it, as far as they are known.
#[derive(Module)]
struct SingularVectors {
    /// Of the right: first, since the left one's first value is computed from it.
    #[module(name = "_v")]
    right: Buffer,
    #[module(name = "_u")]
    left: Buffer,
    mode: Mode,
}

/// `x` with length one.
fn normalised(x: &Tensor, eps: f64) -> Result<Tensor> {
    x.div(lengths(x, None)?.maximum(eps)?)
}

/// A weight as `[outputs, rest]`.
fn matrix(weight: &Tensor, dim: usize) -> Result<Tensor> {
    let mut axes: Vec<isize> = (0..weight.rank() as isize).collect();
    axes[..=dim].rotate_right(1);
    weight.permute(&axes)?.flatten(1, -1)
}

/// A step of the power iteration: the left vector from the right one, and a better right one.
fn step(matrix: &Tensor, right: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
    let left = normalised(&matrix.matmul(right)?, eps)?;
    let right = normalised(&left.matmul(matrix)?, eps)?;
    Ok((left, right))
}

impl Parametrization for SpectralNorm {
    fn value(&self) -> Result<Tensor> {
        let weight = self.original.get()?;
        let Some(vectors) = &self.vectors else { return normalised(&weight, self.config.eps) };
        let matrix = matrix(&weight, self.dim)?;
        if vectors.mode.is_training() {
            for _ in 0..self.config.n_power_iterations {
                let (left, right) = step(&matrix.detach(), &vectors.right.get()?, self.config.eps)?;
                vectors.left.set(&left)?;
                vectors.right.set(&right)?;
            }
        }
        weight.div(vectors.left.get()?.matmul(&matrix.matmul(&vectors.right.get()?)?)?)
    }
}

/// Lets the parameter of this name be divided by its greatest singular value, as a matrix of outputs and all the rest
/// (Miyato et al., *Spectral Normalization for Generative Adversarial Networks*, 2018); a vector by its length. In training
/// each use of it is a step of the power iteration that finds the value. What is learned is named
/// `parametrizations.<name>.original`, the vectors `parametrizations.<name>.0._u` and `_v`.
///
/// ```
/// use mapsto_nn::{Linear, Module, SpectralNormConfig, spectral_norm};
///
/// let layer = spectral_norm(Linear::new(3, 2)?, "weight", SpectralNormConfig::default())?.init(1)?;
/// assert_eq!(layer.named_parameters()[0].0, "parametrizations.weight.original");
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
///
/// # Errors
/// A name or axis that is not there; no steps.
#[track_caller]
pub fn spectral_norm<M: Module>(module: M, name: &str, config: SpectralNormConfig) -> Result<M> {
    composed("spectral_norm", || {
        let param = find(&module, name)?;
        let dim = config.dim.unwrap_or(usize::from(owner(&module, name).starts_with("ConvTranspose")));
        check_axis(param.shape(), dim)?;
        if config.n_power_iterations == 0 {
            return Err(Error::argument("n_power_iterations is 0"));
        }
        param.parametrize(|original| {
            let vectors = if original.shape().rank() > 1 { Some(vectors(&original, dim, config.eps)?) } else { None };
            Ok(SpectralNorm { original, vectors, config, dim })
        })
    })?;
    Ok(module)
}

fn vectors(original: &Param, dim: usize, eps: f64) -> Result<SingularVectors> {
    const FIRST_STEPS: usize = 15;
    let outputs = original.shape()[dim];
    let rest = original.shape().iter().enumerate().filter(|&(axis, _)| axis != dim).map(|(_, &size)| size).product();
    let weight = original.clone();
    let right = Buffer::computed(rest, original.dtype(), move |rng| {
        let matrix = matrix(&weight.get()?.detach(), dim)?;
        let start =
            Init::Normal { mean: 0.0, std: 1.0 }.tensor(&Shape::new(&[rest])?, rng)?.to_dtype(matrix.dtype())?;
        (0..FIRST_STEPS).try_fold(normalised(&start, eps)?, |right, _| Ok(step(&matrix, &right, eps)?.1))
    })?;
    let (weight, known) = (original.clone(), right.clone());
    let left = Buffer::computed(outputs, original.dtype(), move |_| {
        normalised(&matrix(&weight.get()?.detach(), dim)?.matmul(&known.get()?)?, eps)
    })?;
    Ok(SingularVectors { right, left, mode: Mode::default() })
}
