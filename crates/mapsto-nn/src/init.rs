//! First values of parameters.

use mapsto_tensor::{DType, Error, Result, Rng, Shape, Tensor, Writing, linalg};
use serde::{Deserialize, Serialize};

/// A rule for a parameter's first value. The value depends on the rule, the shape and the random stream alone.
///
/// Weights have the shape `[out, in, kernel...]`; `fan_in` is `in` times the kernel's size, `fan_out` is `out` times it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
    /// One number everywhere.
    Constant(f64),
    /// Uniform numbers in `[low, high)`.
    Uniform {
        /// Least number.
        low: f64,
        /// Bound above.
        high: f64,
    },
    /// Normal numbers.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// Normal numbers, those outside `[low, high]` drawn again.
    TruncatedNormal {
        /// Mean before truncation.
        mean: f64,
        /// Standard deviation before truncation.
        std: f64,
        /// Least number.
        low: f64,
        /// Greatest number.
        high: f64,
    },
    /// Variance `gain² * 2 / (fan_in + fan_out)` (Glorot and Bengio, *Understanding the Difficulty of Training Deep
    /// Feedforward Neural Networks*, 2010).
    Xavier {
        /// Factor of the deviation.
        gain: f64,
        /// Kind of distribution.
        distribution: Distribution,
    },
    /// Variance `gain² / fan` (He et al., *Delving Deep into Rectifiers*, 2015).
    Kaiming {
        /// Which fan.
        fan: Fan,
        /// What follows the layer: it gives the gain.
        nonlinearity: Nonlinearity,
        /// Kind of distribution.
        distribution: Distribution,
    },
    /// Variance `1 / fan_in` (LeCun et al., *Efficient BackProp*, 1998).
    LeCun {
        /// Kind of distribution.
        distribution: Distribution,
    },
    /// Rows or, if they are more, columns of the matrix `[out, in * kernel]` orthogonal to each other, of length `gain`
    /// (Saxe, McClelland and Ganguli, *Exact Solutions to the Nonlinear Dynamics of Learning*, 2014).
    Orthogonal {
        /// Length.
        gain: f64,
    },
    /// The identity matrix.
    Identity,
    /// The convolution that passes its input on: in each group channel `i` to channel `i`.
    Dirac {
        /// Groups into which the first axis falls.
        groups: usize,
    },
    /// Normal numbers, in each column this share set to zero (Martens, *Deep Learning via Hessian-Free Optimization*,
    /// 2010).
    Sparse {
        /// Share of zeros.
        sparsity: f64,
        /// Standard deviation of the others.
        std: f64,
    },
    /// As `of`, but one row is zero.
    ZeroRow {
        /// The row.
        row: usize,
        /// The rule of the others.
        of: Box<Init>,
    },
}

/// Kind of distribution of a given variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Uniform.
    Uniform,
    /// Normal.
    Normal,
}

/// What is counted of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fan {
    /// Inputs of an output: variance stays forward.
    In,
    /// Outputs of an input: variance stays backward.
    Out,
}

/// What follows a layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nonlinearity {
    /// Nothing, or a convolution.
    Linear,
    /// The logistic function.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// The rectifier.
    Relu,
    /// The rectifier with this slope below zero.
    LeakyRelu(f64),
    /// The scaled exponential unit.
    Selu,
}

impl Nonlinearity {
    /// The factor that keeps the variance through it.
    pub fn gain(self) -> f64 {
        match self {
            Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
            Nonlinearity::Tanh => 5.0 / 3.0,
            Nonlinearity::Relu => std::f64::consts::SQRT_2,
            Nonlinearity::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Nonlinearity::Selu => 0.75,
        }
    }
}

/// The numbers of inputs of an output and of outputs of an input of a weight.
///
/// # Errors
/// Fewer than two axes.
pub fn fans(shape: &Shape) -> Result<(usize, usize)> {
    if shape.rank() < 2 {
        return Err(Error::shape(format!("fans need a weight of two axes or more, got {shape}"))
            .mend("choose zeros, a constant, uniform or normal numbers for it"));
    }
    let kernel: usize = shape[2..].iter().product();
    Ok((shape[1] * kernel, shape[0] * kernel))
}

impl Init {
    /// Uniform numbers between `-bound` and `bound`.
    pub fn symmetric(bound: f64) -> Init {
        Init::Uniform { low: -bound, high: bound }
    }

    /// [`Init::Xavier`], uniform.
    pub fn xavier_uniform(gain: f64) -> Init {
        Init::Xavier { gain, distribution: Distribution::Uniform }
    }

    /// [`Init::Xavier`], normal.
    pub fn xavier_normal(gain: f64) -> Init {
        Init::Xavier { gain, distribution: Distribution::Normal }
    }

    /// [`Init::Kaiming`], uniform.
    pub fn kaiming_uniform(fan: Fan, nonlinearity: Nonlinearity) -> Init {
        Init::Kaiming { fan, nonlinearity, distribution: Distribution::Uniform }
    }

    /// [`Init::Kaiming`], normal.
    pub fn kaiming_normal(fan: Fan, nonlinearity: Nonlinearity) -> Init {
        Init::Kaiming { fan, nonlinearity, distribution: Distribution::Normal }
    }

    /// [`Init::LeCun`], uniform.
    pub fn lecun_uniform() -> Init {
        Init::LeCun { distribution: Distribution::Uniform }
    }

    /// [`Init::LeCun`], normal.
    pub fn lecun_normal() -> Init {
        Init::LeCun { distribution: Distribution::Normal }
    }

    /// A value of `f32` numbers.
    ///
    /// # Errors
    /// A shape or numbers that the rule does not take.
    pub fn tensor(&self, shape: &Shape, rng: &Rng) -> Result<Tensor> {
        let mut values = Writing::<f64>::filled(*shape, 0.0)?;
        self.fill(values.as_mut(), shape, &mut rng.clone())?;
        values.finish().to_dtype(DType::F32)
    }

    /// Writes the values over zeros.
    fn fill(&self, out: &mut [f64], shape: &Shape, rng: &mut Rng) -> Result<()> {
        let spread = |distribution, std: f64, out: &mut [f64], rng: &mut Rng| match distribution {
            Distribution::Uniform => uniform(out, -std * 3f64.sqrt(), std * 3f64.sqrt(), rng),
            Distribution::Normal => normal(out, 0.0, std, rng),
        };
        match *self {
            Init::Zeros => {}
            Init::Ones => out.fill(1.0),
            Init::Constant(value) => out.fill(value),
            Init::Uniform { low, high } => {
                if !(low <= high) {
                    return Err(Error::argument(format!("no number lies in [{low}, {high})")));
                }
                uniform(out, low, high, rng);
            }
            Init::Normal { mean, std } => {
                check_std(std)?;
                normal(out, mean, std, rng);
            }
            Init::TruncatedNormal { mean, std, low, high } => truncated(out, [mean, std, low, high], rng)?,
            Init::Xavier { gain, distribution } => {
                let (inputs, outputs) = fans(shape)?;
                spread(distribution, gain * (2.0 / (inputs + outputs).max(1) as f64).sqrt(), out, rng);
            }
            Init::Kaiming { fan, nonlinearity, distribution } => {
                let (inputs, outputs) = fans(shape)?;
                let fan = if fan == Fan::In { inputs } else { outputs };
                spread(distribution, nonlinearity.gain() / (fan.max(1) as f64).sqrt(), out, rng);
            }
            Init::LeCun { distribution } => {
                spread(distribution, (fans(shape)?.0.max(1) as f64).sqrt().recip(), out, rng)
            }
            Init::Orthogonal { gain } => orthogonal(out, shape, gain, rng)?,
            Init::Identity => {
                let columns = matrix(shape, "the identity")?;
                out.iter_mut().step_by(columns + 1).take(shape[0].min(columns)).for_each(|x| *x = 1.0);
            }
            Init::Dirac { groups } => dirac(out, shape, groups)?,
            Init::Sparse { sparsity, std } => {
                let columns = matrix(shape, "a sparse matrix")?;
                check_std(std)?;
                if !(0.0..=1.0).contains(&sparsity) {
                    return Err(Error::argument(format!("the share of zeros must lie in [0, 1], got {sparsity}")));
                }
                normal(out, 0.0, std, rng);
                let zeros = (sparsity * shape[0] as f64).ceil() as usize;
                for column in 0..columns {
                    for row in rng.permutation(shape[0])?.into_iter().take(zeros) {
                        out[row * columns + column] = 0.0;
                    }
                }
            }
            Init::ZeroRow { row, ref of } => {
                if shape.rank() == 0 || row >= shape[0] {
                    return Err(Error::index(format!("row {row} is not in the shape {shape}")));
                }
                of.fill(out, shape, rng)?;
                let width = out.len() / shape[0];
                out[row * width..][..width].fill(0.0);
            }
        }
        Ok(())
    }
}

fn uniform(out: &mut [f64], low: f64, high: f64, rng: &mut Rng) {
    out.iter_mut().for_each(|x| *x = low + (high - low) * rng.next_f64());
}

fn normal(out: &mut [f64], mean: f64, std: f64, rng: &mut Rng) {
    out.iter_mut().for_each(|x| *x = mean + std * rng.normal());
}

fn check_std(std: f64) -> Result<()> {
    if std >= 0.0 {
        return Ok(());
    }
    Err(Error::argument(format!("a standard deviation is not negative, got {std}")))
}

/// By rejection; the interval must hold a thousandth of the distribution.
fn truncated(out: &mut [f64], [mean, std, low, high]: [f64; 4], rng: &mut Rng) -> Result<()> {
    check_std(std)?;
    const TRIES: usize = 100_000;
    for x in out {
        *x = (0..TRIES)
            .map(|_| mean + std * rng.normal())
            .find(|x| (low..=high).contains(x))
            .ok_or_else(|| Error::argument(format!("normal({mean}, {std}) gives no number in [{low}, {high}]")))?;
    }
    Ok(())
}

/// Number of columns of a matrix.
fn matrix(shape: &Shape, what: &str) -> Result<usize> {
    if shape.rank() == 2 {
        return Ok(shape[1]);
    }
    Err(Error::shape(format!("{what} needs two axes, got {shape}")))
}

/// The orthogonal factor of normal numbers, the other's diagonal being positive: no rotation is likelier than another
/// (Mezzadri, *How to Generate Random Matrices from the Classical Compact Groups*, 2007).
fn orthogonal(out: &mut [f64], shape: &Shape, gain: f64, rng: &mut Rng) -> Result<()> {
    fans(shape)?;
    let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
    let mut numbers = Writing::<f64>::filled(Shape::new(&[rows.max(columns), rows.min(columns)])?, 0.0)?;
    normal(numbers.as_mut(), 0.0, 1.0, rng);
    let (factor, _) = linalg::qr(&numbers.finish())?;
    let factor = if rows < columns { factor.t()? } else { factor };
    out.iter_mut().zip(factor.to_vec::<f64>()?).for_each(|(out, x)| *out = gain * x);
    Ok(())
}

fn dirac(out: &mut [f64], shape: &Shape, groups: usize) -> Result<()> {
    if !(3..=5).contains(&shape.rank()) {
        return Err(Error::shape(format!("dirac needs a convolution's weight of 3 to 5 axes, got {shape}")));
    }
    if groups == 0 || !shape[0].is_multiple_of(groups) {
        return Err(Error::argument(format!("{} channels do not fall into {groups} groups", shape[0])));
    }
    let kernel: usize = shape[2..].iter().product();
    let centre = shape[2..].iter().fold(0, |place, &size| place * size + size / 2);
    let group = shape[0] / groups;
    for channel in 0..shape[0] {
        let input = channel % group;
        if input < shape[1] && kernel > 0 {
            out[(channel * shape[1] + input) * kernel + centre] = 1.0;
        }
    }
    Ok(())
}
