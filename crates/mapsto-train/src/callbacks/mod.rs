//! What comes between the epochs of a run.

mod evaluate;
mod events;
mod log;
mod plateau;
mod stop;

pub use evaluate::Evaluate;
pub use events::Events;
pub use log::{Log, epoch_record};
pub use plateau::Plateau;
pub use stop::{KeepBest, Stopping};
