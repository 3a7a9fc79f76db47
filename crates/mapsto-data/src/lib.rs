//! Tables, pictures and their changes by chance, loaders, datasets that travel in the binary, and ways to divide data.

mod balance;
mod digits;
mod idx;
mod images;
mod lines;
mod loader;
mod parallel;
mod printable;
mod split;
mod table;

pub use balance::{BalanceError, class_weights};
pub use digits::{Digits, digits};
pub use idx::{Idx, IdxError, IdxValues};
pub use images::{
    AugmentError, Augmentation, Channels, Fill, ImageError, ImageFinding, ImageFolder, ImageInspection, ImageSamples,
    ImageSet, Interpolation, Item, ListColumns, Mix, MixError, Normalisation, Padding, Part, Picture, Policy, Preset,
    Sample, Step,
};
pub use loader::{Batch, Batches, Dataset, ItemError, Loader, LoaderError, LoaderOptions, Order};
pub use printable::printable;
pub use split::{
    Folds, SplitError, grouped_k_fold, grouped_split, k_fold, ordered_k_fold, ordered_split, stratified_k_fold,
    stratified_split,
};
pub use table::{
    Column, ColumnSummary, Detail, Encoding, Features, Finding, Inspection, Kind, NearlyNumeric, Table, TableError,
    TableOptions, Values,
};

/// How many times rarer than the commonest class a class is when classes are out of balance.
const IMBALANCE: usize = 10;
