"""Compare two parallel runs of one thread each with sequential runs of two threads.

    python scripts/bench_workers.py                 # three rounds; 25 minutes

`bench_train_subject.py` times steps of the U-Net, alternating between both ways. A ratio above 1 means that two
parallel runs train more images in the same time. They start together but trace their graphs separately, so the last
steps of one may run alone; many steps make this negligible.
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


def seconds_per_step(workers: int, threads: int, filters: int, size: int) -> float:
    """Measure the seconds per step of all workers together."""
    command = [sys.executable, str(SUBJECT), "ours", "unet", "--filters", str(filters), "--size", str(size)]
    command += ["--batch", "4", "--threads", str(threads), "--steps", str(max(4, 1_600_000 // size**2))]
    environment = os.environ | {"PYTHONPATH": "."}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(workers)
    ]
    ended = [(*process.communicate(), process.returncode) for process in started]
    for _, errors, code in ended:
        if code:
            sys.exit(f"a worker exited with code {code}: {errors.strip().splitlines()[-1]}")
    outputs = [text for text, _, _ in ended]
    return statistics.mean(json.loads(text.strip().splitlines()[-1])["step"] for text in outputs) / workers


def main() -> None:
    """Measure all numbers of filters and sizes, and print the ratios."""
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
                seconds_per_step(1, 2, filters, size) / seconds_per_step(2, 1, filters, size)
                for _ in range(given.rounds)
            ]
            ratios.append(f"{statistics.median(pairs):.2f}")
        table.add_row(str(filters), *ratios)
    Console().print(table)


if __name__ == "__main__":
    main()
