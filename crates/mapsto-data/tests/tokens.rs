//! Tokens, held against Hugging Face's tokenizers (tools/text_fixtures.py).

use mapsto_data::{SpecialTokens, TokenError, TokenKind, Tokenizer};
use serde::Deserialize;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
struct Case {
    text: String,
    max: usize,
    tokens: Vec<u32>,
    decoded: String,
}

#[derive(Deserialize)]
struct Learned {
    texts: Vec<String>,
    cases: Vec<String>,
    kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: TokenKind,
    size: usize,
    model: serde_json::Value,
    tokens: Vec<Vec<u32>>,
}

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new("tests/fixtures/tokens").join(name)).unwrap()
}

fn minilm() -> Tokenizer {
    Tokenizer::open(Path::new("tests/fixtures/tokens/minilm.json")).unwrap()
}

#[test]
fn a_file_gives_hugging_faces_tokens() {
    let tokenizer = minilm();
    let cases: Vec<Case> = serde_json::from_str(&fixture("minilm_cases.json")).unwrap();
    assert_eq!(cases.len(), 192);
    for Case { text, max, tokens, decoded } in cases {
        let ours = tokenizer.encode(&text, max).unwrap();
        assert_eq!(ours, tokens, "{max} of {text:?}");
        assert_eq!(tokenizer.decode(&ours).unwrap(), decoded, "{text:?}");
    }
    let special = tokenizer.special();
    let names = [special.pad, special.unk, special.cls, special.sep, special.mask].map(|n| tokenizer.token(n.unwrap()));
    assert_eq!(names.map(Option::unwrap), ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
    assert!(tokenizer.token(tokenizer.len() as u32).is_none());
}

#[test]
fn learned_tokens_are_hugging_faces() {
    let learned: Learned = serde_json::from_str(&fixture("learned.json")).unwrap();
    assert_eq!(learned.kinds.len(), 4);
    for Kind { kind, size, model, tokens } in learned.kinds {
        let tokenizer = Tokenizer::learn(kind, &learned.texts, size).unwrap();
        let ours: serde_json::Value = serde_json::from_str(tokenizer.json()).unwrap();
        assert_eq!(ours["model"]["vocab"], model["vocab"], "{kind:?}");
        assert_eq!(ours["model"].get("merges"), model.get("merges"), "{kind:?}");
        for (text, tokens) in learned.cases.iter().zip(tokens) {
            let tokens = if !tokens.is_empty() { tokens } else { vec![u32::from(kind != TokenKind::Bpe)] };
            assert_eq!(tokenizer.encode(text, 1000).unwrap(), tokens, "{kind:?} of {text:?}");
        }
    }
}

#[test]
fn a_tokenizer_is_saved_as_its_file() {
    let texts = ["the cat sat", "the cat sat down", "the dog"];
    for kind in [TokenKind::Words, TokenKind::Characters, TokenKind::Bpe] {
        let tokenizer = Tokenizer::learn(kind, &texts, 300).unwrap();
        let saved = serde_json::to_string(&tokenizer).unwrap();
        let again: Tokenizer = serde_json::from_str(&saved).unwrap();
        assert_eq!((again.json(), again.special()), (tokenizer.json(), tokenizer.special()));
        assert_eq!(tokenizer, Tokenizer::learn(kind, &texts, 300).unwrap());
    }
    assert_eq!(Tokenizer::learn(TokenKind::Words, &texts, 300).unwrap().len(), 5);
    let refused = serde_json::from_str::<Tokenizer>("\"{}\"").unwrap_err().to_string();
    assert!(refused.starts_with("this is no tokenizer: "), "{refused}");
}

#[test]
fn texts_come_back() {
    let texts = ["A naïve café, 你好!", "A naïve café, 你好!  \n\tHow?"];
    for kind in [TokenKind::Characters, TokenKind::Bpe] {
        let tokenizer = Tokenizer::learn(kind, &texts, 1000).unwrap();
        let tokens = tokenizer.encode(texts[0], 1000).unwrap();
        assert_eq!(tokenizer.decode(&tokens).unwrap(), texts[0], "{kind:?}");
    }
    let bytes = Tokenizer::learn(TokenKind::Bpe, &texts, 1000).unwrap();
    let strange = "\u{1f600} never seen \u{0} \u{feff}";
    assert_eq!(bytes.decode(&bytes.encode(strange, 1000).unwrap()).unwrap(), strange);
    assert_eq!(bytes.special(), SpecialTokens { pad: Some(0), ..SpecialTokens::default() });
    let words = Tokenizer::learn(TokenKind::Words, &texts, 1000).unwrap();
    assert_eq!(words.decode(&words.encode("A CAFÉ!", 9).unwrap()).unwrap(), "a café !");
    assert_eq!(words.encode("", 9).unwrap(), [1]);
}

#[test]
fn long_texts_cost_what_their_beginning_does() {
    let tokenizer = minilm();
    let started = std::time::Instant::now();
    for text in ["a word, ".repeat(4_000_000), "x".repeat(30_000_000), " ".repeat(30_000_000) + "end"] {
        let tokens = tokenizer.encode(&text, 64).unwrap();
        assert!(tokens.len() <= 64, "{}", tokens.len());
    }
    let bytes = Tokenizer::learn(TokenKind::Bpe, &["ab ".repeat(100_000) + &" ".repeat(100_000)], 300).unwrap();
    assert_eq!(bytes.encode(&"ab ".repeat(4_000_000), 100).unwrap().len(), 100);
    assert_eq!(bytes.encode(&"ab".repeat(4_000_000), 100).unwrap().len(), 100);
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn what_cannot_be_is_refused() {
    let learn = |kind, texts: &[&str], size| Tokenizer::learn(kind, texts, size).unwrap_err().to_string();
    assert_eq!(learn(TokenKind::Words, &[], 10), "tokens are learned from texts, and got none");
    assert_eq!(learn(TokenKind::Words, &["a"], 2), "2 tokens are too few: there must be at least 3");
    assert_eq!(learn(TokenKind::Bpe, &["a"], 256), "256 tokens are too few: there must be at least 257");
    let said = minilm().encode("a", 2).unwrap_err().to_string();
    assert_eq!(said, "a text of at most 2 tokens has no room: 2 are always added");
    let said = Tokenizer::open(Path::new("no/such.json")).unwrap_err().to_string();
    assert!(said.starts_with("cannot read no/such.json: "), "{said}");
    let file = tempfile::NamedTempFile::new().unwrap();
    for bytes in [&b"{}"[..], b"\xff", b"[1, 2", b"{\"version\": \"1.0\"}"] {
        fs::write(file.path(), bytes).unwrap();
        let error = Tokenizer::open(file.path()).unwrap_err();
        assert!(matches!(error, TokenError::File { .. }), "{error}");
        assert!(error.to_string().contains(" is no tokenizer of Hugging Face (tokenizer.json): "), "{error}");
    }
}

#[test]
fn mutated_files_never_panic() {
    let learned = Tokenizer::learn(TokenKind::Characters, &["abcabc"], 6).unwrap().json().to_string();
    let mut read = 0;
    for at in 0..learned.len() {
        for byte in [b'0', b'"', b'9', b'{', b','] {
            let mut bytes = learned.clone().into_bytes();
            bytes[at] = byte;
            let Ok(json) = String::from_utf8(bytes) else { continue };
            let Ok(tokenizer) = serde_json::from_value::<Tokenizer>(json.into()) else { continue };
            read += 1;
            let _ = tokenizer.encode("abc?", 3).map(|tokens| tokenizer.decode(&tokens));
        }
    }
    assert!(read > 10, "{read}");
}
