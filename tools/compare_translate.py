"""Trains mapsto's GRU for translation and the same network in PyTorch on the same pairs, tokens and steps, and prints both scores.

    python tools/verses.py SPANISH ENGLISH verses.tsv --longest 16 --held 400
    cargo build --release && python tools/compare_translate.py verses.tsv --epochs 15 --set vocabulary=3000

The table has the columns source, target and part. PyTorch gets its tokens from mapsto's model file, its first weights from its own chance. Both
keep the epoch with the least validation loss. BLEU and chrF are sacrebleu's; of both, translations take the likeliest token each time.
`--run RUN` takes a run that has been trained. Needs torch, tokenizers and sacrebleu.
"""

import argparse
import copy
import csv
import json
import math
import pathlib
import random
import struct
import subprocess
import tempfile
import time

import sacrebleu
import torch
from tokenizers import Tokenizer
from torch import nn

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"
WINDOW = 50


class Attention(nn.Module):
    def __init__(self, query, key, hidden):
        super().__init__()
        self.query = nn.Linear(query, hidden, bias=False)
        self.key = nn.Linear(key, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, query, memory, projected, padding):
        scores = self.score(torch.tanh(self.query(query).unsqueeze(1) + projected)).squeeze(2)
        weights = scores.masked_fill(padding, -1e38).softmax(1)
        return torch.bmm(weights.unsqueeze(1), memory).squeeze(1)


class TranslationGru(nn.Module):
    """The network of crates/mapsto-models/src/translation/gru.rs."""

    def __init__(self, sources, targets, embedding, hidden, layers, dropout):
        super().__init__()
        self.source = nn.Embedding(sources, embedding)
        between = dropout if layers > 1 else 0.0
        self.encoder = nn.GRU(embedding, hidden, layers, batch_first=True, bidirectional=True, dropout=between)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.target = nn.Embedding(targets, embedding)
        self.attention = Attention(hidden, 2 * hidden, hidden)
        self.decoder = nn.GRUCell(embedding + 2 * hidden, hidden)
        self.combine = nn.Linear(3 * hidden + embedding, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, targets)
        nn.init.normal_(self.source.weight, std=0.1)
        nn.init.normal_(self.target.weight, std=0.1)

    def encode(self, source, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.source(source)), lengths, batch_first=True, enforce_sorted=False
        )
        memory, last = self.encoder(packed)
        memory = nn.utils.rnn.pad_packed_sequence(memory, batch_first=True, total_length=source.shape[1])[0]
        padding = torch.arange(source.shape[1]) >= lengths.unsqueeze(1)
        hidden = torch.tanh(self.bridge(torch.cat([last[-2], last[-1]], 1)))
        return memory, self.attention.key(memory), padding, hidden

    def advance(self, embedded, hidden, encoded):
        context = self.attention(hidden, *encoded)
        return self.decoder(torch.cat([embedded, context], 1), hidden), context

    def logits(self, states, contexts, embedded):
        return self.head(self.dropout(torch.tanh(self.combine(torch.cat([states, contexts, embedded], -1)))))

    def forward(self, source, lengths, target):
        *encoded, hidden = self.encode(source, lengths)
        embedded = self.dropout(self.target(target))
        states, contexts = [], []
        for step in range(target.shape[1]):
            hidden, context = self.advance(embedded[:, step], hidden, encoded)
            states.append(hidden)
            contexts.append(context)
        return self.logits(torch.stack(states, 1), torch.stack(contexts, 1), embedded)

    @torch.no_grad()
    def greedy(self, source, lengths, begin, end, longest):
        *encoded, hidden = self.encode(source, lengths)
        last = torch.full((source.shape[0],), begin)
        said = []
        for _ in range(longest):
            embedded = self.target(last)
            hidden, context = self.advance(embedded, hidden, encoded)
            scores = self.logits(hidden, context, embedded)
            scores[:, [0, begin]] = -math.inf
            last = scores.argmax(1)
            said.append(last)
        rows = torch.stack(said, 1).tolist()
        return [row[: row.index(end)] if end in row else row for row in rows]


def padded(rows):
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def batches(pairs, order, size):
    return [[pairs[i] for i in order[at : at + size]] for at in range(0, len(order), size)]


def bucketed(pairs, size, chance):
    order = list(range(len(pairs)))
    chance.shuffle(order)
    order = order[: len(order) // size * size]
    windows = [order[at : at + WINDOW * size] for at in range(0, len(order), WINDOW * size)]
    order = [i for window in windows for i in sorted(window, key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))]
    all_batches = batches(pairs, order, size)
    chance.shuffle(all_batches)
    return all_batches


def loss_of(model, batch, begin, end, loss):
    source = padded([source for source, _ in batch])
    lengths = torch.tensor([len(source) for source, _ in batch])
    logits = model(source, lengths, padded([[begin, *target] for _, target in batch]))
    return loss(logits.flatten(0, 1), padded([[*target, end] for _, target in batch]).flatten())


def rate(step, total, warmup):
    rising = min(int(warmup * total), total - 1)
    if step < rising:
        return (step + 1) / (rising + 1)
    return (1 + math.cos(math.pi * (step - rising) / (total - rising))) / 2


def torch_side(settings, parts, tokens, sizes, epochs):
    """Trains PyTorch's side, and gives its translations of the test part."""
    training, config = settings["training"], settings["config"]["model"]
    torch.manual_seed(training["seed"])
    chance = random.Random(training["seed"])
    model = TranslationGru(*sizes, *(config[name] for name in ("embedding", "hidden", "layers", "dropout")))
    begin, end = sizes[1] - 2, sizes[1] - 1
    matrices = [param for param in model.parameters() if param.dim() > 1]
    others = [param for param in model.parameters() if param.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": training["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=training["learning_rate"])
    smooth = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=training["label_smoothing"])
    plain = nn.CrossEntropyLoss(ignore_index=0, reduction="sum")
    size = training["batch_size"]
    total, step, best, seconds = epochs * (len(parts["train"]) // size), 0, (math.inf, None), []
    for epoch in range(epochs):
        began, used = time.time(), time.process_time()
        model.train()
        for batch in bucketed(parts["train"], size, chance):
            for group in optimizer.param_groups:
                group["lr"] = training["learning_rate"] * rate(step, total, training["warmup"])
            optimizer.zero_grad()
            loss_of(model, batch, begin, end, smooth).backward()
            nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"])
            optimizer.step()
            step += 1
        seconds.append((time.time() - began, time.process_time() - used))
        model.eval()
        with torch.no_grad():
            held = parts["val"]
            sums = [loss_of(model, held[at : at + size], begin, end, plain).item() for at in range(0, len(held), size)]
        loss = sum(sums) / sum(len(target) + 1 for _, target in held)
        print(f"PyTorch, epoch {epoch + 1}: validation loss {loss:.4f}, {seconds[-1][0]:.1f} s", flush=True)
        if loss < best[0]:
            best = (loss, copy.deepcopy(model.state_dict()))
    model.load_state_dict(best[1])
    said = []
    for at in range(0, len(parts["test"]), size):
        sources = [source for source, _ in parts["test"][at : at + size]]
        lengths = torch.tensor([len(source) for source in sources])
        said += model.greedy(padded(sources), lengths, begin, end, settings["config"]["length"])
    walls, used = ([pair[i] for pair in seconds] for i in (0, 1))
    return best[0], [tokens.decode(row).strip() for row in said], min(walls), min(used)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of mapsto's")
    parser.add_argument("--run", type=pathlib.Path, help="a trained run, in place of a new one")
    parser.add_argument("--binary", type=pathlib.Path, default=BINARY)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = arguments.table.resolve()
    with tempfile.TemporaryDirectory() as folder:
        run = arguments.run or pathlib.Path(folder) / "runs/compared"
        if not arguments.run:
            command = [arguments.binary, "train", "translate", "--data", table, "--run", "compared", "--json"]
            command += ["--epochs", str(arguments.epochs), "--threads", str(arguments.threads)]
            settings = [word for setting in arguments.set for word in ("--set", setting)]
            subprocess.run([*command, *settings], cwd=folder, check=True, capture_output=True)
        model = (run / "model.safetensors").read_bytes()
        (length,) = struct.unpack_from("<Q", model)
        header = json.loads(model[8 : 8 + length])
        kept = {name: json.loads(header["__metadata__"][name]) for name in ("settings", "preparation")}
        sizes = [header[f"{side}.weight"]["shape"][0] for side in ("source", "target")]
        sides = [Tokenizer.from_str(kept["preparation"][side]) for side in ("source", "target")]
        limit = kept["settings"]["config"]["length"]
        parts, texts = {}, {}
        with open(table, newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                pair = tuple(side.encode(row[name]).ids for side, name in zip(sides, ("source", "target")))
                parts.setdefault(row["part"], []).append((pair[0][:limit], pair[1][: limit - 1]))
                texts.setdefault(row["part"], []).append((row["source"], row["target"]))
        right = [target for _, target in texts["test"]]
        asked = pathlib.Path(folder) / "asked.txt"
        asked.write_text("\n".join(source for source, _ in texts["test"]) + "\n", encoding="utf-8")
        command = [arguments.binary, "predict", run, asked, "--set", "beam=1", "--json"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        said = [json.loads(line)["translation"] for line in out.splitlines()]
        epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        epochs = [epoch for epoch in epochs if epoch.get("event") == "epoch"]
        tested = json.loads((run / "test.json").read_text())
    ours = min(epoch["val_loss"] for epoch in epochs), said, min(epoch["seconds"] for epoch in epochs)
    theirs = torch_side(kept["settings"], parts, sides[1], sizes, arguments.epochs)
    print(f"{len(parts['train'])} pairs to learn from, {len(right)} tested on, {arguments.epochs} epochs, {arguments.threads} threads")
    print(f"mapsto's own score with a beam of {kept['settings']['config']['decoding']['beam']}: BLEU {tested['bleu']['score']:.2f}")
    for name, (loss, said, wall, *used) in (("mapsto", ours), ("PyTorch", theirs)):
        bleu = sacrebleu.corpus_bleu(said, [right]).score
        chrf = sacrebleu.corpus_chrf(said, [right]).score
        cpu = f" ({used[0]:.1f} s of CPU)" if used else ""
        print(f"{name:8} validation loss {loss:.4f}  BLEU {bleu:.2f}  chrF {chrf:.2f}  {wall:.1f} s for the quickest epoch{cpu}")


if __name__ == "__main__":
    main()
