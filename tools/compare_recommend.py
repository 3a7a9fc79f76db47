"""Trains mapsto's recommenders and others on one division of ratings, and prints the figures of both.

    cargo build --release && python tools/compare_recommend.py ml-100k.inter

RATINGS has tabs between user, item, rating and time, and a line of names, as MovieLens-100k in the package `recbole` (1.2.1, under
`dataset_example/ml-100k`). Needs numpy and numba. The others are written here:

- ratings: biased matrix factorisation by stochastic gradient descent, rating by rating (Funk 2006; the settings that Surprise's SVD has,
  and those of the penalty and the epochs that are best on a tenth of the rows to learn from);
- rankings: EASE (Steck 2019), a linear model of all pairs of items in closed form, the strength of its penalty chosen in the same way;
- what comes next: a Markov chain of one step, smoothed by how often items come.

Ratings and rankings: a tenth of the rows, drawn, is for the test. What comes next: each user's last row is. Ranked are all items that the
user has not had; liked is what is rated at least the median.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numba
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
K = 10


def table(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    head, rows = rows[0], rows[1:]
    users, u = np.unique([row[0] for row in rows], return_inverse=True)
    items, i = np.unique([row[1] for row in rows], return_inverse=True)
    numbers = np.array([[float(row[2]), float(row[3])] for row in rows])
    return head, rows, u, i, numbers[:, 0], numbers[:, 1]


@numba.njit
def descend(u, i, r, mean, p, q, bu, bi, epochs, rate, penalty):
    """Stochastic gradient descent, rating by rating."""
    for _ in range(epochs):
        for row in range(len(r)):
            a, b = u[row], i[row]
            error = r[row] - mean - bu[a] - bi[b] - p[a] @ q[b]
            bu[a] += rate * (error - penalty * bu[a])
            bi[b] += rate * (error - penalty * bi[b])
            for f in range(p.shape[1]):
                x, y = p[a, f], q[b, f]
                p[a, f] += rate * (error * y - penalty * x)
                q[b, f] += rate * (error * x - penalty * y)


class Svd:
    """mean + b_u + b_i + p_u · q_i."""

    def __init__(self, shape, u, i, r, penalty, factors=100, epochs=20, rate=0.005):
        rng = np.random.default_rng(1)
        users, items = shape
        self.p, self.q = rng.normal(0, 0.1, (users, factors)), rng.normal(0, 0.1, (items, factors))
        self.bu, self.bi, self.mean, self.range = np.zeros(users), np.zeros(items), r.mean(), (r.min(), r.max())
        descend(u, i, r, self.mean, self.p, self.q, self.bu, self.bi, epochs, rate, penalty)

    def rmse(self, u, i, r):
        told = self.mean + self.bu[u] + self.bi[i] + (self.p[u] * self.q[i]).sum(1)
        return float(np.sqrt(np.mean((np.clip(told, *self.range) - r) ** 2)))

    def scores(self):
        return self.p @ self.q.T + self.bi


def matrix(u, i, shape):
    x = np.zeros(shape)
    x[u, i] = 1
    return x


def ease(x, penalty):
    p = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return x @ b


def ranked(scores, seen, known, u, i):
    """NDCG, recall and hit rate of the first K for users who liked (u, i), among known items that they have not had."""
    scores = np.where(seen | ~known, -np.inf, scores)
    figures = []
    for user in np.unique(u):
        wanted = [item for item in i[u == user] if known[item] and not seen[user, item]]
        if not wanted:
            continue
        best = np.argsort(-scores[user], kind="stable")[:K]
        hits = np.isin(best, wanted)
        gains = 1 / np.log2(np.arange(K) + 2)
        figures.append([hits @ gains / gains[: min(K, len(wanted))].sum(), hits.sum() / len(wanted), hits.any()])
    ndcg, recall, hit = np.mean(figures, axis=0)
    return f"NDCG@{K} {ndcg:.4f}   recall@{K} {recall:.4f}   hit rate {hit:.4f}   ({len(figures)} users)"


def mapsto(binary, folder, name, data, settings, test=None):
    begun, run = time.time(), name.replace(", ", "-")
    train = [binary, "train", "recommend", "--data", data, "--run", run, "--json", *settings]
    told = subprocess.run(train, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()
    found = json.loads(told[-1]).get("test")
    if test:
        evaluate = [binary, "eval", folder / "runs" / run, "--data", test, "--json"]
        found = json.loads(subprocess.run(evaluate, capture_output=True, text=True, check=True).stdout)["metrics"]
    rmse = f"RMSE {found['rmse']:.4f}   " if "rmse" in found else ""
    line = f"NDCG@{K} {found['ndcg']:.4f}   recall@{K} {found['recall']:.4f}   hit rate {found['hit_rate']:.4f}"
    print(f"mapsto, {name}: {rmse}{line}   ({time.time() - begun:.0f} s)", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ratings", type=pathlib.Path)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/mapsto")
    parser.add_argument("--only", default="ratings,rankings,sequence")
    arguments = parser.parse_args()
    parts, binary = arguments.only.split(","), arguments.binary.resolve()
    head, rows, u, i, r, t = table(arguments.ratings)
    shape = (u.max() + 1, i.max() + 1)
    order = np.random.default_rng(0).permutation(len(r))
    test, learn = order[: len(r) // 10], np.sort(order[len(r) // 10 :])
    chosen, rest = learn[::10], np.delete(learn, np.s_[::10])
    liked = r >= np.median(r)
    known = np.isin(np.arange(shape[1]), i[learn])
    seen = matrix(u[learn], i[learn], shape) > 0
    wanted = test[liked[test]]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, part in [("learn.inter", learn), ("test.inter", test)]:
            lines = ["\t".join(head)] + ["\t".join(rows[row]) for row in part]
            (folder / name).write_text("\n".join(lines) + "\n")
        whole = ["--set", "test=0", "--set", "validation=0"]
        files = folder / "learn.inter", folder / "test.inter"
        if "ratings" in parts:
            mean = np.sqrt(np.mean((r[test] - r[learn].mean()) ** 2))
            print(f"the mean of all ratings: RMSE {mean:.4f}")
            begun = time.time()
            usual = (0.02, 20)
            tried = {x: Svd(shape, u[rest], i[rest], r[rest], x[0], epochs=x[1]).rmse(u[chosen], i[chosen], r[chosen])
                     for x in (usual, (0.05, 20), (0.05, 50), (0.1, 20), (0.1, 50), (0.1, 100))}
            for penalty, epochs in (usual, min(tried, key=tried.get)):
                svd = Svd(shape, u[learn], i[learn], r[learn], penalty, epochs=epochs)
                what = ranked(svd.scores(), seen, known, u[wanted], i[wanted])
                print(f"SVD, penalty {penalty}, {epochs} epochs: RMSE {svd.rmse(u[test], i[test], r[test]):.4f}   {what}", flush=True)
            print(f"({time.time() - begun:.0f} s)")
            mapsto(binary, folder, "mf", files[0], whole, files[1])
            mapsto(binary, folder, "two_tower", files[0], [*whole, "--model", "two_tower"], files[1])
        if "rankings" in parts:
            popular = np.tile(np.bincount(i[learn], minlength=shape[1]), (shape[0], 1))
            print(f"the most popular: {ranked(popular, seen, known, u[wanted], i[wanted])}")
            like = lambda part: part[liked[part]]
            x = matrix(u[like(rest)], i[like(rest)], shape)
            of = {p: ranked(ease(x, p), matrix(u[rest], i[rest], shape) > 0, known, u[like(chosen)], i[like(chosen)])
                  for p in (50, 100, 200, 400, 800)}
            best = max(of, key=of.get)
            told = ranked(ease(matrix(u[like(learn)], i[like(learn)], shape), best), seen, known, u[wanted], i[wanted])
            print(f"EASE, penalty {best}: {told}", flush=True)
            median = f"liked={np.median(r)}"
            implicit = [*whole, "--set", "feedback=implicit", "--set", median]
            mapsto(binary, folder, "mf, implicit", files[0], implicit, files[1])
            mapsto(binary, folder, "two_tower, implicit", files[0], [*implicit, "--model", "two_tower"], files[1])
        if "sequence" in parts:
            history = [[] for _ in range(shape[0])]
            for row in np.argsort(t, kind="stable"):
                history[u[row]].append(i[row])
            steps, counts = np.zeros((shape[1], shape[1])), np.zeros(shape[1])
            for own in history:
                np.add.at(steps, (own[:-3], own[1:-2]), 1)
                np.add.at(counts, own[:-2], 1)
            last = np.array([own[-2] for own in history])
            seen = np.zeros(shape, bool)
            for user, own in enumerate(history):
                seen[user, own[:-1]] = True
            share = counts / counts.sum()
            chain = (steps[last] + 10 * share) / (steps[last].sum(1, keepdims=True) + 10)
            users, wanted = np.arange(shape[0]), np.array([own[-1] for own in history])
            print(f"the most popular: {ranked(np.tile(share, (shape[0], 1)), seen, counts > 0, users, wanted)}")
            print(f"a Markov chain: {ranked(chain, seen, counts > 0, users, wanted)}", flush=True)
            for reader, layers in (("attention", 2), ("gru", 1)):
                mapsto(binary, folder, f"sequence, {reader}", arguments.ratings.resolve(),
                       ["--model", "sequence", "--set", f"reader={reader}", "--set", f"layers={layers}"])


if __name__ == "__main__":
    main()
