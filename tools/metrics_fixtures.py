"""Writes crates/mapsto-train/tests/fixtures/metrics.json: metrics of random cases as scikit-learn gives them.

Run from the repository root with a Python that has scikit-learn: python tools/metrics_fixtures.py
Calibration error is not in scikit-learn; it is computed here from its definition.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn import metrics as sk

warnings.simplefilter("ignore")
rng = np.random.default_rng(20240611)
AVERAGES = ("macro", "micro", "weighted")


def averages(truth, predicted, labels, average):
    scores = sk.precision_recall_fscore_support(truth, predicted, labels=labels, average=average, zero_division=0)
    return [float(score) for score in scores[:3]]


def labels_case(name, truth, predicted, classes):
    labels = range(classes)
    per_class = sk.precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    return {
        "name": name,
        "classes": classes,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "matrix": sk.confusion_matrix(truth, predicted, labels=labels).tolist(),
        "accuracy": sk.accuracy_score(truth, predicted),
        "precision": per_class[0].tolist(),
        "recall": per_class[1].tolist(),
        "f1": per_class[2].tolist(),
        "support": [int(count) for count in per_class[3]],
        **{average: averages(truth, predicted, labels, average) for average in AVERAGES},
        "balanced_accuracy": float(sk.balanced_accuracy_score(truth, predicted)),
        "matthews": float(sk.matthews_corrcoef(truth, predicted)),
        "kappa": float(sk.cohen_kappa_score(truth, predicted, labels=labels)),
    }


def calibration_error(truth, probabilities, bins):
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    which = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gaps = [abs(correct[which == b].sum() - confidence[which == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(truth))


def probabilities_case(name, truth, probabilities):
    classes = probabilities.shape[1]
    assert set(truth) == set(range(classes))
    labels = range(classes)
    two = classes == 2
    # scikit-learn wants the second column alone where there are two classes.
    scores = probabilities[:, 1] if two else probabilities
    return {
        "name": name,
        "classes": classes,
        "truth": truth.tolist(),
        "probabilities": probabilities.ravel().tolist(),
        "top_k": [sk.top_k_accuracy_score(truth, probabilities, k=k, labels=labels) for k in range(1, classes + 1)]
        if not two
        else [sk.accuracy_score(truth, probabilities[:, 1] >= probabilities[:, 0]), 1.0],
        "log_loss": float(sk.log_loss(truth, probabilities, labels=labels)),
        "brier": float(sk.brier_score_loss(truth, scores, labels=labels)),
        "roc_auc": float(sk.roc_auc_score(truth, scores, multi_class="ovr", average="macro")),
        "roc_auc_weighted": float(sk.roc_auc_score(truth, scores, multi_class="ovr", average="weighted")),
        "perplexity": float(np.exp(sk.log_loss(truth, probabilities, labels=labels))),
        "calibration_error": calibration_error(truth, probabilities, 7),
    }


def dirichlet(n, classes):
    rounded = rng.dirichlet(np.ones(classes), n).round(5)
    rounded[:, -1] = (1 - rounded[:, :-1].sum(axis=1)).round(5).clip(0)
    return rounded


def tied(n, classes):
    """Sixteenths: many equal values, and zeros for the logarithm."""
    return rng.multinomial(16, np.ones(classes) / classes, n) / 16


def noisy(truth, classes, share):
    return np.where(rng.random(len(truth)) < share, rng.integers(0, classes, len(truth)), truth)


def covering(n, classes):
    """Random labels with every class present."""
    return rng.permutation(np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)]))


def regression_case(name, truth, predicted):
    return {
        "name": name,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "mse": sk.mean_squared_error(truth, predicted),
        "rmse": sk.root_mean_squared_error(truth, predicted),
        "mae": sk.mean_absolute_error(truth, predicted),
        "r2": float(sk.r2_score(truth, predicted)),
        "explained_variance": float(sk.explained_variance_score(truth, predicted)),
        "median_absolute_error": float(sk.median_absolute_error(truth, predicted)),
        "max_error": float(sk.max_error(truth, predicted)),
        "mape": float(sk.mean_absolute_percentage_error(truth, predicted)),
    }


def curves_case(name, truth, scores):
    false_rates, true_rates, thresholds = sk.roc_curve(truth, scores, drop_intermediate=False)
    precision, recall, falling = sk.precision_recall_curve(truth, scores)
    is_true, confidence = calibration_curve(truth, scores, n_bins=5)
    return {
        "name": name,
        "truth": [bool(label) for label in truth],
        "scores": scores.tolist(),
        "roc": [[None if np.isinf(t) else t, a, b] for t, a, b in zip(thresholds, false_rates, true_rates)],
        "precision_recall": [[t, a, b] for t, a, b in zip([*falling, None], precision, recall)][::-1],
        "average_precision": float(sk.average_precision_score(truth, scores)),
        "calibration": [[a, b] for a, b in zip(confidence, is_true)],
    }


four, two, sparse = rng.integers(0, 4, 60), rng.integers(0, 2, 30), rng.choice([0, 2, 5], 25)
series = rng.normal(3, 2, 20).round(4)
cases = {
    "labels": [
        labels_case("four classes", four, noisy(four, 4, 0.5), 4),
        labels_case("two classes", two, noisy(two, 2, 0.6), 2),
        labels_case("absent classes", sparse, noisy(sparse, 7, 0.3), 8),
        labels_case("one prediction for all", four, np.full(60, 2), 4),
        labels_case("all right", four, four, 4),
        labels_case("all wrong", two, 1 - two, 2),
    ],
    "probabilities": [
        probabilities_case("five classes", covering(40, 5), dirichlet(40, 5)),
        probabilities_case("ties", covering(40, 4), tied(40, 4)),
        probabilities_case("two classes", covering(40, 2), dirichlet(40, 2)),
        probabilities_case("two classes with ties", covering(40, 2), tied(40, 2)),
        probabilities_case("uniform", covering(12, 3), np.full((12, 3), 1 / 3)),
    ],
    "regression": [
        regression_case("close", series, (series + rng.normal(0, 0.3, 20)).round(4)),
        regression_case("unrelated", series, rng.normal(0, 9, 20).round(4)),
        regression_case("constant truth", np.full(6, 2.5), np.array([2.5, 2.0, 3.0, 2.5, 2.5, 2.25])),
        regression_case("constant truth hit", np.full(4, 1.5), np.full(4, 1.5)),
    ],
}
binary, rare = rng.integers(0, 2, 40), (np.arange(50) % 17 == 0).astype(int)
cases["curves"] = [
    curves_case("random", binary, rng.random(40).round(4)),
    curves_case("good", binary, (binary * 0.4 + rng.random(40) * 0.6).round(4)),
    curves_case("ties", binary, rng.integers(0, 6, 40) / 5),
    curves_case("rare", rare, rng.random(50).round(2)),
    curves_case("one score", binary, np.full(40, 0.5)),
]

path = pathlib.Path("crates/mapsto-train/tests/fixtures/metrics.json")
blocks = [
    f'"{kind}": [\n' + ",\n".join(json.dumps(case, allow_nan=False) for case in block) + "\n]"
    for kind, block in cases.items()
]
path.write_text("{\n" + ",\n".join(blocks) + "\n}\n")
print(f"{path}: {path.stat().st_size} bytes")
