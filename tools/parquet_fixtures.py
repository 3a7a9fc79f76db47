"""Writes crates/mapsto-data/tests/fixtures/parquet: files of every type and packing by Arrow, and what is in them.

Run from the repository root with a Python that has pyarrow and pandas: python tools/parquet_fixtures.py
"""

import datetime as dt
import decimal
import json
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

folder = pathlib.Path("crates/mapsto-data/tests/fixtures/parquet")
folder.mkdir(parents=True, exist_ok=True)
utc = dt.timezone.utc
day, moment = dt.date(2020, 2, 29), dt.datetime(2020, 2, 29, 12, 30, 1, 250000, tzinfo=utc)
early = dt.datetime(1969, 12, 31, 23, 59, 58, 500000, tzinfo=utc)
decimals = [decimal.Decimal("1.23"), None, decimal.Decimal("-0.07"), decimal.Decimal("1234567.89")]
columns = {
    **{name: pa.array([1, None, 100, 7], pa.type_for_alias(name)) for name in ("uint8", "uint16")},
    **{name: pa.array([-1, None, 100, 7], pa.type_for_alias(name)) for name in ("int8", "int16")},
    "int32": pa.array([-(2**31), None, 2**31 - 1, 0], pa.int32()),
    "int64": pa.array([-(2**53), None, 2**53, 0], pa.int64()),
    "uint32": pa.array([2**32 - 1, None, 1, 0], pa.uint32()),
    "uint64": pa.array([2**63, None, 1, 0], pa.uint64()),
    "float16": pa.array(np.array([1.5, np.nan, -0.25, 65504], np.float16)),
    "float32": pa.array([1.5, None, -0.25, float("inf")], pa.float32()),
    "float64": pa.array([0.1, None, -1e300, float("nan")], pa.float64()),
    "required": pa.array([4.0, 3.0, 2.0, 1.0]),
    "decimal_small": pa.array(decimals, pa.decimal32(9, 2)),
    "decimal_middle": pa.array(decimals, pa.decimal64(18, 2)),
    "decimal_large": pa.array(decimals, pa.decimal128(30, 2)),
    "truth": pa.array([True, None, False, True]),
    "word": pa.array(["b", None, "é", "b"]),
    "dictionary": pa.array(["x", "y", None, "x"]).dictionary_encode(),
    "large_word": pa.array(["b", "NA", " a ", "b"], pa.large_string()),
    "sentence": pa.array(["this is a whole sentence", "and this is another one", None, "they do not repeat at all"]),
    "date": pa.array([day, None, dt.date(1970, 1, 1), dt.date(1900, 1, 1)]),
    **{f"time_{unit}": pa.array([moment, None, early, moment], pa.timestamp(unit, "UTC")) for unit in ("ms", "us", "ns")},
    "local": pa.array([moment.replace(tzinfo=None), None, None, None], pa.timestamp("us")),
    "clock": pa.array([dt.time(1, 2, 3, 500000), None, dt.time(0), dt.time(23)], pa.time64("us")),
    "nothing": pa.array([None] * 4, pa.null()),
}
table = pa.table(columns, pa.schema([pa.field(n, c.type, nullable=n != "required") for n, c in columns.items()]))


def number(value):
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime()
    if isinstance(value, dt.datetime):
        value = value if value.tzinfo else value.replace(tzinfo=utc)
        return (value - dt.datetime(1970, 1, 1, tzinfo=utc)) / dt.timedelta(seconds=1)
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days * 86400.0
    if isinstance(value, dt.time):
        return (dt.datetime.combine(dt.date.min, value) - dt.datetime.min) / dt.timedelta(seconds=1)
    return None if np.isnan(float(value)) else "infinity" if np.isinf(float(value)) else float(value)


def expected(name, column):
    values = column.to_pylist()
    if pa.types.is_boolean(column.type):
        return {"kind": "category", "values": [None if v is None else str(v).lower() for v in values]}
    if name in ("word", "dictionary", "large_word", "sentence"):
        values = [None if v in (None, "NA") else v.strip() for v in values]
        return {"kind": "text" if name == "sentence" else "category", "values": values}
    timed = pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)
    return {"kind": "time" if timed else "number", "values": [None if v is None else number(v) for v in values]}


(folder / "types.json").write_text(
    json.dumps({name: expected(name, column) for name, column in zip(table.column_names, table.columns)}) + "\n"
)
small = table.select(["int64", "float64", "required", "truth", "word", "dictionary", "date", "time_us"])
for name, settings in {
    "snappy": {"compression": "snappy", "row_group_size": 3},
    "gzip": {"compression": "gzip"},
    "lz4": {"compression": "lz4"},
    "none": {"compression": "none", "data_page_version": "2.0", "row_group_size": 2},
    "zstd": {"compression": "zstd"},
    "brotli": {"compression": "brotli"},
    "delta": {
        "use_dictionary": False,
        "column_encoding": {
            "int64": "DELTA_BINARY_PACKED", "required": "BYTE_STREAM_SPLIT", "word": "DELTA_BYTE_ARRAY",
            "dictionary": "DELTA_LENGTH_BYTE_ARRAY", "date": "DELTA_BINARY_PACKED",
        },
    },
}.items():
    pq.write_table(small, folder / f"{name}.parquet", **settings)
pq.write_table(table, folder / "types.parquet")
pq.write_table(table.select(["time_us"]), folder / "int96.parquet", use_deprecated_int96_timestamps=True)
plain = pa.table({"a": [1, 2]})
for name, column in {
    "list": pa.array([[1, 2], [3]]),
    "record": pa.array([{"x": 1}, {"x": 2}]),
    "bytes": pa.array([b"\xff\xfe", b"ab"]),
    "uuid": pa.array([b"0123456789abcdef"] * 2, pa.binary(16)),
}.items():
    pq.write_table(plain.append_column(name, column), folder / f"{name}.parquet")
pq.write_table(plain.slice(0, 0), folder / "no_rows.parquet")

# The same table in both formats, as pandas writes it, with runs and dictionaries that take more than a page.
rng = np.random.default_rng(20240613)
n = 1000
frame = pd.DataFrame({
    "x": rng.normal(size=n),
    "count": rng.integers(-50, 50, n),
    "colour": rng.choice(["red", "green", "blue", None], n),
    "same": 1.5,
    "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**7, n), unit="s"),
})
frame.loc[rng.random(n) < 0.1, "x"] = np.nan
frame.to_csv(folder / "frame.csv", index=False)
frame.to_parquet(folder / "frame.parquet", index=False)
print(sum(file.stat().st_size for file in folder.iterdir()), "bytes")
