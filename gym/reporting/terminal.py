"""The summary that the terminal shows at the end of a run."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Column, Table

from gym.config.registries import SCORES, Place
from gym.core.text import format_duration, format_score, plain_console, print_table
from gym.evaluation import confusion
from gym.evaluation.run_model import Evaluation


def print_result(name: str, scores: Mapping[str, float], evaluation: Evaluation, next_steps: Sequence[str]) -> None:
    """Print the validation scores of a run by class, its test scores in one line, and what to do next.

    Args:
        name: Name of the run.
        scores: The metrics of the run, as in `gym.runs.result.RunResult.scores`.
        evaluation: The evaluation of the validation side.
        next_steps: Lines to print last.
    """
    console = plain_console()
    console.print()
    console.print(f"{name}  {format_duration(scores['seconds'])}", style="bold")
    print_table(_class_table(evaluation))
    if f"test/{SCORES.default}" in scores:
        shown = {one.title: scores.get(f"test/{one.name}", math.nan) for one in SCORES.at(Place.HELD_OUT)}
        tested = (f"{title} {format_score(score)}" for title, score in shown.items())
        console.print(f"test side: {', '.join(tested)}")
    others = [entry for entry in SCORES.at(Place.FIGURE4) if not entry.by_class]
    values = [f"{entry.title} {format_score(scores.get(entry.name, math.nan), digits=4)}" for entry in others]
    console.print(
        f"{'   '.join(values)}   stopping epoch {scores['stopping_epoch']:.0f}   "
        f"best epoch {scores['best_epoch']:.0f}   parameters {scores['parameters']:,.0f}"
    )
    console.print_lines(["", *next_steps])


def _class_table(evaluation: Evaluation) -> Table:
    table = Table("class", *(Column(title, justify="right") for title in ("IoU", "Dice", "share of truth")))
    matrix = evaluation.matrix
    shares = confusion.ratio(matrix.sum(axis=1), np.full(len(matrix), matrix.sum()))
    scores = zip(evaluation.classes, confusion.class_iou(matrix), confusion.class_dice(matrix), shares, strict=True)
    for label, *values in scores:
        table.add_row(label, *map(format_score, values))
    table.add_section()
    table.add_row("mean", format_score(confusion.mean_iou(matrix)), format_score(confusion.mean_dice(matrix)), "")
    return table
