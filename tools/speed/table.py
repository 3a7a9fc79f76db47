"""A class predicted from the other columns of a table.

DATA is a CSV without gaps whose column of classes `--target` names; columns of numbers are numbers, others categories. Needs pandas.
"""

import sys

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from networks.tables import Mlp
from speed.course import in_order, shuffled

MODELS = ["mlp"]


def words(options, model, folder):
    return ["--data", options.data, "--target", options.target or sys.exit("give --target"), "--set", "problem=classification", "--model", model]


class Peer:
    def __init__(self, settings):
        config, training, model = settings["config"], settings["training"], settings["config"]["model"]
        self.batch, self.smoothing = training["batch_size"], training["label_smoothing"]
        table = pd.read_csv(config["data"])
        labels, classes = pd.factorize(table.pop(config["target"]), sort=True)
        count = len(table)
        order = np.random.default_rng(1).permutation(count)
        test = round(training["test"] * count)
        held = round(training["validation"] * (count - test))
        parts = {"test": order[:test], "validation": order[test : test + held], "train": order[test + held :]}
        numbers = table.select_dtypes("number").to_numpy(np.float64)
        learned = numbers[parts["train"]]
        kept = learned.std(0) > 1e-12 * np.abs(learned.mean(0))
        numbers = (numbers[:, kept] - learned[:, kept].mean(0)) / learned[:, kept].std(0)
        # 0 is the unknown.
        codes = [pd.factorize(table[name], sort=True)[0] + 1 for name in table.select_dtypes(exclude="number")]
        categories = np.stack(codes, 1) if codes else np.zeros((count, 0), np.int64)
        to = lambda part: [torch.from_numpy(x[parts[part]]) for x in (numbers.astype(np.float32), categories, labels)]
        self.parts = {part: to(part) for part in parts}
        self.steps = len(parts["train"]) // min(self.batch, len(parts["train"]))
        assert model["activation"] == "relu" and model["norm"] == "none"
        self.model = Mlp(numbers.shape[1], [column.max() + 1 for column in codes], len(classes), model["hidden"], F.relu,
                         residual=model["residual"], dropout=model["dropout"])

    def batches(self, part):
        parts = self.parts[part]
        for rows in shuffled(len(parts[0]), self.batch) if part == "train" else in_order(len(parts[0])):
            yield [x[rows] for x in parts]

    def loss(self, batch):
        numbers, categories, labels = batch
        smoothing = self.smoothing if self.model.training else 0.0
        return F.cross_entropy(self.model(numbers, categories), labels, label_smoothing=smoothing), len(labels)
