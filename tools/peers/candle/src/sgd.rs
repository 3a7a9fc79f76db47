//! Gradient descent with momentum, as PyTorch's: Candle's own `SGD` has none.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use candle_nn::Optimizer;

const MOMENTUM: f64 = 0.9;

pub struct Sgd {
    /// Each parameter, and its velocity after the first step.
    variables: Vec<(Var, Option<Tensor>)>,
    rate: f64,
}

impl Optimizer for Sgd {
    type Config = f64;

    fn new(variables: Vec<Var>, rate: f64) -> Result<Sgd> {
        Ok(Sgd { variables: variables.into_iter().map(|variable| (variable, None)).collect(), rate })
    }

    fn step(&mut self, gradients: &GradStore) -> Result<()> {
        for (variable, velocity) in &mut self.variables {
            let Some(gradient) = gradients.get(variable) else { continue };
            let next = match velocity {
                Some(velocity) => ((&*velocity * MOMENTUM)? + gradient)?,
                None => gradient.clone(),
            };
            variable.set(&(variable.as_tensor() - (&next * self.rate)?)?)?;
            // Detached, or it would keep every step's graph alive.
            *velocity = Some(next.detach());
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.rate
    }

    fn set_learning_rate(&mut self, rate: f64) {
        self.rate = rate;
    }
}
