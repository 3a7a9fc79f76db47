"""Writes what Hugging Face's tokenizers give, for the tests of mapsto-data, under its tests/fixtures/tokens/:

- minilm.json: the tokenizer of all-MiniLM-L6-v2 (Apache-2.0), its vocabulary cut to what the texts need and its first 1,500 tokens;
- minilm_cases.json: awkward texts and their tokens by it;
- learned.json: texts, and the vocabularies that are learned from them.

Run from the repository root with a Python that has tokenizers: python tools/text_fixtures.py path/to/tokenizer.json
"""

import json
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

FIXTURES = pathlib.Path("crates/mapsto-data/tests/fixtures/tokens")
KEPT = 1500

TEXTS = [
    "", " ", "\t\n\r\u00a0\u2003", "a", "Hello, world!", "HELLO WORLD", "don't can't won't it's", "naïve café résumé Ångström",
    "cafe\u0301 e\u0301\u0300", "Straße ẞ İstanbul ıI", "Привет, мир! Ёлка", "Ελληνικά ς Σ", "مرحبا بالعالم", "שלום", "हिन्दी में",
    "ภาษาไทยไม่มีช่องว่าง", "你好，世界。今天天气很好", "日本語のテキスト、カタカナ", "한국어 문장입니다", "😀😀 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪", "x²+y³=∞ ½ ℵ₀ ﬁ ﬂ",
    "a.b,c;d:e!f?g-h_i/j\\k|l", "[CLS] [SEP] [MASK] [PAD] [UNK]", "[cls]", "##ing ing", "user@example.com https://example.com/a?b=c#d",
    "3.14159 1,000,000 1e-10 0x1F", "\x00\x01\x7f\u200b\u200d\ufeff\ufffd", "line one\nline two\r\nline three", "“quotes” ‘single’ «guillemets» …",
    "—–-−‐", "antidisestablishmentarianism", "supercalifragilisticexpialidocious " * 3, "x" * 99, "x" * 100, "x" * 101, "ab" * 4000,
    "word " * 3000, "你" * 700, "!" * 600, "  leading and trailing  ", "mixed中文and英文 words", "\U0001f468\u200d\U0001f4bb codes",
    "\u1e9b\u0323", "𝕳𝖊𝖑𝖑𝖔 ｆｕｌｌｗｉｄｔｈ", "tab\tseparated\tvalues", "I'm 25 years-old; she's 30.", "e\u0301" * 300 + " end",
]
MOST = [512, 128, 7, 3]

LEARNED = [
    "The cat sat on the mat.", "the dog sat on the log!", "A cat, a dog, and a log.", "Über den Fluß, über den Fluß", "你好你好世界",
    "low lower lowest newer newest wider widest", "low low low lower new new newer", "it's the cat's mat", "  spaces   and\ttabs ", "café CAFÉ cafe\u0301",
    "1 12 123 1234 1234", "xybde xyb xyde xyb de bde xybde", "aaaa aaa aa a aaaa",
]


def cut(path):
    """The tokenizer with the tokens that the texts need, numbered anew."""
    saved = json.loads(path.read_text())
    saved["padding"] = saved["truncation"] = None
    whole = Tokenizer.from_str(json.dumps(saved))
    needed = {number for text in TEXTS for number in whole.encode(text).ids} | {t["id"] for t in saved["added_tokens"]}
    vocab = sorted(saved["model"]["vocab"].items(), key=lambda entry: entry[1])
    written = [token for token, _ in vocab if not token.startswith("[unused")]
    kept = set(written[:KEPT]) | {whole.id_to_token(number) for number in needed}
    vocab = {token: i for i, token in enumerate(token for token, _ in vocab if token in kept)}
    saved["model"]["vocab"] = vocab
    for token in saved["added_tokens"]:
        token["id"] = vocab[token["content"]]
    for token in saved["post_processor"].get("special_tokens", {}).values():
        token["ids"] = [vocab[name] for name in token["tokens"]]
    return saved


def cases(tokenizer):
    for text in TEXTS:
        for most in MOST:
            tokenizer.enable_truncation(most)
            ids = tokenizer.encode(text).ids
            yield {"text": text, "max": most, "tokens": ids, "decoded": tokenizer.decode(ids)}


SPECIALS = ["[PAD]", "[UNK]"]


def words(size):
    """A tokenizer of words, and what it learns at most so many by."""
    bert = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=True)
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), bert])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer, trainers.WordLevelTrainer(vocab_size=size, min_frequency=2, special_tokens=SPECIALS, show_progress=False)


def learned():
    yield "words", 20, *words(20)
    letters = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    letters.normalizer = normalizers.NFC()
    letters.pre_tokenizer = pre_tokenizers.FixedLength(1)
    letters.decoder = decoders.Fuse()
    yield "characters", 40, letters, trainers.WordLevelTrainer(vocab_size=40, min_frequency=2, special_tokens=SPECIALS, show_progress=False)
    for size in [290, 400]:
        bpe = Tokenizer(models.BPE())
        bpe.normalizer = normalizers.NFC()
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        yield "bpe", size, bpe, trainers.BpeTrainer(vocab_size=size, min_frequency=2, special_tokens=SPECIALS[:1],
                                                    initial_alphabet=alphabet, show_progress=False)


def main(path):
    FIXTURES.mkdir(parents=True, exist_ok=True)
    write = lambda name, value: (FIXTURES / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    saved = cut(path)
    write("minilm.json", saved)
    write("minilm_cases.json", list(cases(Tokenizer.from_str(json.dumps(saved)))))
    kinds = []
    for kind, size, tokenizer, trainer in learned():
        tokenizer.train_from_iterator(LEARNED, trainer)
        tokens = [tokenizer.encode(text).ids for text in TEXTS[:34]]
        kinds.append({"kind": kind, "size": size, "model": json.loads(tokenizer.to_str())["model"], "tokens": tokens})
    write("learned.json", {"texts": LEARNED, "cases": TEXTS[:34], "kinds": kinds})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
