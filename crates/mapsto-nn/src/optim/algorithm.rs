//! What an optimiser's algorithm is, and the plain ones.

use super::adaptive::{Adadelta, Adagrad, Adam, AdamW, Adamax, Lamb, Lion, NAdam, RAdam, RmsProp, Rprop};
use super::composed::{Adafactor, Muon};
use mapsto_tensor::update::{Rule, state_dtype};
use mapsto_tensor::{DType, Error, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// How one algorithm moves one parameter.
pub(super) trait Method {
    /// PyTorch's names of its states for a parameter of this shape.
    fn states(&self, shape: &Shape) -> Vec<&'static str>;

    /// The states before the first step: zeros, unless the algorithm says otherwise.
    fn begin(&self, shape: &Shape, dtype: DType) -> Result<Vec<Tensor>> {
        let zeros = |_| Tensor::zeros(*shape, state_dtype(dtype));
        self.states(shape).into_iter().map(zeros).collect()
    }

    /// The rule of step `t`, counted from 1; `product` is NAdam's, to be multiplied on.
    fn rule(&self, t: u64, product: &mut f64) -> Rule;

    /// For an algorithm that is no rule of single elements: the direction it would move in.
    fn direction(&self, _t: u64, _param: &Tensor, _grad: &Tensor, _state: &[Tensor]) -> Result<Option<Direction>> {
        Ok(None)
    }

    /// Fails unless it can move a parameter of this shape.
    fn check_shape(&self, _shape: &Shape) -> Result<()> {
        Ok(())
    }

    /// Where its momentum is, if it has one.
    fn momentum_mut(&mut self) -> Option<&mut f64> {
        None
    }
}

/// Where an algorithm would move a parameter.
pub(super) struct Direction {
    /// The rule that moves it, with the direction for a gradient.
    pub rule: Rule,
    pub along: Tensor,
    /// The states after the step.
    pub state: Vec<Tensor>,
}

/// Declares the settings of an algorithm: a struct of PyTorch's names and defaults, each with its domain.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $ty:ty = $default:expr, $domain:ident;)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }

        impl $name {
            pub(super) fn check(&self) -> mapsto_tensor::Result<()> {
                $($crate::optim::algorithm::domain::$domain(stringify!($field), &self.$field)?;)*
                Ok(())
            }
        }
    )*};
}
pub(super) use settings;

/// The domains of settings.
pub(crate) mod domain {
    use mapsto_tensor::{Error, Result};

    /// Numbers that a setting consists of.
    pub trait Numbers {
        fn numbers(&self) -> &[f64];
    }
    impl Numbers for f64 {
        fn numbers(&self) -> &[f64] {
            std::slice::from_ref(self)
        }
    }
    impl<const N: usize> Numbers for [f64; N] {
        fn numbers(&self) -> &[f64] {
            self
        }
    }

    impl Numbers for Option<f64> {
        fn numbers(&self) -> &[f64] {
            self.as_slice()
        }
    }

    /// Finite.
    pub fn finite(name: &str, value: &impl Numbers) -> Result<()> {
        match value.numbers().iter().find(|x| !x.is_finite()) {
            None => Ok(()),
            Some(x) => Err(Error::argument(format!("{name} must be finite, got {x}"))),
        }
    }

    /// Finite and not negative.
    pub fn positive(name: &str, value: &impl Numbers) -> Result<()> {
        match value.numbers().iter().find(|x| !(**x >= 0.0 && x.is_finite())) {
            None => Ok(()),
            Some(x) => Err(Error::argument(format!("{name} must be finite and not negative, got {x}"))),
        }
    }

    /// Finite and greater than 0.
    pub fn above_zero(name: &str, value: &impl Numbers) -> Result<()> {
        match value.numbers().iter().find(|x| !(**x > 0.0 && x.is_finite())) {
            None => Ok(()),
            Some(x) => Err(Error::argument(format!("{name} must be finite and above zero, got {x}"))),
        }
    }

    /// At least 0 and below 1.
    pub fn share(name: &str, value: &impl Numbers) -> Result<()> {
        match value.numbers().iter().find(|x| !(0.0..1.0).contains(*x)) {
            None => Ok(()),
            Some(x) => Err(Error::argument(format!("{name} must lie in [0, 1), got {x}"))),
        }
    }

    /// Anything.
    pub fn free<T>(_: &str, _: &T) -> Result<()> {
        Ok(())
    }
}

macro_rules! algorithms {
    ($($name:ident),*) => {
        /// The settings of an optimiser's algorithm.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Algorithm {
            $(
                #[doc = concat!("See [`", stringify!($name), "`](super::", stringify!($name), ").")]
                $name($name),
            )*
        }

        $(impl From<$name> for Algorithm {
            fn from(settings: $name) -> Algorithm {
                Algorithm::$name(settings)
            }
        })*

        impl Algorithm {
            /// The name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Algorithm::$name(_) => stringify!($name),)*
                }
            }

            /// The learning rate.
            pub fn lr(&self) -> f64 {
                match self {
                    $(Algorithm::$name(settings) => settings.lr,)*
                }
            }

            /// Sets the learning rate.
            pub fn set_lr(&mut self, lr: f64) {
                match self {
                    $(Algorithm::$name(settings) => settings.lr = lr,)*
                }
            }

            pub(super) fn method(&self) -> &dyn Method {
                match self {
                    $(Algorithm::$name(settings) => settings,)*
                }
            }

            fn method_mut(&mut self) -> &mut dyn Method {
                match self {
                    $(Algorithm::$name(settings) => settings,)*
                }
            }

            /// Fails unless all settings lie in their domains and fit a parameter of this shape.
            pub(super) fn check(&self, shape: &Shape) -> Result<()> {
                match self {
                    $(Algorithm::$name(settings) => settings.check(),)*
                }?;
                self.method().check_shape(shape)
            }
        }
    };
}

algorithms!(
    Sgd, Asgd, RmsProp, Rprop, Adagrad, Adadelta, Adam, AdamW, Adamax, NAdam, RAdam, Lion, Lamb, Muon, Adafactor
);

impl Algorithm {
    /// Sets the momentum (or the decay of the gradient's mean), where there is one.
    pub fn set_momentum(&mut self, momentum: f64) {
        if let Some(own) = self.method_mut().momentum_mut() {
            *own = momentum;
        }
    }

    /// The momentum (or the decay of the gradient's mean), where there is one.
    pub fn momentum(&self) -> Option<f64> {
        self.clone().method_mut().momentum_mut().copied()
    }
}

settings! {
    /// Stochastic gradient descent, with momentum if asked. See [`Rule::Sgd`].
    Sgd {
        /// Learning rate.
        lr: f64 = 1e-3, positive;
        /// Share of the momentum buffer that stays.
        momentum: f64 = 0.0, positive;
        /// Share of the gradient kept out of the buffer.
        dampening: f64 = 0.0, finite;
        /// Coupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Step by what the buffer will be.
        nesterov: bool = false, free;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Averaged descent; the averages are its states. See [`Rule::Asgd`].
    Asgd {
        /// Learning rate of the first step.
        lr: f64 = 1e-2, positive;
        /// Decay of the rate and of the parameter.
        lambd: f64 = 1e-4, positive;
        /// Power of the rate's decay.
        alpha: f64 = 0.75, finite;
        /// The step at which averaging starts.
        t0: f64 = 1e6, positive;
        /// Coupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Climb.
        maximize: bool = false, free;
    }
}

impl Method for Sgd {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        if self.momentum == 0.0 { vec![] } else { vec!["momentum_buffer"] }
    }

    fn rule(&self, t: u64, _: &mut f64) -> Rule {
        let Sgd { lr, momentum, dampening, weight_decay, nesterov, maximize } = *self;
        Rule::Sgd { lr, momentum, dampening, nesterov, weight_decay, maximize, t }
    }

    fn check_shape(&self, _: &Shape) -> Result<()> {
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(Error::argument("nesterov needs momentum and no dampening"));
        }
        Ok(())
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.momentum)
    }
}

impl Method for Asgd {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        vec!["ax"]
    }

    fn rule(&self, t: u64, _: &mut f64) -> Rule {
        let before = (t - 1) as f64;
        let eta = if t == 1 { self.lr } else { self.lr / (1.0 + self.lambd * self.lr * before).powf(self.alpha) };
        let mu = if t == 1 { 1.0 } else { 1.0 / (before - self.t0).max(1.0) };
        Rule::Asgd { eta, lambd: self.lambd, mu, weight_decay: self.weight_decay, maximize: self.maximize }
    }
}
