//! Texts: where they come from, changes by chance, what looks wrong in them.

mod augment;
mod corpus;
mod error;
mod inspect;
mod inspect_corpus;
mod inspect_pairs;
mod jsonl;
mod pairs;
mod rows;
mod set;
mod synonyms;

pub use augment::{TextAugmentation, delete_words, insert_words, replace_words, swap_words};
pub use corpus::read_corpus;
pub use error::TextError;
pub use inspect::{TextFinding, TextInspection};
pub use inspect_corpus::{CorpusFinding, CorpusInspection};
pub use inspect_pairs::{PairFinding, PairInspection};
pub use pairs::{PairColumns, PairSet, read_sources};
pub(crate) use rows::Rows;
pub use rows::TextColumns;
pub use set::{Text, TextSet, read_texts};
pub use synonyms::Synonyms;
