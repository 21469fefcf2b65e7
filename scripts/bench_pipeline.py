"""Measure how much longer a training step takes when it is fed from a dataset, plain or augmented, instead of memory.

    python scripts/bench_pipeline.py               # U-Net with two filters, the cheapest step; ten minutes

The same compiled model takes the same number of steps from each feed, in one process, in an order that rotates between
rounds. The table shows the median relative increase over rounds; values below 0 are noise. A feed continues from round
to round, as it does through the epochs of a training, so its start is not counted.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, default=2)
    parser.add_argument("--sizes", default="128,256,512")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    table = Table("size", "step from memory, s", "reading", "reading and augmenting", "CPU time of the latter")
    for size in map(int, given.sizes.split(",")):
        with tempfile.TemporaryDirectory() as outputs:
            step, *shares = compare(given, size, Path(outputs))
        table.add_row(f"{size}x{size}", f"{step:.3f}", *(f"{share:+.1%}" for share in shares))
    Console().print(table)


def compare(given: argparse.Namespace, size: int, outputs: Path) -> tuple[float, float, float, float]:
    """Measure the seconds per step from memory, the relative increases of both other feeds, and that of CPU time."""
    from gym.config.schema import AugmentConfig, DataConfig, LossConfig, ModelConfig, OptimizerConfig, TrainingConfig
    from gym.data.batches import training_batches, without_autotune
    from gym.data.build import open_or_build_dataset
    from gym.models.architectures import build_model
    from gym.training.loop import compile_model
    from gym.training.runtime import prepare_tensorflow

    prepare_tensorflow(TrainingConfig())
    dataset = open_or_build_dataset(DataConfig(scenes=6 * given.batch, size=size), outputs)
    config, classes = ModelConfig("unet", given.filters), len(dataset.manifest.classes)
    network = build_model(config, dataset.shape, classes)
    model = compile_model(network, OptimizerConfig(), LossConfig().name, [1.0] * classes)

    def from_dataset(augment: AugmentConfig) -> Any:
        return training_batches(dataset, list(range(len(dataset))), augment, given.batch, 0)

    unchanged = AugmentConfig(zoom=0, rotation=0, shift_rows=0, shift_columns=0, flip_horizontal=False)
    one_batch = next(iter(from_dataset(unchanged)))
    memory = without_autotune(type(from_dataset(unchanged)).from_tensors(one_batch).repeat())
    feeds = {"memory": memory, "read": from_dataset(unchanged), "augmented": from_dataset(AugmentConfig())}
    begun = {name: iter(feed) for name, feed in feeds.items()}
    model.make_train_function()
    steps = max(6, 100 * 128**2 // size**2)
    seconds: dict[str, list[float]] = {name: [] for name in feeds}
    computing: dict[str, list[float]] = {name: [] for name in feeds}
    for number in track(range(given.rounds + 1), f"{size}x{size}", transient=True):  # the first round traces the graphs
        for name in (*feeds, *feeds)[number % len(feeds) :][: len(feeds)]:
            started, computed = time.perf_counter(), time.process_time()
            for _ in range(steps):
                model.train_function(begun[name])
            if number:
                seconds[name].append((time.perf_counter() - started) / steps)
                computing[name].append(time.process_time() - computed)
    step = statistics.median(seconds["memory"])
    return (
        step,
        relative_increase(seconds, "read"),
        relative_increase(seconds, "augmented"),
        relative_increase(computing, "augmented"),
    )


def relative_increase(measured: dict[str, list[float]], name: str) -> float:
    """Compute the median relative increase of a feed over memory."""
    return statistics.median(fed / bare - 1 for fed, bare in zip(measured[name], measured["memory"], strict=True))


if __name__ == "__main__":
    main()
