"""Pictures per second on one thread, mapsto and torchvision with Pillow by turns.

python tools/augment_speed.py FOLDER SIDE BENCH [ROUNDS]
FOLDER holds pictures in folders, SIDE is that of the crops, BENCH the binary of `cargo bench -p mapsto-data --bench images --no-run`.
Prints the median of each stage. Needs torch, torchvision and Pillow. OMP_NUM_THREADS=1 for torch.
"""

import pathlib
import statistics
import subprocess
import sys
import time

import torch
from PIL import Image
from torchvision import transforms as T

torch.set_num_threads(1)


def stages(side):
    crop = T.RandomCrop(side, padding=4) if side <= 64 else T.RandomResizedCrop(side)
    flip, jitter, trivial = T.RandomHorizontalFlip(), T.ColorJitter(0.4, 0.4, 0.4, 0.1), T.TrivialAugmentWide()
    normal = [T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    yield "decode", []
    for name, steps in (("crop flip", [crop, flip]), ("crop flip jitter", [crop, flip, jitter]),
                        ("crop flip trivial", [crop, flip, trivial])):
        yield f"decode {name}", steps
        yield f"decode {name} float", steps + normal


def theirs(paths, side):
    for name, steps in stages(side):
        change = T.Compose(steps)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < 2:
            for path in paths:
                with open(path, "rb") as file:
                    image = Image.open(file).convert("RGB")
                change(image)
                count += 1
        yield name, count / (time.perf_counter() - start)


def ours(folder, side, bench):
    lines = subprocess.run([bench, folder, str(side)], check=True, capture_output=True, text=True).stdout.splitlines()
    for line in lines:
        name, speed = line.split(": ")
        yield name, float(speed.split()[0])


def main():
    folder, side, bench, *rounds = sys.argv[1:]
    paths = sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix in (".jpg", ".png"))
    found = {}
    for _ in range(int(rounds[0]) if rounds else 5):
        for who, speeds in (("mapsto", ours(folder, int(side), bench)), ("torchvision", theirs(paths, int(side)))):
            for name, speed in speeds:
                found.setdefault(name, {}).setdefault(who, []).append(speed)
    print(f"{'stage':30} {'mapsto':>10} {'torchvision':>12} {'ratio':>6}")
    for name, by in found.items():
        a, b = (statistics.median(by[who]) for who in ("mapsto", "torchvision"))
        print(f"{name:30} {a:10.1f} {b:12.1f} {a / b:6.2f}")


main()
