//! Algorithms with a rate for each number, from its own past gradients.

use super::algorithm::{Method, settings};
use mapsto_tensor::update::{Rule, state_dtype};
use mapsto_tensor::{DType, Result, Shape, Tensor};

settings! {
    /// Adam. See [`Rule::Adam`].
    Adam {
        /// Learning rate.
        lr: f64 = 1e-3, positive;
        /// Decay of the means of the gradient and of its square.
        betas: [f64; 2] = [0.9, 0.999], share;
        /// Added to the denominator.
        eps: f64 = 1e-8, positive;
        /// Coupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Divide by the greatest mean square so far.
        amsgrad: bool = false, free;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Adam with decoupled weight decay. See [`Rule::Adam`].
    AdamW {
        /// Learning rate.
        lr: f64 = 1e-3, positive;
        /// Decay of the means of the gradient and of its square.
        betas: [f64; 2] = [0.9, 0.999], share;
        /// Added to the denominator.
        eps: f64 = 1e-8, positive;
        /// Decoupled weight decay.
        weight_decay: f64 = 1e-2, positive;
        /// Divide by the greatest mean square so far.
        amsgrad: bool = false, free;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Adam with the infinity norm. See [`Rule::Adamax`].
    Adamax {
        /// Learning rate.
        lr: f64 = 2e-3, positive;
        /// Decay of the gradient's mean and of its norm.
        betas: [f64; 2] = [0.9, 0.999], share;
        /// Added to the norm.
        eps: f64 = 1e-8, positive;
        /// Coupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Adam with Nesterov momentum. See [`Rule::NAdam`].
    NAdam {
        /// Learning rate.
        lr: f64 = 2e-3, positive;
        /// Decay of the means of the gradient and of its square.
        betas: [f64; 2] = [0.9, 0.999], share;
        /// Added to the denominator.
        eps: f64 = 1e-8, positive;
        /// Weight decay.
        weight_decay: f64 = 0.0, positive;
        /// How fast the momentum grows to its full size.
        momentum_decay: f64 = 4e-3, positive;
        /// Decouple the weight decay.
        decoupled_weight_decay: bool = false, free;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Rectified Adam. See [`Rule::RAdam`].
    RAdam {
        /// Learning rate.
        lr: f64 = 1e-3, positive;
        /// Decay of the means of the gradient and of its square.
        betas: [f64; 2] = [0.9, 0.999], share;
        /// Added to the denominator.
        eps: f64 = 1e-8, positive;
        /// Weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Decouple the weight decay.
        decoupled_weight_decay: bool = false, free;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Adagrad. See [`Rule::Adagrad`].
    Adagrad {
        /// Learning rate.
        lr: f64 = 1e-2, positive;
        /// Decay of the rate.
        lr_decay: f64 = 0.0, positive;
        /// Coupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// What the sum of squares starts from.
        initial_accumulator_value: f64 = 0.0, positive;
        /// Added to the denominator.
        eps: f64 = 1e-10, positive;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Adadelta. See [`Rule::Adadelta`].
    Adadelta {
        /// Learning rate.
        lr: f64 = 1.0, positive;
        /// Decay of the mean squares.
        rho: f64 = 0.9, share;
        /// Added under the roots.
        eps: f64 = 1e-6, positive;
        /// Coupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Climb.
        maximize: bool = false, free;
    }

    /// RMSprop. See [`Rule::RmsProp`].
    RmsProp {
        /// Learning rate.
        lr: f64 = 1e-2, positive;
        /// Decay of the mean square.
        alpha: f64 = 0.99, share;
        /// Added to the denominator.
        eps: f64 = 1e-8, positive;
        /// Coupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Share of the momentum buffer that stays.
        momentum: f64 = 0.0, positive;
        /// Divide by the estimated deviation.
        centered: bool = false, free;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Resilient propagation, for whole batches. See [`Rule::Rprop`].
    Rprop {
        /// Step size at first.
        lr: f64 = 1e-2, positive;
        /// Factors of a step size where the sign changed and where it stayed.
        etas: [f64; 2] = [0.5, 1.2], positive;
        /// Least and greatest step size.
        step_sizes: [f64; 2] = [1e-6, 50.0], positive;
        /// Climb.
        maximize: bool = false, free;
    }

    /// Lion: steps of one size, by the sign of a mean. See [`Rule::Lion`].
    Lion {
        /// Learning rate.
        lr: f64 = 1e-4, positive;
        /// Decay of the mean within the step, and after it.
        betas: [f64; 2] = [0.9, 0.99], share;
        /// Decoupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Climb.
        maximize: bool = false, free;
    }

    /// LAMB, for large batches: Adam's step scaled to the parameter's norm. See [`Rule::Lamb`].
    Lamb {
        /// Learning rate.
        lr: f64 = 1e-3, positive;
        /// Decay of the means of the gradient and of its square.
        betas: [f64; 2] = [0.9, 0.999], share;
        /// Added to the denominator.
        eps: f64 = 1e-6, positive;
        /// Weight decay, a part of the step.
        weight_decay: f64 = 0.0, positive;
        /// Climb.
        maximize: bool = false, free;
    }
}

/// Names of the means of the gradient and of its square.
const MOMENTS: [&str; 2] = ["exp_avg", "exp_avg_sq"];

macro_rules! adam {
    ($($name:ident, $decoupled:expr);*) => {$(
        impl Method for $name {
            fn states(&self, _: &Shape) -> Vec<&'static str> {
                let mut states = MOMENTS.to_vec();
                states.extend(self.amsgrad.then_some("max_exp_avg_sq"));
                states
            }

            fn rule(&self, t: u64, _: &mut f64) -> Rule {
                let $name { lr, betas, eps, weight_decay, amsgrad, maximize } = *self;
                Rule::Adam { lr, betas, eps, weight_decay, decoupled: $decoupled, amsgrad, maximize, t }
            }

            fn momentum_mut(&mut self) -> Option<&mut f64> {
                Some(&mut self.betas[0])
            }
        }
    )*};
}
adam!(Adam, false; AdamW, true);

impl Method for Adamax {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        vec!["exp_avg", "exp_inf"]
    }

    fn rule(&self, t: u64, _: &mut f64) -> Rule {
        let Adamax { lr, betas, eps, weight_decay, maximize } = *self;
        Rule::Adamax { lr, betas, eps, weight_decay, maximize, t }
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.betas[0])
    }
}

impl Method for NAdam {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        MOMENTS.to_vec()
    }

    fn rule(&self, t: u64, product: &mut f64) -> Rule {
        let NAdam { lr, betas, eps, weight_decay, decoupled_weight_decay: decoupled, maximize, .. } = *self;
        let coefficient = |t: u64| betas[0] * (1.0 - 0.5 * 0.96f64.powf(t as f64 * self.momentum_decay));
        let mu = [coefficient(t), coefficient(t + 1)];
        *product *= mu[0];
        Rule::NAdam { lr, betas, eps, weight_decay, decoupled, mu, mu_product: *product, maximize, t }
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.betas[0])
    }
}

impl Method for RAdam {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        MOMENTS.to_vec()
    }

    fn rule(&self, t: u64, _: &mut f64) -> Rule {
        let RAdam { lr, betas, eps, weight_decay, decoupled_weight_decay: decoupled, maximize } = *self;
        Rule::RAdam { lr, betas, eps, weight_decay, decoupled, maximize, t }
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.betas[0])
    }
}

impl Method for Adagrad {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        vec!["sum"]
    }

    fn begin(&self, shape: &Shape, dtype: DType) -> Result<Vec<Tensor>> {
        Ok(vec![Tensor::full(*shape, self.initial_accumulator_value, state_dtype(dtype))?])
    }

    fn rule(&self, t: u64, _: &mut f64) -> Rule {
        let Adagrad { lr, lr_decay, weight_decay, eps, maximize, .. } = *self;
        Rule::Adagrad { lr, lr_decay, eps, weight_decay, maximize, t }
    }
}

impl Method for Adadelta {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        vec!["square_avg", "acc_delta"]
    }

    fn rule(&self, _: u64, _: &mut f64) -> Rule {
        let Adadelta { lr, rho, eps, weight_decay, maximize } = *self;
        Rule::Adadelta { lr, rho, eps, weight_decay, maximize }
    }
}

impl Method for RmsProp {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        let mut states = vec!["square_avg"];
        states.extend(self.centered.then_some("grad_avg"));
        states.extend((self.momentum != 0.0).then_some("momentum_buffer"));
        states
    }

    fn rule(&self, _: u64, _: &mut f64) -> Rule {
        let RmsProp { lr, alpha, eps, weight_decay, momentum, centered, maximize } = *self;
        Rule::RmsProp { lr, alpha, eps, weight_decay, momentum, centered, maximize }
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.momentum)
    }
}

impl Method for Rprop {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        vec!["prev", "step_size"]
    }

    fn begin(&self, shape: &Shape, dtype: DType) -> Result<Vec<Tensor>> {
        let full = |value: f64| Tensor::full(*shape, value, state_dtype(dtype));
        Ok(vec![full(0.0)?, full(self.lr)?])
    }

    fn rule(&self, _: u64, _: &mut f64) -> Rule {
        let Rprop { etas, step_sizes, maximize, .. } = *self;
        Rule::Rprop { etas, step_sizes, maximize }
    }
}

impl Method for Lion {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        vec!["exp_avg"]
    }

    fn rule(&self, _: u64, _: &mut f64) -> Rule {
        let Lion { lr, betas, weight_decay, maximize } = *self;
        Rule::Lion { lr, betas, weight_decay, maximize }
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.betas[0])
    }
}

impl Method for Lamb {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        MOMENTS.to_vec()
    }

    fn rule(&self, t: u64, _: &mut f64) -> Rule {
        let Lamb { lr, betas, eps, weight_decay, maximize } = *self;
        Rule::Lamb { lr, betas, eps, weight_decay, maximize, t }
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.betas[0])
    }
}
