//! Long short-term memory that reads the window.

use super::ForecastShape;
use super::head::Head;
use crate::parts::{check_layers, check_size};
use mapsto_nn::{Dropout, Layer, Lstm, Module, RecurrentConfig, scope};
use mapsto_tensor::{Result, Tensor, composed};
use serde::{Deserialize, Serialize};

/// Settings of [`ForecastRecurrent`]; what is left out has the value of [`ForecastRecurrentConfig::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForecastRecurrentConfig {
    /// Numbers of a state.
    pub hidden: usize,
    /// Layers one upon the other.
    pub layers: usize,
    /// Share of the features between layers and of the last state that is dropped.
    pub dropout: f64,
}

impl Default for ForecastRecurrentConfig {
    fn default() -> ForecastRecurrentConfig {
        ForecastRecurrentConfig { hidden: 64, layers: 1, dropout: 0.1 }
    }
}

/// A recurrent network, whose last state goes to the head of all these networks.
#[derive(Module)]
pub struct ForecastRecurrent {
    rnn: Lstm,
    dropout: Dropout,
    head: Head,
    #[module(skip)]
    shape: ForecastShape,
}

impl ForecastRecurrent {
    /// By its settings.
    ///
    /// # Errors
    /// Settings that cannot be; sizes whose product is too large.
    pub(super) fn new(config: &ForecastRecurrentConfig, shape: ForecastShape) -> Result<ForecastRecurrent> {
        let ForecastRecurrentConfig { hidden, layers, dropout } = *config;
        check_size("hidden", hidden)?;
        check_size("layers", layers)?;
        check_layers("layers", layers)?;
        let between = if layers > 1 { dropout } else { 0.0 };
        let recurrent = RecurrentConfig { dropout: between, ..RecurrentConfig::new(shape.inputs(), hidden) };
        Ok(ForecastRecurrent {
            rnn: Lstm::from_config(&recurrent.num_layers(layers).batch_first())?,
            dropout: Dropout::new(dropout)?,
            head: Head::new(hidden, shape)?,
            shape,
        })
    }

    /// The quantiles: see [`ForecastNet::forward`](super::ForecastNet::forward).
    ///
    /// # Errors
    /// Those of [`ForecastNet::forward`](super::ForecastNet::forward).
    #[track_caller]
    pub fn forward(&self, past: &Tensor, future: &Tensor) -> Result<Tensor> {
        let _scope = scope(self);
        composed("ForecastRecurrent", || {
            self.shape.expect(past, future)?;
            let (states, _) = self.rnn.forward(past, None)?;
            let last = states.narrow(1, self.shape.context - 1, 1)?.squeeze(&[1])?;
            self.head.forward(&self.dropout.forward(&last)?, past, future)
        })
    }
}
