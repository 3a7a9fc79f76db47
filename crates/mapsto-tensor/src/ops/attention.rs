//! Attention.

use crate::backend::AttentionArgs;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{
    Attributes, Backward, Cotangents, Forward, Keeps, Op, Outputs, Specs, apply_one, composed, expect_float,
    expect_inputs, expect_same_dtype,
};
use crate::random::Rng;
use crate::shape::{Shape, Spec};
use crate::tensor::Tensor;
use crate::testing::{Array, Case, Entry, Gen, Registered};
use smallvec::smallvec;

/// Scaled dot-product attention (Vaswani et al., 2017): `softmax(scale · Q Kᵀ + mask) V`, without the weights in memory
/// (Dao et al., 2022).
///
/// Inputs: queries `[..., Lq, D]`, keys `[..., Lk, D]`, values `[..., Lk, Dv]`, and with `mask` one that broadcasts to
/// `[..., Lq, Lk]`: truth values (attend where true) or numbers that are added to the scores. Leading axes broadcast.
/// Output `[..., Lq, Dv]`. A query that may attend to nothing gives zeros, as PyTorch does, and has no gradient.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Whether there is a mask.
    pub mask: bool,
    /// Whether query `i` attends to keys `0..=i` only.
    pub causal: bool,
    /// What scores are multiplied by; `1 / √D` if not given.
    pub scale: Option<f64>,
    /// The probability with which each weight is dropped; those that stay are divided by `1 - p`.
    pub dropout: f64,
    /// Names the stream of random numbers that says which weights are dropped; weight `i` in row-major order uses its
    /// word `i`.
    pub seed: u64,
}

impl Attention {
    fn args<'a>(&self, inputs: &[&'a Tensor]) -> AttentionArgs<'a> {
        let depth = inputs[0].shape()[inputs[0].rank() - 1];
        AttentionArgs {
            query: inputs[0],
            key: inputs[1],
            value: inputs[2],
            mask: if self.mask { Some(inputs[3]) } else { None },
            causal: self.causal,
            scale: self.scale.unwrap_or(1.0 / (depth.max(1) as f64).sqrt()),
            dropout: (self.dropout, self.seed),
        }
    }
}

impl Op for Attention {
    fn name(&self) -> &'static str {
        "scaled_dot_product_attention"
    }

    fn attributes(&self) -> Attributes {
        let mut all: Attributes = vec![("mask", self.mask.into()), ("causal", self.causal.into())];
        all.extend(self.scale.map(|scale| ("scale", scale.into())));
        all.extend([("dropout", self.dropout.into()), ("seed", self.seed.into())]);
        all
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        expect_inputs(inputs, if self.mask { 4 } else { 3 })?;
        expect_float(&inputs[..3])?;
        let dtype = expect_same_dtype(&inputs[..3])?;
        let [q, k, v] = [0, 1, 2].map(|i| inputs[i].shape);
        if [q, k, v].iter().any(|shape| shape.rank() < 2) {
            return Err(Error::shape(format!("queries {q}, keys {k} and values {v} must have two axes or more")));
        }
        let last = |shape: &Shape, back: usize| shape[shape.rank() - back];
        if last(&q, 1) != last(&k, 1) {
            return Err(Error::shape(format!("queries {q} and keys {k} differ in their last size")));
        }
        if last(&k, 2) != last(&v, 2) {
            return Err(Error::shape(format!("keys {k} and values {v} differ in their number")));
        }
        if !(0.0..=1.0).contains(&self.dropout) {
            return Err(Error::argument(format!("the probability of dropping is {}, not in 0..=1", self.dropout)));
        }
        let lead = |shape: &Shape| Shape::new(&shape[..shape.rank() - 2]);
        let mut all = lead(&q)?.broadcast(&lead(&k)?)?.broadcast(&lead(&v)?)?;
        if self.mask {
            let mask = inputs[3];
            if mask.dtype != DType::Bool && mask.dtype != dtype {
                return Err(Error::dtype(format!("a mask is bool or {dtype} like the queries, not {}", mask.dtype)));
            }
            let scores = Shape::new(&[&all[..], &[last(&q, 2), last(&k, 2)]].concat())?;
            let both = scores.broadcast(&mask.shape)?;
            if both[both.rank() - 2..] != scores[scores.rank() - 2..] {
                return Err(Error::shape(format!("the mask {} does not broadcast to the scores {scores}", mask.shape)));
            }
            all = lead(&both)?;
        }
        // Gradients of all factors have the broadcast leading axes.
        Shape::new(&[&all[..], &[last(&q, 2), last(&k, 2)]].concat())?;
        Shape::new(&[&all[..], &[last(&q, 2), last(&q, 1)]].concat())?;
        Shape::new(&[&all[..], &[last(&k, 2), last(&k, 1)]].concat())?;
        Shape::new(&[&all[..], &[last(&k, 2), last(&v, 1)]].concat())?;
        Ok(smallvec![Spec::new(Shape::new(&[&all[..], &[last(&q, 2), last(&v, 1)]].concat())?, dtype)])
    }

    fn forward(&self, inputs: &[&Tensor], cx: &mut Forward) -> Result<Outputs> {
        let (out, log_sum) = inputs[0].backend().attention(&self.args(inputs))?;
        cx.save(log_sum);
        Ok(smallvec![out])
    }

    fn keeps(&self) -> Keeps {
        Keeps::ALL
    }

    fn multiply_adds(&self, inputs: &[Spec], outputs: &[Spec]) -> u64 {
        let [q, k, v] = [0, 1, 2].map(|i| inputs[i].shape);
        let rank = outputs[0].shape.rank();
        let [queries, keys] = [outputs[0].shape[rank - 2], k[k.rank() - 2]].map(|size| size as u128);
        // What queries see: all keys, or the keys up to their own: one more each, until there are no more.
        let growing = if self.causal { queries.min(keys) } else { 0 };
        let pairs = growing * (growing + 1) / 2 + (queries - growing) * keys;
        let pairs = u64::try_from(pairs).unwrap_or(u64::MAX);
        let depths = (q[q.rank() - 1] as u64).saturating_add(v[v.rank() - 1] as u64);
        let lead = outputs[0].shape[..rank - 2].iter().map(|&size| size as u64);
        lead.chain([depths]).fold(pairs, u64::saturating_mul)
    }

    fn vjp(&self, cx: &Backward<'_>) -> Result<Cotangents> {
        let inputs = (0..cx.num_inputs()).map(|i| cx.input(i)).collect::<Result<Vec<_>>>()?;
        let args = self.args(&inputs.iter().collect::<Vec<_>>());
        let (out, log_sum, grad) = (cx.output(0)?, cx.saved(0)?, cx.grad(0)?);
        let needs_mask = self.mask && cx.needs(3);
        let found = inputs[0].backend().attention_backward(&args, &out, &log_sum, &grad, needs_mask)?;
        let mut all: Cotangents = smallvec![Some(found.query), Some(found.key), Some(found.value), found.mask];
        all.truncate(inputs.len());
        Ok(all)
    }

    fn composed(&self, inputs: &[Tensor]) -> Result<Option<Outputs>> {
        let args = self.args(&inputs.iter().collect::<Vec<_>>());
        let mut weights = weights(&args)?;
        if self.dropout > 0.0 {
            weights = weights.mul(inputs[0].backend().attention_dropout(&args)?)?;
        }
        Ok(Some(smallvec![weights.matmul(&inputs[2])?]))
    }
}

/// The weights before any are dropped, out of simple operations; zeros for a query that attends to nothing.
fn weights(args: &AttentionArgs) -> Result<Tensor> {
    let (queries, keys, dtype) = (args.query.size(-2)?, args.key.size(-2)?, args.query.dtype());
    let mut scores = args.query.mul(args.scale)?.matmul(&args.key.t()?)?;
    // The logarithm of truth: 0 or -inf.
    let blocked = |mask: &Tensor| mask.to_dtype(dtype)?.ln();
    if let Some(mask) = args.mask {
        scores = scores.add(if mask.dtype() == DType::Bool { blocked(mask)? } else { mask.clone() })?;
    }
    if args.causal {
        let count = |n: usize| Tensor::from_vec((0..n as i64).collect(), [n]);
        scores = scores.add(blocked(&count(queries)?.unsqueeze(1)?.ge(count(keys)?)?)?)?;
    }
    if keys == 0 {
        return Ok(scores);
    }
    let least = if dtype == DType::F16 { -60_000.0 } else { -1e38 };
    let base = scores.detach().max_axes(&[-1], true)?.maximum(least)?;
    let weights = scores.sub(base)?.exp()?;
    let sum = weights.sum_axes(&[-1], true)?;
    weights.div(sum.add(sum.detach().eq(0)?.to_dtype(dtype)?)?)
}

/// Settings of [`Tensor::attention`].
#[derive(Clone, Copy, Default)]
pub struct AttentionOptions<'a> {
    /// Broadcasts to `[..., Lq, Lk]`: truth values (attend where true) or numbers that are added to the scores.
    pub mask: Option<&'a Tensor>,
    /// Whether query `i` attends to keys `0..=i` only; with a mask, to those that both allow.
    pub causal: bool,
    /// What scores are multiplied by; `1 / √D` if not given.
    pub scale: Option<f64>,
    /// The probability with which each weight is dropped, and the key of the random stream that says which
    /// ([`Rng::key`]).
    pub dropout: Option<(f64, u64)>,
}

impl Tensor {
    /// Attention of these queries `[..., Lq, D]` to keys `[..., Lk, D]` with values `[..., Lk, Dv]`:
    /// `softmax(scale · Q Kᵀ + mask) V`, of shape `[..., Lq, Dv]`. See [`Attention`].
    ///
    /// Leading axes broadcast. If the last of them, the heads, are a multiple of the keys', neighbouring queries' heads
    /// share one of the keys' (grouped queries; Ainslie et al., 2023).
    ///
    /// # Errors
    /// Shapes or element types that do not fit; a probability outside 0..=1.
    #[track_caller]
    pub fn attention(&self, key: &Tensor, value: &Tensor, options: &AttentionOptions) -> Result<Tensor> {
        let heads = |x: &Tensor| if x.rank() < 3 { 1 } else { x.shape()[x.rank() - 3] };
        let (of_queries, of_keys) = (heads(self), heads(key));
        if of_keys > 1 && of_keys == heads(value) && of_queries > of_keys && of_queries % of_keys == 0 {
            return composed("scaled_dot_product_attention", || {
                let split = |x: &Tensor, sizes: [usize; 2]| {
                    let (lead, rest) = x.shape().split_at(x.rank() - 3);
                    x.reshape([lead, &sizes, &rest[1..]].concat())
                };
                let shared = |x: &Tensor| x.unsqueeze(-3);
                let groups = [of_keys, of_queries / of_keys];
                let mask = match options.mask {
                    Some(mask) if heads(mask) == of_queries => Some(split(mask, groups)?),
                    Some(mask) if mask.rank() >= 3 => Some(shared(mask)?),
                    mask => mask.cloned(),
                };
                let options = AttentionOptions { mask: mask.as_ref(), ..*options };
                let out = split(self, groups)?.attention(&shared(key)?, &shared(value)?, &options)?;
                let (lead, rest) = out.shape().split_at(out.rank() - 4);
                out.reshape([lead, &[of_queries], &rest[2..]].concat())
            });
        }
        let (dropout, seed) = options.dropout.unwrap_or_default();
        let op =
            Attention { mask: options.mask.is_some(), causal: options.causal, scale: options.scale, dropout, seed };
        let inputs: Vec<&Tensor> = [self, key, value].into_iter().chain(options.mask).collect();
        apply_one(op, &inputs)
    }

    /// The weights `softmax(scale · Q Kᵀ + mask)` of [`Tensor::attention`], `[..., Lq, Lk]`, none dropped: for those who
    /// want to see them (`need_weights`; average them over the heads). Takes their memory, which `attention` does not.
    ///
    /// # Errors
    /// Those of [`Tensor::attention`].
    #[track_caller]
    pub fn attention_weights(&self, key: &Tensor, options: &AttentionOptions) -> Result<Tensor> {
        let op = Attention {
            mask: options.mask.is_some(),
            causal: options.causal,
            scale: options.scale,
            dropout: 0.0,
            seed: 0,
        };
        let inputs: Vec<&Tensor> = [self, key, key].into_iter().chain(options.mask).collect();
        let specs: Vec<Spec> = inputs.iter().map(|t| t.spec()).collect();
        composed("attention_weights", || {
            op.infer(&specs)?;
            weights(&op.args(&inputs))
        })
    }
}

impl Registered for Attention {
    fn cases() -> Vec<Case> {
        let plain = Attention { mask: false, causal: false, scale: None, dropout: 0.0, seed: 0 };
        let case = |op: Attention, q: &[usize], k: &[usize], v: &[usize], mask: Option<Tensor>| {
            let mut g = Gen::new(q.iter().sum::<usize>() as u64);
            let factors = [q, k, v].map(|sizes| g.tensor(sizes, -1.0, 1.0));
            Case::new(Attention { mask: mask.is_some(), ..op }, factors.into_iter().chain(mask))
        };
        let mut g = Gen::new(8);
        // The first query may attend to nothing.
        let mut truth = |sizes: &[usize]| {
            let mask = g.integers(sizes, 3).to_dtype(DType::Bool).and_then(|mask| {
                let keep = Tensor::ones(sizes, DType::Bool)?.narrow(-2, 1, sizes[sizes.len() - 2] - 1)?;
                let none =
                    Tensor::zeros([&sizes[..sizes.len() - 2], &[1, sizes[sizes.len() - 1]]].concat(), DType::Bool)?;
                mask.mul(Tensor::concat(&[&none, &keep], -2)?)
            });
            Some(mask.expect("the sizes fit"))
        };
        let (truth_one, truth_two) = (truth(&[3, 4]), truth(&[2, 1, 4, 5]));
        let added = |sizes: &[usize]| Some(Gen::new(9).tensor(sizes, -2.0, 2.0));
        let causal = Attention { causal: true, ..plain };
        let dropped = Attention { dropout: 0.4, seed: 77, ..plain };
        vec![
            case(plain, &[1, 1], &[1, 1], &[1, 1], None),
            case(plain, &[2, 3, 4], &[2, 5, 4], &[2, 5, 3], None),
            case(plain, &[2, 1, 3, 2], &[3, 4, 2], &[4, 2], None),
            case(causal, &[2, 6, 3], &[2, 6, 3], &[2, 6, 3], None),
            case(causal, &[3, 2], &[5, 2], &[5, 2], None),
            case(causal, &[37, 2], &[35, 2], &[35, 2], None),
            case(Attention { scale: Some(0.3), ..plain }, &[40, 3], &[150, 3], &[150, 2], None),
            case(plain, &[2, 3, 2], &[2, 4, 2], &[2, 4, 2], truth_one),
            case(causal, &[2, 3, 4, 2], &[2, 3, 5, 2], &[2, 3, 5, 2], truth_two),
            case(plain, &[2, 3, 2], &[4, 2], &[4, 2], added(&[3, 4])),
            case(plain, &[3, 2], &[4, 2], &[4, 2], added(&[2, 1, 4])),
            case(dropped, &[2, 3, 2], &[2, 5, 2], &[2, 5, 2], None),
            case(Attention { causal: true, ..dropped }, &[34, 2], &[140, 2], &[140, 2], added(&[34, 1])),
            case(plain, &[0, 3, 2], &[0, 4, 2], &[0, 4, 2], None),
            case(plain, &[3, 2], &[0, 2], &[0, 2], None),
            case(plain, &[0, 2], &[3, 2], &[3, 2], None),
            // More blocks of queries than one task of the backward pass takes.
            case(causal, &[517, 1], &[3, 1], &[3, 1], None),
        ]
    }

    fn reference(&self, inputs: &[Array]) -> Vec<Array> {
        let [q, k, v] = [0, 1, 2].map(|i| &inputs[i]);
        let tail = |x: &Array, back: usize| x.sizes[x.sizes.len() - back];
        let lead = |x: &Array| x.sizes[..x.sizes.len().saturating_sub(2)].to_vec();
        let all = inputs.iter().fold(Vec::new(), |all, x| Array::broadcast_sizes(&all, &lead(x)));
        let [queries, keys, depth] = [tail(q, 2), tail(k, 2), tail(q, 1)];
        let scale = self.scale.unwrap_or(1.0 / (depth as f64).sqrt());
        let truth = self.mask && inputs[3].data.iter().all(|&x| x == 0.0 || x == 1.0);
        let score = |index: &[usize], i: usize, j: usize| {
            let dot: f64 = (0..depth)
                .map(|d| q.broadcast_at(&[index, &[i, d]].concat()) * k.broadcast_at(&[index, &[j, d]].concat()))
                .sum();
            let mask = if self.mask { inputs[3].broadcast_at(&[index, &[i, j]].concat()) } else { 0.0 };
            match () {
                () if self.causal && j > i => f64::NEG_INFINITY,
                () if truth => {
                    if mask == 1.0 {
                        dot * scale
                    } else {
                        f64::NEG_INFINITY
                    }
                }
                () => dot * scale + mask,
            }
        };
        vec![Array::from_fn(&[&all[..], &[queries, tail(v, 1)]].concat(), |index| {
            let (index, last) = index.split_at(all.len());
            let entry = index.iter().zip(&all).fold(0, |place, (&i, &size)| place * size + i);
            let scores: Vec<f64> = (0..keys).map(|j| score(index, last[0], j)).collect();
            let sum: f64 = scores.iter().map(|s| s.exp()).sum();
            let stays = |j: usize| {
                let word = (entry * queries + last[0]) * keys + j;
                let drop = Rng::from_parts(self.seed, word as u64).next_u32();
                if f64::from(drop) < self.dropout * 4_294_967_296.0 { 0.0 } else { 1.0 / (1.0 - self.dropout) }
            };
            let term = |j: usize| scores[j].exp() / sum * stays(j) * v.broadcast_at(&[index, &[j, last[1]]].concat());
            if sum == 0.0 { 0.0 } else { (0..keys).map(term).sum() }
        })]
    }

    fn arbitrary(g: &mut Gen) -> Self {
        let scale = if g.bool() { Some(g.uniform(-2.0, 2.0)) } else { None };
        let dropout = g.pick(&[0.0, 0.0, 0.3, 1.0, -0.5, f64::NAN]);
        Attention { mask: g.bool(), causal: g.bool(), scale, dropout, seed: g.bits() }
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::of::<Attention>()]
}
