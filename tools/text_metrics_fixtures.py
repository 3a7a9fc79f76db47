"""Writes crates/mapsto-train/tests/fixtures/text_metrics.json: BLEU and chrF as sacrebleu gives them, edit distances as torchaudio does.

Run from the repository root with a Python that has sacrebleu and torchaudio: python tools/text_metrics_fixtures.py
Which edits those of the least number are is not in torchaudio: all ways are tried here, and the most substitutions kept.
"""

import functools
import json
import pathlib
import random

import sacrebleu
from torchaudio.functional import edit_distance

SENTENCES = [
    "The committee will meet on 3 March 2021, at 10.30 a.m., in room B-12.",
    "In the beginning was the word, and nobody wrote it down.",
    "\"Why not?\" she asked; he said: \"Because it's 5,000.75 too much!\"",
    "Prices rose by 3.5% (from $1,200 to $1,242) between 1990-95.",
    "R&amp;D costs &lt; 10% &quot;of course&quot;...",
    "well-known state-of-the-art e-mail addresses: a_b@c.org/[x]~{y}",
    "Straße, naïve café — über-groß, 東京 и Москва.",
    "yes",
    "A a a a a A A a, the the the.",
    "It rained   all day\tand all night. ",
]


def changed(sentence, share, chance):
    """With words left out, doubled, swapped and misspelt."""
    words = []
    for word in sentence.split():
        what = chance.random()
        if what < share / 4:
            continue
        if what < share / 2:
            words.append(word)
        elif what < share * 3 / 4 and words:
            words[-1], word = word, words[-1]
        elif what < share:
            word = word[::-1]
        words.append(word)
    return " ".join(words)


def texts_case(name, right, found):
    bleu = sacrebleu.metrics.BLEU().corpus_score(found, [right])
    return {
        "name": name,
        "right": right,
        "found": found,
        "bleu": bleu.score,
        "precisions": bleu.precisions,
        "brevity_penalty": bleu.bp,
        "length": bleu.sys_len,
        "reference_length": bleu.ref_len,
        "chrf": sacrebleu.metrics.CHRF().corpus_score(found, [right]).score,
    }


def edits_case(right, found):
    @functools.cache
    def ways(i, j):
        """All pairs of edits and substitutions that make the first j of the found of the first i of the right."""
        if i == 0 or j == 0:
            return {(i + j, 0)}
        other = int(right[i - 1] != found[j - 1])
        both = {(edits + other, same + other) for edits, same in ways(i - 1, j - 1)}
        return both | {(edits + 1, same) for edits, same in ways(i - 1, j) | ways(i, j - 1)}

    fewest = edit_distance(right, found)
    substitutions = max(same for edits, same in ways(len(right), len(found)) if edits == fewest)
    return {"right": right, "found": found, "edits": fewest, "substitutions": substitutions}


def main():
    chance = random.Random(7)
    cases = [
        texts_case(f"{share} changed", SENTENCES, [changed(sentence, share, chance) for sentence in SENTENCES])
        for share in (0.0, 0.1, 0.3, 0.6, 0.9)
    ]
    cases += [
        texts_case("no run of three", ["a b c d e f", "g h"], ["a b x d y f z", "h g"]),
        texts_case("no run of four, short", ["the cat sat on the mat today", "a dog"], ["the cat sat", "dog"]),
        texts_case("nothing right", ["a b c d e"], ["v w x y z"]),
        texts_case("nothing found", ["a b", "c d e f"], ["", ""]),
        texts_case("three words", ["a b c"], ["a b c"]),
        texts_case("too long", ["a b c d e"], ["a b c d e a b c d e a b c d e"]),
    ]
    edits = []
    for lengths in ((0, 3), (3, 0), (1, 1), (5, 5), (7, 4), (4, 9), (10, 10), (12, 9)):
        for letters in (2, 4):
            edits.append(edits_case(*([chance.randrange(letters) for _ in range(length)] for length in lengths)))
    path = pathlib.Path("crates/mapsto-train/tests/fixtures/text_metrics.json")
    path.write_text(json.dumps({"texts": cases, "edits": edits}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
