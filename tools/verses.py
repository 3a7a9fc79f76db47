"""Writes verses that two modules of SWORD have, side by side, as pairs of texts.

    python tools/verses.py SPANISH ENGLISH verses.tsv [--longest 20] [--count 1000] [--held 500]

A module is the folder of its files (`ot.bzs`, `ot.bzv`, `ot.bzz` and those of `nt`), as Debian's packages `sword-text-sparv` and
`sword-text-kjv` have in `/usr/share/sword/modules/texts/ztext/`; both are in the public domain. Modules of one versification have the
verses of one place under one number, so a pair is two entries of one number. The table has a line of names: `source`, `target`, and with
`--held` a column `part`, by which so many pairs each, drawn at random, are for validation and for the test.
"""

import argparse
import html
import pathlib
import random
import re
import struct
import zlib

LEFT_OUT = re.compile(r"<(note|title|figure)\b[^>]*?(/>|>.*?</\1>)", re.DOTALL)
TAG = re.compile(r"<[^>]*>")


def entries(module, testament):
    """The texts of a testament, by number."""
    blocks, verses, packed = ((module / f"{testament}.{end}").read_bytes() for end in ("bzs", "bzv", "bzz"))
    opened = {}
    for block, start, length in struct.iter_unpack("<IIH", verses):
        if length == 0:
            yield ""
            continue
        if block not in opened:
            begin, size, _ = struct.unpack_from("<III", blocks, 12 * block)
            opened = {block: zlib.decompress(packed[begin : begin + size])}
        text = opened[block][start : start + length].decode("utf-8", "replace")
        text = html.unescape(TAG.sub("", LEFT_OUT.sub("", text))).replace("¶", "")
        yield " ".join(text.split())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--longest", type=int, help="the most words of a text of a pair")
    parser.add_argument("--count", type=int, help="the most pairs: evenly from all")
    parser.add_argument("--held", type=int, default=0, help="pairs for validation, and as many for the test")
    arguments = parser.parse_args()
    pairs = []
    for testament in ("ot", "nt"):
        for pair in zip(entries(arguments.source, testament), entries(arguments.target, testament), strict=True):
            if all(pair) and (arguments.longest is None or max(len(text.split()) for text in pair) <= arguments.longest):
                pairs.append(pair)
    if arguments.count is not None and arguments.count < len(pairs):
        pairs = [pairs[i * len(pairs) // arguments.count] for i in range(arguments.count)]
    rows = [["source", "target"], *map(list, pairs)]
    if arguments.held:
        parts = ["val"] * arguments.held + ["test"] * arguments.held
        parts += ["train"] * (len(pairs) - len(parts))
        random.Random(1).shuffle(parts)
        rows = [[*row, part] for row, part in zip(rows, ["part", *parts], strict=True)]
    lines = ["\t".join(row) for row in rows]
    arguments.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(pairs)} pairs")


if __name__ == "__main__":
    main()
