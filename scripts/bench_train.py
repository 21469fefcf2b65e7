"""Compare ways to train the paper's networks: the original's, PyTorch's, ours with the plain decoder, ours.

    python scripts/bench_train.py --ways plain_float32,plain,ours                     # nothing to install
    python scripts/bench_train.py --install outputs/bench                            # all; installs what others need
    python scripts/bench_train.py --install outputs/bench --torch torch==2.13.0      # a build that is at hand

Each way runs in a process of its own, one after another, round after round; what is shown are medians over the rounds
of seconds a step of training, images per second of inference, and peak memory, and ratios within a round. Beside them
the rate of a large matrix product in bfloat16, and which share of it the steps reach, counted in the multiplications
that a way really makes (forward and twice that backward).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

SUBJECT = Path(__file__).with_name("bench_train_subject.py")
OTHERS = {"original_own": "original", "original_graph": "original", "torch": "torch"}
WAYS = ("original_own", "original_graph", "torch", "plain_float32", "plain", "ours")

Numbers = dict[str, float]


def install(folder: Path, torch: str) -> None:
    """Install what the ways of others need into a folder of its own; what cannot be had is left out, with a reason."""
    for name, packages in {"original": ["--no-deps", "doodleverse-utils"], "torch": [torch]}.items():
        if (folder / name).exists():
            continue
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / name), *packages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            Console(stderr=True).print(f"left out: {name} ({done.stderr.strip().splitlines()[-1]})")


def available(ways: Sequence[str], folder: Path | None) -> list[str]:
    """The ways that can run."""
    return [way for way in ways if way not in OTHERS or (folder and (folder / OTHERS[way]).exists())]


def measure(way: str, case: tuple[str, int, int], batch: int, folder: Path | None) -> Numbers | None:
    """One process of one way; None if it fails, which is said."""
    model, filters, size = case
    steps = 1 if way == "original_own" else max(2, min(20, 3 * 256**2 // size**2))
    command = [sys.executable, str(SUBJECT), way, model, "--filters", str(filters), "--size", str(size)]
    path = os.pathsep.join(filter(None, [str(folder / OTHERS[way]) if folder and way in OTHERS else "", "."]))
    environment = os.environ | {"PYTHONPATH": path}
    command += ["--batch", str(batch), "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        Console(stderr=True).print(f"{way} {model} f{filters} {size}: ended with {done.returncode} ({last})")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def matrix_rate() -> float:
    """GFLOP/s of a product of matrices in bfloat16, the best of some."""
    import tensorflow as tf

    left = tf.cast(tf.random.normal((2048, 2048)), tf.bfloat16)
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        tf.linalg.matmul(left, left).numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(seconds) / 1e9


def show(case: tuple[str, int, int], rounds: dict[str, list[Numbers]], batch: int) -> None:
    """A table of one case."""
    model, filters, size = case
    table = Table("way", "step, s", "images/s", "ours is faster by", "inference, images/s", "peak, GiB", "first, s")
    for way, numbers in rounds.items():
        if not numbers:
            continue
        step, inference, peak, first = (
            statistics.median(one[key] for one in numbers) for key in ("step", "inference", "peak", "first")
        )
        ratio = statistics.median(
            one["step"] / ours["step"] for one, ours in zip(numbers, rounds.get("ours", []), strict=False)
        )
        table.add_row(
            *(way, f"{step:.2f}", f"{batch / step:.2f}", f"{ratio:.2f}x"),
            *(f"{1 / inference:.1f}", f"{peak:.1f}", f"{first:.1f}"),
        )
    Console().print(f"{model}, filters {filters}, {size}x{size}x5, batch {batch}", table)


def main() -> None:
    """Measure each case, and show it at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--models", default="unet,resunet")
    parser.add_argument("--filters", default="2,6,12")
    parser.add_argument("--sizes", default="128,256,512")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--install", type=Path, help="folder for what the ways of others need")
    parser.add_argument("--torch", default="torch", help="what to install for torch")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    given = parser.parse_args()
    if given.install:
        install(given.install, given.torch)
    ways = available(given.ways.split(","), given.install)
    print(f"bfloat16 matrix product: {matrix_rate():.0f} GFLOP/s")
    cases = product(given.models.split(","), map(int, given.filters.split(",")), map(int, given.sizes.split(",")))
    results = []
    for case in cases:
        rounds: dict[str, list[Numbers]] = {way: [] for way in ways}
        for _, way in track(list(product(range(given.rounds), ways)), " ".join(map(str, case)), transient=True):
            numbers = measure(way, case, given.batch, given.install)
            if numbers:
                rounds[way].append(numbers)
        show(case, rounds, given.batch)
        results.append({"case": case, "rounds": rounds})
        if given.json:
            given.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
