//! Tables, pictures, sounds and their changes by chance, loaders, datasets that travel in the binary, and ways to divide data.

mod balance;
mod digits;
mod files;
mod idx;
mod images;
mod loader;
mod parallel;
mod sound;
mod split;
mod table;

pub use balance::{BalanceError, class_weights};
pub use digits::{Digits, digits};
pub use files::{ClassFolder, FileError, FileKind, Item, ListColumns, Part};
pub use idx::{Idx, IdxError, IdxValues};
pub use images::{
    AugmentError, Augmentation, Channels, Fill, ImageError, ImageFinding, ImageFolder, ImageInspection, ImageSamples,
    ImageSet, Interpolation, Mix, MixError, Normalisation, Padding, Picture, Pictures, Policy, Preset, Sample, Step,
};
pub use loader::{Batch, Batches, Dataset, ItemError, Loader, LoaderError, LoaderOptions, Order};
pub use sound::{
    Log, LogMel, MelNorm, MelScale, Mfcc, Sound, SoundAugmentation, SoundError, SoundFinding, SoundFolder,
    SoundInspection, SoundStep, Sounds, SpecAugment, Spectrogram, Spectrograph,
};
pub use split::{
    Folds, SplitError, grouped_k_fold, grouped_split, k_fold, ordered_k_fold, ordered_split, stratified_k_fold,
    stratified_split,
};
pub use table::{
    Column, ColumnSummary, Detail, Encoding, Features, Finding, Inspection, Kind, Table, TableError, TableOptions,
    Values,
};

/// How many times rarer than the commonest class a class is when classes are out of balance.
const IMBALANCE: usize = 10;
