"""The classes of series of numbers.

DATA is the folder of a set of the package `aeon` (`aeon/datasets/data/JapaneseVowels`, say), which has NAME_TRAIN.ts and NAME_TEST.ts. Epochs are
short: give `--epochs 50`.
"""

import pathlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from compare_series import read
from networks.series import SeriesFcn, SeriesRecurrent, SeriesResNet
from speed.course import bucketed, in_order

MODELS = ["cnn", "lstm"]


def words(options, model, folder):
    return ["--data", options.data / f"{options.data.name}_TRAIN.ts", "--model", model]


def network(model, channels, classes):
    match model["architecture"]:
        case "cnn":
            return SeriesFcn(channels, model["channels"], model["kernels"], classes)
        case "resnet":
            return SeriesResNet(channels, model["channels"], model["kernels"], classes)
        case "lstm":
            return SeriesRecurrent(channels, model["hidden"], model["layers"], model["bidirectional"], classes, model["dropout"])


class Peer:
    def __init__(self, settings):
        config, training = settings["config"], settings["training"]
        assert config["scaling"] == "training" and training["label_smoothing"] == 0
        path = pathlib.Path(config["data"])
        (train, known), (test, truth) = read(path), read(path.with_name(path.name.replace("_TRAIN", "_TEST")))
        classes = np.unique(known)
        self.batch = training["batch_size"]
        held = round(training["validation"] * len(train))
        order = np.random.default_rng(1).permutation(len(train))
        parts = {"validation": order[:held], "train": order[held:]}
        of = lambda part: ([train[row] for row in parts[part]], known[parts[part]])
        self.parts = {part: of(part) for part in parts} | {"test": (test, truth)}
        learned = np.concatenate(self.parts["train"][0], 1)
        mean, std = learned.mean(1, keepdims=True), learned.std(1, keepdims=True)
        for part, (series, labels) in self.parts.items():
            x = [torch.from_numpy(((one - mean) / std).T.astype(np.float32)) for one in series]
            lengths = torch.tensor([len(one) for one in x])
            x = nn.utils.rnn.pad_sequence(x, batch_first=True).transpose(1, 2).contiguous() if x else None
            self.parts[part] = x, lengths, torch.from_numpy(np.searchsorted(classes, labels))
        lengths = torch.cat([lengths for _, lengths, _ in self.parts.values()])
        self.same = len(lengths.unique()) == 1
        self.steps = len(parts["train"]) // min(self.batch, len(parts["train"]))
        self.model = network(config["model"], len(mean), len(classes))

    def batches(self, part):
        x, lengths, labels = self.parts[part]
        for rows in bucketed(lengths, self.batch) if part == "train" else in_order(len(labels)):
            if self.same:
                yield x[rows], None, labels[rows]
            else:
                yield x[rows, :, : lengths[rows].max()], lengths[rows], labels[rows]

    def loss(self, batch):
        x, lengths, labels = batch
        return F.cross_entropy(self.model(x, lengths), labels), len(labels)
