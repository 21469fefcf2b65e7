"""Which operations a training step spends its time in: the ten dearest kinds, plain in float32, plain, and ours.

    python scripts/profile_step.py unet --filters 6 --size 512

Seconds are those of the operations themselves; several run at a time, so they add up to more than the step.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench_train_subject import own, random_batch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

SHOWN = 10
WAYS = {
    "plain_float32": "plain decoder, nothing tuned, float32",
    "plain": "plain decoder, nothing tuned",
    "ours": "ours",
}


def profile(way: str, model: str, filters: int, size: int, batch: int) -> tuple[float, Counter, Counter]:
    """Seconds of a step; by kind of operation seconds in one, and how many there are."""
    import tensorflow as tf

    network = own(argparse.Namespace(way=way, model=model, filters=filters, size=size, threads=0, precision="auto"))
    network.make_train_function()
    step = network.train_function
    batches = iter(tf.data.Dataset.from_tensors(random_batch(batch, size)).repeat())
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        step(batches)
        seconds.append(time.perf_counter() - started)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            step(batches)
        return statistics.median(seconds[2:]), *read_profile(next(Path(folder).rglob("*.xplane.pb")))


def read_profile(path: Path) -> tuple[Counter, Counter]:
    """By kind of operation, seconds and numbers."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    seconds, numbers = Counter(), Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            node, _, kind = name.rpartition(":")
            if node and "::" not in name and "inference" not in kind:
                seconds[kind] += event.duration_ps / 1e12
                numbers[kind] += 1
    return seconds, numbers


def main() -> None:
    """Profile each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("unet", "resunet"))
    parser.add_argument("--filters", type=int, default=6)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=8)
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for way, name in WAYS.items():
        step, seconds, numbers = profile(way, given.model, given.filters, given.size, given.batch)
        title = f"{name}: {step:.2f} s a step, {numbers.total()} operations"
        table = Table("operation", "number", "ms", box=MARKDOWN, title=title, title_justify="left")
        for kind, took in seconds.most_common(SHOWN):
            table.add_row(kind.removeprefix("_MklNative"), str(numbers[kind]), f"{1e3 * took:.0f}")
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
