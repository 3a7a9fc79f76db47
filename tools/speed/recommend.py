"""What users will like, or how they will rate it.

DATA has tabs between user, item, rating and time, and a line of names, as MovieLens-100k in the package `recbole` (`ml-100k.inter`); items of fewer than
20 rows are left out, so that all of them are learned from, however rows are divided. `mf` and `two_tower` learn ratings, `sequence` what comes next.
Needs pandas.
"""

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
import torch.nn.functional as F

from networks.recommend import Factors, Sequence, TwoTower, against
from networks.texts import before
from speed.course import in_order, shuffled

MODELS = ["mf", "two_tower", "sequence"]


def words(options, model, folder):
    table = pd.read_csv(options.data, sep="\t", dtype=str)
    item = table.columns[1]
    table = table[table.groupby(item)[item].transform("size") >= 20]
    table.to_csv(folder / "rows.inter", sep="\t", index=False)
    return ["--data", folder / "rows.inter", "--model", model]


def network(model, users, items):
    match model["architecture"]:
        case "mf":
            return Factors(users, items, model["width"])
        case "two_tower":
            return TwoTower(users, items, model["embedding"], model["hidden"], model["width"], dropout=model["dropout"])
        case "sequence":
            gru = model["reader"] == "gru"
            return Sequence(items, model["width"], model["layers"], model["heads"], model["length"], gru, model["dropout"])


class Rated:
    """Ratings by users and items."""

    def __init__(self, table, training, l2):
        user, item, rating, _ = table.columns
        numbers = [pd.factorize(table[name], sort=True)[0] + 1 for name in (user, item)]
        count = len(table)
        order = np.random.default_rng(1).permutation(count)
        test = round(training["test"] * count)
        held = round(training["validation"] * (count - test))
        parts = {"test": order[:test], "validation": order[test : test + held], "train": order[test + held :]}
        ratings = table[rating].to_numpy(np.float64)
        learned = ratings[parts["train"]]
        ratings = ((ratings - learned.mean()) / learned.std()).astype(np.float32)
        self.parts = {part: [torch.from_numpy(x[rows]) for x in (*numbers, ratings)] for part, rows in parts.items()}
        self.count, self.l2 = len(parts["train"]), l2

    def batch(self, part, rows):
        return [x[rows] for x in self.parts[part]]

    def loss(self, network, batch):
        users, items, ratings = batch
        (u, of_user), (i, of_item) = network.users(users), network.items(items)
        loss = F.mse_loss((u * i).sum(1) + of_user + of_item, ratings)
        if network.training:
            loss = loss + self.l2 * ((u**2).sum(1) + of_user**2 + (i**2).sum(1) + of_item**2).mean()
        return loss, len(ratings)


class Read:
    """Histories: windows of them to learn from, whole ones before the last items."""

    def __init__(self, table, length):
        user, item, _, time = table.columns
        items = pd.factorize(table[item], sort=True)[0] + 1
        order = np.argsort(table[time].to_numpy(), kind="stable")
        own = pd.Series(items[order]).groupby(table[user].to_numpy()[order]).agg(list)
        windows = []
        for history in own:
            history, end = [0, *history[:-2]], len(history) - 2
            while end > 0:
                start = max(0, end - length)
                windows.append((history[start:end], history[start + 1 : end + 1]))
                end = start
        last = lambda behind: [([0, *history[:-behind]][-length:], [history[-behind]]) for history in own if len(history) > 2]
        self.parts = {part: [tuple(map(torch.tensor, pair)) for pair in pairs]
                      for part, pairs in (("train", windows), ("validation", last(2)), ("test", last(1)))}
        self.count, self.all = len(windows), torch.arange(1, items.max() + 1)

    def batch(self, part, rows):
        read, told = zip(*(self.parts[part][row] for row in rows.tolist()))
        lengths = torch.tensor([len(one) for one in read])
        read = nn.utils.rnn.pad_sequence(read, batch_first=True)
        if part == "train":
            places = before(lengths, read.shape[1]).flatten().nonzero().squeeze(1)
        else:
            places = torch.arange(len(rows)) * read.shape[1] + lengths - 1
        return read, lengths, places, torch.cat(told)

    def loss(self, network, batch):
        read, lengths, places, told = batch
        logits = against(network.users(read, lengths, places), network.items(self.all))
        return F.cross_entropy(logits, told - 1), len(told)


class Peer:
    def __init__(self, settings):
        config, training = settings["config"], settings["training"]
        assert config["sampling"] == "all"
        table = pd.read_csv(config["data"], sep="\t")
        model = config["model"]
        self.size = training["batch_size"]
        reads = model["architecture"] == "sequence"
        self.data = Read(table, model["length"]) if reads else Rated(table, training, config["l2"])
        self.steps = self.data.count // min(self.size, self.data.count)
        user, item = (table.iloc[:, column].nunique() + 1 for column in (0, 1))
        self.model = network(model, user, item)

    def batches(self, part):
        count = len(self.data.parts[part][0]) if isinstance(self.data, Rated) else len(self.data.parts[part])
        for rows in shuffled(count, self.size) if part == "train" else in_order(count):
            yield self.data.batch(part, rows)

    def loss(self, batch):
        return self.data.loss(self.model, batch)
