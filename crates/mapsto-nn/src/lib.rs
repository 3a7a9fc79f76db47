//! Networks: modules, layers, losses, initialisers, optimisers and schedules.
//!
//! ```
//! use mapsto_nn::{Adam, Layer, Linear, Module, MseLoss, Optimizer, Tanh, sequential};
//! use mapsto_tensor::Tensor;
//!
//! let model = sequential![Linear::new(2, 16)?, Tanh, Linear::new(16, 1)?].init(42)?;
//! let mut optimizer = Optimizer::new(&model, Adam { lr: 0.05, ..Adam::default() })?;
//! let x = Tensor::new([[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])?;
//! let exclusive_or = Tensor::new([[0.0f32], [1.0], [1.0], [0.0]])?;
//! for _ in 0..200 {
//!     let loss = MseLoss::default().forward(&model.forward(&x)?, &exclusive_or)?;
//!     optimizer.step(&loss.backward()?)?;
//! }
//! assert!(MseLoss::default().forward(&model.forward(&x)?, &exclusive_or)?.item::<f32>()? < 0.01);
//! # Ok::<(), mapsto_tensor::Error>(())
//! ```

extern crate self as mapsto_nn;

mod average;
mod file;
mod finder;
pub mod init;
pub mod layers;
pub mod loss;
mod module;
pub mod optim;
mod param;
pub mod schedule;
mod state;
mod summary;

pub use average::{Average, Averaged};
pub use file::{StateFile, read_state, write_state};
pub use finder::{RateFinder, RateFinderConfig};
pub use init::Init;
pub use layers::*;
pub use loss::*;
pub use mapsto_derive::Module;
pub use module::{Field, Module, Node, Visitor};
pub use optim::*;
pub use param::{Buffer, Mode, Param, Parametrization, Stream};
pub use state::{LoadOptions, LoadReport, Mismatch, StateDict};
pub use summary::{LayerSummary, ReceptiveField, Scope, StepMemory, Summary, scope};

/// The examples of the README, which the documentation tests run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
