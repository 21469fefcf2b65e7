"""Profile a training step of segsweep: its ten most expensive kinds of operation, with and without optimisations.

    python scripts/profile_step.py unet --filters 6 --size 512

The seconds are those of single operations, several of which run in parallel, so they add up to more than the step. The
table also shows the bytes that the operations read and write, counted in the graph before TensorFlow fuses any, and the
memory bandwidth of the machine.
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench_train_subject import own, random_batch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

SHOWN = 10
MOVE_NOTHING = {"Const", "ExpandDims", "Identity", "Placeholder", "ReadVariableOp", "Reshape", "Shape", "Squeeze"}
WAYS = {
    "plain_float32": "plain, float32",
    "plain": "plain",
    "ours": "segsweep",
}


def profile(way: str, model: str, filters: int, size: int, batch: int) -> tuple[float, Counter, Counter, int]:
    """Measure the seconds of a step, the seconds and number of operations by kind, and the bytes moved."""
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
        found = read_profile(next(Path(folder).rglob("*.xplane.pb")))
    return statistics.median(seconds[2:]), *found, bytes_moved(network, batch)


def read_profile(path: Path) -> tuple[Counter, Counter]:
    """Sum the seconds and count the operations of each kind."""
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


def bytes_moved(network: Any, batch: int) -> int:
    """Sum the bytes of all inputs and outputs of the operations of a step."""
    from step_cost import step_operations

    moving = (operation for operation in step_operations(network, batch) if operation.type not in MOVE_NOTHING)
    tensors = [tensor for operation in moving for tensor in (*operation.inputs, *operation.outputs)]
    return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in tensors if tensor.shape.is_fully_defined())


def memory_rate() -> float:
    """Measure the memory bandwidth in bytes per second by repeated additions to 256 MiB, the best of several."""
    import tensorflow as tf

    numbers, times = tf.zeros(2**26), 8

    @tf.function(autograph=False)
    def add() -> Any:
        return tf.while_loop(lambda done, _: done < times, lambda done, sums: (done + 1, sums + 1.0), (0, numbers))

    seconds = []
    for _ in range(6):  # the first call traces the graph
        started = time.perf_counter()
        add()
        seconds.append(time.perf_counter() - started)
    return 2 * 4 * 2**26 * times / min(seconds)


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
        step, seconds, numbers, moved = profile(way, given.model, given.filters, given.size, given.batch)
        title = f"{name}: {step:.2f} s per step, {numbers.total()} operations, {moved / 1e9:.1f} GB read and written"
        table = Table("operation", "count", "ms", box=MARKDOWN, title=title, title_justify="left")
        for kind, took in seconds.most_common(SHOWN):
            table.add_row(kind.removeprefix("_MklNative"), str(numbers[kind]), f"{1e3 * took:.0f}")
        Console(width=100).print(table)
    print(f"memory bandwidth, adding a number to a large array: {memory_rate() / 1e9:.0f} GB/s")


if __name__ == "__main__":
    main()
