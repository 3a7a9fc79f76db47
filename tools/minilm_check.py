"""Holds our tokens and sentence vectors by the weights of all-MiniLM-L6-v2 against Hugging Face's.

Run from the repository root with a Python that has torch, tokenizers and transformers:

    python tools/minilm_check.py path/to/model

The folder holds config.json, model.safetensors and tokenizer.json.
"""

import json
import pathlib
import subprocess
import sys

import torch
from tokenizers import Tokenizer
from transformers import BertModel

from text_fixtures import MOST, TEXTS

SENTENCES = [
    "This is an example sentence.", "Each sentence is converted.", "The cat sat on the mat.", "A feline rested upon a rug.",
    "Stock markets fell sharply on Monday after the central bank raised its rates.", "No.", "Où est la bibliothèque ?",
    "He said: \"I'll be back\" - and he was.", "word " * 200, "今天天气很好",
]


def run(package, example, path, value):
    command = ["cargo", "run", "--quiet", "--package", package, "--example", example, "--", str(path)]
    done = subprocess.run(command, input=json.dumps(value), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    cases = [(text, most) for text in TEXTS + SENTENCES for most in MOST]
    theirs = []
    for text, most in cases:
        tokenizer.enable_truncation(most)
        theirs.append(tokenizer.encode(text).ids)
    ours = run("mapsto-data", "tokens", folder / "tokenizer.json", cases)
    wrong = sum(a != b for a, b in zip(ours, theirs))
    print(f"tokens: {len(cases)} cases, {wrong} differ")

    tokenizer.enable_truncation(512)
    tokens = [tokenizer.encode(text).ids for text in SENTENCES]
    model = BertModel.from_pretrained(folder).eval()
    with torch.no_grad():
        theirs = torch.cat([model(torch.tensor([ids])).last_hidden_state.mean(1) for ids in tokens])
    ours = torch.tensor(run("mapsto-models", "sentences", folder, tokens)).reshape(theirs.shape)
    error = (ours - theirs).abs().max().item()
    print(f"sentences: {len(tokens)}, greatest value {theirs.abs().max():.3f}, greatest difference {error:.1e}")
    sys.exit(wrong > 0 or not error < 1e-4)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
