"""What NumPy prints, for mapsto-tensor's printing to equal: writes crates/mapsto-tensor/tests/fixtures/printing.json.

Needs numpy. A case holds the elements as text (or the number of places of an `arange`), the shape, the element type, what `str` gives, and
what `array2string` gives between our prefix and suffix.
"""

import json
import pathlib

import numpy as np

TYPES = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "i64": np.int64, "i32": np.int32, "u8": np.uint8,
         "i8": np.int8, "bool": np.bool_}


def case(dtype, values, shape=None, count=None, scale=1.0):
    if count is None:
        array = np.array(values, dtype=TYPES[dtype])
    else:
        array = (np.arange(count) * scale).astype(TYPES[dtype])
    array = array.reshape(shape if shape is not None else array.shape)
    suffix = f", {dtype}[{', '.join(map(str, array.shape))}])"
    if array.shape == ():
        debug = str(array)
    else:
        debug = np.array2string(array, separator=", ", prefix="tensor(", suffix=suffix)
    out = {"dtype": dtype, "shape": list(array.shape), "str": str(array), "debug": "tensor(" + debug + suffix}
    if count is None:
        out["values"] = [str(int(x)) if dtype == "bool" else str(int(x)) if dtype[0] in "iu" else repr(float(x)) for x in array.ravel()]
    else:
        out |= {"count": count, "scale": scale}
    return out


def cases():
    nan, inf = np.nan, np.inf
    for dtype in ["f64", "f32", "f16"]:
        for x in [0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 123.456, 1e-4, 9.9e-5, 6e4, nan, inf, -inf]:
            yield case(dtype, x)
        yield case(dtype, [1, 2, 3])
        yield case(dtype, [1, -2.5, 3.25])
        yield case(dtype, [0.1, 0.2, 0.30000001])
        yield case(dtype, [1 / 3, 2 / 3, -1 / 7])
        yield case(dtype, [0, 0, 0])
        yield case(dtype, [-0.0, 0.0])
        yield case(dtype, [1e-5, 1])
        yield case(dtype, [1e-4, 0.09])
        yield case(dtype, [1e-4, 0.11])
        yield case(dtype, [1, 999.5])
        yield case(dtype, [1, 1000])
        yield case(dtype, [1, 1001])
        yield case(dtype, [1000, 2000])
        yield case(dtype, [nan, 1.5, inf, -inf])
        yield case(dtype, [nan, nan])
        yield case(dtype, [inf, 2])
        yield case(dtype, [-inf, 0.5])
        yield case(dtype, [nan, 1e-6, -inf])
        yield case(dtype, [[1, 2], [3, 4]])
        yield case(dtype, [[[1.5, 2], [3, 4]], [[5, 6], [7, -8.125]]])
        yield case(dtype, np.arange(16).reshape(2, 1, 2, 4) / 8)
        yield case(dtype, np.arange(40) / 7)
        yield case(dtype, -np.arange(60).reshape(2, 30) / 16)
        yield case(dtype, [], shape=(0,))
        yield case(dtype, [], shape=(2, 0, 3))
        yield case(dtype, [[[5]]])
    yield case("f16", [65504, 6e-8])
    for dtype in ["f64", "f32"]:
        yield case(dtype, [1e5, 999999])
        yield case(dtype, [1e5, 1e6])
        yield case(dtype, [1e7, 99999999])
        yield case(dtype, [1e8, 1e7])
        yield case(dtype, [16777216, 16777217, 1.5e7])
        yield case(dtype, [1e10, 1e-10])
        yield case(dtype, [1.23456789e-30, -1e20])
        yield case(dtype, [1e30, 1e38])
        yield case(dtype, [123456.789, 1234.5678])
        yield case(dtype, [1.0000001, 1.00000001])
        yield case(dtype, [1e-6, 1.23456789e-6])
        yield case(dtype, [1e-40, 1e-45])
        yield case(dtype, np.pi)
        yield case(dtype, 1e16)
        yield case(dtype, 1.5e22)
        yield case(dtype, -2.5e-7)
        yield case(dtype, 123456789012.0)
        yield case(dtype, None, count=1000)
        yield case(dtype, None, count=1001)
        yield case(dtype, None, count=100000, scale=0.25)
        yield case(dtype, None, count=2000, shape=(2, 1000), scale=-1e-3)
        yield case(dtype, None, count=1200, shape=(10, 120))
        yield case(dtype, None, count=1200, shape=(200, 6))
        yield case(dtype, None, count=1200, shape=(5, 240))
        yield case(dtype, None, count=6000, shape=(10, 10, 60), scale=0.5)
        yield case(dtype, None, count=8100, shape=(3, 3, 30, 30), scale=1 / 3)
        yield case(dtype, None, count=1001, shape=(1001, 1))
    yield case("f64", [1e300, 1e-300])
    yield case("f64", [1e100, 1.5])
    yield case("f64", 1e-300)
    yield case("f64", 0.1 + 0.2)
    rng = np.random.default_rng(0)
    for dtype in ["f64", "f32", "f16"]:
        for spread in [0.1, 1, 3, 12]:
            for shape in [(5,), (3, 4), (2, 2, 9)]:
                x = rng.standard_normal(shape) * 10 ** (rng.standard_normal(shape) * spread)
                yield case(dtype, np.clip(x, -6e4, 6e4) if dtype == "f16" else np.clip(x, -1e38, 1e38))
    for dtype in ["i64", "i32", "u8", "i8"]:
        yield case(dtype, 7)
        yield case(dtype, [1, 2, 100])
        yield case(dtype, [[1, 20], [100, 4]])
        yield case(dtype, [], shape=(0, 2))
        yield case(dtype, np.arange(100))
    for dtype in ["i64", "i32"]:
        yield case(dtype, [-5, 10, -1000])
        yield case(dtype, None, count=5000)
        yield case(dtype, None, count=5000, shape=(50, 100), scale=-3.0)
    yield case("i64", [2**63 - 1, -(2**63), 2**53 + 1])
    for x in [True, False, [True, False], [[True, True], [False, True]], [[], []]]:
        yield case("bool", x)
    yield case("bool", np.arange(50) % 3 == 0)


if __name__ == "__main__":
    path = pathlib.Path(__file__).parent.parent / "crates/mapsto-tensor/tests/fixtures/printing.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases()) + "\n]\n")
