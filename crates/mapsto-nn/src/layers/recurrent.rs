//! Recurrent layers over whole sequences.

use super::{Dropout, Layer, check_layers, yes};
use crate::{Init, Module, Param, Visitor};
use mapsto_tensor::ops::RecurrentStack;
use mapsto_tensor::{Error, Result, Tensor, composed};
use serde::{Deserialize, Serialize};
use std::panic::Location;

/// What an Elman network does to its sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RnnNonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// The rectifier.
    Relu,
}

/// Settings of [`Rnn`], [`Lstm`] and [`Gru`], named as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// Features of the input.
    pub input_size: usize,
    /// Features of the state.
    pub hidden_size: usize,
    /// Layers one upon the other.
    #[serde(default = "one")]
    pub num_layers: usize,
    /// Whether there are biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Whether the input is `[N, T, I]` rather than `[T, N, I]`, and the output likewise.
    #[serde(default)]
    pub batch_first: bool,
    /// The probability with which, in training, an output of a layer below the last is dropped.
    #[serde(default)]
    pub dropout: f64,
    /// Whether each layer also runs from the ends of the sequences to their beginnings.
    #[serde(default)]
    pub bidirectional: bool,
    /// What an [`Rnn`] does to its sum; the others have no choice.
    #[serde(default)]
    pub nonlinearity: RnnNonlinearity,
}

fn one() -> usize {
    1
}

impl RecurrentConfig {
    /// One layer in one direction, with biases, steps first.
    pub fn new(input_size: usize, hidden_size: usize) -> RecurrentConfig {
        RecurrentConfig {
            input_size,
            hidden_size,
            num_layers: 1,
            bias: true,
            batch_first: false,
            dropout: 0.0,
            bidirectional: false,
            nonlinearity: RnnNonlinearity::Tanh,
        }
    }

    /// With so many layers.
    pub fn num_layers(self, num_layers: usize) -> RecurrentConfig {
        RecurrentConfig { num_layers, ..self }
    }

    /// Without biases.
    pub fn no_bias(self) -> RecurrentConfig {
        RecurrentConfig { bias: false, ..self }
    }

    /// With inputs `[N, T, I]`.
    pub fn batch_first(self) -> RecurrentConfig {
        RecurrentConfig { batch_first: true, ..self }
    }

    /// With dropout between layers.
    pub fn dropout(self, dropout: f64) -> RecurrentConfig {
        RecurrentConfig { dropout, ..self }
    }

    /// In both directions.
    pub fn bidirectional(self) -> RecurrentConfig {
        RecurrentConfig { bidirectional: true, ..self }
    }

    /// With another function of the sum.
    pub fn nonlinearity(self, nonlinearity: RnnNonlinearity) -> RecurrentConfig {
        RecurrentConfig { nonlinearity, ..self }
    }
}

/// The weights of a cell, `[gates * hidden, ...]`: the input's, the state's and their biases, uniform within
/// `1 / sqrt(hidden)`.
fn weights(gates: usize, input: usize, hidden: usize, bias: bool) -> Result<Vec<Param>> {
    if hidden == 0 {
        return Err(Error::argument("the state has no features: hidden_size is 0"));
    }
    let rows =
        gates.checked_mul(hidden).ok_or_else(|| Error::argument(format!("hidden_size {hidden} is too large")))?;
    let init = Init::symmetric((hidden as f64).sqrt().recip());
    let mut all = vec![Param::new([rows, input], init.clone())?, Param::new([rows, hidden], init.clone())?];
    if bias {
        all.push(Param::new(rows, init.clone())?);
        all.push(Param::new(rows, init)?);
    }
    Ok(all)
}

const NAMES: [&str; 4] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];

fn only_tanh(nonlinearity: RnnNonlinearity) -> Result<()> {
    match nonlinearity {
        RnnNonlinearity::Tanh => Ok(()),
        RnnNonlinearity::Relu => Err(Error::argument("only an Elman network has a choice of nonlinearity")),
    }
}

/// What the three kinds of layers have in common.
struct Layers {
    config: RecurrentConfig,
    /// Of each direction of each layer.
    weights: Vec<Vec<Param>>,
    dropout: Dropout,
}

impl Layers {
    fn new(gates: usize, config: RecurrentConfig) -> Result<Layers> {
        let RecurrentConfig { input_size, hidden_size, num_layers, bias, bidirectional, .. } = config;
        check_layers(num_layers, 1)?;
        let directions = if bidirectional { 2 } else { 1 };
        let mut all = Vec::new();
        for layer in 0..num_layers {
            let inputs = if layer == 0 { Some(input_size) } else { hidden_size.checked_mul(directions) };
            let inputs = inputs.ok_or_else(|| Error::argument(format!("hidden_size {hidden_size} is too large")))?;
            for _ in 0..directions {
                all.push(weights(gates, inputs, hidden_size, bias)?);
            }
        }
        Ok(Layers { config, weights: all, dropout: Dropout::new(config.dropout)? })
    }

    fn visit(&self, visitor: &mut Visitor<'_>) {
        for (index, weights) in self.weights.iter().enumerate() {
            let (layer, reverse) = if self.config.bidirectional { (index / 2, index % 2 == 1) } else { (index, false) };
            for (name, weight) in NAMES.iter().zip(weights) {
                visitor.field(&format!("{name}_l{layer}{}", if reverse { "_reverse" } else { "" }), weight);
            }
        }
        visitor.field("dropout", &self.dropout);
    }
}

/// Fails unless `x` has the features and as many axes as one of the layouts before them.
#[track_caller]
fn check_input(name: &'static str, x: &Tensor, features: usize, layouts: [&str; 2]) -> Result<()> {
    let axes = |layout: &str| layout.chars().filter(char::is_ascii_alphabetic).count() + 1;
    if layouts.iter().any(|layout| axes(layout) == x.rank()) && x.shape().last() == Some(&features) {
        return Ok(());
    }
    let [batch, single] = layouts.map(|layout| if axes(layout) > 1 { format!("{layout}, ") } else { layout.into() });
    Err(Error::shape(format!("takes {batch}{features}] or {single}{features}], not {}", x.shape()))
        .op(name)
        .at(Location::caller()))
}

/// The values of parameters; an error gives the caller's line.
#[track_caller]
fn values<'a>(params: impl IntoIterator<Item = &'a Param>) -> Result<Vec<Tensor>> {
    let mut all = Vec::new();
    for param in params {
        all.push(param.get()?);
    }
    Ok(all)
}

macro_rules! recurrent_layers {
    ($($(#[$doc:meta])* $name:ident, $gates:literal, $check:expr,
       $first:ty => $last:ty, |$x:ident, $state:ident, $layers:ident, $stack:ident| $run:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name {
            layers: Layers,
        }

        impl $name {
            /// One layer in one direction, with biases, steps first.
            ///
            /// # Errors
            /// Sizes that cannot be.
            #[track_caller]
            pub fn new(input_size: usize, hidden_size: usize) -> Result<$name> {
                $name::from_config(&RecurrentConfig::new(input_size, hidden_size))
            }

            /// By its settings.
            ///
            /// # Errors
            /// Sizes or a probability that cannot be.
            #[track_caller]
            pub fn from_config(config: &RecurrentConfig) -> Result<$name> {
                let config = *config;
                composed(stringify!($name), || {
                    $check(config.nonlinearity)?;
                    Ok($name { layers: Layers::new($gates, config)? })
                })
            }

            /// The settings.
            pub fn config(&self) -> &RecurrentConfig {
                &self.layers.config
            }

            /// The output `[T, N, D * H]` (or `[N, T, D * H]`, as the input) in `D` directions and the last state
            /// `[L * D, N, H]` of `L` layers, from the first state, zeros if there is none. One sequence alone comes
            /// without `N`. A state that is passed on carries gradients back in time; cut them with [`Tensor::detach`].
            ///
            /// # Errors
            /// Shapes or types that do not fit; a parameter without a value.
            #[track_caller]
            pub fn forward(&self, x: &Tensor, state: $first) -> Result<(Tensor, $last)> {
                self.run(x, None, state)
            }

            /// [`Self::forward`] for sequences that end at their own lengths, `i64` `[N]`, in any order: what lies behind
            /// is not read, the output there is zero, and the last state is that at the end of each.
            ///
            /// # Errors
            /// Those of [`Self::forward`]; lengths beyond the input's.
            #[track_caller]
            pub fn forward_packed(&self, x: &Tensor, lengths: &Tensor, state: $first) -> Result<(Tensor, $last)> {
                self.run(x, Some(lengths), state)
            }

            #[track_caller]
            fn run(&self, $x: &Tensor, lengths: Option<&Tensor>, $state: $first) -> Result<(Tensor, $last)> {
                let _scope = crate::scope(self);
                let ($layers, config) = (&self.layers, self.config());
                let batched = if config.batch_first { "[N, T" } else { "[T, N" };
                check_input(stringify!($name), $x, config.input_size, [batched, "[T"])?;
                let values = values($layers.weights.iter().flatten())?;
                let between = |x: &Tensor| self.layers.dropout.forward(x);
                let $stack = &RecurrentStack {
                    weights: &values.iter().collect::<Vec<_>>(),
                    bidirectional: config.bidirectional,
                    batch_first: config.batch_first,
                    lengths,
                    between: Some(&between),
                };
                $run
            }
        }

        impl Module for $name {
            fn kind(&self) -> &'static str {
                stringify!($name)
            }

            fn visit(&self, visitor: &mut Visitor<'_>) {
                self.layers.visit(visitor);
            }
        }
    )*};
}

recurrent_layers! {
    /// Elman layers (Elman, *Finding Structure in Time*, 1990): `h' = tanh(W x + b + U h + c)`, or its positive part.
    ///
    /// ```
    /// use mapsto_nn::{Module, Rnn};
    /// use mapsto_tensor::{DType, Tensor};
    ///
    /// let layer = Rnn::new(3, 5)?.init(1)?;
    /// let (output, last) = layer.forward(&Tensor::zeros([7, 2, 3], DType::F32)?, None)?;
    /// assert_eq!((&output.shape()[..], &last.shape()[..]), (&[7, 2, 5][..], &[1, 2, 5][..]));
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    Rnn, 1, |_| Ok(()), Option<&Tensor> => Tensor, |x, state, layers, stack| {
        x.rnn(layers.config.nonlinearity == RnnNonlinearity::Relu, state, stack)
    };
    /// Layers of long short-term memory (Hochreiter and Schmidhuber, *Long Short-Term Memory*, 1997), gates in the order
    /// input, forget, cell, output. The state is a pair: state and cell state.
    ///
    /// ```
    /// use mapsto_nn::{Lstm, Module, RecurrentConfig};
    /// use mapsto_tensor::{DType, Tensor};
    ///
    /// let layer = Lstm::from_config(&RecurrentConfig::new(3, 5).num_layers(2).batch_first())?.init(1)?;
    /// let x = Tensor::zeros([2, 7, 3], DType::F32)?;
    /// let (_, (h, c)) = layer.forward(&x, None)?;
    /// let (output, _) = layer.forward(&x, Some((&h.detach(), &c.detach())))?;
    /// assert_eq!(output.shape()[..], [2, 7, 5]);
    /// # Ok::<(), mapsto_tensor::Error>(())
    /// ```
    Lstm, 4, only_tanh, Option<(&Tensor, &Tensor)> => (Tensor, Tensor), |x, state, _layers, stack| {
        let (output, h, c) = x.lstm(state, stack)?;
        Ok((output, (h, c)))
    };
    /// Layers of gated recurrent units (Cho et al., *Learning Phrase Representations Using RNN Encoder-Decoder*, 2014),
    /// gates in the order reset, update, new; the reset gate acts after the product, as in cuDNN.
    Gru, 3, only_tanh, Option<&Tensor> => Tensor, |x, state, _layers, stack| x.gru(state, stack);
}

/// Settings of [`RnnCell`], [`LstmCell`] and [`GruCell`], named as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentCellConfig {
    /// Features of the input.
    pub input_size: usize,
    /// Features of the state.
    pub hidden_size: usize,
    /// Whether there are biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// What an [`RnnCell`] does to its sum; the others have no choice.
    #[serde(default)]
    pub nonlinearity: RnnNonlinearity,
}

impl RecurrentCellConfig {
    /// With biases.
    pub fn new(input_size: usize, hidden_size: usize) -> RecurrentCellConfig {
        RecurrentCellConfig { input_size, hidden_size, bias: true, nonlinearity: RnnNonlinearity::Tanh }
    }

    /// Without biases.
    pub fn no_bias(self) -> RecurrentCellConfig {
        RecurrentCellConfig { bias: false, ..self }
    }

    /// With another function of the sum.
    pub fn nonlinearity(self, nonlinearity: RnnNonlinearity) -> RecurrentCellConfig {
        RecurrentCellConfig { nonlinearity, ..self }
    }
}

macro_rules! recurrent_cells {
    ($($(#[$doc:meta])* $name:ident, $gates:literal, $check:expr,
       $first:ty => $last:ty, |$x:ident, $state:ident, $config:ident, $weights:ident| $run:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name {
            config: RecurrentCellConfig,
            weights: Vec<Param>,
        }

        impl $name {
            /// A cell with biases.
            ///
            /// # Errors
            /// Sizes that cannot be.
            #[track_caller]
            pub fn new(input_size: usize, hidden_size: usize) -> Result<$name> {
                $name::from_config(&RecurrentCellConfig::new(input_size, hidden_size))
            }

            /// By its settings.
            ///
            /// # Errors
            /// Sizes that cannot be.
            #[track_caller]
            pub fn from_config(config: &RecurrentCellConfig) -> Result<$name> {
                let config = *config;
                composed(stringify!($name), || {
                    $check(config.nonlinearity)?;
                    let weights = weights($gates, config.input_size, config.hidden_size, config.bias)?;
                    Ok($name { config, weights })
                })
            }

            /// The settings.
            pub fn config(&self) -> &RecurrentCellConfig {
                &self.config
            }

            /// The state `[N, H]` after the input `[N, I]`, from the state before, zeros if there is none. All of it may
            /// come without `N`.
            ///
            /// # Errors
            /// Shapes or types that do not fit; a parameter without a value.
            #[track_caller]
            pub fn forward(&self, $x: &Tensor, $state: $first) -> Result<$last> {
                let _scope = crate::scope(self);
                let $config = &self.config;
                check_input(stringify!($name), $x, $config.input_size, ["[N", "["])?;
                let values = values(&self.weights)?;
                let $weights = &values.iter().collect::<Vec<_>>()[..];
                $run
            }
        }

        impl Module for $name {
            fn kind(&self) -> &'static str {
                stringify!($name)
            }

            fn visit(&self, visitor: &mut Visitor<'_>) {
                NAMES.iter().zip(&self.weights).for_each(|(name, weight)| visitor.field(name, weight));
            }
        }
    )*};
}

recurrent_cells! {
    /// One step of an [`Rnn`].
    RnnCell, 1, |_| Ok(()), Option<&Tensor> => Tensor, |x, state, config, weights| {
        x.rnn_cell(config.nonlinearity == RnnNonlinearity::Relu, state, weights)
    };
    /// One step of an [`Lstm`]. The state is a pair: state and cell state.
    LstmCell, 4, only_tanh, Option<(&Tensor, &Tensor)> => (Tensor, Tensor), |x, state, _config, weights| {
        x.lstm_cell(state, weights)
    };
    /// One step of a [`Gru`].
    GruCell, 3, only_tanh, Option<&Tensor> => Tensor, |x, state, _config, weights| x.gru_cell(state, weights);
}
