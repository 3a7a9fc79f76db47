//! Algorithms that look at a whole matrix: made of tensor operations, with the last step in the common pass.

use super::algorithm::{Direction, Method, settings};
use mapsto_tensor::update::{Norm, Rule, norms, state_dtype};
use mapsto_tensor::{DType, Error, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};

settings! {
    /// Muon: momentum whose matrix is made orthogonal by a Newton–Schulz iteration (Jordan et al., *Muon: An Optimizer
    /// for Hidden Layers in Neural Networks*, 2024). For matrices only; choose another algorithm for the rest with
    /// [`Optimizer::grouped`](super::Optimizer::grouped).
    Muon {
        /// Learning rate.
        lr: f64 = 1e-3, positive;
        /// Decoupled weight decay.
        weight_decay: f64 = 0.1, positive;
        /// Share of the mean gradient that stays.
        momentum: f64 = 0.95, share;
        /// Step by what the mean will be.
        nesterov: bool = true, free;
        /// Coefficients of the iteration's polynomial.
        ns_coefficients: [f64; 3] = [3.4445, -4.775, 2.0315], finite;
        /// The least norm that is divided by.
        eps: f64 = 1e-7, positive;
        /// Number of iterations.
        ns_steps: usize = 5, free;
        /// How the rate depends on the matrix's shape.
        adjust_lr: AdjustLr = AdjustLr::Original, free;
    }

    /// Adafactor: a mean square for each row and column instead of each number (Shazeer and Stern, *Adafactor: Adaptive
    /// Learning Rates with Sublinear Memory Cost*, 2018).
    Adafactor {
        /// Greatest relative step.
        lr: f64 = 1e-2, positive;
        /// Power of the step count by which the newest square's weight falls.
        beta2_decay: f64 = -0.8, finite;
        /// Least mean square, under a root; the precision of the type if none.
        eps1: Option<f64> = None, positive;
        /// The least norm of a parameter that counts.
        eps2: f64 = 1e-3, positive;
        /// Greatest root mean square of a step before scaling.
        d: f64 = 1.0, positive;
        /// Decoupled weight decay.
        weight_decay: f64 = 0.0, positive;
        /// Climb.
        maximize: bool = false, free;
    }
}

/// How Muon's rate depends on a matrix of `rows` by `columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustLr {
    /// Times `sqrt(max(1, rows / columns))`.
    Original,
    /// Times `0.2 sqrt(max(rows, columns))`: steps as large as AdamW's, whose rate and decay can be taken over.
    MatchRmsAdamw,
}

/// A step of `rate` along a direction after decoupled decay by `decay`, as a rule.
fn along(rate: f64, decay: f64) -> Rule {
    let weight_decay = if rate == 0.0 { 0.0 } else { decay / rate };
    Rule::Sgd { lr: rate, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay, maximize: false, t: 1 }
}

impl Method for Muon {
    fn states(&self, _: &Shape) -> Vec<&'static str> {
        vec!["momentum_buffer"]
    }

    fn rule(&self, _: u64, _: &mut f64) -> Rule {
        along(self.lr, self.lr * self.weight_decay)
    }

    fn direction(&self, _: u64, param: &Tensor, grad: &Tensor, state: &[Tensor]) -> Result<Option<Direction>> {
        let wide = grad.to_dtype(state_dtype(param.dtype()))?;
        let lerp = |a: &Tensor, b: &Tensor, share: f64| a.add(b.sub(a)?.mul(share)?);
        let mean = lerp(&state[0], &wide, 1.0 - self.momentum)?;
        let ahead = if self.nesterov { lerp(&wide, &mean, self.momentum)? } else { mean.clone() };
        let [rows, columns] = [0, 1].map(|axis| param.shape()[axis]);
        let mut x = if rows > columns { ahead.t()? } else { ahead };
        let norm = norms(&[&x], Norm::Two)?[0].max(self.eps);
        x = x.div(norm)?;
        let [a, b, c] = self.ns_coefficients;
        for _ in 0..self.ns_steps {
            let gram = x.matmul(&x.t()?)?;
            let polynomial = gram.mul(b)?.add(gram.matmul(&gram)?.mul(c)?)?;
            x = x.mul(a)?.add(polynomial.matmul(&x)?)?;
        }
        let direction = if rows > columns { x.t()? } else { x };
        let (rows, columns) = (rows as f64, columns as f64);
        let adjust = match self.adjust_lr {
            AdjustLr::Original => (rows / columns).max(1.0).sqrt(),
            AdjustLr::MatchRmsAdamw => 0.2 * rows.max(columns).sqrt(),
        };
        let rule = along(self.lr * adjust, self.lr * self.weight_decay);
        Ok(Some(Direction { rule, along: direction.to_dtype(param.dtype())?, state: vec![mean] }))
    }

    fn check_shape(&self, shape: &Shape) -> Result<()> {
        if shape.rank() == 2 {
            return Ok(());
        }
        Err(Error::shape(format!("Muon moves matrices, not a parameter of shape {shape}"))
            .mend("choose another algorithm for it with Optimizer::grouped"))
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        Some(&mut self.momentum)
    }
}

impl Method for Adafactor {
    fn states(&self, shape: &Shape) -> Vec<&'static str> {
        if shape.rank() > 1 { vec!["row_var", "col_var"] } else { vec!["variance"] }
    }

    fn begin(&self, shape: &Shape, dtype: DType) -> Result<Vec<Tensor>> {
        let dtype = state_dtype(dtype);
        if shape.rank() < 2 {
            return Ok(vec![Tensor::zeros(*shape, dtype)?]);
        }
        let without = |axis: usize| {
            let mut sizes = shape.to_vec();
            sizes[axis] = 1;
            Tensor::zeros(sizes, dtype)
        };
        Ok(vec![without(shape.rank() - 1)?, without(shape.rank() - 2)?])
    }

    fn rule(&self, _: u64, _: &mut f64) -> Rule {
        along(self.lr, self.lr * self.weight_decay)
    }

    fn direction(&self, t: u64, param: &Tensor, grad: &Tensor, state: &[Tensor]) -> Result<Option<Direction>> {
        let wide = grad.to_dtype(state_dtype(param.dtype()))?;
        let wide = if self.maximize { wide.neg()? } else { wide };
        let precision = if wide.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
        let (eps, weight) = (self.eps1.unwrap_or(precision), (t as f64).powf(self.beta2_decay));
        let count = (param.numel().max(1) as f64).sqrt();
        let rate = self.lr.min(1.0 / (t as f64).sqrt()) * (norms(&[param], Norm::Two)?[0] / count).max(self.eps2);
        let squares = wide.square()?;
        let toward = |mean: &Tensor, new: Tensor| mean.add(new.sub(mean)?.mul(weight)?);
        let (variance, state) = if param.rank() > 1 {
            let rows = toward(&state[0], squares.mean_axes(&[-1], true)?)?;
            let columns = toward(&state[1], squares.mean_axes(&[-2], true)?)?;
            (rows.matmul(&columns)?.div(rows.mean_axes(&[-2], true)?.maximum(eps)?)?, vec![rows, columns])
        } else {
            let variance = toward(&state[0], squares)?;
            (variance.clone(), vec![variance])
        };
        let direction = wide.div(variance.maximum(eps * eps)?.sqrt()?)?;
        let excess = (norms(&[&direction], Norm::Two)?[0] / (count * self.d)).max(1.0);
        let rule = along(rate / excess, self.lr * self.weight_decay);
        Ok(Some(Direction { rule, along: direction.to_dtype(param.dtype())?, state }))
    }
}
