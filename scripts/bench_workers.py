"""Two runs at a time with a thread each, against one run after another with two threads.

    python scripts/bench_workers.py                 # three rounds; 25 minutes

Steps of the U-Net are timed by `bench_train_subject.py`, both ways in turn. Above 1: two at a time train more images in
the same time. The two begin together but trace their graphs for themselves, so the last steps of one may be alone on
the machine: the steps are many, to make little of it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

SUBJECT = Path(__file__).with_name("bench_train_subject.py")


def seconds_a_step(workers: int, threads: int, filters: int, size: int) -> float:
    """Of all workers together: seconds for one step of each, over their number."""
    command = [sys.executable, str(SUBJECT), "ours", "unet", "--filters", str(filters), "--size", str(size)]
    command += ["--batch", "4", "--threads", str(threads), "--steps", str(max(4, 1_600_000 // size**2))]
    environment = os.environ | {"PYTHONPATH": "."}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(workers)
    ]
    ended = [(*process.communicate(), process.returncode) for process in started]
    for _, complaint, code in ended:
        if code:
            sys.exit(f"a worker ended with {code}: {complaint.strip().splitlines()[-1]}")
    said = [text for text, _, _ in ended]
    return statistics.mean(json.loads(text.strip().splitlines()[-1])["step"] for text in said) / workers


def main() -> None:
    """Measure each width and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", default="2,6,12")
    parser.add_argument("--sizes", default="64,128,256")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    table = Table("filters", *(f"{size}x{size}" for size in given.sizes.split(",")))
    for filters in map(int, given.filters.split(",")):
        ratios = []
        for size in map(int, given.sizes.split(",")):
            pairs = [
                seconds_a_step(1, 2, filters, size) / seconds_a_step(2, 1, filters, size) for _ in range(given.rounds)
            ]
            ratios.append(f"{statistics.median(pairs):.2f}")
        table.add_row(str(filters), *ratios)
    Console().print(table)


if __name__ == "__main__":
    main()
