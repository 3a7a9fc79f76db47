//! Models of translation, from tokens of a source to those of a target, and the registry that builds one by its settings. What
//! fills a source up is not read: it is translated alike in any batch.

pub mod gru;
pub mod transformer;

pub use gru::{TranslationGru, TranslationGruConfig, TranslationGruState};
pub use transformer::{TranslationTransformer, TranslationTransformerConfig, TranslationTransformerState};

use crate::decode::Decode;
use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::Module;
use mapsto_tensor::{DType, Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// What a model translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslationShape {
    /// Number of tokens that sources are of: their numbers are less.
    pub source: usize,
    /// Number of tokens that targets are of, their beginning and end among them.
    pub target: usize,
    /// The most tokens of a source, and of a target.
    pub length: usize,
}

/// An architecture for translation and its settings, as it is saved with the weights: a table with the key `architecture`.
///
/// ```
/// use mapsto_models::{TranslationModel, TranslationShape};
/// use mapsto_nn::Module;
/// use mapsto_tensor::Tensor;
///
/// let model = TranslationModel::named("gru").expect("one of TranslationModel::NAMES");
/// let network = model.build(TranslationShape { source: 100, target: 90, length: 8 })?.init(1)?;
/// let (source, lengths) = (Tensor::new([[5i64, 3, 7], [9, 0, 0]])?, Tensor::new([3i64, 1])?);
/// let target = Tensor::new([[88i64, 4], [88, 6]])?;
/// assert_eq!(network.forward(&source, &lengths, &target)?.shape()[..], [2, 2, 90]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum TranslationModel {
    /// See [`TranslationGru`].
    Gru(TranslationGruConfig),
    /// See [`TranslationTransformer`].
    Transformer(TranslationTransformerConfig),
}

named! { TranslationModel:
    "gru" => TranslationModel::Gru(TranslationGruConfig::default()),
    "transformer" => TranslationModel::Transformer(TranslationTransformerConfig::default()),
}

impl TranslationModel {
    /// The network for these tokens, whose parameters have no values yet: [`Module::init`] or a saved state gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, shape: TranslationShape) -> Result<TranslationNet> {
        let kind = match self {
            TranslationModel::Gru(_) => "TranslationGru",
            TranslationModel::Transformer(_) => "TranslationTransformer",
        };
        composed(kind, || {
            check_size("the number of tokens of sources", shape.source)?;
            check_size("the number of tokens of targets", shape.target)?;
            check_size("the length of texts", shape.length)?;
            check_parameters(match self {
                TranslationModel::Gru(config) => TranslationNet::Gru(TranslationGru::new(config, shape)?),
                TranslationModel::Transformer(config) => {
                    TranslationNet::Transformer(TranslationTransformer::new(config, shape)?)
                }
            })
        })
    }
}

/// A network for translation.
#[derive(Module)]
pub enum TranslationNet {
    /// Recurrent.
    Gru(TranslationGru),
    /// A transformer.
    Transformer(TranslationTransformer),
}

/// What a network knows of sources and of the targets so far, a row for each target.
pub enum TranslationState {
    /// Of [`TranslationGru`].
    Gru(TranslationGruState),
    /// Of [`TranslationTransformer`].
    Transformer(TranslationTransformerState),
}

impl TranslationNet {
    /// The logits `[N, T, tokens]` of what follows each token of targets `[N, T]`, for sources `[N, S]` of lengths `[N]`, all `i64`.
    /// What stands behind a source's length must be some token's number, and is not read otherwise.
    ///
    /// # Errors
    /// Other shapes or types; a number that no token has; a length that is not in `1..=S`; more tokens than the network takes.
    #[track_caller]
    pub fn forward(&self, source: &Tensor, lengths: &Tensor, target: &Tensor) -> Result<Tensor> {
        match self {
            TranslationNet::Gru(network) => network.forward(source, lengths, target),
            TranslationNet::Transformer(network) => network.forward(source, lengths, target),
        }
    }

    /// How much each token of targets looks at each of the sources, `[N, T, S]`: rows sum to one. Otherwise as
    /// [`TranslationNet::forward`]; of a transformer, the mean of the last layer's heads.
    ///
    /// # Errors
    /// Those of [`TranslationNet::forward`].
    #[track_caller]
    pub fn attention(&self, source: &Tensor, lengths: &Tensor, target: &Tensor) -> Result<Tensor> {
        match self {
            TranslationNet::Gru(network) => network.attention(source, lengths, target),
            TranslationNet::Transformer(network) => network.attention(source, lengths, target),
        }
    }

    /// What is known before the first token of targets, one a source.
    ///
    /// # Errors
    /// Those of [`TranslationNet::forward`].
    #[track_caller]
    pub fn begin(&self, source: &Tensor, lengths: &Tensor) -> Result<TranslationState> {
        match self {
            TranslationNet::Gru(network) => network.begin(source, lengths).map(TranslationState::Gru),
            TranslationNet::Transformer(network) => network.begin(source, lengths).map(TranslationState::Transformer),
        }
    }
}

/// Steps of an evaluating network, as [`TranslationNet::forward`] gives them for whole targets.
impl Decode for TranslationNet {
    type State = TranslationState;

    fn step(&self, last: &Tensor, state: &TranslationState) -> Result<(Tensor, TranslationState)> {
        let (logits, state) = match (self, state) {
            (TranslationNet::Gru(network), TranslationState::Gru(state)) => {
                let (logits, state) = network.step(last, state)?;
                (logits, TranslationState::Gru(state))
            }
            (TranslationNet::Transformer(network), TranslationState::Transformer(state)) => {
                let (logits, state) = network.step(last, state)?;
                (logits, TranslationState::Transformer(state))
            }
            _ => return Err(Error::argument("the state is that of another network")),
        };
        Ok((logits.log_softmax(-1)?, state))
    }

    fn select(&self, state: &TranslationState, rows: &Tensor) -> Result<TranslationState> {
        Ok(match state {
            TranslationState::Gru(state) => TranslationState::Gru(state.select(rows)?),
            TranslationState::Transformer(state) => TranslationState::Transformer(state.select(rows)?),
        })
    }
}

/// Fails unless these are targets `[N, T]` of as many sources.
fn check_targets(target: &Tensor, sources: usize) -> Result<()> {
    if target.dtype() != DType::I64 {
        return Err(Error::dtype(format!("targets are {}, not i64", target.dtype()))
            .mend("convert them with to_dtype(DType::I64)"));
    }
    match target.shape()[..] {
        [texts, places] if texts == sources && places > 0 => Ok(()),
        _ => Err(Error::shape(format!("takes targets [{sources}, T], one a source, not {}", target.shape()))),
    }
}
