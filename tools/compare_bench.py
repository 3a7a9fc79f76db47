#!/usr/bin/env python3
"""Training steps in PyTorch and in mapsto, side by side.

    cargo build --release -p mapsto-cli
    python tools/compare_bench.py [--threads N] [--rounds N] [--seconds S] [--json] [WORKLOAD ...]

Each workload runs in both by turns, a process each time, so that what else the machine does falls on both alike. Shown
are the medians over the rounds and their ratio, which is below 1 where mapsto is faster.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = ["mlp", "tiny_policy", "cnn", "resnet18", "mobilenet", "unet", "lstm_lm", "gru_classifier", "transformer_lm"]
NAMES += ["vae", "dcgan"]


def milliseconds(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)["median_ms"]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="all if none is named")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--seconds", type=float, default=2.0, help="for each workload, side and round")
    ap.add_argument("--json", action="store_true", help="one object a line")
    ap.add_argument("--python", default=sys.executable, help="an interpreter that has torch")
    ap.add_argument("--binary", default=os.path.join(ROOT, "target", "release", "mapsto"))
    a = ap.parse_args()
    if wrong := set(a.workloads) - set(NAMES):
        ap.error(f"no workload {', '.join(sorted(wrong))}; there are {', '.join(NAMES)}")

    settings = ["--threads", str(a.threads), "--seconds", str(a.seconds)]
    torch = [a.python, os.path.join(ROOT, "tools", "peers", "torch_bench.py"), *settings]
    mapsto = [a.binary, "bench", "--json", *settings]
    ratios = []
    if not a.json:
        print(f"{'workload':<16}{'torch ms':>12}{'mapsto ms':>12}{'ratio':>8}   {a.threads} threads")
    for name in a.workloads or NAMES:
        pairs = [(milliseconds([*torch, name]), milliseconds([*mapsto, name])) for _ in range(a.rounds)]
        theirs, ours = (statistics.median(side) for side in zip(*pairs))
        ratios.append(ours / theirs)
        if a.json:
            line = {"workload": name, "threads": a.threads, "torch_ms": theirs, "mapsto_ms": ours}
            print(json.dumps({**line, "ratio": round(ours / theirs, 4)}), flush=True)
        else:
            print(f"{name:<16}{theirs:>12.3f}{ours:>12.3f}{ours / theirs:>8.2f}", flush=True)
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(json.dumps({"threads": a.threads, "geometric_mean": round(mean, 4)}) if a.json else f"{'geometric mean':<40}{mean:>8.2f}")


if __name__ == "__main__":
    main()
