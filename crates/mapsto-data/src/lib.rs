//! Tables, ratings, pictures, sounds, texts, series and their changes by chance, tokens, loaders, datasets that travel in the binary, and ways to divide data.
//! Tables, ratings, pictures, sounds, texts and their changes by chance, tokens, loaders, datasets that travel in the binary, and ways to divide data.
//! Tables, pictures, sounds, texts, series and their changes by chance, tokens, loaders, datasets that travel in the binary, and ways to divide data.
#![deny(unsafe_code)]

mod balance;
mod digits;
#[cfg(feature = "fetch")]
mod fetch;
mod files;
mod folders;
mod history;
mod idx;
mod images;
mod lines;
mod loader;
mod parallel;
mod printable;
mod quiet;
mod ratings;
mod series;
mod sound;
mod split;
mod spread;
mod stored;
mod table;
mod text;
mod tokens;

pub use balance::{BalanceError, class_weights};
pub use digits::{Digits, digits};
#[cfg(feature = "fetch")]
pub use fetch::{
    Becomes, CATALOGUE, DataSet, FetchError, FetchOptions, Placed, Reads, RemoteFile, Step as FetchStep, Watch, fetch,
};
pub use files::{ClassFolder, FileError, FileKind, Item, ListColumns, Part};
pub use history::{
    Clock, Histories, History, HistoryColumns, HistoryError, Layout, Step as ClockStep, Variable, season,
};
pub use idx::{Idx, IdxError, IdxValues};
pub use images::{
    AugmentError, Augmentation, Channels, Fill, ImageError, ImageFinding, ImageFolder, ImageInspection, ImageSamples,
    ImageSet, Interpolation, Mix, MixError, Normalisation, Padding, Picture, Pictures, Policy, Preset, Sample, Step,
};
pub use loader::{Batch, Batches, Dataset, ItemError, Loader, LoaderError, LoaderOptions, Order};
pub use printable::printable;
pub use ratings::{Named, RatingColumns, Ratings, RatingsError, RatingsFinding, RatingsInspection, read_titles};
pub use series::{Series, SeriesColumns, SeriesError, SeriesFinding, SeriesInspection, SeriesSet, read_series};
pub use sound::{
    GriffinLim, Log, LogMel, MelNorm, MelScale, Mfcc, Sound, SoundAugmentation, SoundError, SoundFinding, SoundFolder,
    SoundInspection, SoundStep, Sounds, SpecAugment, Spectrogram, SpectrogramStream, Spectrograph, Utterance,
    UtteranceInspection,
};
pub use split::{
    Folds, SplitError, grouped_k_fold, grouped_split, k_fold, ordered_k_fold, ordered_split, stratified_k_fold,
    stratified_split,
};
pub use stored::{StoreError, Stored, StoredBuilder};
pub use table::{
    Codes, Column, ColumnSummary, Detail, Encoder, Encoding, Features, Finding, Inspection, Kind, NearlyNumeric,
    Strings, Table, TableError, TableOptions, Values,
};
pub use text::{
    CorpusFinding, CorpusInspection, PairColumns, PairFinding, PairInspection, PairSet, Synonyms, Text,
    TextAugmentation, TextColumns, TextError, TextFinding, TextInspection, TextSet, delete_words, insert_words,
    read_corpus, read_sources, read_texts, replace_words, swap_words,
};
pub use tokens::{SpecialTokens, TokenError, TokenKind, Tokenizer};

/// How many times rarer than the commonest class a class is when classes are out of balance.
const IMBALANCE: usize = 10;
/// Names of columns of labels, in the order in which they are looked for.
const LABELS: [&str; 8] = ["label", "class", "category", "target", "class_name", "species", "y", "label_name"];
/// Names of columns of parts, in the order in which they are looked for.
const PARTS: [&str; 5] = ["part", "split", "set", "subset", "partition"];
