"""Compare training in float32, in bfloat16 and in what `training.precision=auto` chooses, on each instruction set.

    python scripts/bench_precision.py
    python scripts/bench_precision.py --models unet --sizes 256 --instructions AVX2,AVX512_CORE

oneDNN is limited to one instruction set after another with ONEDNN_MAX_CPU_ISA; an empty name is no limit. Each number
comes from a process of its own; the data types take turns, round after round. The table shows the training steps per
second of each round, and the choice with the times that it is based on.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import product

from bench_train import SUBJECT, measure
from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import track
from rich.table import Table

PRECISIONS = ("float32", "mixed_bfloat16")
INSTRUCTIONS = "AVX2,AVX512_CORE,AVX512_CORE_BF16,"


def choose(cache: str) -> tuple[str, str]:
    """Return the choice and its reason, measured in a process of its own and kept in a cache of its own."""
    code = "from gym.training.precision import choose_precision as choose; print('\\t'.join(choose()))"
    environment = os.environ | {"XDG_CACHE_HOME": cache, "PYTHONPATH": str(SUBJECT.parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    precision, reason = done.stdout.splitlines()[-1].split("\t")
    return precision, reason


def main() -> None:
    """Measure every case, and print one row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="unet,resunet")
    parser.add_argument("--filters", type=int, default=6)
    parser.add_argument("--sizes", default="128,256")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--instructions", default=INSTRUCTIONS)
    given = parser.parse_args()
    names = [f"{name}, steps/s" for name in PRECISIONS]
    table = Table("instruction set", "network", *names, "bfloat16 / float32", "auto", "convolutions", box=MARKDOWN)
    cases = list(product(given.instructions.split(","), given.models.split(","), map(int, given.sizes.split(","))))
    with tempfile.TemporaryDirectory() as cache:
        for limit, model, size in track(cases, console=Console(stderr=True)):
            os.environ.pop("ONEDNN_MAX_CPU_ISA", None)
            if limit:
                os.environ["ONEDNN_MAX_CPU_ISA"] = limit
            case = (model, given.filters, size)
            rounds = [
                [measure("ours", case, given.batch, name, None) for name in PRECISIONS] for _ in range(given.rounds)
            ]
            rates = [[1 / one["step"] for one in of_type if one] for of_type in zip(*rounds, strict=True)]
            ratios = [fast / slow for slow, fast in zip(*rates, strict=False)]
            ratio = f"{statistics.median(ratios):.2f}x" if ratios else ""
            shown = [", ".join(f"{rate:.2f}" for rate in of_type) or "fails" for of_type in rates]
            precision, reason = choose(cache)
            times = reason.partition("take ")[2].partition(" on ")[0]
            table.add_row(limit or "all", f"{model} f{given.filters} {size}", *shown, ratio, precision, times)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
