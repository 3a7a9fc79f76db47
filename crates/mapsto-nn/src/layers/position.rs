//! Encodings of positions.

use super::Layer;
use crate::{Buffer, Init, Module, Param};
use mapsto_tensor::{Error, Result, Shape, Tensor, Writing, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`SinusoidalEncoding`] and [`LearnedEncoding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionConfig {
    /// Features.
    pub d_model: usize,
    /// Positions.
    pub max_len: usize,
    /// Whether inputs are `[N, L, E]` rather than `[L, N, E]`.
    #[serde(default)]
    pub batch_first: bool,
}

impl PositionConfig {
    /// Steps first.
    pub fn new(d_model: usize, max_len: usize) -> PositionConfig {
        PositionConfig { d_model, max_len, batch_first: false }
    }

    /// With inputs `[N, L, E]`.
    pub fn batch_first(self) -> PositionConfig {
        PositionConfig { batch_first: true, ..self }
    }

    /// `x` and the rows of the table for it, from the first that is meant.
    fn add(&self, x: &Tensor, table: &Tensor, first: usize) -> Result<Tensor> {
        let (shape, size) = (x.shape(), self.d_model);
        let steps = match (&shape[..], self.batch_first) {
            (&[steps, last] | &[steps, _, last], false) | (&[steps, last] | &[_, steps, last], true)
                if last == size =>
            {
                steps
            }
            _ => {
                let layout = if self.batch_first { "[N, L" } else { "[L, N" };
                return Err(Error::shape(format!("the input is {shape}, not {layout}, {size}]")));
            }
        };
        if steps > self.max_len.saturating_sub(first) {
            let behind = if first == 0 { String::new() } else { format!(" behind {first} others") };
            return Err(Error::shape(format!(
                "the input has {steps} steps{behind}, the table {} positions",
                self.max_len
            ))
            .mend("make it with a greater max_len"));
        }
        let rows = table.narrow(0, first, steps)?;
        x.add(if x.rank() == 3 && !self.batch_first { rows.unsqueeze(1)? } else { rows })
    }
}

/// Adds to each step its position as waves (Vaswani et al., *Attention Is All You Need*, 2017): feature `2i` is
/// `sin(position / 10000^(2i / E))`, feature `2i + 1` the cosine of the same. Nothing to learn, nothing saved.
///
/// ```
/// use mapsto_nn::{Layer, PositionConfig, SinusoidalEncoding};
/// use mapsto_tensor::{DType, Tensor};
///
/// let encoding = SinusoidalEncoding::from_config(&PositionConfig::new(4, 100))?;
/// let y = encoding.forward(&Tensor::zeros([1, 1, 4], DType::F32)?)?;
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 1.0, 0.0, 1.0]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct SinusoidalEncoding {
    pe: Buffer,
    #[module(skip)]
    config: PositionConfig,
}

impl SinusoidalEncoding {
    /// By its settings.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn from_config(config: &PositionConfig) -> Result<SinusoidalEncoding> {
        let config = *config;
        let PositionConfig { d_model: size, max_len, .. } = config;
        let make = || {
            let mut table = Writing::filled(Shape::new(&[max_len, size])?, 0f32)?;
            let wave = |place: usize| {
                let (position, feature) = (place / size, place % size);
                let angle = position as f64 / 10_000f64.powf((feature - feature % 2) as f64 / size as f64);
                (if feature % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
            };
            table.as_mut().iter_mut().enumerate().for_each(|(place, x)| *x = wave(place));
            Ok(table.finish())
        };
        let table = composed("SinusoidalEncoding", make)?;
        Ok(SinusoidalEncoding { pe: Buffer::constant(&table), config })
    }

    /// The settings.
    pub fn config(&self) -> &PositionConfig {
        &self.config
    }

    /// [`Layer::forward`] for steps that come behind `first` others.
    ///
    /// # Errors
    /// Another shape; more steps than there are positions.
    #[track_caller]
    pub fn forward_from(&self, x: &Tensor, first: usize) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("SinusoidalEncoding", || self.config.add(x, &self.pe.get()?, first))
    }
}

impl Layer for SinusoidalEncoding {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_from(x, 0)
    }
}

/// Adds to each step a vector that is learned for its position.
#[derive(Module)]
pub struct LearnedEncoding {
    /// `[max_len, E]`.
    pub weight: Param,
    #[module(skip)]
    config: PositionConfig,
}

impl LearnedEncoding {
    /// By its settings. The vectors begin as normal numbers of deviation 0.02.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn from_config(config: &PositionConfig) -> Result<LearnedEncoding> {
        let config = *config;
        let init = Init::Normal { mean: 0.0, std: 0.02 };
        let weight = composed("LearnedEncoding", || Param::new([config.max_len, config.d_model], init))?;
        Ok(LearnedEncoding { weight, config })
    }

    /// The settings.
    pub fn config(&self) -> &PositionConfig {
        &self.config
    }

    /// The output for steps of which the first has this position.
    ///
    /// # Errors
    /// Another shape; positions beyond the table's.
    #[track_caller]
    pub fn forward_from(&self, x: &Tensor, first: usize) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("LearnedEncoding", || self.config.add(x, &self.weight.get()?, first))
    }
}

impl Layer for LearnedEncoding {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_from(x, 0)
    }
}
