"""Trains mapsto's model of speech beside the same in PyTorch, and prints a table: error rates on the test part, seconds of an epoch.

    python tools/compare_speech.py MAPSTO TABLE [--epochs N] [--model deepspeech|streaming] [--threads N] [--only mapsto|torch]

MAPSTO is the binary. TABLE is as `tools/digit_sequences.py` writes them: WAV files of one rate, parts named. Features, network,
optimiser, rates and batch sizes are the same; neither side changes sounds by chance.
"""

import argparse
import csv
import json
import math
import pathlib
import random
import subprocess
import tempfile
import time
import wave

import numpy as np
import torch
import torchaudio

from deep_speech import DeepSpeech

NET = {"channels": 16, "hidden": 96, "layers": 1, "dropout": 0.2}
MELS, BATCH, RATE, DECAY, CLIP, WARMUP = 40, 16, 3e-3, 0.01, 5.0, 0.1


def edits(right, found):
    row = list(range(len(found) + 1))
    for i, a in enumerate(right, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(found, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def read(path):
    rows = list(csv.DictReader(open(path, encoding="utf-8")))
    for row in rows:
        with wave.open(str(path.parent / row["path"])) as file:
            row["rate"] = file.getframerate()
            row["sound"] = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    return rows


def features(rows):
    """Log-mel spectrograms as mapsto has them, moved and scaled by the training part's means and deviations."""
    rate = rows[0]["rate"]
    window, hop = int(0.025 * rate), int(0.010 * rate)
    points = 1 << (window - 1).bit_length()
    mel = torchaudio.transforms.MelSpectrogram(rate, points, window, hop, n_mels=MELS)
    for row in rows:
        row["mel"] = torch.log(mel(torch.from_numpy(row["sound"])) + 1e-6)
    learned = torch.cat([row["mel"] for row in rows if row["part"] == "train"], 1)
    mean, std = learned.mean(1, keepdim=True), learned.std(1, keepdim=True, correction=0)
    for row in rows:
        row["mel"] = (row["mel"] - mean) / std


def batch(rows):
    frames = torch.tensor([row["mel"].shape[1] for row in rows])
    x = torch.zeros(len(rows), 1, MELS, int(frames.max()))
    for i, row in enumerate(rows):
        x[i, 0, :, : row["mel"].shape[1]] = row["mel"]
    return x, frames


def heard(model, rows, letters):
    model.eval()
    with torch.no_grad():
        log_probs, steps = model(*batch(rows))
    for row, best, count in zip(rows, log_probs.argmax(-1), steps):
        path = best[:count].tolist()
        kept = [s for i, s in enumerate(path) if s and (i == 0 or path[i - 1] != s)]
        yield row["text"], " ".join("".join(letters[s - 1] for s in kept).split())


def scores(model, rows, letters):
    pairs = [pair for start in range(0, len(rows), 32) for pair in heard(model, rows[start : start + 32], letters)]
    count = lambda split: sum(edits(split(a), split(b)) for a, b in pairs) / sum(len(split(a)) for a, _ in pairs)
    return {"wer": count(str.split), "cer": count(list), "accuracy": sum(a == b for a, b in pairs) / len(pairs)}


def with_torch(path, options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    chance = random.Random(1)
    rows = read(path)
    features(rows)
    train, held, test = ([row for row in rows if row["part"] == part] for part in ["train", "validation", "test"])
    letters = sorted({letter for row in train for letter in row["text"]})
    model = DeepSpeech(MELS, NET["channels"], NET["hidden"], NET["layers"], len(letters) + 1,
                       options.model == "streaming", NET["dropout"])
    groups = [{"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": DECAY},
              {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    total = options.epochs * (len(train) // BATCH)
    warm = WARMUP * total
    rate = lambda step: (step + 1) / warm if step < warm else 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (total - warm))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    best, seconds = (math.inf, None), []
    for _ in range(options.epochs):
        begun = time.perf_counter()
        model.train()
        chance.shuffle(train)
        order = sorted(train, key=lambda row: row["mel"].shape[1])
        batches = [order[start : start + BATCH] for start in range(0, len(order) - BATCH + 1, BATCH)]
        chance.shuffle(batches)
        for some in batches:
            targets = [[1 + letters.index(letter) for letter in row["text"]] for row in some]
            log_probs, steps = model(*batch(some))
            loss = torch.nn.functional.ctc_loss(
                log_probs.transpose(0, 1), torch.tensor(sum(targets, [])), steps,
                torch.tensor([len(target) for target in targets]), zero_infinity=True)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
        seconds.append(time.perf_counter() - begun)
        cer = scores(model, held, letters)["cer"]
        if cer < best[0]:
            best = (cer, {name: value.clone() for name, value in model.state_dict().items()})
    model.load_state_dict(best[1])
    return scores(model, test, letters) | {"seconds": sorted(seconds)[len(seconds) // 2]}


def with_mapsto(path, options):
    settings = NET | {"mels": MELS, "batch_size": BATCH, "learning_rate": RATE, "weight_decay": DECAY, "clip_norm": CLIP,
                      "warmup": WARMUP, "steps": "[]", "frequency_masks": 0, "time_masks": 0}
    command = [options.binary, "train", "speech", "--data", path, "--model", options.model, "--epochs", options.epochs,
               "--threads", options.threads, "--run", "mine", "--json"]
    command += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    seconds = sorted(event["seconds"] for event in events if event["event"] == "epoch")
    return events[-1]["test"] | {"seconds": seconds[len(seconds) // 2]}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary", type=lambda path: str(pathlib.Path(path).resolve()))
    arguments.add_argument("table", type=lambda path: pathlib.Path(path).resolve())
    arguments.add_argument("--epochs", type=int, default=15)
    arguments.add_argument("--model", default="deepspeech")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--only")
    options = arguments.parse_args()
    print("| | WER | CER | accuracy | seconds an epoch |\n|---|--:|--:|--:|--:|")
    for name, run in [("mapsto", with_mapsto), ("torch", with_torch)]:
        if options.only in (None, name):
            found = run(options.table, options)
            print(f"| {name} | {found['wer']:.4f} | {found['cer']:.4f} | {found['accuracy']:.4f} | {found['seconds']:.1f} |",
                  flush=True)


if __name__ == "__main__":
    main()
