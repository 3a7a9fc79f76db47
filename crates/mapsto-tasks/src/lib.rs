//! The end-to-end jobs: data in, a run's folder out; and what is done with it afterwards.
//!
//! What all jobs share stands here once: dividing data, cross-validation, ensembles, resuming, the model file, the report. A job says what
//! its data, its network and its figures are: see [`Task`]; where each example has a class or a number as its answer, [`Examples`].

mod answered;
pub mod audio;
mod boosting;
pub mod digits;
mod ensemble;
mod error;
mod evaluation;
mod examples;
mod fingerprint;
pub mod forecast;
pub mod image;
pub mod lm;
mod models;
mod moments;
mod observer;
mod plan;
mod predictor;
mod question;
mod rate;
mod rates;
pub mod recommend;
mod report;
mod request;
mod run;
mod saved;
pub mod series;
mod settings;
mod skipped;
mod sounds;
pub mod speech;
mod stage;
pub mod synthesize;
pub mod table;
mod task;
pub mod text;
pub mod translate;
mod utterances;
mod vote;
mod weights;

pub use answered::{Answered, Prepared, Scored};
pub use boosting::Boosting;
pub use error::TaskError;
pub use evaluation::Evaluation;
pub use examples::{Answers, Ask, Asked, Examples, LabelledBatches, Truth};
pub use models::Models;
pub use observer::{Observer, Unwatched};
pub use plan::{Gathered, Plan};
pub use predictor::Predictor;
pub use question::{Listener, Prediction, Question};
pub use rate::{FoundRate, find_rate};
pub use report::{Markup, REPORT_FILE, Shown};
pub use request::{Begun, Request};
pub use run::{CONFIG_FILE, Outcome, Run, TEST_FILE, has_learned, task_of, test_part};
pub use saved::{Combination, MODEL_FILE, Saved};
pub use settings::{Balance, Course, Ensemble, Method, Rule, Settings, Training};
pub use task::{BatchesOf, Division, Figures, Given, LossOf, Task};
