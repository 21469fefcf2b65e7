"""Measure what a sweep costs beside its training.

    python scripts/bench_sweep.py                  # the smoke matrix, and three epochs of it; three minutes

First the 30 runs of `smoke_matrix` as a user starts them: one epoch on 8 scenes of 32x32 each. Then the same with three
epochs: an epoch once all is warm is timed between the ends of the first and the last, and what is left of each run,
graph, evaluation, pictures and MLflow, is its cost beyond its own steps. Times are those in the sweep's ledger.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gym.sweeps.folder import SweepFolder
from gym.sweeps.ledger import EPOCH, FINISHED, STARTED, Event

EPOCHS = 3


def sweep(outputs: Path, *more: str) -> tuple[float, list[Event]]:
    """Run the smoke matrix as a user does; seconds, and its ledger."""
    command = [sys.executable, "-m", "gym.train", "-m", "+experiment=smoke_matrix", "sweep.name=bench"]
    command += ["hydra.launcher.n_jobs=1"]  # one after the other, in one process
    started = time.perf_counter()
    subprocess.run([*command, f"outputs={outputs}", *more], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, SweepFolder(outputs, "bench").ledger.read()


def spans(events: list[Event]) -> list[tuple[float, list[float]]]:
    """Of each run how long it took, and when its epochs ended, in seconds from its start."""
    found = []
    for job in sorted({event["job"] for event in events}):
        own = [event for event in events if event["job"] == job]
        started = next(event["time"] for event in own if event["event"] == STARTED)
        ended = next(event["time"] for event in own if event["event"] == FINISHED)
        epochs = [event["time"] - started for event in own if event["event"] == EPOCH]
        found.append((ended - started, epochs))
    return found


def cost_beyond_steps(took: float, epochs: list[float]) -> float:
    """Seconds of a run that are not its epochs, as they are once all is warm."""
    return took - len(epochs) * (epochs[-1] - epochs[0]) / (len(epochs) - 1)


def main() -> None:
    """Measure both sweeps in folders of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, events = sweep(Path(folder) / "one")
        _, longer = sweep(Path(folder) / "three", f"training.epochs={EPOCHS}")
    runs = [took for took, _ in spans(events)]
    costs = [cost_beyond_steps(took, epochs) for took, epochs in spans(longer)[1:]]  # the first warms the process
    results = {
        "30 runs of one epoch, whole command, s": whole,
        "  from the start of the first run to the end of the last, s": events[-1]["time"]
        - min(event["time"] for event in events if event["event"] == STARTED),
        "  a run, median, s": statistics.median(runs[1:]),
        "a run beyond its own steps, median, s": statistics.median(costs),
        "  unet, 2 filters, s": costs[0],
        "  largest, s": max(costs),
    }
    table = Table("", "")
    for name, value in results.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
