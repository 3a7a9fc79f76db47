#!/usr/bin/env python3
"""mapsto and other frameworks, timed side by side.

    cargo build --release
    python tools/compare_bench.py [WORKLOAD ...]       training steps: mapsto and PyTorch, or --peers torch,compiled,burn,candle
    python tools/compare_bench.py --inference          forward passes of one example: mapsto, PyTorch, ONNX Runtime
    python tools/compare_bench.py --scaling            mapsto on one core, on two, and on two of which one is taken
    python tools/compare_bench.py --readme             training steps of all peers on two threads and on one, into README.md

Each workload runs in all of them by turns, a process each time, so that what else the machine does falls on all alike.
Shown are medians over the rounds. Ratios are mapsto's time or peak memory over the other's: below 1, mapsto is quicker
or smaller. A dash stands where a peer cannot do a workload; standard error says why. `--json` writes an object a line.
"""

import argparse
import math
import os
import sys

from compare import readme
from compare.report import Report, ratio
from compare.sides import PEERS, ROOT, Side, Unusable, built, medians, taken, two_cores

TRAINING = ["mlp", "tiny_policy", "cnn", "resnet18", "mobilenet", "unet", "lstm_lm", "gru_classifier", "transformer_lm"]
TRAINING += ["vae", "dcgan"]
OTHERS = ["vit", "series", "autoencoder", "tcn", "gelu_stack"]  # networks that no kernel was made for
INFERENCE = ["mlp", "cnn", "resnet18", "lstm_lm", "transformer_lm"]
NAMES_OF_PEERS = ["torch", "compiled", "burn", "candle"]


def settings(a, threads):
    return ["--threads", str(threads), "--seconds", str(a.seconds)]


def mapsto(a, threads, *more):
    return [a.binary, "bench", "--json", *settings(a, threads), *more]


def torch(a, threads, script, *more):
    return [a.python, os.path.join(PEERS, script), *settings(a, threads), *more]


def training(a, threads, programs):
    """Steps of mapsto and of the peers; `programs` has those that are built."""
    sides = [Side("mapsto", mapsto(a, threads))]
    for peer in a.peers:
        if peer == "torch":
            sides.append(Side(peer, torch(a, threads, "torch_bench.py")))
        elif peer == "compiled":  # whatever the compiler fails on is a dash
            sides.append(Side(peer, torch(a, threads, "torch_bench.py", "--compile"), dash=lambda code: code != 0))
        else:
            sides.append(Side(peer, [programs[peer], *settings(a, threads)], dash=lambda code: code == 2))
    report, frameworks = Report(a.json, f"training steps, --threads {threads}", threads=threads), {}
    for workload in a.workloads or TRAINING:
        of, row = medians(sides, workload, a.rounds), {}
        for key in "ms", "mb":
            row[f"mapsto_{key}"] = of["mapsto"][key]
            for peer in a.peers:
                row[f"{peer}_{key}"] = of.get(peer, {}).get(key)
                row[f"{peer}_{key}_ratio"] = ratio(row[f"mapsto_{key}"], row[f"{peer}_{key}"])
        report.add(workload, row)
        frameworks |= {line["framework"]: None for line in of.values()}
    report.means()
    return report.rows, frameworks


def inference(a):
    """Forward passes of mapsto, and of the quicker of PyTorch and ONNX Runtime."""
    others = ["torch", "onnxruntime"]
    sides = [Side(name, torch(a, a.threads, "torch_inference.py", "--framework", name)) for name in others]
    sides.insert(0, Side("mapsto", mapsto(a, a.threads, "--inference")))
    report = Report(a.json, f"forward passes of one example, --threads {a.threads}", threads=a.threads, mode="inference")
    for workload in a.workloads or INFERENCE:
        of = medians(sides, workload, a.rounds)
        row = {f"{name}_ms": line["ms"] for name, line in of.items()}
        row["quicker"] = min(others, key=lambda name: of[name]["ms"])
        row["quicker_ratio"] = ratio(of["mapsto"]["ms"], of[row["quicker"]]["ms"])
        report.add(workload, row)
    report.means()


def scaling(a):
    """Steps of mapsto on one thread, on two, and on two where one of the two cores has other work."""
    cores = two_cores()
    sides = [Side("one", mapsto(a, 1)), Side("two", mapsto(a, 2))]
    sides.append(Side("busy", mapsto(a, 2), beside=lambda: taken(cores[1])))
    report = Report(a.json, "training steps on 1 thread, on 2, and on 2 with one of the two cores busy")
    for workload in a.workloads or TRAINING:
        of = medians(sides, workload, a.rounds)
        row = {f"{name}_ms": line["ms"] for name, line in of.items()}
        row["one_to_two_ratio"] = ratio(row["one_ms"], row["two_ms"])
        row["busy_to_two_ratio"] = ratio(row["busy_ms"], row["two_ms"])
        report.add(workload, row)
    report.means()


def arguments():
    def positive(kind):
        def parse(text):
            value = kind(text)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError
            return value
        parse.__name__ = f"positive {kind.__name__}"
        return parse

    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="if none is named all but " + ", ".join(OTHERS))
    what = ap.add_mutually_exclusive_group()
    what.add_argument("--inference", action="store_true", help="forward passes of one example")
    what.add_argument("--scaling", action="store_true", help="mapsto alone, on one core and on two")
    what.add_argument("--readme", action="store_true", help="rewrite the table in README.md")
    ap.add_argument("--peers", metavar="LIST", help=f"of {','.join(NAMES_OF_PEERS)}; torch if not given, with --readme all")
    ap.add_argument("--threads", type=positive(int), help="2 if not given")
    ap.add_argument("--rounds", type=positive(int), default=3)
    ap.add_argument("--seconds", type=positive(float), default=2.0, help="for each workload, side and round")
    ap.add_argument("--json", action="store_true", help="one object a line")
    ap.add_argument("--python", default=sys.executable, help="an interpreter that has torch")
    ap.add_argument("--binary", default=os.path.join(ROOT, "target", "release", "mapsto"))
    a = ap.parse_args()
    names = INFERENCE if a.inference else TRAINING + OTHERS
    if wrong := [name for name in a.workloads if name not in names]:
        ap.error(f"no workload {', '.join(wrong)}; there are {', '.join(names)}")
    if a.peers and (a.inference or a.scaling):
        ap.error("--peers is for training steps: leave it out")
    if a.threads and (a.scaling or a.readme):
        ap.error("--scaling and --readme measure on one thread and on two: leave --threads out")
    if a.workloads and a.readme:
        ap.error("--readme needs all workloads: name none")
    a.threads = a.threads or 2
    a.workloads = list(dict.fromkeys(a.workloads))
    a.peers = list(dict.fromkeys(a.peers.split(","))) if a.peers else NAMES_OF_PEERS if a.readme else ["torch"]
    if wrong := [peer for peer in a.peers if peer not in NAMES_OF_PEERS]:
        ap.error(f"no peer {', '.join(map(repr, wrong))}; there are {', '.join(NAMES_OF_PEERS)}")
    if a.readme and "torch" not in a.peers:
        ap.error("--readme needs the peer torch, which the ratios are to")
    return a


def main():
    a = arguments()
    if a.inference:
        inference(a)
    elif a.scaling:
        scaling(a)
    else:
        if a.readme:
            readme.parts()  # refuses now rather than after the measuring
        programs = {peer: built(peer) for peer in a.peers if peer in ("burn", "candle")}
        runs, frameworks = [], {}
        for threads in [2, 1] if a.readme else [a.threads]:
            rows, of = training(a, threads, programs)
            runs.append(rows)
            frameworks |= of
        if a.readme:
            readme.write(readme.table(runs, a.peers, frameworks))


if __name__ == "__main__":
    try:
        main()
    except Unusable as why:
        sys.exit(f"compare_bench: {why}")
    except KeyboardInterrupt:
        sys.exit(130)
