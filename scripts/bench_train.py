"""Compare ways to train the paper's networks: the original, PyTorch, and segsweep without and with its optimisations.

    python scripts/bench_train.py --ways plain_float32,plain,ours                     # nothing to install
    python scripts/bench_train.py --install outputs/bench                            # all; installs the other programs
    python scripts/bench_train.py --install outputs/bench --torch torch==2.13.0      # another build of PyTorch

Each way runs in its own process, one after another, round after round. The table shows medians over rounds of seconds
per training step, images per second of inference and peak memory, and ratios within a round. Segsweep and PyTorch
use the data type that `training.precision=auto` chooses. The last column is the step's share of the rate of a
large matrix product in the same type, based on the multiplications that a way really performs. A Markdown table with
one line per case follows.

    python scripts/bench_train.py --json outputs/bench.json --sizes 128
    python scripts/bench_train.py --json outputs/bench.json --sizes 256              # adds to the existing results
    python scripts/bench_train.py --json outputs/bench.json --rounds 0 --chart bench.png   # draws without measuring

Imitate a processor without bfloat16 and AVX-512 with

    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python scripts/bench_train.py --precision float32
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
from typing import Any

from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import track
from rich.table import Table

SUBJECT = Path(__file__).with_name("bench_train_subject.py")
OTHERS = {"original_own": "original", "original_graph": "original", "torch": "torch"}
WAYS = {
    "original_own": "original as it runs",
    "original_graph": "original, float32 graph",
    "torch": "PyTorch",
    "plain_float32": "plain, float32",
    "plain": "plain",
    "ours": "segsweep",
}

Numbers = dict[str, float]
Case = tuple[str, int, int]  # network, filters, size
Result = dict[str, Any]


def install(folder: Path, torch: str) -> None:
    """Install other programs into a folder; print the reason if one cannot be installed."""
    for name, packages in {"original": ["--no-deps", "doodleverse-utils"], "torch": [torch]}.items():
        if (folder / name).exists():
            continue
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / name), *packages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            Console(stderr=True).print(f"skipped {name} ({done.stderr.strip().splitlines()[-1]})")


def installed_ways(ways: Sequence[str], folder: Path | None) -> list[str]:
    """Select the ways whose programs are installed."""
    return [way for way in ways if way not in OTHERS or (folder and (folder / OTHERS[way]).exists())]


def measure(way: str, case: Case, batch: int, precision: str, folder: Path | None) -> Numbers | None:
    """Run one way in a process; print the error and return None if it fails."""
    model, filters, size = case
    steps = 1 if way == "original_own" else max(2, min(20, 3 * 256**2 // size**2))
    command = [sys.executable, str(SUBJECT), way, model, "--filters", str(filters), "--size", str(size)]
    path = os.pathsep.join(filter(None, [str(folder / OTHERS[way]) if folder and way in OTHERS else "", "."]))
    environment = os.environ | {"PYTHONPATH": path}
    command += ["--batch", str(batch), "--steps", str(steps), "--precision", precision]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        Console(stderr=True).print(f"{way} {model} f{filters} {size}: exited with code {done.returncode} ({last})")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def matrix_rate(precision: str) -> float:
    """Measure the multiply-adds per second of a matrix product in the type of a precision, the best of several."""
    import tensorflow as tf

    left = tf.cast(tf.random.normal((2048, 2048)), precision.removeprefix("mixed_"))
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        tf.linalg.matmul(left, left).numpy()
        seconds.append(time.perf_counter() - started)
    return 2048**3 / min(seconds)


def table_of(case: Case, rounds: dict[str, list[Numbers]], batch: int, rate: float) -> Table:
    """Build a table with one row per way."""
    model, filters, size = case
    columns = (
        "way",
        "s per step",
        "images/s",
        "vs segsweep",
        "inference, images/s",
        "peak memory, GiB",
        "first step, s",
        "of GEMM",
    )
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


def summarize(results: Sequence[Result]) -> Table:
    """Build a table with one line per case: times of segsweep, and how many times as long the other ways take."""
    others = [way for way in WAYS if way != "ours" and any(result["rounds"].get(way) for result in results)]
    rate = max((result["rate"] for result in results), default=0)  # noise only lowers a measured rate
    columns = ["network", "segsweep, s per step", *(f"vs {WAYS[way]}" for way in others)]
    table = Table(
        *columns, "inference, images/s", "vs original, inference", "peak memory, GiB", "of GEMM", box=MARKDOWN
    )
    for result in results:
        model, filters, size = result["case"]
        rounds = result["rounds"]
        ours = {name: statistics.median(one[name] for one in rounds["ours"]) for name in rounds["ours"][0]}
        predicting = [way for way in ("original_own", "original_graph") if rounds.get(way)]
        table.add_row(
            f"{model} f{filters}, {size}x{size}",
            f"{ours['step']:.3g}",
            *(ratio_of(rounds, way, "step") for way in others),
            f"{1 / ours['inference']:.3g}",
            ratio_of(rounds, predicting[0], "inference") if predicting else "",
            f"{ours['peak']:.1f}",
            f"{ours['multiply_adds'] / ours['step'] / rate:.0%}",
        )
    return table


def ratio_of(rounds: dict[str, list[Numbers]], way: str, number: str) -> str:
    """Format how many times as long a way takes as segsweep, as a median; empty if it was not measured."""
    pairs = zip(rounds.get(way, []), rounds["ours"], strict=False)
    ratios = [theirs[number] / ours[number] for theirs, ours in pairs]
    return f"{statistics.median(ratios):.1f}x" if ratios else ""


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw training images per second: one panel per network and size, one group of bars per width."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    models, sizes = (sorted({result["case"][place] for result in results}, reverse=place == 0) for place in (0, 2))
    shown = [way for way in WAYS if any(result["rounds"].get(way) for result in results)]
    figure, panels = pyplot.subplots(
        len(models), len(sizes), figsize=(3.4 * len(sizes), 2.6 * len(models)), squeeze=False, layout="constrained"
    )
    for (row, model), (column, size) in product(enumerate(models), enumerate(sizes)):
        panel = panels[row][column]
        of_panel = [result for result in results if (result["case"][0], result["case"][2]) == (model, size)]
        for place, way in enumerate(shown):
            rates = [images_per_second(result, way) for result in of_panel]
            at = [group + (place - (len(shown) - 1) / 2) * 0.8 / len(shown) for group in range(len(of_panel))]
            colour = "C0" if way == "ours" else str(0.35 + 0.5 * place / len(shown))
            bars = panel.bar(at, rates, 0.8 / len(shown), color=colour, label=WAYS[way])
            panel.bar_label(bars, fmt="%.3g", fontsize=5.5, padding=1)
        panel.set_xticks(range(len(of_panel)), [f"f{result['case'][1]}" for result in of_panel], fontsize=8)
        panel.set_title(f"{model}, {size}x{size}", fontsize=9)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    for row in panels:
        row[0].set_ylabel("training, images/s", fontsize=8)
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(shown), fontsize=8)
    figure.savefig(path, dpi=120)


def images_per_second(result: Result, way: str) -> float:
    """Compute training images per second; NaN if a way was not measured."""
    numbers = result["rounds"].get(way)
    return result["batch"] / statistics.median(one["step"] for one in numbers) if numbers else float("nan")


def read_results(path: Path | None) -> dict[Case, Result]:
    """Read earlier results by case."""
    if path is None or not path.exists():
        return {}
    return {tuple(result["case"]): result for result in json.loads(path.read_text())}


def main() -> None:
    """Measure each case and print it immediately."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--models", default="unet,resunet")
    parser.add_argument("--filters", default="2,6,12")
    parser.add_argument("--sizes", default="128,256,512")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--precision", default="auto", help="precision of segsweep and PyTorch: auto, float32 or mixed_bfloat16"
    )
    parser.add_argument("--install", type=Path, help="folder to install other programs into")
    parser.add_argument("--torch", default="torch", help="requirement to install for PyTorch")
    parser.add_argument("--json", type=Path, help="also add the numbers to this file")
    parser.add_argument("--chart", type=Path, help="also draw the numbers as this PNG")
    given = parser.parse_args()
    results = read_results(given.json)
    if given.rounds:
        measure_cases(given, results)
    ordered = [results[case] for case in sorted(results, key=lambda case: (case[0] != "unet", *case[1:]))]
    Console(width=200).print(summarize([result for result in ordered if result["rounds"].get("ours")]))
    if given.chart:
        draw(ordered, given.chart)


def measure_cases(given: argparse.Namespace, results: dict[Case, Result]) -> None:
    """Measure the requested cases and add each to the results."""
    if given.install:
        install(given.install, given.torch)
    from gym.training.precision import choose_precision

    ways = installed_ways(given.ways.split(","), given.install)
    precision = choose_precision().precision if given.precision == "auto" else given.precision
    if precision == "float32" and "plain" in ways:
        ways = [way for way in ways if way != "plain_float32"]  # plain is in float32 as well
    rate = matrix_rate(precision)
    print(f"{precision}; matrix product: {2 * rate / 1e9:.0f} GFLOP/s")
    for case in product(given.models.split(","), map(int, given.filters.split(",")), map(int, given.sizes.split(","))):
        rounds: dict[str, list[Numbers]] = {way: [] for way in ways}
        for _, way in track(list(product(range(given.rounds), ways)), " ".join(map(str, case)), transient=True):
            numbers = measure(way, case, given.batch, precision, given.install)
            if numbers:
                rounds[way].append(numbers)
        Console(width=120).print(table_of(case, rounds, given.batch, rate))
        results[case] = {"case": case, "batch": given.batch, "rate": rate, "rounds": rounds}
        if given.json:
            given.json.write_text(json.dumps(list(results.values()), indent=2))


if __name__ == "__main__":
    main()
