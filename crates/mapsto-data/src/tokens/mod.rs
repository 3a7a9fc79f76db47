//! Texts to tokens.

mod bpe;
mod error;
mod learn;

pub use error::TokenError;
pub use learn::TokenKind;

use crate::parallel::in_parallel;
use crate::quiet::{message, quietly};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokenizers::{PostProcessor, TruncationDirection};

/// Letters of a text that are looked at for each token that is wanted, at first.
const LETTERS: usize = 8;
/// The most letters of a text that are looked at for each token.
const MOST_LETTERS: usize = 1 << 10;
/// Letters in which a space is looked for to cut a text at.
const WORD: usize = 1 << 10;
/// Letters of a long text that are split at a time.
const PIECE: usize = 1 << 14;
/// Tokens before a cut that it might have changed.
const UNSURE: usize = 32;
/// Letters of a text that an error shows.
const SHOWN: usize = 40;

/// Texts to tokens and back: learned from texts ([`Tokenizer::learn`]), or a `tokenizer.json` of Hugging Face's.
///
/// It is saved as the text of a `tokenizer.json`, also by serde.
///
/// ```
/// use mapsto_data::{TokenKind, Tokenizer};
///
/// let words = Tokenizer::learn(TokenKind::Words, &["A cat, a dog.", "a cat!"], 100)?;
/// let tokens = words.encode("A CAT, a mouse", 10)?;
/// let tokens: Vec<_> = tokens.iter().filter_map(|token| words.token(*token)).collect();
/// assert_eq!(tokens, ["a", "cat", "[UNK]", "a", "[UNK]"]);
/// # Ok::<(), mapsto_data::TokenError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    json: Arc<str>,
    special: SpecialTokens,
}

/// Numbers of tokens with a meaning of their own, where a tokenizer has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Fills short texts up: `[PAD]` or `<pad>`.
    pub pad: Option<u32>,
    /// What is not known: `[UNK]` or `<unk>`.
    pub unk: Option<u32>,
    /// Begins a text: `[CLS]`, `<s>`.
    pub cls: Option<u32>,
    /// Ends a text: `[SEP]`, `</s>`.
    pub sep: Option<u32>,
    /// Hides a token: `[MASK]`, `<mask>`.
    pub mask: Option<u32>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. How it would cut and fill texts up is passed over: [`Tokenizer::encode`] is told.
    ///
    /// # Errors
    /// A file that cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Tokenizer, TokenError> {
        let bytes = fs::read(path).map_err(|source| TokenError::Io { path: path.to_owned(), source })?;
        let wrong = |why| TokenError::File { path: path.to_owned(), why };
        let json = String::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8 text".into()))?;
        Tokenizer::parse(&json).map_err(wrong)
    }

    fn parse(json: &str) -> Result<Tokenizer, String> {
        let made = quietly(|| -> tokenizers::Result<Tokenizer> {
            let mut inner = tokenizers::Tokenizer::from_bytes(json)?;
            inner.with_truncation(None)?.with_padding(None);
            let find = |names: &[&str]| names.iter().find_map(|name| inner.token_to_id(name));
            let special = SpecialTokens {
                pad: find(&["[PAD]", "<pad>"]),
                unk: find(&["[UNK]", "<unk>"]),
                cls: find(&["[CLS]", "<s>"]),
                sep: find(&["[SEP]", "</s>"]),
                mask: find(&["[MASK]", "<mask>"]),
            };
            // Settings that cannot be show here.
            inner.encode("An example, \u{e9}\u{4e2d}\u{1f600}", true)?;
            let json = inner.to_string(false)?;
            Ok(Tokenizer { inner: Arc::new(inner), json: json.into(), special })
        });
        made.unwrap_or_else(|panic| Err(message(&*panic).into())).map_err(|error| error.to_string())
    }

    /// The text of its `tokenizer.json`.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// One more than the greatest number of a token: the rows that an embedding needs.
    pub fn len(&self) -> usize {
        self.inner.get_vocab(true).into_values().max().map_or(0, |most| most as usize + 1)
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of tokens with a meaning of their own.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// The token of a number.
    pub fn token(&self, number: u32) -> Option<String> {
        self.inner.id_to_token(number)
    }

    /// The first `max` tokens of a text at most, those among them that the tokenizer adds to every text. Where a text has none, the
    /// unknown token (or that which fills up, or number 0) stands for it: there is always one.
    ///
    /// Of a long text only the beginning is looked at: as much as gives that many tokens, 1,024 letters for each at most.
    ///
    /// # Errors
    /// A `max` without room for more than what is added to every text; a text that has unknown words where the tokenizer has no
    /// token for these.
    pub fn encode(&self, text: &str, max: usize) -> Result<Vec<u32>, TokenError> {
        let added = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let room = max.checked_sub(added).filter(|room| *room > 0).ok_or(TokenError::Room { max, added })?;
        let encoded = quietly(|| self.cut(text, room)).unwrap_or_else(|panic| Err(message(&*panic).into()));
        let mut tokens = encoded.map_err(|error| refused(text, &*error))?;
        if tokens.is_empty() {
            tokens.push(self.special.unk.or(self.special.pad).unwrap_or(0));
        }
        Ok(tokens)
    }

    /// All tokens of a text, however long, without those that the tokenizer adds to every text. It is read in pieces that end between
    /// words; one word alone is cut where it is longer than some thousands of letters.
    ///
    /// # Errors
    /// A text that has unknown words where the tokenizer has no token for these.
    pub fn encode_whole(&self, text: &str) -> Result<Vec<u32>, TokenError> {
        let encode = |piece: &str| {
            let encoded =
                quietly(|| self.inner.encode_fast(piece, false)).unwrap_or_else(|panic| Err(message(&*panic).into()));
            encoded.map(|encoding| encoding.get_ids().to_vec()).map_err(|error| refused(piece, &*error))
        };
        let tokens = in_parallel(pieces(text, PIECE).collect(), encode);
        Ok(tokens.into_iter().collect::<Result<Vec<_>, TokenError>>()?.concat())
    }

    fn cut(&self, text: &str, room: usize) -> tokenizers::Result<Vec<u32>> {
        let (mut letters, most) = (room.saturating_mul(LETTERS), room.saturating_mul(MOST_LETTERS));
        let mut encoding = loop {
            let part = beginning(text, letters);
            let encoding = self.inner.encode_fast(part, false)?;
            if part.len() == text.len() || letters >= most || encoding.len() >= room.saturating_add(UNSURE) {
                break encoding;
            }
            letters = letters.saturating_mul(4).min(most);
        };
        encoding.truncate(room, 0, TruncationDirection::Right);
        // What was cut off.
        encoding.take_overflowing();
        Ok(self.inner.post_process(encoding, None, true)?.get_ids().to_vec())
    }

    /// The text of tokens, as far as it can be told; what the tokenizer adds to every text is left out.
    ///
    /// # Errors
    /// Tokens that the tokenizer cannot put together.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TokenError> {
        let decoded = quietly(|| self.inner.decode(tokens, true)).unwrap_or_else(|panic| Err(message(&*panic).into()));
        decoded.map_err(|error| TokenError::Text { text: format!("{tokens:?}"), why: error.to_string() })
    }
}

/// Why a text has no tokens.
fn refused(text: &str, error: &(dyn std::error::Error + Send + Sync)) -> TokenError {
    TokenError::Text { text: text.chars().take(SHOWN).collect(), why: error.to_string() }
}

/// A text in pieces of about so many letters, as [`beginning`] cuts them.
fn pieces(text: &str, letters: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let piece = beginning(rest, letters);
        rest = &rest[piece.len()..];
        (!piece.is_empty()).then_some(piece)
    })
}

/// The first letters of a text, to the end of their last word if it is no long one.
fn beginning(text: &str, letters: usize) -> &str {
    let mut rest = text.char_indices().skip(letters).take(WORD);
    let Some((first, _)) = rest.next() else { return text };
    let mut end = first;
    for (place, letter) in rest {
        if letter.is_whitespace() {
            return &text[..place];
        }
        end = place;
    }
    // The text ends in this word, or the word is long.
    if text[end..].chars().nth(1).is_none() { text } else { &text[..first] }
}

impl TryFrom<String> for Tokenizer {
    type Error = TokenError;

    fn try_from(json: String) -> Result<Tokenizer, TokenError> {
        Tokenizer::parse(&json).map_err(TokenError::Saved)
    }
}

impl From<Tokenizer> for String {
    fn from(tokenizer: Tokenizer) -> String {
        tokenizer.json.to_string()
    }
}

impl PartialEq for Tokenizer {
    fn eq(&self, other: &Tokenizer) -> bool {
        self.json == other.json
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("tokens", &self.len()).field("special", &self.special).finish_non_exhaustive()
    }
}
