//! Series of numbers with classes: files `.ts` as aeon and sktime write them, and wide tables, whose rows are series.

mod error;
mod gaps;
mod inspect;
mod set;
mod ts;
mod wide;

pub use error::SeriesError;
pub(crate) use gaps::fill;
pub use inspect::{SeriesFinding, SeriesInspection};
pub use set::{SeriesColumns, SeriesSet, read_series};

use crate::folders::Part;

/// A series: numbers of some channels at steps of equal distance.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is called: its line or row in a file.
    pub name: String,
    /// The numbers of each channel, one channel behind the other.
    pub values: Vec<f64>,
    /// How many channels there are.
    pub channels: usize,
    /// Numbers that were missing and are filled in.
    pub filled: usize,
}

impl Series {
    /// Fills the gaps of channels of equal lengths.
    fn new(name: String, channels: &mut [Vec<f64>]) -> Result<Series, String> {
        let length = channels.first().map_or(0, Vec::len);
        let mut filled = 0;
        for (number, values) in channels.iter_mut().enumerate() {
            let told = if number == 0 { String::new() } else { format!(" in channel {}", number + 1) };
            if values.len() != length {
                let got = values.len();
                return Err(format!(
                    "there are {got} numbers{told}, {length} in the first; channels have equal lengths"
                ));
            }
            if let Some(step) = values.iter().position(|value| value.is_infinite()) {
                return Err(format!("number {}{told} is {}", step + 1, values[step]));
            }
            filled += fill(values).ok_or_else(|| format!("there are no numbers{told}; leave the series out"))?;
        }
        Ok(Series { name, values: channels.concat(), channels: channels.len(), filled })
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.values.len() / self.channels.max(1)
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// The series of a file, with what else it tells of them.
struct Found {
    series: Vec<Series>,
    /// The class of each, where it is told.
    labels: Vec<Option<String>>,
    /// What each is for, where it is told.
    parts: Option<Vec<Part>>,
    /// The column of the classes, of a table.
    column: Option<String>,
}
