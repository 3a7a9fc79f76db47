//! Models of labelled series, numbers `[N, channels, T]` and lengths `[N]` to `[N, classes]`, and the registry that builds one by its
//! settings. What lies behind a series' length is not read: an evaluating network gives a series the same outputs in any batch.

pub mod fcn;
mod mask;
pub mod recurrent;
pub mod resnet;

pub use fcn::{SeriesFcn, SeriesFcnConfig};
pub use recurrent::{SeriesRecurrent, SeriesRecurrentConfig};
pub use resnet::{SeriesResNet, SeriesResNetConfig};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::{BatchNorm1d, Conv1d, ConvConfig, Module, Sequential, sequential};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// The series that a model takes; of steps it takes any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesShape {
    /// Numbers of a step.
    pub channels: usize,
}

/// An architecture for labelled series and its settings, as it is saved with the weights: a table with the key `architecture`.
///
/// ```
/// use mapsto_models::{SeriesModel, SeriesShape};
/// use mapsto_nn::Module;
/// use mapsto_tensor::{DType, Tensor};
///
/// let model = SeriesModel::named("cnn").expect("one of SeriesModel::NAMES");
/// let network = model.build(SeriesShape { channels: 3 }, 2)?.init(1)?;
/// let (series, lengths) = (Tensor::zeros([2, 3, 50], DType::F32)?, Tensor::new([50i64, 31])?);
/// assert_eq!(network.forward(&series, &lengths)?.shape()[..], [2, 2]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum SeriesModel {
    /// See [`SeriesFcn`].
    Cnn(SeriesFcnConfig),
    /// See [`SeriesResNet`].
    #[serde(rename = "resnet")]
    ResNet(SeriesResNetConfig),
    /// See [`SeriesRecurrent`].
    Lstm(SeriesRecurrentConfig),
}

named! { SeriesModel:
    "cnn" => SeriesModel::Cnn(SeriesFcnConfig::default()),
    "resnet" => SeriesModel::ResNet(SeriesResNetConfig::default()),
    "lstm" => SeriesModel::Lstm(SeriesRecurrentConfig::default()),
}

impl SeriesModel {
    /// The network for these series, whose parameters have no values yet: [`Module::init`] or a saved state gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, input: SeriesShape, classes: usize) -> Result<SeriesNet> {
        composed(self.kind(), || {
            check_size("the number of channels", input.channels)?;
            check_size("the number of classes", classes)?;
            check_parameters(match self {
                SeriesModel::Cnn(config) => SeriesNet::Fcn(SeriesFcn::new(config, input, classes)?),
                SeriesModel::ResNet(config) => SeriesNet::ResNet(SeriesResNet::new(config, input, classes)?),
                SeriesModel::Lstm(config) => SeriesNet::Recurrent(SeriesRecurrent::new(config, input, classes)?),
            })
        })
    }

    /// The name of the last layer in the network's tree, the one that has an output for each class.
    pub fn head_prefix(&self) -> &'static str {
        "head"
    }

    /// The name of the architecture in errors.
    fn kind(&self) -> &'static str {
        match self {
            SeriesModel::Cnn(_) => "SeriesFcn",
            SeriesModel::ResNet(_) => "SeriesResNet",
            SeriesModel::Lstm(_) => "SeriesRecurrent",
        }
    }
}

/// A network for labelled series.
#[derive(Module)]
pub enum SeriesNet {
    /// Convolutions.
    Fcn(SeriesFcn),
    /// Convolutions with connections around them.
    ResNet(SeriesResNet),
    /// A recurrent network.
    Recurrent(SeriesRecurrent),
}

impl SeriesNet {
    /// The logits `[N, classes]` of series `[N, channels, T]` of `f32` and their lengths `[N]` of `i64`, from 1 to `T`.
    ///
    /// While training, batch normalisation counts what it makes of the padding in its means and variances: series of about one length in
    /// a batch keep that small.
    ///
    /// # Errors
    /// Other shapes or types; a length that is not in `1..=T`.
    #[track_caller]
    pub fn forward(&self, series: &Tensor, lengths: &Tensor) -> Result<Tensor> {
        match self {
            SeriesNet::Fcn(network) => network.forward(series, lengths),
            SeriesNet::ResNet(network) => network.forward(series, lengths),
            SeriesNet::Recurrent(network) => network.forward(series, lengths),
        }
    }
}

/// A convolution that keeps the number of steps, and its normalisation.
fn normalised(i: usize, o: usize, kernel: usize) -> Result<Sequential> {
    Ok(sequential![Conv1d::from_config(&ConvConfig::new(i, o, kernel).same().no_bias())?, BatchNorm1d::new(o)?])
}
