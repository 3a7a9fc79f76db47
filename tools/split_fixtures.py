"""Writes crates/mapsto-data/tests/fixtures/splits.json: folds and class weights as scikit-learn gives them, where chance has no part.

Run from the repository root with a Python that has scikit-learn: python tools/split_fixtures.py
"""

import json
import pathlib

import numpy as np
from sklearn import model_selection as ms
from sklearn.utils.class_weight import compute_class_weight

rng = np.random.default_rng(20240612)


def folds(splitter, n, **named):
    return [test.tolist() for _, test in splitter.split(np.zeros(n), **named)]


plain = [{"items": n, "folds": k, "tests": folds(ms.KFold(k), n)} for n, k in [(10, 3), (11, 5), (4, 4), (25, 2)]]

stratified = []
for n, classes, k in [(30, 3, 4), (41, 5, 3), (24, 2, 5), (12, 4, 2)]:
    labels = rng.permutation(np.concatenate([np.repeat(np.arange(classes), k), rng.integers(0, classes, n - classes * k)]))
    stratified.append(
        {"labels": labels.tolist(), "folds": k, "tests": folds(ms.StratifiedKFold(k), n, y=labels)}
    )

grouped = []
for sizes, k in [([5, 1, 8, 3], 2), ([2, 9, 4, 7, 1, 12, 6], 3), ([1, 20, 3], 3)]:
    # Sizes are distinct: scikit-learn leaves the order of equal ones to its sort.
    groups = rng.permutation(np.repeat(np.arange(len(sizes)) * 3, sizes))
    grouped.append({"groups": groups.tolist(), "folds": k, "tests": folds(ms.GroupKFold(k), len(groups), groups=groups)})

ordered = []
for n, k, gap in [(12, 3, 0), (13, 5, 0), (20, 4, 2), (10, 2, 1)]:
    pairs = ms.TimeSeriesSplit(k, gap=gap).split(np.zeros(n))
    ordered.append({"items": n, "folds": k, "gap": gap, "pairs": [[a.tolist(), b.tolist()] for a, b in pairs]})

weights = []
for n, classes in [(30, 3), (17, 5), (8, 1)]:
    labels = rng.permutation(np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)]))
    found = compute_class_weight("balanced", classes=np.arange(classes), y=labels)
    weights.append({"labels": labels.tolist(), "classes": classes, "weights": found.tolist()})

cases = {"plain": plain, "stratified": stratified, "grouped": grouped, "ordered": ordered, "weights": weights}
path = pathlib.Path("crates/mapsto-data/tests/fixtures/splits.json")
path.parent.mkdir(parents=True, exist_ok=True)
blocks = [f'"{kind}": [\n' + ",\n".join(json.dumps(case) for case in block) + "\n]" for kind, block in cases.items()]
path.write_text("{\n" + ",\n".join(blocks) + "\n}\n")
print(f"{path}: {path.stat().st_size} bytes")
