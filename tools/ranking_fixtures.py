"""Writes crates/mapsto-train/tests/fixtures/ranking.json: metrics of random rankings.

Run from the repository root with a Python that has scikit-learn: python tools/ranking_fixtures.py
NDCG is scikit-learn's; so is the reciprocal rank where one item is relevant (its average precision of label rankings). The others are
computed here from their definitions on a sorted list.
"""

import json
import pathlib

import numpy as np
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

rng = np.random.default_rng(20240903)


def case(items, relevant, excluded, k, ties):
    scores = rng.normal(size=items).astype(np.float32)
    if ties:
        scores = np.round(scores)
    order = rng.permutation(items)
    left_out, wanted = order[:excluded], np.sort(order[excluded : excluded + relevant])
    candidates = np.setdiff1d(np.arange(items), left_out)
    # A stable sort keeps the lower index first.
    ranked = candidates[np.argsort(-scores[candidates], kind="stable")]
    found = np.isin(ranked, wanted)
    if ties:
        # scikit-learn breaks ties its own way: give it the ranking itself.
        truth, shown = found.astype(float), -np.arange(len(ranked), dtype=float)
    else:
        truth, shown = np.isin(candidates, wanted).astype(float), scores[candidates].astype(float)
    first = 1.0 / (1.0 + np.argmax(found))
    if relevant == 1:
        assert np.isclose(first, label_ranking_average_precision_score([truth], [shown]))
    return {
        "scores": [None if item in left_out else float(score) for item, score in enumerate(scores)],
        "relevant": wanted.tolist(),
        "k": k,
        "top": ranked[:k].tolist(),
        "ndcg": float(ndcg_score([truth], [shown], k=k, ignore_ties=True)),
        "recall": float(found[:k].sum() / relevant),
        "precision": float(found[:k].sum() / k),
        "reciprocal_rank": float(first),
    }


cases = [
    case(items, relevant, excluded, k, ties)
    for items, relevant, excluded in [(12, 1, 0), (12, 3, 2), (30, 8, 10), (60, 1, 25), (60, 20, 5), (9, 4, 5)]
    for k in [1, 5, 20]
    for ties in [False, True]
]
path = pathlib.Path("crates/mapsto-train/tests/fixtures/ranking.json")
path.write_text(json.dumps({"cases": cases}) + "\n")
print(f"{len(cases)} cases, {path.stat().st_size} bytes")
