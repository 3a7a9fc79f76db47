//! Tables, datasets that travel in the binary, and ways to divide data.

mod digits;
mod split;
mod table;

pub use digits::{Digits, digits};
pub use split::{SplitError, stratified_split};
pub use table::{Column, ColumnSummary, Detail, Finding, Inspection, Table, TableError, TableOptions, Values};
