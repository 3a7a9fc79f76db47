"""The steps to come of a series over time, with intervals.

DATA is a CSV whose first column has a day in each row, a day after the one before, such as `seattle-weather.csv` of the npm package `vega-datasets`;
`--target` names the column that is forecast, and the others are left out. Epochs are short: give `--epochs 20`. Needs pandas.
"""

import math
import sys

import pandas as pd
import torch

from networks.forecasts import ForecastLinear, ForecastMlp, ForecastRecurrent, ForecastTcn, ForecastTransformer
from speed.course import in_order, shuffled

MODELS = ["linear", "mlp", "lstm", "tcn", "transformer"]
# Seasons in seconds; the least share of all that came before that a window's deviation is taken for.
DAY, WEEK, YEAR = 86_400.0, 7 * 86_400.0, 365.2425 * 86_400.0
LEAST = 0.1


def words(options, model, folder):
    table = pd.read_csv(options.data)
    target = options.target or sys.exit("give --target")
    table[[table.columns[0], target]].to_csv(folder / "table.csv", index=False)
    return ["--data", folder / "table.csv", "--target", target, "--model", model]


def network(model, shape):
    match model["architecture"]:
        case "linear":
            return ForecastLinear(model["smoothing"], shape)
        case "mlp":
            return ForecastMlp(model["hidden"], model["layers"], shape, model["dropout"])
        case "lstm":
            return ForecastRecurrent(model["hidden"], model["layers"], shape, model["dropout"])
        case "tcn":
            return ForecastTcn(model["channels"], model["kernel"], model["levels"], shape, model["dropout"])
        case "transformer":
            return ForecastTransformer(model["width"], model["heads"], model["layers"], model["feedforward"], shape, model["dropout"])


class Peer:
    def __init__(self, settings):
        config, training = settings["config"], settings["training"]
        table = pd.read_csv(config["data"], parse_dates=[0])
        context, horizon = config["context"], config["horizon"]
        self.batch, self.context = training["batch_size"], context
        values = torch.tensor(table[config["target"]].to_numpy(), dtype=torch.float64)
        origins = torch.arange(context, len(values) - horizon + 1)
        # What is tested on is the last; windows that reach into it are left out.
        parts, rest = {}, origins
        for part, share in (("test", training["test"]), ("validation", training["validation"])):
            cut = len(rest) - round(share * len(rest))
            parts[part], rest = rest[cut:], rest[:cut]
            rest = rest[rest + horizon <= parts[part][0]]
        parts["train"] = rest
        days = torch.from_numpy(table.iloc[:, 0].to_numpy().astype("datetime64[s]").astype(float))
        seen = int(rest[-1]) + horizon
        waves = [wave(2 * math.pi * harmonic * days / season) for season in (WEEK, YEAR) if seen * DAY >= 2 * season
                 for harmonic in (1, 2) for wave in (torch.sin, torch.cos)]
        known = torch.stack(waves, 1).float()
        # Each window is measured by its mean and deviation, which is some of that of all before it at least.
        pasts, coming = values.unfold(0, context, 1), values[context:].unfold(0, horizon, 1)
        pasts = pasts[: len(coming)]
        mean = pasts.mean(1, keepdim=True)
        counts = torch.arange(1, len(values) + 1, dtype=torch.float64)
        spread = ((values**2).cumsum(0) / counts - (values.cumsum(0) / counts) ** 2).clamp(min=0).sqrt()
        std = torch.maximum(pasts.std(1, keepdim=True, correction=0), LEAST * spread[context - 1 : context - 1 + len(coming), None])
        past, self.coming = (((x - mean) / std).float() for x in (pasts, coming))
        told = known.unfold(0, context, 1)[: len(coming)].transpose(1, 2)
        self.past = torch.cat([past[:, :, None], told], 2)
        self.future = known[context:].unfold(0, horizon, 1).transpose(1, 2)
        self.parts = {part: own - context for part, own in parts.items()}
        self.steps = len(self.parts["train"]) // min(self.batch, len(self.parts["train"]))
        tail = (1 - config["level"]) / 2
        self.quantiles = torch.tensor([tail, 0.5, 1 - tail])
        self.model = network(config["model"], (context, horizon, 1, 0, known.shape[1]))

    def batches(self, part):
        own = self.parts[part]
        for rows in shuffled(len(own), self.batch) if part == "train" else in_order(len(own)):
            yield own[rows]

    def loss(self, rows):
        said = self.model(self.past[rows], self.future[rows]).unflatten(1, (-1, 3))
        off = self.coming[rows][..., None] - said
        return torch.maximum(self.quantiles * off, (self.quantiles - 1) * off).mean(), len(rows)
