"""The README's table of training steps."""

import os

from compare.report import geometric_mean, ratio, short
from compare.sides import ROOT, Unusable

PATH = os.path.join(ROOT, "README.md")
BEGIN, END = "<!-- times: tools/compare_bench.py --readme -->", "<!-- end of times -->"
TITLES = {"torch": "PyTorch eager", "compiled": "PyTorch compiled", "burn": "Burn", "candle": "Candle"}


def parts():
    """The README's text before and after the table, markers included."""
    with open(PATH, encoding="utf-8") as file:
        text = file.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise Unusable(f"{PATH}: the table belongs between two lines, `{BEGIN}` and `{END}`, and they are not there once")
    return text[:text.index(BEGIN) + len(BEGIN)], text[text.index(END):]


def table(runs, peers, frameworks):
    """`runs` are the rows by workload on two threads and those on one."""
    columns = ["mapsto", "ratio", *peers]
    titles = [TITLES.get(key, key) for key in columns]
    heads = ["workload", *titles, "one thread: " + titles[0], *titles[1:]]
    lines = [line(heads), "|---" + "|--:" * (len(heads) - 1) + "|"]

    def cell(row, key):
        if key == "ratio":
            return f"{row['torch_ms_ratio']:.2f}"
        return short(row[f"{key}_ms"])

    def mean(rows, key):
        if key in ("mapsto", "torch"):
            return ""
        if key == "ratio":
            return f"{geometric_mean([row['torch_ms_ratio'] for row in rows.values()]):.2f}"
        value = geometric_mean([ratio(row[f"{key}_ms"], row["torch_ms"]) for row in rows.values()])
        return f"{value:.2f}x" if value else short(value)
    for workload in runs[0]:
        lines.append(line([f"`{workload}`", *(cell(rows[workload], key) for rows in runs for key in columns)]))
    lines.append(line(["geometric mean", *(mean(rows, key) for rows in runs for key in columns)]))
    note = f"Of {', '.join(frameworks)}. *ratio*: mapsto's time over PyTorch eager's; *x*: times PyTorch eager's."
    return "\n".join([*lines, "", note])


def line(cells):
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def write(text):
    """Puts the table into the README, all of it or nothing."""
    before, after = parts()
    new = PATH + ".new"
    with open(new, "w", encoding="utf-8") as file:
        file.write(f"{before}\n{text}\n{after}")
    os.replace(new, PATH)
