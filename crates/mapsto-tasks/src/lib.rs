//! The end-to-end jobs: data in, a run's folder out; and what is done with it afterwards.
//!
//! What all jobs share that learn from examples with answers stands here once: dividing data, cross-validation, ensembles, resuming, the
//! model file, evaluation. A task says what its data and its network are: see [`Examples`].

pub mod audio;
pub mod digits;
mod ensemble;
mod error;
mod examples;
mod fingerprint;
pub mod image;
mod observer;
mod plan;
mod predictor;
mod rate;
mod report;
mod request;
mod run;
mod saved;
mod settings;
mod skipped;
mod stage;
pub mod table;
pub mod text;
mod weights;

pub use error::TaskError;
pub use examples::{Answers, Ask, Asked, Division, Examples, Given, LabelledBatches, Truth};
pub use observer::{Observer, Unwatched};
pub use plan::{Gathered, Plan};
pub use predictor::{Evaluation, Predictor};
pub use rate::{FoundRate, find_rate};
pub use report::{REPORT_FILE, Shown};
pub use request::{Begun, Request};
pub use run::{CONFIG_FILE, Outcome, Run, TEST_FILE, has_learned, task_of, test_part};
pub use saved::{Combination, MODEL_FILE, Saved};
pub use settings::{Balance, Course, Ensemble, Method, Rule, Settings, Training};
