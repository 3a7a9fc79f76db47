//! Networks: modules, layers, losses, initialisers, optimisers, schedules, and summaries of them.
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
//!
//! What a network is and takes, before it is trained:
//!
//! ```
//! use mapsto_nn::{Conv2d, Flatten, Linear, Module, Relu, Summary, sequential};
//! use mapsto_tensor::{DType, Tensor};
//!
//! let model = sequential![Conv2d::new(1, 8, 5)?, Relu, Flatten::default(), Linear::new(8 * 24 * 24, 10)?].init(42)?;
//! let summary = Summary::of(&model, &Tensor::zeros([1, 1, 28, 28], DType::F32)?)?;
//! assert_eq!(summary.parameters, 46_298);
//! assert_eq!(summary.layer("0").map(|layer| layer.multiply_adds), Some(115_200));
//! println!("{summary}");
//! # Ok::<(), mapsto_tensor::Error>(())
//! ```

extern crate self as mapsto_nn;

mod atomic;
mod average;
mod chart;
mod curve;
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

pub use atomic::{is_temporary, write_atomic};
pub use average::{Average, Averaged};
pub use chart::{CHART_EDGE, chart};
pub use curve::{Curve, SATURATED, saturation};
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
pub use summary::{LayerSummary, NotFiniteOrigin, NotFiniteTrace, ReceptiveField, Scope, StepMemory, Summary, scope};

/// The examples of the README, which the documentation tests run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
