//! Attention of several heads.

use super::{Layer, Linear, LinearConfig, yes};
use crate::{Init, Mode, Module, Param, Stream};
use mapsto_tensor::ops::AttentionOptions;
use mapsto_tensor::{DType, Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Settings of [`MultiheadAttention`], named as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiheadAttentionConfig {
    /// Features of queries and outputs.
    pub embed_dim: usize,
    /// Heads, into which the features are split.
    pub num_heads: usize,
    /// The probability with which, in training, a weight of attention is dropped.
    #[serde(default)]
    pub dropout: f64,
    /// Whether the projections have biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Whether one more key and value, learned, is seen by every query.
    #[serde(default)]
    pub add_bias_kv: bool,
    /// Whether one more key and value of zeros is seen by every query.
    #[serde(default)]
    pub add_zero_attn: bool,
    /// Features of keys; those of queries if not given.
    #[serde(default)]
    pub kdim: Option<usize>,
    /// Features of values; those of queries if not given.
    #[serde(default)]
    pub vdim: Option<usize>,
    /// Whether inputs are `[N, L, E]` rather than `[L, N, E]`, and outputs likewise.
    #[serde(default)]
    pub batch_first: bool,
}

impl MultiheadAttentionConfig {
    /// With biases, keys and values like queries, steps first.
    pub fn new(embed_dim: usize, num_heads: usize) -> MultiheadAttentionConfig {
        MultiheadAttentionConfig {
            embed_dim,
            num_heads,
            dropout: 0.0,
            bias: true,
            add_bias_kv: false,
            add_zero_attn: false,
            kdim: None,
            vdim: None,
            batch_first: false,
        }
    }

    /// With weights dropped.
    pub fn dropout(self, dropout: f64) -> MultiheadAttentionConfig {
        MultiheadAttentionConfig { dropout, ..self }
    }

    /// Without biases.
    pub fn no_bias(self) -> MultiheadAttentionConfig {
        MultiheadAttentionConfig { bias: false, ..self }
    }

    /// With a learned key and value more.
    pub fn add_bias_kv(self) -> MultiheadAttentionConfig {
        MultiheadAttentionConfig { add_bias_kv: true, ..self }
    }

    /// With a key and value of zeros more.
    pub fn add_zero_attn(self) -> MultiheadAttentionConfig {
        MultiheadAttentionConfig { add_zero_attn: true, ..self }
    }

    /// With keys and values of other sizes.
    pub fn kdim_vdim(self, kdim: usize, vdim: usize) -> MultiheadAttentionConfig {
        MultiheadAttentionConfig { kdim: Some(kdim), vdim: Some(vdim), ..self }
    }

    /// With inputs `[N, L, E]`.
    pub fn batch_first(self) -> MultiheadAttentionConfig {
        MultiheadAttentionConfig { batch_first: true, ..self }
    }
}

/// Which keys a query does not see. Masks are truth values (true: not seen) or numbers that are added to the scores.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionMasks<'a> {
    /// For each sequence and key, `[N, S]`, or `[S]` where there is one sequence.
    pub key_padding_mask: Option<&'a Tensor>,
    /// For each query and key, `[L, S]`, or `[N * num_heads, L, S]`.
    pub attn_mask: Option<&'a Tensor>,
    /// Whether query `i` sees keys `0..=i` only.
    pub causal: bool,
}

impl AttentionMasks<'_> {
    /// Query `i` sees keys `0..=i` only.
    pub fn causal() -> AttentionMasks<'static> {
        AttentionMasks { causal: true, ..AttentionMasks::default() }
    }
}

/// Attention of several heads (Vaswani et al., *Attention Is All You Need*, 2017): queries, keys and values are projected,
/// split into heads, each attends for itself, and their outputs side by side are projected again.
///
/// A query that sees no key gets a zero from every head.
///
/// ```
/// use mapsto_nn::{AttentionMasks, Module, MultiheadAttention, MultiheadAttentionConfig};
/// use mapsto_tensor::{DType, Tensor};
///
/// let attention = MultiheadAttention::from_config(&MultiheadAttentionConfig::new(8, 2).batch_first())?.init(1)?;
/// let x = Tensor::ones([3, 5, 8], DType::F32)?;
/// let y = attention.forward(&x, &x, &x, &AttentionMasks::causal())?;
/// assert_eq!(y.shape(), x.shape());
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct MultiheadAttention {
    /// Of queries, keys and values, one upon the other, `[3 * E, E]`, if all have the same number of features.
    pub in_proj_weight: Option<Param>,
    /// `[E, E]`, if they do not.
    pub q_proj_weight: Option<Param>,
    /// `[E, kdim]`, if they do not.
    pub k_proj_weight: Option<Param>,
    /// `[E, vdim]`, if they do not.
    pub v_proj_weight: Option<Param>,
    /// `[3 * E]`.
    pub in_proj_bias: Option<Param>,
    /// The key more, `[1, 1, E]`.
    pub bias_k: Option<Param>,
    /// The value more, `[1, 1, E]`.
    pub bias_v: Option<Param>,
    /// The projection of the output.
    pub out_proj: Linear,
    #[module(skip)]
    config: MultiheadAttentionConfig,
    mode: Mode,
    stream: Stream,
}

/// What the inputs' shapes say.
struct Sizes {
    batch: usize,
    queries: usize,
    keys: usize,
}

impl MultiheadAttention {
    /// With biases, keys and values like queries, steps first.
    ///
    /// # Errors
    /// Features that do not fall into the heads.
    #[track_caller]
    pub fn new(embed_dim: usize, num_heads: usize) -> Result<MultiheadAttention> {
        MultiheadAttention::from_config(&MultiheadAttentionConfig::new(embed_dim, num_heads))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Features that do not fall into the heads; a probability that cannot be.
    #[track_caller]
    pub fn from_config(config: &MultiheadAttentionConfig) -> Result<MultiheadAttention> {
        let config = *config;
        composed("MultiheadAttention", || {
            let MultiheadAttentionConfig { embed_dim: size, num_heads: heads, bias, dropout, .. } = config;
            if size == 0 || heads == 0 || size % heads != 0 {
                return Err(Error::argument(format!("{size} features do not fall into {heads} equal heads")));
            }
            if !(0.0..=1.0).contains(&dropout) {
                return Err(Error::argument(format!("the probability of dropping is {dropout}, not in 0..=1")));
            }
            let triple =
                size.checked_mul(3).ok_or_else(|| Error::argument(format!("embed_dim {size} is too large")))?;
            let (kdim, vdim) = (config.kdim.unwrap_or(size), config.vdim.unwrap_or(size));
            let packed = kdim == size && vdim == size;
            let weight = |wanted: bool, rows: usize, columns: usize| {
                wanted.then(|| Param::new([rows, columns], Init::xavier_uniform(1.0))).transpose()
            };
            let more = || {
                let wanted = config.add_bias_kv;
                wanted.then(|| Param::new([1, 1, size], Init::xavier_normal(1.0))).transpose()
            };
            let out_proj = Linear::from_config(&LinearConfig { in_features: size, out_features: size, bias })?;
            out_proj.bias.iter().for_each(|bias| bias.set_init(Init::Zeros));
            Ok(MultiheadAttention {
                in_proj_weight: weight(packed, triple, size)?,
                q_proj_weight: weight(!packed, size, size)?,
                k_proj_weight: weight(!packed, size, kdim)?,
                v_proj_weight: weight(!packed, size, vdim)?,
                in_proj_bias: bias.then(|| Param::new(triple, Init::Zeros)).transpose()?,
                bias_k: more()?,
                bias_v: more()?,
                out_proj,
                config,
                mode: Mode::default(),
                stream: Stream::default(),
            })
        })
    }

    /// The settings.
    pub fn config(&self) -> &MultiheadAttentionConfig {
        &self.config
    }

    /// What these queries `[L, N, E]` find at the keys `[S, N, kdim]` of the values `[S, N, vdim]`, or (`batch_first`)
    /// `[N, L, E]` at `[N, S, ...]`, or one sequence without `N`: like the queries. The weights never lie in memory.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn forward(&self, query: &Tensor, key: &Tensor, value: &Tensor, masks: &AttentionMasks) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("MultiheadAttention", || {
            let (mask, causal) = self.check(query, key, value, masks)?;
            let [q, k, v] = self.heads(query, key, value)?;
            let dropout = self.dropped()?;
            let options = AttentionOptions { mask: mask.as_ref(), causal, dropout, ..AttentionOptions::default() };
            self.out(&q.attention(&k, &v, &options)?, query)
        })
    }

    /// [`Self::forward`], and the weights: `[N, L, S]`, the mean of the heads, or (`per_head`) `[N, num_heads, L, S]`.
    /// With learned or zero keys `S` counts those, too. In training the weights are those that are left after dropping.
    ///
    /// # Errors
    /// Those of [`Self::forward`].
    #[track_caller]
    pub fn forward_weights(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: &AttentionMasks,
        per_head: bool,
    ) -> Result<(Tensor, Tensor)> {
        let _scope = crate::scope(self);
        composed("MultiheadAttention", || {
            let (mask, causal) = self.check(query, key, value, masks)?;
            let [q, k, v] = self.heads(query, key, value)?;
            let options = AttentionOptions { mask: mask.as_ref(), causal, ..AttentionOptions::default() };
            let mut weights = q.attention_weights(&k, &options)?;
            if self.drops() {
                weights = weights.dropout(self.config.dropout, &mut self.stream.next_rng()?)?;
            }
            let out = self.out(&weights.matmul(&v)?, query)?;
            if !per_head {
                weights = weights.mean_axes(&[1], false)?;
            }
            let weights = if query.rank() == 2 { weights.squeeze(&[0])? } else { weights };
            Ok((out, weights))
        })
    }

    fn drops(&self) -> bool {
        self.config.dropout > 0.0 && self.mode.is_training()
    }

    /// The share of weights that is dropped, and the stream that says which.
    pub(super) fn dropped(&self) -> Result<Option<(f64, u64)>> {
        self.drops().then(|| Ok((self.config.dropout, self.stream.next_rng()?.key()))).transpose()
    }

    /// Checks the inputs, and gives the masks as the operation wants them: which keys are seen, and whether it shall be causal.
    pub(super) fn check(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        masks: &AttentionMasks,
    ) -> Result<(Option<Tensor>, bool)> {
        let config = &self.config;
        let size = config.embed_dim;
        let features = [size, config.kdim.unwrap_or(size), config.vdim.unwrap_or(size)];
        let rank = q.rank();
        let inputs = [("queries", q), ("keys", k), ("values", v)];
        for ((name, x), features) in inputs.into_iter().zip(features) {
            if !(2..=3).contains(&rank) || x.rank() != rank || x.shape().last() != Some(&features) {
                let layout = if config.batch_first { "[N, L" } else { "[L, N" };
                return Err(Error::shape(format!("the {name} are {}, not {layout}, {features}]", x.shape()))
                    .mend("give all three a batch, or none"));
            }
        }
        let axis = |x: &Tensor, batch: bool| match (rank, batch == config.batch_first) {
            (2, _) => {
                if batch {
                    1
                } else {
                    x.shape()[0]
                }
            }
            (_, first) => x.shape()[if first { 0 } else { 1 }],
        };
        let sizes = Sizes { batch: axis(q, true), queries: axis(q, false), keys: axis(k, false) };
        if axis(k, true) != sizes.batch || k.shape()[..rank - 1] != v.shape()[..rank - 1] {
            let (q, k, v) = (q.shape(), k.shape(), v.shape());
            return Err(Error::shape(format!("queries {q}, keys {k} and values {v} differ in batch or number")));
        }
        self.masks(masks, &sizes, q.dtype())
    }

    fn masks(&self, masks: &AttentionMasks, sizes: &Sizes, dtype: DType) -> Result<(Option<Tensor>, bool)> {
        let (n, l, s, heads) = (sizes.batch, sizes.queries, sizes.keys, self.config.num_heads);
        let mut all = Vec::new();
        if let Some(mask) = masks.key_padding_mask {
            if mask.numel() != n * s || !matches!(&mask.shape()[..], [_] | [_, _]) || mask.shape().last() != Some(&s) {
                return Err(Error::shape(format!("the key_padding_mask is {}, not [{n}, {s}]", mask.shape())));
            }
            all.push(mask.reshape([n, 1, 1, s])?);
        }
        if let Some(mask) = masks.attn_mask {
            all.push(match mask.shape()[..] {
                [a, b] if [a, b] == [l, s] => mask.reshape([1, 1, l, s])?,
                [a, b, c] if a == n * heads && [b, c] == [l, s] => mask.reshape([n, heads, l, s])?,
                _ => {
                    let (shape, a) = (mask.shape(), n * heads);
                    return Err(Error::shape(format!("the attn_mask is {shape}, not [{l}, {s}] or [{a}, {l}, {s}]")));
                }
            });
        }
        let more = usize::from(self.config.add_bias_kv) + usize::from(self.config.add_zero_attn);
        let mut causal = masks.causal;
        if causal && more > 0 {
            // The keys more, which come last, are seen by all.
            let count = |n: usize| Tensor::from_vec((0..n as i64).collect(), [n]);
            all.push(count(l)?.unsqueeze(1)?.lt(count(s)?)?.reshape([1, 1, l, s])?);
            causal = false;
        }
        let mut rest = all.into_iter();
        let Some(mut mask) = rest.next() else { return Ok((None, causal)) };
        for other in rest {
            mask = if mask.dtype() == DType::Bool && other.dtype() == DType::Bool {
                mask.logical_or(&other)?
            } else {
                added(&mask, dtype)?.add(added(&other, dtype)?)?
            };
        }
        if more > 0 {
            let mut sizes = mask.shape().to_vec();
            sizes[3] = more;
            mask = Tensor::concat(&[&mask, &Tensor::zeros(sizes, mask.dtype())?], 3)?;
        }
        let mask = if mask.dtype() == DType::Bool { mask.logical_not()? } else { added(&mask, dtype)? };
        Ok((Some(mask), causal))
    }

    /// Queries, keys and values of each head: `[N, H, L, D]`.
    pub(super) fn heads(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<[Tensor; 3]> {
        // One product for inputs that are the same tensor.
        let all = match (query.id() == key.id(), key.id() == value.id()) {
            (true, true) => self.projected(query, 0..3)?,
            (false, true) => [self.projected(query, 0..1)?, self.projected(key, 1..3)?].concat(),
            _ => [self.projected(query, 0..1)?, self.projected(key, 1..2)?, self.projected(value, 2..3)?].concat(),
        };
        let [q, k, v] = <[Tensor; 3]>::try_from(all).expect("queries, keys and values");
        Ok([self.split(&q)?, self.more(&self.split(&k)?, &self.bias_k)?, self.more(&self.split(&v)?, &self.bias_v)?])
    }

    /// An input as some of queries (0), keys (1) and values (2).
    pub(super) fn projected(&self, x: &Tensor, parts: Range<usize>) -> Result<Vec<Tensor>> {
        let size = self.config.embed_dim;
        let bias = super::value(self.in_proj_bias.as_ref())?;
        let rows = |x: &Tensor, parts: &Range<usize>| match parts {
            Range { start: 0, end: 3 } => Ok(x.clone()),
            Range { start, end } => x.narrow(0, start * size, (end - start) * size),
        };
        let bias_of = |parts: &Range<usize>| bias.as_ref().map(|bias| rows(bias, parts)).transpose();
        if let Some(weight) = &self.in_proj_weight {
            let all = x.linear(&rows(&weight.get()?, &parts)?, bias_of(&parts)?.as_ref())?;
            return if parts.len() == 1 { Ok(vec![all]) } else { all.split(size, -1) };
        }
        let weights = [&self.q_proj_weight, &self.k_proj_weight, &self.v_proj_weight].map(Option::as_ref);
        let part = |part: usize| {
            x.linear(
                &weights[part].expect("a matrix for each, if none for all").get()?,
                bias_of(&(part..part + 1))?.as_ref(),
            )
        };
        parts.map(part).collect()
    }

    /// `[L, N, E]`, `[N, L, E]` or `[L, E]` as `[N, H, L, D]`.
    pub(super) fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (heads, shape) = (self.config.num_heads, x.shape());
        let sizes = [&shape[..shape.rank() - 1], &[heads, self.config.embed_dim / heads]].concat();
        let x = x.reshape(sizes)?;
        match (x.rank(), self.config.batch_first) {
            (3, _) => x.transpose(0, 1)?.unsqueeze(0),
            (_, true) => x.transpose(1, 2),
            (_, false) => x.permute(&[1, 2, 0, 3]),
        }
    }

    /// With the learned key or value and that of zeros behind the others.
    fn more(&self, x: &Tensor, bias: &Option<Param>) -> Result<Tensor> {
        let (batch, heads, size) = (x.shape()[0], self.config.num_heads, x.shape()[3]);
        let mut all = vec![x.clone()];
        if let Some(bias) = bias {
            all.push(bias.get()?.reshape([1, heads, 1, size])?.broadcast_to([batch, heads, 1, size])?);
        }
        if self.config.add_zero_attn {
            all.push(Tensor::zeros([batch, heads, 1, size], x.dtype())?);
        }
        if all.len() == 1 { Ok(x.clone()) } else { Tensor::concat(&all.iter().collect::<Vec<_>>(), 2) }
    }

    /// The output from that of the heads, in the shape of the queries.
    pub(super) fn out(&self, x: &Tensor, query: &Tensor) -> Result<Tensor> {
        let order = if self.config.batch_first { [0, 2, 1, 3] } else { [2, 0, 1, 3] };
        self.out_proj.forward(&x.permute(&order)?.reshape(*query.shape())?)
    }
}

/// A mask as numbers that are added.
fn added(mask: &Tensor, dtype: DType) -> Result<Tensor> {
    match mask.dtype() {
        DType::Bool => mask.where_(f64::NEG_INFINITY, 0.0)?.to_dtype(dtype),
        given if given.is_float() => mask.to_dtype(dtype),
        given => Err(Error::dtype(format!("a mask is truth values that hide, or floats that are added, not {given}"))
            .mend("compare first: mask.ne(0)")),
    }
}
