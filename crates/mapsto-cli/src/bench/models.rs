//! The networks of the workloads.

use mapsto_nn::{Layer, Linear, Relu, Tanh, sequential};
use mapsto_tensor::Result;

pub fn mlp_model() -> Result<impl Layer> {
    Ok(sequential![Linear::new(784, 512)?, Relu, Linear::new(512, 256)?, Relu, Linear::new(256, 10)?])
}

pub fn tiny_policy_model() -> Result<impl Layer> {
    Ok(sequential![Linear::new(4, 64)?, Tanh, Linear::new(64, 64)?, Tanh, Linear::new(64, 2)?])
}
