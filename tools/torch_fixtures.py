"""Writes fixtures/torch: files of torch.save in every format, and what torch.load reads from them.

Run from the repository root with a Python that has torch, numpy and safetensors: python tools/torch_fixtures.py
`NAME.pt` is the checkpoint; `NAME.safetensors` holds its tensors, each under the keys that lead to its dict, " :: " and its own key, integers that
mapsto widens widened here, too. The names of storages in the old format are addresses, which differ from run to run.
"""

import collections
import io
import pathlib
import sys
import tarfile
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

OUT = pathlib.Path("fixtures/torch")
WIDER = {torch.int16: torch.int32, torch.uint16: torch.int32, torch.uint32: torch.int64}


def tensors(value, path=""):
    """All tensors with their names."""
    if isinstance(value, torch.Tensor) and not path:
        yield "", "0", value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, torch.Tensor):
            yield path, str(key), inner
        elif isinstance(inner, (dict, list, tuple)):
            yield from tensors(inner, f"{path}.{key}" if path else str(key))


def expect(name, trusted=True):
    loaded = torch.load(OUT / f"{name}.pt", weights_only=not trusted)
    found = {f"{path} :: {key}": t.detach() for path, key, t in tensors(loaded)}
    found = {key: t.to(WIDER.get(t.dtype, t.dtype)).contiguous().clone() for key, t in found.items()}
    save_file(found, OUT / f"{name}.safetensors")


def save(name, value, legacy=False, protocol=2):
    torch.save(value, OUT / f"{name}.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    expect(name)


def refused(name, value, legacy=False):
    torch.save(value, OUT / f"{name}.pt", _use_new_zipfile_serialization=not legacy)


def network():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


def dtypes(legacy):
    x = torch.tensor([[0.0, 1.0, -2.5], [3.0, 100.25, 7.0]])
    whole = [torch.int64, torch.int32, torch.int16, torch.int8]
    all_types = [torch.float32, torch.float64, torch.float16, torch.bfloat16, *whole, torch.bool]
    out = {str(dtype).removeprefix("torch."): x.to(dtype) for dtype in all_types}
    out["uint8"] = x.abs().to(torch.uint8)
    out |= {"empty": torch.empty(0, 3), "scalar": torch.tensor(-1.5), "größe.权重": torch.arange(3)}
    if legacy:
        return out  # the old format cannot be read again with newer types
    out |= {"uint16": torch.tensor([65535, 1], dtype=torch.uint16), "uint32": torch.tensor([2**32 - 1, 1], dtype=torch.uint32)}
    return out


def views():
    base = torch.arange(24.0)
    grid = base.view(2, 3, 4)
    tied = torch.tensor([[1, 2], [3, 4]], dtype=torch.int32)
    return collections.OrderedDict(
        base=base, grid=grid, part=base[5:9], turned=grid.permute(2, 0, 1), transposed=grid[1].t(), steps=base[1::3], columns=grid[:, :, 1:3],
        windows=base.unfold(0, 5, 2), repeated=torch.tensor([[5.0], [6.0]]).expand(3, 2, 4), one=torch.tensor(7).expand(2, 2),
        tied=tied, tied_again=tied, reduced=base.as_strided((2, 3), (0, 2)), single=base.as_strided((1, 3), (77, 1)),
    )  # fmt: skip


def checkpoint():
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 5, 5])
    model(torch.ones(4, 3)).square().sum().backward()
    optimizer.step()
    return {
        "epoch": 3, "done": False, "name": "run", "best": np.float64(0.25), "loss": torch.tensor(0.5), "classes": {"a", "b"}, "none": None,
        "state_dict": collections.OrderedDict((f"module.{k}", v) for k, v in model.state_dict().items()),
        "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "rng": [torch.tensor([1, 2], dtype=torch.uint8)],
        "config": {"size": torch.Size([3, 2]), "dtype": torch.float16, "device": torch.device("cuda:0"), "seed": 2**100, "wide": -(2**40), "bytes": b"\xff"},
    }  # fmt: skip


def big_endian(name, source):
    """What a machine of the other byte order would have written."""
    with zipfile.ZipFile(OUT / f"{source}.pt") as old, zipfile.ZipFile(OUT / f"{name}.pt", "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("/byteorder"):
                data = b"big"
            elif "/data/" in entry.filename:
                data = np.frombuffer(data, dtype="<f4").astype(">f4").tobytes()
            new.writestr(zipfile.ZipInfo(entry.filename), data)
    expect(name)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    state = network().state_dict()
    for protocol in range(1, 6):
        save(f"state_zip_{protocol}", state, protocol=protocol)
        save(f"state_legacy_{protocol}", state, legacy=True, protocol=protocol)
    save("dtypes_zip", dtypes(False))
    save("dtypes_legacy", dtypes(True), legacy=True)
    save("views_zip", views())
    save("views_legacy", views(), legacy=True)
    save("checkpoint_zip", checkpoint())
    save("checkpoint_legacy", checkpoint(), legacy=True)
    save("parameter", {"w": torch.nn.Parameter(torch.ones(2)), "list": [torch.zeros(1), (torch.ones(1),)]})
    save("tensor", torch.arange(3))
    save("compiled", {f"_orig_mod.{key}": value for key, value in state.items()})
    save("networks", {"generator": dict(state), "critic": dict(list(state.items())[:2]), "epoch": 1})
    save("equal_networks", {"one": dict(state), "two": dict(state)})
    small = torch.nn.Linear(1, 1)
    small(torch.ones(1, 1)).backward()
    adam = torch.optim.Adam(small.parameters())
    adam.step()
    save("unusual", {"best": small.state_dict(), "how": adam.state_dict()})
    save("nothing", {"epoch": 1})
    save("floats", {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(2.5)})
    big_endian("big_endian_zip", "floats")
    order, sys.byteorder = sys.byteorder, "big"
    torch.save(torch.load(OUT / "floats.pt"), OUT / "big_endian_legacy.pt", _use_new_zipfile_serialization=False)
    sys.byteorder = order
    expect("big_endian_legacy")

    refused("refused_module_zip", network())
    refused("refused_module_legacy", network(), legacy=True)
    refused("refused_complex", {"z": torch.tensor([1j])})
    refused("refused_float8", {"w": torch.ones(2).to(torch.float8_e4m3fn)})
    refused("refused_uint64", {"w": torch.ones(2, dtype=torch.uint64)})
    refused("refused_sparse", {"w": torch.eye(2).to_sparse()})
    refused("refused_array", {"w": np.ones(2)})
    refused("refused_namespace", {"args": __import__("argparse").Namespace(lr=1)})
    with tarfile.open(OUT / "refused_tar.pt", "w") as tar:
        for name in ["sys_info", "pickle", "tensors", "storages"]:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())


if __name__ == "__main__":
    main()
