"""Writes what PyTorch's language models give, for the tests of mapsto-models: tests/fixtures/language.json.

Run from the repository root with a Python that has torch: python tools/language_fixtures.py
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn as nn

from golden import integers, run
from language_models import build

OUT = pathlib.Path("crates/mapsto-models/tests/fixtures/language.json")
TOKENS, TEXTS, LENGTH = 7, 2, 9


class Rows(nn.Module):
    """The logits of all places, a row each; the names stay the model's."""

    def __init__(self, model):
        super().__init__()
        self.__dict__["model"] = model
        for name, part in model.named_children():
            self.add_module(name, part)

    def forward(self, tokens):
        return self.model(tokens).flatten(0, 1)


def short(x):
    """Ten digits are enough."""
    if isinstance(x, float):
        return float(f"{x:.10g}")
    return [short(y) for y in x] if isinstance(x, list) else {k: short(y) for k, y in x.items()} if isinstance(x, dict) else x


def cases():
    """Name, settings as mapsto saves them."""
    recurrent = {"embedding": 6, "hidden": 5}
    yield "lstm", {"architecture": "lstm", **recurrent}
    yield "lstm, deep", {"architecture": "lstm", **recurrent, "layers": 2}
    yield "gru", {"architecture": "gru", **recurrent}
    yield "cnn", {"architecture": "cnn", "width": 6, "kernel": 3, "dilations": [1, 2, 4]}
    yield "cnn, wide kernel", {"architecture": "cnn", "width": 4, "kernel": 5, "dilations": [3]}
    transformer = {"architecture": "transformer", "width": 8, "heads": 2, "layers": 2, "feedforward": 12}
    yield "transformer", {**transformer, "positions": "learned"}
    yield "transformer, waves", {**transformer, "positions": "sinusoidal"}


def main():
    tokens = (integers("tokens", TEXTS * LENGTH).astype(np.int64) % TOKENS).reshape(TEXTS, LENGTH)
    tokens, rows = torch.from_numpy(tokens), TEXTS * LENGTH
    all = []
    for name, settings in cases():
        settings = {**settings, "dropout": 0.0}
        model = build(settings["architecture"], TOKENS, LENGTH, **{k: v for k, v in settings.items() if k != "architecture"})
        case = {"name": name, "model": settings, "input": {"tokens": TOKENS, "length": LENGTH}, "rows": rows, "classes": TOKENS}
        all.append(case | run(Rows(model), [tokens], rows, TOKENS, (2e-2, 3)))
    OUT.write_text("[\n" + ",\n".join(json.dumps(short(case)) for case in all) + "\n]\n")


if __name__ == "__main__":
    main()
