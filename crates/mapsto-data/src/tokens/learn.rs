//! Tokens that are learned from texts.

use super::{PIECE, TokenError, Tokenizer, bpe, pieces, refused};
use crate::parallel::in_parallel;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokenizers::{NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// What the learned tokenizers call that which fills up, and the unknown.
const SPECIAL: [&str; 2] = ["[PAD]", "[UNK]"];
/// How often a word or letter must come to be known: those that come once teach what the unknown means.
const LEAST: u64 = 2;
/// Texts that are counted together.
const CHUNK: usize = 256;

/// What tokens are, when they are learned from texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Words in lower case, each mark of punctuation and each Chinese character apart: the commonest that come at least twice.
    /// `[PAD]` is 0, `[UNK]` is 1.
    #[default]
    Words,
    /// Characters: the commonest that come at least twice. `[PAD]` is 0, `[UNK]` is 1.
    Characters,
    /// Pieces of words, bytes at least (Sennrich et al. 2016, Radford et al. 2019): nothing is unknown. `[PAD]` is 0.
    Bpe,
}

impl Tokenizer {
    /// Learns at most `size` tokens, special ones among them, from texts. The same texts give the same tokenizer.
    ///
    /// # Errors
    /// No texts; a size without room for a token of their own, or for all bytes.
    pub fn learn<T: AsRef<str> + Sync>(kind: TokenKind, texts: &[T], size: usize) -> Result<Tokenizer, TokenError> {
        if texts.is_empty() {
            return Err(TokenError::NoTexts);
        }
        let special = kind.special();
        let mut tokens: Vec<String> = special.iter().map(|token| token.to_string()).collect();
        let first = if kind == TokenKind::Bpe { letters_of_bytes() } else { Vec::new() };
        let least = tokens.len() + first.len().max(1);
        if size < least {
            return Err(TokenError::Size { size, least });
        }
        let counts = kind.count(texts)?;
        tokens.extend(first);
        let model = if kind == TokenKind::Bpe {
            let bpe::Merges { tokens, merges } = bpe::learn(&counts, tokens, size);
            json!({ "type": "BPE", "vocab": numbered(tokens), "merges": merges })
        } else {
            let mut known: Vec<(String, u64)> = counts.into_iter().filter(|(_, count)| *count >= LEAST).collect();
            // Equals stay in their order.
            known.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            tokens.extend(known.into_iter().map(|(token, _)| token).take(size - special.len()));
            json!({ "type": "WordLevel", "vocab": numbered(tokens), "unk_token": SPECIAL[1] })
        };
        Tokenizer::parse(&kind.json(model)).map_err(TokenError::Saved)
    }
}

/// The tokens with their numbers.
fn numbered(tokens: Vec<String>) -> serde_json::Map<String, Value> {
    tokens.into_iter().enumerate().map(|(number, token)| (token, number.into())).collect()
}

/// The letters that stand for bytes, sorted: those of GPT-2.
fn letters_of_bytes() -> Vec<String> {
    let mut letters: Vec<char> = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect();
    letters.sort_unstable();
    letters.into_iter().map(String::from).collect()
}

impl TokenKind {
    fn special(self) -> &'static [&'static str] {
        if self == TokenKind::Bpe { &SPECIAL[..1] } else { &SPECIAL }
    }

    /// The tokenizer of this model.
    fn json(self, model: Value) -> String {
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
        let clean = json!({ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": false,
            "lowercase": true });
        let composed = json!({ "type": "NFC" });
        let (normalizer, pieces, decoder) = match self {
            TokenKind::Words => {
                let both = json!({ "type": "Sequence", "normalizers": [composed, clean] });
                (both, json!({ "type": "BertPreTokenizer" }), Value::Null)
            }
            TokenKind::Characters => {
                (composed, json!({ "type": "FixedLength", "length": 1 }), json!({ "type": "Fuse" }))
            }
            TokenKind::Bpe => (composed, bytes.clone(), bytes),
        };
        let added = |(number, token): (usize, &&str)| {
            json!({ "id": number, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": true })
        };
        let added: Vec<Value> = self.special().iter().enumerate().map(added).collect();
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": normalizer,
            "pre_tokenizer": pieces, "post_processor": null, "decoder": decoder, "model": model,
        })
        .to_string()
    }

    /// How often each word or letter comes.
    fn count<T: AsRef<str> + Sync>(self, texts: &[T]) -> Result<BTreeMap<String, u64>, TokenError> {
        let none = json!({ "type": "WordLevel", "vocab": numbered(vec![SPECIAL[1].into()]), "unk_token": SPECIAL[1] });
        let splitter = Tokenizer::parse(&self.json(none)).map_err(TokenError::Saved)?;
        let count = |texts: &[T]| -> Result<BTreeMap<String, u64>, TokenError> {
            let mut counts = BTreeMap::new();
            for text in texts {
                for piece in pieces(text.as_ref(), PIECE) {
                    splitter.split(piece, &mut counts).map_err(|error| refused(piece, &*error))?;
                }
            }
            Ok(counts)
        };
        let mut all = BTreeMap::new();
        for counts in in_parallel(texts.chunks(CHUNK).collect(), count) {
            counts?.into_iter().for_each(|(word, count)| *all.entry(word).or_default() += count);
        }
        Ok(all)
    }
}

impl Tokenizer {
    /// Counts the words or letters of a text.
    fn split(&self, text: &str, counts: &mut BTreeMap<String, u64>) -> tokenizers::Result<()> {
        let mut text = NormalizedString::from(text);
        if let Some(normalizer) = self.inner.get_normalizer() {
            normalizer.normalize(&mut text)?;
        }
        let mut pieces = PreTokenizedString::from(text);
        if let Some(splitter) = self.inner.get_pre_tokenizer() {
            splitter.pre_tokenize(&mut pieces)?;
        }
        for (piece, ..) in pieces.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            *counts.entry(piece.to_string()).or_default() += 1;
        }
        Ok(())
    }
}
