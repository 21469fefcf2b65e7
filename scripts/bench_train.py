"""Compare ways to train the paper's networks: the original's, PyTorch's, ours plain, ours.

    python scripts/bench_train.py --ways plain_float32,plain,ours                     # nothing to install
    python scripts/bench_train.py --install outputs/bench                            # all; installs what others need
    python scripts/bench_train.py --install outputs/bench --torch torch==2.13.0      # a build that is at hand

Each way runs in a process of its own, one after another, round after round; what is shown are medians over the rounds
of seconds a step of training, images per second of inference, and peak memory, and ratios within a round. Beside them
the share that the steps reach of a large matrix product's rate in bfloat16, counted in the multiplications that a way
really makes.
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
WAYS = {
    "original_own": "the original as it runs",
    "original_graph": "the original, float32 graph",
    "torch": "PyTorch, bfloat16",
    "plain_float32": "ours plain, float32",
    "plain": "ours plain",
    "ours": "ours",
}

Numbers = dict[str, float]
Case = tuple[str, int, int]


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


def measure(way: str, case: Case, batch: int, folder: Path | None) -> Numbers | None:
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
    """Multiply-adds a second of a product of matrices in bfloat16, the best of some."""
    import tensorflow as tf

    left = tf.cast(tf.random.normal((2048, 2048)), tf.bfloat16)
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        tf.linalg.matmul(left, left).numpy()
        seconds.append(time.perf_counter() - started)
    return 2048**3 / min(seconds)


def table_of(case: Case, rounds: dict[str, list[Numbers]], batch: int, rate: float) -> Table:
    """A row for each way."""
    model, filters, size = case
    columns = "way", "step s", "images/s", "ours is faster", "inference images/s", "peak GiB", "first s", "of GEMM"
    table = Table(*columns, title=f"{model}, filters {filters}, {size}x{size}x5, batch {batch}", title_justify="left")
    for way, numbers in rounds.items():
        if not numbers:
            continue
        step, inference, peak, first = (
            statistics.median(one[key] for one in numbers) for key in ("step", "inference", "peak", "first")
        )
        pairs = zip(numbers, rounds.get("ours", []), strict=False)
        ratio = statistics.median([one["step"] / ours["step"] for one, ours in pairs] or [float("nan")])
        share = numbers[0].get("multiply_adds", float("nan")) / step / rate
        table.add_row(
            *(WAYS[way], f"{step:.2f}", f"{batch / step:.2f}", f"{ratio:.2f}x"),
            *(f"{1 / inference:.1f}", f"{peak:.1f}", f"{first:.1f}", f"{share:.0%}" if share == share else "-"),
        )
    return table


def draw(results: list[dict], path: Path) -> None:
    """Draw images per second of training, a panel for each case."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(results), figsize=(3.1 * len(results), 2.6), squeeze=False, sharey=True)
    for panel, result in zip(panels[0], results, strict=True):
        rounds = {way: numbers for way, numbers in result["rounds"].items() if numbers}
        rates = [result["batch"] / statistics.median(one["step"] for one in numbers) for numbers in rounds.values()]
        bars = panel.barh(
            [WAYS[way] for way in rounds], rates, color=["C0" if way == "ours" else "0.7" for way in rounds]
        )
        panel.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
        panel.margins(x=0.2)
        panel.set_title("{} f{} {}x{}".format(*result["case"], result["case"][2]), fontsize=9)
        panel.set_xlabel("training, images/s", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


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
    parser.add_argument("--chart", type=Path, help="draw them here, as PNG")
    given = parser.parse_args()
    if given.install:
        install(given.install, given.torch)
    ways, rate = available(given.ways.split(","), given.install), matrix_rate()
    print(f"bfloat16 matrix product: {2 * rate / 1e9:.0f} GFLOP/s")
    cases = product(given.models.split(","), map(int, given.filters.split(",")), map(int, given.sizes.split(",")))
    results = []
    for case in cases:
        rounds: dict[str, list[Numbers]] = {way: [] for way in ways}
        for _, way in track(list(product(range(given.rounds), ways)), " ".join(map(str, case)), transient=True):
            numbers = measure(way, case, given.batch, given.install)
            if numbers:
                rounds[way].append(numbers)
        Console(width=120).print(table_of(case, rounds, given.batch, rate))
        results.append({"case": case, "batch": given.batch, "rounds": rounds})
        if given.json:
            given.json.write_text(json.dumps(results, indent=2))
        if given.chart:
            draw(results, given.chart)


if __name__ == "__main__":
    main()
