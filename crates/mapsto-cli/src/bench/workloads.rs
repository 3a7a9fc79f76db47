//! The workloads: what `tools/peers/torch_bench.py` trains, with the same batch sizes and optimisers.

use super::models::{mlp_model, tiny_policy_model};
use mapsto_nn::{Adam, CrossEntropyLoss, Layer, Optimizer};
use mapsto_tensor::{DType, Result, Rng, Tensor};

/// One training step.
pub type TrainingStep = Box<dyn FnMut() -> Result<()>>;

/// The names, in the order of [`MAKERS`].
pub const NAMES: [&str; 2] = ["mlp", "tiny_policy"];

/// What makes each workload's step.
pub const MAKERS: [fn() -> Result<TrainingStep>; 2] = [mlp, tiny_policy];

/// Noise of a shape.
fn noise(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(shape, DType::F32, &mut Rng::new(1))
}

/// Steps of Adam on the cross entropy of a network's logits.
fn classify(model: impl Layer + 'static, x: Tensor, classes: i64) -> Result<TrainingStep> {
    let model = model.init(1)?;
    let target = Tensor::randint(0, classes, x.shape()[0], &mut Rng::new(2))?;
    let mut optimizer = Optimizer::new(&model, Adam { lr: 1e-3, ..Adam::default() })?;
    Ok(Box::new(move || {
        let loss = CrossEntropyLoss::default().forward(&model.forward(&x)?, &target)?;
        optimizer.step(&loss.backward()?)
    }))
}

/// 784-512-256-10, batch 128.
fn mlp() -> Result<TrainingStep> {
    classify(mlp_model()?, noise(&[128, 784])?, 10)
}

/// 4-64-64-2, batch 32.
fn tiny_policy() -> Result<TrainingStep> {
    classify(tiny_policy_model()?, noise(&[32, 4])?, 2)
}
