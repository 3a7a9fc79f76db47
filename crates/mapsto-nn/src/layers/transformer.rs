//! Transformers.

use super::{
    AttentionMasks, Dropout, Layer, LayerNorm, LayerNormConfig, Linear, LinearConfig, MultiheadAttention,
    MultiheadAttentionConfig, check_layers, yes,
};
use crate::{Init, Module};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};
use std::panic::Location;

/// What lies between the two linear layers of a transformer's layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransformerActivation {
    /// The rectifier.
    #[default]
    Relu,
    /// The Gaussian error linear unit.
    Gelu,
}

/// Settings of [`TransformerEncoderLayer`] and [`TransformerDecoderLayer`], named as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerLayerConfig {
    /// Features.
    pub d_model: usize,
    /// Heads of attention.
    pub nhead: usize,
    /// Features between the two linear layers.
    #[serde(default = "feedforward")]
    pub dim_feedforward: usize,
    /// The probability with which, in training, elements and weights of attention are dropped.
    #[serde(default = "tenth")]
    pub dropout: f64,
    /// What lies between the two linear layers.
    #[serde(default)]
    pub activation: TransformerActivation,
    /// Added to variances.
    #[serde(default = "epsilon")]
    pub layer_norm_eps: f64,
    /// Whether inputs are `[N, L, E]` rather than `[L, N, E]`, and outputs likewise.
    #[serde(default)]
    pub batch_first: bool,
    /// Whether each part normalises its input rather than its sum with the input.
    #[serde(default)]
    pub norm_first: bool,
    /// Whether there are biases.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn feedforward() -> usize {
    2048
}

fn tenth() -> f64 {
    0.1
}

fn epsilon() -> f64 {
    1e-5
}

impl TransformerLayerConfig {
    /// With PyTorch's defaults.
    pub fn new(d_model: usize, nhead: usize) -> TransformerLayerConfig {
        TransformerLayerConfig {
            d_model,
            nhead,
            dim_feedforward: feedforward(),
            dropout: tenth(),
            activation: TransformerActivation::Relu,
            layer_norm_eps: epsilon(),
            batch_first: false,
            norm_first: false,
            bias: true,
        }
    }

    /// With so many features between the linear layers.
    pub fn dim_feedforward(self, dim_feedforward: usize) -> TransformerLayerConfig {
        TransformerLayerConfig { dim_feedforward, ..self }
    }

    /// With another probability of dropping.
    pub fn dropout(self, dropout: f64) -> TransformerLayerConfig {
        TransformerLayerConfig { dropout, ..self }
    }

    /// With another activation.
    pub fn activation(self, activation: TransformerActivation) -> TransformerLayerConfig {
        TransformerLayerConfig { activation, ..self }
    }

    /// With another number added to variances.
    pub fn layer_norm_eps(self, layer_norm_eps: f64) -> TransformerLayerConfig {
        TransformerLayerConfig { layer_norm_eps, ..self }
    }

    /// With inputs `[N, L, E]`.
    pub fn batch_first(self) -> TransformerLayerConfig {
        TransformerLayerConfig { batch_first: true, ..self }
    }

    /// With inputs of the parts normalised.
    pub fn norm_first(self) -> TransformerLayerConfig {
        TransformerLayerConfig { norm_first: true, ..self }
    }

    /// Without biases.
    pub fn no_bias(self) -> TransformerLayerConfig {
        TransformerLayerConfig { bias: false, ..self }
    }

    fn attention(&self) -> Result<MultiheadAttention> {
        MultiheadAttention::from_config(&MultiheadAttentionConfig {
            dropout: self.dropout,
            bias: self.bias,
            batch_first: self.batch_first,
            ..MultiheadAttentionConfig::new(self.d_model, self.nhead)
        })
    }

    fn norm(&self) -> Result<LayerNorm> {
        LayerNorm::from_config(&LayerNormConfig {
            eps: Some(self.layer_norm_eps),
            bias: self.bias,
            ..LayerNormConfig::new([self.d_model])
        })
    }

    fn linear(&self, in_features: usize, out_features: usize) -> Result<Linear> {
        Linear::from_config(&LinearConfig { in_features, out_features, bias: self.bias })
    }
}

impl TransformerActivation {
    pub(super) fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            TransformerActivation::Relu => x.relu(),
            TransformerActivation::Gelu => x.gelu(),
        }
    }
}

/// `x + part(norm(x))`, or with the norm behind `norm(x + part(x))`.
pub(super) fn residual(
    x: &Tensor,
    norm: &LayerNorm,
    norm_first: bool,
    part: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    if norm_first { x.add(part(&norm.forward(x)?)?) } else { norm.forward(&x.add(part(x)?)?) }
}

/// Attention of a sequence to itself and a small network, each with a way around it (Vaswani et al., *Attention Is All You
/// Need*, 2017). As a [`Layer`] it masks nothing.
#[derive(Module)]
pub struct TransformerEncoderLayer {
    /// The attention.
    pub self_attn: MultiheadAttention,
    /// To the features between.
    pub linear1: Linear,
    dropout: Dropout,
    /// And back.
    pub linear2: Linear,
    /// Of the attention.
    pub norm1: LayerNorm,
    /// Of the network.
    pub norm2: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    #[module(skip)]
    config: TransformerLayerConfig,
}

impl TransformerEncoderLayer {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// Features that do not fall into the heads.
    #[track_caller]
    pub fn new(d_model: usize, nhead: usize) -> Result<TransformerEncoderLayer> {
        TransformerEncoderLayer::from_config(&TransformerLayerConfig::new(d_model, nhead))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Features that do not fall into the heads; a probability that cannot be.
    #[track_caller]
    pub fn from_config(config: &TransformerLayerConfig) -> Result<TransformerEncoderLayer> {
        let config = *config;
        composed("TransformerEncoderLayer", || {
            Ok(TransformerEncoderLayer {
                self_attn: config.attention()?,
                linear1: config.linear(config.d_model, config.dim_feedforward)?,
                dropout: Dropout::new(config.dropout)?,
                linear2: config.linear(config.dim_feedforward, config.d_model)?,
                norm1: config.norm()?,
                norm2: config.norm()?,
                dropout1: Dropout::new(config.dropout)?,
                dropout2: Dropout::new(config.dropout)?,
                config,
            })
        })
    }

    /// The settings.
    pub fn config(&self) -> &TransformerLayerConfig {
        &self.config
    }

    /// The output for a sequence of which the masks show a part.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn forward_masked(&self, src: &Tensor, masks: &AttentionMasks) -> Result<Tensor> {
        self.run(src, |x| self.self_attn.forward(x, x, x, masks))
    }

    /// How much each place looks at each, `[N, L, L]`: the mean of the heads. Otherwise as
    /// [`TransformerEncoderLayer::forward_masked`].
    ///
    /// # Errors
    /// Those of [`TransformerEncoderLayer::forward_masked`].
    #[track_caller]
    pub fn attention(&self, src: &Tensor, masks: &AttentionMasks) -> Result<Tensor> {
        composed("TransformerEncoderLayer", || {
            let asking = if self.config.norm_first { self.norm1.forward(src)? } else { src.clone() };
            Ok(self.self_attn.forward_weights(&asking, &asking, &asking, masks, false)?.1)
        })
    }

    /// The output, by what attends.
    #[track_caller]
    pub(super) fn run(&self, src: &Tensor, attend: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("TransformerEncoderLayer", || {
            let first = self.config.norm_first;
            let attended = residual(src, &self.norm1, first, |x| self.dropout1.forward(&attend(x)?))?;
            residual(&attended, &self.norm2, first, |x| {
                let hidden = self.config.activation.forward(&self.linear1.forward(x)?)?;
                self.dropout2.forward(&self.linear2.forward(&self.dropout.forward(&hidden)?)?)
            })
        })
    }
}

impl Layer for TransformerEncoderLayer {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_masked(x, &AttentionMasks::default())
    }
}

/// Attention of a sequence to itself, then to a memory, and a small network, each with a way around it (Vaswani et al.,
/// 2017).
#[derive(Module)]
pub struct TransformerDecoderLayer {
    /// The attention to itself.
    pub self_attn: MultiheadAttention,
    /// The attention to the memory.
    pub multihead_attn: MultiheadAttention,
    /// To the features between.
    pub linear1: Linear,
    dropout: Dropout,
    /// And back.
    pub linear2: Linear,
    /// Of the attention to itself.
    pub norm1: LayerNorm,
    /// Of the attention to the memory.
    pub norm2: LayerNorm,
    /// Of the network.
    pub norm3: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    dropout3: Dropout,
    #[module(skip)]
    config: TransformerLayerConfig,
}

impl TransformerDecoderLayer {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// Features that do not fall into the heads.
    #[track_caller]
    pub fn new(d_model: usize, nhead: usize) -> Result<TransformerDecoderLayer> {
        TransformerDecoderLayer::from_config(&TransformerLayerConfig::new(d_model, nhead))
    }

    /// By its settings.
    ///
    /// # Errors
    /// Features that do not fall into the heads; a probability that cannot be.
    #[track_caller]
    pub fn from_config(config: &TransformerLayerConfig) -> Result<TransformerDecoderLayer> {
        let config = *config;
        composed("TransformerDecoderLayer", || {
            Ok(TransformerDecoderLayer {
                self_attn: config.attention()?,
                multihead_attn: config.attention()?,
                linear1: config.linear(config.d_model, config.dim_feedforward)?,
                dropout: Dropout::new(config.dropout)?,
                linear2: config.linear(config.dim_feedforward, config.d_model)?,
                norm1: config.norm()?,
                norm2: config.norm()?,
                norm3: config.norm()?,
                dropout1: Dropout::new(config.dropout)?,
                dropout2: Dropout::new(config.dropout)?,
                dropout3: Dropout::new(config.dropout)?,
                config,
            })
        })
    }

    /// The settings.
    pub fn config(&self) -> &TransformerLayerConfig {
        &self.config
    }

    /// The output for a sequence and a memory, of each of which its masks show a part.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn forward(
        &self,
        tgt: &Tensor,
        memory: &Tensor,
        tgt_masks: &AttentionMasks,
        memory_masks: &AttentionMasks,
    ) -> Result<Tensor> {
        let _scope = crate::scope(self);
        composed("TransformerDecoderLayer", || {
            let first = self.config.norm_first;
            let attended = residual(tgt, &self.norm1, first, |x| {
                self.dropout1.forward(&self.self_attn.forward(x, x, x, tgt_masks)?)
            })?;
            let informed = residual(&attended, &self.norm2, first, |x| {
                self.dropout2.forward(&self.multihead_attn.forward(x, memory, memory, memory_masks)?)
            })?;
            residual(&informed, &self.norm3, first, |x| {
                let hidden = self.config.activation.forward(&self.linear1.forward(x)?)?;
                self.dropout3.forward(&self.linear2.forward(&self.dropout.forward(&hidden)?)?)
            })
        })
    }
}

impl TransformerDecoderLayer {
    /// How much each place of a sequence looks at each of a memory, `[N, L, S]`: the mean of the heads. Otherwise as
    /// [`TransformerDecoderLayer::forward`].
    ///
    /// # Errors
    /// Those of [`TransformerDecoderLayer::forward`].
    #[track_caller]
    pub fn attention(
        &self,
        tgt: &Tensor,
        memory: &Tensor,
        tgt_masks: &AttentionMasks,
        memory_masks: &AttentionMasks,
    ) -> Result<Tensor> {
        composed("TransformerDecoderLayer", || {
            let first = self.config.norm_first;
            let attended = residual(tgt, &self.norm1, first, |x| self.self_attn.forward(x, x, x, tgt_masks))?;
            let asking = if first { self.norm2.forward(&attended)? } else { attended };
            Ok(self.multihead_attn.forward_weights(&asking, memory, memory, memory_masks, false)?.1)
        })
    }
}

/// Settings of [`TransformerEncoder`] and [`TransformerDecoder`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerStackConfig {
    /// Of each layer.
    pub layer: TransformerLayerConfig,
    /// Layers one upon the other.
    pub num_layers: usize,
    /// Whether the output of the last is normalised.
    #[serde(default)]
    pub norm: bool,
}

impl TransformerStackConfig {
    fn build<L>(&self, layer: fn(&TransformerLayerConfig) -> Result<L>) -> Result<(Vec<L>, Option<LayerNorm>)> {
        check_layers(self.num_layers, 0)?;
        let layers = (0..self.num_layers).map(|_| layer(&self.layer)).collect::<Result<_>>()?;
        Ok((layers, self.norm.then(|| self.layer.norm()).transpose()?))
    }
}

/// Layers of [`TransformerEncoderLayer`] one upon the other. As a [`Layer`] it masks nothing.
///
/// ```
/// use mapsto_nn::{AttentionMasks, Module, TransformerEncoder, TransformerLayerConfig, TransformerStackConfig};
/// use mapsto_tensor::{DType, Tensor};
///
/// let layer = TransformerLayerConfig::new(8, 2).dim_feedforward(16).batch_first().norm_first();
/// let encoder = TransformerEncoder::from_config(&TransformerStackConfig { layer, num_layers: 2, norm: true })?.init(1)?;
/// let x = Tensor::ones([3, 5, 8], DType::F32)?;
/// assert_eq!(encoder.forward_masked(&x, &AttentionMasks::causal())?.shape(), x.shape());
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct TransformerEncoder {
    /// The layers.
    pub layers: Vec<TransformerEncoderLayer>,
    /// Of the output.
    pub norm: Option<LayerNorm>,
    #[module(skip)]
    config: TransformerStackConfig,
}

impl TransformerEncoder {
    /// By its settings.
    ///
    /// # Errors
    /// Those of [`TransformerEncoderLayer::from_config`].
    #[track_caller]
    pub fn from_config(config: &TransformerStackConfig) -> Result<TransformerEncoder> {
        let config = *config;
        composed("TransformerEncoder", || {
            let (layers, norm) = config.build(TransformerEncoderLayer::from_config)?;
            Ok(TransformerEncoder { layers, norm, config })
        })
    }

    /// The settings.
    pub fn config(&self) -> &TransformerStackConfig {
        &self.config
    }

    /// The output for a sequence of which the masks show each layer a part.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn forward_masked(&self, src: &Tensor, masks: &AttentionMasks) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let at = Location::caller();
        let mut x = src.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward_masked(&x, masks).map_err(|e| e.at(at).within(format!("layers.{i}")))?;
        }
        match &self.norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }

    /// How much each place looks at each in each layer, `[N, L, L]`: see [`TransformerEncoderLayer::attention`].
    ///
    /// # Errors
    /// Those of [`TransformerEncoder::forward_masked`].
    #[track_caller]
    pub fn attention(&self, src: &Tensor, masks: &AttentionMasks) -> Result<Vec<Tensor>> {
        let at = Location::caller();
        let mut x = src.clone();
        let mut looks = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            let within = |e: mapsto_tensor::Error| e.at(at).within(format!("layers.{i}"));
            looks.push(layer.attention(&x, masks).map_err(within)?);
            x = layer.forward_masked(&x, masks).map_err(within)?;
        }
        Ok(looks)
    }
}

impl Layer for TransformerEncoder {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_masked(x, &AttentionMasks::default())
    }
}

/// Layers of [`TransformerDecoderLayer`] one upon the other, which all see the same memory.
#[derive(Module)]
pub struct TransformerDecoder {
    /// The layers.
    pub layers: Vec<TransformerDecoderLayer>,
    /// Of the output.
    pub norm: Option<LayerNorm>,
    #[module(skip)]
    config: TransformerStackConfig,
}

impl TransformerDecoder {
    /// By its settings.
    ///
    /// # Errors
    /// Those of [`TransformerDecoderLayer::from_config`].
    #[track_caller]
    pub fn from_config(config: &TransformerStackConfig) -> Result<TransformerDecoder> {
        let config = *config;
        composed("TransformerDecoder", || {
            let (layers, norm) = config.build(TransformerDecoderLayer::from_config)?;
            Ok(TransformerDecoder { layers, norm, config })
        })
    }

    /// The settings.
    pub fn config(&self) -> &TransformerStackConfig {
        &self.config
    }

    /// The output for a sequence and a memory, of each of which its masks show each layer a part.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn forward(
        &self,
        tgt: &Tensor,
        memory: &Tensor,
        tgt_masks: &AttentionMasks,
        memory_masks: &AttentionMasks,
    ) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let at = Location::caller();
        let mut x = tgt.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let done = layer.forward(&x, memory, tgt_masks, memory_masks);
            x = done.map_err(|e| e.at(at).within(format!("layers.{i}")))?;
        }
        match &self.norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }
}

/// Settings of [`Transformer`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Of each layer.
    pub layer: TransformerLayerConfig,
    /// Layers of the encoder.
    #[serde(default = "six")]
    pub num_encoder_layers: usize,
    /// Layers of the decoder.
    #[serde(default = "six")]
    pub num_decoder_layers: usize,
}

fn six() -> usize {
    6
}

impl TransformerConfig {
    /// Six and six of these layers.
    pub fn new(layer: TransformerLayerConfig) -> TransformerConfig {
        TransformerConfig { layer, num_encoder_layers: six(), num_decoder_layers: six() }
    }

    /// With so many layers.
    pub fn num_layers(self, encoder: usize, decoder: usize) -> TransformerConfig {
        TransformerConfig { num_encoder_layers: encoder, num_decoder_layers: decoder, ..self }
    }
}

/// Which keys the three kinds of attention of a [`Transformer`] do not see.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransformerMasks<'a> {
    /// Of the source to itself.
    pub src: AttentionMasks<'a>,
    /// Of the target to itself.
    pub tgt: AttentionMasks<'a>,
    /// Of the target to the encoded source.
    pub memory: AttentionMasks<'a>,
}

/// An encoder of a source and a decoder of a target that sees it, both normalised (Vaswani et al., 2017). Without
/// embeddings: inputs and outputs are features.
#[derive(Module)]
pub struct Transformer {
    /// The encoder.
    pub encoder: TransformerEncoder,
    /// The decoder.
    pub decoder: TransformerDecoder,
    #[module(skip)]
    config: TransformerConfig,
}

impl Transformer {
    /// By its settings. Matrices begin as Xavier's uniform ones.
    ///
    /// # Errors
    /// Features that do not fall into the heads; a probability that cannot be.
    #[track_caller]
    pub fn from_config(config: &TransformerConfig) -> Result<Transformer> {
        let config = *config;
        let stack = |num_layers| TransformerStackConfig { layer: config.layer, num_layers, norm: true };
        let parts = || {
            let encoder = TransformerEncoder::from_config(&stack(config.num_encoder_layers))?;
            Ok((encoder, TransformerDecoder::from_config(&stack(config.num_decoder_layers))?))
        };
        let (encoder, decoder) = composed("Transformer", parts)?;
        let transformer = Transformer { encoder, decoder, config };
        for param in transformer.parameters().iter().filter(|param| param.shape().rank() > 1) {
            param.set_init(Init::xavier_uniform(1.0));
        }
        Ok(transformer)
    }

    /// The settings.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// The output, like the target `[T, N, E]`, for a source `[S, N, E]` (`batch_first`: with `N` first) and it.
    ///
    /// # Errors
    /// Shapes or types that do not fit; a parameter without a value.
    #[track_caller]
    pub fn forward(&self, src: &Tensor, tgt: &Tensor, masks: &TransformerMasks) -> Result<Tensor> {
        let _scope = crate::scope(self);
        let memory = self.encoder.forward_masked(src, &masks.src)?;
        self.decoder.forward(tgt, &memory, &masks.tgt, &masks.memory)
    }
}
