"""A table on standard output, or one JSON object a line. A row is a dictionary; what a number is, its key says."""

import json
import math


def ratio(over, under):
    """None where one of them is missing."""
    return four_digits(over / under) if over and under else None


def geometric_mean(ratios):
    """Of those that are not missing."""
    logs = [math.log(ratio) for ratio in ratios if ratio]
    return four_digits(math.exp(sum(logs) / len(logs))) if logs else None


def four_digits(value):
    return float(f"{value:.4g}")


def short(value):
    """Three digits, or all before the point; a dash for what is missing."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


class Report:
    """Rows, written as they come."""

    def __init__(self, as_json, title, **common):
        """`common` stands in each JSON object, `title` above the table."""
        self.as_json, self.title, self.common, self.rows = as_json, title, common, {}

    def add(self, workload, row):
        if self.as_json:
            print(json.dumps({"workload": workload, **self.common, **row}), flush=True)
        else:
            if not self.rows:
                print(self.title)
                self._write("workload", {key: key.replace("_", " ") for key in row})
            self._write(workload, row)
        self.rows[workload] = row

    def means(self):
        """The geometric means of the ratios."""
        first = next(iter(self.rows.values()))
        means = {key: geometric_mean([row[key] for row in self.rows.values()]) for key in first if key.endswith("ratio")}
        if self.as_json:
            print(json.dumps({"geometric_mean": means, **self.common}), flush=True)
        else:
            self._write("geometric mean", {key: means.get(key, "") for key in first})

    def _write(self, name, row):
        def text(key, value):
            if isinstance(value, str):
                return value
            return f"{value:.2f}" if key.endswith("ratio") and value is not None else short(value)
        cells = [f"{text(key, value):>{max(len(key), 11) + 1}}" for key, value in row.items()]
        print(f"{name:<16}{''.join(cells)}", flush=True)
