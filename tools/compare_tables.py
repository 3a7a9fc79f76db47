"""Trains mapsto's and scikit-learn's MLP on the same folds of scikit-learn's tables and prints both scores.

    cargo build --release && python tools/compare_tables.py [--repeats 3] [--model mlp]

Needs scikit-learn and pandas. Scores: accuracy of classes, R2 of numbers, on ten folds (stratified where there are classes).
scikit-learn's MLP sees standardised columns, and its own defaults otherwise (with more iterations, until it converges); mapsto sees
the CSV, and its own defaults.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"


def mapsto(folder, train, test, target, model, settings):
    """The score of mapsto on one fold."""
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    command = [BINARY, "train", "table", "--data", "train.csv", "--target", target, "--model", model, "--run", "one"]
    settings = [word for setting in ["test=0", *settings] for word in ("--set", setting)]
    subprocess.run([*command, *settings, "--json"], cwd=folder, check=True, capture_output=True)
    command = [BINARY, "eval", "runs/one", "--data", "test.csv", "--json"]
    out = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    metrics = json.loads(out)["metrics"]
    return metrics.get("accuracy", metrics.get("r2"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of mapsto's")
    parser.add_argument("--tables", nargs="+", default=["iris", "wine", "breast_cancer", "diabetes"])
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(f"{'table':14} {'score':9} {'mapsto':>16} {'scikit-learn':>16}")
    for name in arguments.tables:
        data = getattr(datasets, f"load_{name}")()
        classes = name != "diabetes"
        table = pd.DataFrame(data.data, columns=data.feature_names)
        answers = np.array([str(data.target_names[t]) for t in data.target]) if classes else data.target
        table["target"] = answers
        scores = {"mapsto": [], "scikit-learn": []}
        for repeat in range(arguments.repeats):
            split = (StratifiedKFold if classes else KFold)(arguments.folds, shuffle=True, random_state=repeat)
            for train, test in split.split(data.data, data.target):
                with tempfile.TemporaryDirectory() as folder:
                    rows = table.iloc[train], table.iloc[test]
                    score = mapsto(pathlib.Path(folder), *rows, "target", arguments.model, [*arguments.set, f"seed={repeat + 1}"])
                scores["mapsto"].append(score)
                kind = MLPClassifier if classes else MLPRegressor
                peer = make_pipeline(StandardScaler(), kind(max_iter=2000, random_state=repeat))
                peer.fit(data.data[train], answers[train])
                said = peer.predict(data.data[test])
                score = accuracy_score(answers[test], said) if classes else r2_score(answers[test], said)
                scores["scikit-learn"].append(score)
        shown = [f"{np.mean(s):.4f} ± {np.std(s) / len(s) ** 0.5:.4f}" for s in scores.values()]
        print(f"{name:14} {'accuracy' if classes else 'R2':9} {shown[0]:>16} {shown[1]:>16}", flush=True)


if __name__ == "__main__":
    main()
