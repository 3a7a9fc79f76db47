"""Writes what PyTorch's side of mapsto's models of speech gives, for the tests of mapsto-models: tests/fixtures/speech.json.

Run from the repository root with a Python that has torch: python tools/speech_fixtures.py
"""

import json
import pathlib

import torch

from deep_speech import DeepSpeech
from golden import run, units

FIXTURE = pathlib.Path("crates/mapsto-models/tests/fixtures/speech.json")
# Rate and steps of plain SGD.
TRAIN = 2e-2, 3
SYMBOLS = 5


class Weighed(DeepSpeech):
    """Sums over each sound's own steps, weighed so that each step counts."""

    def forward(self, x, frames):
        x, steps = super().forward(x, frames)
        weights = torch.from_numpy(units("weights", [x.shape[1]])).to(x.dtype)
        return (x * (weights * (torch.arange(x.shape[1]) < steps[:, None]))[..., None]).sum(1)


def speech():
    for name, architecture, layers, rows, frames in [
        ("deepspeech", "deep_speech", 2, 13, [23, 9, 16, 1, 22]), ("streaming", "streaming", 2, 10, [23, 9, 16, 1, 22]),
        ("streaming, one length", "streaming", 1, 9, [12, 12, 12]),
    ]:
        settings = {"architecture": architecture, "channels": 4, "hidden": 6, "layers": layers, "dropout": 0}
        model = Weighed(rows, 4, 6, layers, SYMBOLS, architecture == "streaming")
        x = torch.from_numpy(units("input", [len(frames), 1, rows, max(frames)]))
        yield {"name": name, "model": settings, "input": {"rows": rows, "frames": frames}, "rows": len(frames),
               "classes": SYMBOLS} | run(model, [x, torch.tensor(frames)], len(frames), SYMBOLS, TRAIN)


if __name__ == "__main__":
    FIXTURE.write_text("[\n" + ",\n".join(json.dumps(case) for case in speech()) + "\n]\n")
