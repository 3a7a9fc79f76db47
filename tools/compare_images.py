"""Trains the same small ResNet on the same pictures with mapsto and with PyTorch, and prints accuracy and seconds of both.

    cargo build --release && python tools/compare_images.py cifar10 --epochs 1 --blocks 1 1 1 1 --width 32

The folder has `train` and `test` with a folder of pictures for each class, all of 32 x 32. Both see crops after a padding of four pixels and
mirror images, batches of 128, SGD with Nesterov's momentum 0.9, weight decay 5e-4 and label smoothing 0.1, a rate that rises for a fifth of the run
and falls along a cosine. mapsto keeps a tenth of the training part back to choose the epoch by; PyTorch learns from the same share of it.
Seconds are of whole epochs, loading included; `--threads` is for both, and PyTorch's loader has as many processes. Needs torch and torchvision.
"""

import argparse
import json
import math
import pathlib
import subprocess
import tempfile
import time

BINARY = pathlib.Path(__file__).resolve().parent.parent / "target/release/mapsto"
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH = 128


def of_mapsto(arguments):
    """Test accuracy and the seconds of each epoch."""
    settings = [f"config.model.width={arguments.width}", f"config.model.blocks={arguments.blocks}", f"learning_rate={arguments.rate}", "warmup=0.2", f"batch_size={BATCH}"]
    settings = [word for setting in settings for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as runs:
        command = [BINARY, "train", "image", "--data", arguments.folder, "--model", "resnet20", "--epochs", str(arguments.epochs)]
        command += [*settings, "--threads", str(arguments.threads), "--runs", runs, "--json"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    events = [json.loads(line) for line in out.splitlines()]
    return events[-1]["test"]["accuracy"], [event["seconds"] for event in events if event["event"] == "epoch"]


def of_torch(arguments):
    """Test accuracy and the seconds of each epoch."""
    import torch
    from torch import nn
    from torchvision import datasets, transforms

    class Block(nn.Module):
        def __init__(self, before, width, stride):
            super().__init__()
            conv = lambda a, b, s: nn.Conv2d(a, b, 3, s, 1, bias=False)
            self.body = nn.Sequential(conv(before, width, stride), nn.BatchNorm2d(width), nn.ReLU(), conv(width, width, 1), nn.BatchNorm2d(width))
            self.stride, self.more = stride, width - before

        def forward(self, x):
            # Without parameters: every other pixel, and channels of zeros.
            short = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
            return torch.relu(self.body(x) + short)

    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    width = arguments.width
    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for stage, blocks in enumerate(arguments.blocks):
        for block in range(blocks):
            layers.append(Block(before, width << stage, 2 if stage > 0 and block == 0 else 1))
            before = width << stage
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))

    plain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])
    changed = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), plain])
    folder = pathlib.Path(arguments.folder)
    train = datasets.ImageFolder(folder / "train", changed)
    train, _ = torch.utils.data.random_split(train, [0.9, 0.1])
    test = datasets.ImageFolder(folder / "test", plain)
    load = lambda part, is_train: torch.utils.data.DataLoader(
        part, BATCH, shuffle=is_train, drop_last=is_train, num_workers=arguments.threads, persistent_workers=True
    )
    batches, rest = load(train, True), load(test, False)
    optimizer = torch.optim.SGD(model.parameters(), lr=arguments.rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps, step, seconds = arguments.epochs * len(batches), 0, []
    rising = steps // 5
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    for _ in range(arguments.epochs):
        begun = time.time()
        model.train()
        for x, y in batches:
            share = (step + 1) / (rising + 1) if step < rising else 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))
            optimizer.param_groups[0]["lr"] = arguments.rate * share
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
            step += 1
        seconds.append(time.time() - begun)
    model.eval()
    with torch.inference_mode():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in rest)
    return right / len(test), seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--blocks", type=int, nargs="+", default=[3, 3, 3], help="of each stage; ResNet-20's if not given")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for name, train in [("mapsto", of_mapsto), ("PyTorch", of_torch)]:
        accuracy, seconds = train(arguments)
        print(f"{name:8} accuracy {accuracy:.4f}, seconds of an epoch {min(seconds):.1f} to {max(seconds):.1f}, all {sum(seconds):.0f}", flush=True)


if __name__ == "__main__":
    main()
