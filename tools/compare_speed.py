"""Times the training of mapsto's networks beside the same in PyTorch, on the same data, and prints a row for each.

    cargo build --release && python tools/compare_speed.py TASK DATA [--model NAME] [--threads N] [--epochs N] [--rounds N]

TASK is a module of `tools/speed`, which says at its top what DATA is and what else it needs. mapsto says which settings it trains with; PyTorch
takes them over: sizes, batches, optimiser, rates. Both must have as many parameters and batches, and come to about one loss. An epoch is
timed with its validation, the whole with reading, the test and, of mapsto, its report; the start of Python is left out. The two alternate;
seconds of an epoch are medians of all epochs but each training's first. Needs torch.
"""

import argparse
import importlib
import pathlib
import statistics
import tempfile

import torch

from speed.course import of_mapsto, of_torch, warm

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"


def compare(module, model, options):
    """The row of a model; complains where the two do not do the same."""
    sides = {"mapsto": [], "torch": []}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        words = module.words(options, model, folder)
        for _ in range(options.rounds):
            settings, ours = of_mapsto(options, words, folder)
            theirs = of_torch(module.Peer, settings, options.threads)
            for what in ("parameters", "batches"):
                a, b = getattr(ours, what), getattr(theirs, what)
                assert a == b, f"{options.task} {model}: {a} {what} of mapsto's, {b} of PyTorch's"
            sides["mapsto"].append(ours)
            sides["torch"].append(theirs)
    cells = [f"`{options.task}`", f"`{model}`", f"{ours.parameters:,}", ours.batches]
    for seconds in (lambda one: one.seconds[1:] or one.seconds, lambda one: [one.whole]):
        of = {name: statistics.median(value for one in told for value in seconds(one)) for name, told in sides.items()}
        cells += [f"{of['mapsto']:.3g}", f"{of['torch']:.3g}", f"{of['mapsto'] / of['torch']:.2f}"]
    cells.append(", ".join(f"{statistics.mean(one.loss for one in told):.4f}" for told in sides.values()))
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("task")
    parser.add_argument("data", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--target", help="the column that is predicted, of a table")
    parser.add_argument("--model", help="one of the task's, rather than all")
    parser.add_argument("--pretrained", type=lambda path: pathlib.Path(path).resolve(), help="a folder with weights that are tuned")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of both")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--binary", type=pathlib.Path, default=BINARY)
    options = parser.parse_args()
    module = importlib.import_module(f"speed.{options.task}")
    torch.set_num_threads(options.threads)
    warm()
    print("| task | model | parameters | batches | epoch: mapsto, s | PyTorch, s | ratio | whole: mapsto, s | PyTorch, s | ratio | losses |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for model in [options.model] if options.model else module.MODELS:
        compare(module, model, options)


if __name__ == "__main__":
    main()
