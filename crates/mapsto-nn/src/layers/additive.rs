//! Additive attention.

use super::{Layer, Linear, LinearConfig};
use crate::Module;
use mapsto_tensor::{DType, Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`AdditiveAttention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdditiveAttentionConfig {
    /// Features of a query: a decoder's state.
    pub query_size: usize,
    /// Features of a key: an encoder's state.
    pub key_size: usize,
    /// Features in which they are compared.
    pub hidden_size: usize,
}

/// Attention by a small network, as sequence-to-sequence models of recurrent layers use it (Bahdanau, Cho and Bengio, *Neural
/// Machine Translation by Jointly Learning to Align and Translate*, 2015): the score of a key is
/// `v · tanh(W query + U key)`, the weights are the softmax of the scores, and the context is the keys' mean by weight.
///
/// ```
/// use mapsto_nn::{AdditiveAttention, AdditiveAttentionConfig, Module};
/// use mapsto_tensor::{DType, Tensor};
///
/// let config = AdditiveAttentionConfig { query_size: 4, key_size: 6, hidden_size: 8 };
/// let attention = AdditiveAttention::from_config(&config)?.init(1)?;
/// let (query, keys) = (Tensor::ones([2, 3, 4], DType::F32)?, Tensor::ones([2, 5, 6], DType::F32)?);
/// let (context, weights) = attention.forward(&query, &keys, None)?;
/// assert_eq!((&context.shape()[..], &weights.shape()[..]), (&[2, 3, 6][..], &[2, 3, 5][..]));
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, Module)]
pub struct AdditiveAttention {
    /// `W`, without a bias: that of the keys serves both.
    pub query: Linear,
    /// `U`.
    pub key: Linear,
    /// `v`, without a bias: the softmax does not see one.
    pub score: Linear,
}

impl AdditiveAttention {
    /// By its settings.
    ///
    /// # Errors
    /// Sizes whose product is too large.
    #[track_caller]
    pub fn from_config(config: &AdditiveAttentionConfig) -> Result<AdditiveAttention> {
        let &AdditiveAttentionConfig { query_size, key_size, hidden_size } = config;
        let linear =
            |in_features, out_features, bias| Linear::from_config(&LinearConfig { in_features, out_features, bias });
        composed("AdditiveAttention", || {
            Ok(AdditiveAttention {
                query: linear(query_size, hidden_size, false)?,
                key: linear(key_size, hidden_size, true)?,
                score: linear(hidden_size, 1, false)?,
            })
        })
    }

    /// The contexts `[N, L, key_size]` and weights `[N, L, S]` of queries `[N, L, query_size]` over keys `[N, S, key_size]`. Keys
    /// at which `padding` (truth values `[N, S]`) holds are not seen; a query that sees none has the context zero.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn forward(&self, query: &Tensor, keys: &Tensor, padding: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let projected = composed("AdditiveAttention", || {
            self.check(query, keys)?;
            self.key.forward(keys)
        })?;
        self.attend(query, keys, &projected, padding)
    }

    /// [`Self::forward`] with `U key` of the keys, as [`Self::key`] gives it `[N, S, hidden_size]`: made once for queries that come
    /// one after another.
    ///
    /// # Errors
    /// Those of [`Self::forward`].
    #[track_caller]
    pub fn attend(
        &self,
        query: &Tensor,
        keys: &Tensor,
        projected: &Tensor,
        padding: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let _scope = crate::scope(self);
        composed("AdditiveAttention", || {
            self.check(query, keys)?;
            let k = keys.shape();
            let both = self.query.forward(query)?.unsqueeze(2)?.add(projected.unsqueeze(1)?)?;
            let scores = self.score.forward(&both.tanh()?)?.squeeze(&[3])?;
            let weights = match padding {
                None => scores.softmax(-1)?,
                Some(hidden) if hidden.dtype() == DType::Bool && hidden.shape()[..] == k[..2] => {
                    let hidden = hidden.unsqueeze(1)?;
                    // The least number, not infinity: where all keys are hidden, gradients stay finite.
                    let least = if scores.dtype() == DType::F16 { -65_504.0 } else { -1e38 };
                    scores.masked_fill(&hidden, least)?.softmax(-1)?.masked_fill(&hidden, 0)?
                }
                Some(hidden) => {
                    let given = format!("the padding is {}{}", hidden.dtype(), hidden.shape());
                    return Err(Error::shape(format!("{given}, not truth values [{}, {}]", k[0], k[1])));
                }
            };
            Ok((weights.matmul(keys)?, weights))
        })
    }

    fn check(&self, query: &Tensor, keys: &Tensor) -> Result<()> {
        let (q, k) = (query.shape(), keys.shape());
        let sizes = (self.query.weight.shape()[1], self.key.weight.shape()[1]);
        if q.rank() == 3 && k.rank() == 3 && q[0] == k[0] && (q[2], k[2]) == sizes {
            return Ok(());
        }
        Err(Error::shape(format!("takes [N, L, {}] and [N, S, {}], not {q} and {k}", sizes.0, sizes.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapsto_tensor::Rng;

    #[test]
    fn it_is_its_formula_and_hidden_keys_count_nothing() -> Result<()> {
        let config = AdditiveAttentionConfig { query_size: 2, key_size: 3, hidden_size: 4 };
        let attention = AdditiveAttention::from_config(&config)?.init(7)?;
        let mut rng = Rng::new(1);
        let query = Tensor::randn([2, 2, 2], DType::F32, &mut rng)?;
        let keys = Tensor::randn([2, 3, 3], DType::F32, &mut rng)?;
        let (_, weights) = attention.forward(&query, &keys, None)?;
        let row = |t: &Tensor, n: isize, i: isize| t.index((n, i));
        for (n, l) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let score = |s| {
                let (q, k) = (row(&query, n, l)?.unsqueeze(0)?, row(&keys, n, s)?.unsqueeze(0)?);
                let both = attention.query.forward(&q)?.add(attention.key.forward(&k)?)?.tanh()?;
                Ok(f64::from(attention.score.forward(&both)?.item::<f32>()?.exp()))
            };
            let scores: Vec<f64> = (0..3).map(score).collect::<Result<_>>()?;
            for (weight, score) in row(&weights, n, l)?.to_vec::<f32>()?.into_iter().zip(&scores) {
                assert!((f64::from(weight) - score / scores.iter().sum::<f64>()).abs() < 1e-6);
            }
        }
        // The second sequence has no key at all.
        let hidden = Tensor::new([[false, false, true], [true, true, true]])?;
        let keys = keys.variable()?;
        let (context, weights) = attention.forward(&query, &keys, Some(&hidden))?;
        let shorter = keys.detach().narrow(0, 0, 1)?.narrow(1, 0, 2)?;
        let (expected, _) = attention.forward(&query.narrow(0, 0, 1)?, &shorter, None)?;
        let difference = context.narrow(0, 0, 1)?.sub(expected)?.abs()?.max()?.item::<f32>()?;
        assert!(difference < 1e-6 && weights.index(1)?.to_vec::<f32>()? == [0.0; 6]);
        let gradients = context.sum()?.backward()?;
        let gradient = gradients.get(&keys).expect("keys have a gradient");
        assert!(gradient.to_vec::<f32>()?.iter().all(|g| g.is_finite()));
        assert_eq!(gradient.index(1)?.to_vec::<f32>()?, [0.0; 9]);
        Ok(())
    }
}
