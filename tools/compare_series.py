"""Trains mapsto's networks of series beside the nearest neighbour under dynamic time warping, on the same division, and prints accuracies.

    cargo build --release && python tools/compare_series.py AEON --models cnn,resnet,lstm

AEON is the folder `aeon/datasets/data` of the package `aeon` (unpacked, not installed): each set has NAME_TRAIN.ts and NAME_TEST.ts. Needs NumPy.
The neighbour sees the numbers as they are, without a window of warping; of several channels the squares of all count in one path.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"
SETS = ["GunPoint", "ItalyPowerDemand", "ArrowHead", "BasicMotions", "JapaneseVowels"]


def read(path):
    """Series [channels, steps] and classes."""
    series, labels, data = [], [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if data and line.strip():
            *channels, label = line.split(":")
            series.append(np.array([[float(x) for x in channel.split(",")] for channel in channels]))
            labels.append(label.strip())
        data |= line.strip().lower() == "@data"
    return series, np.array(labels)


def padded(series):
    """[channels, steps, series] with NaN behind the ends, and lengths."""
    lengths = np.array([one.shape[1] for one in series])
    out = np.full((series[0].shape[0], lengths.max(), len(series)), np.nan)
    for i, one in enumerate(series):
        out[:, : one.shape[1], i] = one
    return out, lengths


def warped(test, train):
    """The cost of the cheapest path for each pair [test, train]."""
    (a, of_a), (b, of_b) = padded(test), padded(train)
    shape = len(test), len(train)
    found = np.full(shape, np.nan)
    before = np.full((b.shape[1] + 1, *shape), np.inf)
    before[0] = 0
    for i in range(a.shape[1]):
        row = np.full_like(before, np.inf)
        for j in range(b.shape[1]):
            cost = ((a[:, i, :, None] - b[:, j, None, :]) ** 2).sum(0)
            row[j + 1] = cost + np.minimum(np.minimum(before[j], before[j + 1]), row[j])
            ends = np.ix_(of_a == i + 1, of_b == j + 1)
            found[ends] = row[j + 1][ends]
        before = row
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--models", default="cnn,resnet,lstm")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of mapsto's")
    parser.add_argument("--binary", type=pathlib.Path, default=BINARY)
    arguments = parser.parse_args()
    models = [name for name in arguments.models.split(",") if name]
    print(f"{'set':18} {'1-NN DTW':>9} " + " ".join(f"{name:>18}" for name in models), flush=True)
    for name in arguments.sets:
        files = [arguments.folder / name / f"{name}_{part}.ts" for part in ("TRAIN", "TEST")]
        (train, known), (test, truth) = (read(path) for path in files)
        neighbour = np.mean(known[warped(test, train).argmin(1)] == truth)
        print(f"{name:18} {neighbour:9.4f} ", end="", flush=True)
        for model in models:
            scores, begun = [], time.time()
            for seed in range(1, arguments.seeds + 1):
                command = [arguments.binary.resolve(), "train", "series", "--data", files[0].resolve(), "--model", model, "--json"]
                settings = [word for setting in [f"seed={seed}", *arguments.set] for word in ("--set", setting)]
                with tempfile.TemporaryDirectory() as folder:
                    out = subprocess.run([*command, *settings], cwd=folder, check=True, capture_output=True, text=True)
                scores.append(json.loads(out.stdout.splitlines()[-1])["test"]["accuracy"])
            seconds = (time.time() - begun) / arguments.seeds
            print(f"{np.mean(scores):10.4f} {seconds:5.0f} s", end=" ", flush=True)
        print(flush=True)


if __name__ == "__main__":
    main()
