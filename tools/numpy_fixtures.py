"""Writes fixtures/numpy: arrays as NumPy writes them, and expected.safetensors with their values.

Run from the repository root with a Python that has numpy and safetensors: python tools/numpy_fixtures.py
With --check FOLDER it reads what `cargo run -p mapsto-formats --example write_all -- FOLDER` wrote, and compares it with the same values.
"""

import argparse
import pathlib

import numpy as np
from safetensors.numpy import load_file, save_file

OUT = pathlib.Path("fixtures/numpy")
WIDER = {"int16": "int32", "uint16": "int32", "uint32": "int64"}
OURS = ["bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64"]


def arrays():
    base = np.array([[0.0, 1.0, -2.5], [3.0, 100.25, 7.0]])
    for dtype in [*OURS, *WIDER]:
        yield f"c_{dtype}", (np.abs(base) if dtype.startswith("u") else base).astype(dtype)
    for dtype in ["int32", "float16", "float64", "uint32"]:
        yield f"swapped_{dtype}", np.abs(base).astype(np.dtype(dtype).newbyteorder(">"))
    cube = np.arange(24, dtype="<f4").reshape(2, 3, 4)
    yield "fortran", np.asfortranarray(cube)
    yield "fortran_swapped", np.asfortranarray(cube.astype(">i8"))
    yield "scalar", np.float32(-1.5)
    yield "vector", np.arange(5, dtype="<i8")
    yield "empty", np.zeros((0, 3), dtype="<f8")
    yield "deep", np.arange(64, dtype="u1").reshape(1, 2, 1, 4, 2, 1, 4, 1)


def write():
    OUT.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, array in arrays():
        np.save(OUT / f"{name}.npy", array)
        plain = np.asarray(array).astype(np.asarray(array).dtype.newbyteorder("="))
        expected[name] = np.ascontiguousarray(plain.astype(WIDER.get(plain.dtype.name, plain.dtype))).reshape(plain.shape)
    save_file(expected, OUT / "expected.safetensors")
    cube = np.arange(24, dtype="<f4").reshape(2, 3, 4)
    for version in [(2, 0), (3, 0)]:
        with open(OUT / f"version_{version[0]}.npy", "wb") as out:
            np.lib.format.write_array(out, cube, version=version)
    named = {"größe.weight": cube, "b": np.int64(7)}
    np.savez(OUT / "stored.npz", **named)
    np.savez_compressed(OUT / "deflated.npz", **named)
    np.savez(OUT / "refused_object.npz", a=np.arange(2), b=np.array([None]))
    refused = {"object": np.array([{}]), "records": np.zeros(2, "i4,f4"), "complex": np.zeros(2, "c8"), "uint64": np.zeros(2, "u8"), "text": np.array(["a"])}
    for name, array in refused.items():
        np.save(OUT / f"refused_{name}.npy", array)


def check(folder):
    expected = load_file(OUT / "expected.safetensors")
    count = 0
    for archive in ["stored.npz", "deflated.npz"]:
        with np.load(folder / archive) as found:
            assert sorted(found.files) == sorted(expected), found.files
            for name in found.files:
                compare(name, found[name], expected[name])
                count += 1
    for path in folder.glob("*.npy"):
        compare(path.stem, np.load(path), expected[path.stem])
        count += 1
    print(f"{count} arrays equal")


def compare(name, ours, theirs):
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes(), name


parser = argparse.ArgumentParser()
parser.add_argument("--check", type=pathlib.Path, metavar="FOLDER")
folder = parser.parse_args().check
check(folder) if folder else write()
