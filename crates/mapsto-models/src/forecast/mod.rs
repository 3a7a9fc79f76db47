//! Models that forecast, what is known of the past `[N, context, ...]` and of the future `[N, horizon, ...]` to quantiles
//! `[N, horizon, targets, 3]`, and the registry that builds one by its settings.

mod head;
pub mod linear;
pub mod mlp;
pub mod recurrent;
pub mod tcn;
pub mod transformer;

pub use linear::{ForecastLinear, ForecastLinearConfig};
pub use mlp::{ForecastMlp, ForecastMlpConfig};
pub use recurrent::{ForecastRecurrent, ForecastRecurrentConfig};
pub use tcn::{ForecastTcn, ForecastTcnConfig};
pub use transformer::{ForecastTransformer, ForecastTransformerConfig};

use crate::parts::{check_parameters, check_size};
use crate::registry::named;
use mapsto_nn::Module;
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Outputs of a target at a step: the lower end of its interval, its median, the upper end.
pub const QUANTILES: usize = 3;
/// The most numbers of a window or of its forecast.
const MOST_NUMBERS: usize = 1 << 28;

/// What a model is given and what it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastShape {
    /// Steps of the past that are seen.
    pub context: usize,
    /// Steps that are forecast.
    pub horizon: usize,
    /// Numbers of a step that are forecast.
    pub targets: usize,
    /// Numbers of a step of which the past alone is known, besides the targets.
    pub past: usize,
    /// Numbers of a step that are known of the future, too.
    pub known: usize,
}

impl ForecastShape {
    /// Numbers of a step of the past.
    fn inputs(&self) -> usize {
        self.targets + self.past + self.known
    }

    /// Numbers of all that is forecast.
    fn outputs(&self) -> usize {
        self.horizon * self.targets * QUANTILES
    }

    fn check(&self) -> Result<()> {
        let ForecastShape { context, horizon, targets, past, known } = *self;
        for (name, size) in [("context", context), ("horizon", horizon), ("the number of targets", targets)] {
            check_size(name, size)?;
        }
        let inputs = [past, known].into_iter().try_fold(targets, usize::checked_add);
        let window = inputs.and_then(|inputs| inputs.checked_mul(context.max(horizon)));
        if window.is_none_or(|window| window > MOST_NUMBERS / QUANTILES) {
            let problem = format!(
                "windows of {context} and {horizon} steps with {targets}, {past} and {known} numbers are too large"
            );
            return Err(Error::memory(problem).mend("choose a smaller context or horizon"));
        }
        Ok(())
    }

    /// Fails unless these are what is known of the past and of the future.
    fn expect(&self, past: &Tensor, future: &Tensor) -> Result<()> {
        let batch = past.shape().first().copied().unwrap_or(0);
        let wanted = [
            ("past", past, [batch, self.context, self.inputs()]),
            ("future", future, [batch, self.horizon, self.known]),
        ];
        match wanted.into_iter().find(|(_, x, shape)| x.shape()[..] != shape[..]) {
            Some((name, x, [_, steps, numbers])) => {
                Err(Error::shape(format!("takes the {name} as [N, {steps}, {numbers}], not {}", x.shape())))
            }
            None => Ok(()),
        }
    }
}

/// An architecture that forecasts and its settings, as it is saved with the weights: a table with the key `architecture`.
///
/// ```
/// use mapsto_models::{ForecastModel, ForecastShape};
/// use mapsto_nn::Module;
/// use mapsto_tensor::{DType, Tensor};
///
/// let shape = ForecastShape { context: 24, horizon: 6, targets: 1, past: 2, known: 3 };
/// let network = ForecastModel::named("linear").expect("one of ForecastModel::NAMES").build(shape)?.init(1)?;
/// let (past, future) = (Tensor::zeros([5, 24, 6], DType::F32)?, Tensor::zeros([5, 6, 3], DType::F32)?);
/// assert_eq!(network.forward(&past, &future)?.shape()[..], [5, 6, 1, 3]);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum ForecastModel {
    /// See [`ForecastLinear`].
    Linear(ForecastLinearConfig),
    /// See [`ForecastMlp`].
    Mlp(ForecastMlpConfig),
    /// See [`ForecastRecurrent`].
    Lstm(ForecastRecurrentConfig),
    /// See [`ForecastTcn`].
    Tcn(ForecastTcnConfig),
    /// See [`ForecastTransformer`].
    Transformer(ForecastTransformerConfig),
}

named! { ForecastModel:
    "linear" => ForecastModel::Linear(ForecastLinearConfig::default()),
    "mlp" => ForecastModel::Mlp(ForecastMlpConfig::default()),
    "lstm" => ForecastModel::Lstm(ForecastRecurrentConfig::default()),
    "tcn" => ForecastModel::Tcn(ForecastTcnConfig::default()),
    "transformer" => ForecastModel::Transformer(ForecastTransformerConfig::default()),
}

impl ForecastModel {
    /// The network, whose parameters have no values yet: [`Module::init`] or a saved state gives them.
    ///
    /// # Errors
    /// Settings or sizes that cannot be, more than 2³¹ parameters.
    #[track_caller]
    pub fn build(&self, shape: ForecastShape) -> Result<ForecastNet> {
        composed(self.kind(), || {
            shape.check()?;
            check_parameters(match self {
                ForecastModel::Linear(config) => ForecastNet::Linear(ForecastLinear::new(config, shape)?),
                ForecastModel::Mlp(config) => ForecastNet::Mlp(ForecastMlp::new(config, shape)?),
                ForecastModel::Lstm(config) => ForecastNet::Recurrent(ForecastRecurrent::new(config, shape)?),
                ForecastModel::Tcn(config) => ForecastNet::Tcn(ForecastTcn::new(config, shape)?),
                ForecastModel::Transformer(config) => {
                    ForecastNet::Transformer(ForecastTransformer::new(config, shape)?)
                }
            })
        })
    }

    /// The name of the architecture in errors.
    fn kind(&self) -> &'static str {
        match self {
            ForecastModel::Linear(_) => "ForecastLinear",
            ForecastModel::Mlp(_) => "ForecastMlp",
            ForecastModel::Lstm(_) => "ForecastRecurrent",
            ForecastModel::Tcn(_) => "ForecastTcn",
            ForecastModel::Transformer(_) => "ForecastTransformer",
        }
    }
}

/// A network that forecasts.
#[derive(Module)]
pub enum ForecastNet {
    /// Linear layers.
    Linear(ForecastLinear),
    /// A multi-layer perceptron.
    Mlp(ForecastMlp),
    /// A recurrent network.
    Recurrent(ForecastRecurrent),
    /// Causal convolutions.
    Tcn(ForecastTcn),
    /// A transformer.
    Transformer(ForecastTransformer),
}

impl ForecastNet {
    /// Quantiles `[N, horizon, targets, 3]`, in ascending order, of the past `[N, context, targets + past + known]` (the targets first, what
    /// is known last) and of the future `[N, horizon, known]`, both of `f32`.
    ///
    /// # Errors
    /// Other shapes or types.
    #[track_caller]
    pub fn forward(&self, past: &Tensor, future: &Tensor) -> Result<Tensor> {
        match self {
            ForecastNet::Linear(network) => network.forward(past, future),
            ForecastNet::Mlp(network) => network.forward(past, future),
            ForecastNet::Recurrent(network) => network.forward(past, future),
            ForecastNet::Tcn(network) => network.forward(past, future),
            ForecastNet::Transformer(network) => network.forward(past, future),
        }
    }
}
