"""The end of a run, in the terminal."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

from gym import metrics
from gym.console import clock, plain_console, worded
from gym.reporting.evaluation import Evaluation


def show_result(name: str, scores: Mapping[str, float], evaluation: Evaluation, next_steps: Sequence[str]) -> None:
    """Print the scores of a run on the validation side, those of a test side in one line, and what to do next."""
    console = plain_console()
    console.print(f"\n{name}  {clock(scores['seconds'])}", style="bold")
    console.print(score_table(evaluation))
    if "test/iou" in scores:
        console.print(f"on the test side: mean IoU {worded(scores['test/iou'])}, Dice {worded(scores['test/dice'])}")
    console.print(
        f"KLD {worded(scores.get('kld', float('nan')), digits=4)}   stopping epoch {scores['stopping_epoch']:.0f}   "
        f"best epoch {scores['best_epoch']:.0f}   parameters {scores['parameters']:,.0f}"
    )
    console.print("\n" + "\n".join(next_steps))


def score_table(evaluation: Evaluation) -> Table:
    """IoU, Dice and share of truth by class, and the means of the first two."""
    table = Table()
    table.add_column("class")
    for column in ("IoU", "Dice", "share of truth"):
        table.add_column(column, justify="right")
    matrix = evaluation.matrix
    shares = metrics.ratio(matrix.sum(axis=1), np.full(len(matrix), matrix.sum()))
    scores = zip(evaluation.classes, metrics.class_iou(matrix), metrics.class_dice(matrix), shares, strict=True)
    for label, *values in scores:
        table.add_row(label, *map(worded, values))
    table.add_section()
    table.add_row("mean", worded(metrics.mean_iou(matrix)), worded(metrics.mean_dice(matrix)), "")
    return table
