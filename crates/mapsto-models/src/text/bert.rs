//! BERT's encoder (Devlin et al., *BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding*, 2019),
//! named as in Hugging Face's `transformers`.

use super::TextShape;
use super::mask::{before, check_texts, mean};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{
    Dropout, Embedding, Init, Layer, LayerNorm, LayerNormConfig, Linear, Mode, Module, StateDict, Stream, scope,
};
use mapsto_tensor::ops::AttentionOptions;
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The deviation of weights at first.
const STD: f64 = 0.02;

/// Settings of [`Bert`], named as in Hugging Face's `config.json`; what is left out has the value of [`BertConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BertConfig {
    /// Numbers of a token.
    pub hidden_size: usize,
    /// Layers one upon the other.
    pub num_hidden_layers: usize,
    /// Heads of attention.
    pub num_attention_heads: usize,
    /// Features between the two linear layers of a layer.
    pub intermediate_size: usize,
    /// The most tokens of a text.
    pub max_position_embeddings: usize,
    /// Kinds of texts; here all are of the first.
    pub type_vocab_size: usize,
    /// Added to variances.
    pub layer_norm_eps: f64,
    /// Share of features that is dropped.
    pub hidden_dropout_prob: f64,
    /// Share of weights of attention that is dropped.
    pub attention_probs_dropout_prob: f64,
}

impl Default for BertConfig {
    /// BERT's of the base size.
    fn default() -> BertConfig {
        BertConfig {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
        }
    }
}

impl BertConfig {
    /// MiniLM's of six layers (Wang et al., *MiniLM: Deep Self-Attention Distillation*, 2020).
    pub fn minilm() -> BertConfig {
        BertConfig { hidden_size: 384, num_hidden_layers: 6, intermediate_size: 1536, ..BertConfig::default() }
    }

    /// Those of Hugging Face's `config.json`, and the number of tokens there.
    ///
    /// # Errors
    /// What is no such file; another model than BERT, or one with other activations or positions.
    #[track_caller]
    pub fn from_hugging_face(config: &str) -> Result<(BertConfig, usize)> {
        composed("Bert", || {
            let wrong = |what: String| Error::data(what).mend("is it the config.json of a BERT?");
            let all: Map<String, Value> = serde_json::from_str(config).map_err(|error| wrong(error.to_string()))?;
            for (name, expected) in
                [("model_type", "bert"), ("hidden_act", "gelu"), ("position_embedding_type", "absolute")]
            {
                let found = all.get(name).unwrap_or(&Value::Null);
                if found != expected && !(found.is_null() && name != "model_type") {
                    return Err(wrong(format!("{name} is {found}, not {expected:?}")));
                }
            }
            let tokens = all.get("vocab_size").and_then(Value::as_u64).and_then(|tokens| usize::try_from(tokens).ok());
            let tokens = tokens.ok_or_else(|| wrong("there is no vocab_size".into()))?;
            let ours = serde_json::to_value(BertConfig::default()).unwrap_or_default();
            let known = all.into_iter().filter(|(name, _)| ours.get(name).is_some()).collect();
            let config = serde_json::from_value(Value::Object(known)).map_err(|error| wrong(error.to_string()))?;
            Ok((config, tokens))
        })
    }

    fn norm(&self) -> Result<LayerNorm> {
        let config = LayerNormConfig { eps: Some(self.layer_norm_eps), ..LayerNormConfig::new([self.hidden_size]) };
        LayerNorm::from_config(&config)
    }

    fn dropout(&self) -> Result<Dropout> {
        Dropout::new(self.hidden_dropout_prob)
    }
}

/// The encoder, the mean over the text (as sentence encoders take it), and a linear layer, `classifier`.
///
/// Weights of Hugging Face's `BertModel` and of what is built on it load by name, with [`Bert::values`] between:
///
/// ```no_run
/// use mapsto_models::text::Bert;
/// use mapsto_models::{TextModel, TextShape, load_all_but};
/// use mapsto_nn::{Module, read_state};
///
/// let model = TextModel::named("minilm").expect("one of TextModel::NAMES");
/// let network = model.build(TextShape { tokens: 30_522, length: 128 }, 2)?.init(1)?;
/// let values = Bert::values(read_state("model.safetensors")?.tensors);
/// load_all_but(model.head_prefix(), &network, &values)?;
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct Bert {
    embeddings: Embeddings,
    encoder: Encoder,
    dropout: Dropout,
    classifier: Linear,
}

#[derive(Module)]
struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    #[module(name = "LayerNorm")]
    norm: LayerNorm,
    dropout: Dropout,
}

#[derive(Module)]
struct Encoder {
    layer: Vec<Block>,
}

#[derive(Module)]
struct Block {
    attention: Attention,
    intermediate: Dense,
    output: Output,
}

#[derive(Module)]
struct Attention {
    #[module(name = "self")]
    heads: Heads,
    output: Output,
}

#[derive(Module)]
struct Heads {
    query: Linear,
    key: Linear,
    value: Linear,
    heads: usize,
    dropout: f64,
    mode: Mode,
    stream: Stream,
}

#[derive(Module)]
struct Dense {
    dense: Linear,
}

/// A linear layer whose output is added to what went around, and normalised.
#[derive(Module)]
struct Output {
    dense: Linear,
    dropout: Dropout,
    #[module(name = "LayerNorm")]
    norm: LayerNorm,
}

fn linear(inputs: usize, outputs: usize) -> Result<Linear> {
    let layer = Linear::new(inputs, outputs)?;
    layer.weight.set_init(Init::Normal { mean: 0.0, std: STD });
    layer.bias.iter().for_each(|bias| bias.set_init(Init::Zeros));
    Ok(layer)
}

fn embedding(rows: usize, width: usize) -> Result<Embedding> {
    let table = Embedding::new(rows, width)?;
    table.weight.set_init(Init::Normal { mean: 0.0, std: STD });
    Ok(table)
}

impl Bert {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; texts longer than there are positions; sizes whose product is too large.
    pub(super) fn new(config: &BertConfig, input: TextShape, classes: usize) -> Result<Bert> {
        let (size, heads) = (config.hidden_size, config.num_attention_heads);
        check_size("hidden_size", size)?;
        check_size("num_attention_heads", heads)?;
        check_size("intermediate_size", config.intermediate_size)?;
        check_size("max_position_embeddings", config.max_position_embeddings)?;
        check_size("type_vocab_size", config.type_vocab_size)?;
        check_layers("num_hidden_layers", config.num_hidden_layers)?;
        if size % heads != 0 {
            return Err(Error::argument(format!("{size} features do not fall into {heads} equal heads")));
        }
        if !(config.layer_norm_eps > 0.0 && config.layer_norm_eps.is_finite()) {
            return Err(Error::argument(format!("layer_norm_eps is {}, not above 0", config.layer_norm_eps)));
        }
        if !(0.0..=1.0).contains(&config.attention_probs_dropout_prob) {
            let p = config.attention_probs_dropout_prob;
            return Err(Error::argument(format!("attention_probs_dropout_prob is {p}, not in 0..=1")));
        }
        if input.length > config.max_position_embeddings {
            let (length, most) = (input.length, config.max_position_embeddings);
            return Err(Error::argument(format!("texts of {length} tokens are longer than its {most} positions"))
                .mend("cut the texts shorter"));
        }
        Ok(Bert {
            embeddings: Embeddings {
                word_embeddings: embedding(input.tokens, size)?,
                position_embeddings: embedding(config.max_position_embeddings, size)?,
                token_type_embeddings: embedding(config.type_vocab_size, size)?,
                norm: config.norm()?,
                dropout: config.dropout()?,
            },
            encoder: Encoder {
                layer: (0..config.num_hidden_layers).map(|_| Block::new(config)).collect::<Result<_>>()?,
            },
            dropout: config.dropout()?,
            classifier: linear(size, classes)?,
        })
    }

    pub(super) fn embedding(&self) -> &Embedding {
        &self.embeddings.word_embeddings
    }

    /// The outputs: see [`TextNet::forward`](super::TextNet::forward).
    ///
    /// # Errors
    /// Those of [`TextNet::forward`](super::TextNet::forward).
    #[track_caller]
    pub fn forward(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("Bert", || {
            let features = self.features(tokens, lengths)?;
            self.classifier.forward(&self.dropout.forward(&features)?)
        })
    }

    /// The means over the texts `[N, hidden_size]`: what sentence encoders compare.
    ///
    /// # Errors
    /// Those of [`TextNet::forward`](super::TextNet::forward).
    #[track_caller]
    pub fn features(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        composed("Bert", || {
            let (mut x, held) = self.embed(tokens, lengths)?;
            for (i, block) in self.encoder.layer.iter().enumerate() {
                x = block.forward(&x, &held).map_err(|e| e.within(format!("encoder.layer.{i}")))?;
            }
            mean(&x, lengths)
        })
    }

    /// Where it looks: see [`TextNet::self_attention`](super::TextNet::self_attention).
    ///
    /// # Errors
    /// Those of [`TextNet::forward`](super::TextNet::forward).
    #[track_caller]
    pub fn self_attention(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Vec<Tensor>> {
        composed("Bert", || {
            let (mut x, held) = self.embed(tokens, lengths)?;
            let mut looks = Vec::with_capacity(self.encoder.layer.len());
            for block in &self.encoder.layer {
                looks.push(block.attention.heads.weights(&x, &held)?);
                x = block.forward(&x, &held)?;
            }
            Ok(looks)
        })
    }

    /// Tokens as features at their places `[N, T, E]`, and which of them a text has `[N, 1, 1, T]`.
    fn embed(&self, tokens: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        check_texts(tokens, lengths)?;
        let places = tokens.shape()[1];
        let held = before(lengths, places)?.reshape([tokens.shape()[0], 1, 1, places])?;
        Ok((self.embeddings.forward(tokens)?, held))
    }

    /// The values of Hugging Face's file that belong here: those of `BertModel` without its pooler, from `BertModel` itself or from a
    /// model that has it as `bert`, with the names of today (old files call a norm's parameters `gamma` and `beta`).
    pub fn values(state: StateDict) -> StateDict {
        let inner = state.keys().any(|name| name.starts_with("bert."));
        let ours = |(name, value): (String, Tensor)| {
            let name = if inner { name.strip_prefix("bert.")? } else { &name[..] };
            let is_ours = ["embeddings.", "encoder."].iter().any(|part| name.starts_with(part));
            // Positions are numbered, which needs no buffer.
            let is_number = name.ends_with("_ids");
            let name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias");
            (is_ours && !is_number).then_some((name, value))
        };
        state.into_iter().filter_map(ours).collect()
    }
}

impl Embeddings {
    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let places = Tensor::arange(0, tokens.shape()[1] as i64, 1)?;
        let first = Tensor::from_vec(vec![0i64], [1])?;
        let positions = self.position_embeddings.forward(&places).map_err(|e| e.within("position_embeddings"))?;
        let kinds = self.token_type_embeddings.forward(&first)?;
        let sum = self.word_embeddings.forward(tokens)?.add(positions)?.add(kinds)?;
        self.dropout.forward(&self.norm.forward(&sum)?)
    }
}

impl Block {
    fn new(config: &BertConfig) -> Result<Block> {
        let (size, between) = (config.hidden_size, config.intermediate_size);
        let output = |inputs: usize| {
            Ok(Output { dense: linear(inputs, size)?, dropout: config.dropout()?, norm: config.norm()? })
        };
        let heads = Heads {
            query: linear(size, size)?,
            key: linear(size, size)?,
            value: linear(size, size)?,
            heads: config.num_attention_heads,
            dropout: config.attention_probs_dropout_prob,
            mode: Mode::default(),
            stream: Stream::default(),
        };
        Ok(Block {
            attention: Attention { heads, output: output(size)? },
            intermediate: Dense { dense: linear(size, between)? },
            output: output(between)?,
        })
    }

    fn forward(&self, x: &Tensor, held: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let x = self.attention.output.forward(&self.attention.heads.forward(x, held)?, x)?;
        let hidden = self.intermediate.dense.forward(&x)?.gelu()?;
        self.output.forward(&hidden, &x)
    }
}

impl Heads {
    /// What each place finds at the places that hold tokens.
    fn forward(&self, x: &Tensor, held: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        let query = self.split(&self.query, x)?;
        let (key, value) = (self.split(&self.key, x)?, self.split(&self.value, x)?);
        let mut options = AttentionOptions { mask: Some(held), ..AttentionOptions::default() };
        if self.dropout > 0.0 && self.mode.is_training() {
            options.dropout = Some((self.dropout, self.stream.next_rng()?.key()));
        }
        query.attention(&key, &value, &options)?.transpose(1, 2)?.reshape(*x.shape())
    }

    /// How much each place looks at each, `[N, T, T]`: the mean of the heads. None is dropped.
    fn weights(&self, x: &Tensor, held: &Tensor) -> Result<Tensor> {
        let options = AttentionOptions { mask: Some(held), ..AttentionOptions::default() };
        let (query, key) = (self.split(&self.query, x)?, self.split(&self.key, x)?);
        query.attention_weights(&key, &options)?.mean_axes(&[1], false)
    }

    /// What a layer makes of places `[N, T, E]`, of each head: `[N, H, T, D]`.
    fn split(&self, layer: &Linear, x: &Tensor) -> Result<Tensor> {
        let &[texts, places, size] = &x.shape()[..] else {
            return Err(Error::shape(format!("takes [N, T, E], not {}", x.shape())));
        };
        layer.forward(x)?.reshape([texts, places, self.heads, size / self.heads])?.transpose(1, 2)
    }
}

impl Output {
    fn forward(&self, x: &Tensor, around: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        self.norm.forward(&self.dropout.forward(&self.dense.forward(x)?)?.add(around)?)
    }
}
