"""Packs scikit-learn's copy of the UCI optical digits into crates/mapsto-data/data/digits.bin.zlib.

Run from the repository root with a Python that has scikit-learn: python tools/digits.py

The packed form is one zlib stream of 64 planes (pixel p of every image, p row-major) and then the labels, one byte
each. One pixel's values are alike over all images, so the planes deflate better than the images do.
"""

import pathlib
import zlib

from sklearn.datasets import load_digits

digits = load_digits()
pixels = digits.data.astype("uint8")
labels = digits.target.astype("uint8")
assert (pixels == digits.data).all() and pixels.shape == (1797, 64) and pixels.max() == 16

# Small blocks (memLevel 5) and run lengths only: matches between planes are rare, fresh code tables are worth more.
packer = zlib.compressobj(9, zlib.DEFLATED, 15, 5, zlib.Z_RLE)
packed = packer.compress(pixels.T.tobytes() + labels.tobytes()) + packer.flush()

path = pathlib.Path("crates/mapsto-data/data/digits.bin.zlib")
path.write_bytes(packed)
total = int(pixels.sum())
weighted = sum(int(value) * (place % 251 + 1) for place, value in enumerate(pixels.ravel()))
print(f"{path}: {len(packed)} bytes; sum of pixels {total}; weighted sum {weighted}; classes", end=" ")
print([int((labels == c).sum()) for c in range(10)])
