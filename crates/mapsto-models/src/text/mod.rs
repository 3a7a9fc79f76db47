//! Models of texts, numbers of tokens `[N, T]` and lengths `[N]` to `[N, classes]`, and the registry that builds one by its
//! settings. What lies behind a text's length is not read: a text has the same outputs in any batch.

pub mod bag;
pub mod bert;
pub mod cnn;
pub(crate) mod mask;
pub mod recurrent;
pub mod transformer;

pub use crate::positions::Positions;
pub use bag::{TextBag, TextBagConfig};
pub use bert::{Bert, BertConfig};
pub use cnn::{TextCnn, TextCnnConfig};
pub use recurrent::{TextRecurrent, TextRecurrentConfig};
pub use transformer::{TextTransformer, TextTransformerConfig};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::{Embedding, Module};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The texts that a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextShape {
    /// Number of tokens that there are: their numbers are less.
    pub tokens: usize,
    /// The most tokens of a text.
    pub length: usize,
}

/// An architecture for texts and its settings, as it is saved with the weights: a table with the key `architecture`.
///
/// ```
/// use mapsto_models::{TextModel, TextShape};
/// use mapsto_nn::{Embedding, Module};
/// use mapsto_tensor::Tensor;
///
/// let model = TextModel::named("gru").expect("one of TextModel::NAMES");
/// let network = model.build(TextShape { tokens: 100, length: 8 }, 2)?.init(1)?;
/// let (tokens, lengths) = (Tensor::new([[5i64, 3, 7], [9, 0, 0]])?, Tensor::new([3i64, 1])?);
/// assert_eq!(network.forward(&tokens, &lengths)?.shape()[..], [2, 2]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum TextModel {
    /// See [`TextBag`].
    Bag(TextBagConfig),
    /// See [`TextCnn`].
    Cnn(TextCnnConfig),
    /// See [`TextRecurrent`].
    Lstm(TextRecurrentConfig),
    /// See [`TextRecurrent`].
    Gru(TextRecurrentConfig),
    /// See [`TextTransformer`].
    Transformer(TextTransformerConfig),
    /// See [`Bert`].
    Bert(BertConfig),
}

named! { TextModel:
    "bag" => TextModel::Bag(TextBagConfig::default()),
    "cnn" => TextModel::Cnn(TextCnnConfig::default()),
    "lstm" => TextModel::Lstm(TextRecurrentConfig::default()),
    "gru" => TextModel::Gru(TextRecurrentConfig::default()),
    "transformer" => TextModel::Transformer(TextTransformerConfig::default()),
    "bert" => TextModel::Bert(BertConfig::default()),
    "minilm" => TextModel::Bert(BertConfig::minilm()),
}

impl TextModel {
    /// The network for these texts, whose parameters have no values yet: [`Module::init`] or a saved state gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, texts that are longer than the architecture can take, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, input: TextShape, classes: usize) -> Result<TextNet> {
        composed(self.kind(), || {
            check_size("the number of tokens", input.tokens)?;
            check_size("the length of texts", input.length)?;
            check_size("the number of classes", classes)?;
            check_parameters(match self {
                TextModel::Bag(config) => TextNet::Bag(TextBag::new(config, input, classes)?),
                TextModel::Cnn(config) => TextNet::Cnn(TextCnn::new(config, input, classes)?),
                TextModel::Lstm(config) => TextNet::Recurrent(TextRecurrent::lstm(config, input, classes)?),
                TextModel::Gru(config) => TextNet::Recurrent(TextRecurrent::gru(config, input, classes)?),
                TextModel::Transformer(config) => TextNet::Transformer(TextTransformer::new(config, input, classes)?),
                TextModel::Bert(config) => TextNet::Bert(Bert::new(config, input, classes)?),
            })
        })
    }

    /// The name of the last layer in the network's tree, the one that has an output for each class.
    pub fn head_prefix(&self) -> &'static str {
        match self {
            TextModel::Bert(_) => "classifier",
            _ => "head",
        }
    }

    /// The name of the architecture in errors.
    fn kind(&self) -> &'static str {
        match self {
            TextModel::Bag(_) => "TextBag",
            TextModel::Cnn(_) => "TextCnn",
            TextModel::Lstm(_) | TextModel::Gru(_) => "TextRecurrent",
            TextModel::Transformer(_) => "TextTransformer",
            TextModel::Bert(_) => "Bert",
        }
    }
}

/// A network for texts.
#[derive(Module)]
pub enum TextNet {
    /// A bag of words.
    Bag(TextBag),
    /// Convolutions.
    Cnn(TextCnn),
    /// A recurrent network.
    Recurrent(TextRecurrent),
    /// A transformer.
    Transformer(TextTransformer),
    /// BERT's encoder.
    Bert(Bert),
}

impl TextNet {
    /// The outputs `[N, classes]` of tokens `[N, T]` and lengths `[N]`, both `i64`. What stands behind a length must be some
    /// token's number, and is not read otherwise.
    ///
    /// # Errors
    /// Other shapes or types; a number that no token has; a length that is not in `1..=T`, or longer than the network takes.
    #[track_caller]
    pub fn forward(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        match self {
            TextNet::Bag(network) => network.forward(tokens, lengths),
            TextNet::Cnn(network) => network.forward(tokens, lengths),
            TextNet::Recurrent(network) => network.forward(tokens, lengths),
            TextNet::Transformer(network) => network.forward(tokens, lengths),
            TextNet::Bert(network) => network.forward(tokens, lengths),
        }
    }

    /// The vectors of the tokens.
    pub fn embedding(&self) -> &Embedding {
        match self {
            TextNet::Bag(network) => network.embedding(),
            TextNet::Cnn(network) => network.embedding(),
            TextNet::Recurrent(network) => network.embedding(),
            TextNet::Transformer(network) => network.embedding(),
            TextNet::Bert(network) => network.embedding(),
        }
    }

    /// How much each token is looked at, `[N, T]`, in networks that look: shares. Of a recurrent network, how much of the answer
    /// comes from each; of a transformer, the mean over the text's places in the last layer.
    ///
    /// # Errors
    /// Those of [`TextNet::forward`].
    #[track_caller]
    pub fn attention(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Option<Tensor>> {
        match self {
            TextNet::Recurrent(network) => Ok(Some(network.attention(tokens, lengths)?)),
            _ => self.self_attention(tokens, lengths)?.last().map(|last| mask::mean(last, lengths)).transpose(),
        }
    }

    /// How much each token of a text looks at each in each layer of a transformer, `[N, T, T]`: the mean of the heads. Rows of
    /// the text's own tokens sum to one. Other networks have no such layers.
    ///
    /// # Errors
    /// Those of [`TextNet::forward`].
    #[track_caller]
    pub fn self_attention(&self, tokens: &Tensor, lengths: &Tensor) -> Result<Vec<Tensor>> {
        match self {
            TextNet::Bag(_) | TextNet::Cnn(_) | TextNet::Recurrent(_) => Ok(Vec::new()),
            TextNet::Transformer(network) => network.self_attention(tokens, lengths),
            TextNet::Bert(network) => network.self_attention(tokens, lengths),
        }
    }
}
