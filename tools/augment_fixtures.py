"""Writes crates/mapsto-data/tests/fixtures/augment.json: pictures changed by torchvision with given numbers.

Run from the repository root with a Python that has torch, torchvision, NumPy and Pillow: python tools/augment_fixtures.py
Pictures are [height, width, hexadecimal pixels]. Checksums are CRC-32 of the changed lattice, which holds 64 levels of each channel.
"""

import json
import pathlib
import zlib

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, RandomResizedCrop, autoaugment
from torchvision.transforms import functional as F

rng = np.random.default_rng(20240930)
NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def photo(height, width):
    """Smooth colours with some noise, as photos are."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in ((0.3, 0.1, 0), (0.1, -0.4, 1), (-0.2, 0.25, 2))]
    levels = 128 + 90 * np.stack(waves, -1) + rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def lattice():
    i = np.arange(64**3)
    levels = [i % 64 * 4 + i % 3, i // 64 % 64 * 4 + i % 4, i // 4096 * 4 + i % 2]
    return Image.fromarray(np.stack(levels, -1).astype(np.uint8).reshape(512, 512, 3))


SOURCES = {
    "photo": photo(17, 13),
    "wide": photo(10, 23),
    "square": photo(12, 12),
    "grey": photo(14, 9).convert("L"),
    "noise": Image.fromarray(rng.integers(0, 256, (12, 15, 3), dtype=np.uint8)),
    "dull": Image.fromarray(rng.integers(90, 120, (30, 31, 3), dtype=np.uint8)),
    "flat": Image.fromarray(np.full((5, 4, 3), (200, 10, 30), dtype=np.uint8)),
    "thin": photo(2, 9),
}

OPERATIONS = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
    "sharpness": F.adjust_sharpness,
    "grey": lambda image: F.to_grayscale(image, len(image.getbands())),
    "invert": F.invert,
    "posterise": F.posterize,
    "solarise": F.solarize,
    "autocontrast": F.autocontrast,
    "equalise": F.equalize,
    "horizontal_flip": F.hflip,
    "vertical_flip": F.vflip,
    "blur": lambda image, size, sigma: F.gaussian_blur(image, size, sigma),
    "resize": lambda image, height, width: F.resize(image, [height, width]),
    "resize_shorter": lambda image, size: F.resize(image, size),
    "resized_crop": lambda image, *where: F.resized_crop(image, *where[:4], list(where[4:])),
    "centre_crop": lambda image, height, width: F.center_crop(image, [height, width]),
    "zero_padded": lambda image, padding: F.pad(image, padding),
    "reflect_padded": lambda image, padding: F.pad(image, padding, padding_mode="reflect"),
    "affine_nearest": lambda image, a, x, y, s, p, q: F.affine(image, a, [x, y], s, [p, q], NEAREST, 7),
    "affine_bilinear": lambda image, a, x, y, s, p, q: F.affine(image, a, [x, y], s, [p, q], BILINEAR, 7),
    "rotate": lambda image, angle: F.rotate(image, angle, BILINEAR),
}

CASES = [
    *[(name, kind, (factor,)) for kind in ("brightness", "contrast", "saturation", "sharpness")
      for name, factor in (("photo", 0.0), ("noise", 0.37), ("photo", 1.0), ("wide", 1.62), ("grey", 0.4), ("noise", 2.5))],
    *[("noise", "hue", (turn,)) for turn in (-0.5, -0.13, 0.0, 0.07, 0.5)],
    ("grey", "hue", (0.2,)), ("flat", "hue", (0.3,)),
    *[(name, "grey", ()) for name in ("photo", "noise", "grey")],
    *[(name, kind, ()) for name in ("photo", "grey", "dull", "flat")
      for kind in ("invert", "autocontrast", "equalise", "horizontal_flip", "vertical_flip")],
    *[("noise", "posterise", (bits,)) for bits in (1, 3, 8)],
    *[("noise", "solarise", (threshold,)) for threshold in (0, 100, 127.5, 255)],
    *[(name, "blur", (size, sigma)) for name in ("photo", "grey") for size, sigma in ((3, 0.5), (5, 1.3), (9, 2.0))],
    ("flat", "blur", (7, 1.0)), ("thin", "sharpness", (1.7,)),
    *[(name, "resize", size) for name in ("photo", "grey", "noise") for size in ((7, 5), (17, 6), (40, 31), (1, 1))],
    *[(name, "resize_shorter", (size,)) for name in ("photo", "wide", "square") for size in (8, 21)],
    ("photo", "resized_crop", (3, 2, 11, 9, 6, 6)), ("wide", "resized_crop", (0, 4, 10, 7, 16, 12)),
    ("grey", "resized_crop", (5, 1, 4, 8, 9, 3)), ("photo", "resized_crop", (3, 2, 11, 9, 11, 9)),
    *[("photo", "centre_crop", size) for size in ((8, 8), (7, 10), (17, 13), (20, 16), (9, 30))],
    *[(name, kind, (padding,)) for name in ("photo", "grey") for kind in ("zero_padded", "reflect_padded")
      for padding in (1, 4)],
    ("flat", "reflect_padded", (3,)),
    *[(name, kind, numbers) for name in ("photo", "grey", "noise") for kind in ("affine_nearest", "affine_bilinear")
      for numbers in ((20, 0, 0, 1.0, 0, 0), (-7.5, 2, -3, 1.2, 5, 0), (0, 4, 1, 1.0, 0, 0), (160, 0, 0, 0.6, -12, 8))],
    *[(name, "rotate", (angle,)) for name in ("photo", "square", "grey") for angle in (33.0, -10.0, 179.0)],
]

CHECKSUMS = [
    *[("brightness", (f,)) for f in (0.3, 1.7)], *[("contrast", (f,)) for f in (0.3, 1.7)],
    *[("saturation", (f,)) for f in (0.3, 1.7)], *[("hue", (t,)) for t in (0.0, -0.31, 0.2)],
    ("sharpness", (0.4,)), ("sharpness", (1.9,)), ("grey", ()), ("equalise", ()), ("autocontrast", ()),
    ("affine_nearest", (-23.0, 31, 7, 1.3, 11, 0)), ("affine_bilinear", (-23.0, 31, 7, 1.3, 11, 0)),
]

NAMES = {
    "Color": "Colour", "Posterize": "Posterise", "Solarize": "Solarise", "AutoContrast": "Autocontrast", "Equalize": "Equalise",
}


def written(image):
    array = np.asarray(image)
    return [array.shape[0], array.shape[1], array.tobytes().hex()]


def space(found):
    """Magnitudes by operation; torchvision cuts those of translations to whole pixels when it uses them."""
    out = {}
    for name, (magnitudes, signed) in found.items():
        values = magnitudes.double().tolist() if magnitudes.ndim else []
        out[NAMES.get(name, name)] = {"values": values, "signed": signed}
    return out


def operations():
    """Each operation of the policies at some magnitudes."""
    wide = autoaugment.TrivialAugmentWide()._augmentation_space(31)
    for name, (magnitudes, signed) in {**wide, "Invert": (torch.tensor(0.0), False)}.items():
        for level in (5, 17, 30) if magnitudes.ndim else (0,):
            size = float(magnitudes[level].item()) if magnitudes.ndim else 0.0
            for magnitude in (size, -size) if signed else (size,):
                out = autoaugment._apply_op(SOURCES["photo"], name, magnitude, NEAREST, None)
                yield {"operation": NAMES.get(name, name), "magnitude": magnitude, "picture": written(out)}


def regions():
    """What RandomResizedCrop takes where no draw fits."""
    for height, width in ((10, 1000), (1000, 10), (3, 999)):
        image = torch.zeros(3, height, width)
        top, left, h, w = RandomResizedCrop.get_params(image, [0.9, 1.0], [3 / 4, 4 / 3])
        yield {"height": height, "width": width, "region": [top, left, h, w]}


def main():
    image = lattice()
    crc = lambda image: zlib.crc32(np.asarray(image).tobytes())
    rand = autoaugment.RandAugment()._augmentation_space
    fixture = {
        "sources": {name: [len(image.getbands()), *written(image)] for name, image in SOURCES.items()},
        "cases": [
            {"source": source, "kind": kind, "numbers": numbers, "picture": written(OPERATIONS[kind](SOURCES[source], *numbers))}
            for source, kind, numbers in CASES
        ],
        "checksums": [
            {"kind": kind, "numbers": numbers, "crc": crc(OPERATIONS[kind](image, *numbers))} for kind, numbers in CHECKSUMS
        ],
        "regions": list(regions()),
        "operations": list(operations()),
        "wide": space(autoaugment.TrivialAugmentWide()._augmentation_space(31)),
        "rand": {"height": 331, "width": 224, "bins": 31, "operations": space(rand(31, (331, 224)))},
        "auto": {"height": 32, "width": 50, "bins": 10,
                 "operations": space(autoaugment.AutoAugment()._augmentation_space(10, (32, 50)))},
    }
    path = pathlib.Path("crates/mapsto-data/tests/fixtures/augment.json")
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")


main()
