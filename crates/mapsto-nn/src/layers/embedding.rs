//! Rows of a table by their numbers.

use super::Layer;
use crate::Module;
use crate::init::Init;
use crate::param::Param;
use mapsto_tensor::{DType, Error, Result, Tensor, composed, no_grad};
use serde::{Deserialize, Serialize};

/// PyTorch's default of `norm_type`.
fn two() -> f64 {
    2.0
}

/// Settings of [`Embedding`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// Number of rows.
    pub num_embeddings: usize,
    /// Length of a row.
    pub embedding_dim: usize,
    /// A row that begins at zero and is not trained; negative numbers count from the end.
    #[serde(default)]
    pub padding_idx: Option<isize>,
    /// Rows that are used and longer than this are shortened to it, in the table itself.
    #[serde(default)]
    pub max_norm: Option<f64>,
    /// The norm that `max_norm` means.
    #[serde(default = "two")]
    pub norm_type: f64,
    /// Whether a row's gradient is divided by how often it was used.
    #[serde(default)]
    pub scale_grad_by_freq: bool,
}

impl EmbeddingConfig {
    /// With PyTorch's defaults.
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> EmbeddingConfig {
        EmbeddingConfig {
            num_embeddings,
            embedding_dim,
            padding_idx: None,
            max_norm: None,
            norm_type: 2.0,
            scale_grad_by_freq: false,
        }
    }

    /// The table, and the padding row counted from the start.
    fn table(&self) -> Result<(Param, Option<usize>)> {
        let padding = self.padding_idx.map(|index| {
            let row =
                if index < 0 { self.num_embeddings.checked_sub(index.unsigned_abs()) } else { Some(index as usize) };
            row.filter(|&row| row < self.num_embeddings)
                .ok_or_else(|| Error::index(format!("padding_idx {index} is not among {} rows", self.num_embeddings)))
        });
        let padding = padding.transpose()?;
        let normal = Init::Normal { mean: 0.0, std: 1.0 };
        let init = match padding {
            Some(row) => Init::ZeroRow { row, of: Box::new(normal) },
            None => normal,
        };
        Ok((Param::new([self.num_embeddings, self.embedding_dim], init)?, padding))
    }
}

/// The rows of a table by their numbers: integers `[...]` to `[..., embedding_dim]`.
#[derive(Clone, Debug, Module)]
pub struct Embedding {
    /// `[num_embeddings, embedding_dim]`.
    pub weight: Param,
    #[module(skip)]
    config: EmbeddingConfig,
    #[module(skip)]
    padding: Option<usize>,
}

impl Embedding {
    /// A table of `num_embeddings` rows of length `embedding_dim`.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> Result<Embedding> {
        Embedding::from_config(&EmbeddingConfig::new(num_embeddings, embedding_dim))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Sizes whose product is too large; a padding row that is not in the table.
    #[track_caller]
    pub fn from_config(config: &EmbeddingConfig) -> Result<Embedding> {
        let (weight, padding) = composed("Embedding", || config.table())?;
        Ok(Embedding { weight, config: config.clone(), padding })
    }
}

impl Layer for Embedding {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("Embedding", || {
            check(x, self.config.num_embeddings)?;
            shorten(&self.weight, &self.config, x)?;
            let rows = self.weight.get()?.embedding(x, self.padding)?;
            if self.config.scale_grad_by_freq { by_frequency(&rows, x, self.config.num_embeddings) } else { Ok(rows) }
        })
    }
}

/// Fails unless these are numbers of rows.
fn check(indices: &Tensor, count: usize) -> Result<()> {
    if indices.dtype().is_float() || indices.dtype() == DType::Bool {
        return Err(Error::dtype(format!("indices must be i64, not {}", indices.dtype()))
            .mend("convert them with to_dtype(DType::I64)"));
    }
    if indices.numel() == 0 {
        return Ok(());
    }
    let indices = indices.to_dtype(DType::I64)?;
    let (least, most) = (indices.min()?.item::<i64>()?, indices.max()?.item::<i64>()?);
    let is_row = |index: i64| (0..count as i64).contains(&index);
    if is_row(least) && is_row(most) {
        return Ok(());
    }
    let all = indices.to_vec::<i64>()?;
    let place = all.iter().position(|&index| !is_row(index)).unwrap_or(0);
    Err(Error::index(format!("index {} (number {place} of {}) is not among {count} rows", all[place], all.len())))
}

/// Shortens the rows that are used to the greatest norm, in the table itself.
fn shorten(weight: &Param, config: &EmbeddingConfig, indices: &Tensor) -> Result<()> {
    let Some(max_norm) = config.max_norm else { return Ok(()) };
    no_grad(|| {
        let table = weight.get()?.detach();
        let norms = table.norm_axes(config.norm_type, &[1], true)?;
        // PyTorch's guard against rounding: what is shortened ends a little below.
        let factors = norms.gt(max_norm)?.where_(norms.add(1e-7)?.reciprocal()?.mul(max_norm)?, 1)?;
        let used = indices.flatten(0, -1)?.bincount(config.num_embeddings)?.gt(0)?.unsqueeze(1)?;
        weight.set(&table.mul(used.where_(factors, 1)?)?)
    })
}

/// The same values, whose gradients are divided by how often their row is used.
fn by_frequency(rows: &Tensor, indices: &Tensor, count: usize) -> Result<Tensor> {
    let used = indices.flatten(0, -1)?.bincount(count)?;
    let times = used.index_select(0, &indices.flatten(0, -1)?)?.reshape(*indices.shape())?.to_dtype(rows.dtype())?;
    let still = rows.detach();
    // The second part is zero, exactly.
    still.add(rows.sub(&still)?.div(times.unsqueeze(-1)?)?)
}

/// What [`EmbeddingBag`] makes of the rows of a bag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BagMode {
    /// Their sum, weighted if weights are given.
    Sum,
    /// Their mean.
    #[default]
    Mean,
    /// The greatest of each column.
    Max,
}

/// Settings of [`EmbeddingBag`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingBagConfig {
    /// The table.
    #[serde(flatten)]
    pub table: EmbeddingConfig,
    /// What becomes of a bag's rows.
    #[serde(default)]
    pub mode: BagMode,
    /// Whether the last offset is the end of the last bag.
    #[serde(default)]
    pub include_last_offset: bool,
}

impl EmbeddingBagConfig {
    /// With PyTorch's defaults.
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> EmbeddingBagConfig {
        let table = EmbeddingConfig::new(num_embeddings, embedding_dim);
        EmbeddingBagConfig { table, mode: BagMode::Mean, include_last_offset: false }
    }
}

/// The sum, mean or maximum of the rows of each bag of numbers. The padding row counts in no bag; an empty bag gives
/// zeros.
#[derive(Clone, Debug, Module)]
pub struct EmbeddingBag {
    /// `[num_embeddings, embedding_dim]`.
    pub weight: Param,
    #[module(skip)]
    config: EmbeddingBagConfig,
    #[module(skip)]
    padding: Option<usize>,
}

impl EmbeddingBag {
    /// Means of rows.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> Result<EmbeddingBag> {
        EmbeddingBag::from_config(&EmbeddingBagConfig::new(num_embeddings, embedding_dim))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Sizes whose product is too large; a padding row that is not in the table.
    #[track_caller]
    pub fn from_config(config: &EmbeddingBagConfig) -> Result<EmbeddingBag> {
        let (weight, padding) = composed("EmbeddingBag", || config.table.table())?;
        Ok(EmbeddingBag { weight, config: config.clone(), padding })
    }

    /// Bags `[bags, size]`, or numbers in a row `[count]` with the `offsets` `[bags]` at which bags begin, to
    /// `[bags, embedding_dim]`. Weights, for sums only, have the numbers' shape.
    ///
    /// # Errors
    /// Shapes or types that do not fit; numbers outside the table; offsets that do not rise from zero.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, offsets: Option<&Tensor>, weights: Option<&Tensor>) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("EmbeddingBag", || self.bags(x, offsets, weights))
    }

    fn bags(&self, x: &Tensor, offsets: Option<&Tensor>, weights: Option<&Tensor>) -> Result<Tensor> {
        if weights.is_some_and(|weights| self.config.mode != BagMode::Sum || weights.shape() != x.shape()) {
            return Err(Error::argument("weights are for sums, and of the numbers' shape"));
        }
        check(x, self.config.table.num_embeddings)?;
        shorten(&self.weight, &self.config.table, x)?;
        let starts = self.starts(x, offsets)?;
        let flat = x.flatten(0, -1)?;
        let (count, bags) = (flat.numel(), starts.len());
        let ends = starts.iter().skip(1).copied().chain([count]);
        let bag: Vec<i64> = (0..).zip(starts.iter().zip(ends)).flat_map(|(b, (&s, e))| vec![b; e - s]).collect();
        let weight = self.weight.get()?;
        let mut rows = weight.embedding(&flat, self.padding)?;
        if self.config.table.scale_grad_by_freq {
            rows = by_frequency(&rows, &flat, self.config.table.num_embeddings)?;
        }
        let counts = match self.padding {
            Some(padding) => flat.ne(padding as i64)?.to_dtype(rows.dtype())?,
            None => Tensor::ones(count, rows.dtype())?,
        };
        if self.config.mode == BagMode::Max {
            return self.greatest(&rows, &counts, &bag, bags);
        }
        let bag = Tensor::from_vec(bag, count)?;
        let mut factors = counts.clone();
        if let Some(weights) = weights {
            factors = factors.mul(weights.flatten(0, -1)?)?;
        }
        let zeros = Tensor::zeros([bags, rows.shape()[1]], rows.dtype())?;
        let sums = zeros.index_add(0, &bag, &rows.mul(factors.unsqueeze(1)?)?)?;
        if self.config.mode == BagMode::Sum {
            return Ok(sums);
        }
        let sizes = Tensor::zeros(bags, rows.dtype())?.index_add(0, &bag, &counts)?;
        sums.div(sizes.maximum(1)?.unsqueeze(1)?)
    }

    /// The first number of each bag.
    fn starts(&self, x: &Tensor, offsets: Option<&Tensor>) -> Result<Vec<usize>> {
        let count = x.numel();
        let offsets = match (x.rank(), offsets) {
            (2, None) => return Ok((0..x.shape()[0]).map(|bag| bag * x.shape()[1]).collect()),
            (1, Some(offsets)) if offsets.rank() == 1 => {
                if offsets.dtype() == DType::I32 {
                    offsets.to_dtype(DType::I64)?.to_vec::<i64>()?
                } else {
                    offsets.to_vec::<i64>()?
                }
            }
            _ => {
                return Err(Error::shape(format!("numbers of shape {}", x.shape()))
                    .mend("give [bags, size] alone, or [count] with offsets [bags]"));
            }
        };
        let mut starts =
            offsets.iter().map(|&offset| usize::try_from(offset).unwrap_or(usize::MAX)).collect::<Vec<_>>();
        let rising = starts.is_sorted() && starts.first().is_none_or(|&start| start == 0);
        if !rising || starts.last().is_some_and(|&last| last > count) {
            return Err(Error::index(format!("offsets must rise from 0 to at most {count}, got {offsets:?}")));
        }
        if self.config.include_last_offset && starts.pop() != Some(count) {
            return Err(Error::index(format!("the last offset must be the end, {count}, got {offsets:?}")));
        }
        if starts.is_empty() && count > 0 {
            return Err(Error::index(format!("{count} numbers are in no bag")));
        }
        Ok(starts)
    }

    /// The greatest row of each bag by column; the gradient goes to the first of equals.
    fn greatest(&self, rows: &Tensor, counts: &Tensor, bag: &[i64], bags: usize) -> Result<Tensor> {
        let (width, dtype) = (rows.shape()[1], rows.dtype());
        if bag.is_empty() || width == 0 {
            return Tensor::zeros([bags, width], dtype);
        }
        let counts = counts.to_dtype(DType::F64)?.to_vec::<f64>()?;
        let mut members: Vec<Vec<i64>> = vec![Vec::new(); bags];
        for (i, &bag) in bag.iter().enumerate().filter(|&(i, _)| counts[i] != 0.0) {
            members[bag as usize].push(i as i64);
        }
        let widest = members.iter().map(Vec::len).max().unwrap_or(0).max(1);
        // Bags as rows of one width; a missing place points at the first number and is masked.
        let place = |bag: &Vec<i64>| (0..widest).map(|i| bag.get(i).copied().unwrap_or(0)).collect::<Vec<i64>>();
        let missing = |bag: &Vec<i64>| (0..widest).map(|i| i >= bag.len()).collect::<Vec<bool>>();
        let places = Tensor::from_vec(members.iter().flat_map(place).collect(), bags * widest)?;
        let missing = Tensor::from_vec(members.iter().flat_map(missing).collect(), [bags, widest, 1])?;
        let empty = Tensor::from_vec(members.iter().map(Vec::is_empty).collect(), [bags, 1])?;
        let padded = rows.index_select(0, &places)?.reshape([bags, widest, width])?;
        let (greatest, _) = padded.masked_fill(&missing, f64::NEG_INFINITY)?.max_with_index(1, false)?;
        greatest.masked_fill(&empty, 0)
    }
}
