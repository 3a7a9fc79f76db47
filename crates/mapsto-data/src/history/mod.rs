//! Histories: what tables say of one or several series over time, at steps of equal distance.

mod clock;
mod error;
mod layout;
mod read;
mod season;

pub use clock::{Clock, Step};
pub use error::HistoryError;
pub use layout::{HistoryColumns, Layout, Variable};
pub use read::{Histories, History};
pub use season::season;
