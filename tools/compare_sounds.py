"""Trains mapsto's network of sounds and a support vector machine on MFCCs on one division, and prints both scores.

    cargo build --release && python tools/compare_sounds.py recordings --held-out theo

The folder holds recordings called CLASS_SPEAKER_NUMBER.wav, such as those of the free spoken digit dataset: the speakers that are named are tested on,
the others learned from. The machine (scikit-learn's, with a Gaussian kernel) sees the means and deviations over time of 20 coefficients and of their
differences. Needs torchaudio and scikit-learn.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import soundfile
import torch
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torchaudio.functional import compute_deltas
from torchaudio.transforms import MFCC

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"


def features(path, makers):
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate not in makers:
        points = 1 << (rate // 40 - 1).bit_length()
        mel = {"n_fft": points, "win_length": rate // 40, "hop_length": rate // 100, "n_mels": 40}
        makers[rate] = MFCC(rate, n_mfcc=20, melkwargs=mel)
    own = makers[rate](torch.from_numpy(sound.mean(axis=1)))
    both = torch.cat([own, compute_deltas(own)])
    return torch.cat([both.mean(1), both.std(1)]).numpy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--held-out", nargs="+", required=True)
    parser.add_argument("--models", default="mel_cnn")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of mapsto's")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("*.wav"))
    labels, speakers = (np.array([path.stem.split("_")[part] for path in paths]) for part in (0, 1))
    test = np.isin(speakers, arguments.held_out)
    print(f"{(~test).sum()} sounds to learn from, {test.sum()} to be tested on, {len(set(labels))} classes")
    begun, makers = time.time(), {}
    x = np.array([features(path, makers) for path in paths])
    choices = {"svc__C": [1, 10, 100], "svc__gamma": [0.001, 0.003, 0.01]}
    search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), choices, cv=GroupKFold(len(set(speakers[~test]))))
    search.fit(x[~test], labels[~test], groups=speakers[~test])
    print(f"MFCC + SVM {search.best_params_}: accuracy {accuracy_score(labels[test], search.predict(x[test])):.4f}, {time.time() - begun:.1f} s", flush=True)
    for model in arguments.models.split(","):
        begun = time.time()
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder) / "sounds.csv"
            with open(table, "w", newline="") as file:
                out = csv.writer(file)
                out.writerow(["path", "label", "part"])
                out.writerows(zip([path.resolve() for path in paths], labels, np.where(test, "test", "train")))
            settings = [word for setting in arguments.set for word in ("--set", setting)]
            command = [BINARY, "train", "audio", "--data", table, "--model", model, *settings, "--runs", folder, "--json"]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        done = json.loads(out.splitlines()[-1])
        print(f"mapsto {model}: accuracy {done['test']['accuracy']:.4f}, {time.time() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
