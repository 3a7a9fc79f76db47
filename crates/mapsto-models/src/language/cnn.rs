//! Convolutions that see only what came before (van den Oord et al., *WaveNet*, 2016; Dauphin et al., *Language Modeling with Gated
//! Convolutional Networks*, 2017).

use super::{LanguageShape, Memory, check_tokens};
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Conv1d, ConvConfig, Dropout, Embedding, Init, Layer, LayerNorm, Linear, Module, scope};
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The most tokens that a block can see back: 2^20.
const FURTHEST: usize = 1 << 20;

/// Settings of [`LanguageCnn`]; what is left out has the value of [`LanguageCnnConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageCnnConfig {
    /// Numbers of a token.
    pub width: usize,
    /// Tokens that a filter takes.
    pub kernel: usize,
    /// How far these lie apart, in each block: doubling sees as far back as the doubled last one times `kernel - 1`.
    pub dilations: Vec<usize>,
    /// Share of the embeddings and of each block's outputs that is dropped.
    pub dropout: f64,
}

impl Default for LanguageCnnConfig {
    fn default() -> LanguageCnnConfig {
        LanguageCnnConfig { width: 128, kernel: 3, dilations: vec![1, 2, 4, 8, 16, 32], dropout: 0.1 }
    }
}

/// Embeddings, blocks of dilated convolutions with ways around them, a norm, and a linear layer.
#[derive(Module)]
pub struct LanguageCnn {
    embedding: Embedding,
    dropout: Dropout,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

/// `x + linear(glu(conv(norm(x))))`.
#[derive(Module)]
struct Block {
    norm: LayerNorm,
    conv: Conv1d,
    linear: Linear,
    dropout: Dropout,
    /// How many tokens it sees back.
    back: usize,
}

impl LanguageCnn {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &LanguageCnnConfig, input: LanguageShape) -> Result<LanguageCnn> {
        let LanguageCnnConfig { width, kernel, dilations, dropout } = config;
        check_size("width", *width)?;
        check_size("kernel", *kernel)?;
        check_size("the number of dilations", dilations.len())?;
        check_layers("dilations", dilations.len())?;
        let block = |&dilation: &usize| {
            check_size("a dilation", dilation)?;
            let back = (kernel - 1).saturating_mul(dilation);
            if back > FURTHEST {
                let problem = format!("a kernel of {kernel} with dilation {dilation} sees {back} tokens back");
                return Err(Error::argument(format!("{problem}, more than {FURTHEST}")));
            }
            Ok(Block {
                norm: LayerNorm::new(*width)?,
                conv: Conv1d::from_config(&ConvConfig::new(*width, 2 * width, *kernel).dilation(dilation))?,
                linear: Linear::new(*width, *width)?,
                dropout: Dropout::new(*dropout)?,
                back,
            })
        };
        let embedding = Embedding::new(input.tokens, *width)?;
        embedding.weight.set_init(Init::Normal { mean: 0.0, std: 0.1 });
        Ok(LanguageCnn {
            embedding,
            dropout: Dropout::new(*dropout)?,
            blocks: dilations.iter().map(block).collect::<Result<_>>()?,
            norm: LayerNorm::new(*width)?,
            head: Linear::new(*width, input.tokens)?,
        })
    }

    /// The logits: see [`LanguageNet::step`](super::LanguageNet::step).
    ///
    /// # Errors
    /// Those of [`LanguageNet::step`](super::LanguageNet::step).
    #[track_caller]
    pub(super) fn step(&self, tokens: &Tensor, memory: &mut Memory) -> Result<Tensor> {
        let _scope = scope(self);
        composed("LanguageCnn", || {
            check_tokens(tokens)?;
            memory.check(0, tokens.shape()[0])?;
            let mut x = self.dropout.forward(&self.embedding.forward(tokens)?)?;
            let mut seen = Vec::with_capacity(self.blocks.len());
            for (i, block) in self.blocks.iter().enumerate() {
                let (y, last) = block.forward(&x, memory.states.get(i)).map_err(|e| e.within(format!("blocks.{i}")))?;
                seen.push(last);
                x = y;
            }
            memory.states = seen;
            self.head.forward(&self.norm.forward(&x)?)
        })
    }
}

impl Block {
    /// The output `[N, T, E]`, and what the convolution will still see, `[N, E, back]`: zeros before a text.
    fn forward(&self, x: &Tensor, before: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let _scope = scope(self);
        let new = self.norm.forward(x)?.transpose(1, 2)?;
        let &[texts, width, places] = &new.shape()[..] else {
            return Err(Error::shape(format!("takes [N, T, E], not {}", x.shape())));
        };
        let zeros = || Tensor::zeros([texts, width, self.back], new.dtype());
        let before = before.map_or_else(zeros, |before| Ok(before.clone()))?;
        let all = Tensor::concat(&[&before, &new], 2)?;
        let last = all.narrow(2, places, self.back)?;
        let y = self.conv.forward(&all)?.transpose(1, 2)?.glu(-1)?;
        Ok((x.add(self.dropout.forward(&self.linear.forward(&y)?)?)?, last))
    }
}
