//! Language models: numbers of tokens `[N, T]` to logits `[N, T, tokens]` of the token that follows each. Nothing behind a place is
//! read for it, so that a text can also be read a piece at a time, with a [`Memory`] between: a token more costs one step.

pub mod cnn;
mod memory;
pub mod recurrent;
pub mod transformer;

pub use crate::positions::Positions;
pub use cnn::{LanguageCnn, LanguageCnnConfig};
pub use memory::Memory;
pub use recurrent::{LanguageRecurrent, LanguageRecurrentConfig};
pub use transformer::{LanguageTransformer, LanguageTransformerConfig};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::Module;
use mapsto_tensor::{DType, Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// What a language model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageShape {
    /// Number of tokens that there are: their numbers are less.
    pub tokens: usize,
    /// Tokens that it learns from at once. A transformer can look no further back.
    pub length: usize,
}

/// An architecture for language and its settings, as it is saved with the weights: a table with the key `architecture`.
///
/// ```
/// use mapsto_models::{LanguageModel, LanguageShape};
/// use mapsto_models::language::Memory;
/// use mapsto_nn::Module;
/// use mapsto_tensor::Tensor;
///
/// let model = LanguageModel::named("gru").expect("one of LanguageModel::NAMES");
/// let network = model.build(LanguageShape { tokens: 100, length: 8 })?.init(1)?;
/// network.eval();
/// let whole = network.forward(&Tensor::new([[5i64, 3, 7, 9]])?)?;
/// assert_eq!(whole.shape()[..], [1, 4, 100]);
///
/// let mut memory = Memory::default();
/// network.step(&Tensor::new([[5i64, 3, 7]])?, &mut memory)?;
/// let next = network.step(&Tensor::new([[9i64]])?, &mut memory)?;
/// assert_eq!(next.shape()[..], [1, 1, 100]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum LanguageModel {
    /// See [`LanguageCnn`].
    Cnn(LanguageCnnConfig),
    /// See [`LanguageRecurrent`].
    Lstm(LanguageRecurrentConfig),
    /// See [`LanguageRecurrent`].
    Gru(LanguageRecurrentConfig),
    /// See [`LanguageTransformer`].
    Transformer(LanguageTransformerConfig),
}

named! { LanguageModel:
    "cnn" => LanguageModel::Cnn(LanguageCnnConfig::default()),
    "lstm" => LanguageModel::Lstm(LanguageRecurrentConfig::default()),
    "gru" => LanguageModel::Gru(LanguageRecurrentConfig::default()),
    "transformer" => LanguageModel::Transformer(LanguageTransformerConfig::default()),
}

impl LanguageModel {
    /// The network for these tokens, whose parameters have no values yet: [`Module::init`] or a saved state gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, input: LanguageShape) -> Result<LanguageNet> {
        composed(self.kind(), || {
            check_size("the number of tokens", input.tokens)?;
            check_size("the length of texts", input.length)?;
            check_parameters(match self {
                LanguageModel::Cnn(config) => LanguageNet::Cnn(LanguageCnn::new(config, input)?),
                LanguageModel::Lstm(config) => LanguageNet::Recurrent(LanguageRecurrent::lstm(config, input)?),
                LanguageModel::Gru(config) => LanguageNet::Recurrent(LanguageRecurrent::gru(config, input)?),
                LanguageModel::Transformer(config) => {
                    LanguageNet::Transformer(LanguageTransformer::new(config, input)?)
                }
            })
        })
    }

    /// The name of the last layer in the network's tree, the one that has an output for each token.
    pub fn head_prefix(&self) -> &'static str {
        "head"
    }

    /// The name of the architecture in errors.
    fn kind(&self) -> &'static str {
        match self {
            LanguageModel::Cnn(_) => "LanguageCnn",
            LanguageModel::Lstm(_) | LanguageModel::Gru(_) => "LanguageRecurrent",
            LanguageModel::Transformer(_) => "LanguageTransformer",
        }
    }
}

/// A language model's network.
#[derive(Module)]
pub enum LanguageNet {
    /// Convolutions.
    Cnn(LanguageCnn),
    /// A recurrent network.
    Recurrent(LanguageRecurrent),
    /// A transformer.
    Transformer(LanguageTransformer),
}

impl LanguageNet {
    /// The logits `[N, T, tokens]` of what follows each of the tokens `[N, T]`, `i64`, where nothing comes before.
    ///
    /// # Errors
    /// Those of [`LanguageNet::step`].
    #[track_caller]
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        self.step(tokens, &mut Memory::default())
    }

    /// The logits `[N, T, tokens]` of what follows each of the next tokens `[N, T]`, `i64`, of texts that the memory has read.
    /// Pieces of texts give what [`LanguageNet::forward`] gives of the whole.
    ///
    /// # Errors
    /// Other shapes or types; a number that no token has; other texts than the memory's; more tokens than there is
    /// [`room`](LanguageNet::room) for. The memory is of no use then.
    #[track_caller]
    pub fn step(&self, tokens: &Tensor, memory: &mut Memory) -> Result<Tensor> {
        let logits = match self {
            LanguageNet::Cnn(network) => network.step(tokens, memory),
            LanguageNet::Recurrent(network) => network.step(tokens, memory),
            LanguageNet::Transformer(network) => network.step(tokens, memory),
        }?;
        memory.read += tokens.shape()[1];
        Ok(logits)
    }

    /// The shapes of a recurrent network's [`Memory::states`] of so many texts; none of others.
    pub fn states(&self, texts: usize) -> Vec<[usize; 3]> {
        match self {
            LanguageNet::Recurrent(network) => network.states(texts),
            _ => Vec::new(),
        }
    }

    /// How many more tokens can follow those that a memory has read; none where there is no end.
    pub fn room(&self, memory: &Memory) -> Option<usize> {
        match self {
            LanguageNet::Transformer(network) => Some(network.length().saturating_sub(memory.read)),
            _ => None,
        }
    }
}

/// Fails unless these are tokens `[N, T]`, and one or more of each.
fn check_tokens(tokens: &Tensor) -> Result<()> {
    if tokens.dtype() != DType::I64 {
        return Err(Error::dtype(format!("tokens are {}, not i64", tokens.dtype()))
            .mend("convert them with to_dtype(DType::I64)"));
    }
    match tokens.shape()[..] {
        [texts, places] if texts > 0 && places > 0 => Ok(()),
        _ => Err(Error::shape(format!("takes tokens [N, T] of one text and token or more, not {}", tokens.shape()))),
    }
}
