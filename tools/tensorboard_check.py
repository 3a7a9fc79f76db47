"""Reads with TensorBoard's own reader the events that mapsto wrote, and compares them.

Run from the repository root with a Python that has tensorboard, numpy and Pillow:
    cargo run -p mapsto-formats --example write_all -- FOLDER && python tools/tensorboard_check.py FOLDER
    cargo run -p mapsto-cli -- train digits --epochs 3 --run RUN && python tools/tensorboard_check.py runs/RUN
The folder of a run is compared with its metrics.jsonl.
"""

import io
import json
import pathlib
import sys

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader



def check_run(run):
    told = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["event"] == "epoch":
            for name, value in record.items():
                if name not in ("event", "epoch", "step", "seconds", "stage") and value is not None:
                    shown = name[4:] + "/validation" if name.startswith("val_") else name if "/" in name else name + "/train"
                    told.setdefault(record["stage"], {}).setdefault(shown, {})[record["epoch"]] = float(np.float32(value))
    found = {}
    for stage in sorted((run / "tensorboard").iterdir()):
        events = EventAccumulator(str(stage), size_guidance={"scalars": 0})
        events.Reload()
        found[stage.name] = {}
        for tag in events.Tags()["scalars"]:
            scalars = events.Scalars(tag)
            found[stage.name][tag] = {event.step: event.value for event in scalars}
            assert len(found[stage.name][tag]) == len(scalars), f"{stage.name}, {tag}: an epoch is there twice"
    assert told and found == told, (found, told)
    print(f"{run.name}: {sum(len(points) for tags in found.values() for points in tags.values())} scalars equal")


if (pathlib.Path(sys.argv[1]) / "metrics.jsonl").exists():
    check_run(pathlib.Path(sys.argv[1]))
    sys.exit()

folder = pathlib.Path(sys.argv[1]) / "events"
(path,) = folder.glob("events.out.tfevents.*")
events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
events.Reload()

loaded = list(EventFileLoader(str(path)).Load())
assert loaded[0].file_version == "brain.Event:2" and len(loaded) == 1 + 100 + 60 + 4, len(loaded)
now = [event.wall_time for event in loaded]
assert now == sorted(now) and now[0] > 1.7e9

# The loader gives every kind in its newest form, a tensor, and tells with a tag's first value which plugin shows it.
found, plugins = {}, {}
for event in loaded:
    for value in event.summary.value:
        found.setdefault(value.tag, {})[event.step] = value.tensor
        plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
assert plugins == {
    "loss/train": "scalars", "accuracy": "scalars", "weights": "histograms", "colours": "images", "grey": "images", "notes": "text",
}, plugins  # fmt: skip


def values(tag):
    return found[tag]


def scalars(tag):
    new = {step: tensor.float_val[0] for step, tensor in values(tag).items()}
    assert new == {event.step: event.value for event in events.Scalars(tag)}
    return new


assert scalars("loss/train") == {step: float(np.float32(1) / np.float32(step + 1)) for step in range(100)}
assert scalars("accuracy") == {step: float(step if step <= 40 else -step) for step in range(60)}

ramp = (np.arange(1000) - 300) / 64
(histogram,) = values("weights").values()
buckets = np.frombuffer(histogram.tensor_content, np.float32).reshape(-1, 3)
assert buckets[:, 2].sum() == 1000
for left, right, count in buckets[1:-1]:
    assert count == ((ramp >= left) & (ramp < right)).sum(), (left, right, count)
assert buckets[0, 0] <= ramp.min() and buckets[-1, 1] >= ramp.max()

pixels = (np.arange(105) * 2).astype(np.uint8)
for tag, shape in [("colours", (5, 7, 3)), ("grey", (15, 7))]:
    (tensor,) = values(tag).values()
    assert [int(x) for x in tensor.string_val[:2]] == [7, shape[0]]
    assert (np.asarray(Image.open(io.BytesIO(tensor.string_val[2]))) == pixels.reshape(shape)).all()

(text,) = values("notes").values()
assert text.string_val[0].decode() == "# größer\n**als** vorher"
print(f"{path.name}: {len(loaded)} events equal")
