"""Writes the series of crates/mapsto-cli/tests/fixtures: extracts of two sets of the package `aeon` (BSD-3), with three decimals.

    python tools/series_fixtures.py AEON

AEON is the folder `aeon/datasets/data` of the package, unpacked. Of ItalyPowerDemand all 67 series to learn from and the first 200 to be tested on; of
JapaneseVowels, whose series have several lengths, the first 12 of three speakers, and four of the twelve channels.
"""

import pathlib
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/mapsto-cli/tests/fixtures"


def short(number):
    text = f"{float(number):.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def lines(path):
    text = path.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(text) if line.strip().lower() == "@data")
    for line in text[start + 1 :]:
        *channels, label = line.split(":")
        yield [[short(x) for x in channel.split(",")] for channel in channels], label.strip()


def write(name, part, rows, classes):
    head = [f"# An extract of {name} as the Python package aeon has it (BSD-3), by tools/series_fixtures.py.", f"@problemName {name}"]
    head += ["@timeStamps false", f"@classLabel true {' '.join(classes)}", "@data"]
    body = [":".join([*(",".join(channel) for channel in channels), label]) for channels, label in rows]
    (OUT / f"{name}_{part}.ts").write_text("\n".join(head + body) + "\n", encoding="utf-8")


def main():
    folder = pathlib.Path(sys.argv[1])
    for part, most in (("TRAIN", None), ("TEST", 200)):
        write("ItalyPowerDemand", part, list(lines(folder / "ItalyPowerDemand" / f"ItalyPowerDemand_{part}.ts"))[:most], "12")
        speakers, rows = "123", []
        for speaker in speakers:
            own = [row for row in lines(folder / "JapaneseVowels" / f"JapaneseVowels_{part}.ts") if row[1] == speaker]
            rows += [(channels[:4], label) for channels, label in own[:12]]
        write("JapaneseVowels", part, rows, speakers)


if __name__ == "__main__":
    main()
