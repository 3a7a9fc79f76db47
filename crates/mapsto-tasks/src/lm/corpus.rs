//! Whole texts, divided by their places.

use crate::error::TaskError;
use crate::fingerprint::Fingerprint;
use mapsto_data::{Text, Tokenizer};

/// The most characters of a piece.
const PIECE: usize = 256;
/// Pieces that there are at least, of texts that are not tiny.
const PIECES: usize = 100;
/// The most pieces that tokens are learned from, spread over all: some eight million characters.
const LEARNED_FROM: usize = 1 << 15;
/// The token before each stretch of text: what fills up elsewhere.
pub(super) const BEGIN: u32 = 0;

/// Texts, cut into pieces of a few hundred characters: what a run divides into parts.
pub(super) struct Corpus {
    texts: Vec<Text>,
    pieces: Vec<Piece>,
}

/// Bytes of a text.
#[derive(Clone, Copy)]
struct Piece {
    text: usize,
    from: usize,
    to: usize,
}

/// Tokens of stretches of text, one after the other, before each [`BEGIN`].
#[derive(Debug)]
pub(super) struct Stream {
    pub tokens: Vec<u32>,
    /// Characters of the stretches.
    pub characters: usize,
    /// How many tokens stand for characters that the tokenizer does not know.
    pub unknown: usize,
}

impl Corpus {
    pub fn of(texts: Vec<Text>) -> Corpus {
        let characters: usize = texts.iter().map(|text| text.text.chars().count()).sum();
        let size = (characters / PIECES).clamp(1, PIECE);
        let mut pieces = Vec::with_capacity(characters / size + texts.len());
        for (text, whole) in texts.iter().enumerate() {
            let mut from = 0;
            let cuts = whole.text.char_indices().map(|(place, _)| place).step_by(size).skip(1);
            for to in cuts.chain([whole.text.len()]) {
                pieces.push(Piece { text, from, to });
                from = to;
            }
        }
        Corpus { texts, pieces }
    }

    /// How many pieces there are.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    pub fn characters(&self) -> usize {
        self.texts.iter().map(|text| text.text.chars().count()).sum()
    }

    pub fn fingerprint(&self) -> u64 {
        let mut fingerprint = Fingerprint::new();
        for text in &self.texts {
            fingerprint.add(text.text.as_bytes());
            // Bytes that no text has, so that texts are told apart by their ends.
            fingerprint.add(&[0xff]);
        }
        fingerprint.value()
    }

    /// The stretches of text that some pieces make: those side by side are one.
    pub fn stretches(&self, items: &[usize]) -> Vec<&str> {
        let mut items = items.to_vec();
        items.sort_unstable();
        items.dedup();
        let mut stretches: Vec<Piece> = Vec::new();
        for piece in items.into_iter().map(|item| self.pieces[item]) {
            match stretches.last_mut() {
                Some(last) if last.text == piece.text && last.to == piece.from => last.to = piece.to,
                _ => stretches.push(piece),
            }
        }
        stretches.into_iter().map(|Piece { text, from, to }| &self.texts[text].text[from..to]).collect()
    }

    /// Some of the pieces, few enough to learn tokens from.
    pub fn sample(&self, items: &[usize]) -> Vec<&str> {
        let step = items.len().div_ceil(LEARNED_FROM).max(1);
        self.stretches(&items.iter().copied().step_by(step).collect::<Vec<_>>())
    }

    /// The tokens of some pieces.
    ///
    /// # Errors
    /// A text that the tokenizer cannot take; no tokens.
    pub fn stream(&self, tokenizer: &Tokenizer, items: &[usize]) -> Result<Stream, TaskError> {
        let (mut tokens, mut characters) = (Vec::new(), 0);
        for stretch in self.stretches(items) {
            tokens.push(BEGIN);
            tokens.extend(tokenizer.encode_whole(stretch).map_err(TaskError::input)?);
            characters += stretch.chars().count();
        }
        if tokens.iter().all(|&token| token == BEGIN) {
            return Err(TaskError::input("there is no text"));
        }
        let unknown = tokenizer.special().unk.map_or(0, |unk| tokens.iter().filter(|&&token| token == unk).count());
        Ok(Stream { tokens, characters, unknown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mapsto_data::TokenKind;

    fn corpus(texts: &[&str]) -> Corpus {
        let text = |(i, text): (usize, &&str)| Text { name: i.to_string(), text: text.to_string() };
        Corpus::of(texts.iter().enumerate().map(text).collect())
    }

    #[test]
    fn pieces_side_by_side_are_one_stretch() {
        let long = "äbc".repeat(200);
        let corpus = corpus(&[&long, "next"]);
        let pieces = corpus.len();
        assert_eq!(corpus.stretches(&(0..pieces).collect::<Vec<_>>()), [&long[..], "next"]);
        assert_eq!((corpus.characters(), corpus.texts()), (604, 2));
        // Six characters each, whose first is of two bytes.
        assert_eq!(pieces, 101);
        assert_eq!(corpus.stretches(&[1, 0, 3, 100, 1]), ["äbcäbcäbcäbc", "äbcäbc", "next"]);
        let all: String = (0..pieces).flat_map(|piece| corpus.stretches(&[piece])).collect();
        assert_eq!(all, long + "next");
        assert_eq!(Corpus::of(Vec::new()).len(), 0);
    }

    #[test]
    fn stretches_begin_with_a_token_of_their_own() {
        let corpus = corpus(&["abab", "baz"]);
        let tokenizer = Tokenizer::learn(TokenKind::Characters, &["aabb"], 10).unwrap();
        let stream = corpus.stream(&tokenizer, &(0..corpus.len()).collect::<Vec<_>>()).unwrap();
        let [a, b, unknown] = [2, 3, 1];
        assert_eq!(stream.tokens, [BEGIN, a, b, a, b, BEGIN, b, a, unknown]);
        assert_eq!((stream.characters, stream.unknown), (7, 1));
        assert!(corpus.stream(&tokenizer, &[]).is_err());
    }

    #[test]
    fn texts_of_other_ends_are_other_texts() {
        assert_ne!(corpus(&["ab", "c"]).fingerprint(), corpus(&["a", "bc"]).fingerprint());
        assert_eq!(corpus(&["ab", "c"]).fingerprint(), corpus(&["ab", "c"]).fingerprint());
    }
}
