//! Attention that remembers what it has read: a sequence comes in pieces, and a token more costs one step.

use super::{AttentionMasks, KeysValues, Layer, MultiheadAttention, TransformerEncoder, TransformerEncoderLayer};
use mapsto_tensor::ops::AttentionOptions;
use mapsto_tensor::{Error, Result, Tensor, composed};
use std::panic::Location;

/// Keys and values of the tokens that an attention has read; none at first.
#[derive(Clone, Debug, Default)]
pub struct KeyValueCache {
    read: Option<KeysValues>,
}

impl KeyValueCache {
    /// How many tokens have been read.
    pub fn len(&self) -> usize {
        self.read.as_ref().map_or(0, |read| read.keys.shape()[2])
    }

    /// Whether nothing has been read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That of some sequences of the batch, by their numbers, `i64`.
    ///
    /// # Errors
    /// A sequence that is not there.
    #[track_caller]
    pub fn select(&self, rows: &Tensor) -> Result<KeyValueCache> {
        Ok(KeyValueCache { read: self.read.as_ref().map(|read| read.select(rows)).transpose()? })
    }

    /// Takes new keys and values in, and gives all.
    fn extend(&mut self, new: KeysValues) -> Result<&KeysValues> {
        let all = match &self.read {
            Some(read) => read.followed_by(&new)?,
            None => new,
        };
        Ok(self.read.insert(all))
    }
}

impl MultiheadAttention {
    /// What the next tokens of sequences, `[N, T, E]` (or as `batch_first` says), find at those that the cache has read and at
    /// those up to their own: pieces of a sequence give what [`Self::forward`] with [`AttentionMasks::causal`] gives the whole.
    ///
    /// # Errors
    /// Shapes or types that do not fit; other sequences than the cache has read; keys of another size, learned or of zeros; a
    /// parameter without a value.
    #[track_caller]
    pub fn forward_cached(&self, x: &Tensor, cache: &mut KeyValueCache) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("MultiheadAttention", || {
            let config = self.config();
            if config.add_bias_kv || config.add_zero_attn {
                return Err(Error::argument("learned keys and keys of zeros have no place in a cache"));
            }
            self.check(x, x, x, &AttentionMasks::default())?;
            let [query, keys, values] = self.heads(x, x, x)?;
            let (before, new) = (cache.len(), query.shape()[2]);
            let KeysValues { keys, values } = cache.extend(KeysValues { keys, values })?;
            // One token more sees all: only several behind others need a mask.
            let mask = (before > 0 && new > 1).then(|| {
                let places = Tensor::arange(0, (before + new) as i64, 1)?;
                places.le(places.narrow(0, before, new)?.unsqueeze(1)?)
            });
            let mask = mask.transpose()?;
            let mut options =
                AttentionOptions { mask: mask.as_ref(), causal: before == 0, ..AttentionOptions::default() };
            options.dropout = self.dropped()?;
            self.out(&query.attention(keys, values, &options)?, x)
        })
    }
}

impl TransformerEncoderLayer {
    /// The output for the next tokens of sequences, as [`MultiheadAttention::forward_cached`] takes them.
    ///
    /// # Errors
    /// Those of [`MultiheadAttention::forward_cached`].
    #[track_caller]
    pub fn forward_cached(&self, src: &Tensor, cache: &mut KeyValueCache) -> Result<Tensor> {
        self.run(src, |x| self.self_attn.forward_cached(x, cache))
    }
}

impl TransformerEncoder {
    /// The output for the next tokens of sequences, with a cache for each layer; they are made where there are none yet.
    ///
    /// ```
    /// use mapsto_nn::{AttentionMasks, Module, TransformerEncoder, TransformerLayerConfig, TransformerStackConfig};
    /// use mapsto_tensor::{DType, Tensor};
    ///
    /// let layer = TransformerLayerConfig::new(8, 2).dim_feedforward(16).dropout(0.0).batch_first().norm_first();
    /// let decoder = TransformerEncoder::from_config(&TransformerStackConfig { layer, num_layers: 2, norm: true })?.init(1)?;
    /// let x = Tensor::ones([3, 5, 8], DType::F32)?;
    /// let mut caches = Vec::new();
    /// decoder.forward_cached(&x.narrow(1, 0, 4)?, &mut caches)?;
    /// let last = decoder.forward_cached(&x.narrow(1, 4, 1)?, &mut caches)?;
    /// assert_eq!(last.shape()[..], [3, 1, 8]);
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`MultiheadAttention::forward_cached`].
    #[track_caller]
    pub fn forward_cached(&self, src: &Tensor, caches: &mut Vec<KeyValueCache>) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let at = Location::caller();
        caches.resize_with(self.layers.len(), KeyValueCache::default);
        let mut x = src.clone();
        for (i, (layer, cache)) in self.layers.iter().zip(caches).enumerate() {
            x = layer.forward_cached(&x, cache).map_err(|e| e.at(at).within(format!("layers.{i}")))?;
        }
        match &self.norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }
}
