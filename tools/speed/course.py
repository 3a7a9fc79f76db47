"""What every comparison of speed does: runs mapsto, and trains in PyTorch as mapsto does.

A `Peer` is a task's side in PyTorch. It is made of mapsto's settings, reads the data, and has

- `model`, and `steps`, the batches of an epoch;
- `batches(part)`, of `train` in an order by chance and without what is left over by whole batches, of `validation` and `test`;
- `loss(batch)`, the mean of a batch, and how many examples or answers it is the mean of.
"""

import json
import math
import subprocess
import time
from typing import NamedTuple

import torch


class Told(NamedTuple):
    """What a training took, and what it came to in its last epoch."""

    seconds: list
    whole: float
    loss: float
    batches: int
    parameters: int


def of_mapsto(options, words, folder):
    """The settings that it trained with, and what it tells."""
    command = [options.binary.resolve(), "train", options.task, *words, "--epochs", options.epochs, "--threads", options.threads, "--json"]
    command += [word for setting in options.set for word in ("--set", setting)]
    command = [str(word) for word in command]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    whole = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]
    seconds = [event["seconds"] for event in epochs]
    told = Told(seconds, whole, epochs[-1]["loss"], epochs[-1]["step"] // len(epochs), events[-1]["parameters"])
    return events[0]["settings"], told


def course(step, total, warmup):
    """The share of the rate at a step: it rises along a line, and falls along a cosine."""
    rising = int(warmup * total)
    return (step + 1) / (rising + 1) if step < rising else 0.5 + 0.5 * math.cos(math.pi * (step - rising) / (total - rising))


def mean_loss(peer, part):
    """Of a part, by the evaluating model; None of no batches."""
    peer.model.eval()
    with torch.inference_mode():
        losses = [(loss.item(), count) for loss, count in map(peer.loss, peer.batches(part))]
    peer.model.train()
    return sum(loss * count for loss, count in losses) / sum(count for _, count in losses) if losses else None


def warm():
    """A step, before anything is timed: PyTorch imports much at its first."""
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.AdamW([weight], fused=True)
    weight.sum().backward()
    optimizer.step()


def of_torch(make, settings, threads):
    """Trains the `Peer` that `make` makes, as mapsto does."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    begun = time.perf_counter()
    peer, training = make(settings), settings["training"]
    assert training["optimizer"] == "adamw" and training["schedule"] == "cosine", training
    parameters = list(peer.model.parameters())
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": training["weight_decay"]},
              {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=training["learning_rate"], fused=True)
    total = peer.steps * training["epochs"]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: course(min(step, total), total, training["warmup"]))
    best, kept, seconds = math.inf, None, []
    peer.model.train()
    for _ in range(training["epochs"]):
        start, sums, items, batches = time.perf_counter(), 0.0, 0, 0
        for batch in peer.batches("train"):
            loss, count = peer.loss(batch)
            optimizer.zero_grad()
            loss.backward()
            if training["clip_norm"]:
                torch.nn.utils.clip_grad_norm_(parameters, training["clip_norm"])
            optimizer.step()
            schedule.step()
            sums, items, batches = sums + loss.item() * count, items + count, batches + 1
        reached = mean_loss(peer, "validation")
        if reached is not None and reached < best:
            best, kept = reached, {name: value.clone() for name, value in peer.model.state_dict().items()}
        seconds.append(time.perf_counter() - start)
    if kept:
        peer.model.load_state_dict(kept)
    mean_loss(peer, "test")
    return Told(seconds, time.perf_counter() - begun, sums / items, batches, sum(p.numel() for p in parameters))


def shuffled(count, batch):
    """Numbers of an epoch's examples by batches, in an order by chance, without what is left over."""
    batch = min(batch, count)
    return torch.randperm(count)[: count - count % batch].split(batch)


def bucketed(lengths, batch):
    """The same, of about one length in a batch: 50 batches at a time are sorted, and the batches shuffled."""
    batch = min(batch, len(lengths))
    order = torch.randperm(len(lengths))[: len(lengths) - len(lengths) % batch]
    order = torch.cat([window[lengths[window].argsort()] for window in order.split(50 * batch)])
    batches = order.split(batch)
    return [batches[number] for number in torch.randperm(len(batches))]


def in_order(count, batch=256):
    """Numbers of all examples by batches, as they are evaluated."""
    return [torch.arange(start, min(start + batch, count)) for start in range(0, count, batch)]
