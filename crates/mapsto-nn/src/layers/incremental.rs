//! Decoding step by step: what attention has seen is kept, not computed again.

use super::attention::MultiheadAttention;
use super::transformer::{TransformerDecoder, TransformerDecoderLayer, residual};
use super::{KeyValueCache, Layer};
use mapsto_tensor::ops::AttentionOptions;
use mapsto_tensor::{Error, Result, Tensor, composed};

/// Keys and values of the heads of a [`MultiheadAttention`], which are made once for all queries.
#[derive(Clone, Debug)]
pub struct KeysValues {
    /// `[N, H, S, D]`.
    pub keys: Tensor,
    /// `[N, H, S, D]`.
    pub values: Tensor,
}

impl KeysValues {
    /// With others behind them.
    ///
    /// # Errors
    /// Others of another layer or batch.
    #[track_caller]
    pub fn followed_by(&self, others: &KeysValues) -> Result<KeysValues> {
        Ok(KeysValues {
            keys: Tensor::concat(&[&self.keys, &others.keys], 2)?,
            values: Tensor::concat(&[&self.values, &others.values], 2)?,
        })
    }

    /// Those of some sequences of the batch, by their numbers, `i64`.
    ///
    /// # Errors
    /// A sequence that is not there.
    #[track_caller]
    pub fn select(&self, rows: &Tensor) -> Result<KeysValues> {
        Ok(KeysValues { keys: self.keys.index_select(0, rows)?, values: self.values.index_select(0, rows)? })
    }
}

impl MultiheadAttention {
    /// Keys and values for [`MultiheadAttention::attend`], of `[S, N, kdim]` and `[S, N, vdim]`, or (`batch_first`) with `N` first.
    ///
    /// # Errors
    /// Shapes that do not fit; a layer with learned or zero keys, which come behind all others; a parameter without a value.
    #[track_caller]
    pub fn keys_values(&self, key: &Tensor, value: &Tensor) -> Result<KeysValues> {
        let _scope = crate::scope(self);
        composed("MultiheadAttention", || {
            if self.config().add_bias_kv || self.config().add_zero_attn {
                return Err(Error::argument("a layer with learned or zero keys cannot go on step by step"));
            }
            let all = match key.id() == value.id() {
                true => self.projected(key, 1..3)?,
                false => [self.projected(key, 1..2)?, self.projected(value, 2..3)?].concat(),
            };
            Ok(KeysValues { keys: self.split(&all[0])?, values: self.split(&all[1])? })
        })
    }

    /// What queries find at keys and values that were made before, but for those that `padding`, truth values `[N, S]`, hides. As
    /// [`MultiheadAttention::forward`], and no weight is dropped.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn attend(&self, query: &Tensor, seen: &KeysValues, padding: Option<&Tensor>) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("MultiheadAttention", || {
            let queries = self.split(&self.projected(query, 0..1)?[0])?;
            let mask = padding.map(|hidden| hidden.logical_not()?.unsqueeze(1)?.unsqueeze(1)).transpose()?;
            let options = AttentionOptions { mask: mask.as_ref(), ..AttentionOptions::default() };
            self.out(&queries.attention(&seen.keys, &seen.values, &options)?, query)
        })
    }
}

/// What a [`TransformerDecoder`] keeps from step to step, of each layer: what it has read of the target, and the memory.
#[derive(Clone, Debug)]
pub struct TransformerDecoderCache {
    target: Vec<KeyValueCache>,
    memory: Vec<KeysValues>,
}

impl TransformerDecoderCache {
    /// That of some sequences of the batch, by their numbers, `i64`.
    ///
    /// # Errors
    /// A sequence that is not there.
    #[track_caller]
    pub fn select(&self, rows: &Tensor) -> Result<TransformerDecoderCache> {
        let target = self.target.iter().map(|read| read.select(rows)).collect::<Result<_>>()?;
        let memory = self.memory.iter().map(|seen| seen.select(rows)).collect::<Result<_>>()?;
        Ok(TransformerDecoderCache { target, memory })
    }
}

impl TransformerDecoderLayer {
    /// The output for the next elements of the target.
    fn step(
        &self,
        next: &Tensor,
        read: &mut KeyValueCache,
        memory: &KeysValues,
        padding: Option<&Tensor>,
    ) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let first = self.config().norm_first;
        let attended = residual(next, &self.norm1, first, |x| self.self_attn.forward_cached(x, read))?;
        let informed = residual(&attended, &self.norm2, first, |x| self.multihead_attn.attend(x, memory, padding))?;
        residual(&informed, &self.norm3, first, |x| {
            self.linear2.forward(&self.config().activation.forward(&self.linear1.forward(x)?)?)
        })
    }
}

impl TransformerDecoder {
    /// What [`TransformerDecoder::step`] begins with, for a memory `[N, S, E]` (or `[S, N, E]`).
    ///
    /// # Errors
    /// A shape that does not fit; a parameter without a value.
    #[track_caller]
    pub fn cache(&self, memory: &Tensor) -> Result<TransformerDecoderCache> {
        composed("TransformerDecoder", || {
            let of = |layer: &TransformerDecoderLayer| layer.multihead_attn.keys_values(memory, memory);
            let memory = self.layers.iter().map(of).collect::<Result<_>>()?;
            Ok(TransformerDecoderCache { target: vec![KeyValueCache::default(); self.layers.len()], memory })
        })
    }

    /// The output for the next elements of the target `[N, T, E]` (or `[T, N, E]`): what [`TransformerDecoder::forward`] gives for them
    /// behind those before under a causal mask. Of the memory, `padding` `[N, S]` hides a part. It is for a network that
    /// evaluates: what learning drops is not dropped.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn step(&self, next: &Tensor, cache: &mut TransformerDecoderCache, padding: Option<&Tensor>) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("TransformerDecoder", || {
            let mut x = next.clone();
            for ((layer, read), memory) in self.layers.iter().zip(&mut cache.target).zip(&cache.memory) {
                x = layer.step(&x, read, memory, padding)?;
            }
            match &self.norm {
                Some(norm) => norm.forward(&x),
                None => Ok(x),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttentionMasks, Module, MultiheadAttentionConfig, TransformerLayerConfig, TransformerStackConfig};
    use mapsto_tensor::{DType, Rng};

    #[test]
    fn steps_are_the_whole_in_every_layout() -> Result<()> {
        let mut rng = Rng::new(3);
        let plain = TransformerLayerConfig::new(6, 2).dim_feedforward(10);
        for layer in [plain, plain.norm_first(), plain.batch_first()] {
            let stack = TransformerStackConfig { layer, num_layers: 2, norm: layer.norm_first };
            let decoder = TransformerDecoder::from_config(&stack)?.init(1)?;
            decoder.eval();
            let (steps, batch) = if layer.batch_first { (1, 0) } else { (0, 1) };
            let random = |length: usize, rng: &mut Rng| {
                let mut sizes = [0; 3];
                (sizes[steps], sizes[batch], sizes[2]) = (length, 2, 6);
                Tensor::randn(sizes, DType::F32, rng)
            };
            let (target, memory) = (random(5, &mut rng)?, random(4, &mut rng)?);
            let padding = Tensor::new([[false, false, true, true], [false, false, false, false]])?;
            let seen = AttentionMasks { key_padding_mask: Some(&padding), ..AttentionMasks::default() };
            let whole = decoder.forward(&target, &memory, &AttentionMasks::causal(), &seen)?;
            let mut cache = decoder.cache(&memory)?;
            for (step, count) in [(0, 1), (1, 1), (2, 2), (4, 1)] {
                let next = target.narrow(steps as isize, step, count)?;
                let out = decoder.step(&next, &mut cache, Some(&padding))?;
                let off = out.sub(whole.narrow(steps as isize, step, count)?)?.abs()?.max()?.item::<f32>()?;
                assert!(off < 1e-5, "{layer:?}, step {step}: {off}");
            }
        }
        Ok(())
    }

    #[test]
    fn learned_keys_cannot_go_on() -> Result<()> {
        let config = MultiheadAttentionConfig::new(4, 2).add_bias_kv();
        let attention = MultiheadAttention::from_config(&config)?.init(1)?;
        let x = Tensor::ones([3, 1, 4], DType::F32)?;
        let said = attention.keys_values(&x, &x).unwrap_err().to_string();
        assert!(
            said.contains("MultiheadAttention: a layer with learned or zero keys cannot go on step by step"),
            "{said}"
        );
        Ok(())
    }
}
