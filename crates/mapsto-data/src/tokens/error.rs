//! What can be wrong with tokens.

use std::io;
use std::path::PathBuf;

/// Why there is no tokenizer, or it gives no tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that is no tokenizer.
    #[error("{} is no tokenizer of Hugging Face (tokenizer.json): {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A saved tokenizer that is none.
    #[error("this is no tokenizer: {0}")]
    Saved(String),
    /// Nothing to learn from.
    #[error("tokens are learned from texts, and got none")]
    NoTexts,
    /// Fewer tokens than there must be.
    #[error("{size} tokens are too few: there must be at least {least}")]
    Size {
        /// What was asked for.
        size: usize,
        /// The least.
        least: usize,
    },
    /// Fewer tokens of a text than those that are always there.
    #[error("a text of at most {max} tokens has no room: {added} are always added")]
    Room {
        /// What was asked for.
        max: usize,
        /// The tokens that are added.
        added: usize,
    },
    /// A text that the tokenizer cannot take.
    #[error("the tokenizer cannot take {text:?}: {why}")]
    Text {
        /// The beginning of the text.
        text: String,
        /// The reason.
        why: String,
    },
}
