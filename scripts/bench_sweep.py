"""Measure the cost of a sweep apart from its training.

    python scripts/bench_sweep.py                  # three times 30 small runs; five minutes

Sweeps of 30 runs on 8 scenes of 32x32 are started as a user starts them, one run after another in one process: one
model with 30 seeds for one epoch, the 30 models of `smoke_matrix`, which have 30 different graphs, and one model with
30 seeds for three epochs. In the latter, a warm epoch is timed between the ends of the first and the last epoch; the
rest of each run (evaluation, figures and MLflow) is its cost beyond training steps. Times come from the sweep's ledger.
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

from gym.sweeps.ledger import EPOCH, FINISHED, STARTED, Event
from gym.sweeps.sweep_folder import SweepFolder

EPOCHS = 3
MATRIX = ["+experiment=smoke_matrix", "hydra/launcher=basic"]
SEEDS = [
    *("data.size=32", "data.scenes=8", "model=unet", "filters=2", "model.kernel=3", "model.levels=1"),
    *("training.epochs=1", f"seed={','.join(map(str, range(30)))}"),
]


def sweep(outputs: Path, *arguments: str) -> tuple[float, list[Event]]:
    """Run a sweep as a user does; return the seconds and its ledger."""
    command = [sys.executable, "-m", "gym.train", "-m", "sweep.name=bench"]
    started = time.perf_counter()
    subprocess.run([*command, f"outputs={outputs}", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, SweepFolder(outputs, "bench").ledger.read()


def spans(events: list[Event]) -> list[tuple[float, list[float]]]:
    """Compute how long each run took and when its epochs ended, in seconds from its start."""
    found = []
    for job in sorted({event["job"] for event in events}):
        own = [event for event in events if event["job"] == job]
        started = next(event["time"] for event in own if event["event"] == STARTED)
        ended = next(event["time"] for event in own if event["event"] == FINISHED)
        epochs = [event["time"] - started for event in own if event["event"] == EPOCH]
        found.append((ended - started, epochs))
    return found


def median_run(events: list[Event]) -> float:
    """Compute the median seconds of a run, without the first one, which warms up the process."""
    return statistics.median(took for took, _ in spans(events)[1:])


def cost_beyond_steps(took: float, epochs: list[float]) -> float:
    """Compute the seconds of a run that are not spent on warm epochs."""
    return took - len(epochs) * (epochs[-1] - epochs[0]) / (len(epochs) - 1)


def main() -> None:
    """Measure the sweeps in temporary folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seeds, of_seeds = sweep(Path(folder) / "seeds", *SEEDS)
        _, longer = sweep(Path(folder) / "three", *SEEDS, f"training.epochs={EPOCHS}")
        matrix, of_matrix = sweep(Path(folder) / "matrix", *MATRIX)
    # The first run warms up the process.
    costs = [cost_beyond_steps(took, epochs) for took, epochs in spans(longer)[1:]]
    results = {
        "30 seeds of one model, whole command, s": seeds,
        "each of these runs in a warm process, median, s": median_run(of_seeds),
        "of which evaluation, model card, figures and MLflow, median, s": statistics.median(costs),
        "of which evaluation, model card, figures and MLflow, largest, s": max(costs),
        "30 different models, whole command, s": matrix,
        "each of these different runs in a warm process, median, s": median_run(of_matrix),
    }
    table = Table("", "")
    for name, value in results.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
