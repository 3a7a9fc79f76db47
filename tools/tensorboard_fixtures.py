"""Writes fixtures/tensorboard/golden.tfevents: events as TensorBoard's own writer writes them, at fixed times.

Run from the repository root with a Python that has tensorboard, torch and numpy: python tools/tensorboard_fixtures.py
The histogram is that of torch.utils.tensorboard; all sums are exact, so that their order does not matter.
"""

import pathlib

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import summary as torch_summary

HISTOGRAM = [0.0, 0.5, -0.25, 3.0, 3.0, 0.0, 1024.0, -7.5, 2.0**40]


def bins():
    """The limits that SummaryWriter.add_histogram takes by default."""
    limits, limit = [], 1e-12
    while limit < 1e20:
        limits.append(limit)
        limit *= 1.1
    return [-x for x in reversed(limits)] + [0] + limits


EVENTS = [
    Event(wall_time=1.7e9, file_version="brain.Event:2"),
    Event(wall_time=1.7e9 + 0.5, step=0, summary=torch_summary.scalar("loss/train", 0.75)),
    Event(wall_time=1.7e9 + 1, step=1, summary=torch_summary.scalar("loss/train", 0.0)),
    Event(wall_time=1.7e9 + 2, step=300, summary=torch_summary.scalar("Genauigkeit größer", float("nan"))),
    Event(wall_time=1.7e9 + 3, step=2**40, summary=torch_summary.histogram("weights", np.array(HISTOGRAM), bins())),
    Event(
        wall_time=1.7e9 + 4,
        step=4,
        summary=Summary(value=[Summary.Value(tag="image", image=Summary.Image(height=200, width=3, colorspace=3, encoded_image_string=b"pixels"))]),
    ),
    Event(wall_time=1.7e9 + 5, step=5, summary=torch_summary.text("notes", "# größer\n" + "x" * 200)),
]


def main():
    out = pathlib.Path("fixtures/tensorboard/golden.tfevents")
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "wb") as file:
        writer = RecordWriter(file)
        for event in EVENTS:
            writer.write(event.SerializeToString())
        writer.flush()
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
